//! Runs of a sound etcd, drawn: all four invariants hold of each, and of none once a line is damaged. An answer of
//! every sort is in them, those of which nobody knows what became, too. Where the revisions say that a history is
//! in order, the search for one, which knows nothing of revisions, must find one.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::made::*;
use super::{What, read};
use crate::Invariant;
use crate::linear::register::{Action, Register};
use crate::linear::{self, Operation, Verdict};

/// What is drawn for one operation: what, of which key, how long before and after its instant it was sent and
/// answered, and some chance.
type Draw = (u8, u8, u64, u64, u8);

fn draws() -> impl Strategy<Value = Vec<Draw>> {
    prop::collection::vec((0..9_u8, 0..3_u8, 0..30_u64, 0..30_u64, any::<u8>()), 1..60)
}

type Lines = Vec<(u64, u64, Said)>;

/// The keys as they are after some change: value, revision, version.
type State = BTreeMap<String, (String, i64, i64)>;

struct Etcd {
    revision: i64,
    state: State,
    /// After each revision, from the first on.
    past: Vec<State>,
    lines: Lines,
}

impl Etcd {
    fn write(&mut self, key: &str, value: &str) -> i64 {
        self.revision += 1;
        let version = self.state.get(key).map_or(0, |(_, _, version)| *version);
        let now = (value.to_owned(), self.revision, version + 1);
        self.state.insert(key.to_owned(), now);
        self.past.push(self.state.clone());
        self.revision
    }

    fn tell(&mut self, from: u64, to: u64, said: Said) {
        self.lines.push((from, to, said));
    }

    fn event(&mut self, at: u64, key: &str, cut: bool) {
        let (value, modified, version) = self.state[key].clone();
        self.tell(at, at, event(key, &value, modified, version));
        if cut {
            self.tell(at, at, watch(modified + 1));
        }
    }
}

fn shown(state: &State, key: &str, revision: i64) -> Said {
    match state.get(key) {
        Some((value, modified, _)) => get(key, value, *modified, revision),
        None => absent(key, revision),
    }
}

/// What a witness tells of a sound etcd.
fn sound(draws: &[Draw]) -> Lines {
    let mut etcd = Etcd {
        revision: 1,
        state: State::new(),
        past: vec![State::new(), State::new()],
        lines: vec![(0, 0, watch(2))],
    };
    for (n, (what, key, before, after, chance)) in draws.iter().enumerate() {
        let at = 100 + 10 * n as u64;
        let (from, to) = (at - before, at + after);
        let (key, value) = (format!("k{key}"), format!("aa-{n}"));
        let modified = etcd.state.get(&key).map_or(0, |(_, modified, _)| *modified);
        match what {
            0..2 => {
                let revision = etcd.write(&key, &value);
                etcd.tell(from, to, put(&key, &value, revision));
                etcd.event(at, &key, chance % 4 == 0);
            }
            2 => {
                let revision = etcd.write(&key, &value);
                etcd.tell(from, to, won_cas(&key, &value, modified, revision));
                etcd.event(at, &key, chance % 4 == 0);
            }
            3 => {
                let now = shown(&etcd.state, &key, etcd.revision);
                match etcd.state.get(&key).cloned() {
                    Some((found, modified, _)) => {
                        let lost = lost_cas(&key, modified + 1, (&found, modified), etcd.revision);
                        etcd.tell(from, to, lost);
                    }
                    None => etcd.tell(from, to, now),
                }
            }
            4 => {
                etcd.write(&key, &value);
                etcd.tell(from, to, failed(&key, &value, None));
                etcd.event(at, &key, chance % 4 == 0);
            }
            5 => {
                let ok = (chance % 2 == 0).then_some(false);
                etcd.tell(from, to, failed(&key, &value, ok));
            }
            6 => {
                let old = 1 + i64::from(*chance) % etcd.revision;
                let said = shown(&etcd.past[old as usize], &key, old);
                etcd.tell(at, at + 40, serializable(said));
            }
            _ => {
                let said = shown(&etcd.state, &key, etcd.revision);
                etcd.tell(from, to, said);
            }
        }
    }
    let at = 200 + 10 * draws.len() as u64;
    let revision = etcd.write("end", "aa-end");
    etcd.tell(at, at + 1, put("end", "aa-end", revision));
    etcd.event(at + 1, "end", false);
    let kvs = etcd.state.iter();
    let kvs: Vec<_> = kvs
        .map(|(key, (value, modified, version))| (&**key, &**value, *modified, *version))
        .collect();
    let last = finally(&kvs, revision);
    etcd.tell(at + 2, at + 3, last);
    etcd.tell(at + 4, at + 4, end(true));
    etcd.lines
}

fn made(lines: &Lines) -> Made {
    let mut made = Made::new();
    made.start("aa", 1, &[]);
    for (from, to, said) in lines {
        made.add(*from, *to, said.clone());
    }
    made
}

fn judged(lines: &Lines, invariant: Invariant) -> (Option<bool>, String) {
    let judged = crate::judge(&[invariant], &made(lines).record()).remove(0);
    (judged.holds, judged.detail)
}

