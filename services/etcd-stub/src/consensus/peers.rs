//! The other members: a link to each, and what comes from them.

use std::collections::BTreeMap;
use std::time::Duration;

use raft::eraftpb::{Message, MessageType};
use squall_host::net::Net;
use squall_host::output::Output;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;

use super::Member;
use super::frames::{Ask, Told};
use super::link::{Active, Link, Outgoing};

/// Messages that wait for a link; more are dropped, because Raft repeats (etcd: `streamBufSize`).
const QUEUE_MAX: usize = 4096;

/// What the network has for the member.
pub(super) enum Event {
    Raft(Box<Message>),
    /// There is a connection to another member.
    Connected,
    /// There is none, or it was lost and something with it.
    Unreachable(u64),
    /// A snapshot was sent to a member, or was not.
    Snapshot(u64, bool),
    /// Others say that this member was removed.
    Removed,
}

/// Links to the other members, by number.
pub(super) struct Peers {
    pub(super) net: Net,
    pub(super) out: Output,
    pub(super) cluster_id: u64,
    pub(super) member_id: u64,
    pub(super) dial_timeout: Duration,
    pub(super) events: mpsc::Sender<Event>,
    pub(super) active: Active,
    pub(super) links: BTreeMap<u64, Open>,
}

/// A link that is kept.
pub(super) struct Open {
    urls: Vec<String>,
    queue: mpsc::Sender<Outgoing>,
    _task: AbortOnDropHandle<()>,
}

impl Peers {
    /// Keeps links to these members, but for this one, and to no others.
    pub(super) fn keep(&mut self, members: &[Member]) {
        let wanted: BTreeMap<_, _> = members
            .iter()
            .filter(|member| member.id != self.member_id)
            .map(|member| (member.id, &member.peer_urls))
            .collect();
        let active = &self.active;
        self.links.retain(|id, open| {
            let is_kept = wanted.get(id).is_some_and(|urls| **urls == open.urls);
            if !is_kept {
                active.set(*id, None);
            }
            is_kept
        });
        for (id, urls) in wanted {
            if !self.links.contains_key(&id) {
                let open = self.open(id, urls);
                self.links.insert(id, open);
            }
        }
    }

    fn open(&self, id: u64, urls: &[String]) -> Open {
        let (queue, receiver) = mpsc::channel(QUEUE_MAX);
        let link = Link {
            net: self.net.clone(),
            out: self.out.clone(),
            cluster_id: self.cluster_id,
            from: self.member_id,
            to: id,
            targets: urls.iter().filter_map(|url| target(url)).collect(),
            dial_timeout: self.dial_timeout,
            events: self.events.clone(),
            active: self.active.clone(),
        };
        Open {
            urls: urls.to_vec(),
            queue,
            _task: AbortOnDropHandle::new(tokio::spawn(link.run(receiver))),
        }
    }

    /// Sends a message of Raft. If that cannot be, says to whom, and whether it had a snapshot.
    pub(super) fn send(&self, message: Message) -> Result<(), (u64, bool)> {
        let to = message.to;
        let is_snapshot = message.get_msg_type() == MessageType::MsgSnapshot;
        let open = self.links.get(&to).ok_or((to, is_snapshot))?;
        let sent = open.queue.try_send(Outgoing::Raft(Box::new(message)));
        sent.map_err(|_| (to, is_snapshot))
    }

    /// Asks a member; `answer` is dropped if it cannot be asked.
    pub(super) fn ask(&self, id: u64, ask: Ask, answer: oneshot::Sender<Told>) {
        if let Some(open) = self.links.get(&id) {
            // Dropped with its answer if the queue is full.
            let _ = open.queue.try_send(Outgoing::Ask(ask, answer));
        }
    }
}

/// Host and port of a peer URL.
pub(super) fn target(url: &str) -> Option<(String, u16)> {
    let rest = url.strip_prefix("http://")?;
    let (host, port) = rest.trim_end_matches('/').rsplit_once(':')?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some((host.to_owned(), port.parse().ok()?))
}
