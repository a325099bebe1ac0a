//! One thing that is wrong with a link or with a machine, and how several at once compose.
//!
//! [`Link`] and its siblings are states; these are the parts that such a state is made of. What is
//! in force on a link or a machine at one time is a list of them, and [`link`] or [`machine`] folds
//! the list: ending one leaves the others. Deliberately absent: when a part begins and ends.

use std::fmt;
use std::time::Duration;

use crate::clock::Skew;
use crate::cpu::Stressor;
use crate::link::{Chance, Distribution, GilbertElliott, Loss, Rate, Reorder};
use crate::{Link, disk, dns, http};

/// What kind of thing is wrong; the names are those of a scenario's short forms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Nothing passes on a link.
    Partition,
    /// A link is slow.
    Latency,
    /// A link loses packets.
    Loss,
    /// A link doubles packets.
    Duplicate,
    /// A link breaks packets.
    Corrupt,
    /// A link disorders packets.
    Reorder,
    /// A link is narrow.
    Rate,
    /// A machine is busy.
    Stress,
    /// A disk is slow, full or broken.
    Disk,
    /// A clock is wrong.
    Clock,
    /// HTTP messages are held up, altered or broken.
    Http,
    /// Names do not resolve.
    Dns,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::Partition,
        Self::Latency,
        Self::Loss,
        Self::Duplicate,
        Self::Corrupt,
        Self::Reorder,
        Self::Rate,
        Self::Stress,
        Self::Disk,
        Self::Clock,
        Self::Http,
        Self::Dns,
    ];

    /// As a scenario writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Partition => "partition",
            Self::Latency => "latency",
            Self::Loss => "loss",
            Self::Duplicate => "duplicate",
            Self::Corrupt => "corrupt",
            Self::Reorder => "reorder",
            Self::Rate => "rate",
            Self::Stress => "stress",
            Self::Disk => "disk",
            Self::Clock => "clock",
            Self::Http => "http",
            Self::Dns => "dns",
        }
    }
}

/// How long packets take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delay {
    /// The time itself.
    pub latency: Duration,
    /// How far from it a packet may be.
    pub jitter: Duration,
    /// How that is drawn.
    pub distribution: Distribution,
    /// How much a packet's jitter resembles that of the packet before it, from 0 to 1.
    pub correlation: f64,
}

impl Delay {
    /// Without jitter.
    pub const fn steady(latency: Duration) -> Self {
        Self {
            latency,
            jitter: Duration::ZERO,
            distribution: Distribution::Above,
            correlation: 0.0,
        }
    }
}

/// One thing that is wrong with a direction of a link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LinkFault {
    /// Nothing passes.
    Cut,
    /// Packets take so long, whatever they took before. Of several the latest counts.
    Latency(Delay),
    /// Packets take so much longer, as behind one more netem. Several add up.
    Delay(Delay),
    /// Packets are lost, beside those that are lost already.
    Loss(Loss),
    /// Packets arrive twice.
    Duplicate(Chance),
    /// Packets arrive broken.
    Corrupt(Chance),
    /// Packets overtake others.
    Reorder(Reorder),
    /// A bottleneck; the narrowest counts.
    Rate(Rate),
}

impl LinkFault {
    /// What kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Cut => Kind::Partition,
            Self::Latency(_) | Self::Delay(_) => Kind::Latency,
            Self::Loss(_) => Kind::Loss,
            Self::Duplicate(_) => Kind::Duplicate,
            Self::Corrupt(_) => Kind::Corrupt,
            Self::Reorder(_) => Kind::Reorder,
            Self::Rate(_) => Kind::Rate,
        }
    }
}

/// One thing that is wrong with a machine.
#[derive(Clone, Debug, PartialEq)]
pub enum MachineFault {
    /// Others work on it.
    Stress(Vec<Stressor>),
    /// Its disk.
    Disk(Vec<disk::Rule>),
    /// Its clock; several add up.
    Clock(Skew),
    /// HTTP messages that come into it.
    Http(Vec<http::Rule>),
    /// Its questions for names.
    Dns(Vec<dns::Rule>),
}

impl MachineFault {
    /// What kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Stress(_) => Kind::Stress,
            Self::Disk(_) => Kind::Disk,
            Self::Clock(_) => Kind::Clock,
            Self::Http(_) => Kind::Http,
            Self::Dns(_) => Kind::Dns,
        }
    }
}

