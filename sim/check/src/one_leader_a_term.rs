//! No term of a Raft group has two leaders.
//!
//! Members say so themselves, in etcd's words, `ID became leader at term N` with the id in hex, in a line of their
//! log, whatever else is in it. All members of a run are taken for one group.
//! Deliberately not who thinks that it leads and when: an old leader that is cut off does so rightly, in its old term.
//!
//! Source: Ongaro and Ousterhout, In Search of an Understandable Consensus Algorithm, 2014, figure 3, "Election
//! Safety". The words are those of `raft/raft.go` in etcd 3.4, `becomeLeader`.

use std::collections::BTreeMap;

use squall_record::{Line, RunRecord};

use crate::{Judged, seconds};

/// As a scenario writes it.
pub const NAME: &str = "one-leader-a-term";

const WORDS: &str = " became leader at term ";

/// Whether it holds.
pub(crate) fn judge(record: &RunRecord) -> Judged {
    let mut leaders: BTreeMap<u64, (u64, &Line)> = BTreeMap::new();
    let (mut elections, mut first) = (0, None);
    for line in &record.log.lines {
        let Some((id, term)) = elected(&line.text) else {
            continue;
        };
        elections += 1;
        let (leader, before) = *leaders.entry(term).or_insert((id, line));
        if leader != id && first.is_none() {
            first = Some(format!(
                "term {term} has two leaders: {leader:x} on {} at {}, and {id:x} on {} at {}",
                before.host,
                seconds(before.at_us),
                line.host,
                seconds(line.at_us)
            ));
        }
    }
    let terms = leaders.len();
    let dropped = record.log.dropped;
    let judgement = match (first, elections, dropped) {
        (Some(breach), ..) => (Some(false), breach),
        (None, _, 1..) => (
            None,
            format!("one leader in each of {terms} terms, but {dropped} lines were not kept"),
        ),
        (None, 0, 0) => (None, "nobody said that it became leader".to_owned()),
        (None, ..) => (Some(true), format!("one leader in each of {terms} terms")),
    };
    Judged::from(judgement).figure("elections", elections)
}

/// Who became leader, and of which term, if a line says so.
fn elected(line: &str) -> Option<(u64, u64)> {
    let (before, after) = line.split_once(WORDS)?;
    let id = before.rsplit(|c: char| !c.is_ascii_hexdigit()).next()?;
    let digits = after.find(|c: char| !c.is_ascii_digit());
    let term = &after[..digits.unwrap_or(after.len())];
    Some((u64::from_str_radix(id, 16).ok()?, term.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::record;

    fn judged(lines: &[(&str, &str)], dropped: u64) -> Judged {
        let mut record = record(vec![]);
        let lines = lines.iter().zip(1..);
        let lines = lines.map(|((host, text), at_s)| Line {
            at_us: at_s * 1_000_000,
            host: (*host).into(),
            text: (*text).to_owned(),
        });
        record.log.lines = lines.collect();
        record.log.dropped = dropped;
        judge(&record)
    }

    #[test]
    fn two_leaders_of_a_term_are_found() {
        let one = ("etcd0", "raft: 8e9e05c52164694d became leader at term 2");
        let other = (
            "etcd1",
            r#"{"level":"info","msg":"91bc3c398fb3c146 became leader at term 3"}"#,
        );
        let good = judged(&[one, other], 0);
        assert_eq!((good.holds, good.figures["elections"]), (Some(true), 2));
        let split = ("etcd2", "raft: fd422379fda50e48 became leader at term 2");
        let bad = judged(&[one, other, split], 0);
        let detail = "term 2 has two leaders: 8e9e05c52164694d on etcd0 at 1.000 s, \
                      and fd422379fda50e48 on etcd2 at 3.000 s";
        assert_eq!((bad.holds, bad.detail.as_str()), (Some(false), detail));
        assert_eq!(judged(&[one, split], 9).holds, Some(false));
    }

    #[test]
    fn who_says_nothing_shows_nothing() {
        assert_eq!(judged(&[], 0).holds, None);
        let other = ("etcd0", "raft: 8e9e05c52164694d became follower at term 2");
        assert_eq!(judged(&[other], 0).holds, None);
        let one = ("etcd0", "raft: 8e9e05c52164694d became leader at term 2");
        assert_eq!(
            judged(&[one], 1).holds,
            None,
            "it may be in what is not kept"
        );
    }
}
