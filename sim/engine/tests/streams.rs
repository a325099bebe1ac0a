//! Whatever the wires do, a stream gives the bytes that went in, in their order.
//!
//! Loss stays below what exhausts `tcp_retries2` by chance, and the server stays: the kernel of a
//! process that has ended gives up after 8 retries without a word, as Linux does, and a client that
//! only reads then waits for ever.
#![allow(clippy::unwrap_used)]

use std::net::IpAddr;
use std::time::Duration;

use proptest::prelude::*;
use squall_engine::{Config, Control, HostSpec, Link, run};
use squall_fault::link::{Chance, Distribution, GilbertElliott, Loss, Rate, Reorder};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A round trip fails with 0.28 at most, sixteen in a row with one in a thousand million.
const LOSS_MAX: f64 = 0.12;

#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    link: Link,
    /// When the link takes shorter packets from then on, and how long they may be.
    narrowed: (u64, u16),
    /// How much, and how long to rest after it.
    writes: Vec<(usize, u64)>,
    read_size: usize,
}

fn loss() -> impl Strategy<Value = Loss> {
    let random = (0.0..LOSS_MAX, 0.0..0.5_f64).prop_map(|(probability, correlation)| {
        Loss::Random(Chance {
            probability,
            correlation,
        })
    });
    // Short bursts: the state changes with packets and not with time, so that a lone segment's sixteen
    // attempts may all fall into a long one.
    let bursts = (0.0..0.05_f64, 0.2..0.9_f64).prop_map(|(to_bad, loss_when_bad)| {
        Loss::GilbertElliott(GilbertElliott {
            to_bad,
            to_good: 0.6,
            loss_when_bad,
            loss_when_good: 0.0,
        })
    });
    prop_oneof![Just(Loss::NONE), random, bursts]
}

fn rate() -> impl Strategy<Value = Option<Rate>> {
    let rate = (
        20_000_u64..2_000_000,
        1_600_u64..20_000,
        10_000_u64..100_000,
    );
    prop::option::of(
        rate.prop_map(|(bytes_per_second, burst_bytes, queue_bytes)| Rate {
            bytes_per_second,
            burst_bytes,
            queue_bytes,
        }),
    )
}

/// All that can be wrong with a link at once.
fn link() -> impl Strategy<Value = Link> {
    let distribution = prop_oneof![
        Just(Distribution::Above),
        Just(Distribution::Uniform),
        Just(Distribution::Normal),
        Just(Distribution::Pareto),
        Just(Distribution::ParetoNormal),
    ];
    let delay = (1_u64..20_000, 0_u64..5_000, distribution, 0.0..0.9_f64);
    let disorder = (0.0..0.1_f64, 0.0..0.03_f64, 0.0..0.2_f64, 0_u32..6);
    (loss(), delay, disorder, rate(), 300_u16..1_600).prop_map(
        |(loss, (latency, jitter, distribution, jitter_correlation), disorder, rate, mtu)| {
            let (duplicate, corrupt, reorder, gap) = disorder;
            Link {
                is_cut: false,
                latency: Duration::from_micros(latency),
                jitter: Duration::from_micros(jitter),
                distribution,
                jitter_correlation,
                loss,
                duplicate: Chance::independent(duplicate),
                corrupt: Chance::independent(corrupt),
                reorder: Reorder {
                    chance: Chance::independent(reorder),
                    gap,
                },
                rate,
                mtu,
            }
        },
    )
}

fn case() -> impl Strategy<Value = Case> {
    let length = prop_oneof![1_usize..500, 1_usize..20_000];
    let writes = prop::collection::vec((length, 0_u64..40), 1..40);
    let narrowed = (0_u64..300, 300_u16..1_500);
    let case = (any::<u64>(), link(), narrowed, writes, 1_usize..9_000);
    case.prop_map(|(seed, link, narrowed, writes, read_size)| Case {
        seed,
        link,
        narrowed,
        writes,
        read_size,
    })
}

/// What a client reads of what it sent, after a server sent it back until its end.
fn there_and_back(case: &Case) -> (Vec<u8>, Vec<u8>) {
    let config = Config {
        seed: case.seed,
        link: case.link,
        ..Config::default()
    };
    let case = case.clone();
    let story = async move |control: Control| {
        let add = |last| {
            let addresses = vec![IpAddr::from([10, 0, 0, last])];
            control.add_host(HostSpec {
                name: format!("host{last}"),
                addresses,
                nameservers: vec![],
                ..HostSpec::default()
            })
        };
        let (server, client) = (add(1), add(2));
        let world = control.clone();
        tokio::spawn(async move {
            let (after_ms, mtu) = case.narrowed;
            tokio::time::sleep(Duration::from_millis(after_ms)).await;
            let link = Link { mtu, ..case.link };
            world.set_link(server, client, link);
            world.set_link(client, server, link);
        });
        control.start(server, |host, _| {
            Box::pin(async move {
                let mut listener = host.net.listen("0.0.0.0:80".parse()?)?;
                let (stream, _) = listener.accept().await?;
                let (mut reader, mut writer) = tokio::io::split(stream);
                tokio::io::copy(&mut reader, &mut writer).await?;
                writer.shutdown().await?;
                std::future::pending().await
            })
        });
        control.start(client, |_, shutdown| {
            Box::pin(async move {
                shutdown.requested().await;
                Ok(())
            })
        });
        let talk = control.run_beside(client, move |host| {
            Box::pin(async move {
                let stream = host
                    .net
                    .connect("10.0.0.1:80".parse().unwrap())
                    .await
                    .unwrap();
                let (mut reader, mut writer) = tokio::io::split(stream);
                let sent: Vec<u8> = (0..case.writes.iter().map(|(length, _)| length).sum())
                    .map(|n: usize| (n % 251) as u8)
                    .collect();
                let data = sent.clone();
                tokio::spawn(async move {
                    let mut rest = &data[..];
                    for (length, rest_ms) in case.writes {
                        let (now, later) = rest.split_at(length);
                        writer.write_all(now).await.unwrap();
                        rest = later;
                        tokio::time::sleep(Duration::from_millis(rest_ms)).await;
                    }
                    writer.shutdown().await.unwrap();
                });
                let mut received = Vec::new();
                let mut buf = vec![0; case.read_size];
                while let length @ 1.. = reader.read(&mut buf).await.unwrap() {
                    received.extend_from_slice(&buf[..length]);
                }
                (sent, received)
            })
        });
        talk.await.unwrap()
    };
    run(config, story).unwrap().value
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(128) })]

    #[test]
    fn bytes_come_back_whole_and_in_order(case in case()) {
        let (sent, received) = there_and_back(&case);
        prop_assert!(sent == received, "{} bytes sent, {} received", sent.len(), received.len());
    }
}