/// A link that is `normal` but for these faults, in the order in which they began. What is set comes
/// before what is added, so that a set latency does not undo an added one.
pub fn link<'a>(normal: Link, faults: impl Iterator<Item = &'a LinkFault> + Clone) -> Link {
    let mut link = normal;
    for fault in faults.clone() {
        if let LinkFault::Latency(delay) = fault {
            link.latency = delay.latency;
            link.jitter = delay.jitter;
            link.distribution = delay.distribution;
            link.jitter_correlation = delay.correlation;
        }
    }
    for fault in faults {
        match fault {
            LinkFault::Cut => link.is_cut = true,
            LinkFault::Latency(_) => {}
            LinkFault::Delay(delay) => {
                link.latency += delay.latency;
                // One draw stands for all jitter: widths add up, the later shape counts.
                if !delay.jitter.is_zero() {
                    link.jitter += delay.jitter;
                    link.distribution = delay.distribution;
                    link.jitter_correlation = delay.correlation;
                }
            }
            LinkFault::Loss(loss) => link.loss = both_losses(link.loss, *loss),
            LinkFault::Duplicate(chance) => link.duplicate = either(link.duplicate, *chance),
            LinkFault::Corrupt(chance) => link.corrupt = either(link.corrupt, *chance),
            LinkFault::Reorder(reorder) => {
                link.reorder = Reorder {
                    chance: either(link.reorder.chance, reorder.chance),
                    gap: reorder.gap,
                }
            }
            LinkFault::Rate(rate) => {
                let is_wider = |other: &Rate| other.bytes_per_second < rate.bytes_per_second;
                link.rate = link.rate.filter(is_wider).or(Some(*rate));
            }
        }
    }
    link
}

/// One or the other happens; the stronger correlation counts for both.
fn either(a: Chance, b: Chance) -> Chance {
    Chance {
        probability: either_probability(a.probability, b.probability),
        correlation: a.correlation.max(b.correlation),
    }
}

fn either_probability(a: f64, b: f64) -> f64 {
    // Not 1 - (1-a)(1-b), which is not exact where one of them is nothing.
    a + b - a * b
}

/// Bursts stay bursts with chance losses among them. Two kinds of bursts would have four states:
/// of these the later counts.
fn both_losses(a: Loss, b: Loss) -> Loss {
    match (a, b) {
        (Loss::Random(a), Loss::Random(b)) => Loss::Random(either(a, b)),
        (Loss::GilbertElliott(bursts), Loss::Random(chance))
        | (Loss::Random(chance), Loss::GilbertElliott(bursts)) => {
            let with = |loss| either_probability(loss, chance.probability);
            Loss::GilbertElliott(GilbertElliott {
                loss_when_bad: with(bursts.loss_when_bad),
                loss_when_good: with(bursts.loss_when_good),
                ..bursts
            })
        }
        (Loss::GilbertElliott(_), Loss::GilbertElliott(_)) => b,
    }
}

/// All faults of one kind on a machine as one; `None` when there is none.
pub fn machine<'a>(
    kind: Kind,
    faults: impl Iterator<Item = &'a MachineFault>,
) -> Option<MachineFault> {
    faults
        .filter(|fault| fault.kind() == kind)
        .cloned()
        .reduce(|all, one| match (all, one) {
            (MachineFault::Stress(a), MachineFault::Stress(b)) => {
                MachineFault::Stress([a, b].concat())
            }
            (MachineFault::Disk(a), MachineFault::Disk(b)) => MachineFault::Disk([a, b].concat()),
            (MachineFault::Http(a), MachineFault::Http(b)) => MachineFault::Http([a, b].concat()),
            (MachineFault::Dns(a), MachineFault::Dns(b)) => MachineFault::Dns([a, b].concat()),
            (MachineFault::Clock(a), MachineFault::Clock(b)) => MachineFault::Clock(Skew {
                offset_ns: a.offset_ns.saturating_add(b.offset_ns),
                drift_ppm: a.drift_ppm + b.drift_ppm,
            }),
            // One kind, one variant: the filter above lets no other pair through.
            (all, _) => all,
        })
}

/// A probability as a percentage, without the noise of binary fractions.
struct Percent(f64);

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}%", (self.0 * 1e8).round() / 1e6)
    }
}

impl fmt::Display for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} + {:?}", self.latency, self.jitter)
    }
}

impl fmt::Display for LinkFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut => f.write_str("partition"),
            Self::Latency(delay) => write!(f, "latency {delay}"),
            Self::Delay(delay) => write!(f, "delay {delay}"),
            Self::Loss(Loss::Random(chance)) => write!(f, "{} loss", Percent(chance.probability)),
            Self::Loss(Loss::GilbertElliott(bursts)) => write!(
                f,
                "loss in bursts of {}, {} of the time",
                Percent(bursts.loss_when_bad),
                Percent(bursts.to_bad / (bursts.to_bad + bursts.to_good).max(f64::MIN_POSITIVE))
            ),
            Self::Duplicate(chance) => write!(f, "{} duplicates", Percent(chance.probability)),
            Self::Corrupt(chance) => write!(f, "{} corruption", Percent(chance.probability)),
            Self::Reorder(reorder) => {
                write!(f, "{} out of order", Percent(reorder.chance.probability))
            }
            Self::Rate(rate) => write!(f, "{} bytes a second", rate.bytes_per_second),
        }
    }
}

