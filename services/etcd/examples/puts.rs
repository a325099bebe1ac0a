//! What an etcd can commit: `puts ENDPOINTS CONNECTIONS COUNT` puts one key so often in all, one put after
//! the other on each of so many connections, and prints the puts a second. The yardstick of
//! `scenarios/ha-counter/real/bench.sh`.

use std::process::ExitCode;
use std::time::Duration;

use squall_etcd::{Endpoints, Etcd, Limits};
use squall_host::Host;
use squall_resilient::Deadline;
use tokio::time::Instant;

/// For one put, on a disk that stalls.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some((endpoints, connections, count)) = parsed(&args) else {
        eprintln!("puts ENDPOINTS CONNECTIONS COUNT, as in `puts http://127.0.0.1:2379 3 2000`");
        return ExitCode::from(254);
    };
    let net = Host::real().net;
    let each = count / connections;
    let limits = Limits {
        try_timeout: PATIENCE,
        ..Limits::default()
    };
    let began = Instant::now();
    let puts = (0..connections).map(|_| {
        let etcd = Etcd::new(net.clone(), &endpoints, limits);
        async move {
            for n in 0..each {
                let deadline = Deadline::after(PATIENCE);
                etcd.put("puts", &n.to_string(), None, deadline).await?;
            }
            Ok::<(), squall_etcd::Error>(())
        }
    });
    if let Err(error) = futures::future::try_join_all(puts).await {
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    let done = (each * connections) as f64;
    println!("{:.0}", done / began.elapsed().as_secs_f64());
    ExitCode::SUCCESS
}

fn parsed(args: &[String]) -> Option<(Endpoints, u32, u32)> {
    let [endpoints, connections, count] = args else {
        return None;
    };
    let connections = connections.parse().ok().filter(|n| *n > 0)?;
    Some((endpoints.parse().ok()?, connections, count.parse().ok()?))
}
