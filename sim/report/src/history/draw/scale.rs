//! From time to columns, or to pixels. Deliberately linear: how long a thing took is what one looks for.

use super::{Stretch, seconds};

/// A stretch of time on so many places.
pub(super) struct Scale {
    from_us: u64,
    span_us: u64,
    places: usize,
}

impl Scale {
    pub(super) fn of(stretch: &Stretch, places: usize) -> Self {
        Self {
            from_us: stretch.from_us,
            span_us: stretch.to_us.saturating_sub(stretch.from_us).max(1),
            places,
        }
    }

    /// Where an instant is: from 0 to one less than there are places.
    pub(super) fn at(&self, us: u64) -> usize {
        let us = us.saturating_sub(self.from_us).min(self.span_us);
        let last = self.places - 1;
        let place = u128::from(us) * last as u128 / u128::from(self.span_us);
        usize::try_from(place).unwrap_or(last)
    }

    /// Whether an instant is before the stretch, or after it.
    pub(super) fn is_before(&self, us: u64) -> bool {
        us < self.from_us
    }

    pub(super) fn is_after(&self, us: u64) -> bool {
        us > self.from_us.saturating_add(self.span_us)
    }

    /// How long a place is, in microseconds.
    pub(super) fn place_us(&self) -> u64 {
        self.span_us / self.places as u64
    }

    /// The beginnings of the quarters, and the words for them.
    pub(super) fn quarters(&self) -> impl Iterator<Item = (u64, String)> {
        (0..4).map(|quarter| {
            let us = self.from_us.saturating_add(self.span_us / 4 * quarter);
            (us, format!("{} s", self.seconds(us)))
        })
    }

    /// An instant in seconds, as exact as it needs to be here.
    pub(super) fn seconds(&self, us: u64) -> String {
        seconds(us, self.span_us < 100_000)
    }
}
