//! Arbitrary faults, and links that are normally different.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use squall_fault::clock::Skew;
use squall_fault::cpu::Stressor;
use squall_fault::disk::{self, Filling};
use squall_fault::http::{self, Matches, Parts, Side};
use squall_fault::link::{Chance, GilbertElliott, Loss, Rate, Reorder};
use squall_fault::{Delay, Link, LinkFault, MachineFault, dns};
use squall_scenario::file::Normal;
use squall_scenario::file::link::{DISTRIBUTIONS, network};
use squall_scenario::file::step::ERRORS;

use super::{act, fraction, millis};

pub(super) fn link_fault() -> impl Strategy<Value = LinkFault> {
    prop_oneof![
        Just(LinkFault::Cut),
        delay().prop_map(LinkFault::Latency),
        loss().prop_map(LinkFault::Loss),
        chance().prop_map(LinkFault::Duplicate),
        chance().prop_map(LinkFault::Corrupt),
        reorder().prop_map(LinkFault::Reorder),
        rate().prop_map(LinkFault::Rate),
    ]
}

pub(super) fn machine_fault() -> impl Strategy<Value = MachineFault> {
    let stress = (1..9_u32, fraction()).prop_map(|(workers, load)| Stressor { workers, load });
    let ppm = prop_oneof![Just(0.0), (-1000..1000_i32).prop_map(f64::from)];
    let clock = (any::<i32>(), ppm).prop_map(|(ms, drift_ppm)| Skew {
        offset_ns: i64::from(ms) * 1_000_000,
        drift_ppm,
    });
    prop_oneof![
        stress.prop_map(|one| MachineFault::Stress(vec![one])),
        disk().prop_map(|one| MachineFault::Disk(vec![one])),
        clock.prop_map(MachineFault::Clock),
        http().prop_map(|one| MachineFault::Http(vec![one])),
        dns().prop_map(|one| MachineFault::Dns(vec![one])),
    ]
}

/// Not as `network` says.
pub(super) fn network_link() -> impl Strategy<Value = Link> {
    let shape = select(DISTRIBUTIONS.map(|(_, shape)| shape).to_vec());
    let delay = (millis(0..100), millis(0..3), shape, fraction());
    let disorder = (loss(), chance(), chance(), reorder());
    (delay, disorder, option::of(rate()), 68..9_000_u16).prop_map(
        |((latency, jitter, distribution, correlation), disorder, rate, mtu)| Link {
            latency,
            jitter,
            distribution,
            jitter_correlation: correlation,
            loss: disorder.0,
            duplicate: disorder.1,
            corrupt: disorder.2,
            reorder: disorder.3,
            rate,
            mtu,
            ..network()
        },
    )
}

pub(super) fn normal() -> impl Strategy<Value = Normal> {
    (act::links(), network_link()).prop_map(|(links, link)| Normal {
        line: 0,
        links,
        link,
    })
}

fn delay() -> impl Strategy<Value = Delay> {
    let shape = select(DISTRIBUTIONS.map(|(_, shape)| shape).to_vec());
    (millis(0..999), millis(0..99), shape, fraction()).prop_map(
        |(latency, jitter, distribution, correlation)| Delay {
            latency,
            jitter,
            distribution,
            correlation,
        },
    )
}

fn chance() -> impl Strategy<Value = Chance> {
    (fraction(), prop_oneof![Just(0.0), fraction()]).prop_map(|(probability, correlation)| Chance {
        probability,
        correlation,
    })
}

fn loss() -> impl Strategy<Value = Loss> {
    let bursts = (fraction(), fraction(), fraction(), fraction()).prop_map(
        |(to_bad, to_good, loss_when_bad, loss_when_good)| GilbertElliott {
            to_bad,
            to_good,
            loss_when_bad,
            loss_when_good,
        },
    );
    prop_oneof![
        chance().prop_map(Loss::Random),
        bursts.prop_map(Loss::GilbertElliott),
    ]
}

fn reorder() -> impl Strategy<Value = Reorder> {
    (chance(), 0..9_u32).prop_map(|(chance, gap)| Reorder { chance, gap })
}

fn rate() -> impl Strategy<Value = Rate> {
    let bytes = || prop_oneof![1..2_000_000_u64, (1..99_u64).prop_map(|mb| mb * 125_000)];
    (bytes(), bytes(), bytes()).prop_map(|(bytes_per_second, burst_bytes, queue_bytes)| Rate {
        bytes_per_second,
        burst_bytes,
        queue_bytes,
    })
}

fn disk() -> impl Strategy<Value = disk::Rule> {
    let filling = select(vec![Filling::Zero, Filling::Random]);
    let mistake = (filling, 1..9_u32, 1..99_u32);
    let effect = prop_oneof![
        millis(0..999).prop_map(disk::Effect::Delay),
        select(ERRORS.to_vec()).prop_map(|(_, number)| disk::Effect::Errno(number)),
        mistake.prop_map(
            |(filling, occurrences_max, length_max)| disk::Effect::Mistake {
                filling,
                occurrences_max,
                length_max,
            }
        ),
    ];
    let operations = vec(select(disk::Operation::ALL.to_vec()), 0..3);
    let path = option::of("/[a-z]{1,5}/[*]{1,2}");
    (path, operations, fraction(), effect).prop_map(|(path, operations, probability, effect)| {
        disk::Rule {
            path,
            operations,
            probability,
            effect,
        }
    })
}

fn pairs() -> impl Strategy<Value = Vec<(String, String)>> {
    vec(("[a-z]{1,5}", "[a-z0-9 :%]{0,6}[a-z0-9]"), 0..2)
}

fn parts() -> impl Strategy<Value = Parts> {
    let body = option::of("[ -~]{1,9}");
    let texts = (option::of("/[a-z]{1,5}"), option::of("[A-Z]{3,5}"), body);
    (texts, option::of(100..599_u16), pairs(), pairs()).prop_map(
        |((path, method, body), status, queries, headers)| Parts {
            path,
            method,
            status,
            body: body.map(String::into_bytes),
            queries,
            headers,
        },
    )
}

fn http() -> impl Strategy<Value = http::Rule> {
    let matches = (option::of("/[a-z*]{1,5}"), option::of("[A-Z]{3,5}"));
    let effect = (any::<bool>(), option::of(millis(0..999)), parts(), parts());
    let rule = (1..u16::MAX, any::<bool>(), fraction(), 100..599_u16);
    (rule, matches, pairs(), pairs(), effect).prop_map(
        |((port, is_response, probability, status), (path, method), first, second, effect)| {
            let (abort, delay, replace, patch) = effect;
            http::Rule {
                port: Some(port),
                side: if is_response {
                    Side::Response
                } else {
                    Side::Request
                },
                matches: Matches {
                    path,
                    method,
                    status: is_response.then_some(status),
                    request_headers: first,
                    response_headers: if is_response { second } else { Vec::new() },
                },
                probability,
                effect: http::Effect {
                    abort,
                    delay,
                    answer: Some(status), // so that something happens
                    replace,
                    patch,
                },
            }
        },
    )
}

fn dns() -> impl Strategy<Value = dns::Rule> {
    let effect = select(vec![dns::Effect::Error, dns::Effect::Random]);
    let patterns = vec("[a-z]{1,5}[*]?", 0..3);
    (patterns, effect).prop_map(|(patterns, effect)| dns::Rule { patterns, effect })
}
