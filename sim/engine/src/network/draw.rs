//! Chances that resemble the one before, and the distributions of tc-netem(8).
//!
//! Arithmetic, square roots and `libm` only: the same bits on every machine.

use squall_fault::link::{Chance, Distribution};

use crate::random::Random;

/// The last draw of one kind, for those that depend on it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Memory(Option<f64>);

impl Memory {
    /// From 0 to 1; `get_crandom` of net/sched/sch_netem.c. A mixture of two even draws is not even:
    /// with correlation, small probabilities happen less often than they say, as with netem.
    pub(super) fn draw(&mut self, correlation: f64, random: &mut Random) -> f64 {
        let fresh = random.unit();
        if correlation <= 0.0 {
            return fresh;
        }
        let last = self.0.unwrap_or_else(|| random.unit());
        let mixed = fresh * (1.0 - correlation) + last * correlation;
        self.0 = Some(mixed);
        mixed
    }

    /// Whether it happens this time. Draws nothing for what never happens.
    pub(super) fn happens(&mut self, chance: Chance, random: &mut Random) -> bool {
        chance.probability > 0.0 && self.draw(chance.correlation, random) < chance.probability
    }
}

/// Tables of netem are 16 bits wide with 8,192 for one sigma; nothing is further out.
const FURTHEST: f64 = 32_767.0 / 8_192.0;

/// The jitter's share that belongs to a draw from 0 to 1 (the quantile): from 0 to 1 for
/// [`Distribution::Above`], from -1 to 1 for uniform, in sigmas for the others.
pub(super) fn quantile(distribution: Distribution, draw: f64) -> f64 {
    match distribution {
        Distribution::Above => draw,
        Distribution::Uniform => 2.0 * draw - 1.0,
        Distribution::Normal => normal(draw).clamp(-FURTHEST, FURTHEST),
        Distribution::Pareto => pareto(draw),
        // Of the same quantile: iproute2's netem/paretonormal.c mixes the tables, not the draws.
        Distribution::ParetoNormal => {
            (normal(draw).clamp(-FURTHEST, FURTHEST) + 3.0 * pareto(draw)) / 4.0
        }
    }
}

/// iproute2's netem/pareto.c: shape 3, moved and scaled to a mean of nought.
fn pareto(draw: f64) -> f64 {
    ((1.0 / libm::cbrt(1.0 - draw) - 1.5) * (4.0 / 3.0)).min(FURTHEST)
}

/// The inverse of the normal distribution; Acklam's rational approximation, good to 1e-9.
fn normal(draw: f64) -> f64 {
    const A: [f64; 6] = [
        -3.969_683_028_665_376e1,
        2.209_460_984_245_205e2,
        -2.759_285_104_469_687e2,
        1.383_577_518_672_69e2,
        -3.066_479_806_614_716e1,
        2.506_628_277_459_239,
    ];
    const B: [f64; 6] = [
        -5.447_609_879_822_406e1,
        1.615_858_368_580_409e2,
        -1.556_989_798_598_866e2,
        6.680_131_188_771_972e1,
        -1.328_068_155_288_572e1,
        1.0,
    ];
    const C: [f64; 6] = [
        -7.784_894_002_430_293e-3,
        -3.223_964_580_411_365e-1,
        -2.400_758_277_161_838,
        -2.549_732_539_343_734,
        4.374_664_141_464_968,
        2.938_163_982_698_783,
    ];
    const D: [f64; 5] = [
        7.784_695_709_041_462e-3,
        3.224_671_290_700_398e-1,
        2.445_134_137_142_996,
        3.754_408_661_907_416,
        1.0,
    ];
    const TAIL: f64 = 0.024_25;
    let tail = |probability: f64| {
        let q = (-2.0 * libm::log(probability.max(f64::MIN_POSITIVE))).sqrt();
        polynomial(&C, q) / polynomial(&D, q)
    };
    if draw < TAIL {
        tail(draw)
    } else if draw > 1.0 - TAIL {
        -tail(1.0 - draw)
    } else {
        let q = draw - 0.5;
        q * polynomial(&A, q * q) / polynomial(&B, q * q)
    }
}

/// Highest power first (Horner).
fn polynomial(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().fold(0.0, |sum, c| sum * x + c)
}
