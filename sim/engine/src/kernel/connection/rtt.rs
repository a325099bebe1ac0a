//! How long a round trip takes, and how long to wait for an acknowledgement: RFC 6298 with Linux's
//! bounds (net/ipv4/tcp_input.c, `tcp_rtt_estimator`, `__tcp_set_rto`).
//!
//! Every acknowledgement is a sample, those of retransmitted segments too: it echoes the time at which
//! the segment was sent that caused it (RFC 7323).

use crate::time::{MS, S};

/// `TCP_TIMEOUT_INIT`.
const INITIAL_NS: u64 = S;
/// `TCP_RTO_MIN`. Linux bounds the variation, not the sum: the timeout is a round trip and 200 ms.
pub(super) const RTO_MIN_NS: u64 = 200 * MS;
/// `TCP_RTO_MAX`.
pub(super) const RTO_MAX_NS: u64 = 120 * S;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rtt {
    /// Nought before the first sample.
    smoothed_ns: u64,
    variation_ns: u64,
    least_ns: u64,
}

impl Rtt {
    pub(super) fn sample(&mut self, rtt_ns: u64) {
        let rtt_ns = rtt_ns.max(1);
        if self.smoothed_ns == 0 {
            *self = Self {
                smoothed_ns: rtt_ns,
                variation_ns: rtt_ns / 2,
                least_ns: rtt_ns,
            };
            return;
        }
        let error_ns = self.smoothed_ns.abs_diff(rtt_ns);
        self.variation_ns = self.variation_ns - self.variation_ns / 4 + error_ns / 4;
        self.smoothed_ns = self.smoothed_ns - self.smoothed_ns / 8 + rtt_ns / 8;
        self.least_ns = self.least_ns.min(rtt_ns);
    }

    /// `None` before the first sample.
    pub(super) fn smoothed_ns(self) -> Option<u64> {
        (self.smoothed_ns > 0).then_some(self.smoothed_ns)
    }

    /// The shortest round trip seen; nought before the first.
    pub(super) fn least_ns(self) -> u64 {
        self.least_ns
    }

    /// How long to wait before the first retransmission.
    pub(super) fn timeout_ns(self) -> u64 {
        match self.smoothed_ns() {
            None => INITIAL_NS,
            Some(smoothed_ns) => smoothed_ns
                .saturating_add((4 * self.variation_ns).max(RTO_MIN_NS))
                .min(RTO_MAX_NS),
        }
    }
}

/// How long retransmissions go on that begin with `RTO_MIN_NS` and double `retries` times: what
/// Linux makes of `tcp_retries2` (`tcp_model_timeout`), 924.6 s for 15.
pub(super) const fn patience_ns(retries: u32) -> u64 {
    const DOUBLINGS: u32 = (RTO_MAX_NS / RTO_MIN_NS).ilog2();
    if retries <= DOUBLINGS {
        ((2 << retries) - 1) * RTO_MIN_NS
    } else {
        ((2 << DOUBLINGS) - 1) * RTO_MIN_NS + (retries - DOUBLINGS) as u64 * RTO_MAX_NS
    }
}

#[cfg(test)]
mod tests {
    use super::{Rtt, patience_ns};
    use crate::time::{MS, S};

    #[test]
    fn the_timeout_is_a_round_trip_and_200_ms_at_least() {
        let mut rtt = Rtt::default();
        assert_eq!(rtt.timeout_ns(), S);
        for _ in 0..50 {
            rtt.sample(40 * MS);
        }
        let timeout_ms = rtt.timeout_ns() / MS;
        assert!((239..=240).contains(&timeout_ms), "{timeout_ms}");
        for sample in 0..200 {
            rtt.sample(if sample % 2 == 0 { 100 * MS } else { 500 * MS });
        }
        assert!(rtt.timeout_ns() > 900 * MS, "it grows with the variation");
        assert_eq!(rtt.least_ns(), 40 * MS);
    }

    #[test]
    fn patience_is_what_ip_sysctl_says() {
        assert_eq!(patience_ns(15), 924_600 * MS);
        assert_eq!(patience_ns(8), 102_200 * MS);
    }
}
