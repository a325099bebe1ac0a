//! Changes of who belongs to the group, and of who leads it.
//!
//! Checks before a change is proposed are etcd's (`etcdserver/server.go`: `AddMember`, `mayRemoveMember`,
//! `PromoteMember`); those at its application are in `membership`.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout};

use super::frames::Topic;
use super::membership::{Change, Kind, member_id};
use super::node::Request;
use super::waiters::Applied;
use super::{Group, Member, MemberChange};
use crate::refusal::Refusal;

/// For so long members must have been connected for a change to be safe (etcd: `HealthInterval`).
const HEALTH: Duration = Duration::from_secs(5);

impl Group {
    /// Changes who belongs to the group; answers who then does, and for an addition, its number.
    pub async fn change(&self, change: MemberChange) -> Result<(Vec<Member>, u64), Refusal> {
        let (kind, id, mut urls) = match change {
            MemberChange::Add {
                mut peer_urls,
                as_learner,
            } => {
                peer_urls.sort();
                // etcd has the time here; it only must be another number each time.
                let later = self.0.shared.next_id();
                let id = member_id(&peer_urls, &self.0.limits.token, Some(later));
                let kind = if as_learner {
                    Kind::AddLearner
                } else {
                    Kind::Add
                };
                (kind, id, peer_urls)
            }
            MemberChange::Remove(id) => (Kind::Remove, id, Vec::new()),
            MemberChange::Promote(id) => {
                self.at_leader(Topic::Promote, id).await?;
                return Ok((self.members(), id));
            }
            MemberChange::Update { id, peer_urls } => (Kind::Update, id, peer_urls),
        };
        urls.sort();
        let members = self.enter_change(kind, id, urls).await?;
        Ok((members, id))
    }

    /// Gives a learner a vote, at the leader: only it knows whether the learner keeps up.
    pub(super) async fn promote_here(&self, id: u64) -> Result<Vec<Member>, Refusal> {
        if !self.leads() {
            return Err(Refusal::NotLeader);
        }
        self.with_membership(|members| match members.get(id) {
            None => Err(Refusal::MemberNotFound),
            Some(member) if !member.is_learner => Err(Refusal::MemberNotLearner),
            Some(_) => Ok(()),
        })?;
        let (answer, is_ready) = oneshot::channel();
        self.ask(Request::IsReady(id, answer))?;
        if !is_ready.await.unwrap_or(false) {
            return Err(Refusal::LearnerNotReady);
        }
        self.enter_change(Kind::Promote, id, Vec::new()).await
    }

    async fn enter_change(
        &self,
        kind: Kind,
        id: u64,
        urls: Vec<String>,
    ) -> Result<Vec<Member>, Refusal> {
        let request = self.0.shared.next_id();
        let change = Change {
            request,
            kind: kind as i32,
            id,
            name: String::new(),
            urls,
        };
        self.check(&change)?;
        let applied = match self.0.requests {
            None => self.0.shared.lock().machine.change(change)?,
            Some(_) => self.enter(request, change.entry()).await?,
        };
        match applied {
            Applied::Members(members) => Ok(members),
            Applied::Action(_) => Err(Refusal::TimedOut),
        }
    }

    /// Whether a change may be made, and would leave a quorum that works.
    fn check(&self, change: &Change) -> Result<(), Refusal> {
        let voters = self.with_membership(|members| {
            members.check(change)?;
            if self.0.limits.is_strict && !members.is_ready_for(change) {
                // A learner has no part in the quorum.
                let removed = members.get(change.id);
                if !removed.is_some_and(|m| m.is_learner && change.kind() == Kind::Remove) {
                    return Err(Refusal::MemberNotEnoughStarted);
                }
            }
            let voters = members.voters().map(|member| member.id);
            Ok(voters.collect::<Vec<_>>())
        })?;
        if !self.0.limits.is_strict {
            return Ok(());
        }
        let own = self.standing().member_id;
        let now = Instant::now();
        let is_active = |id: &u64| {
            let since = self.0.limits.active.since(*id);
            *id == own || since.is_some_and(|since| since + HEALTH <= now)
        };
        let active = voters.iter().filter(|id| is_active(id)).count();
        let is_healthy = match change.kind() {
            Kind::Add | Kind::AddLearner => active == voters.len(),
            Kind::Remove if !voters.contains(&change.id) => true,
            // One that is down has no part in what works now.
            Kind::Remove if change.id != own && self.0.limits.active.since(change.id).is_none() => {
                true
            }
            Kind::Remove => active > 1 + (voters.len() - 1) / 2,
            Kind::Promote | Kind::Update | Kind::Publish => true,
        };
        match is_healthy {
            true => Ok(()),
            false => Err(Refusal::Unhealthy),
        }
    }

    /// Makes another member lead; only the leader can.
    pub async fn move_leader(&self, to: u64) -> Result<(), Refusal> {
        if !self.leads() {
            return Err(Refusal::NotLeader);
        }
        let can_lead = |member: &Member| !member.is_learner;
        if !self.with_membership(|members| members.get(to).is_some_and(can_lead)) {
            return Err(Refusal::BadLeaderTransferee);
        }
        if self.standing().member_id == to {
            return Ok(());
        }
        self.ask(Request::Transfer(to))?;
        let led = async {
            loop {
                let changed = self.0.shared.changed.notified();
                if self.standing().leader == Some(to) {
                    return;
                }
                changed.await;
            }
        };
        let limit = self.0.limits.request_timeout;
        timeout(limit, led).await.map_err(|_| Refusal::TimedOut)
    }

    pub(super) fn leads(&self) -> bool {
        let standing = self.standing();
        standing.leader == Some(standing.member_id)
    }
}
