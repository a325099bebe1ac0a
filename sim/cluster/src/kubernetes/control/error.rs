//! Why a command to a running cluster failed.

use std::time::Duration;

/// What a command can come to instead of its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing has this name.
    #[error("no workload, pod or node `{name}`; there are {}", .known.join(", "))]
    NoSuchTarget {
        /// What was asked for.
        name: String,
        /// The workloads and nodes.
        known: Vec<String>,
    },
    /// No node has this name.
    #[error("no node `{name}`; there are {}", .known.join(", "))]
    NoSuchNode {
        /// What was asked for.
        name: String,
        /// The nodes.
        known: Vec<String>,
    },
    /// No service has this name.
    #[error("no service `{name}`; there are {}", .known.join(", "))]
    NoSuchService {
        /// What was asked for.
        name: String,
        /// The services.
        known: Vec<String>,
    },
    /// A service has no such port.
    #[error("service {service} has no port {port}")]
    NoSuchPort {
        /// The service.
        service: String,
        /// What was asked for.
        port: u16,
    },
    /// A name means several things.
    #[error("`{name}` is in several namespaces; say one of {}", .known.join(", "))]
    Ambiguous {
        /// What was asked for.
        name: String,
        /// What it can mean.
        known: Vec<String>,
    },
    /// The scenario did not say before the run that this image will be needed.
    #[error("no image `{image}` is ready for {workload}; there are {}", .known.join(", "))]
    NoSuchImage {
        /// The workload.
        workload: String,
        /// What was asked for.
        image: String,
        /// Images that are ready.
        known: Vec<String>,
    },
    /// The command is not one for a workload of this kind.
    #[error("{workload} is a {kind}: it cannot be {verb}")]
    WrongKind {
        /// The workload.
        workload: String,
        /// `Deployment`, `StatefulSet`, `Job` or `Pod`.
        kind: &'static str,
        /// `scaled`, `restarted`.
        verb: &'static str,
    },
    /// The command needs a running process.
    #[error("{name} is not running")]
    NotRunning {
        /// The pod or workload.
        name: String,
    },
    /// A rollout made no progress for longer than its deadline.
    #[error("{workload} exceeded its progress deadline: {}", .waiting.join("; "))]
    Progress {
        /// The workload.
        workload: String,
        /// Who is not there, and how it is.
        waiting: Vec<String>,
    },
    /// A Job has failed.
    #[error("job {workload} failed: {reason}")]
    JobFailed {
        /// The job.
        workload: String,
        /// `BackoffLimitExceeded` or `DeadlineExceeded`, with the numbers.
        reason: String,
    },
    /// Something was not reached in time.
    #[error("not there after {timeout:?}: {}", .waiting.join("; "))]
    Late {
        /// How long it was waited for.
        timeout: Duration,
        /// Who is waited for, and how it is.
        waiting: Vec<String>,
    },
    /// A service of the type ExternalName names what nobody here is called.
    #[error(
        "service {service}: its externalName `{external}` is no name of a service in the cluster"
    )]
    External {
        /// The service.
        service: String,
        /// The name.
        external: String,
    },
}
