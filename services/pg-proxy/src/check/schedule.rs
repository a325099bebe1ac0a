//! One server's checks, one after the other, and when (`process_chk_conn` and `start_check_task`,
//! src/check.c).

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::status::Outcome;
use crate::backend::Backend;

/// Does one check of a server that is at an address.
pub(crate) trait Probe: Send {
    fn probe(&mut self, server: SocketAddr) -> impl Future<Output = Outcome> + Send;
}

/// Checks server `index` for ever. The first check is after `first`; every other one its interval
/// after the end of the one before.
pub(crate) async fn run(
    backend: Arc<Backend>,
    index: usize,
    first: Duration,
    mut probe: impl Probe,
) {
    tokio::time::sleep(first).await;
    loop {
        let rest = match backend.check_begins(index) {
            Some(address) => {
                let outcome = probe.probe(address).await;
                backend.check_ends(index, outcome)
            }
            None => backend.check_interval(index),
        };
        tokio::time::sleep(rest).await;
    }
}

/// When each of `intervals.len()` checks begins for the first time: spread over the shortest of
/// the intervals, but over a check's own one where that is longer, and over `longest` at most.
pub(crate) fn first_checks(intervals: &[Duration], longest: Option<Duration>) -> Vec<Duration> {
    let shortest = intervals.iter().min().copied().unwrap_or_default();
    let count = u32::try_from(intervals.len()).unwrap_or(u32::MAX).max(1);
    (0..count)
        .zip(intervals)
        .map(|(place, own)| {
            let span = shortest.max(*own);
            let span = longest.map_or(span, |longest| span.min(longest));
            let ms = span.as_millis() * u128::from(place) / u128::from(count);
            Duration::from_millis(u64::try_from(ms).unwrap_or(u64::MAX))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_checks_are_spread() {
        let two = Duration::from_secs(2);
        let starts = first_checks(&[two, two, two * 2, two], None);
        assert_eq!(
            starts.iter().map(Duration::as_millis).collect::<Vec<_>>(),
            [0, 500, 2_000, 1_500]
        );
        let starts = first_checks(&[two, two], Some(Duration::from_millis(100)));
        assert_eq!(
            starts.iter().map(Duration::as_millis).collect::<Vec<_>>(),
            [0, 50]
        );
    }
}
