//! Members on loopback with disks in memory.

pub(crate) mod disk;

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use etcd_client::proto::{PbPutRequest, PbRangeRequest};
use squall_etcd_stub::command::Action;
use squall_etcd_stub::config::{ClusterState, Config};
use squall_etcd_stub::consensus::{Error, Group, Member};
use squall_etcd_stub::refusal::Refusal;
use squall_host::disk::Disk;
use squall_host::output::{Output, OutputDriver};
use squall_host::{Host, Launch, Shutdown, Trigger};
use tokio::task::JoinHandle;

use disk::TestDisk;

/// What a member printed.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl OutputDriver for Lines {
    fn line(&self, line: &str) {
        if std::env::var_os("LINES").is_some() {
            eprintln!("{line}");
        }
        self.0.lock().unwrap().push(line.to_owned());
    }
}

impl Lines {
    pub(crate) fn having(&self, part: &str) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        lines
            .iter()
            .filter(|line| line.contains(part))
            .cloned()
            .collect()
    }
}

/// A place for a member: its address, its disk, what it printed.
pub(crate) struct Place {
    pub(crate) config: Config,
    pub(crate) disk: TestDisk,
    pub(crate) lines: Lines,
    pub(crate) running: Option<Running>,
}

pub(crate) struct Running {
    pub(crate) group: Group,
    pub(crate) task: JoinHandle<Result<(), Error>>,
    pub(crate) trigger: Trigger,
}

/// Ports that were free a moment ago.
fn ports(count: usize) -> Vec<u16> {
    let net = Host::real().net;
    let listen = |_| net.listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    let listeners: Vec<_> = (0..count).map(listen).collect();
    let port = |l: &squall_host::net::TcpListener| l.local_addr().unwrap().port();
    listeners.iter().map(port).collect()
}

/// Places for so many members of a new group.
pub(crate) fn places(count: usize) -> Vec<Place> {
    let ports = ports(count);
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let initial: BTreeMap<String, Vec<String>> = ports
        .iter()
        .enumerate()
        .map(|(n, port)| (format!("m{n}"), vec![url(*port)]))
        .collect();
    let place = |(n, port): (usize, &u16)| {
        place(&format!("m{n}"), *port, initial.clone(), ClusterState::New)
    };
    ports.iter().enumerate().map(place).collect()
}

/// A place for a member that was added.
pub(crate) fn place(
    name: &str,
    port: u16,
    initial_cluster: BTreeMap<String, Vec<String>>,
    initial_cluster_state: ClusterState,
) -> Place {
    let config = Config {
        name: name.to_owned(),
        data_dir: "/data".to_owned(),
        listen_peer: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port))],
        advertise_peer: vec![format!("http://127.0.0.1:{port}")],
        advertise_client: vec![format!("http://{name}:2379")],
        initial_cluster,
        initial_cluster_state,
        heartbeat: Duration::from_millis(20),
        election: Duration::from_millis(200),
        ..Config::read(&Launch::default()).unwrap()
    };
    Place {
        config,
        disk: TestDisk::default(),
        lines: Lines::default(),
        running: None,
    }
}

pub(crate) fn free_port() -> u16 {
    ports(1)[0]
}

impl Place {
    pub(crate) fn host(&self) -> Host {
        let real = Host::real();
        let disk = Disk::new(self.disk.clone());
        Host::new(
            &self.config.name,
            real.net,
            disk,
            Output::new(self.lines.clone()),
        )
    }

    pub(crate) async fn try_start(&mut self) -> Result<(), Error> {
        let host = self.host();
        let (group, worker) = Group::start(&self.config, &host).await?;
        let (trigger, shutdown) = Shutdown::new();
        let task = tokio::spawn(worker.run(shutdown));
        self.running = Some(Running {
            group,
            task,
            trigger,
        });
        Ok(())
    }

    pub(crate) async fn start(&mut self) {
        self.try_start().await.unwrap();
    }

    pub(crate) fn group(&self) -> &Group {
        &self.running.as_ref().unwrap().group
    }

    pub(crate) fn id(&self) -> u64 {
        self.group().standing().member_id
    }

    /// Drops all that the member does, as a kill does.
    pub(crate) async fn kill(&mut self) {
        let running = self.running.take().unwrap();
        running.task.abort();
        let _ = running.task.await;
    }

    /// Why it ended by itself.
    pub(crate) async fn ended(&mut self) -> Result<(), Error> {
        self.running.take().unwrap().task.await.unwrap()
    }
}

pub(crate) async fn start(places: &mut [Place]) {
    for place in places {
        place.start().await;
    }
}

pub(crate) fn put_action(key: &str, value: &str) -> Action {
    Action::Put(PbPutRequest {
        key: key.into(),
        value: value.into(),
        ..Default::default()
    })
}

pub(crate) async fn put(group: &Group, key: &str, value: &str) -> Result<i64, Refusal> {
    let done = group.propose(put_action(key, value)).await?;
    Ok(done.revision)
}

/// The value that a linearizable read gives.
pub(crate) async fn get(group: &Group, key: &str) -> Result<Option<String>, Refusal> {
    group.catch_up().await?;
    Ok(peek(group, key))
}

/// The value that the member has.
pub(crate) fn peek(group: &Group, key: &str) -> Option<String> {
    let request = PbRangeRequest {
        key: key.into(),
        ..Default::default()
    };
    let found = group.look(|store| store.range(&request)).unwrap();
    let kv = found.kvs.into_iter().next()?;
    Some(String::from_utf8(kv.value).unwrap())
}

/// Waits, without a limit of its own: the test's runner has one.
pub(crate) async fn until(mut is_so: impl FnMut() -> bool) {
    while !is_so() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Who leads, as all that run agree, once they do.
pub(crate) async fn leader(places: &[Place]) -> usize {
    loop {
        let running = || places.iter().filter(|place| place.running.is_some());
        let leader = running()
            .next()
            .and_then(|place| place.group().standing().leader);
        if let Some(leader) = leader
            && running().all(|place| place.group().standing().leader == Some(leader))
            && let Some(at) = places
                .iter()
                .position(|place| place.running.is_some() && place.id() == leader)
        {
            return at;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn names(members: &[Member]) -> Vec<&str> {
    let mut names: Vec<_> = members.iter().map(|member| &member.name[..]).collect();
    names.sort_unstable();
    names
}
