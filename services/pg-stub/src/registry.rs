//! The sessions that there are: slots, process ids, secrets, and signals to them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use rand::RngExt as _;
use tokio::sync::watch;

use crate::engine::context::{ServerFacts, lock};
use crate::error::PgError;

/// The process id of the first session; the ones before are the server's own processes.
const FIRST_PID: i32 = 64;

/// What was asked of a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    /// How often its statement was to be cancelled.
    pub cancels: u64,
    /// Whether it is to end.
    pub terminate: bool,
}

/// Who may come in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Admission {
    /// Nobody: the server starts.
    #[default]
    Starting,
    /// Nobody: what a standby has does not fit together yet.
    NotConsistent,
    /// Nobody: a standby that does not want to be read.
    NoHotStandby,
    /// Everybody.
    Open,
    /// Nobody: the server stops.
    Stopping,
}

impl Admission {
    /// Whether a session may go on.
    fn check(self) -> Result<(), PgError> {
        let refused =
            |message: &str| PgError::fatal("57P03", format!("the database system is {message}"));
        match self {
            Self::Open => Ok(()),
            Self::Starting => Err(refused("starting up")),
            Self::NotConsistent => Err(refused("not yet accepting connections")
                .detail("Consistent recovery state has not been yet reached.")),
            Self::NoHotStandby => {
                Err(refused("not accepting connections").detail("Hot standby mode is disabled."))
            }
            Self::Stopping => Err(refused("shutting down")),
        }
    }
}

/// What others may know of a session.
#[derive(Clone, Debug)]
pub struct Entry {
    secret: i32,
    signals: Arc<watch::Sender<Signals>>,
    /// Its database, once it has one.
    pub database: String,
    /// Its role, once it has one.
    pub user: String,
    /// What it calls itself.
    pub application: String,
    /// Where its client is.
    pub peer: SocketAddr,
    holds_slot: bool,
    sender: bool,
}

#[derive(Default)]
struct Inner {
    last_pid: i32,
    entries: BTreeMap<i32, Entry>,
    admission: Admission,
}

/// All sessions of a server.
pub struct Registry {
    inner: Mutex<Inner>,
    /// `max_connections`.
    pub slots: usize,
    /// `superuser_reserved_connections`.
    pub reserved: usize,
}

/// A session's place, given back when dropped.
pub struct Place {
    registry: Arc<Registry>,
    /// The process id that it shows.
    pub pid: i32,
    /// What lets a client cancel its statements.
    pub secret: i32,
    /// What is asked of it.
    pub signals: watch::Receiver<Signals>,
}

impl Drop for Place {
    fn drop(&mut self) {
        lock(&self.registry.inner).entries.remove(&self.pid);
    }
}

impl Registry {
    /// With so many slots.
    pub fn new(slots: usize, reserved: usize) -> Self {
        Self {
            inner: Mutex::default(),
            slots,
            reserved,
        }
    }

    /// A place for a connection that has not said anything; `None` when there are far too many.
    /// Connections that are only being refused take places too, up to as many again.
    pub fn enter(self: &Arc<Self>, facts: &ServerFacts, peer: SocketAddr) -> Option<Place> {
        let mut inner = lock(&self.inner);
        if inner.entries.len() >= self.slots.saturating_mul(2) {
            return None;
        }
        inner.last_pid = if inner.last_pid == i32::MAX {
            FIRST_PID
        } else {
            (inner.last_pid + 1).max(FIRST_PID)
        };
        let pid = inner.last_pid;
        let secret: i32 = lock(&facts.random).random();
        let (sender, signals) = watch::channel(Signals::default());
        let taken = inner.entries.values().filter(|e| e.holds_slot).count();
        inner.entries.insert(
            pid,
            Entry {
                secret,
                signals: Arc::new(sender),
                database: String::new(),
                user: String::new(),
                application: String::new(),
                peer,
                holds_slot: taken < self.slots,
                sender: false,
            },
        );
        Some(Place {
            registry: self.clone(),
            pid,
            secret,
            signals,
        })
    }

    /// Says who may come in.
    pub fn open(&self, admission: Admission) {
        let mut inner = lock(&self.inner);
        if inner.admission != Admission::Stopping {
            inner.admission = admission;
        }
    }

