//! Quantiles, and how far two distributions are apart.

use serde::Serialize;

/// What is told of one distribution; milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// How many were measured.
    pub count: usize,
    /// The median.
    pub p50: f64,
    /// Three quarters are faster.
    pub p75: f64,
    /// Nine tenths are faster.
    pub p90: f64,
    /// 95 in a hundred are faster.
    pub p95: f64,
    /// 99 in a hundred are faster.
    pub p99: f64,
    /// The slowest.
    pub max: f64,
}

/// How far two distributions are apart.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Distance {
    /// Kolmogorov's and Smirnov's: the largest difference between the two shares below any value,
    /// from 0 to 1.
    pub ks: f64,
    /// By how much the first kind of distance has to be exceeded to show a difference, if both samples
    /// came from one distribution in 95 of 100 cases.
    pub ks_by_chance: f64,
    /// Wasserstein's: the area between the quantiles, in milliseconds.
    pub area_ms: f64,
}

/// `None` for nothing.
pub fn summary(values: &[f64]) -> Option<Summary> {
    let sorted = sorted(values);
    let at = |share: f64| quantile(&sorted, share);
    Some(Summary {
        count: sorted.len(),
        p50: at(0.50)?,
        p75: at(0.75)?,
        p90: at(0.90)?,
        p95: at(0.95)?,
        p99: at(0.99)?,
        max: at(1.0)?,
    })
}

/// `None` if one of the two is empty. For KS, values that differ by less than `blur_ms` count as the
/// same: a machine's own noise is not what is compared.
pub fn distance(one: &[f64], other: &[f64], blur_ms: f64) -> Option<Distance> {
    if one.is_empty() || other.is_empty() {
        return None;
    }
    let (sorted_one, sorted_other) = (sorted(one), sorted(other));
    let ks =
        ahead(&sorted_one, &sorted_other, blur_ms).max(ahead(&sorted_other, &sorted_one, blur_ms));
    let (n, m) = (one.len() as f64, other.len() as f64);
    const STEPS: usize = 10_000;
    let area = (0..STEPS).filter_map(|step| {
        let share = (step as f64 + 0.5) / STEPS as f64;
        Some((quantile(&sorted_one, share)? - quantile(&sorted_other, share)?).abs())
    });
    Some(Distance {
        ks,
        ks_by_chance: 1.358 * ((n + m) / (n * m)).sqrt(),
        area_ms: area.sum::<f64>() / STEPS as f64,
    })
}

/// By how much the share of `one` below any value exceeds that of `other` below a value that is larger
/// by the blur.
fn ahead(one: &[f64], other: &[f64], blur_ms: f64) -> f64 {
    let below = |values: &[f64], value: f64| {
        values.partition_point(|other| *other <= value) as f64 / values.len() as f64
    };
    let gaps = one
        .iter()
        .map(|value| below(one, *value) - below(other, value + blur_ms));
    gaps.fold(0.0, f64::max)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// The nearest rank.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_the_nearest_ranks() {
        let values: Vec<f64> = (1..=100).map(f64::from).collect();
        let summary = summary(&values).unwrap();
        assert_eq!((summary.p50, summary.p99, summary.max), (50.0, 99.0, 100.0));
        assert_eq!(super::summary(&[]), None);
    }

    #[test]
    fn a_distribution_is_at_no_distance_from_itself() {
        let values = [3.0, 1.0, 2.0];
        let distance = distance(&values, &values, 1.0).unwrap();
        assert_eq!((distance.ks, distance.area_ms), (0.0, 0.0));
    }

    #[test]
    fn distances_are_what_they_are_called() {
        let (one, other) = ([0.0; 4], [0.0, 0.0, 0.0, 8.0]);
        let distance = distance(&one, &other, 1.0).unwrap();
        assert_eq!(distance.ks, 0.25);
        assert!((distance.area_ms - 2.0).abs() < 1e-9);
    }

    #[test]
    fn noise_below_the_blur_is_no_difference() {
        assert_eq!(distance(&[0.1; 9], &[0.7; 9], 1.0).unwrap().ks, 0.0);
        assert_eq!(distance(&[0.1; 9], &[1.7; 9], 1.0).unwrap().ks, 1.0);
    }
}
