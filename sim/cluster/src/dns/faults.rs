//! Questions that go wrong, by the machine that asks.
//!
//! What a machine is answered is what Chaos Mesh's name server answers (k8s_dns_chaos, `chaos.go`):
//! SERVFAIL, or an address that is drawn for each question. It looks at the address of the asker, too.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use squall_fault::dns::{Effect, Rule};
use squall_fault::pattern;

/// Seconds for which a wrong address may be kept (`chaos.go`).
pub(super) const TTL_S: u32 = 10;

/// Where random addresses come from: 64 bits at a time.
pub type Draw = Box<dyn FnMut() -> u64 + Send>;

#[derive(Default)]
pub(super) struct Faults(Mutex<BTreeMap<IpAddr, (Vec<Rule>, Draw)>>);

/// What befalls one question.
pub(super) enum Fault {
    Error,
    /// One of each kind; the question decides which is wanted.
    Addresses(Vec<IpAddr>),
}

impl Faults {
    pub(super) fn set(&self, asker: IpAddr, rules: Vec<Rule>, draw: Draw) {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match rules.is_empty() {
            true => drop(faults.remove(&asker)),
            false => drop(faults.insert(asker, (rules, draw))),
        }
    }

    /// What befalls a question for a name in lower case: the first rule that concerns it decides.
    pub(super) fn of(&self, asker: IpAddr, name: &str) -> Option<Fault> {
        let mut faults = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (rules, draw) = faults.get_mut(&asker)?;
        let is_meant = |wanted: &String| pattern::text(&wanted.to_ascii_lowercase(), name);
        let is_concerned =
            |rule: &&Rule| rule.patterns.is_empty() || rule.patterns.iter().any(is_meant);
        match rules.iter().find(is_concerned)?.effect {
            Effect::Error => Some(Fault::Error),
            Effect::Random => {
                let [high, low] = [draw(), draw()];
                let v4 = (high as u32).to_be_bytes();
                let v6 = (u128::from(high) << 64 | u128::from(low)).to_be_bytes();
                Some(Fault::Addresses(vec![v4.into(), v6.into()]))
            }
        }
    }
}
