//! A world without an engine: machines are tasks, connections are pipes, time is tokio's.

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use squall_chaos::Member;
use squall_cluster::Machine;
use squall_cluster::machine::{Exit, NodeId, NodeSpec, Shared, Signal};
use squall_fault::clock::Skew;
use squall_fault::cpu::Stressor;
use squall_fault::{Link, disk, dns, http};
use squall_host::disk::{Disk, DiskDriver};
use squall_host::net::{
    DriverStream, Keepalive, Net, NetDriver, TcpListener, TcpStream, UdpSocket,
};
use squall_host::output::{Output, OutputDriver};
use squall_host::shutdown::Trigger;
use squall_host::{Host, Launch, Loaded, Shutdown};
use squall_record::State as Seen;
use squall_scenario::file::Process;
use squall_scenario::journal::Journal;
use squall_scenario::world::{Kubectl, Pod, System, World};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::sync::watch;
use tokio::time::Instant;

/// A world, and the system in it: `a` and `b`, which answer in turns while they are alive.
pub(crate) struct Fake {
    pub(crate) began: Instant,
    pub(crate) state: Mutex<State>,
    pub(crate) up: Result<(), String>,
    pub(crate) seed: u64,
}

#[derive(Default)]
pub(crate) struct State {
    /// Where the proxy of the system writes its log.
    pub(crate) log: Option<Arc<Journal>>,
    pub(crate) dead: BTreeMap<String, bool>,
    pub(crate) turn: usize,
    pub(crate) clients: u32,
    pub(crate) links: Vec<(u32, u32, Link)>,
    /// What is set on machines, as its debug text.
    pub(crate) faults: Vec<(u32, String)>,
    pub(crate) resets: Vec<(u32, u32)>,
    pub(crate) power: Vec<(u32, bool)>,
    pub(crate) acts: Vec<(String, Process)>,
    /// The processes of machines: they end by themselves, or are told to.
    pub(crate) processes: BTreeMap<u32, (Trigger, watch::Receiver<bool>)>,
    /// Processes that were taken away, and stops with their own grace period.
    pub(crate) pods: Vec<String>,
}

const SERVICES: [&str; 2] = ["a", "b"];

impl Fake {
    pub(crate) fn new() -> Self {
        Self {
            began: Instant::now(),
            state: Mutex::default(),
            up: Ok(()),
            seed: 3,
        }
    }

    /// Who answers next: `None` when all are dead.
    fn next(&self) -> Option<&'static str> {
        let mut state = self.state.lock().unwrap();
        let alive: Vec<&str> = SERVICES
            .into_iter()
            .filter(|s| !state.dead.contains_key(*s))
            .collect();
        state.turn += 1;
        alive.get(state.turn % alive.len().max(1)).copied()
    }
}

/// Handles, since the traits want values that live on their own.
#[derive(Clone)]
pub(crate) struct Handle(pub(crate) Arc<Fake>);

impl Machine for Handle {
    fn add_node(&self, _: NodeSpec) -> NodeId {
        NodeId(0)
    }
    fn start(&self, node: NodeId, program: &Loaded, _: &Launch) {
        let host = Host::new(
            "client",
            Net::new(self.clone()),
            Disk::new(NoDisk),
            Output::new(NoOutput),
        );
        let (trigger, shutdown) = Shutdown::new();
        let (ended, ending) = watch::channel(false);
        let run = program.start(host, shutdown);
        tokio::spawn(async move {
            let _ = run.await;
            let _ = ended.send(true);
        });
        let mut state = self.0.state.lock().unwrap();
        state.processes.insert(node.0, (trigger, ending));
    }
    fn signal(&self, node: NodeId, signal: Signal) {
        assert_eq!(signal, Signal::Terminate);
        self.0.state.lock().unwrap().processes[&node.0].0.request();
    }
    fn exit(&self, node: NodeId) -> BoxFuture<'static, Exit> {
        let mut ending = self.0.state.lock().unwrap().processes[&node.0].1.clone();
        Box::pin(async move {
            let _ = ending.wait_for(|ended| *ended).await;
            Exit::Status(0)
        })
    }
    fn exec(&self, _: NodeId, _: Vec<String>) -> BoxFuture<'static, i32> {
        Box::pin(async { 0 })
    }
    fn plug(&self, _: NodeId, _: bool) {}
    fn join_node(&self, node: NodeId, _: &str, _: Option<f64>) -> NodeId {
        node
    }
    fn reset_disk(&self, _: NodeId, _: &[String]) {}
    fn mount(&self, _: NodeId, _: &str, _: &Shared) {}
    fn balance(&self, _: SocketAddr, _: Option<Vec<SocketAddr>>) {}
    fn publish(&self, _: SocketAddr, _: Vec<SocketAddr>) {}
    fn observed(&self, _: Seen) {}
    fn set_name(&self, _: &str, _: Vec<IpAddr>) {}
    fn note(&self, _: NodeId, _: String) {}
}

