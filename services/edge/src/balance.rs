//! Which server of a group gets a request, and what its failures do to it.
//!
//! The rules are those of `ngx_http_upstream_round_robin.c` and its siblings as of nginx 1.27:
//! smooth weighted round robin; `max_fails` failures make a server unavailable for `fail_timeout`
//! whole seconds, after which one request tries it; a server that is alone is never unavailable.
//! All is plain state and a clock in seconds that the caller reads; no I/O, no waiting.

mod hash;
mod select;
#[cfg(test)]
mod tests;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use squall_host::planted::Planted;

use crate::config::upstream::{Method, ServerConf};
use hash::Point;

/// One address of one `server` line.
#[derive(Clone, Debug)]
pub(crate) struct Peer {
    /// Never used again for another within its group.
    pub(crate) id: u32,
    /// Place of its `server` line in the group.
    server: usize,
    /// The `server` line's address as written.
    text: Arc<str>,
    /// As `$upstream_addr` names it.
    pub(crate) name: Arc<str>,
    pub(crate) address: SocketAddr,
    weight: i64,
    current_weight: i64,
    effective_weight: i64,
    fails: u32,
    accessed_s: i64,
    checked_s: i64,
    conns: u32,
    max_fails: u32,
    fail_timeout_s: i64,
    max_conns: u32,
    down: bool,
}

/// The servers of one upstream and their state.
#[derive(Debug)]
pub(crate) struct Group {
    name: Arc<str>,
    method: Choice,
    primary: Vec<Peer>,
    backup: Vec<Peer>,
    points: Vec<Point>,
    next_id: u32,
    planted: Planted,
}

/// [`Method`] without its key, which is evaluated for each request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Choice {
    RoundRobin,
    LeastConn,
    IpHash,
    Hash,
    ConsistentHash,
}

/// What one request has tried so far.
#[derive(Debug)]
pub(crate) struct Selection {
    tried: Vec<u32>,
    on_backup: bool,
    current: Option<u32>,
    /// How many more servers may be tried; 0 ends it.
    pub(crate) tries: u32,
    client: IpAddr,
    key: String,
    hash: u32,
    rehash: u32,
    hash_tries: u32,
}

/// How a try ended, for the server's sake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It answered, or the client left.
    Done,
    /// It answered with what sends the request on, but is not to blame (403, 404).
    Next,
    /// It is to blame.
    Failed,
}

impl Group {
    pub(crate) fn new(name: &Arc<str>, method: &Method, planted: &Planted) -> Self {
        Self {
            name: name.clone(),
            method: match method {
                Method::RoundRobin => Choice::RoundRobin,
                Method::LeastConn => Choice::LeastConn,
                Method::IpHash => Choice::IpHash,
                Method::Hash {
                    consistent: false, ..
                } => Choice::Hash,
                Method::Hash {
                    consistent: true, ..
                } => Choice::ConsistentHash,
            },
            primary: Vec::new(),
            backup: Vec::new(),
            points: Vec::new(),
            next_id: 0,
            planted: planted.clone(),
        }
    }

    /// Makes `addresses` the peers of the `server` line at place `server`. Peers that stay keep
    /// their state. Says whether anything changed.
    pub(crate) fn set_addresses(
        &mut self,
        server: usize,
        conf: &ServerConf,
        addresses: &[IpAddr],
    ) -> bool {
        let peers = if conf.backup {
            &mut self.backup
        } else {
            &mut self.primary
        };
        let before = peers.len();
        let wanted = |peer: &Peer| addresses.contains(&peer.address.ip());
        peers.retain(|peer| peer.server != server || wanted(peer));
        let mut changed = peers.len() != before;
        for ip in addresses {
            let address = SocketAddr::new(*ip, conf.port);
            if peers
                .iter()
                .any(|p| p.server == server && p.address == address)
            {
                continue;
            }
            changed = true;
            // Peers stand in the order of their `server` lines.
            let at = peers.iter().position(|peer| peer.server > server);
            let id = self.next_id;
            self.next_id += 1;
            let mut peer = Peer::new(id, server, conf, address);
            if self.planted.has("edge/never-forgives") {
                peer.fail_timeout_s *= 1000;
            }
            peers.insert(at.unwrap_or(peers.len()), peer);
        }
        if changed && self.method == Choice::ConsistentHash {
            self.points = hash::points(&self.primary);
        }
        changed
    }

