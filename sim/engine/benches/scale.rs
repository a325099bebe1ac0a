//! What an event costs as the world grows: the same traffic on 9 to 999 hosts; and what a host costs
//! in memory.
//!
//!     cargo bench -p squall-engine --bench scale [-- HOSTS...]
//!
//! Each size is run with one and with two loads of requests; the difference is the traffic alone,
//! without what it takes to make the hosts and to take them down.
#![allow(clippy::unwrap_used)]

mod workload;

use std::time::{Duration, Instant};

use workload::on_squall::simulate;
use workload::{PAUSE, Work};

/// Requests of the first load; the second is twice as many.
const REQUESTS: u32 = 19_980;
/// The best of so many runs counts; what else the machine does only adds.
const RUNS: u32 = 3;

fn main() {
    let mut first_us = None;
    println!("hosts  set-up ms  events     us/event  against the first");
    let mut peaks_kib = Vec::new();
    for hosts in sizes() {
        let one = best(hosts, REQUESTS);
        let two = best(hosts, 2 * REQUESTS);
        let events = two.0 - one.0;
        let us = (two.1 - one.1).as_secs_f64() * 1e6 / events as f64;
        let setup = one.1.as_secs_f64() * 1e3 - us * one.0 as f64 / 1e3;
        let ratio = us / *first_us.get_or_insert(us);
        println!("{hosts:5}  {setup:9.1}  {events:9}  {us:8.3}  {ratio:17.2}");
        peaks_kib.push((u64::from(hosts), peak_kib()));
    }
    if let [few, .., many] = peaks_kib.as_slice() {
        let each = (many.1 - few.1) / (many.0 - few.0);
        println!("memory for each host, with what runs on it: {each} KiB");
    }
}

/// As asked for, else from few to many.
fn sizes() -> Vec<u16> {
    let asked: Vec<u16> = std::env::args()
        .filter_map(|argument| argument.parse().ok())
        .collect();
    match asked.is_empty() {
        true => vec![9, 99, 333, 999],
        false => asked,
    }
}

/// The most memory that this process has had.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.unwrap().parse().unwrap()
}

fn best(hosts: u16, requests: u32) -> (u64, Duration) {
    (0..RUNS)
        .map(|_| {
            let began = Instant::now();
            let events = simulate(Work {
                // As many requests a second, whoever sends them.
                pause: PAUSE * u32::from(hosts) / 9,
                ..Work::new(hosts, requests)
            });
            (events, began.elapsed())
        })
        .min_by_key(|(_, took)| *took)
        .unwrap()
}
