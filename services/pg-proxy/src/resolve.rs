//! Names of servers: once at start (`init-addr`), and again and again where a `resolvers` section
//! is named (configuration.txt 5.3; `snr_update_srv_status`, src/server.c).
//!
//! A name is looked up every `timeout resolve`, whoever asks for it, and every server of that name
//! gets an address of the answer that no other server of its backend has. A server for which none
//! is left goes into maintenance; so does one whose name has not been answered well for the time
//! that `hold` gives. Only IPv4 addresses are asked for.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::FuturesUnordered;
use squall_host::dns::{self, Answer};
use squall_host::net::Net;
use tokio::time::Instant;
use xxhash_rust::xxh32::xxh32;

use crate::backend::Backend;
use crate::config::ResolversConfig;
use crate::config::server::InitAddr;
use crate::config::value::Place;
use crate::error::Error;

/// Types of DNS records.
const TYPE_A: u32 = 1;
const TYPE_AAAA: u32 = 28;

/// For one look-up by the operating system at start.
const LIBC_TIMEOUT: Duration = Duration::from_secs(30);

/// Gives every server of a name its first address.
pub(crate) async fn initial(backend: &Backend, net: &Net) -> Result<(), Error> {
    // Servers of one template share their look-up.
    let mut known: BTreeMap<String, Result<IpAddr, String>> = BTreeMap::new();
    for (index, server) in backend.config.servers.iter().enumerate() {
        let Place::Name(name) = &server.place else {
            continue;
        };
        let mut found = None;
        let mut failed = false;
        let mut reason = String::from("no address");
        for way in &server.options.init_addr {
            match way {
                // There is no state file to remember an address from.
                InitAddr::Last => continue,
                InitAddr::None => {
                    found = Some(None);
                }
                InitAddr::Ip(ip) => found = Some(Some(*ip)),
                InitAddr::Libc => {
                    if !known.contains_key(name) {
                        known.insert(name.clone(), look_up(net, name).await);
                    }
                    match known.get(name) {
                        Some(Ok(ip)) => found = Some(Some(*ip)),
                        Some(Err(error)) => {
                            failed = true;
                            reason.clone_from(error);
                        }
                        None => {}
                    }
                }
            }
            if found.is_some() {
                break;
            }
        }
        match found {
            Some(Some(ip)) => backend.start_address(index, ip),
            Some(None) => {
                backend.start_unresolved(index);
                if failed {
                    let text = format!("could not resolve address '{name}', disabling server.");
                    backend.log.warn("WARNING", &text);
                }
            }
            None => {
                return Err(Error::Resolve {
                    name: name.clone(),
                    server: format!("{}/{}", backend.config.name, server.name),
                    origin: server.origin.clone(),
                    source: io::Error::new(io::ErrorKind::NotFound, reason),
                });
            }
        }
    }
    Ok(())
}

async fn look_up(net: &Net, name: &str) -> Result<IpAddr, String> {
    match tokio::time::timeout(LIBC_TIMEOUT, net.resolve(name)).await {
        Ok(Ok(addresses)) => addresses.first().copied().ok_or("no address".to_owned()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("no answer within {LIBC_TIMEOUT:?}")),
    }
}

/// A name and everyone who wants to know about it.
pub(crate) struct Watch {
    pub(crate) net: Net,
    pub(crate) resolvers: Arc<ResolversConfig>,
    pub(crate) name: String,
    pub(crate) wanted: Vec<Wanted>,
}

/// A backend and the numbers of its servers.
pub(crate) type Wanted = (Arc<Backend>, Vec<usize>);

/// What a look-up came to.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Found {
    Addresses(Vec<IpAddr>, String),
    NoSuchName,
    Refused,
    Failed,
    TimedOut,
}

impl Watch {
    /// Looks the name up for ever.
    pub(crate) async fn run(self) {
        let mut valid = Instant::now();
        let mut seen: BTreeMap<IpAddr, Instant> = BTreeMap::new();
        loop {
            let found = self.look_up().await;
            let now = Instant::now();
            let hold = &self.resolvers.hold;
            match found {
                Found::Addresses(addresses, by) => {
                    valid = now;
                    let kept = keep(&mut seen, &addresses, now, hold.obsolete);
                    self.assign(&kept, &by);
                }
                Found::NoSuchName => self.lose(valid, hold.nx, "DNS NX status"),
                Found::Refused => self.lose(valid, hold.refused, "DNS refused status"),
                Found::TimedOut => self.lose(valid, hold.timeout, "DNS timeout status"),
                Found::Failed => self.lose(valid, hold.other, "unspecified DNS error"),
            }
            tokio::time::sleep(self.resolvers.timeout_resolve).await;
        }
    }

