//! The member itself: one task that owns Raft, makes durable what Raft wants durable, and applies what is
//! committed.
//!
//! What Raft asks for in one go (a `Ready`) is one append and one sync; only after it are the messages sent
//! that promise something. While the disk works nothing else is done here, as in etcd: a slow disk is a slow
//! member. After an error of the disk the member ends.

mod ready;

use std::sync::Arc;
use std::time::Duration;

use etcd_client::proto::PbLeaseRevokeRequest;
use raft::eraftpb::{Message, MessageType};
use raft::{RawNode, SnapshotStatus, StateRole};
use squall_host::Shutdown;
use squall_host::disk::Disk;
use squall_host::output::Output;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, MissedTickBehavior};

use super::error::Error;
use super::frames::{Ask, Told};
use super::log::Log;
use super::membership::{Change, Kind};
use super::peers::{Event, Peers};
use super::reads::{Read, Reads};
use super::record::Head;
use super::state::Shared;
use super::storage::Storage;
use super::waiters::{Proposal, Waiters};
use super::{Group, Standing, command};
use crate::command::Action;
use crate::refusal::Refusal;

/// Bytes that are proposed in one message.
const BATCH_BYTES: usize = 1 << 20;
/// What is taken from a queue before Raft is asked what to do about it.
const TURN_MAX: usize = 1024;

/// A member that was removed stays for so long, to tell the others that it was (etcd: `stopWithDelay`).
const FAREWELL: Duration = Duration::from_secs(1);

/// What a handle asks for.
pub(super) enum Request {
    Propose(Proposal),
    Read(Read),
    /// Asks another member.
    Ask(u64, Ask, oneshot::Sender<Told>),
    /// Makes another member lead.
    Transfer(u64),
    /// Whether a learner has nearly all that the leader has.
    IsReady(u64, oneshot::Sender<bool>),
}

/// What the member was told at its start.
pub(super) struct Settings {
    pub(super) name: String,
    pub(super) client_urls: Vec<String>,
    pub(super) heartbeat: Duration,
    pub(super) election: Duration,
    pub(super) request_timeout: Duration,
    pub(super) snapshot_count: u64,
    pub(super) catch_up_entries: u64,
    pub(super) advance_ticks: bool,
    pub(super) folder: String,
}

pub(super) struct Node {
    pub(super) settings: Settings,
    pub(super) group: Group,
    pub(super) shared: Arc<Shared>,
    pub(super) raw: RawNode<Storage>,
    pub(super) log: Log,
    pub(super) disk: Disk,
    pub(super) out: Output,
    pub(super) head: Head,
    pub(super) peers: Peers,
    pub(super) waiters: Waiters,
    pub(super) reads: Reads,
    pub(super) requests: mpsc::Receiver<Request>,
    pub(super) events: mpsc::Receiver<Event>,
    /// Messages that could not be sent, and whether they had a snapshot.
    pub(super) unsent: Vec<(u64, bool)>,
    /// What was printed last: role, term, leader.
    pub(super) seen: (StateRole, u64, u64),
    /// Since when it belongs to the group no longer.
    pub(super) removed: Option<Instant>,
    /// The entry by which the member says its name, while it waits for it.
    pub(super) publishing: Option<u64>,
}

/// How it goes on.
enum Next {
    On,
    Stop,
}

impl Node {
    /// Works until a stop is asked for, or until it cannot.
    pub(super) async fn run(mut self, shutdown: Shutdown) -> Result<(), Error> {
        let ended = self.work(&shutdown).await;
        self.waiters.stop();
        ended
    }

    async fn work(&mut self, shutdown: &Shutdown) -> Result<(), Error> {
        let mut ticks = tokio::time::interval(self.settings.heartbeat);
        // A member that stood still was not without a leader all that time.
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut stopping: Option<Instant> = None;
        self.peers.keep(&self.group.members());
        if self.is_alone() {
            // Nobody else can lead: why wait?
            let _ = self.raw.campaign();
        }
        loop {
            self.settle().await?;
            if self
                .removed
                .is_some_and(|since| since.elapsed() >= FAREWELL)
            {
                return Err(Error::Removed);
            }
            if stopping.is_some_and(|until| !self.leads() || Instant::now() >= until) {
                return Ok(());
            }
            let expiry = self.shared.lock().machine.lessor.next_expiry();
            tokio::select! { biased;
                () = shutdown.requested(), if stopping.is_none() => {
                    stopping = Some(Instant::now() + self.settings.election);
                    match self.heir() {
                        Some(heir) if self.leads() => self.raw.transfer_leader(heir),
                        _ => return Ok(()),
                    }
                }
                _ = ticks.tick() => self.tick(),
                Some(event) = self.events.recv(), if self.removed.is_none() => {
                    let mut next = Some(event);
                    for _ in 0..TURN_MAX {
                        let Some(event) = next else { break };
                        if let Next::Stop = self.hear(event)? {
                            return Err(Error::Removed);
                        }
                        next = self.events.try_recv().ok();
                    }
                    if let Some(event) = next {
                        self.hear(event)?;
                    }
                }
                Some(request) = self.requests.recv(), if self.removed.is_none() => {
                    self.answer(request);
                    for _ in 0..TURN_MAX {
                        let Ok(request) = self.requests.try_recv() else { break };
                        self.answer(request);
                    }
                }
                () = sleep_until(expiry), if expiry.is_some() && self.removed.is_none() => self.revoke_expired(),
            }
        }
    }

