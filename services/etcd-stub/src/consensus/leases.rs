//! Questions that only the leader answers, asked at any member: how long a lease has, and more of it.
//!
//! A leader answers when it has made sure that it still leads and has applied all that was committed before,
//! so that a lease is not prolonged by a leader of old (etcd: `LeaseRenew`, `LeaseTimeToLive` in
//! `etcdserver/v3_server.go`).

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::frames::{Ask, Told, Topic};
use super::node::Request;
use super::{Group, LeaseTime};
use crate::refusal::Refusal;

/// Between two attempts (etcd: 50 ms).
const PAUSE: Duration = Duration::from_millis(50);
/// For an answer of another member, before it is asked again, or another one.
const ANSWER: Duration = Duration::from_secs(1);

/// What may be told across the network; anything else is of unknown outcome.
const REFUSALS: [Refusal; 9] = [
    Refusal::LeaseNotFound,
    Refusal::MemberNotFound,
    Refusal::MemberNotLearner,
    Refusal::LearnerNotReady,
    Refusal::MemberNotEnoughStarted,
    Refusal::Unhealthy,
    Refusal::TooManyRequests,
    Refusal::NotLeader,
    Refusal::Stopped,
];

impl Group {
    /// Gives a lease its whole time again, at the leader, wherever it is; answers its TTL in seconds.
    pub async fn renew(&self, lease: i64) -> Result<i64, Refusal> {
        let told = self.at_leader(Topic::Renew, lease as u64).await?;
        told.granted_s.ok_or(Refusal::LeaseNotFound)
    }

    /// How long a lease has, as the leader knows; `None` if there is no such lease.
    pub async fn lease_time(&self, lease: i64) -> Result<Option<LeaseTime>, Refusal> {
        let told = self.at_leader(Topic::LeaseTime, lease as u64).await?;
        Ok(told.granted_s.map(|granted_s| LeaseTime {
            granted_s,
            left_s: told.left_s,
        }))
    }

    /// Asks the leader until it answers, at most for the request timeout.
    pub(super) async fn at_leader(&self, topic: Topic, subject: u64) -> Result<Told, Refusal> {
        let ask = Ask {
            id: 0,
            topic: topic as i32,
            subject,
        };
        let until = Instant::now() + self.0.limits.request_timeout;
        loop {
            let standing = self.standing();
            let told = match standing.leader {
                None => Err(Refusal::NoLeader),
                Some(leader) if leader == standing.member_id => self.tell(ask).await,
                Some(leader) => self.ask_at(leader, ask).await,
            };
            match told {
                Err(Refusal::NotLeader | Refusal::NoLeader | Refusal::Stopped)
                    if Instant::now() + PAUSE < until && !self.is_stopped() => {}
                Err(Refusal::TimedOut)
                    if topic != Topic::Promote && Instant::now() + PAUSE < until => {}
                Err(Refusal::NotLeader) => return Err(Refusal::NoLeader),
                told => return told,
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn is_stopped(&self) -> bool {
        self.0
            .requests
            .as_ref()
            .is_some_and(|requests| requests.is_closed())
    }

    async fn ask_at(&self, leader: u64, ask: Ask) -> Result<Told, Refusal> {
        let limit = match ask.topic() {
            // Its outcome is to be known.
            Topic::Promote => self.0.limits.request_timeout,
            Topic::Renew | Topic::LeaseTime => ANSWER,
        };
        let (answer, told) = oneshot::channel();
        self.ask(Request::Ask(leader, ask, answer))?;
        let told: Told = match timeout(limit, told).await {
            Ok(Ok(told)) => told,
            Ok(Err(_)) | Err(_) => return Err(Refusal::TimedOut),
        };
        match &told.refusal {
            None => Ok(told),
            Some(text) => {
                let known = REFUSALS
                    .into_iter()
                    .find(|refusal| refusal.to_string() == *text);
                Err(known.unwrap_or(Refusal::TimedOut))
            }
        }
    }

    /// Answers as the leader.
    pub(super) async fn tell(&self, ask: Ask) -> Result<Told, Refusal> {
        let mut told = Told {
            id: ask.id,
            ..Told::default()
        };
        let lease = ask.subject as i64;
        match ask.topic() {
            Topic::Promote => drop(self.promote_here(ask.subject).await?),
            Topic::Renew => {
                self.confirm().await?;
                let mut shared = self.0.shared.lock();
                if shared.standing.leader != Some(shared.standing.member_id) {
                    return Err(Refusal::NotLeader);
                }
                told.granted_s = shared.machine.lessor.renew(lease, Instant::now());
                // One whose time is over is as good as revoked.
                told.granted_s.ok_or(Refusal::LeaseNotFound)?;
            }
            Topic::LeaseTime => {
                self.confirm().await?;
                let shared = self.0.shared.lock();
                if shared.standing.leader != Some(shared.standing.member_id) {
                    return Err(Refusal::NotLeader);
                }
                let lessor = &shared.machine.lessor;
                told.granted_s = lessor.granted_s(lease);
                told.left_s = lessor.left(lease, Instant::now()).unwrap_or(0);
            }
        }
        Ok(told)
    }

    /// Makes sure that this member leads.
    async fn confirm(&self) -> Result<(), Refusal> {
        match self.leads() {
            true => self.catch_up().await,
            false => Err(Refusal::NotLeader),
        }
    }
}