    /// Asks every name server, `resolve_retries` times; the first good answer counts.
    async fn look_up(&self) -> Found {
        let mut servers = self.resolvers.nameservers.clone();
        if self.resolvers.parse_resolv_conf {
            let known = self.net.nameservers();
            servers.extend(
                known
                    .into_iter()
                    .map(|server| (server.ip().to_string(), server)),
            );
        }
        let mut last = Found::TimedOut;
        for _ in 0..self.resolvers.resolve_retries {
            let mut answers: FuturesUnordered<_> = servers
                .iter()
                .map(|(label, server)| self.ask(label, *server))
                .collect();
            let begun = Instant::now();
            while let Some(found) = answers.next().await {
                match found {
                    Found::Addresses(..) => return found,
                    Found::TimedOut => {}
                    // Another name server may know better.
                    other => last = other,
                }
            }
            if last != Found::TimedOut {
                return last;
            }
            // An error on the spot (as no route) must not make this a busy loop.
            let rest = self.resolvers.timeout_retry.saturating_sub(begun.elapsed());
            tokio::time::sleep(rest).await;
        }
        last
    }

    async fn ask(&self, label: &str, server: SocketAddr) -> Found {
        let timeout = self.resolvers.timeout_retry;
        match dns::query(&self.net, server, &self.name, timeout).await {
            Ok(Answer::Addresses { addresses, .. }) => {
                Found::Addresses(addresses, format!("{}/{label}", self.resolvers.name))
            }
            Ok(Answer::NoSuchName) => Found::NoSuchName,
            Ok(Answer::Failed(code)) if code == "Refused" => Found::Refused,
            Ok(Answer::Failed(_)) => Found::Failed,
            Err(_) => Found::TimedOut,
        }
    }

    /// Gives the servers their addresses. The first one to hear of an answer has it from the name
    /// server, the others from what is known by then.
    fn assign(&self, addresses: &[IpAddr], by: &str) {
        let mut by = by;
        for (backend, servers) in &self.wanted {
            for index in servers {
                let choice = choose(backend, *index, addresses);
                backend.set_address(*index, choice, "No IP for server ", by);
                by = "DNS cache";
            }
        }
    }

    /// Takes the addresses away when the last good answer is too old.
    fn lose(&self, valid: Instant, hold: Duration, cause: &str) {
        if valid.elapsed() < hold {
            return;
        }
        for (backend, servers) in &self.wanted {
            for index in servers {
                backend.set_address(*index, None, cause, "");
            }
        }
    }
}

/// The addresses of the answer, and those that were seen less than `obsolete` ago. HAProxy keeps them
/// in a tree by a hash, with the type of the record for its seed (`resolv_validate_dns_response`), so
/// their order in the answer means nothing.
fn keep(
    seen: &mut BTreeMap<IpAddr, Instant>,
    addresses: &[IpAddr],
    now: Instant,
    obsolete: Duration,
) -> Vec<IpAddr> {
    for address in addresses {
        seen.insert(*address, now);
    }
    seen.retain(|_, at| now - *at <= obsolete);
    let mut kept: Vec<IpAddr> = seen.keys().copied().collect();
    kept.sort_by_key(|address| match address {
        IpAddr::V4(address) => xxh32(&address.octets(), TYPE_A),
        IpAddr::V6(address) => xxh32(&address.octets(), TYPE_AAAA),
    });
    kept
}

/// The address for a server: its own if it still stands, else the first that no other one has.
fn choose(backend: &Backend, index: usize, addresses: &[IpAddr]) -> Option<IpAddr> {
    let inner = backend.lock();
    let own = &inner.servers[index];
    let shared = own.config.options.duplicate_addresses;
    let taken = |address: &IpAddr| {
        !shared
            && inner.servers.iter().enumerate().any(|(other, server)| {
                other != index
                    && !server.unresolved
                    && server.config.port == own.config.port
                    && server.address.is_some_and(|taken| taken.ip() == *address)
            })
    };
    let current = own.address.map(|address| address.ip());
    if let Some(current) = current
        && addresses.contains(&current)
        && !taken(&current)
    {
        return Some(current);
    }
    addresses.iter().find(|address| !taken(address)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_an_answer_means_nothing() {
        let [a, b, c] = [1, 2, 3].map(|last| IpAddr::from([127, 0, 0, last]));
        let kept = |addresses: &[IpAddr]| {
            keep(
                &mut BTreeMap::new(),
                addresses,
                Instant::now(),
                Duration::ZERO,
            )
        };
        // HAProxy 2.6.12 gives the first server the second of these (differential/compare.py).
        assert_eq!(kept(&[a, b]), [b, a]);
        assert_eq!(kept(&[c, b, a]), [b, a, c]);
    }
}
