//! Small plans for Kubernetes, made by hand.
#![allow(dead_code)] // Each test file uses its part.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;

use squall_cluster::kubernetes::plan::{
    Address, Amount, Check, Container, Job, Kind, Plan, Port, Probe, Restart, Rolling, Rollout,
    Service, Stateful, Target, Template, Workload,
};
use squall_cluster::kubernetes::{Kube, Parameters};
use squall_host::{Facts, Loaded, Origin};

use crate::machine::Fake;

pub(crate) fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) async fn sleep_ms(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

/// Delays that are what they are called.
pub(crate) fn exact() -> Parameters {
    Parameters {
        spread_percent: 0,
        ..Parameters::default()
    }
}

pub(crate) fn container(name: &str) -> Container {
    Container {
        name: name.to_owned(),
        origin: Origin::new("app.yaml", 1),
        image: "app:1".to_owned(),
        program: "app".to_owned(),
        args: Vec::new(),
        env: Vec::new(),
        files: BTreeMap::new(),
        mounts: Vec::new(),
        ports: vec![(Some("http".to_owned()), 8000)],
        cpu_limit: None,
        memory_limit_bytes: None,
        startup: None,
        readiness: None,
        liveness: None,
        pre_stop: None,
        post_start: None,
        sidecar: false,
        load: (|_: &squall_host::Launch| {
            let run = |_, _| std::future::pending::<Result<(), std::io::Error>>();
            Ok(Loaded::new(Facts::default(), run))
        })
        .into(),
    }
}

/// A probe that runs a command each second.
pub(crate) fn probe(command: &str, failures: u32) -> Probe {
    Probe {
        check: Check::Exec(vec![command.to_owned()]),
        initial_delay: Duration::ZERO,
        period: secs(1),
        timeout: Duration::from_millis(500),
        successes: 1,
        failures,
    }
}

/// A pod of one container with the label `app`.
pub(crate) fn template(app: &str) -> Template {
    Template {
        labels: BTreeMap::from([("app".to_owned(), app.to_owned())]),
        annotations: BTreeMap::new(),
        init: Vec::new(),
        containers: vec![container(app)],
        restart: Restart::Always,
        grace: secs(30),
        hostname: None,
        subdomain: None,
        node: None,
        claims: BTreeMap::new(),
    }
}

pub(crate) fn workload(kind: Kind, name: &str, replicas: u32, template: Template) -> Workload {
    Workload {
        kind,
        namespace: "lab".to_owned(),
        name: name.to_owned(),
        origin: Origin::new("app.yaml", 1),
        replicas,
        revisions: BTreeMap::from([("app:2".to_owned(), Arc::new(template.clone()))]),
        template: Arc::new(template),
    }
}

pub(crate) fn rollout(surge: u32, unavailable: u32) -> Kind {
    Kind::Deployment(Rollout {
        rolling: Some(Rolling {
            max_surge: Amount::Count(surge),
            max_unavailable: Amount::Count(unavailable),
        }),
        min_ready: Duration::ZERO,
        progress_deadline: secs(600),
    })
}

pub(crate) fn deployment(name: &str, replicas: u32, template: Template) -> Workload {
    workload(rollout(1, 0), name, replicas, template)
}

pub(crate) fn stateful() -> Stateful {
    Stateful {
        service: "peers".to_owned(),
        parallel: false,
        on_delete: false,
        partition: 0,
        min_ready: Duration::ZERO,
        claims: Vec::new(),
    }
}

pub(crate) fn job(completions: u32, parallelism: u32, backoff_limit: u32) -> Kind {
    Kind::Job(Job {
        completions,
        parallelism,
        backoff_limit,
        active_deadline: None,
    })
}

pub(crate) fn service(name: &str, app: &str, address: Address) -> Service {
    Service {
        namespace: "lab".to_owned(),
        name: name.to_owned(),
        origin: Origin::new("app.yaml", 1),
        address,
        selector: BTreeMap::from([("app".to_owned(), app.to_owned())]),
        ports: vec![Port {
            name: None,
            port: 80,
            target: Target::Name("http".to_owned()),
            node_port: None,
            udp: false,
        }],
        publish_not_ready: false,
    }
}

pub(crate) const VIRTUAL: Address = Address::Virtual(Ipv4Addr::new(10, 43, 0, 10));

pub(crate) fn plan(workloads: Vec<Workload>, services: Vec<Service>) -> Plan {
    Plan {
        workloads: workloads.into_iter().map(Arc::new).collect(),
        services: services.into_iter().map(Arc::new).collect(),
        ..Plan::default()
    }
}

/// A cluster whose processes obey SIGTERM at once.
pub(crate) fn cluster(plan: Plan) -> (Kube, Arc<Fake>) {
    let fake = Fake::new();
    fake.obeys("*", 100, 0);
    (Kube::new(plan, fake.clone(), exact(), 1), fake)
}

/// A cluster with everything applied and there.
pub(crate) async fn up(plan: Plan) -> (Kube, Arc<Fake>) {
    let (kube, fake) = cluster(plan);
    kube.up(secs(300)).await.unwrap();
    (kube, fake)
}

/// The names of ready pods.
pub(crate) fn ready(kube: &Kube) -> Vec<String> {
    let pods = kube.pods().into_iter().filter(|pod| pod.ready);
    pods.map(|pod| pod.name).collect()
}

/// Names and columns STATUS.
pub(crate) fn column(kube: &Kube) -> Vec<String> {
    let pods = kube.pods().into_iter();
    pods.map(|pod| format!("{} {}", pod.name, pod.status))
        .collect()
}
