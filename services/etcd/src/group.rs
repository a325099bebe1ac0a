//! All members of a group: which one is asked, and what is asked again of another.
//!
//! One member is preferred until it fails; then the next one is. That keeps one connection busy instead of
//! many, and a client's reads on one member. A member that comes back is asked again when its turn comes.
//!
//! Deliberately absent: finding members by themselves (`member list`), and a choice by load.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use etcd_client::{
    Channel, Client, ConnectOptions, DeleteOptions, DeleteResponse, GetOptions, GetResponse,
    LeaseGrantResponse, MemberListResponse, PutOptions, PutResponse, Txn, TxnResponse,
};
use futures::FutureExt as _;
use squall_host::net::Net;
use squall_resilient::{Deadline, Late};
use tokio::time::{Instant, sleep};
use tower::util::BoxCloneSyncService;

use crate::endpoint::Endpoints;
use crate::error::{Error, Fate, fate};
use crate::member::Member;

/// Bounds on a try; what all tries of a call take together is bounded by the call's deadline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For the look-up of a member's name and the connection to it.
    pub connect_timeout: Duration,
    /// For one member's answer, the connection included; after that another one is asked.
    pub try_timeout: Duration,
    /// When every member was asked in vain, all are left alone for so long; the pause doubles up to `try_timeout`.
    pub pause: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_millis(500),
            try_timeout: Duration::from_secs(1),
            pause: Duration::from_millis(20),
        }
    }
}

/// What is asked, as far as asking again is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// It changes nothing, or does the same when done twice: asked of the next member after every failure.
    Read,
    /// As `Read`, and a member may answer by itself, without the group (a serializable read).
    Local,
    /// It changes something: asked again only if it certainly was not done.
    Write,
}

/// A group of etcd members. Clones share the connections.
#[derive(Clone)]
pub struct Etcd(Arc<Shared>);

struct Shared {
    members: Vec<Asked>,
    preferred: AtomicUsize,
    limits: Limits,
    calls: AtomicU64,
}

/// A member with etcd's client for it.
struct Asked {
    member: Member,
    /// Its calls are refused while the member knows no leader.
    led: Client,
    /// Its calls are not.
    alone: Client,
}

/// How a try went wrong.
struct Failure {
    fate: Fate,
    error: TryError,
}

enum TryError {
    Client(etcd_client::Error),
    Other(String),
}

impl Etcd {
    /// A client of these members. Nothing is sent before the first call.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime, later, when it first dials.
    pub fn new(net: Net, endpoints: &Endpoints, limits: Limits) -> Self {
        let members = endpoints.list().iter().map(|endpoint| {
            let member = Member::new(net.clone(), endpoint, limits.connect_timeout);
            let [led, alone] = [true, false].map(|led| client(&member, led));
            Asked { member, led, alone }
        });
        Self(Arc::new(Shared {
            members: members.collect(),
            preferred: AtomicUsize::new(0),
            limits,
            calls: AtomicU64::new(0),
        }))
    }

    /// How many requests were begun, those without an answer included.
    pub fn calls(&self) -> u64 {
        self.0.calls.load(Ordering::Relaxed)
    }

    /// Reads keys; with [`GetOptions::with_serializable`] say [`Ask::Local`] to [`Etcd::call`] instead.
    pub async fn get(
        &self,
        key: &str,
        options: Option<GetOptions>,
        deadline: Deadline,
    ) -> Result<GetResponse, Error> {
        let get = |client: &Client| {
            let (mut kv, key, options) = (client.kv_client(), key.to_owned(), options.clone());
            async move { kv.get(key, options).await }
        };
        self.call(Ask::Read, deadline, get).await
    }

    /// Puts a key.
    pub async fn put(
        &self,
        key: &str,
        value: &str,
        options: Option<PutOptions>,
        deadline: Deadline,
    ) -> Result<PutResponse, Error> {
        let put = |client: &Client| {
            let (mut kv, key, value) = (client.kv_client(), key.to_owned(), value.to_owned());
            let options = options.clone();
            async move { kv.put(key, value, options).await }
        };
        self.call(Ask::Write, deadline, put).await
    }

    /// Deletes keys.
    pub async fn delete(
        &self,
        key: &str,
        options: Option<DeleteOptions>,
        deadline: Deadline,
    ) -> Result<DeleteResponse, Error> {
        let delete = |client: &Client| {
            let (mut kv, key, options) = (client.kv_client(), key.to_owned(), options.clone());
            async move { kv.delete(key, options).await }
        };
        self.call(Ask::Write, deadline, delete).await
    }

    /// Runs a transaction. One that is the same when run twice may be an [`Ask::Read`].
    pub async fn txn(&self, txn: &Txn, ask: Ask, deadline: Deadline) -> Result<TxnResponse, Error> {
        let run = |client: &Client| {
            let (mut kv, txn) = (client.kv_client(), txn.clone());
            async move { kv.txn(txn).await }
        };
        self.call(ask, deadline, run).await
    }