    /// As `$upstream_addr` names the group itself.
    pub(crate) fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// Starts the choice for one request. `key` is that of `hash`.
    pub(crate) fn begin(&self, client: IpAddr, key: String) -> Selection {
        let usable = self
            .primary
            .iter()
            .chain(&self.backup)
            .filter(|peer| !peer.down);
        Selection {
            tried: Vec::new(),
            on_backup: false,
            current: None,
            tries: usable.count() as u32,
            client,
            key,
            hash: 89,
            rehash: 0,
            hash_tries: 0,
        }
    }

    /// The server for the next try; `None` when none is live.
    pub(crate) fn pick(
        &mut self,
        selection: &mut Selection,
        now_s: i64,
    ) -> Option<(Arc<str>, SocketAddr)> {
        let mut found = self.pick_among(selection, now_s);
        if found.is_none() && !selection.on_backup && !self.backup.is_empty() {
            selection.on_backup = true;
            selection.tried.clear();
            found = self.pick_among(selection, now_s);
        }
        let peers = if selection.on_backup {
            &mut self.backup
        } else {
            &mut self.primary
        };
        let peer = &mut peers[found?];
        peer.conns += 1;
        selection.current = Some(peer.id);
        Some((peer.name.clone(), peer.address))
    }

    /// Ends the try that [`Group::pick`] began. Says whether the server is now unavailable.
    pub(crate) fn release(
        &mut self,
        selection: &mut Selection,
        outcome: Outcome,
        now_s: i64,
    ) -> bool {
        let Some(id) = selection.current.take() else {
            return false;
        };
        let single = self.is_single();
        let mut peers = self.primary.iter_mut().chain(&mut self.backup);
        let peer = peers.find(|peer| peer.id == id);
        if single {
            selection.tries = 0;
        } else {
            selection.tries = selection.tries.saturating_sub(1);
        }
        // It may be gone by now, when names are resolved while running.
        let Some(peer) = peer else {
            return false;
        };
        peer.conns = peer.conns.saturating_sub(1);
        if single {
            peer.fails = 0;
            return false;
        }
        if outcome != Outcome::Failed {
            if peer.accessed_s < peer.checked_s {
                peer.fails = 0;
            }
            return false;
        }
        peer.fails += 1;
        peer.accessed_s = now_s;
        peer.checked_s = now_s;
        if peer.max_fails > 0 {
            peer.effective_weight -= peer.weight / i64::from(peer.max_fails);
        }
        peer.effective_weight = peer.effective_weight.max(0);
        peer.max_fails > 0 && peer.fails >= peer.max_fails
    }

    fn is_single(&self) -> bool {
        self.primary.len() == 1 && self.backup.is_empty()
    }
}

impl Peer {
    fn new(id: u32, server: usize, conf: &ServerConf, address: SocketAddr) -> Self {
        Self {
            id,
            server,
            text: conf.text.clone(),
            name: address.to_string().into(),
            address,
            weight: conf.weight,
            current_weight: 0,
            effective_weight: conf.weight,
            fails: 0,
            accessed_s: 0,
            checked_s: 0,
            conns: 0,
            max_fails: conf.max_fails,
            fail_timeout_s: conf.fail_timeout_s,
            max_conns: conf.max_conns,
            down: conf.down,
        }
    }

    /// Whether it may be taken at all; `tried` is asked by the caller.
    fn is_live(&self, now_s: i64) -> bool {
        let failed = self.max_fails > 0
            && self.fails >= self.max_fails
            && now_s - self.checked_s <= self.fail_timeout_s;
        !self.down && !failed && !self.is_full()
    }

    fn is_full(&self) -> bool {
        self.max_conns > 0 && self.conns >= self.max_conns
    }
}
