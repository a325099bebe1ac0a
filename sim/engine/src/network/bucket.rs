//! A bottleneck: a token bucket with a bounded queue in front of it, as tc-tbf(8).
//!
//! The bucket is one number. Tokens come at the link's rate, so "empty at this time" says how many
//! there are at any other. A time in the future is a debt: that many bytes wait in the queue, and the
//! next packet leaves when its own tokens have come. Nothing is kept for a packet.

use squall_fault::link::Rate;

use crate::time::S;

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bucket {
    empty_ns: u64,
}

impl Bucket {
    /// When a packet of this size has passed; `None` if the queue has no room for it (tail drop).
    /// A packet larger than the burst waits for its tokens, where tbf would drop it.
    pub(super) fn pass(&mut self, rate: Rate, bytes: u64, now_ns: u64) -> Option<u64> {
        let full_ns = now_ns.saturating_sub(time_ns(rate, rate.burst_bytes));
        let empty_ns = self.empty_ns.max(full_ns);
        let passed_ns = empty_ns.saturating_add(time_ns(rate, bytes));
        let waiting = bytes_in(rate, empty_ns.saturating_sub(now_ns));
        if passed_ns > now_ns && waiting.saturating_add(bytes) > rate.queue_bytes.max(bytes) {
            return None;
        }
        self.empty_ns = passed_ns;
        Some(passed_ns.max(now_ns))
    }
}

fn time_ns(rate: Rate, bytes: u64) -> u64 {
    let ns = u128::from(bytes) * u128::from(S) / u128::from(rate.bytes_per_second.max(1));
    u64::try_from(ns).unwrap_or(u64::MAX)
}

fn bytes_in(rate: Rate, time_ns: u64) -> u64 {
    let bytes = u128::from(time_ns) * u128::from(rate.bytes_per_second) / u128::from(S);
    u64::try_from(bytes).unwrap_or(u64::MAX)
}
