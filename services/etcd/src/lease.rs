//! A lease, kept alive until it is dropped or lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use etcd_client::Client;
use squall_resilient::Deadline;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::error::Error;
use crate::group::{Ask, Etcd};

/// What etcd says of a lease that is not there, or not any more.
pub const NOT_FOUND: &str = "etcdserver: requested lease not found";

/// A lease that is renewed every third of its time, as etcd's client does it. Dropped, it is not renewed any
/// more, and so ends by itself; [`Lease::revoke`] ends it at once.
#[derive(Debug)]
pub struct Lease {
    etcd: Etcd,
    id: i64,
    lost: Arc<AtomicBool>,
    _renewal: JoinSet<()>,
}

impl Lease {
    /// Grants a lease of so many seconds (etcd may make them more) and begins to renew it.
    pub async fn grant(etcd: &Etcd, ttl_s: i64, deadline: Deadline) -> Result<Self, Error> {
        let granted = etcd.grant(ttl_s, deadline).await?;
        let (id, ttl_s) = (granted.id(), granted.ttl().max(1));
        let lost = Arc::new(AtomicBool::new(false));
        let mut renewal = JoinSet::new();
        renewal.spawn(renew(etcd.clone(), id, ttl_s.unsigned_abs(), lost.clone()));
        Ok(Self {
            etcd: etcd.clone(),
            id,
            lost,
            _renewal: renewal,
        })
    }

    /// Its number, for what is put under it.
    pub fn id(&self) -> i64 {
        self.id
    }

    /// Whether it is known to have ended, or could not be renewed for all of its time. The contrary is no
    /// proof: whoever must be sure compares in the transaction.
    pub fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed)
    }

    /// Ends it; its keys are deleted.
    pub async fn revoke(self, deadline: Deadline) -> Result<(), Error> {
        self.etcd.revoke(self.id, deadline).await
    }
}

async fn renew(etcd: Etcd, id: i64, ttl_s: u64, lost: Arc<AtomicBool>) {
    let ttl = Duration::from_secs(ttl_s);
    let mut renewed = Instant::now();
    loop {
        sleep(ttl / 3).await;
        let asked = Instant::now();
        let left = ttl.saturating_sub(renewed.elapsed());
        // A stream for each renewal, on the connection that is there anyway: so it is any member's.
        let keep = |client: &Client| {
            let mut leases = client.lease_client();
            async move { leases.keep_alive(id).await }
        };
        match etcd.call(Ask::Read, Deadline::after(left), keep).await {
            Ok(_) => renewed = asked,
            Err(_) => {
                lost.store(true, Ordering::Relaxed);
                return;
            }
        }
    }
}
