//! Whether the instance would serve a request: not when it is about to stop, and only when a database
//! has just answered.
//!
//! Deliberately absent: what each of its clients' requests met. A probe asks a question of its own.

use std::time::Duration;

use squall_host::{Host, Shutdown};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::config::{Config, Database};
use crate::database;

/// For so long an answer stands, so that many probes are no load for the database.
const STANDS: Duration = Duration::from_secs(1);

pub(crate) struct Readiness {
    host: Host,
    database: Database,
    timeout: Duration,
    shutdown: Shutdown,
    /// The last look, and when it ended. Held during a look: there is one at a time.
    last: Mutex<Option<(Instant, Result<(), String>)>>,
}

impl Readiness {
    pub(crate) fn new(host: Host, config: &Config, shutdown: Shutdown) -> Self {
        Self {
            host,
            database: config.database.clone(),
            timeout: config.ready_timeout,
            shutdown,
            last: Mutex::new(None),
        }
    }

    /// `Ok` when a request would be served; otherwise the reason why not.
    pub(crate) async fn look(&self) -> Result<(), String> {
        let looked = self.database_answers().await;
        if self.shutdown.is_requested() {
            return Err("it is about to stop".to_owned());
        }
        looked
    }

    async fn database_answers(&self) -> Result<(), String> {
        if self.shutdown.is_requested() {
            return Ok(()); // what the database says matters no more
        }
        let mut last = self.last.lock().await;
        if let Some((at, answer)) = &*last
            && at.elapsed() < STANDS
        {
            return answer.clone();
        }
        let asking = database::ask::<1>(&self.host, &self.database, &["SELECT 1"]);
        let answer = match timeout(self.timeout, asking).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no database answered within {:?}", self.timeout)),
        };
        *last = Some((Instant::now(), answer.clone()));
        answer
    }
}
