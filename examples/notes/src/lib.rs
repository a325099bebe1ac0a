//! Notes that survive: a primary writes each note to its log, sends it to a backup, and acknowledges
//! it once both have it on disk. A backup is the same service without a backup of its own.
//!
//! | request | answer |
//! |---|---|
//! | `PUT /notes/ID` with a text | 201 when the note is safe; 503 when it may be lost |
//! | `GET /notes` | all notes as JSON, `{"ID": "text"}` |
//!
//! | module | idea |
//! |---|---|
//! | `config` | the environment, read |
//! | `log` | notes on disk, one line each |
//! | `client` | the client of the service, which the primary uses as well |
//!
//! The service knows nothing of Squall but [`squall_host::Host`], which gives it its sockets and its
//! disk. Deliberately absent: choosing a new primary, and catching up a backup that was away.

mod client;
mod config;
mod log;

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use squall_host::{Diagnostics, Facts, Host, Launch, Loaded, Shutdown};
use tokio::sync::Mutex;

pub use client::Client;
pub use config::{Acknowledge, Config};
use log::Log;

/// Notes by their ids.
pub type Notes = BTreeMap<String, String>;

/// Reads the environment; for a simulation that reads a Compose file.
pub fn load(launch: &Launch) -> Result<Loaded, Diagnostics> {
    let config = Config::read(&launch.env)?;
    Ok(Loaded::new(Facts::default(), move |host, shutdown| {
        run(config.clone(), host, shutdown)
    }))
}

/// Serves until a stop is asked for.
pub async fn run(config: Config, host: Host, shutdown: Shutdown) -> io::Result<()> {
    let (log, notes) = Log::open(host.disk.clone(), &config.log).await?;
    let backup = config.backup.as_deref();
    let app = App {
        notes: Mutex::new(notes),
        log,
        backup: backup.map(|address| Client::new(&host, address)),
        acknowledge: config.acknowledge,
    };
    let routes = Router::new()
        .route("/notes", get(read))
        .route("/notes/{id}", put(write))
        .with_state(Arc::new(app));
    let listener = host.net.listen(config.listen)?;
    axum::serve(listener, routes)
        .with_graceful_shutdown(async move { shutdown.requested().await })
        .await
}

struct App {
    notes: Mutex<Notes>,
    log: Log,
    backup: Option<Client>,
    acknowledge: Acknowledge,
}

async fn read(State(app): State<Arc<App>>) -> Json<Notes> {
    Json(app.notes.lock().await.clone())
}

async fn write(State(app): State<Arc<App>>, Path(id): Path<String>, text: String) -> StatusCode {
    // Kept to the end: notes reach log and backup in one order.
    let mut notes = app.notes.lock().await;
    notes.insert(id.clone(), text.clone());
    if app.acknowledge == Acknowledge::Early {
        let app = app.clone();
        tokio::spawn(async move { app.make_safe(&id, &text).await });
        return StatusCode::CREATED;
    }
    match app.make_safe(&id, &text).await {
        Ok(()) => StatusCode::CREATED,
        // It may be there or not; whoever asked has to ask again.
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl App {
    /// Puts a note where it survives: on this disk and on the backup's.
    async fn make_safe(&self, id: &str, text: &str) -> io::Result<()> {
        self.log.append(id, text).await?;
        match &self.backup {
            Some(backup) => backup.put(id, text).await,
            None => Ok(()),
        }
    }
}
