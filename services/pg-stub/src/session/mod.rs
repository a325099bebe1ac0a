//! One client's session, from its first packet to its end.
//!
//! | module | idea |
//! |---|---|
//! | `startup` | encryption refused, cancel requests, who is it, may it come in |
//! | `transaction` | blocks, savepoints, the writer's lock |
//! | `execute` | one statement |
//! | `waits` | waiting that a cancel, a stop or the client's end interrupts |
//! | `simple`, `extended` | the two query protocols (manual, 55.2) |
//! | `replicate` | a session that follows the log (manual, 55.4) |
//! | `catalog` | what the translator asks |
//! | [`init`] | the session without a client that runs init scripts |

mod catalog;
mod execute;
mod extended;
pub mod init;
mod replicate;
mod simple;
mod startup;
mod transaction;
mod waits;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use pgwire::messages::response::{ReadyForQuery, TransactionStatus};
use pgwire::messages::startup::ParameterStatus;
use squall_host::net::TcpStream;
use tokio::sync::watch;

use crate::engine::context::{Context, SessionFacts};
use crate::engine::database::Database;
use crate::error::PgError;
use crate::frame::{Message, Phase};
use crate::registry::{Place, Signals};
use crate::server::Server;
use crate::settings;
use crate::wire::Wire;

/// How long the last words to a client may take.
const LAST_WORDS_MAX: Duration = Duration::from_secs(1);

/// Why something did not go on.
#[derive(Debug)]
enum Stop {
    /// An error; the session ends if it is fatal.
    Error(PgError),
    /// The client is gone.
    Gone(io::Error),
}

impl From<PgError> for Stop {
    fn from(error: PgError) -> Self {
        Self::Error(error)
    }
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Gone(error)
    }
}

/// `57P01`, what a fast stop and `pg_terminate_backend` say.
fn terminated() -> PgError {
    PgError::fatal(
        "57P01",
        "terminating connection due to administrator command",
    )
}

/// A session that may run statements; without a client for init scripts.
struct Session {
    server: Arc<Server>,
    database: Arc<Database>,
    wire: Option<Wire>,
    signals: watch::Receiver<Signals>,
    pid: i32,
    context: Context,
    /// Settings that this session changed, by lower-case name.
    changed: BTreeMap<String, String>,
    transaction: transaction::Transaction,
    statements: BTreeMap<String, Arc<extended::Statement>>,
    portals: BTreeMap<String, extended::Portal>,
    /// After an error in the extended protocol everything up to Sync is skipped.
    skipping: bool,
    /// Whether it follows the log.
    follows: bool,
    /// Whether no message of the extended protocol has come since the last Sync.
    extended_idle: bool,
    /// Cancels that came before the running statement.
    cancels_seen: u64,
    /// When the running statement must have ended.
    deadline: Option<tokio::time::Instant>,
}

/// Serves one connection.
pub async fn run(
    server: Arc<Server>,
    stream: TcpStream,
    place: Place,
    local: SocketAddr,
    peer: SocketAddr,
) {
    let mut wire = Wire::new(stream);
    let admitted = startup::admit(&server, &mut wire, &place, local, peer).await;
    let admitted = match admitted {
        Ok(Some(admitted)) => admitted,
        Ok(None) => return,
        Err(Stop::Gone(error)) => {
            tracing::debug!(pid = place.pid, %error, "gone before it had a session");
            return;
        }
        Err(Stop::Error(error)) => {
            server.log(place.pid, "FATAL", &error.message);
            wire.put_error(&error);
            wire.close(LAST_WORDS_MAX).await;
            return;
        }
    };
    let facts = Arc::new(SessionFacts {
        server: server.facts.clone(),
        pid: place.pid,
        user: admitted.user,
        database: match &admitted.follows {
            Some(name) => name.clone(),
            None => admitted.database.name.clone(),
        },
        local: Some(local),
        peer: Some(peer),
    });
    let mut session = Session::new(server, admitted.database, facts, place.signals.clone());
    session.changed = admitted.settings;
    session.follows = admitted.follows.is_some();
    session.settings_changed();
    session.wire = Some(wire);
    let end = session.serve(place.secret).await;
    session.abandon();
    let Some(mut wire) = session.wire.take() else {
        return;
    };
    match end {
        Ok(()) => {}
        Err(Stop::Gone(error)) => {
            tracing::debug!(pid = session.pid, %error, "the client is gone");
            if session.server.planted().has("pg-stub/leaks-slots") {
                std::mem::forget(place);
            }
        }
        Err(Stop::Error(error)) => {
            session.server.log(session.pid, "FATAL", &error.message);
            wire.put_error(&error);
            wire.close(LAST_WORDS_MAX).await;
        }
    }
}

impl Session {
    fn new(
        server: Arc<Server>,
        database: Arc<Database>,
        facts: Arc<SessionFacts>,
        signals: watch::Receiver<Signals>,
    ) -> Self {
        let settings = server.settings.clone();
        Self {
            pid: facts.pid,
            context: Context::new(facts, settings),
            server,
            database,
            wire: None,
            signals,
            changed: BTreeMap::new(),
            transaction: transaction::Transaction::default(),
            statements: BTreeMap::new(),
            portals: BTreeMap::new(),
            skipping: false,
            follows: false,
            extended_idle: true,
            cancels_seen: 0,
            deadline: None,
        }
    }

