//! How packets travel from one machine to another, in one direction: the vocabulary of tc-netem(8)
//! and tc-tbf(8).

use std::time::Duration;

/// One direction of a link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Link {
    /// Nothing passes and nobody is told, as with `iptables -j DROP`. ARP passes, as it does there.
    pub is_cut: bool,
    /// How long a packet takes.
    pub latency: Duration,
    /// How far from `latency` a packet's time may be; see [`Distribution`]. Never below zero.
    pub jitter: Duration,
    /// How jitter is drawn.
    pub distribution: Distribution,
    /// How much a packet's jitter resembles that of the packet before it, from 0 to 1.
    pub jitter_correlation: f64,
    /// Which packets are lost.
    pub loss: Loss,
    /// Packets that arrive twice. TCP discards the second; UDP does not.
    pub duplicate: Chance,
    /// Packets that arrive with a wrong bit. Checksums catch it: the receiver drops them.
    pub corrupt: Chance,
    /// Packets that overtake those before them.
    pub reorder: Reorder,
    /// How much passes; `None` for as much as there is.
    pub rate: Option<Rate>,
    /// The largest IP packet that passes whole, in bytes.
    pub mtu: u16,
}

/// Ethernet's.
pub const MTU: u16 = 1_500;

impl Default for Link {
    /// Two containers on one machine's bridge.
    fn default() -> Self {
        Self {
            is_cut: false,
            latency: Duration::from_micros(100),
            jitter: Duration::ZERO,
            distribution: Distribution::Above,
            jitter_correlation: 0.0,
            loss: Loss::NONE,
            duplicate: Chance::NEVER,
            corrupt: Chance::NEVER,
            reorder: Reorder::NONE,
            rate: None,
            mtu: MTU,
        }
    }
}

/// How jitter is drawn, by netem's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Distribution {
    /// Evenly between nothing and `jitter` more than `latency`; the order of packets stays.
    /// What a queue on the way does. Not netem's.
    #[default]
    Above,
    /// Evenly between `jitter` less and `jitter` more: netem without a name.
    Uniform,
    /// Normal, with `jitter` as its standard deviation.
    Normal,
    /// Pareto: a long tail above.
    Pareto,
    /// A quarter normal, three quarters Pareto.
    ParetoNormal,
}

/// An event of a packet's own, which may depend on the packet before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Chance {
    /// From 0 to 1.
    pub probability: f64,
    /// How much a draw resembles the one before it, from 0 to 1.
    pub correlation: f64,
}

impl Chance {
    /// It does not happen.
    pub const NEVER: Self = Self::independent(0.0);

    /// Each packet for itself.
    pub const fn independent(probability: f64) -> Self {
        Self {
            probability,
            correlation: 0.0,
        }
    }
}

/// Which packets are lost.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// By chance.
    Random(Chance),
    /// In bursts: a good and a bad state, each with its own loss.
    GilbertElliott(GilbertElliott),
}

impl Loss {
    /// None.
    pub const NONE: Self = Self::Random(Chance::NEVER);

    /// Each packet for itself, with this probability.
    pub const fn independent(probability: f64) -> Self {
        Self::Random(Chance::independent(probability))
    }
}

/// Two states, changed between packets (netem's `gemodel p r 1-h 1-k`). All from 0 to 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GilbertElliott {
    /// From good to bad, before each packet.
    pub to_bad: f64,
    /// From bad to good, before each packet.
    pub to_good: f64,
    /// A packet is lost while things are bad.
    pub loss_when_bad: f64,
    /// A packet is lost while things are good.
    pub loss_when_good: f64,
}

/// Packets that overtake: they leave at once while those before them wait for their delay.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Reorder {
    /// Which packets.
    pub chance: Chance,
    /// Only every so many packets is a candidate; 0 and 1 for all.
    pub gap: u32,
}

impl Reorder {
    /// None.
    pub const NONE: Self = Self {
        chance: Chance::NEVER,
        gap: 0,
    };
}

/// A bottleneck with a queue in front of it (a token bucket).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// What passes over time.
    pub bytes_per_second: u64,
    /// What may pass at once after silence.
    pub burst_bytes: u64,
    /// What may wait; packets beyond are lost.
    pub queue_bytes: u64,
}
