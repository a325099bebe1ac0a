//! One seed, one run: at two positions in one process, and in two processes.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;
use std::fmt::Write;
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use squall_engine::{Config, Control, HostSpec, Line, Link, Stream, run};
use squall_fault::clock::Skew;
use squall_fault::cpu::{Cpu, Stressor};
use squall_fault::link::Loss;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

/// Tasks that use every source of chance that services have: random numbers, the order of a hash
/// map, the branch of a select, clocks, ports, loss; on processors that are limited and under stress,
/// with clocks that are wrong. What they saw, the hash, and what was logged.
fn chance(seed: u64) -> (String, u64, Vec<String>) {
    let link = Link {
        loss: Loss::independent(0.1),
        ..Link::default()
    };
    let (sender, lines) = std::sync::mpsc::channel();
    let reader = Box::new(move |host: &str, line: Line| {
        sender
            .send((line.stream, format!("{} {host} {}", line.at_ns, line.text)))
            .unwrap();
    });
    let config = Config {
        seed,
        link,
        reader,
        ..Config::default()
    };
    let outcome = run(config, async |control: Control| {
        let mut hosts = Vec::new();
        for last in 1..=3 {
            let addresses = vec![IpAddr::from([10, 0, 0, last])];
            let spec = HostSpec {
                name: format!("host{last}"),
                addresses,
                cpu: Some(Cpu {
                    cores: 2,
                    limit: Some(0.02),
                    poll: Duration::from_micros(70),
                }),
                ..HostSpec::default()
            };
            hosts.push(control.add_host(spec));
        }
        let busy = Stressor {
            workers: 3,
            load: 0.3,
        };
        control.set_stress(hosts[0], vec![busy]);
        for (host, drift_ppm) in hosts.iter().zip([0.0, 123.4, -70.7]) {
            let skew = Skew {
                offset_ns: -3_000_000_001,
                drift_ppm,
            };
            control.set_clock(*host, skew);
        }
        control.start(hosts[0], |host, _| {
            Box::pin(async move {
                let mut listener = host.net.listen("0.0.0.0:80".parse()?)?;
                loop {
                    let (mut stream, peer) = listener.accept().await?;
                    tracing::info!(%peer, "accepted");
                    tokio::spawn(
                        async move { stream.write_all(peer.to_string().as_bytes()).await },
                    );
                }
            })
        });
        let story = control.clone();
        let seen = control.run_beside(hosts[0], move |_| Box::pin(see(story)));
        for client in &hosts[1..] {
            control.start(*client, |host, _| {
                Box::pin(async move {
                    for _ in 0..10 {
                        let mut stream = host.net.connect("10.0.0.1:80".parse()?).await?;
                        let mut text = String::new();
                        stream.read_to_string(&mut text).await?;
                        host.out.line(&text);
                    }
                    Ok(())
                })
            });
        }
        let seen = seen.await.unwrap();
        sleep(Duration::from_secs(30)).await;
        seen
    })
    .unwrap();
    let (streams, lines): (Vec<_>, Vec<_>) = lines.into_iter().unzip();
    assert!(
        streams
            .iter()
            .any(|stream| matches!(stream, Stream::Log(_)))
    );
    assert!(streams.contains(&Stream::Output));
    (outcome.value, outcome.trace_hash, lines)
}

async fn see(control: Control) -> String {
    let mut seen = String::new();
    let numbers: Vec<u64> = (0..4).map(|_| rand::random()).collect();
    let map: HashMap<u32, u32> = (0..20).map(|n| (n, n)).collect();
    let order: Vec<u32> = map.keys().copied().collect();
    let mut branches = Vec::new();
    for _ in 0..20 {
        branches
            .push(tokio::select! { () = async {} => 0, () = async {} => 1, () = async {} => 2 });
    }
    sleep(Duration::from_millis(1_500)).await;
    let wall = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap();
    write!(
        seen,
        "{numbers:?} {order:?} {branches:?} {wall:?} {:?}",
        control.now()
    )
    .unwrap();
    seen
}

#[test]
fn a_seed_gives_the_same_run_at_two_positions_in_one_process() {
    let first: Vec<_> = (0..20).map(chance).collect();
    let second: Vec<_> = (0..20).map(chance).collect();
    for (seed, (first, second)) in first.iter().zip(&second).enumerate() {
        assert_eq!(first, second, "seed {seed}");
    }
    assert_ne!(first[0].0, first[1].0, "and two seeds give two");
}

/// What the other process prints for a seed; it is this test binary again.
const SEED: &str = "SQUALL_TEST_SEED";

#[test]
fn a_seed_gives_the_same_run_in_two_processes() {
    let here = chance(5);
    if std::env::var_os(SEED).is_some() {
        println!("HERE {:x}", here.1);
        return;
    }
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args([
            "a_seed_gives_the_same_run_in_two_processes",
            "--exact",
            "--nocapture",
        ])
        .env(SEED, "5")
        .output()
        .unwrap();
    let there = String::from_utf8_lossy(&output.stdout);
    assert!(there.contains(&format!("HERE {:x}", here.1)), "{there}");
}

#[test]
fn time_of_day_starts_where_it_is_told() {
    let config = Config {
        epoch: Duration::from_secs(1_000_000_000),
        ..Config::default()
    };
    let outcome = run(config, async |_| {
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap()
    });
    assert_eq!(outcome.unwrap().value, Duration::from_secs(1_000_000_000));
}
