//! How the make-up of a system changed: what `kubectl get pods,endpoints --watch` would print.

use serde::{Deserialize, Serialize};

use crate::name::Name;

/// One change, and when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// When, in microseconds since the run began.
    pub at_us: u64,
    /// How it is from then on.
    pub state: State,
}

/// How a part of a system is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum State {
    /// A pod, or a container of Compose.
    Pod(Pod),
    /// It is no more.
    PodGone {
        /// Its name.
        name: Name,
    },
    /// Who gets a service's traffic.
    Endpoints {
        /// The service.
        service: Name,
        /// `ADDRESS:PORT` of each, sorted.
        ready: Vec<Name>,
    },
}

/// A pod, as a line of `kubectl get pods -o wide`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// Its name.
    pub name: Name,
    /// The Deployment, StatefulSet or service that it belongs to.
    pub workload: Name,
    /// The node that it runs on; none in Compose.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Name>,
    /// Its address, once it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Name>,
    /// The column STATUS: `Pending`, `Init:0/1`, `Running`, `Terminating`, `CrashLoopBackOff`.
    pub status: Name,
    /// Whether it is ready for traffic.
    pub ready: bool,
    /// How often its containers were started again.
    pub restarts: u32,
}
