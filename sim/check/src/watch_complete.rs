//! A watch tells every change once, in the order of revisions, as it was written, across every cut after which it
//! is resumed.
//!
//! That a change is missing is seen in two ways: an acknowledged write, or one that a read has shown, has no
//! event; or the versions of a key, which count its changes, have a hole.
//!
//! Source: etcd, "KV API guarantees", Watch APIs: ordered, unique, reliable, atomic, resumable, bookmarkable;
//! Jepsen's report on etcd 3.4.3, whose watch test found none missing.

use std::collections::BTreeMap;
use std::ops::Bound::{Excluded, Included};

use squall_record::RunRecord;

use crate::witness::{self, History, What, Witness};
use crate::{Judged, seconds};

/// As a scenario writes it.
pub const NAME: &str = "watch-complete";

/// Whether it holds.
pub(crate) fn judge(record: &RunRecord) -> Judged {
    let witnesses = match witness::read(record) {
        Ok(witnesses) => witnesses,
        Err(why) => return Judged::from((None, why)),
    };
    let history = History::of(&witnesses);
    let (mut events, mut resumes) = (0, 0);
    let (mut breach, mut open) = (None, None);
    for witness in &witnesses {
        let watch = Watch::follow(witness, &history);
        events += watch.events;
        resumes += watch.begun.saturating_sub(1);
        breach = breach.or_else(|| watch.breach.clone());
        breach = breach.or_else(|| watch.missing(&history));
        open = open.or_else(|| watch.open(witness));
    }
    let judgement = match (breach, open) {
        (Some(breach), _) => (Some(false), breach),
        (None, Some(open)) => (None, open),
        (None, None) if events == 0 => (None, "the watch told nothing".to_owned()),
        (None, None) => (
            Some(true),
            format!("{events} events in order, none missing, resumed {resumes} times"),
        ),
    };
    Judged::from(judgement)
        .figure("events", events)
        .figure("resumes", resumes)
}

/// What one witness' watch told.
struct Watch<'a> {
    /// Of the read before it: it begins with the next one.
    after: i64,
    /// The revision up to which it told everything.
    last: i64,
    told: BTreeMap<(i64, &'a str), Option<&'a str>>,
    versions: BTreeMap<&'a str, i64>,
    events: i64,
    begun: i64,
    /// etcd ended it because it was compacted, and it was resumed later than where it was cut.
    has_hole: bool,
    breach: Option<String>,
}

impl<'a> Watch<'a> {
    fn follow(witness: &'a Witness, history: &History<'a>) -> Self {
        let mut watch = Self {
            after: witness.revision,
            last: witness.revision,
            told: BTreeMap::new(),
            versions: BTreeMap::new(),
            events: 0,
            begun: 0,
            has_hole: false,
            breach: None,
        };
        let mut canceled = false;
        for told in &witness.told {
            match &told.what {
                What::Canceled {} => canceled = true,
                _ if told.ok != Some(true) => {}
                What::Start { kvs, .. } => {
                    let versions = kvs.iter().map(|(key, _, _, version)| (&**key, *version));
                    watch.versions = versions.collect();
                }
                What::Watch { from } => {
                    watch.begun += 1;
                    watch.has_hole |= canceled && from.saturating_sub(1) > watch.last;
                    canceled = false;
                }
                What::Event {
                    key,
                    value,
                    modified,
                    version,
                } => {
                    let event = Event {
                        key,
                        value: value.as_deref(),
                        modified: *modified,
                        version: *version,
                        at_us: told.to_us,
                    };
                    watch.event(&event, history);
                }
                _ => {}
            }
        }
        watch
    }

    fn event(&mut self, event: &Event<'a>, history: &History<'_>) {
        self.events += 1;
        let Event {
            key,
            value,
            modified,
            ..
        } = *event;
        let wrong = self.wrong(event, history);
        self.breach = self.breach.take().or_else(|| {
            let at = seconds(event.at_us);
            wrong.map(|wrong| format!("the event of revision {modified} of {key} at {at} {wrong}"))
        });
        self.told.insert((modified, key), value);
        let version = if value.is_some() { event.version } else { 0 };
        self.versions.insert(key, version);
        self.last = self.last.max(modified);
    }

    fn wrong(&self, event: &Event<'a>, history: &History<'_>) -> Option<String> {
        let Event {
            key,
            value,
            modified,
            version,
            at_us,
        } = *event;
        if self.told.contains_key(&(modified, key)) {
            return Some("was told before".to_owned());
        }
        if modified < self.last || modified <= self.after {
            return Some(format!("comes after that of revision {}", self.last));
        }
        let Some(value) = value else {
            let is_leased = history.leased.contains(key);
            return (!is_leased).then(|| "says that it is deleted, which nobody did".to_owned());
        };
        let before = self.versions.get(key).copied().unwrap_or(0);
        if version != before + 1 && !self.has_hole {
            return Some(format!(
                "has version {version}, the one before had {before}"
            ));
        }
        if let Some(why) = history.foreign(key, value, modified) {
            return Some(format!("says that {why}"));
        }
        let write = history.writes.get(value)?;
        (at_us < write.from_us).then(|| format!("says {value}, which was written later"))
    }

