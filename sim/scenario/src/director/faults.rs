//! Steps, done: what a step means for each service and each link.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use futures::future::BoxFuture;
use squall_cluster::machine::NodeId;
use squall_record::Kind;
use tokio::time::sleep;

use super::Director;
use crate::file::{Act, Healed, Links, Load, Located, Pace, Process};
use crate::timeline::Event;
use squall_fault::Link;
use squall_fault::link::Loss;

/// How long a machine takes to come up before its container is started; by then the control plane
/// has heard that the process of before is gone.
const BOOT: Duration = Duration::from_millis(100);

/// A step that takes its time: what it is, and how it ended.
pub(super) type Doing = BoxFuture<'static, (String, Result<(), String>)>;

/// The state of all links, and the means to change it.
pub(super) struct Faults<'a> {
    director: &'a Director,
    clients: BTreeMap<&'a str, NodeId>,
    /// Links that are not as they were at the start.
    links: BTreeMap<(NodeId, NodeId), Link>,
}

impl<'a> Faults<'a> {
    pub(super) fn new(director: &'a Director, clients: &[NodeId]) -> Self {
        let names = director
            .scenario
            .clients
            .iter()
            .map(|client| client.name.value.as_str());
        let workloads = director.workloads.iter();
        let names = names.chain(workloads.map(|workload| workload.name.value.as_str()));
        Self {
            director,
            clients: names.zip(clients.iter().copied()).collect(),
            links: BTreeMap::new(),
        }
    }

    /// Does a step, or undoes it.
    pub(super) fn apply(&mut self, event: &Event) -> Vec<Doing> {
        let (act, undo) = (&event.act, event.undo);
        match act {
            Act::Process(process, services) => self.process(*process, undo, services),
            Act::Scale(service, replicas) => {
                let what = format!("scaled to {replicas}");
                self.tell(&service.value, what, Kind::Repair);
                let done = self.director.system.scale(&service.value, *replicas);
                let what = format!("scale {} to {replicas}", service.value);
                vec![Box::pin(async move { (what, done.await) })]
            }
            Act::Partition(links) => {
                self.tell_network(undo, "partition", links);
                self.change(links, |link, _| link.is_cut = !undo);
                vec![]
            }
            Act::Loss(links, fraction) => {
                self.tell_network(undo, &format!("{}% loss", 100.0 * fraction), links);
                self.change(links, |link, _| {
                    link.loss = Loss::independent(if undo { 0.0 } else { *fraction })
                });
                vec![]
            }
            Act::Latency(links, delay, jitter) => {
                self.tell_network(undo, &format!("latency {delay:?} + {jitter:?}"), links);
                self.change(links, |link, normal| {
                    link.latency = if undo { normal.latency } else { *delay };
                    link.jitter = if undo { normal.jitter } else { *jitter };
                });
                vec![]
            }
            Act::Heal(healed) => {
                self.heal(*healed);
                vec![]
            }
            Act::Reset(links) => {
                self.tell_network(undo, "connections reset", links);
                let mut pairs = self.pairs(links);
                // A connection has both directions: one reset is enough.
                pairs.retain(|(a, b)| !(links.both_ways && a > b));
                for (a, b) in pairs {
                    self.director.world.reset(a, b);
                }
                vec![]
            }
            Act::Power(services, on) => self.power(services, *on != undo),
            Act::Load(loads) => {
                // Clients know of it from their own timetable.
                for (client, load) in loads {
                    self.tell(client, describe_load(*load), Kind::Note);
                }
                vec![]
            }
        }
    }

    fn process(&self, process: Process, undo: bool, services: &[Located<String>]) -> Vec<Doing> {
        let process = match (undo, process) {
            (false, process) => process,
            (true, Process::Pause) => Process::Unpause,
            (true, _) => Process::Start,
        };
        let (command, past, kind) = match process {
            Process::Kill => ("kill", "killed", Kind::Fault),
            Process::Stop => ("stop", "told to stop", Kind::Fault),
            Process::Pause => ("pause", "paused", Kind::Fault),
            Process::Start => ("start", "started", Kind::Repair),
            Process::Restart => ("restart", "told to restart", Kind::Repair),
            Process::Unpause => ("unpause", "unpaused", Kind::Repair),
        };
        let mut doing: Vec<Doing> = Vec::new();
        for service in services {
            self.tell(&service.value, past, kind);
            let done = self.director.system.act(&service.value, process);
            let what = format!("{command} {}", service.value);
            doing.push(Box::pin(async move { (what, done.await) }));
        }
        doing
    }

