//! edge as a program of its own, for trying it out and for `differential/compare.py`:
//! `cargo run -p squall-edge --example edge -- -c /path/to/nginx.conf`.

use squall_host::{Files, Host, Launch, Shutdown};

fn main() -> std::process::ExitCode {
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .init();
    let launch = Launch {
        args: std::env::args().skip(1).collect(),
        env: std::env::vars().collect(),
        files: Files::real(),
    };
    let loaded = match squall_edge::load(&launch) {
        Ok(loaded) => loaded,
        Err(diagnostics) => {
            eprintln!("{diagnostics}");
            return 254.into();
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return 1.into();
        }
    };
    let outcome = runtime.block_on(async {
        let (trigger, shutdown) = Shutdown::new();
        let kind = tokio::signal::unix::SignalKind::terminate();
        if let Ok(mut signal) = tokio::signal::unix::signal(kind) {
            tokio::spawn(async move {
                signal.recv().await;
                trigger.request();
            });
        }
        loaded.start(Host::real(), shutdown).await
    });
    match outcome {
        Ok(()) => 0.into(),
        Err(error) => {
            eprintln!("{error}");
            let mut cause = error.source();
            while let Some(inner) = cause {
                eprintln!("    cause: {inner}");
                cause = inner.source();
            }
            1.into()
        }
    }
}