impl fmt::Display for MachineFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stress(stressors) => {
                f.write_str("stress")?;
                for one in stressors {
                    write!(f, " {} x {}", one.workers, Percent(one.load))?;
                }
                Ok(())
            }
            Self::Disk(rules) => {
                f.write_str("disk")?;
                for rule in rules {
                    match rule.effect {
                        disk::Effect::Delay(delay) => write!(f, " {delay:?} slower")?,
                        disk::Effect::Errno(errno) => write!(f, " fails with error {errno}")?,
                        disk::Effect::Mistake { .. } => {
                            f.write_str(" reads and writes wrong bytes")?
                        }
                    }
                    if rule.probability < 1.0 {
                        write!(f, " ({})", Percent(rule.probability))?;
                    }
                }
                Ok(())
            }
            Self::Clock(skew) => {
                f.write_str("clock")?;
                if skew.offset_ns != 0 {
                    let sign = if skew.offset_ns < 0 { '-' } else { '+' };
                    let offset = Duration::from_nanos(skew.offset_ns.unsigned_abs());
                    write!(f, " {sign}{offset:?}")?;
                }
                if skew.drift_ppm != 0.0 {
                    write!(f, " drifts {} ppm", skew.drift_ppm)?;
                }
                Ok(())
            }
            Self::Http(rules) => {
                f.write_str("http")?;
                for rule in rules {
                    match rule.port {
                        Some(port) => write!(f, " on port {port}:")?,
                        None => f.write_str(" on every port:")?,
                    }
                    let effect = &rule.effect;
                    if effect.abort {
                        f.write_str(" aborted")?;
                    }
                    if let Some(delay) = effect.delay {
                        write!(f, " {delay:?} later")?;
                    }
                    if let Some(status) = effect.answer {
                        write!(f, " answered {status}")?;
                    }
                    if effect.replace != http::Parts::default() {
                        f.write_str(" replaced")?;
                    }
                    if effect.patch != http::Parts::default() {
                        f.write_str(" patched")?;
                    }
                    if rule.probability < 1.0 {
                        write!(f, " ({})", Percent(rule.probability))?;
                    }
                }
                Ok(())
            }
            Self::Dns(rules) => {
                f.write_str("dns")?;
                for rule in rules {
                    f.write_str(match rule.effect {
                        dns::Effect::Error => " fails",
                        dns::Effect::Random => " lies",
                    })?;
                    if !rule.patterns.is_empty() {
                        write!(f, " for {}", rule.patterns.join(", "))?;
                    }
                }
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    fn delay(latency_ms: u64, jitter_ms: u64) -> Delay {
        Delay {
            latency: ms(latency_ms),
            jitter: ms(jitter_ms),
            distribution: Distribution::Uniform,
            correlation: 0.0,
        }
    }

    #[test]
    fn what_is_added_stays_when_something_is_set() {
        let normal = Link::default();
        let faults = [
            LinkFault::Delay(delay(10, 1)),
            LinkFault::Latency(delay(50, 0)),
            LinkFault::Delay(delay(5, 2)),
        ];
        let all = link(normal, faults.iter());
        assert_eq!((all.latency, all.jitter), (ms(65), ms(3)));
        let rest = link(normal, faults[1..].iter());
        assert_eq!((rest.latency, rest.jitter), (ms(55), ms(2)));
        assert_eq!(link(normal, [].iter()), normal);
    }

    #[test]
    fn chances_compose_as_independent_ones() {
        let loss = |p| LinkFault::Loss(Loss::independent(p));
        let quarter = loss(0.25);
        assert_eq!(
            link(Link::default(), [quarter].iter()).loss,
            Loss::independent(0.25)
        );
        let both = link(Link::default(), [quarter, loss(0.5)].iter());
        assert_eq!(both.loss, Loss::independent(0.625));
        let bursts = GilbertElliott {
            to_bad: 0.01,
            to_good: 0.1,
            loss_when_bad: 0.5,
            loss_when_good: 0.0,
        };
        let burst = LinkFault::Loss(Loss::GilbertElliott(bursts));
        let mixed = link(Link::default(), [quarter, burst].iter());
        let Loss::GilbertElliott(mixed) = mixed.loss else {
            panic!("{mixed:?}")
        };
        assert_eq!((mixed.loss_when_bad, mixed.loss_when_good), (0.625, 0.25));
    }

    #[test]
    fn the_narrowest_bottleneck_counts() {
        let rate = |bytes_per_second| Rate {
            bytes_per_second,
            burst_bytes: 1,
            queue_bytes: 1,
        };
        for order in [[10, 20], [20, 10]] {
            let faults = order.map(|bytes| LinkFault::Rate(rate(bytes)));
            assert_eq!(link(Link::default(), faults.iter()).rate, Some(rate(10)));
        }
    }

    #[test]
    fn clocks_add_up_and_rules_follow_each_other() {
        let skew = |offset_ns| {
            MachineFault::Clock(Skew {
                offset_ns,
                drift_ppm: 1.0,
            })
        };
        let one = |workers| MachineFault::Stress(vec![Stressor { workers, load: 1.0 }]);
        let all = [skew(5), one(1), skew(-7), one(2)];
        assert_eq!(
            machine(Kind::Clock, all.iter()),
            Some(MachineFault::Clock(Skew {
                offset_ns: -2,
                drift_ppm: 2.0
            }))
        );
        let Some(MachineFault::Stress(stress)) = machine(Kind::Stress, all.iter()) else {
            panic!("no stress")
        };
        assert_eq!(stress.len(), 2);
        assert_eq!(machine(Kind::Dns, all.iter()), None);
    }
}
