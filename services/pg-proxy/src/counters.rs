//! Numbers for the statistics page and for logs.

use std::time::Duration;

use tokio::time::Instant;

/// Sessions over which times are averaged (HAProxy's `TIME_STATS_SAMPLES`).
const SAMPLES: u64 = 512;

/// What is counted for a frontend, a backend and a server alike.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counters {
    /// Now.
    pub(crate) sessions: u32,
    /// At most.
    pub(crate) sessions_max: u32,
    /// In all.
    pub(crate) sessions_total: u64,
    pub(crate) queue_max: u32,
    /// Bytes from clients.
    pub(crate) bytes_in: u64,
    /// Bytes to clients.
    pub(crate) bytes_out: u64,
    pub(crate) requests_invalid: u64,
    pub(crate) connections_failed: u64,
    pub(crate) responses_failed: u64,
    pub(crate) retries: u64,
    pub(crate) redispatches: u64,
    pub(crate) client_aborts: u64,
    pub(crate) server_aborts: u64,
    /// Choices by the balancing algorithm.
    pub(crate) chosen: u64,
    /// Connection attempts.
    pub(crate) connects: u64,
    pub(crate) checks_failed: u64,
    pub(crate) downs: u64,
    pub(crate) rate: Rate,
    pub(crate) queue_time: Average,
    pub(crate) connect_time: Average,
    pub(crate) total_time: Average,
    pub(crate) session_last: Option<Instant>,
}

impl Counters {
    /// One more session.
    pub(crate) fn session_begins(&mut self) {
        self.sessions += 1;
        self.sessions_max = self.sessions_max.max(self.sessions);
    }

    /// One session less.
    pub(crate) fn session_ends(&mut self) {
        self.sessions = self.sessions.saturating_sub(1);
    }
}

/// Events of the last second.
#[derive(Clone, Debug, Default)]
pub(crate) struct Rate {
    second: Option<Instant>,
    current: u32,
    previous: u32,
    pub(crate) max: u32,
}

impl Rate {
    /// One event.
    pub(crate) fn add(&mut self, now: Instant) {
        self.turn(now);
        self.current += 1;
        self.max = self.max.max(self.current);
    }

    /// Events of the second before `now`.
    pub(crate) fn read(&mut self, now: Instant) -> u32 {
        self.turn(now);
        let into = self.second.map_or(0, |second| (now - second).as_millis());
        let rest = u128::from(self.previous) * (1_000_u128.saturating_sub(into)) / 1_000;
        self.current + u32::try_from(rest).unwrap_or(u32::MAX)
    }

    fn turn(&mut self, now: Instant) {
        let second = *self.second.get_or_insert(now);
        let past = now.saturating_duration_since(second).as_secs();
        if past > 0 {
            self.previous = if past == 1 { self.current } else { 0 };
            self.current = 0;
            self.second = Some(second + Duration::from_secs(past));
        }
    }
}

/// A sliding average of times, in milliseconds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Average {
    sum: u64,
    count: u64,
    pub(crate) max_ms: u64,
}

impl Average {
    pub(crate) fn add(&mut self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.max_ms = self.max_ms.max(ms);
        self.count += 1;
        if self.count > SAMPLES {
            self.sum -= self.sum.div_ceil(SAMPLES);
        }
        self.sum = self.sum.saturating_add(ms);
    }

    pub(crate) fn read_ms(&self) -> u64 {
        match self.count.min(SAMPLES) {
            0 => 0,
            count => self.sum.div_ceil(count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_rate_forgets_after_a_second() {
        let mut rate = Rate::default();
        let start = Instant::now();
        for _ in 0..10 {
            rate.add(start);
        }
        assert_eq!(rate.read(start), 10);
        assert_eq!(rate.read(start + Duration::from_millis(1_500)), 5);
        assert_eq!(rate.read(start + Duration::from_secs(3)), 0);
        assert_eq!(rate.max, 10);
    }

    #[test]
    fn an_average_slides() {
        let mut average = Average::default();
        assert_eq!(average.read_ms(), 0);
        average.add(Duration::from_millis(10));
        average.add(Duration::from_millis(20));
        assert_eq!(average.read_ms(), 15);
        for _ in 0..10_000 {
            average.add(Duration::from_millis(100));
        }
        assert!((99..=101).contains(&average.read_ms()));
        assert_eq!(average.max_ms, 100);
    }
}
