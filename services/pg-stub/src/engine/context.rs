//! What a running statement can ask about its session and its server.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use rand::SeedableRng;
use rand::rngs::{StdRng, SysRng};

use crate::error::{Error, PgError};
use crate::replication::history::History;
use crate::replication::standby::Standby;
use crate::wal::log::Log;

/// Locks a mutex whose holders do not panic; if one did, its data is still whole.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Microseconds since 1970 by this machine's wall clock.
pub fn wall_us() -> i64 {
    match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => after.as_micros() as i64,
        Err(before) => -(before.duration().as_micros() as i64),
    }
}

/// Whether this server may write. The one place that says so; recovery sets it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Recovery {
    /// A primary.
    #[default]
    Done,
    /// A hot standby: reads only.
    Standby,
}

/// What all sessions of a server share.
pub struct ServerFacts {
    /// When it started, microseconds since 1970.
    pub started_us: i64,
    /// Whether it may write.
    pub recovery: Mutex<Recovery>,
    /// All randomness of this server, seeded once from the operating system.
    pub random: Mutex<StdRng>,
    /// Its log.
    pub wal: Log,
    /// What it does and did as a standby.
    pub standby: Standby,
    /// Where earlier timelines ended.
    pub history: Mutex<History>,
}

impl ServerFacts {
    /// Of a server that starts now, and cannot know yet whether it is a primary.
    pub fn new(wal: Log) -> Result<Self, Error> {
        let random = StdRng::try_from_rng(&mut SysRng)
            .map_err(|error| Error::Engine(format!("no entropy: {error}")))?;
        Ok(Self {
            started_us: wall_us(),
            recovery: Mutex::new(Recovery::Standby),
            random: Mutex::new(random),
            wal,
            standby: Standby::default(),
            history: Mutex::default(),
        })
    }

    /// Whether this server is a standby.
    pub fn in_recovery(&self) -> bool {
        *lock(&self.recovery) == Recovery::Standby
    }
}

/// What does not change while a session lives.
pub struct SessionFacts {
    /// Its server.
    pub server: Arc<ServerFacts>,
    /// The process id that it shows.
    pub pid: i32,
    /// The role that logged in.
    pub user: String,
    /// The database.
    pub database: String,
    /// The server's end of the connection; `None` for the session that runs init scripts.
    pub local: Option<SocketAddr>,
    /// The client's end.
    pub peer: Option<SocketAddr>,
}

/// A request of one session to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `pg_cancel_backend`.
    Cancel(i32),
    /// `pg_terminate_backend`.
    Terminate(i32),
}

/// What a statement sees, and what it asks of its session.
#[derive(Clone)]
pub struct Context {
    /// Its session.
    pub session: Arc<SessionFacts>,
    /// `now()`.
    pub transaction_us: i64,
    /// `statement_timestamp()`.
    pub statement_us: i64,
    /// The session's settings, for `current_setting`.
    pub settings: Arc<BTreeMap<String, String>>,
    /// Whether the transaction may not write.
    pub read_only: bool,
    /// Asked for: sleep before the answer, microseconds.
    pub sleep_us: i64,
    /// Asked for: signals to other sessions.
    pub signals: Vec<Signal>,
    /// Asked for: settings changed by `set_config`, and whether for the transaction alone.
    pub set: Vec<(String, String, bool)>,
    /// Asked for: sequences whose values the log does not cover.
    pub sequences_moved: BTreeSet<String>,
    /// Asked for: to be a primary, and for how many seconds to wait for that.
    pub promote: Option<i64>,
    /// The last value of each sequence in this session, for `currval`.
    pub sequences: BTreeMap<String, i64>,
    /// The last sequence used, for `lastval`.
    pub last_sequence: Option<String>,
    /// The error with its SQLSTATE, which SQLite's own error cannot carry.
    pub error: Option<PgError>,
}

impl Context {
    /// For a session that has not run anything yet.
    pub fn new(session: Arc<SessionFacts>, settings: Arc<BTreeMap<String, String>>) -> Self {
        Self {
            session,
            transaction_us: 0,
            statement_us: 0,
            settings,
            read_only: false,
            sleep_us: 0,
            signals: Vec::new(),
            set: Vec::new(),
            sequences_moved: BTreeSet::new(),
            promote: None,
            sequences: BTreeMap::new(),
            last_sequence: None,
            error: None,
        }
    }
}
