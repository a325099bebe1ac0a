//! Who is on the wire: Linux's neighbour table (net/core/neighbour.c), because what a client of a
//! vanished host sees is decided here.
//!
//! An entry that TCP confirmed lately is believed for 15 to 45 s, and packets to it go out into
//! silence. Then it is doubted: 5 s of waiting for a confirmation, three probes a second apart, and
//! it has failed. A packet to a failed or unknown neighbour waits for three broadcast requests, a
//! second apart, and comes back as "host unreachable". So a connect to a dead address fails after
//! 3 s at the earliest, and after the retransmission that first finds the entry failed otherwise.

use super::packet::Packet;
use crate::time::{MS, S};

/// `delay_first_probe_time`.
const DELAY_NS: u64 = 5 * S;
/// `retrans_time_ms`, and the timer wheel's rounding as measured.
const RETRANSMIT_NS: u64 = 1_024 * MS;
/// `ucast_solicit` and `mcast_solicit`.
const PROBES: u32 = 3;
/// `base_reachable_time`; the one in force is drawn between half and one and a half of it.
const BASE_REACHABLE_NS: u64 = 30 * S;
const REDRAW_NS: u64 = 300 * S;
/// How many packets wait for an answer; `unres_qlen` in packets.
const WAITING_MAX: usize = 101;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unknown,
    Incomplete,
    Reachable,
    Stale,
    Delay,
    Probe,
    Failed,
}

/// One entry of the table.
#[derive(Debug)]
pub(crate) struct Neighbour {
    state: State,
    confirmed_ns: u64,
    used_ns: u64,
    probes: u32,
    /// Counts timers, so that an old one is known when it fires.
    pub(crate) generation: u32,
    waiting: Vec<Packet>,
}

/// What the kernel has to do after a step.
#[derive(Debug, Default)]
pub(crate) struct Todo {
    /// Packets that can go out now.
    pub(crate) send: Vec<Packet>,
    /// Ask for the neighbour's address.
    pub(crate) ask: bool,
    /// Fire the timer at this time.
    pub(crate) timer_ns: Option<u64>,
    /// Packets that cannot be delivered: host unreachable.
    pub(crate) unreachable: Vec<Packet>,
}

impl Neighbour {
    pub(crate) fn new() -> Self {
        Self {
            state: State::Unknown,
            confirmed_ns: 0,
            used_ns: 0,
            probes: 0,
            generation: 0,
            waiting: Vec::new(),
        }
    }

    /// Whether a packet may go out at once with nothing else to do; the common case.
    /// Sending to a reachable neighbour takes the cached header and does not count as use.
    pub(crate) fn is_usable(&mut self, now_ns: u64) -> bool {
        if self.state == State::Reachable {
            return true;
        }
        self.used_ns = now_ns;
        matches!(self.state, State::Delay | State::Probe)
    }

    /// A packet wants to go out and [`Neighbour::is_usable`] said no.
    pub(crate) fn send(&mut self, packet: Packet, now_ns: u64) -> Todo {
        let mut todo = Todo::default();
        match self.state {
            State::Stale => {
                self.state = State::Delay;
                todo.timer_ns = Some(now_ns + DELAY_NS);
                todo.send.push(packet);
            }
            State::Unknown | State::Failed => {
                self.state = State::Incomplete;
                self.probes = 1;
                todo.ask = true;
                todo.timer_ns = Some(now_ns + RETRANSMIT_NS);
                self.waiting.push(packet);
            }
            State::Incomplete => {
                if self.waiting.len() == WAITING_MAX {
                    self.waiting.remove(0);
                }
                self.waiting.push(packet);
            }
            State::Reachable | State::Delay | State::Probe => todo.send.push(packet),
        }
        self.count_timer(&todo);
        todo
    }

    /// The timer fired (`neigh_timer_handler`).
    pub(crate) fn on_timer(&mut self, now_ns: u64, reachable_ns: u64) -> Todo {
        let mut todo = Todo::default();
        match self.state {
            State::Reachable if now_ns < self.confirmed_ns + reachable_ns => {
                todo.timer_ns = Some(self.confirmed_ns + reachable_ns);
            }
            State::Reachable if now_ns <= self.used_ns + DELAY_NS => {
                self.state = State::Delay;
                todo.timer_ns = Some(now_ns + DELAY_NS);
            }
            State::Reachable => self.state = State::Stale,
            State::Delay if now_ns <= self.confirmed_ns + DELAY_NS => {
                self.state = State::Reachable;
                todo.timer_ns = Some(self.confirmed_ns + reachable_ns);
            }
            State::Delay => {
                self.state = State::Probe;
                self.probes = 1;
                todo.ask = true;
                todo.timer_ns = Some(now_ns + RETRANSMIT_NS);
            }
            State::Probe | State::Incomplete if self.probes < PROBES => {
                self.probes += 1;
                todo.ask = true;
                todo.timer_ns = Some(now_ns + RETRANSMIT_NS);
            }
            State::Probe | State::Incomplete => {
                self.state = State::Failed;
                todo.unreachable = std::mem::take(&mut self.waiting);
            }
            State::Unknown | State::Stale | State::Failed => {}
        }
        self.count_timer(&todo);
        todo
    }

    /// The neighbour answered a request.
    pub(crate) fn on_reply(&mut self, now_ns: u64, reachable_ns: u64) -> Todo {
        self.state = State::Reachable;
        self.confirmed_ns = now_ns;
        let todo = Todo {
            send: std::mem::take(&mut self.waiting),
            timer_ns: Some(now_ns + reachable_ns),
            ..Todo::default()
        };
        self.count_timer(&todo);
        todo
    }

    /// The neighbour asked for us, so its address is known, but nothing says that it hears us.
    pub(crate) fn on_request(&mut self) -> Todo {
        if matches!(
            self.state,
            State::Unknown | State::Incomplete | State::Failed
        ) {
            self.state = State::Stale;
            self.generation += 1;
        }
        Todo {
            send: std::mem::take(&mut self.waiting),
            ..Todo::default()
        }
    }

    /// TCP saw progress, which proves that the neighbour hears us (`neigh_confirm`).
    pub(crate) fn confirm(&mut self, now_ns: u64) {
        self.confirmed_ns = now_ns;
    }

    fn count_timer(&mut self, todo: &Todo) {
        if todo.timer_ns.is_some() {
            self.generation += 1;
        }
    }
}

/// How long an entry is believed: drawn for each host, and drawn again every 300 s
/// (`neigh_rand_reach_time`).
pub(crate) fn reachable_ns(random: u64, now_ns: u64) -> u64 {
    let draw = xxhash_rust::xxh3::xxh3_64_with_seed(&(now_ns / REDRAW_NS).to_le_bytes(), random);
    BASE_REACHABLE_NS / 2 + draw % BASE_REACHABLE_NS
}