/// Where the events are, but for the last.
fn events(lines: &Lines) -> Vec<usize> {
    let all = lines.iter().enumerate();
    let events = all.filter(|(_, (_, _, (_, rest)))| rest.contains(r#""op":"event""#));
    let mut events: Vec<_> = events.map(|(place, _)| place).collect();
    events.pop();
    events
}

/// The history of all keys without revisions.
fn history(lines: &Lines) -> Vec<Operation<(String, Action<String>)>> {
    let witnesses = read(&made(lines).record()).unwrap();
    let told = witnesses.iter().flat_map(|witness| &witness.told);
    let operation = |told: &super::Told| {
        let (key, action) = match &told.what {
            What::Put { key, value, .. } => (key, Action::Write(Some(value.clone()))),
            What::Cas {
                key,
                value,
                applied: Some(true),
                ..
            } => (key, Action::Write(Some(value.clone()))),
            What::Cas { key, found, .. } => (key, Action::Read(found.clone())),
            What::Get {
                key,
                value,
                serializable: false,
                ..
            } => (key, Action::Read(value.clone())),
            _ => return None,
        };
        Some(Operation {
            action: (key.clone(), action),
            from_us: told.from_us,
            to_us: (told.ok == Some(true)).then_some(told.to_us),
        })
    };
    told.filter(|told| told.ok != Some(false))
        .filter_map(operation)
        .collect()
}

/// Whether some order explains all answers of each key.
fn is_linear(lines: &Lines) -> bool {
    let history = history(lines);
    let keys: std::collections::BTreeSet<_> = history.iter().map(|one| &one.action.0).collect();
    keys.into_iter().all(|key| {
        let of_key = history.iter().filter(|one| one.action.0 == *key);
        let of_key: Vec<_> = of_key
            .map(|one| Operation {
                action: one.action.1.clone(),
                from_us: one.from_us,
                to_us: one.to_us,
            })
            .collect();
        let verdict = linear::check(&Register::default(), &of_key, linear::MOST_STEPS);
        matches!(verdict, Verdict::Linear { .. })
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_sound_etcd_is_found_sound(draws in draws()) {
        let lines = sound(&draws);
        for invariant in [Invariant::CommittedKept, Invariant::WatchComplete, Invariant::EtcdReads] {
            let name = invariant.name();
            let (holds, detail) = judged(&lines, invariant);
            prop_assert_eq!(holds, Some(true), "{}: {}", name, detail);
        }
        prop_assert!(is_linear(&lines));
    }

    #[test]
    fn an_event_that_is_lost_repeated_or_moved_is_found(
        draws in draws(), which in any::<prop::sample::Index>(), how in 0..3,
    ) {
        let mut lines = sound(&draws);
        let events = events(&lines);
        prop_assume!(events.len() > 1);
        let at = which.index(events.len() - 1);
        match how {
            0 => drop(lines.remove(events[at])),
            1 => lines.insert(events[at + 1], lines[events[at]].clone()),
            _ => lines.swap(events[at], events[at + 1]),
        }
        prop_assert_eq!(judged(&lines, Invariant::WatchComplete).0, Some(false));
    }

    #[test]
    fn an_acknowledged_write_that_is_gone_is_found(
        draws in draws(), which in any::<prop::sample::Index>(),
    ) {
        let mut lines = sound(&draws);
        let keys: Vec<String> = (0..3).map(|n| format!("k{n}")).collect();
        let is_kept = |key: &&String| {
            let name = format!(r#""key":"{key}""#);
            lines.iter().any(|(_, _, (ok, rest))| {
                *ok == Some(true) && rest.contains(r#""op":"put""#) && rest.contains(&name)
            })
        };
        let kept: Vec<&String> = keys.iter().filter(is_kept).collect();
        prop_assume!(!kept.is_empty());
        let lost = kept[which.index(kept.len())].clone();
        let place = lines.len() - 2;
        let (ok, rest) = &lines[place].2;
        let other = rest.replace(&format!(r#"["{lost}","#), r#"["other","#);
        lines[place].2 = (*ok, other);
        prop_assert_eq!(judged(&lines, Invariant::CommittedKept).0, Some(false));
        prop_assert_eq!(judged(&lines, Invariant::EtcdReads).0, Some(false));
    }

    /// Any read may answer anything that was ever so: what is then found right must be linearizable.
    #[test]
    fn what_is_found_right_is_linearizable(
        draws in draws(), which in any::<prop::sample::Index>(), other in any::<prop::sample::Index>(),
    ) {
        let mut lines = sound(&draws);
        let is_read = |line: &(u64, u64, Said)| {
            line.2.1.contains(r#""op":"get""#) && !line.2.1.contains("serializable")
        };
        let reads: Vec<usize> = (0..lines.len()).filter(|at| is_read(&lines[*at])).collect();
        prop_assume!(!reads.is_empty());
        let (one, two) = (reads[which.index(reads.len())], reads[other.index(reads.len())]);
        lines[one].2 = lines[two].2.clone();
        if judged(&lines, Invariant::EtcdReads).0 == Some(true) {
            prop_assert!(is_linear(&lines));
        }
    }
}
