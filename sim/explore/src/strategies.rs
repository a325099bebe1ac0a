//! Strategies for `proptest`: fault schedules and load, as typed values of a scenario.
//!
//! A schedule is drawn within a [`Budget`]: which faults, on whom, how many at a time, within which
//! time. Whatever is drawn can be played: faults are over before the time is, and a service that is
//! down is not killed again. Values shrink towards fewer faults, then simpler ones (in the order of
//! [`FaultKind`]), on the service that is named first, earlier and shorter, in whole milliseconds.
//!
//! Deliberately absent: the run, and the words in which a failure is told (`squall` has them).

use std::time::Duration;

use http::Method;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed};
use squall_fault::link::Loss;
use squall_fault::{Delay, LinkFault};
use squall_scenario::file::client::TIMEOUT;
use squall_scenario::file::{Act, Client, Draws, Links, Located, Pace, Process, Step, Url};

/// A kind of fault; the simplest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// The process is killed (SIGKILL) and started again.
    Kill,
    /// The process does nothing for a while; its kernel still answers.
    Pause,
    /// The machine loses its power, and with it what was not synced to disk.
    PowerOff,
    /// Nothing passes between this one and another, or everybody.
    Partition,
    /// Packets are late between this one and another, or everybody.
    Latency,
    /// Packets are lost between this one and another, or everybody.
    Loss,
}

impl FaultKind {
    /// All of them, the simplest first.
    pub const ALL: [Self; 6] = [
        Self::Kill,
        Self::Pause,
        Self::PowerOff,
        Self::Partition,
        Self::Latency,
        Self::Loss,
    ];

    /// Whether a service that it befalls does not work, as opposed to its links.
    fn takes_down(self) -> bool {
        matches!(self, Self::Kill | Self::Pause | Self::PowerOff)
    }
}

/// What a schedule may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Services, or clients for the faults of links.
    pub targets: Vec<String>,
    /// Which faults.
    pub kinds: Vec<FaultKind>,
    /// How many at most.
    pub faults_max: usize,
    /// How many of the targets may be down at a time (killed, paused, without power); the others
    /// stay alive.
    pub down_max: usize,
    /// All begin and end within this time.
    pub within: Duration,
    /// None lasts longer.
    pub lasts_max: Duration,
}

impl Budget {
    /// Any fault on these, up to four, one of them down at a time, each for at most a third of the
    /// time.
    pub fn new<T: Into<String>>(targets: impl IntoIterator<Item = T>, within: Duration) -> Self {
        Self {
            targets: targets.into_iter().map(Into::into).collect(),
            kinds: FaultKind::ALL.to_vec(),
            faults_max: 4,
            down_max: 1,
            within,
            lasts_max: within / 3,
        }
    }
}

/// The shortest fault: less than a retransmission timer shows little.
const LASTS_MIN_MS: u64 = 50;

/// The longest delay that is drawn, in milliseconds: beyond most timeouts between neighbours.
const DELAY_MAX_MS: u64 = 2_000;

/// A fault before it is known whether it fits beside the others.
#[derive(Clone, Debug)]
struct Draft {
    kind: FaultKind,
    target: usize,
    /// The other end of a link; beyond the targets for everybody.
    peer: usize,
    at_ms: u64,
    lasts_ms: u64,
    /// Latency, in milliseconds.
    delay_ms: u64,
    /// Loss, in percent.
    percent: u64,
}

/// Schedules within a budget, in the order of time. The budget has to name targets and kinds.
pub fn faults(budget: Budget) -> impl Strategy<Value = Vec<Step>> + Clone {
    let mut kinds = budget.kinds.clone();
    kinds.sort_unstable();
    let targets = budget.targets.len();
    let within_ms = millis(budget.within).max(LASTS_MIN_MS + 1);
    let lasts_max_ms = millis(budget.lasts_max).clamp(LASTS_MIN_MS, within_ms - 1);
    let draft = (
        select(kinds),
        0..targets,
        0..=targets,
        0..within_ms - LASTS_MIN_MS,
        LASTS_MIN_MS..=lasts_max_ms,
        1..=DELAY_MAX_MS,
        1..=100_u64,
    );
    let draft = draft.prop_map(
        |(kind, target, peer, at_ms, lasts_ms, delay_ms, percent)| Draft {
            kind,
            target,
            peer,
            at_ms,
            lasts_ms,
            delay_ms,
            percent,
        },
    );
    vec(draft, 0..=budget.faults_max).prop_map(move |drafts| schedule(&budget, drafts, within_ms))
}

