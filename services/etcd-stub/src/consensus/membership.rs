//! Who belongs to the group: replicated state beside the store, changed by entries of the log alone.
//!
//! Numbers are computed as etcd does (`etcdserver/api/membership/cluster.go`, `member.go`), rules of a change
//! are its `ValidateConfigurationChange` and its strict reconfiguration check. Deliberately absent: who votes
//! (Raft's `ConfState` says the same of voters and learners), who is reachable.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message;
use sha1::{Digest, Sha1};

use super::Member;
use crate::refusal::Refusal;

/// The members, and those that were.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Membership {
    pub(super) cluster_id: u64,
    members: BTreeMap<u64, Member>,
    removed: BTreeSet<u64>,
}

/// A change as the log has it. Those of voters are in a `ConfChange` of Raft, the others in an entry.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Change {
    /// Who waits for it.
    #[prost(uint64, tag = "1")]
    pub(super) request: u64,
    #[prost(enumeration = "Kind", tag = "2")]
    pub(super) kind: i32,
    #[prost(uint64, tag = "3")]
    pub(super) id: u64,
    #[prost(string, tag = "4")]
    pub(super) name: String,
    #[prost(string, repeated, tag = "5")]
    pub(super) urls: Vec<String>,
}

/// What a change does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(super) enum Kind {
    /// A member with a vote, whose peer URLs are `urls`.
    Add = 0,
    /// One without.
    AddLearner = 1,
    Remove = 2,
    Promote = 3,
    /// Other peer URLs.
    Update = 4,
    /// A member says its name and its client URLs: it has started.
    Publish = 5,
}

impl Membership {
    /// A group that begins with these members, by name and peer URLs (`--initial-cluster`).
    pub(super) fn new(initial: &BTreeMap<String, Vec<String>>, token: &str) -> Self {
        let members = initial.iter().map(|(name, urls)| {
            let mut peer_urls = urls.clone();
            peer_urls.sort();
            let id = member_id(&peer_urls, token, None);
            let member = Member {
                id,
                name: name.clone(),
                peer_urls,
                client_urls: Vec::new(),
                is_learner: false,
            };
            (id, member)
        });
        let members: BTreeMap<_, _> = members.collect();
        let ids: Vec<u8> = members.keys().flat_map(|id| id.to_be_bytes()).collect();
        Self {
            cluster_id: first_bytes(&ids),
            members,
            removed: BTreeSet::new(),
        }
    }

    pub(super) fn list(&self) -> Vec<Member> {
        self.members.values().cloned().collect()
    }

    pub(super) fn get(&self, id: u64) -> Option<&Member> {
        self.members.get(&id)
    }

    pub(super) fn is_removed(&self, id: u64) -> bool {
        self.removed.contains(&id)
    }

    pub(super) fn voters(&self) -> impl Iterator<Item = &Member> {
        self.members.values().filter(|member| !member.is_learner)
    }

    /// Whether a change may be made (etcd: `ValidateConfigurationChange`).
    pub(super) fn check(&self, change: &Change) -> Result<(), Refusal> {
        if self.removed.contains(&change.id) {
            return Err(Refusal::MemberNotFound);
        }
        let found = self.members.get(&change.id);
        match change.kind() {
            Kind::Add | Kind::AddLearner => {
                if found.is_some() {
                    return Err(Refusal::MemberExists);
                }
                self.check_urls(change)?;
                let learners = self.members.values().filter(|m| m.is_learner).count();
                if change.kind() == Kind::AddLearner && learners >= 1 {
                    return Err(Refusal::TooManyLearners);
                }
                Ok(())
            }
            Kind::Promote => match found {
                None => Err(Refusal::MemberNotFound),
                Some(member) if !member.is_learner => Err(Refusal::MemberNotLearner),
                Some(_) => Ok(()),
            },
            Kind::Update => {
                found.ok_or(Refusal::MemberNotFound)?;
                self.check_urls(change)
            }
            Kind::Remove | Kind::Publish => found.map(|_| ()).ok_or(Refusal::MemberNotFound),
        }
    }

    fn check_urls(&self, change: &Change) -> Result<(), Refusal> {
        let others = self.members.values().filter(|m| m.id != change.id);
        let mut taken = others.flat_map(|member| &member.peer_urls);
        match taken.any(|url| change.urls.contains(url)) {
            true => Err(Refusal::PeerUrlExists),
            false => Ok(()),
        }
    }

