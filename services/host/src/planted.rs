//! Defects that are planted on purpose, so that tests can show that the testbed finds them.
//!
//! A service asks `host.planted.has("NAME")` at the place where a developer could have made the
//! mistake. Without this crate's feature `planted` the answer is a constant `false` and the
//! compiler removes the mistake: production, and `squall` as it is built by default, have none.
//! With the feature the answer is whether the process was launched with the name in the variable
//! `SQUALL_PLANTED` (several are separated by commas).
//!
//! Deliberately not: fault injection. What befalls a sound system is the scenario's matter.

use crate::Launch;

/// The environment variable that names the defects of a process.
pub const VARIABLE: &str = "SQUALL_PLANTED";

/// The defects of one process; none unless it was [`launched`](crate::Host::launched) with some.
#[derive(Clone, Debug, Default)]
pub struct Planted {
    #[cfg(feature = "planted")]
    names: std::sync::Arc<std::collections::BTreeSet<String>>,
}

#[cfg(not(feature = "planted"))]
impl Planted {
    /// None, whatever the environment says.
    pub fn of(_: &Launch) -> Self {
        Self {}
    }

    /// No.
    #[inline(always)]
    pub const fn has(&self, _: &str) -> bool {
        false
    }
}

#[cfg(feature = "planted")]
impl Planted {
    /// Those that the environment names.
    pub fn of(launch: &Launch) -> Self {
        let named = launch.env.get(VARIABLE).map(String::as_str);
        let names = named.unwrap_or_default().split(',').map(str::trim);
        let names = names.filter(|name| !name.is_empty()).map(str::to_owned);
        Self {
            names: std::sync::Arc::new(names.collect()),
        }
    }

    /// Whether the process has this one.
    pub fn has(&self, name: &str) -> bool {
        self.names.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launched(value: &str) -> Planted {
        Planted::of(&Launch {
            env: [(VARIABLE.to_owned(), value.to_owned())].into(),
            ..Launch::default()
        })
    }

    #[test]
    fn a_defect_needs_the_feature_and_its_name() {
        let planted = launched("edge/never-forgives, pg-stub/leaks-slots");
        assert_eq!(
            planted.has("pg-stub/leaks-slots"),
            cfg!(feature = "planted")
        );
        assert!(!planted.has("pg-stub/leaks"));
        assert!(!launched("").has(""));
        assert!(!Planted::default().has("pg-stub/leaks-slots"));
    }

    #[test]
    #[cfg(not(feature = "planted"))]
    fn without_the_feature_it_is_nothing() {
        assert_eq!(size_of::<Planted>(), 0);
    }
}
