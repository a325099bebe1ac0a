//! Mode `lock-early-release`: what the original does, defect and all.
//!
//! Each request takes the lock under a lease of its own, and gives it back at once, as the original's
//! deferred unlock is followed by a real one. So nothing protects the get and the put behind it. Besides,
//! the value passes through one variable that all requests of the process share. Increments get lost without
//! any fault. What is not kept of the original: waits without end, and the exit on an etcd error.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use squall_host::output::Output;
use squall_resilient::Deadline;

use crate::error::Undone;
use crate::mutex;
use crate::store::{KEY, Store};

/// Of the lease of a session (etcd's client: `concurrency.NewSession`), in seconds.
const SESSION_TTL_S: i64 = 60;

/// The original's way.
pub(crate) struct Early {
    store: Arc<Store>,
    /// The original's `globalCounter`.
    shared: AtomicI64,
    /// Where it tells what was read and written.
    steps: Option<Output>,
}

impl Early {
    pub(crate) fn new(store: Arc<Store>, steps: Option<Output>) -> Self {
        Self {
            store,
            shared: AtomicI64::new(0),
            steps,
        }
    }

    /// A line that `squall history --draw` knows (docs/src/history.md).
    fn tell(&self, op: &str, value: i64) {
        if let Some(out) = &self.steps {
            out.line(&format!(r#"{{"counter":1,"op":"{op}","value":{value}}}"#));
        }
    }

    /// Adds one to what was read; the value that was shared when it was done.
    pub(crate) async fn increment(&self, deadline: Deadline) -> Result<i64, Undone> {
        let etcd = &self.store.etcd;
        let session = etcd.grant(SESSION_TTL_S, deadline).await.map_err(before)?;
        let locked = self.locked(session.id(), deadline).await;
        // Closing the session deletes what is left of the lock.
        let closing = Deadline::after(self.store.etcd_timeout);
        let _ = etcd.revoke(session.id(), closing).await;
        locked
    }

    async fn locked(&self, lease: i64, deadline: Deadline) -> Result<i64, Undone> {
        let etcd = &self.store.etcd;
        let lock = mutex::key(lease);
        let mine = mutex::want(&self.store, &lock, lease, deadline).await;
        let waited = mutex::wait(etcd, mine.map_err(before)?, deadline).await;
        waited.map_err(before)?;
        let unlocked = etcd.delete(&lock, None, deadline).await;
        unlocked.map_err(before)?;
        // From here on nothing is protected.
        let read = self.store.read(deadline).await.map_err(before)?;
        let value = read.value.ok_or(Undone::Overflow)?;
        self.tell("read", value);
        self.shared.store(value, Ordering::Relaxed);
        let next = self.shared.load(Ordering::Relaxed).checked_add(1);
        self.shared
            .store(next.ok_or(Undone::Overflow)?, Ordering::Relaxed);
        let next = self.shared.load(Ordering::Relaxed);
        etcd.put(KEY, &next.to_string(), None, deadline).await?;
        self.tell("wrote", next);
        Ok(self.shared.load(Ordering::Relaxed))
    }
}

/// Before the put nothing is applied, whatever else became of the lock.
fn before(error: squall_etcd::Error) -> Undone {
    Undone::NotApplied(error.to_string())
}
