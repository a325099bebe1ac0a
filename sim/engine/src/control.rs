//! What a story does to the world: a handle that any simulated task may hold.
//!
//! Calls return at once; they take effect in order, at the present instant, as soon as the task
//! that made them has come to rest.

use std::collections::VecDeque;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use squall_host::launch::BoxError;
use squall_host::{Host, Shutdown};
use tokio::sync::oneshot;

use crate::boundary;
use squall_fault::Link;
use squall_fault::clock::Skew;
use squall_fault::cpu::{Cpu, Stressor};
use squall_fault::disk::{Rule, Speed};

/// One host of the world; 0 is the story's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HostId(pub u32);

/// What a host is made with.
#[derive(Clone, Debug, Default)]
pub struct HostSpec {
    /// Its name, in traces and for `gethostname`.
    pub name: String,
    /// Its addresses; loopback is implied.
    pub addresses: Vec<IpAddr>,
    /// Whom it asks for names, as in `/etc/resolv.conf`.
    pub nameservers: Vec<SocketAddr>,
    /// Domains that are tried behind a name that is not known as it is (`search` in resolv.conf(5)).
    pub search: Vec<String>,
    /// A name with fewer dots is tried with `search` first (`ndots` in resolv.conf(5)).
    pub ndots: u8,
    /// Its processor; `None` for one that takes no time.
    pub cpu: Option<Cpu>,
    /// Its disk; `None` for one that takes no time.
    pub disk: Option<Speed>,
    /// The host whose disk it takes over, and the folders of it that it keeps. The other's is empty
    /// from then on.
    pub disk_of: Option<(HostId, Vec<String>)>,
}

/// What a host without a network of its own is made with.
#[derive(Clone, Debug, Default)]
pub struct JoinSpec {
    /// Its name in traces.
    pub name: String,
    /// Its processor; `None` for one that takes no time.
    pub cpu: Option<Cpu>,
    /// Its disk; `None` for one that takes no time.
    pub disk: Option<Speed>,
}

/// A folder of a host that leads to a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The folder, as an absolute path.
    pub folder: String,
    /// The volume's name. It is made when the first host mounts it, and is there until the run ends,
    /// whatever happens to hosts: its server always has power.
    pub volume: String,
    /// The folder of the volume that is shown; `/` for all of it.
    pub inside: String,
    /// How long it takes from here; `None` for no time. The volume holds what the first one says.
    pub speed: Option<Speed>,
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Its main task returned; the text is its error with all causes.
    Returned(Result<(), String>),
    /// It was killed, or its host lost power.
    Killed,
}

pub(crate) type Main =
    Box<dyn FnOnce(Host, Shutdown) -> BoxFuture<'static, Result<(), BoxError>> + Send>;
pub(crate) type Beside = Box<dyn FnOnce(Host) -> BoxFuture<'static, ()> + Send>;

pub(crate) enum Command {
    AddHost(HostId, HostSpec),
    Join(HostId, HostId, JoinSpec),
    Start(HostId, Main),
    Beside(HostId, Beside),
    Terminate(HostId),
    Kill(HostId),
    Pause(HostId),
    Resume(HostId),
    PowerOff(HostId),
    PowerOn(HostId),
    Unplug(HostId),
    Plug(HostId),
    Route(HostId, SocketAddr, Option<Vec<SocketAddr>>),
    Mount(HostId, Mount),
    KeepOnDisk(HostId, Vec<String>),
    Redirect(HostId, u16, Option<u16>),
    SetLink(HostId, HostId, Link),
    SetStress(HostId, Vec<Stressor>),
    SetDisk(HostId, Vec<Rule>),
    SetClock(HostId, Skew),
    Reset(HostId, HostId),
    AwaitExit(HostId, oneshot::Sender<Exit>),
    Ended {
        host: HostId,
        incarnation: u64,
        result: Result<(), String>,
    },
    StoryEnded,
}

#[derive(Default)]
pub(crate) struct Queue {
    commands: VecDeque<Command>,
    hosts: u32,
}

/// The handle. Clones act on the same world.
#[derive(Clone, Default)]
pub struct Control {
    queue: Arc<Mutex<Queue>>,
    start_ns: u64,
}

impl Control {
    pub(crate) fn new(start_ns: u64) -> Self {
        Self {
            queue: Arc::default(),
            start_ns,
        }
    }

    /// Virtual time since the start of the run.
    pub fn now(&self) -> Duration {
        Duration::from_nanos(boundary::now_ns().saturating_sub(self.start_ns))
    }

