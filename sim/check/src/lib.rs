//! What must hold over a whole run, judged from its record alone.
//!
//! One file for each invariant, with where it comes from and a test that shows that it can fail:
//!
//! | name in a scenario | module | what must hold |
//! |---|---|---|
//! | `every-request-answered` | [`every_request_answered`] | every request got an HTTP answer |
//! | `no-failed-request` | [`no_failed_request`] | every request was answered with 200 to 299 |
//! | `no-server-error` | [`no_server_error`] | no answer was a 5xx |
//! | `no-empty-success` | [`no_empty_success`] | a success says what others of its client say |
//! | `no-lost-write` | [`no_lost_write`] | what was acknowledged is counted |
//! | `no-repeated-write` | [`no_repeated_write`] | nothing is counted twice |
//! | `reads-go-forward` | [`reads_go_forward`] | a count is never seen to shrink |
//! | `recovers` | [`recovers`] | from a stated time after the last change, all is well |
//! | `balanced-after-recovery` | [`balanced_after_recovery`] | from then on the backends share the work |
//! | `balances-sum-to-zero` | [`balances_sum_to_zero`] | whenever nothing is on its way, all balances sum to 0 |
//! | `acknowledged-exactly-once` | [`acknowledged_exactly_once`] | what was acknowledged was applied, once |
//! | `refused-not-at-all` | [`refused_not_at_all`] | what was refused was not applied |
//! | `unknown-at-most-once` | [`unknown_at_most_once`] | what nobody knows of was applied whole and once, or not |
//! | `clear-settles` | [`clear_settles`] | the payments of `clear` bring every balance to 0 |
//! | `answered-within` | [`answered_within`] | every request is over by a deadline |
//! | `bounded-retries` | [`bounded_retries`] | so many calls downstream for each request, and no more |
//! | `increments-linearizable` | [`increments_linearizable`] | a counter counts as if it did one thing at a time |
//! | `increments-add-up` | [`increments_add_up`] | in the end all acknowledged increments are counted |
//! | `one-leader-a-term` | [`one_leader_a_term`] | no term of a Raft group has two leaders |
//! | `committed-kept` | [`committed_kept`] | what etcd acknowledged is there in the end, or overwritten |
//! | `etcd-reads` | [`etcd_reads`] | etcd's reads are as linearizable as they claim |
//! | `leases-last` | [`leases_last`] | no key of etcd goes before its lease is out |
//! | `watch-complete` | [`watch_complete`] | etcd's watch tells every change, once and in order |
//!
//! [`linear`] judges histories of operations on one object, for those that are about such.
//! The last four judge etcd itself from what `services/witness` told in its lines.
//!
//! To add one: a file with its `NAME` and `judge`, a variant of [`Invariant`], a row here, its name in
//! [`NAMES`].
//!
//! Deliberately absent: expectations of single phases (`squall-scenario` evaluates those) and any
//! knowledge of what broke the system.

pub mod acknowledged_exactly_once;
pub mod answered_within;
pub mod balanced_after_recovery;
pub mod balances_sum_to_zero;
pub mod bounded_retries;
pub mod clear_settles;
mod clients;
pub mod committed_kept;
pub mod etcd_reads;
pub mod every_request_answered;
mod increments;
pub mod increments_add_up;
pub mod increments_linearizable;
pub mod leases_last;
mod ledger;
pub mod linear;
pub mod no_empty_success;
pub mod no_failed_request;
pub mod no_lost_write;
pub mod no_repeated_write;
pub mod no_server_error;
mod once;
pub mod one_leader_a_term;
pub mod reads_go_forward;
pub mod recovers;
pub mod refused_not_at_all;
#[cfg(test)]
mod samples;
pub mod unknown_at_most_once;
pub mod watch_complete;
mod witness;

use std::collections::BTreeMap;
use std::time::Duration;

use squall_record::{Kind, RunRecord, Sample};

use once::Explained;

pub use clients::{Accounts, Clear, Counted, Counting, Retries, Start};
pub use ledger::SETTLE;

/// The names of all invariants, as a scenario writes them.
pub const NAMES: [&str; 23] = [
    every_request_answered::NAME,
    no_failed_request::NAME,
    no_server_error::NAME,
    recovers::NAME,
    balanced_after_recovery::NAME,
    no_empty_success::NAME,
    no_lost_write::NAME,
    no_repeated_write::NAME,
    reads_go_forward::NAME,
    balances_sum_to_zero::NAME,
    acknowledged_exactly_once::NAME,
    refused_not_at_all::NAME,
    unknown_at_most_once::NAME,
    clear_settles::NAME,
    answered_within::NAME,
    bounded_retries::NAME,
    increments_linearizable::NAME,
    increments_add_up::NAME,
    one_leader_a_term::NAME,
    committed_kept::NAME,
    etcd_reads::NAME,
    leases_last::NAME,
    watch_complete::NAME,
];

