//! Whatever is done to a cluster, in whatever order: it comes to what was asked for, and never has more
//! than it may.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[path = "common/kube.rs"]
mod kube;
#[path = "common/machine.rs"]
mod machine;

use std::time::Duration;

use kube::{column, plan, probe, ready, rollout, secs, stateful, template, up, workload};
use machine::Fake;
use proptest::prelude::*;
use squall_cluster::kubernetes::Kube;
use squall_cluster::kubernetes::plan::Kind;
use squall_cluster::machine::NodeId;

#[derive(Clone, Debug)]
enum Step {
    Scale(u32),
    Delete(usize, Option<u64>),
    Restart,
    SetImage(bool),
    Kill(usize),
    Rest(u64),
    /// A node loses its power, or gets it back.
    Power(usize),
}

const NODES: [&str; 3] = ["server-0", "agent-0", "agent-1"];

/// `power`: with losses of nodes among them.
fn steps(power: bool) -> impl Strategy<Value = Vec<Step>> {
    let power = u32::from(power);
    let step = prop_oneof![
        power => (0..3_usize).prop_map(Step::Power),
        2 => (0..5_u32).prop_map(Step::Scale),
        2 => (1..5_usize, prop::option::of(0..3_u64)).prop_map(|(pod, grace)| Step::Delete(pod, grace)),
        2 => Just(Step::Restart),
        2 => any::<bool>().prop_map(Step::SetImage),
        2 => (1..5_usize).prop_map(Step::Kill),
        2 => (0..60_000_u64).prop_map(Step::Rest),
    ];
    prop::collection::vec(step, 1..14)
}

/// Plays the steps; looks every 50 ms that no more pods are alive than `surge` over the most that was
/// asked for since the last rest in which all was as asked for.
async fn play(kube: &Kube, fake: &Fake, steps: &[Step], surge: u32) -> Result<(), String> {
    let (mut asked, mut most) = (2, 2);
    let mut dark: [Option<Vec<NodeId>>; 3] = Default::default();
    for step in steps {
        match *step {
            Step::Scale(replicas) => {
                asked = replicas;
                most = most.max(asked);
                kube.scale("app", replicas).await.unwrap();
            }
            Step::Delete(pod, grace) => {
                let kube = kube.clone();
                let grace = grace.map(Duration::from_secs);
                // There may be no such pod.
                tokio::spawn(async move { kube.delete_pod(&format!("app-{pod}"), grace).await });
            }
            Step::Restart => kube.rollout_restart("app").unwrap(),
            Step::SetImage(second) => {
                kube.set_image("app", if second { "app:2" } else { "app:1" })
                    .unwrap();
            }
            Step::Kill(pod) => drop(kube.kill(&format!("app-{pod}"))),
            Step::Power(node) => match dark[node].take() {
                None => dark[node] = Some(lose(kube, fake, NODES[node])),
                Some(machines) => restore(kube, fake, NODES[node], &machines),
            },
            Step::Rest(ms) => {
                for _ in 0..ms / 50 {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    bounded(kube, most + surge)?;
                }
            }
        }
    }
    for (node, machines) in NODES.iter().zip(&dark) {
        if let Some(machines) = machines {
            restore(kube, fake, node, machines);
        }
    }
    for _ in 0..40_000 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        bounded(kube, most + surge)?;
        let pods = kube.pods();
        if pods.len() == asked as usize && pods.iter().all(|pod| pod.ready) {
            let done = tokio::time::timeout(secs(1), kube.rollout_status("app")).await;
            if done == Ok(Ok(())) {
                return Ok(());
            }
        }
    }
    Err(format!("{asked} were asked for: {:?}", column(kube)))
}

fn lose(kube: &Kube, fake: &Fake, node: &str) -> Vec<NodeId> {
    let machines = kube.nodes(node).unwrap();
    for machine in &machines {
        fake.power(*machine, false);
    }
    kube.power_lost(node).unwrap();
    machines
}

fn restore(kube: &Kube, fake: &Fake, node: &str, machines: &[NodeId]) {
    for machine in machines {
        fake.power(*machine, true);
    }
    kube.power_back(node).unwrap();
}

fn bounded(kube: &Kube, most: u32) -> Result<(), String> {
    let pods = kube.pods().into_iter();
    let living = pods.filter(|pod| pod.status != "Terminating").count();
    match living > most as usize {
        true => Err(format!("more than {most}: {:?}", column(kube))),
        false => Ok(()),
    }
}

fn run(kind: Kind, surge: u32, steps: &[Step]) -> Result<Vec<String>, String> {
    let mut pod = template("app");
    pod.containers[0].readiness = Some(probe("ready", 2));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let (kube, fake) = up(plan(vec![workload(kind, "app", 2, pod)], vec![])).await;
        play(&kube, &fake, steps, surge).await?;
        let known: Vec<String> = fake
            .recorded()
            .iter()
            .map(|pod| pod.name.to_string())
            .collect();
        let mut names = ready(&kube);
        names.sort();
        if known != names {
            return Err(format!("the record has {known:?}, there are {names:?}"));
        }
        Ok(fake.history())
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..Default::default() })]

    #[test]
    fn a_deployment_comes_to_what_is_asked_for(
        steps in steps(true), surge in 0..3_u32, unavailable in 0..3_u32,
    ) {
        let history = run(rollout(surge, unavailable), surge, &steps);
        let again = run(rollout(surge, unavailable), surge, &steps);
        prop_assert!(history.is_ok(), "{}", history.unwrap_err());
        prop_assert_eq!(history, again);
    }

    #[test]
    fn a_stateful_set_comes_to_what_is_asked_for(steps in steps(false), parallel: bool) {
        let mut set = stateful();
        set.parallel = parallel;
        let result = run(Kind::StatefulSet(set), 0, &steps);
        prop_assert!(result.is_ok(), "{}", result.unwrap_err());
    }
}
