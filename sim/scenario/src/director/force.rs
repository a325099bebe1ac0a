//! What is in force now. The state of a link or a machine is what is normal for it and all that is
//! in force on it; ending one fault leaves the others.

use std::collections::{BTreeMap, BTreeSet};

use squall_cluster::machine::NodeId;
use squall_fault::clock::Skew;
use squall_fault::{Kind, Link, LinkFault, MachineFault, wrong};

use crate::file::Healed;
use crate::world::World;

/// A fault that is in force.
pub(super) struct InForce {
    /// Its event's.
    pub(super) id: usize,
    /// What to call it, for the journal.
    pub(super) what: String,
    /// Where it is, behind that.
    pub(super) place: String,
    /// What it does.
    pub(super) effect: Effect,
}

/// What a fault in force does.
pub(super) enum Effect {
    /// To these links, by direction.
    Links(Vec<(NodeId, NodeId)>, Vec<LinkFault>),
    /// To these machines.
    Machines(Vec<(String, NodeId)>, MachineFault),
    /// These pods have no process.
    Hollow(Vec<String>),
}

/// Everything that is in force, in the order in which it began.
pub(super) struct Force {
    all: Vec<InForce>,
    /// Any link when nothing is wrong with it; the world knows it.
    network: Link,
    /// Links that are normally different.
    normal: BTreeMap<(NodeId, NodeId), Link>,
    /// Links that the world was told are different from `network`.
    told: BTreeMap<(NodeId, NodeId), Link>,
}

impl Force {
    pub(super) fn new(network: Link) -> Self {
        Self {
            all: Vec::new(),
            network,
            normal: BTreeMap::new(),
            told: BTreeMap::new(),
        }
    }

    /// Says what is normal for links; what is in force on them stays.
    pub(super) fn set_normal(
        &mut self,
        normal: BTreeMap<(NodeId, NodeId), Link>,
        world: &dyn World,
    ) {
        if normal == self.normal {
            return;
        }
        let before = std::mem::replace(&mut self.normal, normal);
        let pairs: BTreeSet<_> = before.keys().chain(self.normal.keys()).copied().collect();
        self.refresh_links(pairs, world);
    }

    /// A fault begins.
    pub(super) fn begin(&mut self, fault: InForce, world: &dyn World) {
        self.all.push(fault);
        let at = self.all.len() - 1;
        self.refresh(&[at], world);
    }

    /// A fault ends; what it was, unless it has ended already.
    pub(super) fn end(&mut self, id: usize, world: &dyn World) -> Option<InForce> {
        let at = self.all.iter().position(|fault| fault.id == id)?;
        let fault = self.all.remove(at);
        self.forget(&fault.effect, world);
        Some(fault)
    }

    /// Whether something of a fault is in force.
    pub(super) fn has(&self, id: usize) -> bool {
        self.all.iter().any(|fault| fault.id == id)
    }

    /// All faults of a kind end; they are returned.
    pub(super) fn heal(&mut self, healed: Healed, world: &dyn World) -> Vec<InForce> {
        let mut ended = Vec::new();
        let mut left = Vec::new();
        for mut fault in std::mem::take(&mut self.all) {
            let kind = match healed {
                Healed::All => None,
                Healed::Kind(kind) => Some(kind),
            };
            match (kind, &mut fault.effect) {
                (None, _) => ended.push(fault),
                (Some(kind), Effect::Machines(_, what)) if what.kind() == kind => ended.push(fault),
                (Some(kind), Effect::Links(pairs, faults)) => {
                    // netem has several at once, of which others may stay.
                    let gone: Vec<LinkFault> =
                        faults.extract_if(.., |one| one.kind() == kind).collect();
                    if !gone.is_empty() {
                        ended.push(InForce {
                            id: fault.id,
                            what: fault.what.clone(),
                            place: fault.place.clone(),
                            effect: Effect::Links(pairs.clone(), gone),
                        });
                    }
                    if !faults.is_empty() {
                        left.push(fault);
                    }
                }
                _ => left.push(fault),
            }
        }
        self.all = left;
        for fault in &ended {
            self.forget(&fault.effect, world);
        }
        ended
    }

    fn refresh(&mut self, places: &[usize], world: &dyn World) {
        for place in places {
            match &self.all[*place].effect {
                Effect::Links(pairs, _) => {
                    let pairs = pairs.clone();
                    self.refresh_links(pairs, world);
                }
                Effect::Machines(nodes, fault) => {
                    for (_, node) in nodes {
                        self.refresh_machine(*node, fault.kind(), world);
                    }
                }
                Effect::Hollow(_) => {}
            }
        }
    }

    /// The state of what an effect was on, without it.
    fn forget(&mut self, effect: &Effect, world: &dyn World) {
        match effect {
            Effect::Links(pairs, _) => self.refresh_links(pairs.iter().copied(), world),
            Effect::Machines(nodes, fault) => {
                for (_, node) in nodes {
                    self.refresh_machine(*node, fault.kind(), world);
                }
            }
            Effect::Hollow(_) => {}
        }
    }

    fn refresh_links(
        &mut self,
        pairs: impl IntoIterator<Item = (NodeId, NodeId)>,
        world: &dyn World,
    ) {
        for (from, to) in pairs {
            let pair = (from, to);
            let normal = *self.normal.get(&pair).unwrap_or(&self.network);
            let faults = self.all.iter().filter_map(|fault| match &fault.effect {
                Effect::Links(pairs, faults) if pairs.contains(&pair) => Some(faults),
                _ => None,
            });
            let link = wrong::link(normal, faults.flatten());
            if *self.told.get(&pair).unwrap_or(&self.network) != link {
                world.set_link(from, to, link);
            }
            match link == self.network {
                true => self.told.remove(&pair),
                false => self.told.insert(pair, link),
            };
        }
    }

    fn refresh_machine(&self, node: NodeId, kind: Kind, world: &dyn World) {
        let faults = self.all.iter().filter_map(|fault| match &fault.effect {
            Effect::Machines(nodes, fault) if nodes.iter().any(|(_, n)| *n == node) => Some(fault),
            _ => None,
        });
        match (kind, wrong::machine(kind, faults)) {
            (_, Some(MachineFault::Stress(stressors))) => world.set_stress(node, stressors),
            (_, Some(MachineFault::Disk(rules))) => world.set_disk(node, rules),
            (_, Some(MachineFault::Clock(skew))) => world.set_clock(node, skew),
            (_, Some(MachineFault::Http(rules))) => world.set_http(node, rules),
            (_, Some(MachineFault::Dns(rules))) => world.set_dns(node, rules),
            (Kind::Stress, None) => world.set_stress(node, Vec::new()),
            (Kind::Disk, None) => world.set_disk(node, Vec::new()),
            (Kind::Clock, None) => world.set_clock(node, Skew::default()),
            (Kind::Http, None) => world.set_http(node, Vec::new()),
            (Kind::Dns, None) => world.set_dns(node, Vec::new()),
            // The rest is of links.
            (_, None) => {}
        }
    }
}
