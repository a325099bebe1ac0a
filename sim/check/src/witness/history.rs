//! What can be known of every key: its changes by revision, from everything that was told of them.
//!
//! etcd gives each change a revision, and says with every answer at which revision it was given. So the order of
//! all changes need not be searched for: it is told, many times over, and all that is told must agree.

use std::collections::{BTreeMap, BTreeSet};

use super::{Pair, Told, What, Witness};
use crate::seconds;

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct History<'a> {
    /// What each key became at which revision.
    pub(crate) keys: BTreeMap<&'a str, BTreeMap<i64, Change<'a>>>,
    /// All writes that were tried, by their values, which are unique.
    pub(crate) writes: BTreeMap<&'a str, Write<'a>>,
    /// The keys that were written with a lease: they may go by themselves.
    pub(crate) leased: BTreeSet<&'a str>,
    /// Witnesses that were cut off: they may have written what no line tells of.
    cut_off: BTreeSet<&'a str>,
    /// What was there when a witness began.
    before: BTreeSet<&'a str>,
    /// Which key a revision is a change of.
    puts: BTreeMap<i64, &'a str>,
    /// At which revision a key became a value.
    placed: BTreeMap<(&'a str, &'a str), i64>,
    /// What does not agree.
    pub(crate) conflicts: Vec<String>,
}

/// What a key became.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change<'a> {
    /// None if it was deleted.
    pub(crate) value: Option<&'a str>,
}

/// A write that was tried.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Write<'a> {
    pub(crate) key: &'a str,
    pub(crate) ok: Option<bool>,
    /// Its revision, if it is acknowledged.
    pub(crate) revision: Option<i64>,
    pub(crate) from_us: u64,
    pub(crate) to_us: u64,
}

impl<'a> History<'a> {
    pub(crate) fn of(witnesses: &'a [Witness]) -> Self {
        let mut history = Self::default();
        for witness in witnesses {
            if witness.ended != Some(true) {
                history.cut_off.insert(&witness.run);
            }
            for told in &witness.told {
                history.tried(told);
            }
        }
        for told in witnesses.iter().flat_map(|witness| &witness.told) {
            history.shown(told);
        }
        history
    }

    /// The writes among what was told.
    fn tried(&mut self, told: &'a Told) {
        let (key, value, revision, ok) = match &told.what {
            What::Put {
                key,
                value,
                lease,
                revision,
            } => {
                if lease.is_some() {
                    self.leased.insert(key);
                }
                (key, value, *revision, told.ok)
            }
            What::Cas {
                key,
                value,
                applied,
                revision,
                ..
            } => match applied {
                Some(false) => (key, value, None, Some(false)),
                _ => (key, value, *revision, told.ok),
            },
            What::Start { kvs, .. } => {
                self.before
                    .extend(kvs.iter().map(|(_, value, ..)| &**value));
                return;
            }
            _ => return,
        };
        let write = Write {
            key,
            ok,
            revision,
            from_us: told.from_us,
            to_us: told.to_us,
        };
        self.writes.insert(value, write);
    }

    /// The changes that it shows.
    fn shown(&mut self, told: &'a Told) {
        if told.ok != Some(true) {
            return;
        }
        match &told.what {
            What::Put {
                key,
                value,
                revision: Some(revision),
                ..
            }
            | What::Cas {
                key,
                value,
                applied: Some(true),
                revision: Some(revision),
                ..
            } => self.change(told, key, *revision, Some(value)),
            What::Cas {
                key,
                found: Some(value),
                modified: Some(modified),
                ..
            }
            | What::Get {
                key,
                value: Some(value),
                modified: Some(modified),
                ..
            } => self.change(told, key, *modified, Some(value)),
            What::Event {
                key,
                value,
                modified,
                ..
            } => self.change(told, key, *modified, value.as_deref()),
            What::Start { kvs, .. } | What::Final { kvs, .. } => {
                for (key, value, modified, _) in kvs {
                    self.change(told, key, *modified, Some(value));
                }
            }
            _ => {}
        }
    }

    fn change(&mut self, told: &Told, key: &'a str, revision: i64, value: Option<&'a str>) {
        let at = seconds(told.to_us);
        let changes = self.keys.entry(key).or_default();
        let change = *changes.entry(revision).or_insert(Change { value });
        if change.value != value {
            let (one, other) = (named(change.value), named(value));
            self.conflicts.push(format!(
                "revision {revision} of {key} is {one} and, as told at {at}, {other}"
            ));
        }
        let Some(value) = value else { return };
        self.placed.entry((key, value)).or_insert(revision);
        let first = self.puts.entry(revision).or_insert(key);
        if *first != key {
            self.conflicts.push(format!(
                "revision {revision} is a change of {first} and, as told at {at}, of {key}"
            ));
        }
        if let Some(conflict) = self.foreign(key, value, revision) {
            self.conflicts.push(format!("{conflict}, as told at {at}"));
        }
    }

    /// Why a key cannot have become this at that revision, if nobody wrote it so.
    pub(crate) fn foreign(&self, key: &str, value: &str, revision: i64) -> Option<String> {
        let Some(write) = self.writes.get(value) else {
            let run = value.split('-').next().unwrap_or(value);
            let may_be = self.cut_off.contains(run) || self.before.contains(value);
            return (!may_be).then(|| format!("{key} became {value}, which nobody wrote"));
        };
        let says = |what: String| {
            Some(format!(
                "{key} became {value} at revision {revision}, {what}"
            ))
        };
        match write {
            Write { key: other, .. } if *other != key => {
                says(format!("which was written to {other}"))
            }
            Write {
                ok: Some(false), ..
            } => says("a write that was refused".to_owned()),
            Write {
                revision: Some(acknowledged),
                ..
            } if *acknowledged != revision => {
                says(format!("a write that was acknowledged with {acknowledged}"))
            }
            _ => None,
        }
    }

    /// All acknowledged writes: value, revision, and the rest.
    pub(crate) fn acknowledged(&self) -> impl Iterator<Item = (&'a str, i64, &Write<'a>)> {
        let writes = self.writes.iter();
        writes.filter_map(|(value, write)| match write.ok {
            Some(true) => Some((*value, write.revision?, write)),
            _ => None,
        })
    }

    /// The revision at which a key became a value, as far as is known.
    pub(crate) fn placed(&self, key: &str, value: &str) -> Option<i64> {
        self.placed.get(&(key, value)).copied()
    }

    /// What a key was at a revision, as far as is known: its last change then.
    pub(crate) fn at(&self, key: &str, revision: i64) -> Option<(i64, Change<'a>)> {
        let changes = self.keys.get(key)?;
        let (modified, change) = changes.range(..=revision).next_back()?;
        Some((*modified, *change))
    }
}

/// A value, or that there is none.
pub(crate) fn named(value: Option<&str>) -> &str {
    value.unwrap_or("gone")
}

/// The revision of a key in a range's answer; 0 if it is absent.
pub(crate) fn modified_in(kvs: &[Pair], key: &str) -> i64 {
    let pair = kvs.iter().find(|(name, ..)| name == key);
    pair.map_or(0, |(_, _, modified, _)| *modified)
}
