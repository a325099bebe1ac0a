//! A fault of a document begins: whom it befalls now, and what it means for each of them.

use squall_chaos::{Direction, Fault, Injection, Who};
use squall_cluster::machine::NodeId;
use squall_record::Kind;

use super::{Doing, Faults};
use crate::director::choose::Stream;
use crate::director::force::Effect;
use crate::director::pods;
use crate::world::Pod;

impl Faults<'_> {
    /// A fault of a document begins.
    pub(super) fn inject(&mut self, id: usize, injection: &Injection) -> Vec<Doing> {
        let chaos = &injection.chaos;
        let name = format!("{} {}", chaos.kind, injection.name);
        let system = self.director.system.clone();
        let mut stream = self.chooser.stream(&injection.name);
        let pods = stream.choose(&chaos.who, &*system);
        if pods.is_empty() {
            self.tell(
                "scenario",
                format!("{name}: nobody is selected"),
                Kind::Note,
            );
            return vec![];
        }
        let names: Vec<String> = pods.iter().map(|pod| pod.member.name.clone()).collect();
        let now = self.director.world.now();
        match &chaos.fault {
            Fault::Kill { grace } => {
                self.tell_each(&names, &format!("{name}: killed, another takes its place"));
                let kills = names.iter().map(|name| pods::kill(name, *grace, &system));
                kills.collect()
            }
            Fault::KillContainer => {
                self.tell_each(
                    &names,
                    &format!("{name}: container killed, it is restarted"),
                );
                let kills = names.iter();
                kills
                    .map(|name| self.kubelet.kill(name, now, &system))
                    .collect()
            }
            Fault::Fail => {
                let fails = names.iter().map(|name| pods::fail(name, &system)).collect();
                let what = format!("{name}: pod failure");
                self.begin(id, what, String::new(), Effect::Hollow(names));
                fails
            }
            Fault::Machine(fault) => {
                let nodes = names.into_iter().zip(pods.iter().map(|pod| pod.node));
                let effect = Effect::Machines(nodes.collect(), fault.clone());
                self.begin(id, format!("{name}: {fault}"), String::new(), effect);
                vec![]
            }
            Fault::Links {
                direction,
                peers,
                faults,
            } => {
                let targets = self.peers(peers, &mut stream);
                let shown: Vec<String> = faults.iter().map(ToString::to_string).collect();
                let (arrow, others) = (arrow(*direction), shown_names(&targets));
                let place = format!(": {} {arrow} {others}", names.join(", "));
                let pairs = self.chosen_pairs(&pods, targets, *direction);
                let what = format!("{name}: {}", shown.join(", "));
                self.begin(id, what, place, Effect::Links(pairs, faults.clone()));
                vec![]
            }
        }
    }

    /// The other ends of links, with their names; `None` for everybody.
    fn peers(&self, peers: &[Who], stream: &mut Stream) -> Option<Vec<(String, NodeId)>> {
        if peers.is_empty() {
            return None;
        }
        let mut ends: Vec<(String, NodeId)> = Vec::new();
        for peer in peers {
            match peer {
                Who::Selected(_) => {
                    let pods = stream.choose(peer, &*self.director.system).into_iter();
                    ends.extend(pods.map(|pod| (pod.member.name, pod.node)));
                }
                Who::Named(names) => {
                    for name in names {
                        let nodes = self.named(&name.value).into_iter();
                        ends.extend(nodes.map(|node| (name.value.clone(), node)));
                    }
                }
            }
        }
        Some(ends)
    }

    fn chosen_pairs(
        &self,
        pods: &[Pod],
        peers: Option<Vec<(String, NodeId)>>,
        direction: Direction,
    ) -> Vec<(NodeId, NodeId)> {
        let peers = match peers {
            Some(peers) => peers.into_iter().map(|(_, node)| node).collect(),
            None => self.nodes(None),
        };
        let mut pairs = Vec::new();
        for pod in pods {
            for peer in peers.iter().filter(|peer| **peer != pod.node) {
                if direction != Direction::From {
                    pairs.push((pod.node, *peer));
                }
                if direction != Direction::To {
                    pairs.push((*peer, pod.node));
                }
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    }

    fn tell_each(&self, names: &[String], what: &str) {
        for name in names {
            self.tell(name, what, Kind::Fault);
        }
    }
}

fn arrow(direction: Direction) -> &'static str {
    match direction {
        Direction::To => "towards",
        Direction::From => "from",
        Direction::Both => "and",
    }
}

fn shown_names(ends: &Option<Vec<(String, NodeId)>>) -> String {
    match ends {
        None => "everybody".to_owned(),
        Some(ends) => {
            let mut names: Vec<&str> = ends.iter().map(|(name, _)| name.as_str()).collect();
            names.dedup();
            names.join(", ")
        }
    }
}
