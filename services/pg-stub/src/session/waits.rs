//! Waiting while a statement runs: a cancel, a stop, the client's end or a timeout ends it.

use std::future::Future;
use std::time::Duration;

use tokio::time::Instant;

use super::{Session, Stop, terminated};
use crate::error::PgError;
use crate::replication::synchronous::Wait;
use crate::settings;
use crate::wal::lsn::Lsn;

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

    /// Waits until the log up to `end` is as durable as `synchronous_commit` wants it. Only the wait
    /// for standbys can be interrupted; what is committed here stays so (syncrep.c).
    pub(super) async fn wait_durable(&mut self, end: Lsn) -> Result<(), Stop> {
        let mode = settings::lookup(&self.context.settings, "synchronous_commit");
        let mode = mode.unwrap_or_default();
        if settings::parse_bool(&mode) == Some(false) {
            return Ok(());
        }
        let server = self.server.clone();
        server.facts.wal.flush(end).await;
        let (Some(synchronous), Some(wait)) = (&server.synchronous, Wait::of_setting(&mode)) else {
            return Ok(());
        };
        let mut changed = server.senders.watch();
        let (seen, mut signals) = (self.cancels_seen, self.signals.clone());
        loop {
            let reached = synchronous.reached(&server.senders.list(), wait);
            if reached.is_some_and(|reached| reached >= end) {
                return Ok(());
            }
            let signalled = async {
                let wanted = signals.wait_for(|s| s.terminate || s.cancels > seen).await;
                let terminate = wanted.map(|signals| signals.terminate);
                match terminate {
                    Ok(terminate) => terminate,
                    Err(_) => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                terminate = signalled => return self.stop_waiting(terminate),
                _ = changed.changed() => {}
            }
        }
    }

    fn stop_waiting(&mut self, terminate: bool) -> Result<(), Stop> {
        let (code, said) = match terminate {
            true => (
                "57P01",
                "canceling the wait for synchronous replication and terminating connection",
            ),
            false => (
                "01000",
                "canceling wait for synchronous replication due to user request",
            ),
        };
        let warning = PgError::warning(code, said).detail(
            "The transaction has already committed locally, but might not have been replicated to the standby.",
        );
        self.log_failure(&warning, None);
        if let Some(wire) = &mut self.wire {
            wire.put_error(&warning);
        }
        match terminate {
            // The client is not told whether it is committed.
            true => Err(Stop::Gone(std::io::ErrorKind::ConnectionAborted.into())),
            false => Ok(()),
        }
    }

    /// Notes which cancels came before the statement that starts now; they are not meant for it.
    pub(super) fn forget_cancels(&mut self) {
        self.cancels_seen = self.signals.borrow().cancels;
        self.deadline = self.statement_deadline();
    }
}
