//! Puts an etcd group to the test and writes down what it was told, one line of JSON for each operation, for
//! invariants that judge etcd itself: reads and writes of few keys through every member, one watch that
//! resumes after every cut, leases that are kept alive for a while and then left.
//!
//! | module | idea |
//! |---|---|
//! | [`config`] | the environment, read |
//! | `line` | one operation as a line of JSON |
//! | `app` | what all parts share: members, clock, output, counts |
//! | `member` | one member of the group: calls with a deadline, and what a failure means |
//! | `load` | writes and reads, drawn |
//! | `watch` | the watch that sees everything |
//! | `leases` | keys that are to go with their lease |
//! | `course` | from the first read to the last line |
//! | `api` | the routes |
//!
//! A call goes to one member and is never repeated: what a client's retries hide is what is looked for.
//! Therefore not `squall_etcd`, which goes on to the next member.
//!
//! Deliberately absent: any judgement (`sim/check` has it); compactions and deletions by request.

mod api;
mod app;
pub mod config;
mod course;
mod leases;
mod line;
mod load;
mod member;
mod watch;

use std::sync::Arc;

use squall_host::launch::BoxError;
use squall_host::serve::Http;
use squall_host::{Diagnostics, Facts, Host, Launch, Loaded, Shutdown};
use tokio::time::sleep;

pub use config::Config;

use crate::app::App;

/// Reads the environment; see [`Config`].
pub fn load(launch: &Launch) -> Result<Loaded, Diagnostics> {
    let config = Config::read(launch)?;
    let facts = Facts {
        listens: vec![(config.listen, None)],
        ..Facts::default()
    };
    Ok(Loaded::new(facts, move |host, shutdown| {
        run(config.clone(), host, shutdown)
    }))
}

/// Works until it is told to stop by `POST /stop`, by its duration or by `shutdown`, reads everything back, and
/// serves until `shutdown`.
pub async fn run(config: Config, host: Host, shutdown: Shutdown) -> Result<(), BoxError> {
    let listener = host.net.listen(config.listen)?;
    let duration = config.duration;
    let app = Arc::new(App::new(config, &host).await?);
    let (stop, stopping) = Shutdown::new();
    let limits = Http {
        connections_max: 64,
        ..Http::default()
    };
    let serving = limits.serve(listener, api::router(&app, stop.clone()), shutdown.clone());
    let told = async {
        let lasts = async {
            match duration {
                Some(duration) => sleep(duration).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = shutdown.requested() => {}
            () = stopping.requested() => {}
            () = lasts => {}
        }
        stop.request();
    };
    tokio::join!(serving, told, course::run(&app, &stopping));
    Ok(())
}