    /// Makes a change that was found good.
    pub(super) fn apply(&mut self, change: Change) {
        let (kind, id) = (change.kind(), change.id);
        match kind {
            Kind::Add | Kind::AddLearner => {
                let member = Member {
                    id,
                    name: change.name,
                    peer_urls: change.urls,
                    client_urls: Vec::new(),
                    is_learner: kind == Kind::AddLearner,
                };
                self.members.insert(id, member);
            }
            Kind::Remove => {
                self.members.remove(&id);
                self.removed.insert(id);
            }
            Kind::Promote | Kind::Update | Kind::Publish => {
                let Some(member) = self.members.get_mut(&id) else {
                    return;
                };
                match kind {
                    Kind::Promote => member.is_learner = false,
                    Kind::Update => member.peer_urls = change.urls,
                    _ => (member.name, member.client_urls) = (change.name, change.urls),
                }
            }
        }
    }

    /// Whether a quorum of members that have started remains after a change (etcd: `IsReadyToAddVotingMember`
    /// and its kin).
    pub(super) fn is_ready_for(&self, change: &Change) -> bool {
        let voters = self
            .voters()
            .filter(|m| change.kind() != Kind::Remove || m.id != change.id);
        let (mut members, mut started) = (0, 0);
        for voter in voters {
            members += 1;
            started += usize::from(!voter.name.is_empty());
        }
        match change.kind() {
            Kind::Add => {
                members += 1;
                // The second member of a group of one, which is how a group is restored.
                (started == 1 && members == 2) || started > members / 2
            }
            // The learner counts as one that has started.
            Kind::Promote => 2 * (started + 1) > members + 1,
            Kind::Remove => members > 0 && started > members / 2,
            Kind::AddLearner | Kind::Update | Kind::Publish => true,
        }
    }

    /// As bytes, for a snapshot and for whoever joins.
    pub(super) fn encode(&self) -> Vec<u8> {
        let members = self.members.values().map(|member| Stored {
            id: member.id,
            name: member.name.clone(),
            peer_urls: member.peer_urls.clone(),
            client_urls: member.client_urls.clone(),
            is_learner: member.is_learner,
        });
        let group = StoredGroup {
            cluster_id: self.cluster_id,
            members: members.collect(),
            removed: self.removed.iter().copied().collect(),
        };
        group.encode_to_vec()
    }

    /// Out of what [`Membership::encode`] gave.
    pub(super) fn decode(bytes: &[u8]) -> Result<Self, prost::DecodeError> {
        let group = StoredGroup::decode(bytes)?;
        let members = group.members.into_iter().map(|member| {
            let id = member.id;
            let member = Member {
                id,
                name: member.name,
                peer_urls: member.peer_urls,
                client_urls: member.client_urls,
                is_learner: member.is_learner,
            };
            (id, member)
        });
        Ok(Self {
            cluster_id: group.cluster_id,
            members: members.collect(),
            removed: group.removed.into_iter().collect(),
        })
    }
}

#[derive(Clone, PartialEq, Message)]
struct StoredGroup {
    #[prost(uint64, tag = "1")]
    cluster_id: u64,
    #[prost(message, repeated, tag = "2")]
    members: Vec<Stored>,
    #[prost(uint64, repeated, tag = "3")]
    removed: Vec<u64>,
}

#[derive(Clone, PartialEq, Message)]
struct Stored {
    #[prost(uint64, tag = "1")]
    id: u64,
    #[prost(string, tag = "2")]
    name: String,
    #[prost(string, repeated, tag = "3")]
    peer_urls: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    client_urls: Vec<String>,
    #[prost(bool, tag = "5")]
    is_learner: bool,
}

/// The number of a member: of its sorted peer URLs, the group's token, and for one that is added later,
/// something that no other has (etcd: the time in seconds).
pub(super) fn member_id(peer_urls: &[String], token: &str, later: Option<u64>) -> u64 {
    let mut text = peer_urls.concat();
    text.push_str(token);
    if let Some(later) = later {
        text.push_str(&later.to_string());
    }
    first_bytes(text.as_bytes())
}

fn first_bytes(of: &[u8]) -> u64 {
    let hash = Sha1::digest(of);
    hash.iter()
        .take(8)
        .fold(0, |id, byte| id << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What etcd 3.4.23 prints when it is started without flags.
    #[test]
    fn numbers_are_those_of_etcd() {
        let initial = [(
            "default".to_owned(),
            vec!["http://localhost:2380".to_owned()],
        )];
        let group = Membership::new(&initial.into(), "etcd-cluster");
        assert_eq!(group.cluster_id, 0xcdf8_1819_4e3a_8c32);
        assert_eq!(group.list()[0].id, 0x8e9e_05c5_2164_694d);
        assert_eq!(Membership::decode(&group.encode()), Ok(group));
    }
}