    fn id(&self) -> u64 {
        self.raw.raft.id
    }

    fn leads(&self) -> bool {
        self.raw.raft.state == StateRole::Leader
    }

    fn is_alone(&self) -> bool {
        let voters = self.raw.raft.prs().conf().to_conf_state().voters;
        voters == [self.id()]
    }

    fn tick(&mut self) {
        self.raw.tick();
        let now = Instant::now();
        self.waiters.expire(now);
        let refusal = match self.raw.raft.leader_id {
            0 => Refusal::NoLeader,
            _ => Refusal::TimedOut,
        };
        if let Some(since) = now.checked_sub(self.settings.request_timeout) {
            self.reads.expire(since, refusal);
        }
        self.publish(now);
    }

    /// Says its name and its client URLs to all, unless they know.
    fn publish(&mut self, now: Instant) {
        let id = self.id();
        let known = self
            .group
            .with_membership(|members| members.get(id).cloned());
        let Some(known) = known else { return };
        let (name, urls) = (&self.settings.name, &self.settings.client_urls);
        if (&known.name, &known.client_urls) == (name, urls)
            || self.publishing.is_some_and(|id| self.waiters.is_known(id))
        {
            return;
        }
        let request = self.shared.next_id();
        let change = Change {
            request,
            kind: Kind::Publish as i32,
            id,
            name: name.clone(),
            urls: urls.clone(),
        };
        self.publishing = Some(request);
        self.waiters.hold(Proposal {
            id: request,
            entry: change.entry(),
            answer: None,
            since: now,
        });
    }

    fn hear(&mut self, event: Event) -> Result<Next, Error> {
        match event {
            Event::Raft(message) => {
                let last = self.raw.raft.raft_log.last_index();
                let is_heartbeat = message.get_msg_type() == MessageType::MsgHeartbeat;
                if is_heartbeat && message.term >= self.raw.raft.term && message.commit > last {
                    let commit = message.commit;
                    return Err(Error::LogLost { commit, last });
                }
                // What Raft has no use for it says; nothing follows from it.
                let _ = self.raw.step(*message);
            }
            Event::Connected => self.advance_ticks(),
            Event::Unreachable(id) => self.raw.report_unreachable(id),
            Event::Snapshot(id, true) => self.raw.report_snapshot(id, SnapshotStatus::Finish),
            Event::Snapshot(id, false) => self.raw.report_snapshot(id, SnapshotStatus::Failure),
            Event::Removed => return Ok(Next::Stop),
        }
        Ok(Next::On)
    }

    /// A member that has just started and can talk to a quorum need not wait so long for a leader (etcd:
    /// `--initial-election-tick-advance`).
    fn advance_ticks(&mut self) {
        let voters = self.group.with_membership(|members| {
            let ids = members.voters().map(|member| member.id);
            ids.collect::<Vec<_>>()
        });
        let others = voters.iter().filter(|id| **id != self.id());
        let active = others
            .filter(|id| self.peers.active.since(**id).is_some())
            .count();
        if self.settings.advance_ticks
            && self.raw.raft.leader_id == 0
            && 2 * (active + 1) > voters.len()
        {
            self.settings.advance_ticks = false;
            for _ in 2..self.raw.raft.election_timeout() {
                self.raw.tick();
            }
        }
    }

    fn answer(&mut self, request: Request) {
        match request {
            Request::Propose(proposal) => self.waiters.hold(proposal),
            Request::Read(read) => self.reads.wait(read),
            Request::Ask(id, ask, answer) => self.peers.ask(id, ask, answer),
            Request::Transfer(to) => self.raw.transfer_leader(to),
            Request::IsReady(id, answer) => {
                let prs = self.raw.raft.prs();
                let matched = |id| prs.get(id).map_or(0, |progress| progress.matched);
                // etcd: `readyPercent`.
                let is_ready = matched(id) * 10 >= matched(self.id()) * 9;
                let _ = answer.send(is_ready);
            }
        }
    }

