//! What a load came to, on standard error.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::exit::{Exit, say};
use crate::load::call::Answer;

/// Requests so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    requests: u64,
    ok: u64,
    statuses: BTreeMap<String, u64>,
    backends: BTreeMap<String, u64>,
    databases: BTreeMap<String, u64>,
    longest: Duration,
    /// Records of the proxy that were older than the request that they followed.
    pub(super) stale: u64,
}

impl Tally {
    pub(super) fn add(&mut self, answer: &Answer, database: Option<&str>) {
        let status = match answer.status {
            Some(status) => status.as_u16().to_string(),
            None => "no answer".to_owned(),
        };
        let backend = answer.backend.as_deref().unwrap_or("unknown");
        let database = database.unwrap_or("unknown");
        self.count(&status, backend, database, answer.took, answer.is_ok());
    }

    pub(super) fn count(
        &mut self,
        status: &str,
        backend: &str,
        database: &str,
        took: Duration,
        ok: bool,
    ) {
        self.requests += 1;
        self.ok += u64::from(ok);
        for (counts, key) in [
            (&mut self.statuses, status),
            (&mut self.backends, backend),
            (&mut self.databases, database),
        ] {
            *counts.entry(key.to_owned()).or_default() += 1;
        }
        self.longest = self.longest.max(took);
    }

    /// Whether every request was answered with success.
    pub(super) fn exit(&self) -> Exit {
        match (self.requests, self.ok == self.requests) {
            (0, _) => Exit::Unknown,
            (_, true) => Exit::Passed,
            (_, false) => Exit::Failed,
        }
    }

    pub(super) fn say(&self) {
        say(format_args!(
            "{} requests, {} ok, {} failed; longest stall {:.3} s",
            self.requests,
            self.ok,
            self.requests - self.ok,
            self.longest.as_secs_f64()
        ));
        for (what, counts) in [
            ("status  ", &self.statuses),
            ("backend ", &self.backends),
            ("database", &self.databases),
        ] {
            let each = counts.iter().map(|(key, count)| format!("{key}: {count}"));
            let each: Vec<String> = each.collect();
            if !each.is_empty() {
                say(format_args!("  {what}  {}", each.join("   ")));
            }
        }
        if self.stale > 0 {
            say(format_args!(
                "note: {} records of the proxy were older than the request that they came after, and \
                 were not taken; if that is all of them, its clock is behind this machine's",
                self.stale
            ));
        }
    }
}
