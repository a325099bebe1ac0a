//! A key that hangs on a lease is there for the lease's time: it is never seen gone earlier than its TTL after the
//! last time that the lease was asked for, and answered.
//!
//! Asked, not answered: etcd counts from some instant between the two. Times are those of the witness' monotonic
//! clock; a group whose clocks run faster than that breaks the promise as the witness sees it.
//!
//! Source: etcd, "KV API guarantees", Lease APIs: a granted lease is not revoked within its TTL; etcd's lessor,
//! which extends all leases when a leader is new, because the last one may have renewed them.

use std::collections::BTreeMap;

use squall_record::RunRecord;

use crate::witness::{self, What, Witness};
use crate::{Judged, seconds};

/// As a scenario writes it.
pub const NAME: &str = "leases-last";

/// Whether it holds.
pub(crate) fn judge(record: &RunRecord) -> Judged {
    let witnesses = match witness::read(record) {
        Ok(witnesses) => witnesses,
        Err(why) => return Judged::from((None, why)),
    };
    let (mut gone, mut latest_us, mut early) = (0, 0, None);
    let leases: Vec<_> = witnesses.iter().flat_map(leases).collect();
    for (lease, gone_us) in leases
        .iter()
        .filter_map(|lease| Some((lease, lease.gone_us?)))
    {
        gone += 1;
        latest_us =
            latest_us.max(gone_us.saturating_sub(lease.answered_us.saturating_add(lease.ttl_us)));
        let until_us = lease.asked_us.saturating_add(lease.ttl_us);
        if gone_us < until_us {
            let breach = format!(
                "{} was gone at {}; its lease of {} was last asked for at {}, so it was to last until {}",
                lease.key,
                seconds(gone_us),
                seconds(lease.ttl_us),
                seconds(lease.asked_us),
                seconds(until_us),
            );
            early.get_or_insert(breach);
        }
    }
    let judgement = match (early, gone) {
        (Some(breach), _) => (Some(false), breach),
        (None, 0) => (None, "no key with a lease was seen to go".to_owned()),
        (None, _) => (
            Some(true),
            format!("{gone} keys lasted as long as their leases"),
        ),
    };
    Judged::from(judgement)
        .figure("leases", leases.len() as i64)
        .figure("gone", gone)
        .figure("latest_gone_after_ttl_ms", (latest_us / 1000) as i64)
}

/// A lease and the key that hangs on it.
struct Lease<'a> {
    key: &'a str,
    ttl_us: u64,
    /// When the last call was sent that granted it or kept it alive.
    asked_us: u64,
    /// When that call was answered.
    answered_us: u64,
    /// When somebody first heard that the key is gone.
    gone_us: Option<u64>,
}

/// All of them that have a key for sure.
fn leases(witness: &Witness) -> Vec<Lease<'_>> {
    let mut by_id = BTreeMap::new();
    let mut ttls = BTreeMap::new();
    let mut ids: BTreeMap<&str, (i64, u64)> = BTreeMap::new();
    let acknowledged = || witness.told.iter().filter(|told| told.ok == Some(true));
    for told in acknowledged() {
        match &told.what {
            What::Grant {
                lease: Some(id),
                ttl_s: Some(ttl_s),
            } => {
                let ttl_us = u64::try_from(*ttl_s).unwrap_or(0).saturating_mul(1_000_000);
                ttls.insert(*id, (ttl_us, told.from_us, told.to_us));
            }
            What::Put {
                key,
                lease: Some(id),
                ..
            } => {
                if let Some((ttl_us, asked_us, answered_us)) = ttls.get(id) {
                    ids.insert(key, (*id, told.to_us));
                    let lease = Lease {
                        key,
                        ttl_us: *ttl_us,
                        asked_us: *asked_us,
                        answered_us: *answered_us,
                        gone_us: None,
                    };
                    by_id.insert(*id, lease);
                }
            }
            What::KeepAlive { lease: id } => {
                if let Some(lease) = by_id.get_mut(id) {
                    lease.asked_us = lease.asked_us.max(told.from_us);
                    lease.answered_us = lease.answered_us.max(told.to_us);
                }
            }
            _ => {}
        }
    }
    for told in acknowledged() {
        let key = match &told.what {
            What::Event {
                key, value: None, ..
            } => key,
            What::Get {
                key,
                modified: Some(0),
                serializable: false,
                ..
            } => key,
            _ => continue,
        };
        let Some((id, attached_us)) = ids.get(&**key) else {
            continue;
        };
        // A read that began before the key was there for sure says nothing.
        let is_read = matches!(told.what, What::Get { .. });
        if is_read && told.from_us < *attached_us {
            continue;
        }
        if let Some(lease) = by_id.get_mut(id) {
            let gone_us = lease.gone_us.unwrap_or(told.to_us);
            lease.gone_us = Some(gone_us.min(told.to_us));
        }
    }
    by_id.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::witness::made::*;

    /// A lease of 5 s that is asked for at 1 and answered at 2, a key at 3, and what follows.
    fn judged(more: &[(u64, u64, Said)]) -> Judged {
        let mut made = Made::new();
        made.start("aa", 1, &[]).add(1, 2, grant(77, 5));
        made.add(3, 3, attach("lease-1", "aa-0", 2, 77));
        for (from_s, to_s, said) in more {
            made.add(*from_s, *to_s, said.clone());
        }
        judge(&made.record())
    }

    #[test]
    fn a_key_lasts_from_the_asking_on() {
        let good = judged(&[(6, 6, gone("lease-1", 3))]);
        assert_eq!(good.holds, Some(true), "{}", good.detail);
        let early = judged(&[(5, 5, gone("lease-1", 3))]);
        assert_eq!(early.holds, Some(false));
        assert_eq!(
            early.detail,
            "lease-1 was gone at 5.000 s; its lease of 5.000 s was last asked for at 1.000 s, so it was to last \
             until 6.000 s"
        );
        assert_eq!(judged(&[(4, 5, absent("lease-1", 3))]).holds, Some(false));
        assert_eq!(judged(&[(1, 3, absent("lease-1", 1))]).holds, None);
    }

    #[test]
    fn every_answered_keepalive_counts_and_no_other() {
        let kept = (4, 8, keep_alive(77, Some(true)));
        assert_eq!(
            judged(&[kept.clone(), (8, 8, gone("lease-1", 3))]).holds,
            Some(false)
        );
        let good = judged(&[kept, (15, 15, gone("lease-1", 3))]);
        assert_eq!(good.holds, Some(true));
        assert_eq!(good.figures["latest_gone_after_ttl_ms"], 2_000);
        let unknown = (4, 8, keep_alive(77, None));
        assert_eq!(
            judged(&[unknown, (8, 8, gone("lease-1", 3))]).holds,
            Some(true)
        );
    }

    #[test]
    fn who_first_heard_of_it_tells() {
        let both = [(7, 7, absent("lease-1", 3)), (5, 5, gone("lease-1", 3))];
        assert_eq!(judged(&both).holds, Some(false));
        let stale = (4, 4, serializable(absent("lease-1", 1)));
        assert_eq!(judged(&[stale]).holds, None);
    }
}
