//! What a control plane does to the machines under it.
//!
//! The engine's world implements this for the simulation; a world of Linux network namespaces can
//! do so later. Calls return at once and take effect in order, at the present instant.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use futures::future::BoxFuture;
use squall_host::{Launch, Loaded};
use squall_record::State;

/// One machine (a container with its own network namespace).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// What a machine is made with.
#[derive(Clone, Debug)]
pub struct NodeSpec {
    /// Host name, and the name in traces and reports.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Cores that it may use; `None` for all.
    pub cpu_limit: Option<f64>,
    /// How it asks for names.
    pub resolver: Resolver,
    /// What it finds on its disk.
    pub volumes: Option<Volumes>,
}

/// How a machine asks for names: what its `/etc/resolv.conf` says beside the name server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolver {
    /// Domains that are tried behind a name, in order.
    pub search: Vec<String>,
    /// A name with at least so many dots is tried as it is first. 0 here is resolv.conf(5)'s 1.
    pub ndots: u8,
}

/// Folders that a new machine takes over from one that is gone (a volume that is attached anew).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volumes {
    /// The machine that had them.
    pub from: NodeId,
    /// The folders, as absolute paths; everything else stays behind.
    pub folders: Vec<String>,
}

/// A part of a volume that any number of machines can have at a time, as NFS gives it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shared {
    /// The volume's name. It is there from its first mount on, whatever happens to machines.
    pub volume: String,
    /// The folder of it, as an absolute path.
    pub inside: String,
}

/// A signal to a machine's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: stop gracefully.
    Terminate,
    /// SIGKILL.
    Kill,
    /// SIGSTOP: the process does nothing, its kernel still answers.
    Stop,
    /// SIGCONT.
    Continue,
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By itself with this status; 0 is success.
    Status(i32),
    /// By SIGKILL (a shell shows 137).
    Killed,
}

/// Machines, their processes, their network cables and the names that they know each other by.
pub trait Machine: Send + Sync + 'static {
    /// A new machine, powered, plugged in, with no process.
    fn add_node(&self, spec: NodeSpec) -> NodeId;
    /// Starts a process; the machine must have none.
    fn start(&self, node: NodeId, program: &Loaded, launch: &Launch);
    /// Signals the process; no effect without one.
    fn signal(&self, node: NodeId, signal: Signal);
    /// How the process ends, or ended last. A machine that loses its power tells it when it has
    /// power again: until then nobody knows.
    fn exit(&self, node: NodeId) -> BoxFuture<'static, Exit>;
    /// Runs a command beside the process, as `docker exec` and probes do; its exit status.
    fn exec(&self, node: NodeId, command: Vec<String>) -> BoxFuture<'static, i32>;
    /// Puts the network cable in or takes it out. Without it there is silence, not an error.
    fn plug(&self, node: NodeId, plugged: bool);
    /// Another container of a pod: a machine without a network of its own, which has the address, the
    /// ports and the cables of `node`. Its disk is its own.
    fn join_node(&self, node: NodeId, name: &str, cpu_limit: Option<f64>) -> NodeId;
    /// Empties a machine's disk but for these folders, as the start of a fresh container does.
    fn reset_disk(&self, node: NodeId, keep: &[String]);
    /// Makes a folder of a machine lead to a volume that other machines have, too. Stays until the
    /// machine is gone, [`Machine::reset_disk`] or not.
    fn mount(&self, node: NodeId, folder: &str, shared: &Shared);
    /// Makes a virtual address lead to one of several, drawn anew for each connection, from every
    /// machine and client, as kube-proxy's rules do. Nobody behind it: connections are refused.
    /// `None`: the address is nobody's again. Connections that are open stay as they are.
    fn balance(&self, address: SocketAddr, to: Option<Vec<SocketAddr>>);
    /// Makes `from`, as the outside sees it, lead to one of `to` (a published port), drawn anew for
    /// each connection; nobody in it refuses.
    fn publish(&self, from: SocketAddr, to: Vec<SocketAddr>);
    /// Closes a published port: connecting to it is refused. Without an effect unless overridden.
    fn unpublish(&self, from: SocketAddr) {
        let _ = from;
    }
    /// Sets what a name resolves to; an empty list takes the name away.
    fn set_name(&self, name: &str, addresses: Vec<IpAddr>);
    /// Tells the run's record how a part of the system is from now on.
    fn observed(&self, state: State);
    /// Tells the run's record what the control plane did.
    fn note(&self, node: NodeId, message: String);
}