    fn power(&self, services: &[Located<String>], on: bool) -> Vec<Doing> {
        let mut doing: Vec<Doing> = Vec::new();
        for service in services {
            let (what, kind) = if on {
                ("power is back", Kind::Repair)
            } else {
                ("power is gone", Kind::Fault)
            };
            self.tell(&service.value, what, kind);
            for node in self.director.system.nodes(&service.value) {
                self.director.world.set_power(node, on);
            }
            if on {
                let done = self.director.system.act(&service.value, Process::Start);
                let what = format!("start {}", service.value);
                doing.push(Box::pin(async move {
                    sleep(BOOT).await;
                    (what, done.await)
                }));
            }
        }
        doing
    }

    fn heal(&mut self, healed: Healed) {
        let normal = self.normal();
        let what = match healed {
            Healed::All => "healed",
            Healed::Partitions => "partitions healed",
            Healed::Loss => "loss ended",
            Healed::Latency => "latency back to normal",
        };
        self.tell("network", what, Kind::Repair);
        for (&(from, to), link) in &mut self.links {
            if matches!(healed, Healed::All | Healed::Partitions) {
                link.is_cut = normal.is_cut;
            }
            if matches!(healed, Healed::All | Healed::Loss) {
                link.loss = normal.loss;
            }
            if matches!(healed, Healed::All | Healed::Latency) {
                (link.latency, link.jitter) = (normal.latency, normal.jitter);
            }
            self.director.world.set_link(from, to, *link);
        }
        self.links.retain(|_, link| *link != normal);
    }

    fn change(&mut self, links: &Links, change: impl Fn(&mut Link, Link)) {
        let normal = self.normal();
        for (from, to) in self.pairs(links) {
            let link = self.links.entry((from, to)).or_insert(normal);
            change(link, normal);
            self.director.world.set_link(from, to, *link);
        }
        self.links.retain(|_, link| *link != normal);
    }

    fn normal(&self) -> Link {
        let network = self.director.scenario.network;
        Link {
            latency: network.latency,
            jitter: network.jitter,
            ..Link::default()
        }
    }

    /// Every ordered pair of machines that the links mean.
    fn pairs(&self, links: &Links) -> Vec<(NodeId, NodeId)> {
        let from = self.nodes(links.from.as_deref());
        let towards = self.nodes(links.towards.as_deref());
        let mut pairs = Vec::new();
        for &a in &from {
            for &b in &towards {
                if a != b {
                    pairs.push((a, b));
                    if links.both_ways {
                        pairs.push((b, a));
                    }
                }
            }
        }
        pairs.sort_unstable();
        pairs.dedup();
        pairs
    }

    fn nodes(&self, names: Option<&[Located<String>]>) -> Vec<NodeId> {
        let Some(names) = names else {
            let services = self.director.system.services();
            let mut all: Vec<NodeId> = self.clients.values().copied().collect();
            all.extend(
                services
                    .iter()
                    .flat_map(|name| self.director.system.nodes(name)),
            );
            return all;
        };
        let mut nodes = Vec::new();
        for name in names {
            match self.clients.get(name.value.as_str()) {
                Some(client) => nodes.push(*client),
                None => nodes.extend(self.director.system.nodes(&name.value)),
            }
        }
        nodes
    }

    fn tell(&self, host: &str, what: impl Into<String>, kind: Kind) {
        let now = self.director.world.now();
        self.director.journal.happened(now, host, what, kind);
    }

    fn tell_network(&self, undo: bool, what: &str, links: &Links) {
        let (over, kind) = if undo {
            (" over", Kind::Repair)
        } else {
            ("", Kind::Fault)
        };
        self.tell(
            "network",
            format!("{what}{over}: {}", describe(links)),
            kind,
        );
    }
}

fn describe(links: &Links) -> String {
    let names = |names: &Option<Vec<Located<String>>>| match names {
        Some(names) => {
            let names: Vec<&str> = names.iter().map(|name| name.value.as_str()).collect();
            names.join(", ")
        }
        None => "everybody".to_owned(),
    };
    let mut text = names(&links.from);
    let arrow = if links.both_ways { "and" } else { "towards" };
    // Writing to a string cannot fail.
    let _ = write!(text, " {arrow} {}", names(&links.towards));
    text
}

fn describe_load(load: Load) -> String {
    match load {
        Load::Off => "load off".to_owned(),
        Load::On => "load as declared".to_owned(),
        Load::Pace(Pace::Open { period }) => format!("a request every {period:?}"),
        Load::Pace(Pace::Closed { pause }) => format!("a request {pause:?} after each answer"),
    }
}
