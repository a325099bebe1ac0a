//! Deployments, StatefulSets and Jobs of Kubernetes, in tokio's virtual time.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[path = "common/kube.rs"]
mod kube;
#[path = "common/machine.rs"]
mod machine;

use std::sync::Arc;

use kube::{
    cluster, column, deployment, job, plan, probe, ready, rollout, secs, service, sleep_ms,
    stateful, template, up, workload,
};
use squall_cluster::kubernetes::plan::{
    Address, Kind, Mount, Plan, Restart, Rollout, Stateful, Template, Workload,
};
use squall_cluster::kubernetes::{Error, Kube};
use squall_cluster::machine::Shared;

/// The least and the most that `count` gives in steps of 10 ms until `done` holds.
async fn extremes(
    kube: &Kube,
    count: impl Fn(&Kube) -> usize,
    done: impl Fn(&Kube) -> bool,
) -> (usize, usize) {
    let (mut least, mut most) = (usize::MAX, 0);
    for _ in 0..100_000 {
        let now = count(kube);
        (least, most) = (least.min(now), most.max(now));
        if done(kube) {
            return (least, most);
        }
        sleep_ms(10).await;
    }
    panic!("it takes too long: {:?}", column(kube));
}

fn living(kube: &Kube) -> usize {
    let pods = kube.pods().into_iter();
    pods.filter(|pod| pod.status != "Terminating").count()
}

fn slow() -> Template {
    let mut pod = template("web");
    pod.containers[0].readiness = Some(probe("ready", 1));
    pod
}

