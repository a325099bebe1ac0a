//! A phase as a line of blocks: one for each second or so, as high as its slowest answer.

use squall_record::{PhaseView, Sample};

/// What the heights mean; printed once, above the first picture.
pub const LEGEND: &str = "slowest answer of each slice: ▁ <1ms ▂ <3ms ▃ <10ms ▄ <30ms ▅ <100ms \
▆ <300ms ▇ <1s █ 1s or more; x a failure, . no request";

/// The widest picture, in characters.
const WIDTH_MAX: u64 = 60;

/// The upper ends of all heights but the last, in microseconds.
const HEIGHTS_US: [(u64, char); 7] = [
    (1_000, '▁'),
    (3_000, '▂'),
    (10_000, '▃'),
    (30_000, '▄'),
    (100_000, '▅'),
    (300_000, '▆'),
    (1_000_000, '▇'),
];

/// The picture of a phase, and how many milliseconds one character stands for.
pub fn of_phase(view: &PhaseView<'_>) -> (String, u64) {
    let (from_ms, to_ms) = (view.phase.from_ms, view.phase.to_ms);
    let seconds = to_ms.saturating_sub(from_ms).div_ceil(1000).max(1);
    let slice_ms = 1000 * seconds.div_ceil(WIDTH_MAX);
    let slices = to_ms.saturating_sub(from_ms).div_ceil(slice_ms);
    let mut rest = view.samples;
    let mut picture = String::new();
    for slice in 1..=slices {
        let end_us = (from_ms + slice * slice_ms) * 1000;
        let (now, later) = rest.split_at(rest.partition_point(|s| s.sent_us < end_us));
        picture.push(of_slice(now));
        rest = later;
    }
    (picture, slice_ms)
}

fn of_slice(samples: &[Sample]) -> char {
    if samples.iter().any(|sample| !sample.is_ok()) {
        return 'x';
    }
    match samples.iter().map(|sample| sample.latency_us).max() {
        None => '.',
        Some(slowest) => HEIGHTS_US
            .iter()
            .find(|(end_us, _)| slowest < *end_us)
            .map_or('█', |(_, block)| *block),
    }
}
