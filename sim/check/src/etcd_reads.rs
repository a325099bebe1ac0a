//! Reads are what they claim to be. A linearizable read or a write sees all that was acknowledged before it was
//! sent; a serializable read may be old, but is some state that was, the one whose revision its header names. Nobody
//! reads what is written later.
//!
//! No order needs to be searched for, as with a service that answers values only: every answer of etcd names a
//! revision, which is its place in the one order of everything. That order explains all answers if and only if each
//! read is what its key was at that revision, and no answer is placed before one that was there when it was sent.
//! This also holds across keys, which is more than linearizability of each: strict serializability.
//!
//! Source: etcd, "KV API guarantees": strict serializability, and serializable reads that may be stale; Jepsen's
//! report on etcd 3.4.3, whose register test is this one without revisions.

use squall_record::RunRecord;

use crate::witness::history::{modified_in, named};
use crate::witness::{self, History, Told, What};
use crate::{Judged, seconds};

/// As a scenario writes it.
pub const NAME: &str = "etcd-reads";

/// Whether it holds.
pub(crate) fn judge(record: &RunRecord) -> Judged {
    let witnesses = match witness::read(record) {
        Ok(witnesses) => witnesses,
        Err(why) => return Judged::from((None, why)),
    };
    let history = History::of(&witnesses);
    let told = || witnesses.iter().flat_map(|witness| &witness.told);
    let answers: Vec<_> = told()
        .filter_map(|told| Answer::of(told, &history))
        .collect();
    let count = |wanted: Kind| answers.iter().filter(|one| one.kind == wanted).count();
    let (reads, serializable) = (count(Kind::Read), count(Kind::Serializable));
    let order = order(&answers);
    // If a revision is two things there is no order to begin with.
    let wrong = history.conflicts.first().cloned();
    let wrong = wrong.or_else(|| told().find_map(|told| self::wrong(told, &history)));
    let judgement = match (wrong.or(order.breach), reads + serializable) {
        (Some(breach), _) => (Some(false), breach),
        (None, 0) => (None, "no read was answered".to_owned()),
        (None, _) => (
            Some(true),
            format!("{reads} linearizable and {serializable} serializable reads right"),
        ),
    };
    Judged::from(judgement)
        .figure("linearizable_reads", reads as i64)
        .figure("serializable_reads", serializable as i64)
        .figure("stale_serializable_reads", order.stale)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Write,
    Read,
    /// May be placed before what was acknowledged when it was sent.
    Serializable,
}

/// An operation with its place.
struct Answer<'a> {
    kind: Kind,
    revision: i64,
    from_us: u64,
    /// None if nobody knows when it was done; that it was, a read has shown.
    to_us: Option<u64>,
    what: &'static str,
    key: &'a str,
}

impl<'a> Answer<'a> {
    fn of(told: &'a Told, history: &History<'_>) -> Option<Self> {
        let (kind, revision, what, key) = match &told.what {
            What::Put {
                key,
                value,
                revision,
                ..
            } => (
                Kind::Write,
                revision.or_else(|| history.placed(key, value)),
                "put",
                key,
            ),
            What::Cas {
                key,
                revision,
                applied: Some(false),
                ..
            } => (Kind::Read, *revision, "compare-and-set", key),
            What::Cas {
                key,
                value,
                revision,
                ..
            } => (
                Kind::Write,
                revision.or_else(|| history.placed(key, value)),
                "compare-and-set",
                key,
            ),
            What::Get {
                key,
                serializable,
                revision,
                ..
            } => {
                let kind = match serializable {
                    true => Kind::Serializable,
                    false => Kind::Read,
                };
                (kind, *revision, "read", key)
            }
            What::Start { revision, .. } | What::Final { revision, .. } => {
                return Some(Self {
                    kind: Kind::Read,
                    revision: *revision,
                    from_us: told.from_us,
                    to_us: Some(told.to_us),
                    what: "read of everything",
                    key: "",
                });
            }
            _ => return None,
        };
        Some(Self {
            kind,
            revision: revision?,
            from_us: told.from_us,
            to_us: (told.ok == Some(true)).then_some(told.to_us),
            what,
            key,
        })
    }
}

struct Order {
    breach: Option<String>,
    stale: i64,
}

