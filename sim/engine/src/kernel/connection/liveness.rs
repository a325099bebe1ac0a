//! What a process asks of a connection that has gone quiet: keep-alive probes, and a bound on how
//! long data may stay unacknowledged (tcp(7), `SO_KEEPALIVE` and `TCP_USER_TIMEOUT`).

use std::time::Duration;

use bytes::Bytes;
use squall_host::net::Keepalive;

use super::super::wheel::expiry_ns;
use super::super::{Io, Timer};
use super::{Connection, State, ack_flag};
use crate::time::ns;

#[derive(Debug, Default)]
pub(super) struct Liveness {
    keepalive: Option<Keepalive>,
    user_timeout_ns: Option<u64>,
    /// Probes that nobody has answered.
    probes: u32,
    /// When the keep-alive timer fires; one is on its way at most.
    timer_ns: Option<u64>,
}

impl Connection {
    pub(crate) fn set_keepalive(&mut self, keepalive: Keepalive, io: &mut Io) {
        self.liveness().keepalive = Some(keepalive);
        self.schedule_keepalive(ns(keepalive.idle), io);
    }

    /// Nought is the kernel's own bound again.
    pub(crate) fn set_user_timeout(&mut self, timeout: Duration) {
        self.liveness().user_timeout_ns = (!timeout.is_zero()).then_some(ns(timeout));
    }

    pub(super) fn user_timeout_ns(&self) -> Option<u64> {
        self.liveness.as_ref()?.user_timeout_ns
    }

    /// The peer was heard.
    pub(super) fn note_alive(&mut self, io: &Io) {
        self.heard_ns = io.now_ns;
        if let Some(liveness) = &mut self.liveness {
            liveness.probes = 0;
        }
    }

    /// `tcp_keepalive_timer`.
    pub(crate) fn on_keepalive(&mut self, io: &mut Io) {
        let heard_ns = self.heard_ns;
        let is_busy = !self.flight.is_empty() || self.next < self.written;
        let Some(liveness) = &mut self.liveness else {
            return;
        };
        if liveness
            .timer_ns
            .is_some_and(|timer_ns| timer_ns > io.now_ns)
        {
            return; // the settings were changed
        }
        liveness.timer_ns = None;
        let Some(keepalive) = liveness.keepalive else {
            return;
        };
        if matches!(self.state, State::Closed | State::TimeWait) {
            return;
        }
        let idle_ns = ns(keepalive.idle);
        let quiet_ns = io.now_ns.saturating_sub(heard_ns);
        if is_busy {
            return self.schedule_keepalive(idle_ns, io); // retransmission asks anyway
        }
        if quiet_ns < idle_ns {
            return self.schedule_keepalive(idle_ns - quiet_ns, io);
        }
        let is_enough = match liveness.user_timeout_ns {
            Some(limit_ns) => liveness.probes > 0 && quiet_ns >= limit_ns,
            None => liveness.probes >= keepalive.count,
        };
        if is_enough {
            self.reset(io);
            return self.time_out(io);
        }
        liveness.probes += 1;
        self.transmit(self.unacknowledged - 1, ack_flag(), Bytes::new(), io);
        self.schedule_keepalive(ns(keepalive.interval), io);
    }

    fn liveness(&mut self) -> &mut Liveness {
        self.liveness.get_or_insert_default()
    }

    fn schedule_keepalive(&mut self, for_ns: u64, io: &mut Io) {
        let timer_ns = expiry_ns(io.now_ns, for_ns);
        self.liveness().timer_ns = Some(timer_ns);
        io.timers.set(timer_ns, Timer::Keepalive(self.id));
    }
}