    /// Whether a new session may go on: the server lets it, and there is a slot for it.
    pub fn admit(&self, pid: i32) -> Result<(), PgError> {
        let inner = lock(&self.inner);
        inner.admission.check()?;
        match inner.entries.get(&pid) {
            Some(entry) if entry.holds_slot => Ok(()),
            _ => Err(PgError::fatal("53300", "sorry, too many clients already")),
        }
    }

    /// Like [`Registry::admit`] for one that wants to follow the log; it needs no slot.
    pub fn admit_sender(&self, pid: i32) -> Result<(), PgError> {
        let mut inner = lock(&self.inner);
        inner.admission.check()?;
        if let Some(entry) = inner.entries.get_mut(&pid) {
            entry.holds_slot = false;
            entry.sender = true;
        }
        Ok(())
    }

    /// Notes who a session is; refuses those who may not have the reserved slots.
    pub fn name(
        &self,
        pid: i32,
        user: &str,
        database: &str,
        superuser: bool,
    ) -> Result<(), PgError> {
        let mut inner = lock(&self.inner);
        let taken = inner.entries.values().filter(|e| e.holds_slot).count();
        let is_sender = inner.entries.get(&pid).is_some_and(|entry| entry.sender);
        if !superuser && !is_sender && taken > self.slots.saturating_sub(self.reserved) {
            return Err(PgError::fatal(
                "53300",
                "remaining connection slots are reserved for non-replication superuser connections",
            ));
        }
        if let Some(entry) = inner.entries.get_mut(&pid) {
            user.clone_into(&mut entry.user);
            database.clone_into(&mut entry.database);
        }
        Ok(())
    }

    /// Notes what a session calls itself.
    pub fn set_application(&self, pid: i32, name: &str) {
        if let Some(entry) = lock(&self.inner).entries.get_mut(&pid) {
            name.clone_into(&mut entry.application);
        }
    }

    /// Asks for a statement's end; with a wrong secret nothing happens.
    pub fn cancel(&self, pid: i32, secret: Option<i32>) -> bool {
        let inner = lock(&self.inner);
        match inner.entries.get(&pid) {
            Some(entry) if secret.is_none_or(|secret| secret == entry.secret) => {
                entry.signals.send_modify(|signals| signals.cancels += 1);
                true
            }
            _ => false,
        }
    }

    /// Asks for a session's end.
    pub fn terminate(&self, pid: i32) -> bool {
        let inner = lock(&self.inner);
        match inner.entries.get(&pid) {
            Some(entry) => {
                entry
                    .signals
                    .send_modify(|signals| signals.terminate = true);
                true
            }
            None => false,
        }
    }

    /// Asks for the end of all sessions, and lets no new one in. Those that follow the log stay.
    pub fn stop(&self) {
        let mut inner = lock(&self.inner);
        inner.admission = Admission::Stopping;
        Self::terminate_all(&inner, false);
    }

    /// Asks those that follow the log to end when they have all of it.
    pub fn stop_senders(&self) {
        Self::terminate_all(&lock(&self.inner), true);
    }

    fn terminate_all(inner: &Inner, senders: bool) {
        for entry in inner
            .entries
            .values()
            .filter(|entry| entry.sender == senders)
        {
            entry
                .signals
                .send_modify(|signals| signals.terminate = true);
        }
    }

    /// Whether there are sessions, apart from those that follow the log.
    pub fn has_sessions(&self) -> bool {
        lock(&self.inner)
            .entries
            .values()
            .any(|entry| !entry.sender)
    }

    /// Whether a database has sessions other than `pid`.
    pub fn uses(&self, database: &str, pid: i32) -> bool {
        lock(&self.inner)
            .entries
            .iter()
            .any(|(other, entry)| *other != pid && entry.database == database)
    }

    /// All sessions that have a role, by process id.
    pub fn sessions(&self) -> Vec<(i32, Entry)> {
        lock(&self.inner)
            .entries
            .iter()
            .filter(|(_, entry)| !entry.user.is_empty())
            .map(|(pid, entry)| (*pid, entry.clone()))
            .collect()
    }
}
