//! One upstream while edge runs: its servers' state and its idle connections.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use squall_host::planted::Planted;

use crate::balance::{Group, Outcome, Selection};
use crate::clock;
use crate::config::upstream::UpstreamConf;
use crate::pool::Pool;

/// A group of servers.
pub(crate) struct Upstream {
    group: Mutex<Group>,
    /// For `keepalive`.
    pub(crate) pool: Option<Arc<Pool>>,
    pub(crate) planted: Planted,
}

impl Upstream {
    pub(crate) fn new(conf: &UpstreamConf, planted: &Planted) -> Self {
        Self {
            group: Mutex::new(Group::new(&conf.name, &conf.method, planted)),
            pool: conf
                .keepalive
                .clone()
                .map(|keepalive| Arc::new(Pool::new(keepalive, planted))),
            planted: planted.clone(),
        }
    }

    pub(crate) fn group(&self) -> MutexGuard<'_, Group> {
        self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One request's way through the servers of an upstream. The server that is being tried is given
/// back when this is dropped, so that a client that leaves does not leave a connection counted.
pub(crate) struct Lease {
    upstream: Arc<Upstream>,
    selection: Selection,
}

impl Lease {
    pub(crate) fn new(
        upstream: Arc<Upstream>,
        client: IpAddr,
        key: String,
        tries_max: u32,
    ) -> Self {
        let mut selection = upstream.group().begin(client, key);
        if tries_max > 0 {
            selection.tries = selection.tries.min(tries_max);
        }
        Self {
            upstream,
            selection,
        }
    }

    pub(crate) fn upstream(&self) -> &Arc<Upstream> {
        &self.upstream
    }

    pub(crate) fn tries(&self) -> u32 {
        self.selection.tries
    }

    /// A kept connection that turned out dead says nothing of its server: it may be tried again.
    pub(crate) fn add_try(&mut self) {
        self.selection.tries += 1;
    }

    /// The next server; or the name of the group when none is live.
    pub(crate) fn pick(&mut self) -> Result<(Arc<str>, std::net::SocketAddr), Arc<str>> {
        let mut group = self.upstream.group();
        let picked = group.pick(&mut self.selection, clock::now_s());
        picked.ok_or_else(|| group.name().clone())
    }

    /// Ends the try of the current server. Says whether it is now unavailable.
    pub(crate) fn release(&mut self, outcome: Outcome) -> bool {
        let mut group = self.upstream.group();
        group.release(&mut self.selection, outcome, clock::now_s())
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.release(Outcome::Done);
    }
}
