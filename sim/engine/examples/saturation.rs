//! The saturation curve of one service: offered load against latency and goodput, beside what
//! queueing theory says.
//!
//!     cargo run --release -p squall-engine --example saturation
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

#[path = "../tests/saturation/mod.rs"]
mod saturation;

use std::time::Duration;

use saturation::{SERVICE, Setup, measure, theory};
use squall_fault::cpu::{Cpu, Stressor};

const LOADS: [f64; 12] = [0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 1.0, 1.1, 1.25, 1.5];
const TIMEOUT: Duration = Duration::from_millis(500);
/// Of the plot, in characters.
const WIDTH: f64 = 40.0;

fn main() {
    curve(1, 0);
    curve(2, 0);
    curve(1, 1);
}

/// `workers` busy loops beside the service, on one core: each poll takes 1 + `workers` times as long.
fn curve(cores: u32, workers: u32) {
    let service = SERVICE * (1 + workers);
    let capacity = f64::from(cores) / service.as_secs_f64();
    println!(
        "\n{cores} core(s), {workers} stressor(s), {SERVICE:?} for each request: \
         capacity {capacity:.0}/s; the client gives up after {TIMEOUT:?}\n"
    );
    println!("  load  offered/s  wait ms  theory ms    p99 ms  goodput/s");
    for load in LOADS {
        let measured = measure(Setup {
            seed: 1,
            cpu: Cpu {
                cores,
                limit: None,
                poll: SERVICE,
            },
            stress: vec![Stressor { workers, load: 1.0 }],
            per_second: load * capacity,
            requests: 20_000,
            timeout: TIMEOUT,
        });
        // The stress that service time has grown by is no waiting.
        let wait = measured.wait.saturating_sub(service - SERVICE);
        let theory = match load < 1.0 {
            true => format!("{:9.2}", ms(theory(cores, load, service))),
            false => format!("{:>9}", "-"),
        };
        let bar = "#".repeat((measured.goodput / capacity * WIDTH).round() as usize);
        println!(
            "{load:6.2} {:10.0} {:8.2} {theory} {:9.2} {:10.0}  {bar}",
            load * capacity,
            ms(wait),
            ms(measured.p99),
            measured.goodput,
        );
    }
}

fn ms(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}
