//! What a fault's selector can select: Kubernetes' pods, and a Compose system's containers as pods.
//!
//! Deliberately absent: selecting; that is `squall_chaos`'.

use std::collections::BTreeMap;

use squall_chaos::Member;
use squall_cluster::kubernetes::{self, PodStatus};
use squall_cluster::plan::{Container, Plan};
use squall_cluster::supervise::Phase;

/// The namespace that Kubernetes has without being asked.
const NAMESPACE: &str = "default";

/// The pods that a Kubernetes plan asks for. Their real names are drawn when they are made; until then
/// each has the name by which a step can call it.
pub(crate) fn of_kubernetes(plan: &kubernetes::Plan) -> Vec<Member> {
    let mut members = Vec::new();
    for workload in &plan.workloads {
        let template = &workload.template;
        let first = workload.kind.first_number();
        for number in first..first + workload.replicas.max(1) {
            members.push(Member {
                name: format!("{}-{number}", workload.name),
                containers: template.containers.iter().map(|c| c.name.clone()).collect(),
                namespaces: vec![workload.namespace.clone()],
                labels: template.labels.clone(),
                phase: "Running",
            });
        }
    }
    members
}

/// A pod that there is.
pub(crate) fn of_pod(pod: PodStatus) -> Member {
    Member {
        name: pod.name,
        containers: pod.containers,
        namespaces: vec![pod.namespace],
        labels: pod.labels,
        phase: match pod.phase {
            kubernetes::Phase::Pending => "Pending",
            kubernetes::Phase::Running => "Running",
            kubernetes::Phase::Succeeded => "Succeeded",
            kubernetes::Phase::Failed => "Failed",
        },
    }
}

/// All members of a Compose plan, and one for each service that has no container yet.
pub(crate) fn of_compose(plan: &Plan) -> Vec<Member> {
    let mut members: Vec<Member> = plan
        .containers
        .iter()
        .map(|container| of_container(container, &plan.project, Phase::Running))
        .collect();
    for service in &plan.services {
        if !plan
            .containers
            .iter()
            .any(|c| c.service.name == service.name)
        {
            let name = format!("{}-{}-1", plan.project, service.name);
            members.push(member(
                &name,
                1,
                &service.name,
                &service.labels,
                &plan.project,
                Phase::Created,
            ));
        }
    }
    members
}

/// A container as a pod.
pub(crate) fn of_container(container: &Container, project: &str, phase: Phase) -> Member {
    let service = &container.service;
    member(
        &container.name,
        container.number,
        &service.name,
        &service.labels,
        project,
        phase,
    )
}

fn member(
    name: &str,
    number: u32,
    service: &str,
    labels: &BTreeMap<String, String>,
    project: &str,
    phase: Phase,
) -> Member {
    let number = number.to_string();
    // What the Compose file says comes last and wins.
    let mut all: BTreeMap<String, String> = [
        ("app", service),
        ("app.kubernetes.io/name", service),
        ("com.docker.compose.service", service),
        ("com.docker.compose.project", project),
        ("com.docker.compose.container-number", number.as_str()),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into();
    all.extend(labels.clone());
    Member {
        name: name.to_owned(),
        containers: vec![name.to_owned(), service.to_owned()],
        namespaces: vec![NAMESPACE.to_owned(), project.to_owned()],
        labels: all,
        phase: match phase {
            Phase::Created => "Pending",
            // A pod whose container is between two runs is running.
            Phase::Running
            | Phase::Paused
            | Phase::Ending
            | Phase::Hollow
            | Phase::Restarting(_) => "Running",
            Phase::Exited(0) => "Succeeded",
            Phase::Exited(_) => "Failed",
        },
    }
}