    /// A new host: powered, plugged in, without a process.
    pub fn add_host(&self, spec: HostSpec) -> HostId {
        let mut queue = self.lock();
        queue.hosts += 1;
        let id = HostId(queue.hosts);
        queue.commands.push_back(Command::AddHost(id, spec));
        id
    }

    /// A host without a network of its own: its processes have the addresses, ports and wires of
    /// `host`, as the containers of a pod do, and live and die by themselves. Losing power is common
    /// to both, and so is losing the network (see [`Control::unplug`]).
    pub fn join(&self, host: HostId, spec: JoinSpec) -> HostId {
        let mut queue = self.lock();
        queue.hosts += 1;
        let id = HostId(queue.hosts);
        queue.commands.push_back(Command::Join(id, host, spec));
        id
    }

    /// Starts a process on a host that has none.
    pub fn start(
        &self,
        host: HostId,
        main: impl FnOnce(Host, Shutdown) -> BoxFuture<'static, Result<(), BoxError>> + Send + 'static,
    ) {
        self.push(Command::Start(host, Box::new(main)));
    }

    /// Runs something beside a host's process, as `docker exec` does; `None` if the host has no
    /// process or loses it meanwhile.
    pub fn run_beside<T: Send + 'static>(
        &self,
        host: HostId,
        task: impl FnOnce(Host) -> BoxFuture<'static, T> + Send + 'static,
    ) -> BoxFuture<'static, Option<T>> {
        let (sender, receiver) = oneshot::channel();
        let beside = move |host: Host| -> BoxFuture<'static, ()> {
            Box::pin(async move {
                // Whoever asked may have stopped waiting.
                let _ = sender.send(task(host).await);
            })
        };
        self.push(Command::Beside(host, Box::new(beside)));
        Box::pin(async move { receiver.await.ok() })
    }

    /// SIGTERM: asks the process to stop.
    pub fn terminate(&self, host: HostId) {
        self.push(Command::Terminate(host));
    }

    /// SIGKILL: the process is gone; its kernel closes what it had open, with FIN or RST.
    pub fn kill(&self, host: HostId) {
        self.push(Command::Kill(host));
    }

    /// SIGSTOP: the process does nothing; its kernel still answers.
    pub fn pause(&self, host: HostId) {
        self.push(Command::Pause(host));
    }

    /// SIGCONT.
    pub fn resume(&self, host: HostId) {
        self.push(Command::Resume(host));
    }

    /// The machine dies: silence, and what was not synced is lost.
    pub fn power_off(&self, host: HostId) {
        self.push(Command::PowerOff(host));
    }

    /// The machine is back, without a process and without memory of its connections.
    pub fn power_on(&self, host: HostId) {
        self.push(Command::PowerOn(host));
    }

    /// Takes the network cable out: silence. A host without a process forgets its connections as
    /// well, as a container's network namespace goes with it.
    pub fn unplug(&self, host: HostId) {
        self.push(Command::Unplug(host));
    }

    /// Puts the network cable back in.
    pub fn plug(&self, host: HostId) {
        self.push(Command::Plug(host));
    }

    /// Makes `from`, as processes on `host` ask for it, lead to one of `to`, drawn for each connection
    /// and each datagram; with nobody in it, asking is refused. `None` takes the route away.
    pub fn route(&self, host: HostId, from: SocketAddr, to: Option<Vec<SocketAddr>>) {
        self.push(Command::Route(host, from, to));
    }

    /// Sets how packets travel from one host to another, in this direction, from now on. What is
    /// under way stays as it was sent.
    pub fn set_link(&self, from: HostId, to: HostId, link: Link) {
        self.push(Command::SetLink(from, to, link));
    }

    /// Makes connections that come to `port` of a host from elsewhere lead to another of its ports,
    /// as iptables' REDIRECT does; `None` ends that. Open connections stay where they are.
    pub fn redirect(&self, host: HostId, port: u16, to: Option<u16>) {
        self.push(Command::Redirect(host, port, to));
    }

    /// Sets all that works beside a host's process, from its next poll on. On a host without a
    /// processor there is nothing to share, and nothing happens.
    pub fn set_stress(&self, host: HostId, stressors: Vec<Stressor>) {
        self.push(Command::SetStress(host, stressors));
    }

    /// Sets all that is wrong with a host's disk; the first rule that concerns an operation and is
    /// drawn decides.
    pub fn set_disk(&self, host: HostId, rules: Vec<Rule>) {
        self.push(Command::SetDisk(host, rules));
    }

    /// Mounts a volume, over what is there.
    pub fn mount(&self, host: HostId, mount: Mount) {
        self.push(Command::Mount(host, mount));
    }

    /// Empties a host's disk but for these folders and what is in them. Volumes stay as they are.
    pub fn keep_on_disk(&self, host: HostId, folders: Vec<String>) {
        self.push(Command::KeepOnDisk(host, folders));
    }

    /// Sets how a host's clock is wrong from now on: its wall clock jumps, its monotonic clock and its
    /// timers go on at another rate.
    pub fn set_clock(&self, host: HostId, skew: Skew) {
        self.push(Command::SetClock(host, skew));
    }

    /// Resets every TCP connection between two hosts, at both ends.
    pub fn reset_connections(&self, one: HostId, other: HostId) {
        self.push(Command::Reset(one, other));
    }

    /// How the host's process ends; at once, how it ended last, if it has none now.
    pub fn exit(&self, host: HostId) -> BoxFuture<'static, Exit> {
        let (sender, receiver) = oneshot::channel();
        self.push(Command::AwaitExit(host, sender));
        // The engine answers every question before it ends.
        Box::pin(async move { receiver.await.unwrap_or(Exit::Killed) })
    }

    pub(crate) fn push(&self, command: Command) {
        self.lock().commands.push_back(command);
    }

    pub(crate) fn pop(&self) -> Option<Command> {
        self.lock().commands.pop_front()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddHost(_, spec) => write!(f, "add host {} {:?}", spec.name, spec.addresses),
            Self::Join(_, host, spec) => write!(f, "{} joins {}", spec.name, host.0),
            Self::Start(..) => write!(f, "start"),
            Self::Beside(..) => write!(f, "run beside"),
            Self::Terminate(_) => write!(f, "terminate"),
            Self::Kill(_) => write!(f, "kill"),
            Self::Pause(_) => write!(f, "pause"),
            Self::Resume(_) => write!(f, "resume"),
            Self::PowerOff(_) => write!(f, "power off"),
            Self::PowerOn(_) => write!(f, "power on"),
            Self::Unplug(_) => write!(f, "unplug"),
            Self::Plug(_) => write!(f, "plug"),
            Self::Route(_, from, Some(to)) => write!(f, "route {from} to {to:?}"),
            Self::Route(_, from, None) => write!(f, "unroute {from}"),
            Self::Mount(_, mount) => write!(
                f,
                "mount {}{} at {}",
                mount.volume, mount.inside, mount.folder
            ),
            Self::KeepOnDisk(_, folders) => write!(f, "keep on disk {folders:?}"),
            Self::SetLink(from, to, link) => write!(f, "link {} > {} {link:?}", from.0, to.0),
            Self::Redirect(_, port, to) => write!(f, "redirect {port} to {to:?}"),
            Self::SetStress(_, stressors) => write!(f, "stress {stressors:?}"),
            Self::SetDisk(_, rules) => write!(f, "disk {rules:?}"),
            Self::SetClock(_, skew) => write!(f, "clock {skew:?}"),
            Self::Reset(one, other) => write!(f, "reset connections {} - {}", one.0, other.0),
            Self::AwaitExit(..) => write!(f, "await exit"),
            Self::Ended { result: Ok(()), .. } => write!(f, "process ended"),
            Self::Ended {
                result: Err(error), ..
            } => write!(f, "process failed: {error}"),
            Self::StoryEnded => write!(f, "story ended"),
        }
    }
}

impl Command {
    /// The host that it is about; the story's for those about the whole world.
    pub(crate) fn host(&self) -> HostId {
        match self {
            Self::AddHost(host, _)
            | Self::Join(host, ..)
            | Self::Start(host, _)
            | Self::Beside(host, _)
            | Self::Terminate(host)
            | Self::Kill(host)
            | Self::Pause(host)
            | Self::Resume(host)
            | Self::PowerOff(host)
            | Self::PowerOn(host)
            | Self::Unplug(host)
            | Self::Plug(host)
            | Self::Route(host, ..)
            | Self::Mount(host, _)
            | Self::KeepOnDisk(host, _)
            | Self::Redirect(host, ..)
            | Self::SetStress(host, _)
            | Self::SetDisk(host, _)
            | Self::SetClock(host, _)
            | Self::AwaitExit(host, _)
            | Self::Ended { host, .. } => *host,
            Self::SetLink(..) | Self::Reset(..) | Self::StoryEnded => HostId(0),
        }
    }
}
