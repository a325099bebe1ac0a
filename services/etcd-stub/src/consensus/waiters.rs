//! Who waits for an entry of the log, and until when.
//!
//! A proposal that was given to Raft is of unknown outcome until it is applied; one that is still held back
//! is certainly not done. Times are etcd's: nobody is told earlier that a leader was lost
//! (`etcdserver/v3_server.go`, `processInternalRaftRequest`; `server.go`, `parseProposeCtxErr`).

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::oneshot;
use tokio::time::{Duration, Instant};

use super::{Done, Member};
use crate::refusal::Refusal;

/// What came of an entry.
pub(super) enum Applied {
    Action(Done),
    Members(Vec<Member>),
}

pub(super) type Answer = oneshot::Sender<Result<Applied, Refusal>>;

/// Something that is to be in the log.
pub(super) struct Proposal {
    pub(super) id: u64,
    pub(super) entry: raft::eraftpb::Entry,
    /// Nobody waits for what the member proposes by itself.
    pub(super) answer: Option<Answer>,
    /// When it was asked for.
    pub(super) since: Instant,
}

/// Proposals at the three places where they can be: held back, in the log, answered.
pub(super) struct Waiters {
    timeout: Duration,
    election: Duration,
    held: VecDeque<Proposal>,
    held_max: usize,
    waiting: BTreeMap<u64, (Option<Answer>, Instant)>,
    /// When a leader was last elected, as this member knows.
    elected: Option<Instant>,
}

impl Waiters {
    /// `election` is its timeout.
    pub(super) fn new(timeout: Duration, election: Duration, held_max: usize) -> Self {
        Self {
            timeout,
            election,
            held: VecDeque::new(),
            held_max,
            waiting: BTreeMap::new(),
            elected: None,
        }
    }

    /// Takes a proposal, or refuses it.
    pub(super) fn hold(&mut self, proposal: Proposal) {
        if self.held.len() >= self.held_max {
            answer(proposal.answer, Err(Refusal::TooManyRequests));
        } else {
            self.held.push_back(proposal);
        }
    }

    /// What may be proposed now: the first ones of a kind, of about `bytes_max` at most. Whoever has gone
    /// is left out.
    pub(super) fn take(&mut self, bytes_max: usize) -> Vec<Proposal> {
        let mut taken: Vec<Proposal> = Vec::new();
        let mut bytes = 0;
        while let Some(next) = self.held.front() {
            let fits = match taken.first() {
                None => true,
                Some(first) => {
                    let kind = raft::eraftpb::EntryType::EntryNormal as i32;
                    let are_normal =
                        first.entry.entry_type == kind && next.entry.entry_type == kind;
                    are_normal && bytes + next.entry.data.len() <= bytes_max
                }
            };
            if !fits {
                break;
            }
            if let Some(next) = self.held.pop_front()
                && !is_gone(&next.answer)
            {
                bytes += next.entry.data.len();
                taken.push(next);
            }
        }
        taken
    }

    /// Whether nothing is held back.
    pub(super) fn is_idle(&self) -> bool {
        self.held.is_empty()
    }

    /// These were proposed: from now on their outcome is unknown.
    pub(super) fn proposed(&mut self, proposals: Vec<Proposal>) {
        for proposal in proposals {
            let waiting = (proposal.answer, proposal.since);
            self.waiting.insert(proposal.id, waiting);
        }
    }

    /// These were not.
    pub(super) fn give_back(&mut self, proposals: Vec<Proposal>) {
        for proposal in proposals.into_iter().rev() {
            self.held.push_front(proposal);
        }
    }

    /// Whether an entry is held back, or proposed and not applied, and its time is not over.
    pub(super) fn is_known(&self, id: u64) -> bool {
        self.waiting.contains_key(&id) || self.held.iter().any(|proposal| proposal.id == id)
    }

    /// An entry was applied.
    pub(super) fn applied(&mut self, id: u64, outcome: Result<Applied, Refusal>) {
        if let Some((waiting, _)) = self.waiting.remove(&id) {
            answer(waiting, outcome);
        }
    }

    /// A leader was elected.
    pub(super) fn elected(&mut self, now: Instant) {
        self.elected = Some(now);
    }

    /// Answers those whose time is over.
    pub(super) fn expire(&mut self, now: Instant) {
        let timeout = self.timeout;
        for proposal in std::mem::take(&mut self.held) {
            if proposal.since + timeout <= now {
                answer(proposal.answer, Err(Refusal::NoLeader));
            } else if !is_gone(&proposal.answer) {
                self.held.push_back(proposal);
            }
        }
        let waiting = self.waiting.iter();
        let over =
            waiting.filter(|(_, (waiting, since))| *since + timeout <= now || is_gone(waiting));
        for id in over.map(|(id, _)| *id).collect::<Vec<_>>() {
            if let Some((waiting, since)) = self.waiting.remove(&id) {
                answer(waiting, Err(self.timed_out(since)));
            }
        }
    }

    /// Whether the leader may have been lost while one waited who began at `since`.
    fn timed_out(&self, since: Instant) -> Refusal {
        match self.elected {
            Some(elected) if since < elected && elected < since + 2 * self.election => {
                Refusal::TimedOutLeaderLost
            }
            _ => Refusal::TimedOut,
        }
    }

    /// The member stops.
    pub(super) fn stop(&mut self) {
        for proposal in std::mem::take(&mut self.held) {
            answer(proposal.answer, Err(Refusal::Stopped));
        }
        for (_, (waiting, _)) in std::mem::take(&mut self.waiting) {
            answer(waiting, Err(Refusal::TimedOut));
        }
    }
}

fn is_gone(waiting: &Option<Answer>) -> bool {
    waiting.as_ref().is_some_and(Answer::is_closed)
}

/// Whoever has gone is told nothing.
fn answer(waiting: Option<Answer>, outcome: Result<Applied, Refusal>) {
    if let Some(waiting) = waiting {
        let _ = waiting.send(outcome);
    }
}
