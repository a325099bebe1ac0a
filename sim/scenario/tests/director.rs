//! The director in a world without an engine: machines are tasks, connections are pipes, time is
//! tokio's paused clock.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use futures::future::BoxFuture;
use squall_cluster::Machine;
use squall_cluster::machine::{Exit, NodeId, NodeSpec, Signal};
use squall_host::disk::{Disk, DiskDriver};
use squall_host::net::{DriverStream, Net, NetDriver, TcpListener, TcpStream, UdpSocket};
use squall_host::output::{Output, OutputDriver};
use squall_host::{Host, Launch, Loaded, Shutdown};
use squall_record::{Kind, PhaseView, RunRecord, Verdict};
use squall_scenario::director::Measured;
use squall_scenario::file::Process;
use squall_scenario::journal::Journal;
use squall_scenario::world::{Link, System, World};
use squall_scenario::{Director, Progress, Scenario};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::time::Instant;

/// A world, and the system in it: `a` and `b`, which answer in turns while they are alive.
struct Fake {
    began: Instant,
    state: Mutex<State>,
    up: Result<(), String>,
}

#[derive(Default)]
struct State {
    dead: BTreeMap<String, bool>,
    turn: usize,
    clients: u32,
    links: Vec<(u32, u32, Link)>,
    resets: Vec<(u32, u32)>,
    power: Vec<(u32, bool)>,
    acts: Vec<(String, Process)>,
}

const SERVICES: [&str; 2] = ["a", "b"];

impl Fake {
    fn new() -> Self {
        Self {
            began: Instant::now(),
            state: Mutex::default(),
            up: Ok(()),
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
struct Handle(Arc<Fake>);

impl Machine for Handle {
    fn add_node(&self, _: NodeSpec) -> NodeId {
        NodeId(0)
    }
    fn start(&self, _: NodeId, program: &Loaded, _: &Launch) {
        let host = Host::new(
            "client",
            Net::new(self.clone()),
            Disk::new(NoDisk),
            Output::new(NoOutput),
        );
        tokio::spawn(program.start(host, Shutdown::never()));
    }
    fn signal(&self, _: NodeId, _: Signal) {}
    fn exit(&self, _: NodeId) -> BoxFuture<'static, Exit> {
        Box::pin(std::future::pending())
    }
    fn exec(&self, _: NodeId, _: Vec<String>) -> BoxFuture<'static, i32> {
        Box::pin(async { 0 })
    }
    fn plug(&self, _: NodeId, _: bool) {}
    fn publish(&self, _: SocketAddr, _: SocketAddr) {}
    fn set_name(&self, _: &str, _: Vec<IpAddr>) {}
    fn note(&self, _: NodeId, _: String) {}
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
                Process::Start => drop(state.dead.remove(&target)),
                Process::Stop => return Err("it does not want to".to_owned()),
                _ => {}
            }
            Ok(())
        })
    }
    fn scale(&self, _: &str, _: u32) -> BoxFuture<'static, Result<(), String>> {
        Box::pin(async { Ok(()) })
    }
}