/// An invariant with its parameters.
#[derive(Clone, Debug, PartialEq)]
pub enum Invariant {
    /// See [`every_request_answered`].
    EveryRequestAnswered,
    /// See [`no_failed_request`].
    NoFailedRequest,
    /// See [`no_server_error`].
    NoServerError,
    /// See [`recovers`].
    Recovers {
        /// How long the system may take.
        within: Duration,
    },
    /// See [`balanced_after_recovery`].
    BalancedAfterRecovery {
        /// How long the system may take.
        within: Duration,
        /// How far a share may be from even, from 0 to 1.
        tolerance: f64,
    },
    /// See [`no_empty_success`].
    NoEmptySuccess,
    /// See [`no_lost_write`].
    NoLostWrite(Counted),
    /// See [`no_repeated_write`].
    NoRepeatedWrite(Counted),
    /// See [`reads_go_forward`].
    ReadsGoForward(Counted),
    /// See [`balances_sum_to_zero`].
    BalancesSumToZero(Accounts),
    /// See [`acknowledged_exactly_once`].
    AcknowledgedExactlyOnce(Accounts),
    /// See [`refused_not_at_all`].
    RefusedNotAtAll(Accounts),
    /// See [`unknown_at_most_once`].
    UnknownAtMostOnce(Accounts),
    /// See [`clear_settles`].
    ClearSettles(Clear),
    /// See [`answered_within`].
    AnsweredWithin {
        /// The client whose requests are meant.
        client: String,
        /// How long a request may take.
        deadline: Duration,
    },
    /// See [`bounded_retries`].
    BoundedRetries(Retries),
    /// See [`increments_linearizable`].
    IncrementsLinearizable(Counting),
    /// See [`increments_add_up`].
    IncrementsAddUp(Counting),
    /// See [`one_leader_a_term`].
    OneLeaderATerm,
    /// See [`committed_kept`].
    CommittedKept,
    /// See [`etcd_reads`].
    EtcdReads,
    /// See [`leases_last`].
    LeasesLast,
    /// See [`watch_complete`].
    WatchComplete,
}

/// Whether each of these holds over a run. Looks at the samples and the happenings, not at the summary.
pub fn judge(invariants: &[Invariant], record: &RunRecord) -> Vec<squall_record::Invariant> {
    let mut explained = Explained::of(record);
    let judged = invariants.iter();
    judged
        .map(|one| one.judge(record, &mut explained))
        .collect()
}

impl Invariant {
    /// As a scenario writes it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::EveryRequestAnswered => every_request_answered::NAME,
            Self::NoFailedRequest => no_failed_request::NAME,
            Self::NoServerError => no_server_error::NAME,
            Self::Recovers { .. } => recovers::NAME,
            Self::BalancedAfterRecovery { .. } => balanced_after_recovery::NAME,
            Self::NoEmptySuccess => no_empty_success::NAME,
            Self::NoLostWrite(_) => no_lost_write::NAME,
            Self::NoRepeatedWrite(_) => no_repeated_write::NAME,
            Self::ReadsGoForward(_) => reads_go_forward::NAME,
            Self::BalancesSumToZero(_) => balances_sum_to_zero::NAME,
            Self::AcknowledgedExactlyOnce(_) => acknowledged_exactly_once::NAME,
            Self::RefusedNotAtAll(_) => refused_not_at_all::NAME,
            Self::UnknownAtMostOnce(_) => unknown_at_most_once::NAME,
            Self::ClearSettles(_) => clear_settles::NAME,
            Self::AnsweredWithin { .. } => answered_within::NAME,
            Self::BoundedRetries(_) => bounded_retries::NAME,
            Self::IncrementsLinearizable(_) => increments_linearizable::NAME,
            Self::IncrementsAddUp(_) => increments_add_up::NAME,
            Self::OneLeaderATerm => one_leader_a_term::NAME,
            Self::CommittedKept => committed_kept::NAME,
            Self::EtcdReads => etcd_reads::NAME,
            Self::LeasesLast => leases_last::NAME,
            Self::WatchComplete => watch_complete::NAME,
        }
    }

    fn judge<'a>(
        &'a self,
        record: &'a RunRecord,
        explained: &mut Explained<'a>,
    ) -> squall_record::Invariant {
        let judged: Judged = match self {
            Self::EveryRequestAnswered => every_request_answered::judge(record).into(),
            Self::NoFailedRequest => no_failed_request::judge(record).into(),
            Self::NoServerError => no_server_error::judge(record).into(),
            Self::Recovers { within } => recovers::judge(record, *within).into(),
            Self::BalancedAfterRecovery { within, tolerance } => {
                balanced_after_recovery::judge(record, *within, *tolerance).into()
            }
            Self::NoEmptySuccess => no_empty_success::judge(record).into(),
            Self::NoLostWrite(counted) => no_lost_write::judge(record, counted).into(),
            Self::NoRepeatedWrite(counted) => no_repeated_write::judge(record, counted).into(),
            Self::ReadsGoForward(counted) => reads_go_forward::judge(record, counted).into(),
            Self::BalancesSumToZero(accounts) => balances_sum_to_zero::judge(record, accounts),
            Self::AcknowledgedExactlyOnce(accounts) => {
                acknowledged_exactly_once::judge(explained, accounts)
            }
            Self::RefusedNotAtAll(accounts) => refused_not_at_all::judge(explained, accounts),
            Self::UnknownAtMostOnce(accounts) => unknown_at_most_once::judge(explained, accounts),
            Self::ClearSettles(clear) => clear_settles::judge(record, clear),
            Self::AnsweredWithin { client, deadline } => {
                answered_within::judge(record, client, *deadline)
            }
            Self::BoundedRetries(retries) => bounded_retries::judge(record, retries),
            Self::IncrementsLinearizable(counting) => {
                increments_linearizable::judge(record, counting)
            }
            Self::IncrementsAddUp(counting) => increments_add_up::judge(record, counting),
            Self::OneLeaderATerm => one_leader_a_term::judge(record),
            Self::CommittedKept => committed_kept::judge(record),
            Self::EtcdReads => etcd_reads::judge(record),
            Self::LeasesLast => leases_last::judge(record),
            Self::WatchComplete => watch_complete::judge(record),
        };
        squall_record::Invariant {
            name: self.name().to_owned(),
            holds: judged.holds,
            detail: judged.detail,
            figures: judged.figures,
            blames: judged.blames,
        }
    }
}

