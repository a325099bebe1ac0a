//! A machine that writes down what is done to it and ends processes when a test says so. Where a test
//! names a machine, `NAME*` means all whose names begin so.
#![allow(dead_code)] // Each test file uses its part.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use squall_cluster::Machine;
use squall_cluster::machine::{Exit, NodeId, NodeSpec, Resolver, Shared, Signal};
use squall_host::{Launch, Loaded};
use squall_record::{Pod, State as Seen};
use tokio::sync::watch;
use tokio::time::Instant;

#[derive(Default)]
struct State {
    names: Vec<String>,
    exits: Vec<watch::Sender<Option<Exit>>>,
    log: Vec<(Duration, String)>,
    notes: Vec<String>,
    zone: BTreeMap<String, Vec<IpAddr>>,
    plugged: BTreeMap<u32, bool>,
    /// How processes answer SIGTERM: after so long, with this status; not at all without an entry.
    obeys: BTreeMap<String, (Duration, i32)>,
    /// What healthchecks of a machine say; healthy without an entry.
    sick: BTreeMap<String, bool>,
    /// Processes that end by themselves: after so long, with this status.
    ends: BTreeMap<String, (Duration, i32)>,
    /// Machines without power: nobody hears how their processes end.
    dark: BTreeMap<String, watch::Sender<bool>>,
    /// Where virtual addresses lead to.
    balanced: BTreeMap<SocketAddr, Vec<SocketAddr>>,
    /// Pods that the record knows, and how often a process started that had not ended.
    pods: BTreeMap<String, Pod>,
}

/// What a test says of a machine, by its name or by how that begins.
fn said<T: Clone>(of: &BTreeMap<String, T>, name: &str) -> Option<T> {
    let begins = |(key, _): &(&String, &T)| {
        let start = key.strip_suffix('*');
        start.is_some_and(|start| name.starts_with(start))
    };
    let exact = of.get(name);
    exact
        .or_else(|| of.iter().find(begins).map(|(_, value)| value))
        .cloned()
}

pub(crate) struct Fake {
    state: Arc<Mutex<State>>,
    begin: Instant,
}

