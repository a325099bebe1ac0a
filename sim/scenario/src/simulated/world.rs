//! Machines, cables and names, over the engine's control.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use squall_cluster::Machine;
use squall_cluster::dns::{self, Zone};
use squall_cluster::machine::{Exit, NodeId, NodeSpec, Resolver, Shared, Signal};
use squall_engine::{Control, HostId, HostSpec, JoinSpec, Mount, Random};
use squall_fault::clock::Skew;
use squall_fault::cpu::{Cpu, Stressor};
use squall_fault::{Link, disk, dns as names, http};
use squall_host::{Launch, Loaded};
use squall_record::{Kind, State as Seen};
use tokio::sync::oneshot;

use super::http::Interceptors;
use crate::file;
use crate::journal::Journal;
use crate::run::Exec;
use crate::world::World;

/// Hosts outside the system live in RFC 2544's range, which no manifest should use.
const OUTSIDE: [u8; 2] = [198, 18];
/// An SSD in a data centre: a sync takes 1.3 ms on average in IBM's example of a disk that is fast
/// enough for etcd (fio with `--fdatasync=1`, median 0.8 ms, p99 2.4 ms), and SATA passes 500 MB/s;
/// any other operation ends in the page cache. The size is ours: more than a run writes.
const DISK: disk::Speed = disk::Speed {
    operation: Duration::from_micros(20),
    sync: Duration::from_millis(1),
    bytes_per_second: Some(500_000_000),
    capacity_bytes: 8 << 30,
};
/// A volume that machines share: the same disk behind a file server, which answers after the 0.5 ms of a
/// round trip in a data centre (Dean, "Numbers Everyone Should Know") over 1 Gbit/s.
const SHARED: disk::Speed = disk::Speed {
    operation: Duration::from_micros(520),
    sync: Duration::from_micros(1_500),
    bytes_per_second: Some(125_000_000),
    ..DISK
};
/// What a shell shows for a command that could not run, because the container does not.
const NOT_RUNNING: i32 = 137;

pub(super) struct SimulatedWorld {
    control: Control,
    exec: Exec,
    journal: Arc<Journal>,
    cpu: file::Cpu,
    zone: Arc<Zone>,
    /// Where machines look for names, and who is there.
    nameserver: (SocketAddr, SocketAddr),
    state: Arc<Mutex<State>>,
    interceptors: Interceptors,
    seed: u64,
}

#[derive(Default)]
struct State {
    nodes: BTreeMap<NodeId, Node>,
    clients: Vec<HostId>,
    published: BTreeMap<SocketAddr, Vec<SocketAddr>>,
    /// Virtual addresses, and who is behind them.
    balanced: BTreeMap<SocketAddr, Vec<SocketAddr>>,
    outside: u16,
    /// Machines without power, and who waits for news of their processes.
    dark: BTreeSet<NodeId>,
    waiting: Vec<(NodeId, oneshot::Sender<()>)>,
}

struct Node {
    name: Arc<str>,
    address: IpAddr,
    env: BTreeMap<String, String>,
    /// The ports that the program which was started last listens on.
    listens: Vec<u16>,
}

/// How names are looked up in a system.
pub(super) struct Names {
    /// The address at which every machine has its name server.
    pub(super) server: SocketAddr,
    /// For how long answers may be kept.
    pub(super) keeping: dns::Keeping,
}

impl Default for Names {
    /// Docker's embedded name server, which every container has at this address.
    fn default() -> Self {
        Self {
            server: SocketAddr::new(Ipv4Addr::new(127, 0, 0, 11).into(), 53),
            keeping: dns::Keeping::default(),
        }
    }
}

