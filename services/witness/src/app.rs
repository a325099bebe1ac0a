//! What all parts share: members, clock, output, counts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use squall_host::Host;
use squall_host::output::Output;
use squall_resilient::random::Random;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::config::Config;
use crate::line::{Full, Line, Pair};
use crate::member::{Failure, Member};

/// All keys of the witness begin so; the lines leave it out.
pub(crate) const PREFIX: &str = "/witness/";

/// See the module.
pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) members: Vec<Member>,
    /// What no other process has; the values begin so.
    pub(crate) run: String,
    out: Output,
    began: Instant,
    values: AtomicU64,
    latest: Mutex<BTreeMap<String, i64>>,
    seen: AtomicI64,
    saw: Notify,
    /// What became of the operations.
    pub(crate) counts: Counts,
}

/// How many operations ended how, and whether all is done.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) done: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) unknown: AtomicU64,
    pub(crate) skipped: AtomicU64,
    pub(crate) finished: AtomicBool,
}

impl App {
    /// Nothing is sent yet.
    pub(crate) async fn new(config: Config, host: &Host) -> Result<Self, etcd_client::Error> {
        let began = Instant::now();
        let mut members = Vec::new();
        for endpoint in &config.endpoints {
            members.push(Member::new(&host.net, endpoint, config.call_timeout).await?);
        }
        Ok(Self {
            config,
            members,
            run: format!("{:08x}", Random::from_os().bits() >> 32),
            out: host.out.clone(),
            began,
            values: AtomicU64::new(0),
            latest: Mutex::default(),
            seen: AtomicI64::new(0),
            saw: Notify::new(),
            counts: Counts::default(),
        })
    }

    /// Microseconds since the process began.
    pub(crate) fn now_us(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// A value that nobody wrote before.
    pub(crate) fn new_value(&self) -> String {
        let n = self.values.fetch_add(1, Ordering::Relaxed);
        format!("{}-{n}", self.run)
    }

    /// Any member.
    pub(crate) fn any(&self, random: &mut Random) -> &Member {
        &self.members[below(random, self.members.len())]
    }

    /// Writes down an operation that ends now. `answer` says what became of it.
    pub(crate) fn tell(
        &self,
        mut line: Line,
        member: &Member,
        began_us: u64,
        answer: Result<(), Failure>,
    ) {
        let ok = match answer {
            Ok(()) => Some(true),
            Err(failure) => {
                line.error = Some(brief(&failure.to_string()));
                failure.ok()
            }
        };
        self.write(&line, Some(member), began_us, ok);
    }

    /// Writes down what no single member is to answer for.
    pub(crate) fn note(&self, line: &Line, began_us: u64, ok: bool) {
        self.write(line, None, began_us, Some(ok));
    }

    /// Says something to people.
    pub(crate) fn say(&self, text: &str) {
        self.out.line(&format!("witness: {}", brief(text)));
    }

    fn write(&self, line: &Line, member: Option<&Member>, began_us: u64, ok: Option<bool>) {
        let count = match ok {
            Some(true) => &self.counts.done,
            Some(false) => &self.counts.refused,
            None => &self.counts.unknown,
        };
        count.fetch_add(1, Ordering::Relaxed);
        let full = Full {
            witness: 1,
            line,
            ok,
            member: member.map(|member| &*member.name),
            began_us,
            ended_us: self.now_us(),
        };
        match serde_json::to_string(&full) {
            Ok(text) => self.out.line(&text),
            Err(error) => panic!("a line is no JSON: {error}"),
        }
    }

    /// The revision of a key's last change, as far as this process knows; 0 if it is absent.
    pub(crate) fn latest(&self, key: &str) -> i64 {
        self.known().get(key).copied().unwrap_or(0)
    }

    /// A key was last changed so.
    pub(crate) fn learn(&self, key: &str, modified: i64) {
        let mut known = self.known();
        let latest = known.entry(key.to_owned()).or_default();
        *latest = modified.max(*latest);
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, i64>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The watch has seen everything up to this revision.
    pub(crate) fn saw(&self, revision: i64) {
        self.seen.fetch_max(revision, Ordering::Relaxed);
        self.saw.notify_waiters();
    }

    /// Up to which revision the watch has seen everything.
    pub(crate) fn seen(&self) -> i64 {
        self.seen.load(Ordering::Relaxed)
    }

    /// Returns when the watch has seen this revision.
    pub(crate) async fn until_seen(&self, revision: i64) {
        loop {
            let saw = self.saw.notified();
            tokio::pin!(saw);
            saw.as_mut().enable();
            if self.seen() >= revision {
                return;
            }
            saw.await;
        }
    }
}

/// Evenly from 0 on; `limit` is not reached.
pub(crate) fn below(random: &mut Random, limit: usize) -> usize {
    // What is left of 2^64 is too little to matter here.
    (random.bits() % limit.max(1) as u64) as usize
}

/// A key with the prefix that the lines leave out.
pub(crate) fn full_key(key: &str) -> String {
    format!("{PREFIX}{key}")
}

/// A key, value or reason as text, without the prefix.
pub(crate) fn short(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    text.strip_prefix(PREFIX).unwrap_or(&text).to_owned()
}

/// What a range shows.
pub(crate) fn pairs(kvs: &[etcd_client::KeyValue]) -> Vec<Pair> {
    let pair = |kv: &etcd_client::KeyValue| {
        (
            short(kv.key()),
            short(kv.value()),
            kv.mod_revision(),
            kv.version(),
        )
    };
    kvs.iter().map(pair).collect()
}

/// Short enough for a line.
fn brief(text: &str) -> String {
    text[..text.floor_char_boundary(100)].to_owned()
}
