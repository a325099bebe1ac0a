//! Steps, done: what a step means for each service and each link. What a fault of a document means
//! is in `inject`.

mod inject;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use futures::future::BoxFuture;
use squall_cluster::machine::NodeId;
use squall_fault::{Kind as Wrong, Link};
use squall_record::{Happening, Kind};
use tokio::time::sleep;

use super::Director;
use super::cast::Cast;
use super::choose::Chooser;
use super::force::{Effect, Force, InForce};
use super::pods::{self, Kubelet};
use crate::file::{Act, Healed, Links, Load, Located, Pace, Process};
use crate::journal::micros;
use crate::timeline::{Deed, Event};
use crate::world::Kubectl;

/// How long a machine takes to come up before its container is started; by then the control plane
/// has heard that the process of before is gone.
const BOOT: Duration = Duration::from_millis(100);

/// A step that takes its time: what it is, and how it ended.
pub(super) type Doing = BoxFuture<'static, (String, Result<(), String>)>;

/// What is in force, and the means to change it.
pub(super) struct Faults<'a> {
    director: &'a Director,
    clients: BTreeMap<&'a str, NodeId>,
    force: Force,
    chooser: Chooser,
    cast: Cast,
    kubelet: Kubelet,
    /// What lasts, by its number in the record.
    lasting: BTreeMap<Lasting, u32>,
    numbers: u32,
}

