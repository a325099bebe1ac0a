//! Runs pg-stub on this machine, with the arguments and the environment that `postgres` would have:
//! `POSTGRES_PASSWORD=secret cargo run -p squall-pg-stub --example pg-stub -- -p 5433`.

use std::process::ExitCode;

use squall_host::{Files, Host, Launch, Shutdown};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .init();
    let launch = Launch {
        args: std::env::args().skip(1).collect(),
        env: std::env::vars().collect(),
        files: Files::real(),
    };
    let loaded = match squall_pg_stub::load(&launch) {
        Ok(loaded) => loaded,
        Err(wrong) => {
            eprintln!("{wrong}");
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
