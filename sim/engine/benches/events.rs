//! Events a second, with real axum, hyper and tokio-postgres on top; and the same work on turmoil's
//! own `Sim`.
//!
//!     cargo bench -p squall-engine
//!
//! The hosts come in threes: a client asks a backend twenty times a second, which opens a connection
//! to its database for each answer. `items/s` is events a second, its inverse the time for an event.
//! `idle` has no traffic at all.
#![allow(clippy::unwrap_used)]

mod workload;

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use divan::Bencher;
use divan::counter::ItemsCount;
use squall_fault::cpu::Cpu;
use tokio::time::sleep;
use workload::{LATENCY, PAUSE, Work, ask, on_squall, postgres, query};

const REQUESTS: u32 = 1_000;

fn main() {
    divan::main();
}

mod on_turmoil {
    use super::*;
    use turmoil::net::{TcpListener, TcpStream};

    struct Listener(TcpListener);

    impl axum::serve::Listener for Listener {
        type Io = TcpStream;
        type Addr = SocketAddr;
        async fn accept(&mut self) -> (TcpStream, SocketAddr) {
            self.0.accept().await.unwrap()
        }
        fn local_addr(&self) -> io::Result<SocketAddr> {
            self.0.local_addr()
        }
    }

    pub(super) fn simulate(hosts: u16, requests: u32, idle: Duration) {
        let mut sim = turmoil::Builder::new()
            .simulation_duration(Duration::from_secs(100_000))
            .min_message_latency(LATENCY)
            .max_message_latency(LATENCY)
            .build();
        let groups = hosts / 3;
        for group in 0..groups {
            sim.host(format!("database{group}"), || async {
                let listener = TcpListener::bind("0.0.0.0:80").await?;
                loop {
                    let (stream, _) = listener.accept().await?;
                    tokio::spawn(postgres(stream));
                }
            });
            let database = format!("database{group}:80");
            sim.host(format!("backend{group}"), move || {
                let database = database.clone();
                let users =
                    move || async move { query(TcpStream::connect(database).await.unwrap()).await };
                async move {
                    let listener = Listener(TcpListener::bind("0.0.0.0:80").await?);
                    Ok(axum::serve(listener, Router::new().route("/users", get(users))).await?)
                }
            });
            let backend = format!("backend{group}:80");
            sim.client(format!("client{group}"), async move {
                sleep(Duration::from_millis(u64::from(group))).await;
                for _ in 0..requests / u32::from(groups) {
                    ask(TcpStream::connect(&backend).await?).await;
                    sleep(PAUSE).await;
                }
                sleep(idle).await;
                Ok(())
            });
        }
        sim.run().unwrap();
    }
}

/// The same traffic on more hosts.
#[divan::bench(args = [9, 51, 201], sample_count = 5, sample_size = 1)]
fn squall(bencher: Bencher, hosts: u16) {
    let events = on_squall::simulate(Work::new(hosts, REQUESTS));
    bencher
        .counter(ItemsCount::new(events))
        .bench_local(|| on_squall::simulate(Work::new(hosts, REQUESTS)));
}

/// The same with a processor under each server, as containers have it: more events, one at least for
/// each poll of a task.
#[divan::bench(args = [9, 51, 201], sample_count = 5, sample_size = 1)]
fn squall_cpu(bencher: Bencher, hosts: u16) {
    let work = Work {
        cpu: Some(Cpu {
            cores: 2,
            limit: None,
            poll: Duration::from_micros(10),
        }),
        ..Work::new(hosts, REQUESTS)
    };
    let events = on_squall::simulate(work);
    bencher
        .counter(ItemsCount::new(events))
        .bench_local(|| on_squall::simulate(work));
}

#[divan::bench(args = [9, 51, 201], sample_count = 3, sample_size = 1)]
fn turmoil_sim(bencher: Bencher, hosts: u16) {
    bencher.bench_local(|| on_turmoil::simulate(hosts, REQUESTS, Duration::ZERO));
}

/// One idle virtual minute.
#[divan::bench(args = [9, 51], sample_count = 3, sample_size = 1)]
fn squall_idle(bencher: Bencher, hosts: u16) {
    let work = Work {
        idle: Duration::from_secs(60),
        ..Work::new(hosts, 0)
    };
    bencher.bench_local(|| on_squall::simulate(work));
}

#[divan::bench(args = [9, 51], sample_count = 3, sample_size = 1)]
fn turmoil_sim_idle(bencher: Bencher, hosts: u16) {
    bencher.bench_local(|| on_turmoil::simulate(hosts, 0, Duration::from_secs(60)));
}
