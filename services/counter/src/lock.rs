//! Mode `lock`: etcd's mutex, held over the write.
//!
//! The mutex alone does not protect: a holder that is paused for longer than its lease lives on as if it
//! were the owner (etcd's documentation, "why etcd", on `IsOwner`). So the write is a transaction that compares the creation
//! revision of the owner's key. It is deleted with the lease and never comes back with the same one, so the
//! write of who has lost the lock is refused by etcd itself: the fence. The same transaction deletes the
//! key, so the lock is free as soon as the value is written, and that takes no call of its own.
//!
//! The transaction compares the value's revision, too, as in the other modes. That keeps the count right
//! while instances in different modes run at a time, as during a rolling update.

use squall_etcd::client::{Compare, CompareOp, TxnOp};
use squall_etcd::{Error, Lease};
use squall_resilient::Deadline;

use crate::mutex;
use crate::store::Store;

/// This instance's part in the mutex: one session, kept alive, for all of its requests.
pub(crate) struct Holder {
    ttl_s: u16,
    session: Option<Lease>,
    /// Whether the session's key may be there.
    wants: bool,
}

/// The mutex is this instance's, as far as it knows.
pub(crate) struct Owned {
    key: String,
    /// Creation revision of the key.
    mine: i64,
}

impl Holder {
    /// One that has no session yet.
    pub(crate) fn new(ttl_s: u16) -> Self {
        Self {
            ttl_s,
            session: None,
            wants: false,
        }
    }

    /// Waits until the mutex is this instance's. When there is no time left, it goes on wanting it.
    pub(crate) async fn own(&mut self, store: &Store, deadline: Deadline) -> Result<Owned, Error> {
        let session = match self.session.take().filter(|session| !session.is_lost()) {
            Some(session) => session,
            None => Lease::grant(&store.etcd, self.ttl_s.into(), deadline).await?,
        };
        let lease = self.session.insert(session).id();
        let key = mutex::key(lease);
        self.wants = true;
        let wanted = mutex::want(store, &key, lease, deadline).await;
        if matches!(wanted, Err(Error::Refused(_))) {
            self.session = None; // it has ended
        }
        let mine = wanted?;
        if mutex::wait(&store.etcd, mine, deadline).await? {
            store.read(deadline).await?; // the owner before has changed it
        }
        Ok(Owned { key, mine })
    }

    /// The write has given the mutex back.
    pub(crate) fn released(&mut self) {
        self.wants = false;
    }

    /// Gives the mutex back, or the place among those who wait for it, if there is one. By ending the
    /// session: if that fails, the lease is not renewed any more and ends by itself.
    pub(crate) async fn let_go(&mut self, store: &Store) {
        if let Some(session) = self.session.take_if(|_| self.wants) {
            let _ = session.revoke(Deadline::after(store.etcd_timeout)).await;
        }
        self.wants = false;
    }

    /// Ends the session.
    pub(crate) async fn end(mut self, store: &Store) {
        self.wants = true;
        self.let_go(store).await;
    }
}

impl Owned {
    /// What holds only as long as the mutex is this instance's.
    pub(crate) fn guard(&self) -> Compare {
        Compare::create_revision(self.key.as_str(), CompareOp::Equal, self.mine)
    }

    /// What gives it back.
    pub(crate) fn release(&self) -> TxnOp {
        TxnOp::delete(self.key.as_str(), None)
    }
}