    /// Who leads best after this one: the voter that has most.
    fn heir(&self) -> Option<u64> {
        let voters = self.raw.raft.prs().conf().to_conf_state().voters;
        let others = voters.into_iter().filter(|id| *id != self.id());
        let reachable = others.filter(|id| self.peers.active.since(*id).is_some());
        reachable.max_by_key(|id| {
            let progress = self.raw.raft.prs().get(*id);
            (
                progress.map_or(0, |progress| progress.matched),
                std::cmp::Reverse(*id),
            )
        })
    }

    /// Proposes that leases end whose time is over. Only as leader, in its own term: what a leader of old
    /// proposes is never committed, so that no lease ends that a new one has prolonged.
    fn revoke_expired(&mut self) {
        let expired = self.shared.lock().machine.lessor.expired(Instant::now());
        if !self.leads() {
            return;
        }
        for lease in expired {
            let action = Action::LeaseRevoke(PbLeaseRevokeRequest { id: lease });
            let data = command(self.shared.next_id(), action);
            // A leader that cannot propose now is offered the lease again.
            let _ = self.raw.propose(Vec::new(), data);
        }
    }

    /// Does all that Raft wants done.
    async fn settle(&mut self) -> Result<(), Error> {
        loop {
            self.propose_held();
            self.ask_reads();
            if !self.raw.has_ready() {
                break;
            }
            self.advance().await?;
            self.note();
            for (id, had_snapshot) in std::mem::take(&mut self.unsent) {
                self.raw.report_unreachable(id);
                if had_snapshot {
                    self.raw.report_snapshot(id, SnapshotStatus::Failure);
                }
            }
        }
        self.reads.applied(self.raw.raft.raft_log.applied());
        if self.raw.store().is_image_wanted() {
            let image = self.image();
            self.raw.mut_store().set_image(Some(image));
        }
        let (applied, _) = self.shared.lock().machine.applied;
        if applied >= self.head.index + self.settings.snapshot_count {
            self.compact().await?;
        }
        Ok(())
    }

    /// Whether there is a leader, and what is meant for it reaches it. Otherwise proposals are held back: what
    /// Raft sends over a link that is not there is lost.
    fn has_leader(&self) -> bool {
        let leader = self.raw.raft.leader_id;
        leader != 0 && (self.leads() || self.peers.active.since(leader).is_some())
    }

    fn propose_held(&mut self) {
        while self.has_leader() && self.removed.is_none() && !self.waiters.is_idle() {
            let proposals = self.waiters.take(BATCH_BYTES);
            if proposals.is_empty() {
                continue;
            }
            let mut message = Message::default();
            message.set_msg_type(MessageType::MsgPropose);
            message.from = self.id();
            message.entries = proposals.iter().map(|p| p.entry.clone()).collect();
            match self.raw.raft.step(message) {
                Ok(()) => self.waiters.proposed(proposals),
                // Nothing of it was proposed: a leader that is about to hand over, for example.
                Err(_) => return self.waiters.give_back(proposals),
            }
        }
    }

    fn ask_reads(&mut self) {
        let raft = &self.raw.raft;
        // A leader that has committed nothing in its term does not know what is committed, and is silent.
        if self.has_leader() && raft.commit_to_current_term() {
            let leader = (raft.leader_id, raft.term);
            if let Some(question) = self.reads.question(leader, Instant::now()) {
                self.raw.read_index(question);
            }
        }
    }

    /// Says what is new about who leads.
    fn note(&mut self) {
        let raft = &self.raw.raft;
        let (role, term, leader) = self.seen;
        let now = (raft.state, raft.term, raft.leader_id);
        let id = self.id();
        let committed = raft.raft_log.committed;
        if (now.0, now.1) != (role, term) {
            let role = match now.0 {
                StateRole::Leader => "leader",
                StateRole::Follower => "follower",
                StateRole::Candidate => "candidate",
                StateRole::PreCandidate => "pre-candidate",
            };
            self.out
                .line(&format!("raft: {id:x} became {role} at term {}", now.1));
        }
        if now.2 != leader {
            match now.2 {
                0 => self.out.line(&format!(
                    "raft: {id:x} lost leader {leader:x} at term {}",
                    now.1
                )),
                new => {
                    self.waiters.elected(Instant::now());
                    self.out.line(&format!(
                        "raft: {id:x} elected leader {new:x} at term {}",
                        now.1
                    ));
                }
            }
        }
        self.seen = now;
        let is_learner = raft.prs().conf().learners().contains(&id);
        let standing = Standing {
            cluster_id: self.head.cluster_id,
            member_id: id,
            leader: Some(now.2).filter(|leader| *leader != 0),
            term: now.1,
            committed,
            applied: 0,
            is_learner,
            leader_changes: 0,
        };
        self.shared.stand(standing, self.settings.election);
    }
}

async fn sleep_until(when: Option<Instant>) {
    match when {
        Some(when) => tokio::time::sleep_until(when).await,
        None => std::future::pending().await,
    }
}
