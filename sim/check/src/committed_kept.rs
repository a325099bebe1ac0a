//! What etcd acknowledged stays: every acknowledged write is what its key is in the end, or was overwritten
//! later; no revision is two things; nothing is there that nobody wrote.
//!
//! Source: etcd, "KV API guarantees": an operation is durable once it is completed, and a revision is given once;
//! Jepsen's report on etcd 3.4.3, whose tests of sets and appends look for writes that are lost.

use squall_record::RunRecord;

use crate::witness::history::{modified_in, named};
use crate::witness::{self, History, Told, What};
use crate::{Judged, Judgement, seconds};

/// As a scenario writes it.
pub const NAME: &str = "committed-kept";

/// Whether it holds.
pub(crate) fn judge(record: &RunRecord) -> Judged {
    let witnesses = match witness::read(record) {
        Ok(witnesses) => witnesses,
        Err(why) => return Judged::from((None, why)),
    };
    let history = History::of(&witnesses);
    let told = witnesses.iter().flat_map(|witness| &witness.told);
    let finals: Vec<&Told> = told
        .filter(|told| matches!(told.what, What::Final { .. }))
        .collect();
    let acknowledged = history.acknowledged().count();
    Judged::from(judgement(&history, &finals, acknowledged))
        .figure("acknowledged_writes", acknowledged as i64)
}

fn judgement(history: &History<'_>, finals: &[&Told], acknowledged: usize) -> Judgement {
    let conflicts = history.conflicts.len();
    if let Some(first) = history.conflicts.first() {
        let more = match conflicts {
            1 => String::new(),
            _ => format!("; so do {} more", conflicts - 1),
        };
        return (
            Some(false),
            format!("what was told contradicts itself: {first}{more}"),
        );
    }
    let lost = finals.iter().filter_map(|told| lost(history, told)).next();
    if let Some(lost) = lost {
        return (Some(false), lost);
    }
    match (acknowledged, finals.len()) {
        (0, _) => (None, "no write was acknowledged".to_owned()),
        (_, 0) => (
            None,
            "no witness read everything back at its end".to_owned(),
        ),
        _ => (
            Some(true),
            format!("{acknowledged} of {acknowledged} acknowledged writes kept or overwritten"),
        ),
    }
}

/// An acknowledged write that a later read of everything does not know of.
fn lost(history: &History<'_>, read: &Told) -> Option<String> {
    let What::Final { kvs, revision } = &read.what else {
        return None;
    };
    let before = history.acknowledged();
    let mut before = before.filter(|(_, _, write)| write.to_us < read.from_us);
    before.find_map(|(value, acknowledged, write)| {
        let modified = modified_in(kvs, write.key);
        let is_kept = match modified {
            0 => history.leased.contains(write.key),
            _ => modified >= acknowledged,
        };
        (!is_kept).then(|| {
            let is = kvs.iter().find(|(key, ..)| key == write.key);
            format!(
                "{} = {value} was acknowledged with revision {acknowledged} at {}; at {}, with revision \
                 {revision}, {} is {} of revision {modified}",
                write.key,
                seconds(write.to_us),
                seconds(read.to_us),
                write.key,
                named(is.map(|(_, value, ..)| &**value)),
            )
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::witness::made::*;

    fn judged(more: &[Said]) -> Judged {
        let mut made = Made::new();
        made.start("aa", 1, &[]);
        for (said, at) in more.iter().zip(1..) {
            made.add(2 * at, 2 * at + 1, said.clone());
        }
        judge(&made.record())
    }

    fn breach(more: &[Said]) -> String {
        let judged = judged(more);
        assert_eq!(judged.holds, Some(false), "{}", judged.detail);
        judged.detail
    }

    #[test]
    fn what_is_there_or_overwritten_is_kept() {
        let good = [
            put("k0", "aa-0", 2),
            put("k1", "aa-1", 3),
            failed("k1", "aa-2", None),
            won_cas("k0", "aa-3", 2, 5),
            attach("lease-1", "aa-4", 6, 77),
            finally(&[("k0", "aa-3", 5, 2), ("k1", "aa-2", 4, 2)], 7),
            end(true),
        ];
        let good = judged(&good);
        assert_eq!(good.holds, Some(true), "{}", good.detail);
        assert_eq!(good.figures["acknowledged_writes"], 4);
    }

    #[test]
    fn a_write_that_is_gone_is_a_breach() {
        let writes = [put("k0", "aa-0", 2), put("k0", "aa-1", 3)];
        let old = finally(&[("k0", "aa-0", 2, 1)], 4);
        let detail = breach(&[writes[0].clone(), writes[1].clone(), old, end(true)]);
        assert_eq!(
            detail,
            "k0 = aa-1 was acknowledged with revision 3 at 5.000 s; at 7.000 s, with revision 4, k0 is aa-0 \
             of revision 2"
        );
        breach(&[writes[0].clone(), finally(&[], 4), end(true)]);
    }

    #[test]
    fn a_read_need_not_know_what_is_acknowledged_later() {
        let first = [put("k0", "aa-0", 2), finally(&[("k0", "aa-0", 2, 1)], 2)];
        let later = [put("k0", "aa-1", 3), put("k1", "aa-2", 4)];
        assert_eq!(judged(&[first, later].concat()).holds, Some(true));
    }

    #[test]
    fn a_revision_is_one_thing() {
        breach(&[put("k0", "aa-0", 2), put("k1", "aa-1", 2)]);
        breach(&[put("k0", "aa-0", 2), event("k0", "aa-9", 2, 1)]);
        let detail = breach(&[put("k0", "aa-0", 2), event("k0", "aa-0", 3, 1)]);
        assert!(detail.contains("acknowledged with 2"), "{detail}");
    }

    #[test]
    fn nothing_is_there_that_nobody_wrote() {
        let refused = [failed("k0", "aa-0", Some(false)), get("k0", "aa-0", 2, 2)];
        let detail = breach(&refused);
        assert!(detail.contains("a write that was refused"), "{detail}");
        breach(&[get("k0", "aa-9", 2, 2), end(true)]);
        breach(&[put("k0", "aa-0", 2), get("k1", "aa-0", 3, 3)]);
        // A witness that was cut off may have written what no line tells of.
        assert_eq!(judged(&[get("k0", "aa-9", 2, 2)]).holds, None);
    }

    #[test]
    fn without_a_last_read_nothing_is_shown() {
        let open = judged(&[put("k0", "aa-0", 2)]);
        assert_eq!((open.holds, open.figures["acknowledged_writes"]), (None, 1));
        assert_eq!(judged(&[finally(&[], 1)]).holds, None);
        assert_eq!(judge(&Made::new().record()).holds, None);
    }
}
