//! A phase together with what was seen in it, for a report of one phase at a time.

use crate::{Happening, Line, Phase, RunRecord, Sample};

/// A phase and what was seen in it.
#[derive(Clone, Copy, Debug)]
pub struct PhaseView<'a> {
    /// Its figures and judgements.
    pub phase: &'a Phase,
    /// The requests that were sent in it.
    pub samples: &'a [Sample],
    /// What befell the system in it.
    pub happenings: &'a [Happening],
    /// What the processes wrote in it.
    pub lines: &'a [Line],
}

impl<'a> PhaseView<'a> {
    /// Cuts out of everything that was seen what belongs to a phase. All lists are in order of
    /// time.
    pub fn cut(
        phase: &'a Phase,
        samples: &'a [Sample],
        happenings: &'a [Happening],
        lines: &'a [Line],
    ) -> Self {
        let (from_us, to_us) = (phase.from_ms * 1000, phase.to_ms * 1000);
        Self {
            phase,
            samples: within(samples, |sample| sample.sent_us, from_us, to_us),
            happenings: within(happenings, |happening| happening.at_us, from_us, to_us),
            lines: within(lines, |line| line.at_us, from_us, to_us),
        }
    }
}

impl RunRecord {
    /// The phases of a run that is over.
    pub fn views(&self) -> impl Iterator<Item = PhaseView<'_>> {
        self.summary
            .phases
            .iter()
            .map(|phase| PhaseView::cut(phase, &self.samples, &self.happenings, &self.log.lines))
    }
}

fn within<T>(list: &[T], at_us: impl Fn(&T) -> u64, from_us: u64, to_us: u64) -> &[T] {
    let start = list.partition_point(|item| at_us(item) < from_us);
    let end = list.partition_point(|item| at_us(item) < to_us);
    &list[start..end.max(start)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_phase_is_the_start_of_the_next() {
        assert_eq!(within(&[0, 10, 19, 20], |us| *us, 10, 20), [10, 19]);
        assert_eq!(within(&[0, 10], |us| *us, 20, 30), [0; 0]);
    }
}
