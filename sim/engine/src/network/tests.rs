//! What a link does to many packets, for a fixed seed.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use squall_fault::link::{Chance, Distribution, GilbertElliott, Link, Loss, Rate, Reorder};

use super::draw::quantile;
use super::{Fate, Network};
use crate::HostId;
use crate::kernel::packet::{Body, Packet};
use crate::time::{MS, S};

const HERE: HostId = HostId(1);
const THERE: HostId = HostId(2);
const HEADERS: usize = 28;

fn datagram(length: usize) -> Packet {
    let address: SocketAddr = "10.0.0.1:1".parse().unwrap();
    Packet {
        source: address,
        target: address,
        body: Body::Udp(Bytes::from(vec![0; length])),
    }
}

fn network(link: Link) -> Network {
    let mut network = Network::new(7, Link::default());
    network.set(HERE, THERE, link);
    network
}

/// The fates of `count` packets of 100 bytes, a millisecond apart.
fn fates(link: Link, count: u64) -> Vec<Fate> {
    let mut network = network(link);
    let packet = datagram(100 - HEADERS);
    (0..count)
        .map(|index| network.fate(HERE, THERE, &packet, S + index * MS))
        .collect()
}

fn share(fates: &[Fate], of: impl Fn(&Fate) -> bool) -> f64 {
    fates.iter().filter(|fate| of(fate)).count() as f64 / fates.len() as f64
}

/// How long packets took, in milliseconds.
fn delays(fates: &[Fate]) -> Vec<f64> {
    let delay = |(index, fate): (usize, &Fate)| match fate {
        Fate::Arrives { at_ns } => Some((*at_ns - S) as f64 / MS as f64 - index as f64),
        _ => None,
    };
    fates.iter().enumerate().filter_map(delay).collect()
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn spread(values: &[f64]) -> f64 {
    let mean = mean(values);
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / values.len() as f64).sqrt()
}

fn is_lost(fate: &Fate) -> bool {
    *fate == Fate::Lost
}

#[test]
fn independent_loss_and_corruption_happen_as_often_as_they_say() {
    for probability in [0.01, 0.25, 0.5] {
        let loss = Link {
            loss: Loss::independent(probability),
            ..Link::default()
        };
        let corrupt = Link {
            corrupt: Chance::independent(probability),
            ..Link::default()
        };
        for link in [loss, corrupt] {
            let lost = share(&fates(link, 40_000), is_lost);
            assert!((lost - probability).abs() < 0.01, "{lost}");
        }
    }
}

#[test]
fn correlated_losses_come_together() {
    let runs = |correlation| {
        let chance = Chance {
            probability: 0.3,
            correlation,
        };
        let link = Link {
            loss: Loss::Random(chance),
            ..Link::default()
        };
        let fates = fates(link, 40_000);
        let after_loss: Vec<Fate> = fates
            .windows(2)
            .filter(|pair| is_lost(&pair[0]))
            .map(|pair| pair[1])
            .collect();
        share(&after_loss, is_lost) / share(&fates, is_lost)
    };
    assert!((runs(0.0) - 1.0).abs() < 0.05, "{}", runs(0.0));
    assert!(runs(0.7) > 1.5, "{}", runs(0.7));
}

#[test]
fn gilbert_and_elliott_lose_in_bursts() {
    let model = GilbertElliott {
        to_bad: 0.02,
        to_good: 0.25,
        loss_when_bad: 1.0,
        loss_when_good: 0.0,
    };
    let link = Link {
        loss: Loss::GilbertElliott(model),
        ..Link::default()
    };
    let fates = fates(link, 100_000);
    let lost = share(&fates, is_lost);
    // p / (p + r), and bursts of 1 / r.
    assert!((lost - 0.02 / 0.27).abs() < 0.01, "{lost}");
    let bursts = fates
        .windows(2)
        .filter(|pair| is_lost(&pair[0]) && !is_lost(&pair[1]))
        .count();
    let length = lost * fates.len() as f64 / bursts as f64;
    assert!((length - 4.0).abs() < 0.3, "{length}");
}

