//! Whatever is done to a cluster, in whatever order: it comes to what was asked for, and never has more
//! than it may.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[path = "common/kube.rs"]
mod kube;
#[path = "common/machine.rs"]
mod machine;

use std::time::Duration;

use kube::{column, plan, probe, ready, rollout, secs, stateful, template, up, workload};
use proptest::prelude::*;
use squall_cluster::kubernetes::Kube;
use squall_cluster::kubernetes::plan::Kind;

#[derive(Clone, Debug)]
enum Step {
    Scale(u32),
    Delete(usize, Option<u64>),
    Restart,
    SetImage(bool),
    Kill(usize),
    Rest(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..5_u32).prop_map(Step::Scale),
        (1..5_usize, prop::option::of(0..3_u64)).prop_map(|(pod, grace)| Step::Delete(pod, grace)),
        Just(Step::Restart),
        any::<bool>().prop_map(Step::SetImage),
        (1..5_usize).prop_map(Step::Kill),
        (0..8000_u64).prop_map(Step::Rest),
    ];
    prop::collection::vec(step, 1..14)
}

/// Plays the steps; looks every 50 ms that no more pods are alive than `surge` over the most that was
/// asked for since the last rest in which all was as asked for.
async fn play(kube: &Kube, steps: &[Step], surge: u32, first: u32) -> Result<u32, String> {
    let (mut asked, mut most) = (first, first);
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
            Step::Rest(ms) => {
                for _ in 0..ms / 50 {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    bounded(kube, most + surge)?;
                }
            }
        }
    }
    for _ in 0..40_000 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        bounded(kube, most + surge)?;
        let pods = kube.pods();
        if pods.len() == asked as usize && pods.iter().all(|pod| pod.ready) {
            let done = tokio::time::timeout(secs(1), kube.rollout_status("app")).await;
            if done == Ok(Ok(())) {
                return Ok(asked);
            }
        }
    }
    Err(format!("{asked} were asked for: {:?}", column(kube)))
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
        play(&kube, steps, surge, 2).await?;
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
        steps in steps(), surge in 0..3_u32, unavailable in 0..3_u32,
    ) {
        let history = run(rollout(surge, unavailable), surge, &steps);
        let again = run(rollout(surge, unavailable), surge, &steps);
        prop_assert!(history.is_ok(), "{}", history.unwrap_err());
        prop_assert_eq!(history, again);
    }

    #[test]
    fn a_stateful_set_comes_to_what_is_asked_for(steps in steps(), parallel: bool) {
        let mut set = stateful();
        set.parallel = parallel;
        let result = run(Kind::StatefulSet(set), 0, &steps);
        prop_assert!(result.is_ok(), "{}", result.unwrap_err());
    }
}
