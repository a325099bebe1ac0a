//! The methods of choice, over the peers of one list (`primary` or `backup`).

use std::net::IpAddr;

use super::{Choice, Group, Peer, Selection, hash};

/// After so many rounds without a live server, hashing gives up and round robin decides.
const HASH_TRIES_MAX: u32 = 20;

impl Group {
    /// The place of the chosen peer in the list that the selection is on.
    pub(super) fn pick_among(&mut self, selection: &mut Selection, now_s: i64) -> Option<usize> {
        let single = self.is_single();
        let peers = if selection.on_backup {
            &mut self.backup
        } else {
            &mut self.primary
        };
        if single {
            // Its failures do not count, it is all there is.
            let peer = &peers[0];
            return (!peer.down && !peer.is_full()).then_some(0);
        }
        match self.method {
            Choice::RoundRobin => round_robin(peers, selection, now_s),
            Choice::LeastConn => least_conn(peers, selection, now_s),
            Choice::IpHash => by_hash(peers, selection, now_s, next_ip_hash),
            Choice::Hash if selection.key.is_empty() => round_robin(peers, selection, now_s),
            Choice::Hash => by_hash(peers, selection, now_s, next_key_hash),
            Choice::ConsistentHash if selection.key.is_empty() || self.points.is_empty() => {
                round_robin(peers, selection, now_s)
            }
            Choice::ConsistentHash => consistent(&self.points, peers, selection, now_s),
        }
    }
}

/// Smooth weighted round robin: everyone gains its weight, the richest is taken and pays for all.
fn round_robin(peers: &mut [Peer], selection: &mut Selection, now_s: i64) -> Option<usize> {
    smooth(peers, selection, now_s, |_| true)
}

fn smooth(
    peers: &mut [Peer],
    selection: &mut Selection,
    now_s: i64,
    admits: impl Fn(&Peer) -> bool,
) -> Option<usize> {
    let mut best: Option<usize> = None;
    let mut total = 0;
    for at in 0..peers.len() {
        let peer = &mut peers[at];
        if selection.tried.contains(&peer.id) || !peer.is_live(now_s) || !admits(peer) {
            continue;
        }
        peer.current_weight += peer.effective_weight;
        total += peer.effective_weight;
        if peer.effective_weight < peer.weight {
            peer.effective_weight += 1;
        }
        let weight = peer.current_weight;
        if best.is_none_or(|best| weight > peers[best].current_weight) {
            best = Some(at);
        }
    }
    let best = best?;
    peers[best].current_weight -= total;
    Some(taken(peers, selection, best, now_s))
}

fn taken(peers: &mut [Peer], selection: &mut Selection, at: usize, now_s: i64) -> usize {
    let peer = &mut peers[at];
    selection.tried.push(peer.id);
    // From here the window counts anew: this is the one trial after `fail_timeout`.
    if now_s - peer.checked_s > peer.fail_timeout_s {
        peer.checked_s = now_s;
    }
    at
}

/// The fewest connections for its weight; among equals, round robin.
fn least_conn(peers: &mut [Peer], selection: &mut Selection, now_s: i64) -> Option<usize> {
    let usable = |peer: &&Peer| !selection.tried.contains(&peer.id) && peer.is_live(now_s);
    let load = |a: &Peer, b: &Peer| i64::from(a.conns) * b.weight;
    let least = peers.iter().filter(usable).reduce(|best, peer| {
        if load(peer, best) < load(best, peer) {
            peer
        } else {
            best
        }
    })?;
    let (conns, weight) = (i64::from(least.conns), least.weight);
    smooth(peers, selection, now_s, |peer| {
        i64::from(peer.conns) * weight == conns * peer.weight
    })
}

/// Takes the peer on whose share of the total weight the hash falls, hashing on while it is not
/// live.
fn by_hash(
    peers: &mut [Peer],
    selection: &mut Selection,
    now_s: i64,
    next: fn(&mut Selection) -> u32,
) -> Option<usize> {
    let total: i64 = peers.iter().map(|peer| peer.weight).sum();
    if total == 0 {
        return None;
    }
    while selection.hash_tries <= HASH_TRIES_MAX {
        let mut rest = i64::from(next(selection)) % total;
        let at = peers.iter().position(|peer| {
            rest -= peer.weight;
            rest < 0
        })?;
        if !selection.tried.contains(&peers[at].id) && peers[at].is_live(now_s) {
            return Some(taken(peers, selection, at, now_s));
        }
        selection.hash_tries += 1;
    }
    round_robin(peers, selection, now_s)
}

/// `ip_hash`: the first three octets of an IPv4 address, the whole of an IPv6 address.
fn next_ip_hash(selection: &mut Selection) -> u32 {
    let mut step = |octet: &u8| {
        selection.hash = (selection.hash * 113 + u32::from(*octet)) % 6271;
    };
    match selection.client {
        IpAddr::V4(ip) => ip.octets()[..3].iter().for_each(&mut step),
        IpAddr::V6(ip) => ip.octets().iter().for_each(&mut step),
    }
    selection.hash
}

/// `hash KEY`.
fn next_key_hash(selection: &mut Selection) -> u32 {
    if selection.rehash == 0 {
        selection.hash = 0;
    }
    let mut crc = hash::Crc32::new();
    if selection.rehash > 0 {
        crc.update(selection.rehash.to_string().as_bytes());
    }
    crc.update(selection.key.as_bytes());
    selection.rehash += 1;
    selection.hash = selection.hash.wrapping_add((crc.finish() >> 16) & 0x7fff);
    selection.hash
}

/// `hash KEY consistent`: the next point on the ring, and on while its server is not live.
fn consistent(
    points: &[hash::Point],
    peers: &mut [Peer],
    selection: &mut Selection,
    now_s: i64,
) -> Option<usize> {
    if selection.rehash == 0 {
        selection.rehash = 1;
        let mut crc = hash::Crc32::new();
        crc.update(selection.key.as_bytes());
        let at = points.partition_point(|point| point.hash < crc.finish());
        selection.hash = at as u32;
    }
    while selection.hash_tries <= HASH_TRIES_MAX {
        let point = &points[selection.hash as usize % points.len()];
        let found = smooth(peers, selection, now_s, |peer| peer.text == point.server);
        if found.is_some() {
            return found;
        }
        selection.hash = selection.hash.wrapping_add(1);
        selection.hash_tries += 1;
    }
    round_robin(peers, selection, now_s)
}