#[test]
fn duplicates_arrive_twice() {
    let link = Link {
        duplicate: Chance::independent(0.2),
        ..Link::default()
    };
    let fates = fates(link, 20_000);
    let twice = share(&fates, |fate| matches!(fate, Fate::Twice { .. }));
    assert!((twice - 0.2).abs() < 0.01, "{twice}");
    assert_eq!(share(&fates, is_lost), 0.0);
}

#[test]
fn distributions_are_netems() {
    let sample = |distribution| {
        let link = Link {
            latency: Duration::from_millis(100),
            jitter: Duration::from_millis(10),
            distribution,
            ..Link::default()
        };
        delays(&fates(link, 40_000))
    };
    let uniform = sample(Distribution::Uniform);
    assert!((mean(&uniform) - 100.0).abs() < 0.2 && (spread(&uniform) - 5.77).abs() < 0.2);
    let normal = sample(Distribution::Normal);
    assert!((mean(&normal) - 100.0).abs() < 0.3 && (spread(&normal) - 10.0).abs() < 0.3);
    // Iproute2's tables end at four sigmas, so Pareto's mean is a little low.
    for distribution in [Distribution::Pareto, Distribution::ParetoNormal] {
        let tailed = sample(distribution);
        assert!((mean(&tailed) - 100.0).abs() < 1.0, "{}", mean(&tailed));
        let above = tailed.iter().filter(|delay| **delay > 120.0).count();
        assert!(above > 1_000, "a long tail: {above}");
    }
}

#[test]
fn quantiles_agree_with_iproute2s_tables() {
    // From /usr/lib/x86_64-linux-gnu/tc/*.dist of iproute2 6.1: 4,096 entries, 8,192 for one sigma.
    let at = |distribution, index: f64| quantile(distribution, index / 4_096.0) * 8_192.0;
    let known = [
        (Distribution::Pareto, 0.0, -5_461.0),
        (Distribution::Pareto, 2_048.0, -2_622.0),
        (Distribution::Pareto, 3_686.0, 7_141.0),
        (Distribution::Normal, 2_048.0, 0.0),
        (Distribution::Normal, 3_446.0, 8_192.0),
        (Distribution::ParetoNormal, 2_048.0, -1_966.0),
    ];
    for (distribution, index, value) in known {
        let ours = at(distribution, index);
        assert!(
            (ours - value).abs() < 16.0,
            "{distribution:?} {index}: {ours}, {value}"
        );
    }
    assert_eq!(
        quantile(Distribution::Pareto, 1.0 - 1e-12),
        32_767.0 / 8_192.0
    );
}

#[test]
fn correlated_jitter_changes_slowly() {
    let link = |jitter_correlation| Link {
        latency: Duration::from_millis(100),
        jitter: Duration::from_millis(10),
        distribution: Distribution::Uniform,
        jitter_correlation,
        ..Link::default()
    };
    let steps = |correlation| {
        let delays = delays(&fates(link(correlation), 10_000));
        let steps: Vec<f64> = delays
            .windows(2)
            .map(|two| (two[0] - two[1]).abs())
            .collect();
        mean(&steps) / spread(&delays)
    };
    assert!(steps(0.9) < steps(0.0) / 2.0);
}

#[test]
fn one_in_five_overtakes() {
    let link = Link {
        latency: Duration::from_millis(10),
        reorder: Reorder {
            chance: Chance::independent(1.0),
            gap: 5,
        },
        ..Link::default()
    };
    let early: Vec<usize> = delays(&fates(link, 20))
        .iter()
        .enumerate()
        .filter(|(_, delay)| **delay < 1.0)
        .map(|(index, _)| index)
        .collect();
    assert_eq!(early, [4, 9, 14, 19]);
}