impl Handle {
    fn set(&self, node: NodeId, what: &dyn std::fmt::Debug) {
        let mut state = self.0.state.lock().unwrap();
        state.faults.push((node.0, format!("{what:?}")));
    }
}

impl World for Handle {
    fn now(&self) -> Duration {
        self.0.began.elapsed()
    }
    fn add_client(&self, _: &str) -> NodeId {
        let mut state = self.0.state.lock().unwrap();
        state.clients += 1;
        NodeId(100 + state.clients)
    }
    fn set_link(&self, from: NodeId, to: NodeId, link: Link) {
        self.0
            .state
            .lock()
            .unwrap()
            .links
            .push((from.0, to.0, link));
    }
    fn reset(&self, a: NodeId, b: NodeId) {
        self.0.state.lock().unwrap().resets.push((a.0, b.0));
    }
    fn set_power(&self, node: NodeId, on: bool) {
        self.0.state.lock().unwrap().power.push((node.0, on));
    }
    fn set_stress(&self, node: NodeId, stressors: Vec<Stressor>) {
        self.set(node, &stressors);
    }
    fn set_disk(&self, node: NodeId, rules: Vec<disk::Rule>) {
        self.set(node, &rules);
    }
    fn set_clock(&self, node: NodeId, skew: Skew) {
        self.set(node, &skew);
    }
    fn set_http(&self, node: NodeId, rules: Vec<http::Rule>) {
        self.set(node, &rules);
    }
    fn set_dns(&self, node: NodeId, rules: Vec<dns::Rule>) {
        self.set(node, &rules);
    }
}

impl System for Handle {
    fn up(&self) -> BoxFuture<'static, Result<(), String>> {
        let up = self.0.up.clone();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_secs(5)).await;
            up
        })
    }
    fn services(&self) -> Vec<String> {
        SERVICES.map(str::to_owned).to_vec()
    }
    fn nodes(&self, target: &str) -> Vec<NodeId> {
        let at = SERVICES.iter().position(|name| *name == target);
        at.map(|at| NodeId(1 + at as u32)).into_iter().collect()
    }
    fn service_at(&self, _: IpAddr) -> Option<String> {
        Some("database".to_owned())
    }
    fn act(&self, target: &str, process: Process) -> BoxFuture<'static, Result<(), String>> {
        let (fake, target) = (self.0.clone(), target.to_owned());
        // Nothing happens before it is waited for, as with Compose.
        Box::pin(async move {
            let mut state = fake.state.lock().unwrap();
            state.acts.push((target.clone(), process));
            match process {
                Process::Kill => drop(state.dead.insert(target, true)),
                Process::Start => {
                    state.dead.remove(&target);
                    if let Some(log) = &state.log {
                        log.line(fake.began.elapsed(), &target, "I lead now");
                    }
                }
                Process::Unpause if state.dead.contains_key(&target) => {
                    return Err(format!("{target} is not running"));
                }
                Process::Stop => return Err("it does not want to".to_owned()),
                _ => {}
            }
            Ok(())
        })
    }
    fn members(&self) -> Vec<Pod> {
        let pod = |(at, name): (usize, &str)| Pod {
            member: Member {
                name: name.to_owned(),
                containers: vec![name.to_owned()],
                namespaces: vec!["default".to_owned()],
                labels: [("app".to_owned(), name.to_owned())].into(),
                phase: "Running",
            },
            node: NodeId(1 + at as u32),
        };
        SERVICES.into_iter().enumerate().map(pod).collect()
    }
    fn stop_within(&self, target: &str, grace: Duration) -> BoxFuture<'static, Result<(), String>> {
        let (fake, target) = (self.0.clone(), target.to_owned());
        Box::pin(async move {
            let mut state = fake.state.lock().unwrap();
            state
                .pods
                .push(format!("{target} stopped within {grace:?}"));
            Ok(())
        })
    }
    fn hollow(&self, target: &str) -> BoxFuture<'static, Result<(), String>> {
        let (fake, target) = (self.0.clone(), target.to_owned());
        Box::pin(async move {
            let at = fake.began.elapsed();
            let mut state = fake.state.lock().unwrap();
            state.pods.push(format!("{target} hollow at {at:?}"));
            state.dead.insert(target, true);
            Ok(())
        })
    }
    fn scale(&self, _: &str, _: u32) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
    fn kubectl(&self, command: Kubectl) -> BoxFuture<'static, Result<(), String>> {
        let fake = self.0.clone();
        Box::pin(async move {
            let at = fake.began.elapsed();
            let text = format!("{command} at {at:?}");
            fake.state.lock().unwrap().pods.push(text);
            Ok(())
        })
    }
    fn power_lost(&self, target: &str) {
        let mut state = self.0.state.lock().unwrap();
        let off = state.power.iter().filter(|(_, on)| !on).count();
        state.pods.push(format!("{target} dark, {off} off before"));
    }
    /// A start makes it so a second later.
    fn rolled_out(&self, target: &str) -> BoxFuture<'static, Result<(), String>> {
        let (fake, target) = (self.0.clone(), target.to_owned());
        Box::pin(async move {
            if target == "nobody" {
                return Err("there is no nobody".to_owned());
            }
            while fake.state.lock().unwrap().dead.contains_key(&target) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            Ok(())
        })
    }
}

