//! `haproxy.cfg` as values: what each section says, defaults applied, every reference checked.
//!
//! | module | idea |
//! |---|---|
//! | [`read`] | files to [`Config`]: sections, defaults, cross-checks |
//! | [`value`] | times, addresses, numbers |
//! | [`global`], [`resolvers`] | these sections |
//! | [`proxy`], `lines`, `keywords` | a proxy's section: as it is used, as it is read, what is not played |
//! | [`bind`], [`server`], [`checks`], [`logs`], [`stats`] | the bigger directives |

pub mod bind;
pub mod checks;
pub mod global;
mod keywords;
mod lines;
pub mod logs;
pub mod proxy;
pub mod read;
pub mod resolvers;
pub mod server;
pub mod stats;
pub mod value;

use squall_host::diagnostic::{Diagnostic, Origin};
use squall_host::launch::Facts;

pub use global::Global;
pub use proxy::{Balance, HashFunction, Mode, ProxyConfig, Section};
pub use read::load;
pub use resolvers::ResolversConfig;
pub use server::ServerConfig;

/// A whole configuration, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// The `global` section.
    pub global: Global,
    /// Every `frontend`, `backend` and `listen`, in the order of the files.
    pub proxies: Vec<ProxyConfig>,
    /// Every `resolvers` section.
    pub resolvers: Vec<ResolversConfig>,
}

/// What reading collects beside the values.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) facts: Facts,
}

impl Notes {
    /// Something is wrong.
    pub(crate) fn wrong(&mut self, origin: &Origin, message: impl Into<String>) {
        self.diagnostics
            .push(Diagnostic::at(origin.clone(), message));
    }

    /// HAProxy knows it, and this proxy does not play it.
    pub(crate) fn unsupported(&mut self, origin: &Origin, what: &str, help: &str) {
        let mut diagnostic = Diagnostic::at(
            origin.clone(),
            format!("'{what}' is not supported by squall"),
        );
        if !help.is_empty() {
            diagnostic = diagnostic.help(help);
        }
        self.diagnostics.push(diagnostic);
    }

    /// Accepted, and of no effect here.
    pub(crate) fn without_effect(&mut self, origin: &Origin, what: impl Into<String>) {
        self.facts
            .without_effect
            .push((what.into(), origin.clone()));
    }

    /// Takes the value out of a result, or notes the complaint.
    pub(crate) fn take<T>(&mut self, origin: &Origin, result: Result<T, String>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(message) => {
                self.wrong(origin, message);
                None
            }
        }
    }
}
