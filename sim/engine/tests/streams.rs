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
use squall_fault::link::Loss;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A round trip fails with 0.28 at most, sixteen in a row with one in a thousand million.
const LOSS_MAX: f64 = 0.15;

#[derive(Clone, Debug)]
struct Case {
    seed: u64,
    loss: f64,
    latency_us: u64,
    jitter_us: u64,
    /// How much, and how long to rest after it.
    writes: Vec<(usize, u64)>,
    read_size: usize,
}

fn case() -> impl Strategy<Value = Case> {
    let length = prop_oneof![1_usize..500, 1_usize..20_000];
    let writes = prop::collection::vec((length, 0_u64..40), 1..40);
    (
        any::<u64>(),
        0.0..LOSS_MAX,
        1_u64..20_000,
        0_u64..5_000,
        writes,
        1_usize..9_000,
    )
        .prop_map(
            |(seed, loss, latency_us, jitter_us, writes, read_size)| Case {
                seed,
                loss,
                latency_us,
                jitter_us,
                writes,
                read_size,
            },
        )
}

/// What a client reads of what it sent, after a server sent it back until its end.
fn there_and_back(case: &Case) -> (Vec<u8>, Vec<u8>) {
    let link = Link {
        is_cut: false,
        loss: Loss::independent(case.loss),
        latency: Duration::from_micros(case.latency_us),
        jitter: Duration::from_micros(case.jitter_us),
        ..Link::default()
    };
    let config = Config {
        seed: case.seed,
        link,
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
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn bytes_come_back_whole_and_in_order(case in case()) {
        let (sent, received) = there_and_back(&case);
        prop_assert!(sent == received, "{} bytes sent, {} received", sent.len(), received.len());
    }
}
