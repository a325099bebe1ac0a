//! Waiting while a statement runs: a cancel, a stop, the client's end or a timeout ends it.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use super::{Session, Stop, terminated};
use crate::error::PgError;

/// `57014`.
fn cancelled() -> PgError {
    PgError::new("57014", "canceling statement due to user request")
}

impl Session {
    /// When the statement that starts now must have ended.
    pub(super) fn statement_deadline(&self) -> Option<Instant> {
        match self.time_setting_ms("statement_timeout") {
            0 => None,
            ms => Some(Instant::now() + Duration::from_millis(ms)),
        }
    }

    /// Waits for `future`. `limit` is a bound with its error.
    pub(super) async fn wait_for<F: Future>(
        &mut self,
        future: F,
        limit: Option<(Duration, PgError)>,
    ) -> Result<F::Output, Stop> {
        let statement_limit = self.deadline;
        let seen = self.cancels_seen;
        let Self { wire, signals, .. } = self;
        // What the client was promised so far goes out before a wait.
        if let Some(wire) = wire {
            wire.flush().await?;
        }
        let gone = async {
            match wire {
                Some(wire) => wire.gone().await,
                None => std::future::pending().await,
            }
        };
        let limited = async {
            match limit {
                Some((limit, error)) => {
                    tokio::time::sleep(limit).await;
                    error
                }
                None => std::future::pending().await,
            }
        };
        let timed_out = async {
            match statement_limit {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let signalled = async {
            let wanted = signals.wait_for(|s| s.terminate || s.cancels > seen).await;
            let terminate = wanted.map(|signals| signals.terminate);
            match terminate {
                Ok(true) => terminated(),
                Ok(false) => cancelled(),
                // Whoever could signal is gone: the init session.
                Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            error = signalled => Err(error.into()),
            output = future => Ok(output),
            error = gone => Err(Stop::Gone(error)),
            () = timed_out => {
                Err(PgError::new("57014", "canceling statement due to statement timeout").into())
            }
            error = limited => Err(error.into()),
        }
    }

    /// Notes which cancels came before the statement that starts now; they are not meant for it.
    pub(super) fn forget_cancels(&mut self) {
        self.cancels_seen = self.signals.borrow().cancels;
        self.deadline = self.statement_deadline();
    }
}