    /// Lists the members, as one of them knows them (before etcd 3.5 without asking the others).
    pub async fn members(&self, deadline: Deadline) -> Result<MemberListResponse, Error> {
        let list = |client: &Client| {
            let mut cluster = client.cluster_client();
            async move { cluster.member_list().await }
        };
        self.call(Ask::Read, deadline, list).await
    }

    /// Grants a lease of so many seconds. Unknown, it lasts that long and harms nobody, so it is asked
    /// for again.
    pub async fn grant(&self, ttl_s: i64, deadline: Deadline) -> Result<LeaseGrantResponse, Error> {
        let grant = |client: &Client| {
            let mut leases = client.lease_client();
            async move { leases.grant(ttl_s, None).await }
        };
        self.call(Ask::Read, deadline, grant).await
    }

    /// Ends a lease; its keys are deleted. A lease that is not there is ended.
    pub async fn revoke(&self, lease: i64, deadline: Deadline) -> Result<(), Error> {
        let revoke = |client: &Client| {
            let mut leases = client.lease_client();
            async move { leases.revoke(lease).await }
        };
        match self.call(Ask::Read, deadline, revoke).await {
            Err(error) if error.refusal() == Some(crate::lease::NOT_FOUND) => Ok(()),
            other => other.map(drop),
        }
    }

    /// Makes a call of etcd's client, of one member after the other until it is answered, it is unknown
    /// what became of it and it may not be repeated, or the deadline is over.
    ///
    /// `call` begins one try; it takes what it needs of the client. (An `AsyncFn` would borrow, and its
    /// future could not be sent to another task.)
    pub async fn call<T, F>(
        &self,
        ask: Ask,
        deadline: Deadline,
        call: impl Fn(&Client) -> F,
    ) -> Result<T, Error>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        let Shared {
            members,
            preferred,
            limits,
            ..
        } = &*self.0;
        let mut failures = 0;
        loop {
            let at = preferred.load(Ordering::Relaxed);
            let asked = &members[at];
            let Failure { fate, error } = match self.attempt(asked, ask, deadline, &call).await {
                Ok(answer) => return Ok(answer),
                Err(failure) => failure,
            };
            let why = match (fate, error) {
                (Fate::Refused, TryError::Client(error)) => return Err(Error::Refused(error)),
                (_, TryError::Client(error)) => format!("{}: {error}", asked.member.endpoint()),
                (_, TryError::Other(error)) => format!("{}: {error}", asked.member.endpoint()),
            };
            self.leave(at);
            if fate == Fate::Unknown && ask == Ask::Write {
                return Err(Error::Unknown(why));
            }
            failures += 1;
            if failures % members.len() == 0 {
                let doublings = (failures / members.len() - 1).min(16) as u32;
                let pause = limits.pause.saturating_mul(1 << doublings);
                sleep(pause.min(limits.try_timeout).min(deadline.remaining())).await;
            }
            if deadline.is_over() {
                return Err(Error::NotDone(why));
            }
        }
    }

    /// Prefers the next member; of many calls that failed together one moves on for all.
    fn leave(&self, at: usize) {
        let next = (at + 1) % self.0.members.len();
        let preferred = &self.0.preferred;
        let _ = preferred.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(crate) fn limits(&self) -> Limits {
        self.0.limits
    }

    async fn attempt<T, F>(
        &self,
        asked: &Asked,
        ask: Ask,
        deadline: Deadline,
        call: &impl Fn(&Client) -> F,
    ) -> Result<T, Failure>
    where
        F: Future<Output = Result<T, etcd_client::Error>>,
    {
        let slice = deadline.at_most(self.0.limits.try_timeout);
        let not_sent = |why: String| Failure {
            fate: Fate::NotDone,
            error: TryError::Other(why),
        };
        match slice.bound(asked.member.connect()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(not_sent(error.to_string())),
            Err(Late) => return Err(not_sent("no connection in time".to_owned())),
        }
        self.0.calls.fetch_add(1, Ordering::Relaxed);
        let client = match ask {
            Ask::Local => &asked.alone,
            Ask::Read | Ask::Write => &asked.led,
        };
        let began = Instant::now();
        match slice.bound(call(client)).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => Err(Failure {
                fate: fate(&error),
                error: TryError::Client(error),
            }),
            Err(Late) => {
                asked.member.give_up_on(began);
                Err(Failure {
                    fate: Fate::Unknown,
                    error: TryError::Other(format!("no answer within {:?}", began.elapsed())),
                })
            }
        }
    }
}

fn client(member: &Member, led: bool) -> Client {
    let channel = Channel::Custom(BoxCloneSyncService::new(member.clone()));
    let options = ConnectOptions::new().with_require_leader(led);
    // Without a user it has nothing to ask, so it neither waits nor fails.
    let client = Client::from_channel(channel, Some(options)).now_or_never();
    client
        .and_then(Result::ok)
        .unwrap_or_else(|| panic!("a client without a user logs in"))
}

impl std::fmt::Debug for Etcd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let members = self.0.members.iter();
        let endpoints: Vec<_> = members.map(|m| m.member.endpoint().to_string()).collect();
        f.debug_tuple("Etcd").field(&endpoints).finish()
    }
}