impl Fake {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            state: Arc::default(),
            begin: Instant::now(),
        })
    }

    fn log(&self, line: String) {
        let at = self.begin.elapsed();
        self.state.lock().unwrap().log.push((at, line));
    }

    /// What happened since the last call, `MILLISECONDS what`.
    pub(crate) fn history(&self) -> Vec<String> {
        let mut state = self.state.lock().unwrap();
        let log = std::mem::take(&mut state.log);
        log.iter()
            .map(|(at, what)| format!("{} {what}", at.as_millis()))
            .collect()
    }

    /// Of the history, the lines that contain one of these words.
    pub(crate) fn history_of(&self, words: &[&str]) -> Vec<String> {
        let all = self.history();
        let with = |line: &String| words.iter().any(|word| line.contains(word));
        all.into_iter().filter(with).collect()
    }

    /// What the control plane noted since the last call and contains one of these words:
    /// `MILLISECONDS machine message`.
    pub(crate) fn notes_of(&self, words: &[&str]) -> Vec<String> {
        let all = std::mem::take(&mut self.state.lock().unwrap().notes);
        let with = |line: &String| words.iter().any(|word| line.contains(word));
        all.into_iter().filter(with).collect()
    }

    pub(crate) fn obeys(&self, name: &str, after_ms: u64, status: i32) {
        let after = Duration::from_millis(after_ms);
        self.state
            .lock()
            .unwrap()
            .obeys
            .insert(name.into(), (after, status));
    }

    pub(crate) fn ends(&self, name: &str, after_ms: u64, status: i32) {
        let after = Duration::from_millis(after_ms);
        self.state
            .lock()
            .unwrap()
            .ends
            .insert(name.into(), (after, status));
    }

    pub(crate) fn lives_on(&self, name: &str) {
        self.state.lock().unwrap().ends.remove(name);
    }

    pub(crate) fn sick(&self, name: &str, sick: bool) {
        self.state.lock().unwrap().sick.insert(name.into(), sick);
    }

    /// Takes a machine's power: its process ends, and nobody hears of it before there is power again.
    pub(crate) fn power(&self, node: NodeId, on: bool) {
        let name = self.name(node);
        if on {
            let dark = self.state.lock().unwrap().dark.remove(&name);
            dark.unwrap().send_replace(false);
            return;
        }
        let dark = watch::channel(true).0;
        self.state.lock().unwrap().dark.insert(name, dark);
        self.end_after(node, Duration::ZERO, Exit::Killed);
    }

    /// Where a virtual address leads to now.
    pub(crate) fn behind(&self, address: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let led = state.balanced.get(&address.parse().unwrap());
        led.into_iter().flatten().map(ToString::to_string).collect()
    }

    /// The pods that the run's record knows now.
    pub(crate) fn recorded(&self) -> Vec<Pod> {
        self.state.lock().unwrap().pods.values().cloned().collect()
    }

    pub(crate) fn resolves(&self, name: &str) -> Vec<String> {
        let state = self.state.lock().unwrap();
        let found = state.zone.get(name).into_iter().flatten();
        found.map(ToString::to_string).collect()
    }

    pub(crate) fn is_plugged(&self, name: &str) -> bool {
        let state = self.state.lock().unwrap();
        let node = state.names.iter().position(|n| n == name).unwrap();
        state.plugged[&u32::try_from(node).unwrap()]
    }

    fn name(&self, node: NodeId) -> String {
        self.state.lock().unwrap().names[node.0 as usize].clone()
    }

    fn end_after(&self, node: NodeId, after: Duration, exit: Exit) {
        let sender = self.state.lock().unwrap().exits[node.0 as usize].clone();
        if after.is_zero() {
            sender.send_replace(Some(exit));
            return;
        }
        tokio::spawn(async move {
            tokio::time::sleep(after).await;
            // One that ended meanwhile stays ended.
            if sender.borrow().is_none() {
                sender.send_replace(Some(exit));
            }
        });
    }
}

impl Machine for Fake {
    fn add_node(&self, spec: NodeSpec) -> NodeId {
        if spec.address != Ipv4Addr::UNSPECIFIED && spec.resolver.ndots > 0 {
            let volumes = match &spec.volumes {
                Some(of) => format!(" with {:?} of {}", of.folders, self.name(of.from)),
                None => String::new(),
            };
            self.log(format!("add {} {}{volumes}", spec.name, spec.address));
        }
        let mut state = self.state.lock().unwrap();
        let node = NodeId(u32::try_from(state.names.len()).unwrap());
        state.names.push(spec.name);
        state.exits.push(watch::channel(None).0);
        node
    }

    fn start(&self, node: NodeId, _: &Loaded, _: &Launch) {
        let name = self.name(node);
        let plugged = self.state.lock().unwrap().plugged[&node.0];
        assert!(plugged, "{name} starts without a network");
        self.log(format!("start {name}"));
        let ends = {
            let mut state = self.state.lock().unwrap();
            state.exits[node.0 as usize] = watch::channel(None).0;
            said(&state.ends, &name)
        };
        if let Some((after, status)) = ends {
            self.end_after(node, after, Exit::Status(status));
        }
    }

    fn signal(&self, node: NodeId, signal: Signal) {
        let name = self.name(node);
        self.log(format!("{signal:?} {name}"));
        let obeys = said(&self.state.lock().unwrap().obeys, &name);
        match (signal, obeys) {
            (Signal::Kill, _) => self.end_after(node, Duration::ZERO, Exit::Killed),
            (Signal::Terminate, Some((after, status))) => {
                self.end_after(node, after, Exit::Status(status));
            }
            _ => {}
        }
    }