impl NetDriver for Handle {
    fn listen(&self, _: SocketAddr, _: u32) -> io::Result<TcpListener> {
        Err(io::ErrorKind::Unsupported.into())
    }
    fn connect(&self, _: SocketAddr) -> BoxFuture<'static, io::Result<TcpStream>> {
        let server = self.0.next();
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

/// Remembers what it was told.
#[derive(Default)]
struct Heard(Mutex<Vec<String>>);

impl Progress for Heard {
    fn system_is_up(&self, at: Duration) {
        self.0.lock().unwrap().push(format!("up at {at:?}"));
    }
    fn phase_ended(&self, view: PhaseView<'_>) {
        let (phase, samples, happenings) = (view.phase, view.samples.len(), view.happenings.len());
        let text = format!(
            "{}: {} requests, {samples} samples, {happenings} happenings",
            phase.name, phase.requests
        );
        self.0.lock().unwrap().push(text);
    }
}

const HEAD: &str = "
scenario: fake
system: {compose: c.yml}
clients:
  - name: load
    get: http://localhost:8080/data
    rate: 10/s
    timeout: 2s
    backend: $.backend_id
    database: $.postgres_ip
";

async fn direct(fake: &Arc<Fake>, text: &str) -> (RunRecord, Vec<String>) {
    let handle = Handle(fake.clone());
    let (journal, heard) = (Arc::new(Journal::new()), Arc::new(Heard::default()));
    let director = Director {
        scenario: Arc::new(Scenario::read("x.yaml".into(), text).unwrap()),
        world: Arc::new(handle.clone()),
        system: Arc::new(handle),
        journal: journal.clone(),
        progress: heard.clone(),
    };
    // As the engine does: the story is a task of its own.
    let told = tokio::spawn(director.direct()).await.unwrap();
    let measured = Measured {
        seed: 3,
        virtual_time: fake.began.elapsed(),
        ..Measured::default()
    };
    let record = told.into_record(measured, &journal);
    let heard = heard.0.lock().unwrap().clone();
    (record, heard)
}

#[tokio::test(start_paused = true)]
async fn a_story_is_played_and_judged() {
    let fake = Arc::new(Fake::new());
    let text = format!(
        "{HEAD}
phases:
  - phase: both
    for: 10s
    expect: {{success: 100%, backends: {{a: 50%, b: 50%}}, only_databases: database, longest_stall: < 50ms}}
  - phase: b alone
    for: 10s
    steps: [{{kill: a, for: 12s}}]
    expect: {{success: 100%, only_backends: b}}
  - phase: nobody
    for: 10s
    steps: [{{kill: b, for: 1s}}]
    expect: {{status: {{200: 90%, refused: 10%}}, longest_outage: 1s..1200ms}}
invariants: [every-request-answered, {{recovers: {{within: 1s}}}}, balanced-after-recovery]
"
    );
    let (record, heard) = direct(&fake, &text).await;
    let summary = &record.summary;
    let judged: Vec<_> = summary
        .phases
        .iter()
        .flat_map(|p| &p.expectations)
        .collect();
    assert_eq!(judged.len(), 10);
    assert!(
        judged.iter().all(|one| one.holds == Some(true)),
        "{judged:#?}"
    );
    assert_eq!(
        heard,
        [
            "up at 5s",
            "both: 100 requests, 100 samples, 0 happenings",
            "b alone: 100 requests, 100 samples, 1 happenings",
            "nobody: 100 requests, 100 samples, 3 happenings",
        ]
    );
    let holds: Vec<Option<bool>> = summary.invariants.iter().map(|one| one.holds).collect();
    // Ten seconds after the last change nothing is sent any more.
    assert_eq!(
        holds,
        [Some(false), Some(true), None],
        "{:#?}",
        summary.invariants
    );
    assert_eq!(summary.verdict, Verdict::Failed);
    assert_eq!(
        (
            summary.seed,
            summary.phases[1].from_ms,
            summary.phases[1].to_ms
        ),
        (3, 15_000, 25_000)
    );
    let happened: Vec<String> = record
        .happenings
        .iter()
        .map(|h| format!("{} {} {} {:?}", h.at_us / 1000, h.host, h.what, h.kind))
        .collect();
    assert_eq!(
        happened,
        [
            "15000 a killed Fault",
            "25000 b killed Fault",
            "26000 b started Repair",
            "27000 a started Repair"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn links_are_broken_and_mended() {
    let fake = Arc::new(Fake::new());
    let text = format!(
        "{HEAD}
phases:
  - phase: network
    for: 10s
    steps:
      - {{at: 1s, loss: {{percent: 25%, towards: a}}, for: 1s}}
      - {{at: 3s, partition: {{between: a, and: b}}}}
      - {{at: 4s, latency: {{delay: 50ms, from: a, towards: b}}}}
      - {{at: 5s, heal: partitions}}
      - {{at: 6s, heal: }}
      - {{at: 7s, reset: {{between: a, and: load}}}}
      - {{at: 8s, power_off: b, for: 1s}}
      - {{at: 9500ms, load: off}}
"
    );
    let (record, _) = direct(&fake, &text).await;
    let state = fake.state.lock().unwrap();
    let shown: Vec<String> = state
        .links
        .iter()
        .map(|(from, to, link)| {
            format!("{from}-{to} {} {} {:?}", link.cut, link.loss, link.latency)
        })
        .collect();
    assert_eq!(
        shown,
        [
            // Loss towards a, from b (2) and from the client (101), and its end.
            "2-1 false 0.25 200µs",
            "101-1 false 0.25 200µs",
            "2-1 false 0 200µs",
            "101-1 false 0 200µs",
            "1-2 true 0 200µs",
            "2-1 true 0 200µs",
            "1-2 true 0 50ms",
            "1-2 false 0 50ms",
            "2-1 false 0 200µs",
            "1-2 false 0 200µs",
        ]
    );
    assert_eq!(state.resets, [(1, 101)]);
    assert_eq!(state.power, [(2, false), (2, true)]);
    assert_eq!(state.acts, [("b".to_owned(), Process::Start)]);
    assert_eq!(record.summary.phases[0].requests, 95);
    let faults = record
        .happenings
        .iter()
        .filter(|h| h.kind == Kind::Fault)
        .count();
    assert_eq!(faults, 5);
    // Nothing is expected, so nothing was shown.
    assert_eq!(record.summary.verdict, Verdict::Unknown);
}

#[tokio::test(start_paused = true)]
async fn stragglers_belong_to_the_phase_in_which_they_were_sent() {
    let fake = Arc::new(Fake::new());
    let text = format!(
        "{HEAD}
phases:
  - {{phase: one, for: 1s, load: 100/s}}
  - {{phase: two, for: 1s, load: off, expect: {{requests: 0}}}}
"
    );
    let (record, _) = direct(&fake, &text).await;
    let phases = &record.summary.phases;
    assert_eq!(
        (phases[0].requests, phases[0].ok, phases[1].requests),
        (100, 100, 0)
    );
    assert_eq!(record.summary.verdict, Verdict::Passed);
}

#[tokio::test(start_paused = true)]
async fn a_step_that_cannot_be_done_leaves_the_verdict_open() {
    let fake = Arc::new(Fake::new());
    let text = format!(
        "{HEAD}
phases: [{{phase: one, for: 1s, steps: [{{stop: a}}], expect: {{success: 100%}}}}]
"
    );
    let (record, _) = direct(&fake, &text).await;
    assert_eq!(record.summary.verdict, Verdict::Unknown);
    let mishap = &record.summary.invariants[0];
    assert_eq!(
        (mishap.name.as_str(), mishap.holds),
        ("every-step-is-done", None)
    );
    assert_eq!(mishap.detail, "stop a: it does not want to");
}

#[tokio::test(start_paused = true)]
async fn a_system_that_does_not_start_has_failed() {
    let fake = Arc::new(Fake {
        up: Err("nginx exited with status 1".to_owned()),
        ..Fake::new()
    });
    let text = format!("{HEAD}\nphases: [{{phase: one, for: 1s, expect: {{success: 100%}}}}]\n");
    let (record, heard) = direct(&fake, &text).await;
    assert_eq!(record.summary.verdict, Verdict::Failed);
    assert_eq!(
        record.summary.invariants[0].detail,
        "nginx exited with status 1"
    );
    assert!(heard.is_empty() && record.samples.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_not_known_is_a_failed_request() {
    let fake = Arc::new(Fake::new());
    let head = HEAD.replace("localhost", "nowhere");
    let text = format!(
        "{head}\nphases: [{{phase: one, for: 1s, expect: {{status: {{no such name: 100%}}}}}}]\n"
    );
    let (record, _) = direct(&fake, &text).await;
    assert_eq!(
        record.summary.verdict,
        Verdict::Passed,
        "{:#?}",
        record.summary.phases
    );
}
