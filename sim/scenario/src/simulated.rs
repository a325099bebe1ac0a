//! The world of `squall_engine`, in which a plan is played.
//!
//! | module | idea |
//! |---|---|
//! | `world` | machines, cables and names, over the engine's control |
//! | `system` | the control plane, over Compose |
//! | `kubernetes` | the same, over Kubernetes |
//! | `http` | interceptors for HTTP faults |
//!
//! Names are served by a host of their own, outside the system. Every machine has a route to it from the
//! address at which it would have its name server: Docker's 127.0.0.11, or the cluster's 10.43.0.10.

mod http;
mod kubernetes;
mod system;
mod world;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use squall_cluster::Machine;
use squall_cluster::dns::Keeping;
use squall_cluster::kubernetes::Kube;
use squall_cluster::supervise::{Compose, Settings};
use squall_engine::Config;
use squall_record::RunRecord;

use crate::director::{Director, Measured, Progress};
use crate::journal::Journal;
use crate::plan::{Cluster, Plan};
use crate::run::{Exec, RunError, RunOptions};
use crate::world::System;
use kubernetes::KubernetesSystem;
use system::ComposeSystem;
use world::{Names, SimulatedWorld};

/// The service of the cluster's DNS: k3s gives it the tenth address of its range of services.
const CLUSTER_DNS: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 43, 0, 10)), 53);
const CLUSTER_DNS_NAME: &str = "kube-dns.kube-system.svc.cluster.local";

/// Virtual time that a run may take beyond its phases: the start, and the last answers.
const VIRTUAL_SLACK: Duration = Duration::from_secs(3_600);

/// Plays a plan in the simulation. `exec` runs a command beside a process, as `docker exec` does.
pub fn run(
    plan: &Plan,
    exec: Exec,
    options: &RunOptions,
    progress: Arc<dyn Progress>,
) -> Result<RunRecord, RunError> {
    let journal = Arc::new(Journal::new());
    let phases: Duration = plan.timeline.end;
    let written = journal.clone();
    let config = Config {
        seed: options.seed,
        link: plan.scenario.network,
        virtual_limit: phases + VIRTUAL_SLACK,
        trace: options.trace.as_deref().map(open_trace).transpose()?,
        reader: Box::new(move |host, line| {
            written.line(Duration::from_nanos(line.at_ns), host, &line.text);
        }),
        ..Config::default()
    };
    let (wall, epoch) = (Instant::now(), config.epoch);
    let (scenario, cluster, told) = (plan.scenario.clone(), plan.cluster.clone(), journal.clone());
    let (workloads, seed) = (plan.workloads.clone(), options.seed);
    let outcome = squall_engine::run(config, async move |control| {
        let cpu = scenario.cpu;
        let names = match &cluster {
            Cluster::Compose(_) => Names::default(),
            Cluster::Kubernetes(_, of) => Names {
                server: CLUSTER_DNS,
                keeping: Keeping {
                    ttl_s: of.parameters.dns_ttl_s,
                    caches: of.parameters.dns_cache,
                },
            },
        };
        let world = SimulatedWorld::new(control, exec, told.clone(), cpu, names, seed);
        let world = Arc::new(world);
        let settings = Settings {
            up_timeout: scenario.system.up_within,
            ..Settings::default()
        };
        let system: Arc<dyn System> = match cluster {
            Cluster::Compose(plan) => {
                let compose = Compose::new(plan, world.clone(), settings);
                Arc::new(ComposeSystem::new(compose))
            }
            Cluster::Kubernetes(plan, of) => {
                world.set_name(CLUSTER_DNS_NAME, vec![CLUSTER_DNS.ip()]);
                let parameters = of.parameters.clone();
                let kube = Kube::new(plan, world.clone(), parameters, seed);
                Arc::new(KubernetesSystem::new(kube, of, settings.up_timeout))
            }
        };
        Director {
            scenario,
            workloads,
            world,
            system,
            journal: told,
            progress,
            seed,
        }
        .direct()
        .await
    })
    .map_err(|broken| RunError::Broken {
        host: broken.host,
        at: Duration::from_nanos(broken.at_ns),
        what: broken.what,
    })?;
    let measured = Measured {
        seed: options.seed,
        virtual_time: outcome.elapsed,
        wall_time: wall.elapsed(),
        events: outcome.events,
        trace_hash: format!("{:016x}", outcome.trace_hash),
        epoch,
    };
    Ok(outcome.value.into_record(measured, &journal))
}

fn open_trace(path: &std::path::Path) -> Result<Box<dyn Write + Send>, RunError> {
    match File::create(path) {
        Ok(file) => Ok(Box::new(BufWriter::new(file))),
        Err(source) => Err(RunError::Trace {
            path: path.to_owned(),
            source,
        }),
    }
}