/// What lasts until it is ended.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lasting {
    /// A fault in force, by its event's number.
    Force(usize),
    /// A target's processes are frozen.
    Paused(String),
    /// A target's machines have no power.
    Dark(String),
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
        let mut faults = Self {
            director,
            clients: names.zip(clients.iter().copied()).collect(),
            force: Force::new(director.scenario.network),
            chooser: Chooser::new(director.seed),
            cast: Cast::default(),
            kubelet: Kubelet::default(),
            lasting: BTreeMap::new(),
            numbers: 0,
        };
        faults.machines_changed();
        faults
    }

    /// Sets what is normal for the links of machines that are there now.
    pub(super) fn machines_changed(&mut self) {
        let mut normal: BTreeMap<(NodeId, NodeId), Link> = BTreeMap::new();
        for entry in &self.director.scenario.links {
            let pairs = self.pairs(&entry.links).into_iter();
            normal.extend(pairs.map(|pair| (pair, entry.link)));
        }
        self.force.set_normal(normal, &*self.director.world);
    }

    /// Does what an event says, or undoes it.
    pub(super) fn apply(&mut self, event: &Event) -> Vec<Doing> {
        if event.undo
            && let Some(ended) = self.force.end(event.id, &*self.director.world)
        {
            return self.ended(&ended);
        }
        match &event.deed {
            Deed::Act(act) => match self.cast.of(event, act, self.director) {
                Ok(Some(act)) => self.act(event.id, &act, event.undo),
                Ok(None) => vec![],
                Err(why) => vec![Box::pin(async { ("a step".to_owned(), Err(why)) })],
            },
            // What has ended already, or was over at once.
            Deed::Inject(_) if event.undo => vec![],
            Deed::Inject(injection) => self.inject(event.id, injection),
        }
    }

    fn act(&mut self, id: usize, act: &Act, undo: bool) -> Vec<Doing> {
        match act {
            // Of these, what has not ended yet is in force, and was ended above.
            Act::Link(..) | Act::Machine(..) | Act::Chaos(_) if undo => vec![],
            // The timeline has taken it apart.
            Act::Chaos(_) => vec![],
            Act::Link(links, fault) => {
                let effect = Effect::Links(self.pairs(links), vec![*fault]);
                let place = format!(": {}", describe(links));
                self.begin(id, fault.to_string(), place, effect);
                vec![]
            }
            Act::Machine(names, fault) => {
                let mut nodes = Vec::new();
                for name in names {
                    let of_name = self.nodes(Some(std::slice::from_ref(name))).into_iter();
                    nodes.extend(of_name.map(|node| (name.value.clone(), node)));
                }
                let effect = Effect::Machines(nodes, fault.clone());
                self.begin(id, fault.to_string(), String::new(), effect);
                vec![]
            }
            Act::Process(process, services) => self.process(*process, undo, services),
            Act::Scale(service, replicas) => {
                let what = format!("scaled to {replicas}");
                self.tell(&service.value, what, Kind::Repair);
                let done = self.director.system.scale(&service.value, *replicas);
                let what = format!("scale {} to {replicas}", service.value);
                vec![Box::pin(async move { (what, done.await) })]
            }
            Act::Kubectl(commands) => self.kubectl(commands, undo),
            Act::Heal(healed) => self.heal(*healed),
            Act::Reset(links) => {
                self.tell(
                    "network",
                    format!("connections reset: {}", describe(links)),
                    Kind::Fault,
                );
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

    /// A fault is in force from now on.
    fn begin(&mut self, id: usize, what: String, place: String, effect: Effect) {
        let begins = Some(self.lasts(Lasting::Force(id)));
        let text = format!("{what}{place}");
        self.tell_effect(&text, &effect, Kind::Fault, begins, &[]);
        let fault = InForce {
            id,
            what,
            place,
            effect,
        };
        self.force.begin(fault, &*self.director.world);
    }

    fn ended(&mut self, fault: &InForce) -> Vec<Doing> {
        let what = format!("{} over{}", fault.what, fault.place);
        let ends = self.over(&Lasting::Force(fault.id));
        self.tell_effect(&what, &fault.effect, Kind::Repair, None, &ends);
        self.recover(&fault.effect)
    }

    fn recover(&self, effect: &Effect) -> Vec<Doing> {
        match effect {
            Effect::Hollow(names) => {
                let names = names.iter();
                names
                    .map(|name| pods::recover(name, &self.director.system))
                    .collect()
            }
            Effect::Links(..) | Effect::Machines(..) => vec![],
        }
    }

    /// The number of something that lasts from now on.
    fn lasts(&mut self, what: Lasting) -> u32 {
        self.numbers += 1;
        self.lasting.insert(what, self.numbers);
        self.numbers
    }

    /// The number of something that has lasted, if it has.
    fn over(&mut self, what: &Lasting) -> Vec<u32> {
        self.lasting.remove(what).into_iter().collect()
    }

    fn tell_effect(
        &self,
        what: &str,
        effect: &Effect,
        kind: Kind,
        begins: Option<u32>,
        ends: &[u32],
    ) {
        let tell = |host: &str| self.tell_all(host, what, kind, begins, ends.to_vec());
        match effect {
            Effect::Links(..) => tell("network"),
            Effect::Machines(nodes, _) => {
                let mut names: Vec<&str> = nodes.iter().map(|(name, _)| name.as_str()).collect();
                names.dedup();
                names.into_iter().for_each(tell);
            }
            Effect::Hollow(names) => names.iter().for_each(|name| tell(name)),
        }
    }

    fn process(
        &mut self,
        process: Process,
        undo: bool,
        services: &[Located<String>],
    ) -> Vec<Doing> {
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
            // Whatever else is done to frozen processes ends that, too.
            let paused = || Lasting::Paused(service.value.clone());
            let ends = self.over(&paused());
            let begins = (process == Process::Pause).then(|| self.lasts(paused()));
            self.tell_all(&service.value, past, kind, begins, ends);
            let done = self.director.system.act(&service.value, process);
            let what = format!("{command} {}", service.value);
            // Whoever was killed or started anew meanwhile is not frozen any more.
            let may_be_over = undo && process == Process::Unpause;
            doing.push(Box::pin(async move {
                let done = done.await;
                (what, if may_be_over { Ok(()) } else { done })
            }));
        }
        doing
    }

    fn power(&mut self, services: &[Located<String>], on: bool) -> Vec<Doing> {
        let mut doing: Vec<Doing> = Vec::new();
        for service in services {
            let (what, kind) = if on {
                ("power is back", Kind::Repair)
            } else {
                ("power is gone", Kind::Fault)
            };
            let dark = || Lasting::Dark(service.value.clone());
            let ends = self.over(&dark());
            let begins = (!on).then(|| self.lasts(dark()));
            self.tell_all(&service.value, what, kind, begins, ends);
            if !on {
                // Told before its processes are gone, so that it does not see them go.
                self.director.system.power_lost(&service.value);
            }
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

    /// Commands that are begun one after the other; a drain is undone by an uncordon.
    fn kubectl(&self, commands: &[Located<Kubectl>], undo: bool) -> Vec<Doing> {
        let mut doing: Vec<Doing> = Vec::new();
        for command in commands {
            let command = match &command.value {
                Kubectl::Drain(node) if undo => Kubectl::Uncordon(node.clone()),
                _ if undo => continue,
                command => command.clone(),
            };
            let (host, what, kind) = match &command {
                Kubectl::DeletePod(target) => (target, "deleted".to_owned(), Kind::Fault),
                Kubectl::Drain(node) => (node, "drained".to_owned(), Kind::Fault),
                Kubectl::Uncordon(node) => (node, "uncordoned".to_owned(), Kind::Note),
                Kubectl::RolloutRestart(target) => {
                    (target, "rollout restarted".to_owned(), Kind::Note)
                }
                Kubectl::SetImage(target, image) => {
                    (target, format!("image set to {image}"), Kind::Note)
                }
            };
            self.tell(host, what, kind);
            let what = command.to_string();
            let done = self.director.system.kubectl(command);
            doing.push(Box::pin(async move { (what, done.await) }));
        }
        doing
    }

    fn heal(&mut self, healed: Healed) -> Vec<Doing> {
        let what = match healed {
            Healed::All => "healed".to_owned(),
            Healed::Kind(Wrong::Partition) => "partitions healed".to_owned(),
            Healed::Kind(Wrong::Latency) => "latency back to normal".to_owned(),
            Healed::Kind(kind) => format!("{} ended", kind.name()),
        };
        let ended = self.force.heal(healed, &*self.director.world);
        // Of netem's several faults others may stay.
        let over = ended.iter().filter(|fault| !self.force.has(fault.id));
        let over: Vec<Lasting> = over.map(|fault| Lasting::Force(fault.id)).collect();
        let ends = over.iter().flat_map(|what| self.over(what)).collect();
        self.tell_all("network", what, Kind::Repair, None, ends);
        ended
            .iter()
            .flat_map(|fault| self.recover(&fault.effect))
            .collect()
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
        names
            .iter()
            .flat_map(|name| self.named(&name.value))
            .collect()
    }

    /// The machines of a client, a service, a container, or at an address.
    fn named(&self, name: &str) -> Vec<NodeId> {
        if let Some(client) = self.clients.get(name) {
            return vec![*client];
        }
        let system = &self.director.system;
        match name.parse() {
            Ok(address) => {
                let service = system.service_at(address);
                service.map(|name| system.nodes(&name)).unwrap_or_default()
            }
            Err(_) => system.nodes(name),
        }
    }

    fn tell(&self, host: &str, what: impl Into<String>, kind: Kind) {
        self.tell_all(host, what, kind, None, vec![]);
    }

    fn tell_all(
        &self,
        host: &str,
        what: impl Into<String>,
        kind: Kind,
        begins: Option<u32>,
        ends: Vec<u32>,
    ) {
        self.director.journal.tell(Happening {
            at_us: micros(self.director.world.now()),
            host: host.into(),
            what: what.into(),
            kind,
            begins,
            ends,
        });
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
