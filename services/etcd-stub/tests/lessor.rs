//! Leases run out on the leader alone: never before their time since they were last renewed, and then soon.
#![allow(clippy::unwrap_used, missing_docs)]

use std::collections::BTreeMap;
use std::time::Duration;

use proptest::prelude::*;
use squall_etcd_stub::lessor::{Lessor, RETRY, ttl_min_s};
use tokio::time::Instant;

#[derive(Clone, Debug)]
enum Step {
    Grant(i64, i64),
    Renew(i64),
    Revoke(i64),
    Pass(u64),
    Look,
    Promote(u64),
    Demote,
}

fn step() -> impl Strategy<Value = Step> {
    let id = || 1_i64..5;
    prop_oneof![
        3 => (id(), 2_i64..9).prop_map(|(id, ttl)| Step::Grant(id, ttl)),
        3 => id().prop_map(Step::Renew),
        1 => id().prop_map(Step::Revoke),
        // Round, so that looks fall on an expiry itself.
        5 => (0_u64..8).prop_map(|half_seconds| Step::Pass(half_seconds * 500)),
        5 => Just(Step::Look),
        1 => (0_u64..4).prop_map(|half_seconds| Step::Promote(half_seconds * 500)),
        1 => Just(Step::Demote),
    ]
}

/// What is known of a lease from outside.
#[derive(Clone, Copy)]
struct Known {
    ttl: Duration,
    /// `None` if it does not run.
    expiry: Option<Instant>,
    offered: Option<Instant>,
}

proptest! {
    #[test]
    fn leases_run_out_in_time(steps in proptest::collection::vec(step(), 1..80)) {
        let mut now = Instant::now();
        let mut lessor = Lessor::new();
        let mut known: BTreeMap<i64, Known> = BTreeMap::new();
        let mut leads = false;
        for step in steps {
            match step {
                Step::Grant(id, ttl_s) => {
                    lessor.grant(id, ttl_s, now);
                    let ttl = Duration::from_secs(ttl_s as u64);
                    known.insert(id, Known { ttl, expiry: leads.then(|| now + ttl), offered: None });
                }
                Step::Renew(id) => {
                    let renewed = lessor.renew(id, now);
                    let lease = known.get_mut(&id).filter(|lease| lease.expiry.is_some_and(|at| at > now));
                    prop_assert_eq!(renewed, lease.as_ref().map(|lease| lease.ttl.as_secs() as i64));
                    if let Some(lease) = lease {
                        (lease.expiry, lease.offered) = (Some(now + lease.ttl), None);
                    }
                }
                Step::Revoke(id) => {
                    lessor.revoke(id);
                    known.remove(&id);
                }
                Step::Pass(ms) => now += Duration::from_millis(ms),
                Step::Look => {
                    let mut expected: Vec<_> = known
                        .iter()
                        .filter(|(_, lease)| lease.expiry.is_some_and(|at| at <= now))
                        .filter(|(_, lease)| lease.offered.is_none_or(|at| at + RETRY <= now))
                        .map(|(&id, lease)| (lease.expiry, id))
                        .collect();
                    expected.sort();
                    let expected: Vec<_> = expected.into_iter().map(|(_, id)| id).collect();
                    let next = lessor.next_expiry();
                    prop_assert_eq!(next.is_some_and(|at| at <= now), !expected.is_empty());
                    prop_assert_eq!(lessor.expired(now), expected.clone());
                    for id in expected {
                        known.get_mut(&id).unwrap().offered = Some(now);
                    }
                }
                Step::Promote(ms) => {
                    leads = true;
                    let extend = Duration::from_millis(ms);
                    lessor.promote(now, extend);
                    for lease in known.values_mut() {
                        (lease.expiry, lease.offered) = (Some(now + extend + lease.ttl), None);
                    }
                }
                Step::Demote => {
                    leads = false;
                    lessor.demote();
                    for lease in known.values_mut() {
                        (lease.expiry, lease.offered) = (None, None);
                    }
                }
            }
            let next = known
                .values()
                .filter_map(|lease| Some(lease.offered.map_or(lease.expiry?, |at| at + RETRY)))
                .min();
            prop_assert_eq!(lessor.next_expiry(), next);
            for (&id, lease) in &known {
                prop_assert_eq!(lessor.granted_s(id), Some(lease.ttl.as_secs() as i64));
                let left = lease.expiry.map(|at| {
                    let ms = |from: Instant, to: Instant| to.duration_since(from).as_millis() as i64;
                    if at >= now { ms(now, at) / 1000 } else { -(ms(at, now) / 1000) }
                });
                prop_assert_eq!(lessor.left(id, now), left);
            }
        }
    }

    /// Whoever waits for `next_expiry` and revokes what is offered is done with every lease.
    #[test]
    fn every_lease_ends(leases in proptest::collection::vec((2_i64..9_000_000_000, 0_u64..5000), 1..20)) {
        let mut now = Instant::now();
        let mut lessor = Lessor::new();
        lessor.promote(now, Duration::ZERO);
        let mut ends = Vec::new();
        for (id, &(ttl_s, pause_ms)) in (1..).zip(&leases) {
            lessor.grant(id, ttl_s, now);
            ends.push((now + Duration::from_secs(ttl_s as u64), id));
            now += Duration::from_millis(pause_ms);
        }
        ends.sort_unstable();
        let mut ended = Vec::new();
        while let Some(next) = lessor.next_expiry() {
            for id in lessor.expired(next) {
                lessor.revoke(id);
                ended.push((next, id));
            }
        }
        prop_assert_eq!(ended, ends);
    }
}

#[test]
fn the_shortest_ttl_is_etcds() {
    // 3.4.23 at the default grants 2 s to who asks for 0 or 1.
    assert_eq!(ttl_min_s(Duration::from_millis(1000)), 2);
    assert_eq!(ttl_min_s(Duration::from_millis(2000)), 3);
    assert_eq!(ttl_min_s(Duration::from_millis(500)), 1);
}