    /// A change that it did not tell, though it told later ones.
    fn missing(&self, history: &History<'_>) -> Option<String> {
        if self.has_hole {
            return None;
        }
        let changes = history.keys.iter().flat_map(|(key, changes)| {
            let within = changes.range((Excluded(self.after), Included(self.last)));
            within.map(move |(revision, change)| (*revision, *key, change.value))
        });
        let told = |(revision, key, value): &(i64, &str, _)| {
            self.told.get(&(*revision, *key)) == Some(value)
        };
        let missing: Vec<_> = changes.filter(|change| !told(change)).collect();
        let (revision, key, value) = *missing.iter().min()?;
        let value = value.unwrap_or("gone");
        Some(format!(
            "the watch told what is after revision {} up to {} and not that {key} became {value} at revision \
             {revision}; {} more are missing",
            self.after,
            self.last,
            missing.len() - 1
        ))
    }

    /// Why it cannot be said that nothing is missing.
    fn open(&self, witness: &Witness) -> Option<String> {
        if self.has_hole {
            return Some("the watch could not be resumed where it was cut: compacted".to_owned());
        }
        (witness.ended == Some(false)).then(|| {
            format!(
                "the watch had not caught up at the end, at revision {}",
                self.last
            )
        })
    }
}

/// What the watch says of one key.
struct Event<'a> {
    key: &'a str,
    value: Option<&'a str>,
    modified: i64,
    version: i64,
    at_us: u64,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::witness::made::*;

    fn judged(more: &[Said]) -> Judged {
        let mut made = Made::new();
        made.start("aa", 5, &[("k0", "zz-0", 4, 3)]);
        made.add(0, 0, watch(6));
        for (said, at) in more.iter().zip(1..) {
            made.add(at, at, said.clone());
        }
        judge(&made.record())
    }

    fn breach(more: &[Said]) -> String {
        let judged = judged(more);
        assert_eq!(judged.holds, Some(false), "{}", judged.detail);
        judged.detail
    }

    #[test]
    fn all_in_order_across_a_cut_is_good() {
        let good = [
            put("k0", "aa-0", 6),
            failed("k1", "aa-1", None),
            event("k0", "aa-0", 6, 4),
            event("k1", "aa-1", 7, 1),
            watch(8),
            attach("lease-1", "aa-2", 9, 77),
            event("lease-1", "aa-2", 9, 1),
            gone("lease-1", 11),
            put("end", "aa-3", 12),
            event("end", "aa-3", 12, 1),
            end(true),
        ];
        let good = judged(&good);
        assert_eq!(good.holds, Some(true), "{}", good.detail);
        assert_eq!((good.figures["events"], good.figures["resumes"]), (5, 1));
    }

    #[test]
    fn a_change_that_is_not_told_is_a_breach() {
        let detail = breach(&[
            put("k1", "aa-0", 6),
            put("k0", "aa-1", 7),
            event("k0", "aa-1", 7, 4),
        ]);
        assert_eq!(
            detail,
            "the watch told what is after revision 5 up to 7 and not that k1 became aa-0 at revision 6; 0 more are missing"
        );
        // One of which nobody knew, by the version.
        breach(&[put("k0", "aa-1", 9), event("k0", "aa-1", 9, 5)]);
        // One that only a read has shown.
        let seen = [failed("k1", "aa-0", None), get("k1", "aa-0", 6, 6)];
        let later = [put("k0", "aa-1", 7), event("k0", "aa-1", 7, 4)];
        breach(&[seen, later].concat());
    }

    #[test]
    fn twice_or_backwards_is_a_breach() {
        let (six, seven) = (event("k0", "aa-0", 6, 4), event("k1", "aa-1", 7, 1));
        let writes = [put("k0", "aa-0", 6), put("k1", "aa-1", 7)];
        let with = |events: &[Said]| [&writes, events].concat();
        assert_eq!(
            judged(&with(&[six.clone(), seven.clone()])).holds,
            Some(true)
        );
        assert!(
            breach(&with(&[six.clone(), watch(7), six.clone(), seven.clone()]))
                .contains("told before")
        );
        breach(&with(&[seven, six]));
        breach(&[event("k0", "zz-0", 4, 3)]);
    }

    #[test]
    fn what_it_says_is_what_was_written() {
        let write = put("k0", "aa-0", 6);
        breach(&[write.clone(), event("k0", "aa-0", 7, 4)]);
        breach(&[write.clone(), event("k1", "aa-0", 6, 1)]);
        breach(&[failed("k0", "aa-0", Some(false)), event("k0", "aa-0", 6, 4)]);
        breach(&[gone("k0", 6)]);
        breach(&[event("k0", "aa-0", 6, 4), put("k0", "aa-0", 6)]);
    }

    #[test]
    fn what_it_has_not_come_to_is_open() {
        let late = [
            put("k0", "aa-0", 6),
            event("k0", "aa-0", 6, 4),
            put("k0", "aa-1", 7),
        ];
        assert_eq!(judged(&late).holds, Some(true));
        assert_eq!(judged(&[&late[..], &[end(false)]].concat()).holds, None);
        let hole = [
            canceled(),
            watch(9),
            put("k0", "aa-1", 9),
            event("k0", "aa-1", 9, 9),
        ];
        assert_eq!(judged(&hole).holds, None);
        assert_eq!(judged(&[]).holds, None);
    }
}