    fn wire(&mut self) -> &mut Wire {
        self.wire
            .as_mut()
            .expect("only the init session has no client, and it sends nothing")
    }

    async fn serve(&mut self, secret: i32) -> Result<(), Stop> {
        startup::greet(self, secret);
        self.flush().await?;
        loop {
            let message = match self.next_message().await? {
                Ok(message) => message,
                Err(error) if error.is_fatal() => return Err(error.into()),
                // Text that is no text: the message is gone, the session is whole.
                Err(error) => {
                    self.failed_message(error).await?;
                    continue;
                }
            };
            match message {
                Message::Terminate(_) => return Ok(()),
                Message::Query(query) => {
                    self.skipping = false;
                    self.simple_query(&query.query).await?;
                }
                Message::Sync(_) => self.sync().await?,
                Message::Flush(_) => self.flush().await?,
                // What is left of a COPY that was refused (manual, 55.2.6).
                Message::CopyData(_) | Message::CopyDone(_) | Message::CopyFail(_) => {}
                Message::Parse(_)
                | Message::Bind(_)
                | Message::Describe(_)
                | Message::Execute(_)
                | Message::Close(_) => {
                    if !self.skipping {
                        self.extended(message).await?;
                    }
                }
                _ => return Err(PgError::protocol("unexpected message").into()),
            }
        }
    }

    /// Waits for the next message; what is due goes out first.
    async fn next_message(&mut self) -> Result<Result<Message, PgError>, Stop> {
        let idle_ms = self.idle_limit_ms();
        let in_block = self.transaction.in_block();
        let Self { wire, signals, .. } = self;
        let wire = wire.as_mut().expect("a session that serves has a client");
        let wait = async {
            tokio::select! {
                biased;
                _ = signals.wait_for(|s| s.terminate) => Err(Stop::Error(terminated())),
                message = wire.message(Phase::Ready) => Ok(message?),
            }
        };
        match idle_ms {
            0 => wait.await,
            limit => match tokio::time::timeout(Duration::from_millis(limit), wait).await {
                Ok(message) => message,
                Err(_) if in_block => Err(PgError::fatal(
                    "25P03",
                    "terminating connection due to idle-in-transaction timeout",
                )
                .into()),
                Err(_) => Err(PgError::fatal(
                    "57P05",
                    "terminating connection due to idle-session timeout",
                )
                .into()),
            },
        }
    }

    fn idle_limit_ms(&self) -> u64 {
        let name = if self.transaction.in_block() {
            "idle_in_transaction_session_timeout"
        } else {
            "idle_session_timeout"
        };
        self.time_setting_ms(name)
    }

    /// A time setting; 0 is none.
    fn time_setting_ms(&self, name: &str) -> u64 {
        settings::lookup(&self.context.settings, name)
            .and_then(|value| settings::parse_time_ms(&value))
            .and_then(|ms| u64::try_from(ms).ok())
            .unwrap_or(0)
    }

    async fn flush(&mut self) -> Result<(), Stop> {
        let Self { wire, .. } = self;
        if let Some(wire) = wire {
            wire.flush().await?;
        }
        Ok(())
    }

    /// An error in a message itself, outside any statement.
    async fn failed_message(&mut self, error: PgError) -> Result<(), Stop> {
        self.wire().put_error(&error);
        self.transaction_failed();
        self.ready();
        self.flush().await
    }

    /// ReadyForQuery.
    fn ready(&mut self) {
        let status = if self.transaction.failed() {
            TransactionStatus::Error
        } else if self.transaction.in_block() {
            TransactionStatus::Transaction
        } else {
            TransactionStatus::Idle
        };
        self.wire().put(&ReadyForQuery::new(status));
    }

    /// Gathers the settings anew after one has changed, and tells the client of those it follows.
    fn settings_changed(&mut self) {
        let before = self.context.settings.clone();
        let mut all = (*self.server.settings).clone();
        all.extend(self.changed.iter().map(|(k, v)| (k.clone(), v.clone())));
        all.extend(
            self.transaction
                .local
                .iter()
                .map(|(k, v)| (k.clone(), v.clone())),
        );
        self.context.settings = Arc::new(all);
        let after = self.context.settings.clone();
        if let Some(name) = after.get("application_name") {
            self.server.registry.set_application(self.pid, name);
        }
        let Some(wire) = &mut self.wire else { return };
        for name in startup::REPORTED {
            let (old, new) = (
                settings::lookup(&before, name),
                settings::lookup(&after, name),
            );
            if old != new {
                let new = new.unwrap_or_default();
                wire.put(&ParameterStatus::new((*name).to_owned(), new));
            }
        }
    }

    /// Undoes what a session leaves behind.
    fn abandon(&mut self) {
        if self.follows {
            self.server.senders.leave(self.pid);
        }
        self.end_transaction(false);
    }

    fn log_failure(&self, error: &PgError, statement: Option<&str>) {
        self.server
            .log(self.pid, error.severity.word(), &error.message);
        if let Some(statement) = statement {
            self.server.log(self.pid, "STATEMENT", statement);
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.abandon();
    }
}