#[tokio::test(start_paused = true)]
async fn a_rolling_update_keeps_to_its_bounds() {
    for (surge, unavailable, least_ready, most_living) in [(1, 0, 4, 5), (0, 1, 3, 4), (2, 2, 2, 6)]
    {
        let web = workload(rollout(surge, unavailable), "web", 4, slow());
        let (kube, _) = up(plan(vec![web], vec![])).await;
        let old = ready(&kube);
        kube.rollout_restart("web").unwrap();
        let new = |kube: &Kube| {
            let ready = ready(kube);
            ready.len() == 4 && living(kube) == 4 && ready.iter().all(|name| !old.contains(name))
        };
        let extremes_of = (
            extremes(&kube, |kube| ready(kube).len(), new).await.0,
            kube.rollout_status("web").await,
        );
        assert_eq!(extremes_of, (least_ready, Ok(())), "{surge} {unavailable}");
        let old = ready(&kube);
        kube.set_image("web", "app:2").unwrap();
        let new =
            |kube: &Kube| living(kube) == 4 && ready(kube).iter().all(|name| !old.contains(name));
        assert_eq!(
            extremes(&kube, living, new).await.1,
            most_living,
            "{surge} {unavailable}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_image_that_was_set_before_has_its_replica_set_again() {
    let (kube, _) = up(plan(vec![deployment("web", 1, template("web"))], vec![])).await;
    let hash = |kube: &Kube| kube.pods()[0].labels["pod-template-hash"].clone();
    let first = hash(&kube);
    kube.set_image("web", "app:2").unwrap();
    kube.rollout_status("web").await.unwrap();
    sleep_ms(1000).await;
    assert_ne!(hash(&kube), first);
    kube.set_image("web", "app:1").unwrap();
    kube.rollout_status("web").await.unwrap();
    sleep_ms(1000).await;
    assert_eq!(hash(&kube), first);
    let error = kube.set_image("web", "app:3").unwrap_err().to_string();
    assert_eq!(error, "no image `app:3` is ready for web; there are app:2");
}

#[tokio::test(start_paused = true)]
async fn recreate_waits_for_the_last_old_process() {
    let kind = Kind::Deployment(Rollout {
        rolling: None,
        min_ready: secs(0),
        progress_deadline: secs(600),
    });
    let (kube, fake) = up(plan(
        vec![workload(kind, "web", 2, template("web"))],
        vec![],
    ))
    .await;
    fake.obeys("*", 3000, 0);
    fake.history();
    kube.rollout_restart("web").unwrap();
    kube.rollout_status("web").await.unwrap();
    let history = fake.history_of(&["gone", "start "]);
    let words: Vec<&str> = history
        .iter()
        .map(|line| line.split(' ').nth(1).unwrap())
        .collect();
    assert_eq!(words, ["gone", "gone", "start", "start"], "{history:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_rollout_without_progress_fails_and_keeps_what_is_there() {
    let kind = Kind::Deployment(Rollout {
        progress_deadline: secs(20),
        min_ready: secs(5),
        ..match rollout(1, 0) {
            Kind::Deployment(rollout) => rollout,
            _ => unreachable!(),
        }
    });
    let (kube, fake) = up(plan(vec![workload(kind, "web", 2, slow())], vec![])).await;
    assert_eq!(ready(&kube).len(), 2);
    let old = ready(&kube);
    fake.sick("web*", true);
    for name in &old {
        fake.sick(name, false);
    }
    kube.rollout_restart("web").unwrap();
    let error = kube.rollout_status("web").await.unwrap_err();
    assert!(matches!(error, Error::Progress { .. }), "{error}");
    assert!(error.to_string().contains("(old)"), "{error}");
    assert_eq!(ready(&kube), old);
}

#[tokio::test(start_paused = true)]
async fn old_pods_that_are_not_ready_are_replaced_first_and_one_by_one() {
    let (kube, fake) = up(plan(
        vec![workload(rollout(0, 1), "web", 4, slow())],
        vec![],
    ))
    .await;
    let old = ready(&kube);
    for name in &old[2..] {
        fake.sick(name, true);
    }
    sleep_ms(2000).await;
    assert_eq!(ready(&kube), old[..2]);
    // The new ones do not become ready either.
    fake.sick("web*", true);
    for name in &old[..2] {
        fake.sick(name, false);
    }
    kube.rollout_restart("web").unwrap();
    sleep_ms(30_000).await;
    assert_eq!(ready(&kube), old[..2]);
    let kept = kube
        .pods()
        .iter()
        .filter(|pod| old.contains(&pod.name))
        .count();
    assert_eq!((kept, kube.pods().len()), (3, 4));
}

fn set(replicas: u32, stateful: Stateful, pod: Template) -> Workload {
    workload(Kind::StatefulSet(stateful), "db", replicas, pod)
}

fn peers(set: Workload) -> Plan {
    plan(vec![set], vec![service("peers", "db", Address::Headless)])
}

fn stored() -> (Stateful, Template) {
    let mut pod = template("db");
    pod.containers[0].mounts = vec![
        Mount {
            volume: "data".into(),
            folder: "/var/data".into(),
            shared: None,
        },
        Mount {
            volume: "scratch".into(),
            folder: "/tmp".into(),
            shared: None,
        },
    ];
    let stateful = Stateful {
        claims: vec!["data".into()],
        ..stateful()
    };
    (stateful, pod)
}

#[tokio::test(start_paused = true)]
async fn a_stateful_set_starts_in_order_and_keeps_names_and_volumes() {
    let (stateful, mut pod) = stored();
    pod.containers[0].readiness = Some(probe("ready", 1));
    let (kube, fake) = up(peers(set(3, stateful, pod))).await;
    sleep_ms(100).await;
    let history = fake.history_of(&["start db", "ready", "add"]);
    let words: Vec<&str> = history
        .iter()
        .map(|line| line.split_once(' ').unwrap().1)
        .collect();
    assert_eq!(
        words
            .iter()
            .filter(|line| !line.starts_with("exec"))
            .copied()
            .collect::<Vec<_>>(),
        [
            "add db-0 10.42.0.2",
            "start db-0",
            "pod db-0 Running ready",
            "add db-1 10.42.1.2",
            "start db-1",
            "pod db-1 Running ready",
            "add db-2 10.42.2.2",
            "start db-2",
            "pod db-2 Running ready",
        ]
    );
    assert_eq!(
        fake.resolves("db-1.peers.lab.svc.cluster.local"),
        ["10.42.1.2"]
    );

    fake.obeys("*", 2000, 0);
    kube.delete_pod("db-1", None).await.unwrap();
    kube.rollout_status("db").await.unwrap();
    sleep_ms(100).await;
    let history = fake.history_of(&["gone", "add", "reset"]);
    let words: Vec<&str> = history
        .iter()
        .map(|line| line.split_once(' ').unwrap().1)
        .collect();
    assert_eq!(
        words,
        [
            "gone db-1",
            "add db-1 10.42.1.3 with [\"/var/data\"] of db-1",
            "reset disk db-1 but [\"/tmp\", \"/var/data\"]",
        ]
    );
    assert_eq!(
        fake.resolves("db-1.peers.lab.svc.cluster.local"),
        ["10.42.1.3"]
    );

    kube.scale("db", 1).await.unwrap();
    kube.rollout_status("db").await.unwrap();
    sleep_ms(5000).await;
    let history = fake.history_of(&["gone", "Terminate"]);
    let words: Vec<&str> = history
        .iter()
        .map(|line| line.split_once(' ').unwrap().1)
        .collect();
    assert_eq!(
        words,
        ["Terminate db-2", "gone db-2", "Terminate db-1", "gone db-1"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_stateful_set_is_updated_from_above_down_to_its_partition() {
    let partitioned = Stateful {
        partition: 1,
        ..stateful()
    };
    let (kube, fake) = up(peers(set(3, partitioned, template("db")))).await;
    fake.history();
    kube.rollout_restart("db").unwrap();
    kube.rollout_status("db").await.unwrap();
    let history = fake.history_of(&["Terminate", "start"]);
    let words: Vec<&str> = history
        .iter()
        .map(|line| line.split_once(' ').unwrap().1)
        .collect();
    assert_eq!(
        words,
        [
            "Terminate db-2",
            "start db-2",
            "Terminate db-1",
            "start db-1"
        ]
    );

    let by_hand = Stateful {
        on_delete: true,
        parallel: true,
        ..stateful()
    };
    let (kube, fake) = up(peers(set(3, by_hand, template("db")))).await;
    let begun = fake.history_of(&["start"]);
    let at = |line: &String| line.split(' ').next().unwrap().to_owned();
    assert!(
        begun.iter().all(|line| at(line) == at(&begun[0])),
        "{begun:?}"
    );
    let hash = |kube: &Kube, at: usize| kube.pods()[at].labels["controller-revision-hash"].clone();
    let old = hash(&kube, 0);
    kube.rollout_restart("db").unwrap();
    sleep_ms(10_000).await;
    assert_eq!(hash(&kube, 0), old);
    kube.delete_pod("db-0", None).await.unwrap();
    kube.rollout_status("db").await.unwrap();
    let names: Vec<String> = kube.pods().into_iter().map(|pod| pod.name).collect();
    assert_eq!(names, ["db-1", "db-2", "db-0"]);
    assert_eq!(hash(&kube, 0), old);
    assert_ne!(hash(&kube, 2), old);
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_with_one_pod_at_a_time() {
    let mut pod = stored().1;
    pod.claims = [("data".to_owned(), "pg-data".to_owned())].into();
    let kind = Kind::Deployment(Rollout {
        rolling: None,
        min_ready: secs(0),
        progress_deadline: secs(600),
    });
    let (kube, fake) = up(plan(vec![workload(kind, "db", 1, pod)], vec![])).await;
    let old = ready(&kube).remove(0);
    fake.history();
    fake.obeys("*", 1000, 0);
    kube.delete_pod("db", None).await.unwrap();
    kube.rollout_status("db").await.unwrap();
    let history = fake.history_of(&["gone", "add"]);
    assert!(history[0].ends_with(&format!("gone {old}")), "{history:#?}");
    assert!(
        history[1].ends_with(&format!("[\"/var/data\"] of {old}")),
        "{history:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_volume_of_many_is_with_all_pods_at_a_time() {
    let mut pod = template("db");
    pod.containers.push(pod.containers[0].clone());
    pod.containers[1].name = "second".into();
    let at = |folder: &str| Mount {
        volume: "v".into(),
        folder: folder.into(),
        shared: Some(Shared {
            volume: "nfs files".into(),
            inside: "/exports".into(),
        }),
    };
    pod.containers[0].mounts = vec![at("/home")];
    pod.containers[1].mounts = vec![at("/other")];
    let kind = Kind::StatefulSet(stateful());
    let (kube, fake) = up(peers(workload(kind, "db", 2, pod))).await;
    let mounts = fake.history_of(&["mount "]);
    let mounts: Vec<&str> = mounts
        .iter()
        .filter_map(|line| line.split_once("mount ").map(|(_, rest)| rest))
        .collect();
    assert_eq!(
        mounts,
        [
            "nfs files:/exports at /home of db-0",
            "nfs files:/exports at /other of db-0/second",
            "nfs files:/exports at /home of db-1",
            "nfs files:/exports at /other of db-1/second",
        ]
    );
    assert_eq!(ready(&kube).len(), 2);
}

fn task(restart: Restart) -> Template {
    Template {
        restart,
        ..template("task")
    }
}

#[tokio::test(start_paused = true)]
async fn a_job_runs_to_its_completions() {
    let work = workload(job(3, 2, 6), "task", 0, task(Restart::Never));
    let (kube, fake) = cluster(plan(vec![work], vec![]));
    fake.ends("task*", 5000, 0);
    kube.up(secs(60)).await.unwrap();
    let starts = fake.history_of(&["start "]);
    let at: Vec<&str> = starts
        .iter()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    // Two at once; the third when one of them is through.
    assert_eq!(at, ["1070", "1070", "7190"]);
    assert!(kube.pods().iter().all(|pod| pod.status == "Completed"));
}

#[tokio::test(start_paused = true)]
async fn a_job_backs_off_and_gives_up() {
    let work = workload(job(1, 1, 2), "task", 0, task(Restart::Never));
    let (kube, fake) = cluster(plan(vec![work], vec![]));
    fake.ends("task*", 1000, 3);
    let error = kube.up(secs(600)).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "job task failed: BackoffLimitExceeded after 3 failed pods"
    );
    let starts = fake.history_of(&["start "]);
    let at: Vec<u64> = starts
        .iter()
        .map(|line| line.split(' ').next().unwrap().parse().unwrap())
        .collect();
    // 10 s and 20 s after the controller has seen the failure, 70 ms after it; 1.05 s to the next
    // process, which runs for 1 s.
    assert_eq!(at, [1070, 13_210, 35_350]);

    let mut limited = workload(job(1, 1, 2), "task", 0, task(Restart::OnFailure));
    if let Kind::Job(job) = &mut limited.kind {
        job.active_deadline = Some(secs(10));
    }
    let (kube, fake) = cluster(Plan {
        workloads: vec![Arc::new(limited)],
        ..Plan::default()
    });
    fake.obeys("*", 0, 0);
    let error = kube.up(secs(600)).await.unwrap_err().to_string();
    assert_eq!(error, "job task failed: DeadlineExceeded");
}