/// A judgement and what was counted for it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Judged {
    holds: Option<bool>,
    detail: String,
    figures: BTreeMap<String, i64>,
    blames: Vec<usize>,
}

impl From<Judgement> for Judged {
    fn from((holds, detail): Judgement) -> Self {
        Self {
            holds,
            detail,
            figures: BTreeMap::new(),
            blames: Vec::new(),
        }
    }
}

impl Judged {
    fn figure(mut self, name: &str, value: i64) -> Self {
        self.figures.insert(name.to_owned(), value);
        self
    }

    /// These samples of the record are what is wrong.
    fn blame(mut self, samples: impl IntoIterator<Item = usize>) -> Self {
        self.blames.extend(samples);
        self
    }
}

/// Whether it holds, or `None`, and what was seen.
type Judgement = (Option<bool>, String);

/// Judges "no sample is bad", naming the first that is.
fn none<'a>(
    samples: impl IntoIterator<Item = &'a Sample>,
    bad: impl Fn(&Sample) -> bool,
    good_word: &str,
) -> Judgement {
    let (mut total, mut count, mut first) = (0_u64, 0_u64, None);
    for sample in samples {
        total += 1;
        if bad(sample) {
            count += 1;
            first = first.or(Some(sample));
        }
    }
    match (total, first) {
        (0, _) => (None, "no request was sent".to_owned()),
        (_, None) => (Some(true), format!("{total} of {total} {good_word}")),
        (_, Some(sample)) => (
            Some(false),
            format!(
                "{count} of {total} not {good_word}; the first: {}, sent at {}: {} after {}",
                sample.client,
                seconds(sample.sent_us),
                sample.outcome,
                seconds(sample.latency_us)
            ),
        ),
    }
}

/// The samples of one client.
fn of<'a>(record: &'a RunRecord, client: &str) -> impl Iterator<Item = &'a Sample> {
    let samples = record.samples.iter();
    samples.filter(move |sample| sample.client.as_str() == client)
}

/// Judges "no read is wrong", naming the first that is and why.
fn reads(
    record: &RunRecord,
    counted: &Counted,
    wrong: impl Fn(&Sample, i64) -> Option<String>,
) -> Judgement {
    let (mut total, mut count, mut first) = (0_u64, 0_u64, None);
    for read in of(record, &counted.reads).filter(|read| read.is_ok()) {
        let Some(value) = read.value else { continue };
        total += 1;
        if let Some(why) = wrong(read, value) {
            count += 1;
            first.get_or_insert_with(|| (seconds(read.sent_us), value, why));
        }
    }
    match (total, first) {
        (0, _) => (None, format!("no read of {} has a value", counted.reads)),
        (_, None) => (Some(true), format!("{total} of {total} reads right")),
        (_, Some((at, value, why))) => (
            Some(false),
            format!(
                "{count} of {total} reads wrong; the first, sent at {at}, counts {value} {why}"
            ),
        ),
    }
}

/// The samples that were sent later than `within` after the scenario last broke or mended
/// something, and that instant. Without any such change: after the start.
fn after_last_change(record: &RunRecord, within: Duration) -> (impl Iterator<Item = &Sample>, u64) {
    let last_us = record
        .happenings
        .iter()
        .filter(|happening| happening.kind != Kind::Note)
        .map(|happening| happening.at_us)
        .max()
        .unwrap_or(0);
    let from_us = last_us.saturating_add(u64::try_from(within.as_micros()).unwrap_or(u64::MAX));
    let samples = record.samples.iter();
    (samples.filter(move |s| s.sent_us >= from_us), from_us)
}

fn seconds(us: u64) -> String {
    format!("{}.{:03} s", us / 1_000_000, us / 1000 % 1000)
}