impl SimulatedWorld {
    pub(super) fn new(
        control: Control,
        exec: Exec,
        journal: Arc<Journal>,
        cpu: file::Cpu,
        names: Names,
        seed: u64,
    ) -> Self {
        let zone = Arc::new(Zone::new(names.keeping));
        let mut state = State::default();
        let address = state.next_outside();
        let nameserver = SocketAddr::new(address, names.server.port());
        let spec = HostSpec {
            name: "dns".to_owned(),
            addresses: vec![address],
            nameservers: vec![],
            ..HostSpec::default()
        };
        let host = control.add_host(spec);
        let served = zone.clone();
        control.start(host, move |host, shutdown| {
            Box::pin(async move { Ok(dns::serve(host, nameserver, served, shutdown).await?) })
        });
        Self {
            interceptors: Interceptors::new(control.clone(), seed),
            seed,
            control,
            exec,
            journal,
            cpu,
            zone,
            nameserver: (names.server, nameserver),
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn add_host(&self, spec: HostSpec, address: IpAddr) -> HostId {
        let name = spec.name.as_str().into();
        let (asked, server) = self.nameserver;
        let host = self.control.add_host(HostSpec {
            addresses: vec![address],
            nameservers: vec![asked],
            disk: Some(DISK),
            ..spec
        });
        self.control.route(host, asked, Some(vec![server]));
        let node = Node {
            name,
            address,
            env: BTreeMap::new(),
            listens: Vec::new(),
        };
        let mut state = self.lock();
        for (from, to) in &state.balanced {
            self.control.route(host, *from, Some(to.clone()));
        }
        state.nodes.insert(NodeId(host.0), node);
        host
    }

    fn processor(&self, limit: Option<f64>) -> Cpu {
        Cpu {
            cores: self.cpu.cores,
            limit,
            poll: self.cpu.poll,
        }
    }

    fn name(&self, node: NodeId) -> Arc<str> {
        self.lock()
            .nodes
            .get(&node)
            .map_or_else(|| "?".into(), |node| node.name.clone())
    }

    fn known(&self, node: NodeId) -> Option<(Arc<str>, IpAddr)> {
        let state = self.lock();
        let node = state.nodes.get(&node)?;
        Some((node.name.clone(), node.address))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    /// What to wait for before a process on this machine can be heard of; `None` if it can be now.
    fn news_of(&mut self, node: NodeId) -> Option<oneshot::Receiver<()>> {
        if !self.dark.contains(&node) {
            return None;
        }
        let (sender, receiver) = oneshot::channel();
        self.waiting.push((node, sender));
        Some(receiver)
    }

    fn set_power(&mut self, node: NodeId, on: bool) {
        if !on {
            self.dark.insert(node);
            return;
        }
        self.dark.remove(&node);
        for (_, waiting) in self.waiting.extract_if(.., |(dark, _)| *dark == node) {
            let _ = waiting.send(()); // whoever asked may have stopped waiting
        }
    }

    fn next_outside(&mut self) -> IpAddr {
        self.outside += 1;
        let [high, low] = self.outside.to_be_bytes();
        IpAddr::from([OUTSIDE[0], OUTSIDE[1], high, low])
    }
}

impl Machine for SimulatedWorld {
    fn add_node(&self, spec: NodeSpec) -> NodeId {
        let Resolver { search, ndots } = spec.resolver;
        let host = HostSpec {
            name: spec.name,
            search,
            ndots,
            cpu: Some(self.processor(spec.cpu_limit)),
            disk_of: spec.volumes.map(|of| (host(of.from), of.folders)),
            ..HostSpec::default()
        };
        NodeId(self.add_host(host, spec.address.into()).0)
    }

    fn join_node(&self, node: NodeId, name: &str, cpu_limit: Option<f64>) -> NodeId {
        let spec = JoinSpec {
            name: name.to_owned(),
            cpu: Some(self.processor(cpu_limit)),
            disk: Some(DISK),
        };
        let joined = NodeId(self.control.join(host(node), spec).0);
        let mut state = self.lock();
        if let Some(address) = state.nodes.get(&node).map(|node| node.address) {
            let node = Node {
                name: name.into(),
                address,
                env: BTreeMap::new(),
                listens: Vec::new(),
            };
            state.nodes.insert(joined, node);
        }
        joined
    }

    fn reset_disk(&self, node: NodeId, keep: &[String]) {
        self.control.keep_on_disk(host(node), keep.to_vec());
    }

    fn mount(&self, node: NodeId, folder: &str, shared: &Shared) {
        let mount = Mount {
            folder: folder.to_owned(),
            volume: shared.volume.clone(),
            inside: shared.inside.clone(),
            speed: Some(SHARED),
        };
        self.control.mount(host(node), mount);
    }

    fn start(&self, node: NodeId, program: &Loaded, launch: &Launch) {
        if let Some(node) = self.lock().nodes.get_mut(&node) {
            node.env.clone_from(&launch.env);
            let listens = program.facts.listens.iter();
            node.listens = listens.map(|(address, _)| address.port()).collect();
        }
        let (program, launch) = (program.clone(), launch.clone());
        self.control.start(host(node), move |host, shutdown| {
            program.start(host.launched(&launch), shutdown)
        });
    }

    fn signal(&self, node: NodeId, signal: Signal) {
        match signal {
            Signal::Terminate => self.control.terminate(host(node)),
            Signal::Kill => self.control.kill(host(node)),
            Signal::Stop => self.control.pause(host(node)),
            Signal::Continue => self.control.resume(host(node)),
        }
    }

    fn exit(&self, node: NodeId) -> BoxFuture<'static, Exit> {
        let exit = self.control.exit(host(node));
        let (control, journal) = (self.control.clone(), self.journal.clone());
        let (name, state) = (self.name(node), self.state.clone());
        Box::pin(async move {
            let exit = exit.await;
            // A machine without power tells nobody how its process ended.
            let news = lock(&state).news_of(node);
            if let Some(news) = news {
                let _ = news.await; // a world that ends meanwhile is no news either
            }
            match exit {
                squall_engine::Exit::Returned(Ok(())) => Exit::Status(0),
                squall_engine::Exit::Returned(Err(error)) => {
                    journal.happened(control.now(), &name, format!("exited: {error}"), Kind::Note);
                    Exit::Status(1)
                }
                squall_engine::Exit::Killed => Exit::Killed,
            }
        })
    }

    fn exec(&self, node: NodeId, command: Vec<String>) -> BoxFuture<'static, i32> {
        let env = self
            .lock()
            .nodes
            .get(&node)
            .map(|node| node.env.clone())
            .unwrap_or_default();
        let exec = self.exec;
        let status = self
            .control
            .run_beside(host(node), move |host| exec(host, env, command));
        Box::pin(async move { status.await.unwrap_or(NOT_RUNNING) })
    }

    fn plug(&self, node: NodeId, plugged: bool) {
        match plugged {
            true => self.control.plug(host(node)),
            false => self.control.unplug(host(node)),
        }
        self.interceptors.plug(node, plugged);
    }

    fn balance(&self, address: SocketAddr, to: Option<Vec<SocketAddr>>) {
        let mut state = self.lock();
        let changed = match &to {
            Some(to) => state.balanced.insert(address, to.clone()).as_ref() != Some(to),
            None => state.balanced.remove(&address).is_some(),
        };
        if changed {
            for node in state.nodes.keys() {
                self.control.route(host(*node), address, to.clone());
            }
        }
    }

    fn publish(&self, from: SocketAddr, to: Vec<SocketAddr>) {
        let from = outside(from);
        let mut state = self.lock();
        for client in &state.clients {
            self.control.route(*client, from, Some(to.clone()));
        }
        state.published.insert(from, to);
    }

    fn unpublish(&self, from: SocketAddr) {
        let from = outside(from);
        let mut state = self.lock();
        state.published.remove(&from);
        for client in &state.clients {
            self.control.route(*client, from, None);
        }
    }

    fn set_name(&self, name: &str, addresses: Vec<IpAddr>) {
        self.zone.set(name, addresses);
    }

    fn observed(&self, state: Seen) {
        self.journal.observed(self.control.now(), state);
    }

    fn note(&self, node: NodeId, message: String) {
        self.journal
            .happened(self.control.now(), &self.name(node), message, Kind::Note);
    }
}

impl World for SimulatedWorld {
    fn now(&self) -> Duration {
        self.control.now()
    }

