//! `pg-proxy` on the real machine, as the differential scripts start it: `pg-proxy -f FILE`.

use std::process::ExitCode;

use squall_host::launch::Files;
use squall_host::{Host, Launch, Shutdown};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let launch = Launch {
        args: std::env::args().skip(1).collect(),
        env: std::env::vars().collect(),
        files: Files::real(),
    };
    let loaded = match squall_pg_proxy::load(&launch) {
        Ok(loaded) => loaded,
        Err(diagnostics) => {
            eprintln!("{diagnostics}");
            return ExitCode::from(254);
        }
    };
    let (trigger, shutdown) = Shutdown::new();
    tokio::spawn(async move {
        if tokio::signal::ctrl_c().await.is_ok() {
            trigger.request();
        }
    });
    match loaded.start(Host::real(), shutdown).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