/// Whether the order of revisions is also one of time.
fn order(answers: &[Answer<'_>]) -> Order {
    let mut sent: Vec<&Answer<'_>> = answers.iter().collect();
    sent.sort_by_key(|answer| answer.from_us);
    let done = answers
        .iter()
        .filter_map(|answer| Some((answer.to_us?, answer)));
    let mut done: Vec<_> = done.collect();
    done.sort_by_key(|(to_us, _)| *to_us);
    let mut done = done.into_iter().peekable();
    let mut furthest: Option<&Answer<'_>> = None;
    let mut order = Order {
        breach: None,
        stale: 0,
    };
    for answer in sent {
        while let Some((_, before)) = done.next_if(|(to_us, _)| *to_us < answer.from_us) {
            if furthest.is_none_or(|furthest| furthest.revision < before.revision) {
                furthest = Some(before);
            }
        }
        let Some(before) = furthest else { continue };
        let is_behind = match answer.kind {
            Kind::Write => answer.revision <= before.revision,
            Kind::Read | Kind::Serializable => answer.revision < before.revision,
        };
        match (is_behind, answer.kind) {
            (false, _) => {}
            (true, Kind::Serializable) => order.stale += 1,
            (true, _) => {
                order.breach.get_or_insert_with(|| {
                    format!(
                        "the {} of {} that was sent at {} was done at revision {}, though a {} of {} had been \
                         answered before, at {}, with revision {}",
                        answer.what,
                        answer.key,
                        seconds(answer.from_us),
                        answer.revision,
                        before.what,
                        before.key,
                        seconds(before.to_us.unwrap_or_default()),
                        before.revision,
                    )
                });
            }
        }
    }
    order
}

/// Why a read is not what was at its revision.
fn wrong(told: &Told, history: &History<'_>) -> Option<String> {
    let at = seconds(told.to_us);
    let one = |key: &str, value: Option<&str>, modified: i64, revision: i64| {
        let why = not_so(history, key, value, modified, revision)
            .or_else(|| from_the_future(told, history, value))?;
        let value = named(value);
        Some(format!(
            "the read of {key} at {at}, with revision {revision}, gave {value} of revision {modified}, {why}"
        ))
    };
    match &told.what {
        What::Get {
            key,
            value,
            modified: Some(modified),
            revision: Some(revision),
            ..
        } => one(key, value.as_deref(), *modified, *revision),
        What::Cas {
            key,
            if_mod,
            applied: Some(false),
            found,
            modified: Some(modified),
            revision: Some(revision),
            ..
        } => {
            let same = (if_mod == modified).then(|| {
                format!("the compare-and-set of {key} at {at} failed though revision {modified} is what it asked for")
            });
            same.or_else(|| one(key, found.as_deref(), *modified, *revision))
        }
        What::Cas {
            key,
            if_mod,
            applied: Some(true),
            revision: Some(revision),
            ..
        } => {
            let (modified, _) = history.at(key, revision.saturating_sub(1))?;
            let is_gone = history.leased.contains(&**key);
            (modified != *if_mod && !is_gone).then(|| {
                format!(
                    "the compare-and-set of {key} at {at} was applied at revision {revision} for revision \
                     {if_mod}, but {key} was of revision {modified}"
                )
            })
        }
        What::Start { kvs, revision, .. } | What::Final { kvs, revision } => {
            history.keys.keys().find_map(|key| {
                let value = kvs.iter().find(|(name, ..)| name == key);
                let value = value.map(|(_, value, ..)| &**value);
                one(key, value, modified_in(kvs, key), *revision)
            })
        }
        _ => None,
    }
}

fn not_so(
    history: &History<'_>,
    key: &str,
    value: Option<&str>,
    modified: i64,
    revision: i64,
) -> Option<String> {
    if modified > revision {
        return Some("which was not yet".to_owned());
    }
    let (is, change) = history.at(key, revision)?;
    let is_right = match (value, change.value) {
        (Some(value), Some(known)) => is == modified && value == known,
        (None, None) => true,
        // It goes by itself, and the watch need not have come to that.
        (None, Some(_)) => history.leased.contains(key),
        (Some(_), None) => false,
    };
    (!is_right).then(|| format!("but it was {} of revision {is}", named(change.value)))
}

fn from_the_future(told: &Told, history: &History<'_>, value: Option<&str>) -> Option<String> {
    let write = history.writes.get(value?)?;
    (told.to_us < write.from_us)
        .then(|| format!("which was not sent before {}", seconds(write.from_us)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::witness::made::*;

    fn judged(more: &[(u64, u64, Said)]) -> Judged {
        let mut made = Made::new();
        made.start("aa", 1, &[]);
        for (from_s, to_s, said) in more {
            made.add(*from_s, *to_s, said.clone());
        }
        judge(&made.record())
    }

    fn breach(more: &[(u64, u64, Said)]) -> String {
        let judged = judged(more);
        assert_eq!(judged.holds, Some(false), "{}", judged.detail);
        judged.detail
    }

    #[test]
    fn reads_of_their_revisions_are_good() {
        let good = judged(&[
            (1, 2, put("k0", "aa-0", 2)),
            (3, 6, won_cas("k0", "aa-1", 2, 3)),
            (4, 5, get("k0", "aa-0", 2, 2)),
            (4, 5, get("k0", "aa-1", 3, 3)),
            (7, 8, lost_cas("k0", 2, ("aa-1", 3), 3)),
            (7, 8, absent("k1", 3)),
            (9, 10, failed("k1", "aa-2", None)),
            (20, 21, get("k1", "aa-2", 4, 4)),
            (
                22,
                23,
                finally(&[("k0", "aa-1", 3, 2), ("k1", "aa-2", 4, 1)], 4),
            ),
        ]);
        assert_eq!(good.holds, Some(true), "{}", good.detail);
        assert_eq!(good.figures["linearizable_reads"], 7);
    }

    #[test]
    fn only_a_serializable_read_may_be_stale() {
        let writes = [(1, 2, put("k0", "aa-0", 2)), (3, 4, put("k0", "aa-1", 3))];
        let old = get("k0", "aa-0", 2, 2);
        let with = |said: Said| [&writes[..], &[(5, 6, said)]].concat();
        let detail = breach(&with(old.clone()));
        assert_eq!(
            detail,
            "the read of k0 that was sent at 5.000 s was done at revision 2, though a put of k0 had been \
             answered before, at 4.000 s, with revision 3"
        );
        let stale = judged(&with(serializable(old)));
        assert_eq!(stale.holds, Some(true), "{}", stale.detail);
        assert_eq!(stale.figures["stale_serializable_reads"], 1);
        // What its header names is what it must be.
        breach(&with(serializable(get("k0", "aa-0", 2, 3))));
        breach(&with(serializable(get("k0", "aa-1", 3, 2))));
        breach(&with(serializable(absent("k0", 2))));
        breach(&with(absent("k0", 3)));
    }

    #[test]
    fn the_order_holds_across_keys_and_for_writes() {
        let detail = breach(&[(1, 2, put("k0", "aa-0", 3)), (3, 4, put("k1", "aa-1", 2))]);
        assert!(
            detail.starts_with("the put of k1 that was sent at 3.000 s"),
            "{detail}"
        );
        breach(&[(1, 2, put("k0", "aa-0", 2)), (3, 4, absent("k1", 1))]);
        // One that nobody knew of was done before it was sent.
        breach(&[
            (1, 2, put("k0", "aa-0", 3)),
            (3, 4, failed("k1", "aa-1", None)),
            (5, 6, get("k1", "aa-1", 2, 3)),
        ]);
    }

    #[test]
    fn nobody_reads_what_is_written_later() {
        let future = serializable(get("k0", "aa-0", 2, 2));
        let detail = breach(&[(1, 2, future), (3, 4, put("k0", "aa-0", 2))]);
        assert!(detail.ends_with("not sent before 3.000 s"), "{detail}");
    }

    #[test]
    fn a_revision_that_is_two_things_explains_nothing() {
        breach(&[
            (1, 2, put("k0", "aa-0", 2)),
            (1, 2, get("k0", "aa-1", 2, 2)),
        ]);
    }

    #[test]
    fn a_compare_and_set_compares() {
        let writes = [(1, 2, put("k0", "aa-0", 2)), (3, 4, put("k0", "aa-1", 3))];
        let with = |said: Said| [&writes[..], &[(5, 6, said)]].concat();
        breach(&with(won_cas("k0", "aa-2", 2, 4)));
        breach(&with(lost_cas("k0", 3, ("aa-1", 3), 3)));
        breach(&with(lost_cas("k0", 9, ("aa-0", 2), 3)));
        assert_eq!(judged(&with(won_cas("k0", "aa-2", 3, 4))).holds, Some(true));
    }

    #[test]
    fn without_reads_nothing_is_shown() {
        assert_eq!(judge(&Made::new().record()).holds, None);
    }
}
