//! What a story asks of a cluster is checked before anything runs, and stays what it asks for.
#![allow(clippy::unwrap_used)]

use squall_record::State;
use squall_scenario::file::Scenario;
use squall_tests::{plan_of, play, root};

const SYSTEM: &str = "\
system:
  kubernetes: [k8s/base, k8s/cured]
  programs:
    k3d-registry.localhost:5000/postgres-*: pg-stub
    k3d-registry.localhost:5000/haproxy: pg-proxy
    k3d-registry.localhost:5000/backend: users-api
    k3d-registry.localhost:5000/nginx: edge
  forward: {8081: svc/nginx:80}
clients: [{name: load, get: 'http://localhost:8081/users', every: 300ms, value: $.users}]
";

fn scenario(system: &str, phases: &str) -> Scenario {
    let text = format!("scenario: x\n{system}{phases}");
    Scenario::read("x.yaml".into(), &text).unwrap_or_else(|problems| panic!("{problems}"))
}

/// Everything that is wrong with a story, without its file.
fn complaints(system: &str, phases: &str, folder: &str) -> Vec<String> {
    let folder = root().join("scenarios").join(folder);
    let problems = plan_of(scenario(system, phases), &folder).unwrap_err();
    problems
        .0
        .iter()
        .map(|problem| problem.message.clone())
        .collect()
}

#[test]
fn names_of_a_cluster_are_looked_up() {
    let phases = "phases:
  - phase: a
    for: 10s
    steps:
      - delete_pod: bakend
      - power_off: backend
      - drain: agent-9
      - set_image: {bakend: x}
      - rollout_restart: nginx-1
  - {phase: b, wait: {rollout: web, within: 5s}}
";
    assert_eq!(
        complaints(SYSTEM, phases, "postgres-k8s"),
        [
            "no workload `bakend` in the system",
            "`backend` has no power of its own: it is no node",
            "no node `agent-9` in the cluster",
            "no workload `bakend` in the system",
            "no workload `nginx-1` in the system",
            "no workload `web` in the system",
        ]
    );
}

#[test]
fn compose_has_no_kubectl() {
    let system = "\
system: {compose: docker-compose.yml, programs: {squall/users-api: users-api}}
clients: [{name: load, get: 'http://localhost:8080/data', rate: 1/s}]
";
    let phases = "phases:
  - {phase: a, for: 10s, steps: [{delete_pod: backend1}]}
  - {phase: b, wait: {rollout: backend1, within: 5s}}
";
    assert_eq!(
        complaints(system, phases, "postgres-compose"),
        [
            "`kubectl delete pod backend1` in a system of Compose",
            "`wait: {rollout: …}` in a system of Compose",
        ]
    );
}

#[test]
fn a_rollout_ends_with_new_pods_and_a_drain_with_none_on_the_node() {
    let phases = "phases:
  - {phase: settle, for: 15s, load: off}
  - phase: another image
    wait: {rollout: backend, within: 120s}
    steps: [{set_image: {backend: 'k3d-registry.localhost:5000/backend:next'}}]
  - {phase: no node, for: 60s, steps: [{drain: agent-1}]}
";
    let folder = root().join("scenarios/postgres-k8s");
    let plan = plan_of(scenario(SYSTEM, phases), &folder);
    let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
    let record = play(&plan, 1).unwrap();
    let rollout = &record.summary.phases[1].expectations[0];
    assert_eq!(
        (rollout.what.as_str(), rollout.holds),
        ("rollout of backend", Some(true))
    );
    // What the record's changes come to: the pods that there are at the end.
    let mut pods = std::collections::BTreeMap::new();
    let mut revisions = std::collections::BTreeSet::new();
    for change in &record.changes {
        match &change.state {
            State::Pod(pod) => {
                if pod.workload.as_str() == "backend" {
                    let name = pod.name.as_str().rsplit_once('-').unwrap().0;
                    revisions.insert(name.to_owned());
                }
                pods.insert(pod.name.clone(), pod.clone());
            }
            State::PodGone { name } => drop(pods.remove(name)),
            State::Endpoints { .. } => {}
        }
    }
    assert_eq!(revisions.len(), 2, "{revisions:?}");
    assert_eq!(pods.len(), 7, "{pods:#?}");
    for pod in pods.values() {
        let node = pod.node.as_ref().unwrap().as_str();
        assert!(pod.ready && node != "agent-1", "{pod:?}");
    }
}
