//! nginx's own resolver (`resolver`, ngx_resolver.c): UDP questions to stated servers, answers kept
//! for their time to live. A records only.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use squall_host::dns::{self, Answer};
use squall_host::net::Net;
use tokio::time::Instant;

/// nginx asks again after this long without an answer.
const RESEND: Duration = Duration::from_secs(5);
/// How long nginx remembers that a name does not exist, for `resolve`, without `valid=`.
pub(crate) const NEGATIVE: Duration = Duration::from_secs(10);
/// Names that are remembered at most; they may come from clients.
const NAMES_MAX: usize = 1024;

/// Why a name has no addresses; the codes are those in nginx's log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unresolved {
    #[error("2: Server failure")]
    ServerFailure,
    #[error("3: Host not found")]
    NoSuchName,
    #[error("110: Operation timed out")]
    TimedOut,
}

/// Addresses and how long they hold.
#[derive(Clone, Debug)]
pub(crate) struct Resolved {
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) until: Instant,
}

pub(crate) struct Resolver {
    net: Net,
    servers: Vec<SocketAddr>,
    pub(crate) valid: Option<Duration>,
    /// The inner lock is held while a question is open, so that one name is asked for once.
    names: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<Option<Resolved>>>>>,
    turn: AtomicUsize,
}

impl Resolver {
    pub(crate) fn new(net: Net, servers: Vec<SocketAddr>, valid: Option<Duration>) -> Self {
        Self {
            net,
            servers,
            valid,
            names: Mutex::default(),
            turn: AtomicUsize::new(0),
        }
    }

    /// The addresses of `name`, from memory while they hold.
    pub(crate) async fn resolve(
        &self,
        name: &str,
        timeout: Duration,
    ) -> Result<Resolved, Unresolved> {
        let look_up = async {
            let entry = self.entry(name);
            let mut known = entry.lock().await;
            if let Some(resolved) = &*known
                && resolved.until > Instant::now()
            {
                return Ok(resolved.clone());
            }
            *known = None;
            let resolved = self.ask(name).await?;
            *known = Some(resolved.clone());
            Ok(resolved)
        };
        let outcome = tokio::time::timeout(timeout, look_up).await;
        outcome.unwrap_or(Err(Unresolved::TimedOut))
    }

    fn entry(&self, name: &str) -> Arc<tokio::sync::Mutex<Option<Resolved>>> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= NAMES_MAX && !names.contains_key(name) {
            let now = Instant::now();
            let holds = |resolved: &Resolved| resolved.until > now;
            names.retain(|_, entry| {
                let known = entry.try_lock();
                known.map_or(true, |known| known.as_ref().is_some_and(holds))
            });
            if names.len() >= NAMES_MAX {
                names.pop_first();
            }
        }
        names.entry(name.to_owned()).or_default().clone()
    }

    /// Asks until there is an answer; the caller has the deadline.
    async fn ask(&self, name: &str) -> Result<Resolved, Unresolved> {
        let mut failures = 0;
        loop {
            let turn = self.turn.fetch_add(1, Ordering::Relaxed);
            let server = self.servers[turn % self.servers.len()];
            match dns::query(&self.net, server, name, RESEND).await {
                Ok(Answer::Addresses { addresses, ttl_s }) => {
                    let holds = self.valid.unwrap_or(Duration::from_secs(u64::from(ttl_s)));
                    let until = Instant::now() + holds;
                    return Ok(Resolved { addresses, until });
                }
                Ok(Answer::NoSuchName) => return Err(Unresolved::NoSuchName),
                Ok(Answer::Failed(_)) => {
                    // Another server may do better; nginx asks each once.
                    failures += 1;
                    if failures >= self.servers.len() {
                        return Err(Unresolved::ServerFailure);
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::TimedOut => {}
                Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                    return Err(Unresolved::NoSuchName);
                }
                // The network is away; it may come back before the deadline.
                Err(error) => {
                    tracing::debug!("send() to resolver {server} failed: {error}");
                    tokio::time::sleep(RESEND).await;
                }
            }
        }
    }
}
