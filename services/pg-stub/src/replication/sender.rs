//! What a primary knows of those that follow it: `pg_stat_replication`, slots, and who is waited for.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Mutex;

use tokio::sync::watch;

use crate::engine::context::lock;
use crate::error::PgError;
use crate::wal::lsn::Lsn;

/// `state` of `pg_stat_replication`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SenderState {
    /// It has not asked for anything.
    #[default]
    Startup,
    /// It copies the data folder.
    Backup,
    /// It is behind.
    Catchup,
    /// It has all there is.
    Streaming,
}

impl SenderState {
    /// PostgreSQL's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Backup => "backup",
            Self::Catchup => "catchup",
            Self::Streaming => "streaming",
        }
    }
}

/// One that follows.
#[derive(Clone, Debug, Default)]
pub struct SenderStatus {
    /// Its role.
    pub user: String,
    /// Its role's OID.
    pub user_oid: u32,
    /// What it calls itself.
    pub application: String,
    /// Where it is.
    pub peer: Option<SocketAddr>,
    /// When it came, microseconds since 1970.
    pub started_us: i64,
    /// What it does.
    pub state: SenderState,
    /// Up to where it was sent the log.
    pub sent: Lsn,
    /// Up to where it has written it.
    pub write: Lsn,
    /// Up to where it is durable there.
    pub flush: Lsn,
    /// Up to where it is replayed there.
    pub replay: Lsn,
    /// When it last answered, microseconds since 1970; 0 for never.
    pub replied_us: i64,
    /// The slot that it uses.
    pub slot: Option<String>,
}

/// A replication slot: log from `restart` on is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Slot {
    /// The first place that is still wanted; 0 while nobody has said.
    pub restart: Lsn,
    /// Whether it ends with the session that made it.
    pub temporary: bool,
    /// The process that uses it.
    pub active: Option<i32>,
}

/// All that follow.
#[derive(Default)]
pub struct Senders {
    all: Mutex<BTreeMap<i32, SenderStatus>>,
    slots: Mutex<BTreeMap<String, Slot>>,
    changed: watch::Sender<u64>,
}

impl Senders {
    /// One more; `most` is `max_wal_senders`.
    pub fn enter(&self, pid: i32, status: SenderStatus, most: usize) -> Result<(), PgError> {
        let mut all = lock(&self.all);
        if all.len() >= most {
            return Err(PgError::fatal(
                "53300",
                format!(
                    "number of requested standby connections exceeds max_wal_senders (currently {most})"
                ),
            ));
        }
        all.insert(pid, status);
        Ok(())
    }

    /// One less.
    pub fn leave(&self, pid: i32) {
        lock(&self.all).remove(&pid);
        let mut slots = lock(&self.slots);
        slots.retain(|_, slot| !(slot.temporary && slot.active == Some(pid)));
        for slot in slots.values_mut().filter(|slot| slot.active == Some(pid)) {
            slot.active = None;
        }
        drop(slots);
        self.tell();
    }

    /// Something of one is different now.
    pub fn update(&self, pid: i32, change: impl FnOnce(&mut SenderStatus)) {
        if let Some(status) = lock(&self.all).get_mut(&pid) {
            change(status);
            if let (Some(name), true) = (&status.slot, status.flush > Lsn(0))
                && let Some(slot) = lock(&self.slots).get_mut(name)
            {
                slot.restart = slot.restart.max(status.flush);
            }
        }
        self.tell();
    }

    fn tell(&self) {
        self.changed.send_modify(|version| *version += 1);
    }

    /// Tells whenever something is different.
    pub fn watch(&self) -> watch::Receiver<u64> {
        self.changed.subscribe()
    }

    /// All, by process id.
    pub fn list(&self) -> Vec<(i32, SenderStatus)> {
        lock(&self.all)
            .iter()
            .map(|(pid, s)| (*pid, s.clone()))
            .collect()
    }

    /// All slots, by name.
    pub fn slots(&self) -> Vec<(String, Slot)> {
        lock(&self.slots)
            .iter()
            .map(|(name, slot)| (name.clone(), *slot))
            .collect()
    }

    /// The first place of the log that a slot keeps.
    pub fn oldest_slot(&self) -> Option<Lsn> {
        lock(&self.slots)
            .values()
            .map(|slot| slot.restart)
            .filter(|at| *at > Lsn(0))
            .min()
    }

    /// Makes a slot; `most` is `max_replication_slots`.
    pub fn create_slot(&self, name: &str, slot: Slot, most: usize) -> Result<(), PgError> {
        let mut slots = lock(&self.slots);
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.is_empty() || name.len() > 63 || !name.chars().all(plain) {
            return Err(PgError::new(
                "42602",
                format!("replication slot name \"{name}\" contains invalid character"),
            )
            .hint("Replication slot names may only contain lower case letters, numbers, and the underscore character."));
        }
        if slots.contains_key(name) {
            return Err(PgError::new(
                "42710",
                format!("replication slot \"{name}\" already exists"),
            ));
        }
        if slots.len() >= most {
            return Err(PgError::new("53400", "all replication slots are in use")
                .hint("Free one or increase max_replication_slots."));
        }
        slots.insert(name.to_owned(), slot);
        Ok(())
    }

    /// Ends a slot.
    pub fn drop_slot(&self, name: &str) -> Result<(), PgError> {
        let mut slots = lock(&self.slots);
        match slots.get(name) {
            None => Err(no_slot(name)),
            Some(Slot {
                active: Some(pid), ..
            }) => Err(in_use(name, *pid)),
            Some(_) => {
                slots.remove(name);
                Ok(())
            }
        }
    }

    /// Takes a slot for a session.
    pub fn use_slot(&self, name: &str, pid: i32) -> Result<(), PgError> {
        match lock(&self.slots).get_mut(name) {
            None => Err(no_slot(name)),
            Some(Slot {
                active: Some(other),
                ..
            }) if *other != pid => Err(in_use(name, *other)),
            Some(slot) => {
                slot.active = Some(pid);
                Ok(())
            }
        }
    }
}

fn no_slot(name: &str) -> PgError {
    PgError::new(
        "42704",
        format!("replication slot \"{name}\" does not exist"),
    )
}

fn in_use(name: &str, pid: i32) -> PgError {
    PgError::new(
        "55006",
        format!("replication slot \"{name}\" is active for PID {pid}"),
    )
}