impl NetDriver for Handle {
    fn listen(&self, _: SocketAddr, _: u32) -> io::Result<TcpListener> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn connect(&self, _: SocketAddr) -> BoxFuture<'static, io::Result<TcpStream>> {
        let server = self.0.next();
        let fake = self.0.clone();
        Box::pin(async move {
            let name = server.ok_or(io::ErrorKind::ConnectionRefused)?;
            let (here, mut there) = tokio::io::duplex(4096);
            tokio::spawn(async move {
                let mut request = [0; 1024];
                let _ = there.read(&mut request).await;
                tokio::time::sleep(Duration::from_millis(10)).await;
                let body = format!("{{\"backend_id\":\"{name}\",\"postgres_ip\":\"10.0.0.1\"}}");
                let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
                let _ = there.write_all(format!("{head}{body}").as_bytes()).await;
                // The proxy's connection ends when the request is long answered.
                tokio::time::sleep(Duration::from_millis(45)).await;
                let log = fake.state.lock().unwrap().log.clone();
                let text =
                    format!("10.0.0.9:1 [x] front pool/pg_{name} 1/0/50 99 -- 1/1/0/0/0 0/0");
                if let Some(log) = log {
                    log.line(fake.began.elapsed(), "haproxy-7d-x", &text);
                }
            });
            Ok(TcpStream::from_driver(Pipe(here)))
        })
    }
    fn udp(&self, _: SocketAddr) -> io::Result<UdpSocket> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn resolve(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let known = name == "localhost";
        Box::pin(async move {
            if known {
                Ok(vec![[127, 0, 0, 1].into()])
            } else {
                Err(io::ErrorKind::NotFound.into())
            }
        })
    }
    fn nameservers(&self) -> Vec<SocketAddr> {
        vec![]
    }
}

struct Pipe(DuplexStream);

impl DriverStream for Pipe {
    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(([127, 0, 0, 1], 1).into())
    }
    fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }
    fn set_reset_on_drop(&mut self) {}
    fn set_keepalive(&self, _: Keepalive) -> io::Result<()> {
        Ok(())
    }
    fn set_user_timeout(&self, _: Duration) -> io::Result<()> {
        Ok(())
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

struct NoDisk;

impl DiskDriver for NoDisk {
    fn append(&self, _: &str, _: bytes::Bytes) -> BoxFuture<'static, io::Result<()>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
    fn sync(&self, _: &str) -> BoxFuture<'static, io::Result<()>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
    fn read(&self, _: &str) -> BoxFuture<'static, io::Result<bytes::Bytes>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
    fn truncate(&self, _: &str, _: u64) -> BoxFuture<'static, io::Result<()>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
    fn rename(&self, _: &str, _: &str) -> BoxFuture<'static, io::Result<()>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
    fn remove(&self, _: &str) -> BoxFuture<'static, io::Result<()>> {
        Box::pin(async { Err(io::ErrorKind::Unsupported.into()) })
    }
    fn list(&self, _: &str) -> BoxFuture<'static, io::Result<Vec<String>>> {
        Box::pin(async { Ok(vec![]) })
    }
}

struct NoOutput;

impl OutputDriver for NoOutput {
    fn line(&self, _: &str) {}
}
