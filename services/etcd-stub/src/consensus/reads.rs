//! Reads that must see all that was committed before: one question to the leader for all that wait (Raft's
//! ReadIndex; etcd: `linearizableReadLoop`).

use std::collections::VecDeque;

use tokio::sync::oneshot;
use tokio::time::{Duration, Instant};

use crate::refusal::Refusal;

/// Asked again after so long without an answer (etcd: `readIndexRetryTime`).
const RETRY: Duration = Duration::from_millis(500);

/// Reads that wait for the next question; more are refused.
const READS_MAX: usize = 1 << 16;

/// Somebody who waits.
pub(super) struct Read {
    pub(super) answer: oneshot::Sender<Result<(), Refusal>>,
    pub(super) since: Instant,
}

/// Reads before their question, with it, and after its answer.
pub(super) struct Reads {
    /// Says whose question it is, also after a restart.
    name: [u8; 16],
    asked: u64,
    waiting: Vec<Read>,
    open: Option<Open>,
    /// By the entry that must be applied, in order.
    confirmed: VecDeque<(u64, Vec<Read>)>,
}

/// A question without an answer yet.
struct Open {
    /// Any answer to this question or a later one will do.
    first: u64,
    at: Instant,
    /// The leader and its term that were asked.
    leader: (u64, u64),
    reads: Vec<Read>,
}

impl Reads {
    /// `incarnation` is another one after each start.
    pub(super) fn new(member_id: u64, incarnation: u64) -> Self {
        let mut name = [0; 16];
        name[..8].copy_from_slice(&member_id.to_be_bytes());
        name[8..].copy_from_slice(&incarnation.to_be_bytes());
        Self {
            name,
            asked: 0,
            waiting: Vec::new(),
            open: None,
            confirmed: VecDeque::new(),
        }
    }

    /// Somebody waits.
    pub(super) fn wait(&mut self, read: Read) {
        if self.waiting.len() < READS_MAX {
            self.waiting.push(read);
        } else {
            // Whoever has gone is told nothing.
            let _ = read.answer.send(Err(Refusal::TooManyRequests));
        }
    }

    /// The question to ask now, if there is one. `leader` is who leads, and its term.
    pub(super) fn question(&mut self, leader: (u64, u64), now: Instant) -> Option<Vec<u8>> {
        match &mut self.open {
            Some(open) if open.leader == leader && now < open.at + RETRY => return None,
            Some(open) => (open.at, open.leader) = (now, leader),
            None if self.waiting.is_empty() => return None,
            None => {
                self.open = Some(Open {
                    first: self.asked + 1,
                    at: now,
                    leader,
                    reads: std::mem::take(&mut self.waiting),
                });
            }
        }
        self.asked += 1;
        Some([&self.name[..], &self.asked.to_be_bytes()].concat())
    }

    /// The answer to a question: the entry up to which the reader must have applied.
    pub(super) fn answered(&mut self, question: &[u8], index: u64) {
        let Some(number) = question.strip_prefix(&self.name[..]) else {
            return;
        };
        let Ok(number) = number.try_into().map(u64::from_be_bytes) else {
            return;
        };
        if let Some(open) = self.open.take_if(|open| open.first <= number) {
            self.confirmed.push_back((index, open.reads));
        }
    }

    /// Answers those who need no more than this entry.
    pub(super) fn applied(&mut self, index: u64) {
        while let Some((_, reads)) = self.confirmed.pop_front_if(|(needed, _)| *needed <= index) {
            for read in reads {
                // Whoever has gone is told nothing.
                let _ = read.answer.send(Ok(()));
            }
        }
    }

    /// Answers those that began before `since` with a refusal, and forgets those who have gone.
    pub(super) fn expire(&mut self, since: Instant, refusal: Refusal) {
        let confirmed = self.confirmed.iter_mut().map(|(_, reads)| reads);
        let open = self.open.iter_mut().map(|open| &mut open.reads);
        for reads in confirmed.chain(open).chain([&mut self.waiting]) {
            for read in std::mem::take(reads) {
                if read.since <= since {
                    let _ = read.answer.send(Err(refusal));
                } else if !read.answer.is_closed() {
                    reads.push(read);
                }
            }
        }
        self.open.take_if(|open| open.reads.is_empty());
    }
}