#[test]
fn a_bottleneck_passes_its_rate_and_drops_what_its_queue_cannot_hold() {
    let rate = Rate {
        bytes_per_second: 114_000,
        burst_bytes: 1_140,
        queue_bytes: 5_700,
    };
    let link = Link {
        latency: Duration::ZERO,
        rate: Some(rate),
        ..Link::default()
    };
    // 114 bytes with their frame, one a millisecond, just fit.
    let fitting = fates(link, 5_000);
    assert_eq!(share(&fitting, is_lost), 0.0);
    assert!(mean(&delays(&fitting)) < 0.01, "nobody waits");
    // All at once: ten in the burst, fifty in the queue, the rest is lost.
    let mut network = network(link);
    let packet = datagram(100 - HEADERS);
    let at_once: Vec<Fate> = (0..100)
        .map(|_| network.fate(HERE, THERE, &packet, S))
        .collect();
    assert_eq!(at_once.iter().filter(|fate| !is_lost(fate)).count(), 60);
    assert_eq!(at_once[9], Fate::Arrives { at_ns: S });
    assert_eq!(at_once[59], Fate::Arrives { at_ns: S + 50 * MS });
    // The same parameters again leave the queue as it is.
    network.set(HERE, THERE, link);
    assert_eq!(network.fate(HERE, THERE, &packet, S), Fate::Lost);
}

#[test]
fn a_long_datagram_goes_in_fragments_and_is_lost_with_any_of_them() {
    let link = Link {
        loss: Loss::independent(0.1),
        ..Link::default()
    };
    let mut network = network(link);
    let packet = datagram(6_000); // five fragments
    let fates: Vec<Fate> = (0..20_000)
        .map(|index| network.fate(HERE, THERE, &packet, index * MS))
        .collect();
    let lost = share(&fates, is_lost);
    assert!((lost - (1.0 - 0.9_f64.powi(5))).abs() < 0.02, "{lost}");
}

#[test]
fn a_usual_link_that_needs_state_has_it_for_each_pair() {
    let usual = Link {
        jitter: Duration::from_millis(5),
        ..Link::default()
    };
    let mut network = Network::new(1, usual);
    let packet = datagram(10);
    let mut last = [0, 0];
    for now_ns in (0..200).map(|step| step * MS / 10) {
        for (pair, to) in [HostId(2), HostId(3)].into_iter().enumerate() {
            let Fate::Arrives { at_ns } = network.fate(HERE, to, &packet, now_ns) else {
                panic!("nothing is lost here");
            };
            assert!(at_ns >= last[pair], "jitter of this kind keeps the order");
            last[pair] = at_ns;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Over any stretch no more passes than the burst and the rate allow, and in order.
    #[test]
    fn a_bucket_never_passes_more_than_its_rate(
        bytes_per_second in 1_000_u64..10_000_000,
        burst_bytes in 1_500_u64..100_000,
        queue_bytes in 1_500_u64..1_000_000,
        packets in prop::collection::vec((0_u64..20_000_000, 0_usize..1_400), 1..200),
    ) {
        let rate = Rate { bytes_per_second, burst_bytes, queue_bytes };
        let mut network = network(Link { rate: Some(rate), latency: Duration::ZERO, ..Link::default() });
        let (mut now_ns, mut last_ns, mut passed) = (0, 0, 0);
        for (wait_ns, length) in packets {
            now_ns += wait_ns;
            if let Fate::Arrives { at_ns } = network.fate(HERE, THERE, &datagram(length), now_ns) {
                prop_assert!(at_ns >= now_ns && at_ns >= last_ns);
                last_ns = at_ns;
                passed += length as u64 + 42;
                let allowed = burst_bytes as u128 + u128::from(at_ns) * u128::from(bytes_per_second) / u128::from(S);
                prop_assert!(u128::from(passed) <= allowed + 1_500, "{passed} of {allowed}");
            }
        }
    }
}
