//! A stretch of a history as a picture: a lane for each client and each instance, a bar for each thing that they did.
//!
//! | module | idea |
//! |---|---|
//! | here | what is in the picture |
//! | [`stretch`] | which stretch of the run: what an invariant blames, unless somebody says another time |
//! | [`instances`] | what instances say of themselves in their logs: what they read and wrote |
//! | `scale` | from time to columns |
//! | `rows` | bars that would cover each other, in rows |
//! | [`text`] | the picture in letters, for a terminal, a pipe and a README |
//! | [`svg`] | the picture as SVG |
//!
//! Deliberately absent: any judgement of its own; what is marked is what invariants blame, and what an instance
//! wrote over by its own account.

pub mod instances;
mod rows;
mod scale;
pub mod stretch;
pub mod svg;
pub mod text;

use std::collections::{BTreeMap, BTreeSet};

use squall_record::{Fate, Kind, RunRecord, Sample};

use instances::Step;
pub use stretch::Stretch;

/// A picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawing {
    /// What it shows.
    pub stretch: Stretch,
    /// First the clients, then the instances, each by name, and last the faults.
    pub lanes: Vec<Lane>,
    /// What instances read and wrote, in the order in which they say so.
    pub steps: Vec<Step>,
}

/// What one client or instance did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Whose.
    pub name: String,
    /// What it did, by when it began. They can overlap.
    pub bars: Vec<Bar>,
}

/// One thing that was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bar {
    /// When it began, in microseconds since the run did.
    pub from_us: u64,
    /// When it was over, or was given up.
    pub to_us: u64,
    /// How it ended.
    pub end: End,
    /// What came of it, in a word.
    pub label: String,
    /// Whether an invariant blames it, or somebody wrote over it.
    pub is_marked: bool,
}

/// How a thing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It was done, or certainly not.
    Known,
    /// Nobody knows; it may have had its effect later.
    Unknown,
    /// It took no time.
    Instant,
}

/// Draws a stretch of a run; of these clients, or of all if none is named.
pub fn draw(record: &RunRecord, clients: &[String], stretch: Stretch) -> Drawing {
    let blamed = record.summary.invariants.iter();
    let blamed: BTreeSet<usize> = blamed.flat_map(|one| one.blames.iter().copied()).collect();
    let mut lanes: BTreeMap<&str, Vec<Bar>> = BTreeMap::new();
    for (place, sample) in record.samples.iter().enumerate() {
        let bar = of_sample(sample, blamed.contains(&place));
        if is_asked_for(sample, clients) && stretch.shows(&bar) {
            lanes.entry(sample.client.as_str()).or_default().push(bar);
        }
    }
    let steps = instances::steps(&record.log);
    let mut told = instances::bars(&steps);
    for bars in told.values_mut() {
        bars.retain(|bar| stretch.shows(bar));
    }
    let faults = record
        .happenings
        .iter()
        .filter(|one| one.kind != Kind::Note);
    let faults = faults.map(|one| Bar {
        from_us: one.at_us,
        to_us: one.at_us,
        end: End::Instant,
        label: format!("{} {}", one.host, one.what),
        is_marked: false,
    });
    let faults: Vec<Bar> = faults.filter(|bar| stretch.shows(bar)).collect();
    let all = lanes.into_iter().chain(told).chain([("faults", faults)]);
    let all = all.filter(|(_, bars)| !bars.is_empty());
    let is_within = |step: &Step| (stretch.from_us..=stretch.to_us).contains(&step.at_us);
    Drawing {
        lanes: all
            .map(|(name, bars)| Lane {
                name: name.to_owned(),
                bars,
            })
            .collect(),
        steps: steps
            .iter()
            .filter(|step| is_within(step))
            .cloned()
            .collect(),
        stretch,
    }
}

fn is_asked_for(sample: &Sample, clients: &[String]) -> bool {
    clients.is_empty() || clients.iter().any(|name| sample.client.as_str() == name)
}

fn of_sample(sample: &Sample, is_marked: bool) -> Bar {
    let fate = sample.fate();
    let label = match (fate, sample.value) {
        (Fate::Acknowledged, Some(value)) => value.to_string(),
        (Fate::Unknown, _) => "?".to_owned(),
        _ => sample.outcome.to_string(),
    };
    Bar {
        from_us: sample.sent_us,
        to_us: sample.ended_us(),
        end: match fate {
            Fate::Unknown => End::Unknown,
            _ => End::Known,
        },
        label,
        is_marked,
    }
}

/// An instant in seconds, exact to a microsecond where that matters.
fn seconds(us: u64, is_exact: bool) -> String {
    let (whole, rest) = (us / 1_000_000, us % 1_000_000);
    match is_exact {
        true => format!("{whole}.{rest:06}"),
        false => format!("{whole}.{:03}", rest / 1000),
    }
}

/// A name, or its end if it is too long: the beginnings of pods' names are alike.
fn short(name: &str, most: usize) -> String {
    let length = name.chars().count();
    if length <= most {
        return name.to_owned();
    }
    let end = name.chars().skip(length - most + 1);
    "…".chars().chain(end).collect()
}