    fn add_client(&self, name: &str) -> NodeId {
        let address = self.lock().next_outside();
        let spec = HostSpec {
            name: name.to_owned(),
            ..HostSpec::default()
        };
        let client = self.add_host(spec, address);
        let mut state = self.lock();
        for (from, to) in &state.published {
            self.control.route(client, *from, Some(to.clone()));
        }
        state.clients.push(client);
        NodeId(client.0)
    }

    fn set_link(&self, from: NodeId, to: NodeId, link: Link) {
        self.control.set_link(host(from), host(to), link);
    }

    fn reset(&self, a: NodeId, b: NodeId) {
        self.control.reset_connections(host(a), host(b));
    }

    fn set_power(&self, node: NodeId, on: bool) {
        self.lock().set_power(node, on);
        match on {
            true => self.control.power_on(host(node)),
            false => self.control.power_off(host(node)),
        }
        self.interceptors.set_power(node, on);
    }

    fn set_stress(&self, node: NodeId, stressors: Vec<Stressor>) {
        self.control.set_stress(host(node), stressors);
    }

    fn set_disk(&self, node: NodeId, rules: Vec<disk::Rule>) {
        self.control.set_disk(host(node), rules);
    }

    fn set_clock(&self, node: NodeId, skew: Skew) {
        self.control.set_clock(host(node), skew);
    }

    fn set_http(&self, node: NodeId, rules: Vec<http::Rule>) {
        let listens = match self.lock().nodes.get(&node) {
            Some(node) => node.listens.clone(),
            None => return,
        };
        let of_a_port = |rule: http::Rule| match rule.port {
            Some(_) => vec![rule],
            None => listens
                .iter()
                .map(|&port| http::Rule {
                    port: Some(port),
                    ..rule.clone()
                })
                .collect(),
        };
        let rules = rules.into_iter().flat_map(of_a_port).collect();
        self.interceptors.set(node, &self.name(node), rules);
    }

    fn set_dns(&self, node: NodeId, rules: Vec<names::Rule>) {
        let Some((name, address)) = self.known(node) else {
            return;
        };
        let mut random = Random::new(self.seed, &format!("dns {name}"));
        let draw = Box::new(move || random.next());
        self.zone.set_faults(address, rules, draw);
    }
}

fn host(node: NodeId) -> HostId {
    HostId(node.0)
}

/// A port published on every address is asked for as `localhost`.
fn outside(published: SocketAddr) -> SocketAddr {
    match published.ip().is_unspecified() {
        true => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), published.port()),
        false => published,
    }
}