    fn exit(&self, node: NodeId) -> BoxFuture<'static, Exit> {
        let mut receiver = self.state.lock().unwrap().exits[node.0 as usize].subscribe();
        let (state, name) = (self.state.clone(), self.name(node));
        async move {
            let ended = receiver.wait_for(Option::is_some).await.map(|exit| *exit);
            let dark = state.lock().unwrap().dark.get(&name).cloned();
            if let Some(dark) = dark {
                let _ = dark.subscribe().wait_for(|dark| !dark).await;
            }
            match ended {
                Ok(exit) => exit.expect("waited for"),
                Err(_) => std::future::pending().await,
            }
        }
        .boxed()
    }

    fn exec(&self, node: NodeId, command: Vec<String>) -> BoxFuture<'static, i32> {
        let name = self.name(node);
        self.log(format!("exec {name} {}", command.join(" ")));
        let state = self.state.clone();
        async move {
            if command.iter().any(|word| word == "hang") {
                std::future::pending::<()>().await;
            }
            let sick = said(&state.lock().unwrap().sick, &name);
            i32::from(sick.unwrap_or(false))
        }
        .boxed()
    }

    fn plug(&self, node: NodeId, plugged: bool) {
        let name = self.name(node);
        let before = self.state.lock().unwrap().plugged.insert(node.0, plugged);
        if before.is_some() {
            self.log(format!(
                "{} {name}",
                if plugged { "plug" } else { "unplug" }
            ));
        }
    }

    fn join_node(&self, node: NodeId, name: &str, cpu_limit: Option<f64>) -> NodeId {
        let host = self.name(node);
        self.log(format!("{name} joins {host}"));
        let joined = self.add_node(NodeSpec {
            name: name.to_owned(),
            address: Ipv4Addr::UNSPECIFIED,
            cpu_limit,
            resolver: Resolver::default(),
            volumes: None,
        });
        let mut state = self.state.lock().unwrap();
        let plugged = state.plugged.get(&node.0).copied();
        state
            .plugged
            .extend(plugged.map(|plugged| (joined.0, plugged)));
        joined
    }

    fn reset_disk(&self, node: NodeId, keep: &[String]) {
        let name = self.name(node);
        self.log(format!("reset disk {name} but {keep:?}"));
    }

    fn mount(&self, node: NodeId, folder: &str, shared: &Shared) {
        let name = self.name(node);
        let Shared { volume, inside } = shared;
        self.log(format!("mount {volume}:{inside} at {folder} of {name}"));
    }

    fn balance(&self, address: SocketAddr, to: Option<Vec<SocketAddr>>) {
        let led = to.clone().unwrap_or_default();
        self.state.lock().unwrap().balanced.insert(address, led);
        self.log(format!("balance {address} {to:?}"));
    }

    fn publish(&self, from: SocketAddr, to: Vec<SocketAddr>) {
        let to: Vec<String> = to.iter().map(SocketAddr::to_string).collect();
        self.log(format!("publish {from} {}", to.join(" ")));
    }

    fn unpublish(&self, from: SocketAddr) {
        self.log(format!("unpublish {from}"));
    }

    fn set_name(&self, name: &str, addresses: Vec<IpAddr>) {
        self.state
            .lock()
            .unwrap()
            .zone
            .insert(name.to_owned(), addresses);
    }

    fn observed(&self, seen: Seen) {
        match seen {
            Seen::Pod(pod) => {
                let ready = if pod.ready { " ready" } else { "" };
                // Compose's containers have no node, and their tests look at what is done to them.
                if pod.node.is_some() {
                    self.log(format!("pod {} {}{ready}", pod.name, pod.status));
                }
                let mut state = self.state.lock().unwrap();
                state.pods.insert(pod.name.to_string(), pod);
            }
            Seen::PodGone { name } => {
                self.log(format!("gone {name}"));
                self.state.lock().unwrap().pods.remove(name.as_str());
            }
            Seen::Endpoints { service, ready } => {
                let ready: Vec<&str> = ready.iter().map(|line| line.as_str()).collect();
                self.log(format!("endpoints {service} [{}]", ready.join(" ")));
            }
        }
    }

    fn note(&self, node: NodeId, message: String) {
        let name = self.name(node);
        let at = self.begin.elapsed().as_millis();
        let mut state = self.state.lock().unwrap();
        state.notes.push(format!("{at} {name} {message}"));
    }
}
