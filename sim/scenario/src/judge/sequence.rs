//! Whether the requests of a phase are those of a `sequence`: a regular expression whose letters are
//! requests. An item is a letter class with a number of repetitions.
//!
//! For each item the set of places is known at which a reading of the items before can have ended;
//! from each of them the item can take any number of requests that it allows, as far as they fit. So
//! it is known how far any reading gets, with as many steps as there are items and requests.

use squall_record::{Name, Sample};

use super::Workloads;
use crate::file::{Located, Run};

/// Where no reading gets any further.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Misfit {
    /// This request fits no more; the number of requests when there are too few.
    pub(super) at: usize,
    /// This item was to come, of those that got so far the last.
    pub(super) item: usize,
}

/// Whether all requests, in the order of sending, are read by the items in their order.
pub(super) fn read(runs: &[Run], samples: &[Sample], workloads: &Workloads) -> Result<(), Misfit> {
    let all = samples.len();
    let mut places = vec![false; all + 1];
    places[0] = true;
    let mut misfit = Misfit { at: 0, item: 0 };
    for (item, run) in runs.iter().enumerate() {
        let (least, most) = run.requests.whole_numbers();
        // How many requests fit, from each place on.
        let mut fitting = vec![0; all + 1];
        for at in (0..all).rev() {
            if fits(run, &samples[at], workloads) {
                fitting[at] = fitting[at + 1] + 1;
            }
        }
        // Where this item can end, as differences: +1 where a stretch of places begins, -1 after it.
        let mut changes = vec![0_i64; all + 2];
        for at in (0..=all).filter(|at| places[*at]) {
            let most = fitting[at].min(most);
            if at + most >= misfit.at {
                misfit = Misfit {
                    at: at + most,
                    item,
                };
            }
            if least <= most {
                changes[at + least] += 1;
                changes[at + most + 1] -= 1;
            }
        }
        let mut open = 0;
        for (place, change) in places.iter_mut().zip(&changes) {
            open += change;
            *place = open > 0;
        }
    }
    match places[all] {
        true => Ok(()),
        false => Err(misfit),
    }
}

fn fits(run: &Run, sample: &Sample, workloads: &Workloads) -> bool {
    let is_one = |wanted: &[Located<String>], name: &Option<Name>| {
        let mut each = wanted.iter();
        wanted.is_empty()
            || name
                .as_ref()
                .is_some_and(|name| each.any(|wanted| workloads.fits(&wanted.value, name.as_str())))
    };
    let nanos = sample.latency_us as f64 * 1e3;
    (run.status.is_empty() || run.status.contains(&sample.outcome.to_string()))
        && is_one(&run.backend, &sample.backend)
        && is_one(&run.database, &sample.database)
        && run.stall.as_ref().is_none_or(|stall| stall.holds(nanos))
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use squall_record::Outcome;

    use super::*;
    use crate::units::{Comparison, Kind};

    fn sample(status: u16) -> Sample {
        Sample {
            request: None,
            client: "load".into(),
            sent_us: 0,
            latency_us: 0,
            outcome: Outcome::Status(status),
            backend: None,
            database: None,
            value: None,
            body: None,
        }
    }

    fn run(requests: &str, status: &[u16]) -> Run {
        Run {
            requests: Comparison::read(requests, Kind::Count).unwrap(),
            status: status.iter().map(u16::to_string).collect(),
            backend: vec![],
            database: vec![],
            stall: None,
        }
    }

    fn reads(runs: &[Run], statuses: &[u16]) -> Result<(), Misfit> {
        let samples: Vec<Sample> = statuses.iter().map(|status| sample(*status)).collect();
        read(runs, &samples, &Workloads::default())
    }

    #[test]
    fn the_first_request_that_fits_no_more_is_named() {
        let runs = [run("2", &[200]), run(">= 1", &[200, 502]), run("1", &[502])];
        assert_eq!(reads(&runs, &[200, 200, 200, 502]), Ok(()));
        assert_eq!(reads(&runs, &[200, 200, 502, 502, 502]), Ok(()));
        let misfit = |at, item| Err(Misfit { at, item });
        assert_eq!(reads(&runs, &[200, 502, 502]), misfit(1, 0));
        assert_eq!(reads(&runs, &[200, 200, 502, 404]), misfit(3, 2));
        // Too few: the last item has nothing left.
        assert_eq!(reads(&runs, &[200, 200, 200]), misfit(3, 2));
        assert_eq!(reads(&runs, &[]), misfit(0, 0));
        assert_eq!(reads(&[run(">= 0", &[200])], &[]), Ok(()));
        assert_eq!(reads(&[run("< 3", &[])], &[200, 200, 200]), misfit(2, 0));
    }

    /// The same by trying everything.
    fn tried(runs: &[Run], statuses: &[u16]) -> bool {
        let Some((first, rest)) = runs.split_first() else {
            return statuses.is_empty();
        };
        (0..=statuses.len()).any(|count| {
            let (taken, left) = statuses.split_at(count);
            let all_fit = taken
                .iter()
                .all(|s| fits(first, &sample(*s), &Workloads::default()));
            first.requests.holds(count as f64) && all_fit && tried(rest, left)
        })
    }

    proptest! {
        #[test]
        fn it_reads_what_can_be_read(
            runs in vec(("[0-3]|>= [0-3]|> [0-2]|<= 2|< 3|1\\.\\.3", vec(0..3_u16, 0..3)), 1..4),
            statuses in vec(0..3_u16, 0..9),
        ) {
            let runs: Vec<Run> = runs.iter().map(|(count, of)| run(count, of)).collect();
            let read = reads(&runs, &statuses);
            prop_assert_eq!(read.is_ok(), tried(&runs, &statuses));
            if let Err(misfit) = read {
                // What comes before it can be read by the beginnings of the items.
                let mut open: Vec<Run> = runs[..=misfit.item].to_vec();
                open[misfit.item].requests = Comparison::read(">= 0", Kind::Count).unwrap();
                let is_read = tried(&open, &statuses[..misfit.at]);
                prop_assert!(is_read);
            }
        }
    }
}