/// Who sends what: `clients` many at most, each to one of these addresses by one of these methods,
/// in an open loop of 1 to 50 requests a second, or a closed one. The simplest is one `GET` a second.
///
/// # Panics
///
/// If one of the addresses is no `http://` address.
pub fn load(
    urls: &[&str],
    methods: &[Method],
    clients: std::ops::RangeInclusive<usize>,
) -> impl Strategy<Value = Vec<Client>> + Clone {
    let parse = |url: &&str| Url::parse(url).unwrap_or_else(|why| panic!("`{url}`: {why}"));
    let urls: Vec<Url> = urls.iter().map(parse).collect();
    let client = (select(urls), select(methods.to_vec()), pace(), 1..=4_u32);
    vec(client, clients).prop_map(|drawn| {
        let numbered = drawn.into_iter().zip(1..);
        let client = |((url, method, pace, users), number)| Client {
            name: located(format!("load{number}")),
            method,
            url: Located {
                line: 0,
                value: url,
            },
            headers: Vec::new(),
            body: String::new(),
            draws: Draws::default(),
            pace,
            users: match pace {
                Pace::Open { .. } => 1,
                Pace::Closed { .. } => users,
            },
            timeout: TIMEOUT,
            keep_alive: false,
            keep_body: false,
            backend: None,
            database: None,
            value: None,
        };
        numbered.map(client).collect()
    })
}

/// How often a client sends; the simplest is once a second.
pub fn pace() -> impl Strategy<Value = Pace> + Clone {
    let open = (1..=50_u32).prop_map(|per_s| Pace::Open {
        period: Duration::from_secs(1) / per_s,
    });
    let closed = (20..=1000_u64).prop_map(|ms| Pace::Closed {
        pause: Duration::from_millis(ms),
    });
    prop_oneof![open, closed]
}

/// So many cases, the same in every run of the test, and no file of failures beside the source: what
/// a continuous integration needs. `PROPTEST_RNG_SEED` has no say; change `seed` for other cases.
pub fn config(cases: u32, seed: u64) -> Config {
    Config {
        cases,
        rng_seed: RngSeed::Fixed(seed),
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::default()
    }
}

/// Keeps the drafts that fit beside those before them.
fn schedule(budget: &Budget, mut drafts: Vec<Draft>, within_ms: u64) -> Vec<Step> {
    for draft in &mut drafts {
        draft.lasts_ms = draft.lasts_ms.min(within_ms - draft.at_ms);
    }
    let mut kept: Vec<Draft> = Vec::new();
    for draft in drafts {
        if !draft.kind.takes_down() || fits(budget, &kept, &draft) {
            kept.push(draft);
        }
    }
    kept.sort_by_key(|draft| draft.at_ms);
    kept.iter().map(|draft| step(budget, draft)).collect()
}

/// How long a service rests between the end of one fault and the next: its start takes time, and
/// one that is not running cannot be killed.
const REST_MS: u64 = 1_000;

fn fits(budget: &Budget, kept: &[Draft], draft: &Draft) -> bool {
    let beside = |other: &&Draft| {
        other.kind.takes_down()
            && other.at_ms < draft.at_ms + draft.lasts_ms + REST_MS
            && draft.at_ms < other.at_ms + other.lasts_ms + REST_MS
    };
    let down: Vec<&Draft> = kept.iter().filter(beside).collect();
    down.len() < budget.down_max && down.iter().all(|other| other.target != draft.target)
}

fn step(budget: &Budget, draft: &Draft) -> Step {
    let target = vec![located(budget.targets[draft.target].clone())];
    let links = || match budget.targets.get(draft.peer) {
        Some(peer) if draft.peer != draft.target => Links {
            from: Some(target.clone()),
            towards: Some(vec![located(peer.clone())]),
            both_ways: true,
        },
        _ => Links {
            from: None,
            towards: Some(target.clone()),
            both_ways: true,
        },
    };
    let act = match draft.kind {
        FaultKind::Kill => Act::Process(Process::Kill, target),
        FaultKind::Pause => Act::Process(Process::Pause, target),
        FaultKind::PowerOff => Act::Power(target, false),
        FaultKind::Partition => Act::Link(links(), LinkFault::Cut),
        FaultKind::Latency => {
            let delay = Delay::steady(ms(draft.delay_ms));
            Act::Link(links(), LinkFault::Latency(delay))
        }
        FaultKind::Loss => {
            let loss = Loss::independent(draft.percent as f64 / 100.0);
            Act::Link(links(), LinkFault::Loss(loss))
        }
    };
    Step {
        line: 0,
        at: ms(draft.at_ms),
        act,
        lasts: Some(ms(draft.lasts_ms)),
    }
}

fn located(value: String) -> Located<String> {
    Located { line: 0, value }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
