//! A pod's life in Kubernetes: start, restarts, probes, end; in tokio's virtual time.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[path = "common/kube.rs"]
mod kube;
#[path = "common/machine.rs"]
mod machine;

use std::time::Duration;

use kube::{
    VIRTUAL, cluster, column, container, deployment, plan, probe, ready, secs, service, sleep_ms,
    template, up, workload,
};
use squall_cluster::kubernetes::plan::{Hook, Kind, Restart, Template};

/// One pod without a controller.
fn single(pod: Template) -> squall_cluster::kubernetes::plan::Plan {
    plan(vec![workload(Kind::Pod, "one", 1, pod)], vec![])
}

fn times(history: &[String]) -> Vec<u64> {
    let at = history.iter().map(|line| line.split(' ').next().unwrap());
    at.map(|at| at.parse().unwrap()).collect()
}

fn words(history: &[String]) -> Vec<&str> {
    let lines = history.iter().map(|line| line.split_once(' ').unwrap().1);
    lines.collect()
}

#[tokio::test(start_paused = true)]
async fn restarts_back_off_up_to_five_minutes_and_forget() {
    let (kube, fake) = cluster(single(template("one")));
    fake.ends("one", 1000, 1);
    let _ = kube.up(secs(2000)).await;
    sleep_ms(1_200_000).await;
    let starts = times(&fake.history_of(&["start "]));
    let gaps: Vec<u64> = starts.windows(2).map(|two| two[1] - two[0]).collect();
    // 1 s of running and 0.5 s for the start, beside the back-off.
    let waits: Vec<u64> = gaps.iter().map(|gap| gap - 1500).collect();
    assert_eq!(
        waits[..8],
        [0, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000]
    );
    assert_eq!(column(&kube), ["one CrashLoopBackOff"]);
    // Once it has run for ten minutes, it starts again at once.
    fake.ends("one", 601_000, 1);
    sleep_ms(1_200_000).await;
    let starts = times(&fake.history_of(&["start "]));
    assert_eq!(starts[starts.len() - 1] - starts[starts.len() - 2], 601_500);
    let status = kube.pods().remove(0);
    assert_eq!(status.status, "Running");
    assert_eq!(status.address.unwrap().to_string(), "10.42.0.2");
}

#[tokio::test(start_paused = true)]
async fn init_containers_come_first_and_sidecars_stay() {
    let mut pod = template("one");
    pod.init = vec![container("wait"), container("proxy"), container("copy")];
    pod.init[1].sidecar = true;
    pod.containers.push(container("second"));
    let (kube, fake) = cluster(single(pod));
    // On the pod's machine: two init containers and the first other one; the last lives on.
    fake.ends("one", 1000, 0);
    let kube_up = kube.clone();
    let task = tokio::spawn(async move { kube_up.up(secs(60)).await });
    sleep_ms(1600).await;
    assert_eq!(column(&kube), ["one Init:0/3"]);
    sleep_ms(1900).await;
    fake.lives_on("one");
    task.await.unwrap().unwrap();
    let history = fake.history_of(&["start", "joins", "Terminate"]);
    assert_eq!(
        history,
        [
            "1050 start one",
            "2550 one/proxy joins one",
            "2550 start one/proxy",
            "3050 start one",
            "4550 start one",
            "4550 one/second joins one",
            "4550 start one/second",
        ]
    );
    kube.delete_pod("one", None).await.unwrap();
    let history = fake.history_of(&["Terminate", "unplug"]);
    assert_eq!(
        words(&history),
        [
            "Terminate one",
            "Terminate one/second",
            "Terminate one/proxy",
            "unplug one"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn an_init_container_that_fails_is_tried_again_or_ends_the_pod() {
    let mut pod = template("one");
    pod.init = vec![container("wait")];
    let (kube, fake) = cluster(single(pod.clone()));
    fake.ends("one", 1000, 1);
    let error = kube.up(secs(6)).await.unwrap_err().to_string();
    assert_eq!(error, "not there after 6s: one (Init:CrashLoopBackOff)");
    assert_eq!(fake.history_of(&["start "]).len(), 2);

    pod.restart = Restart::Never;
    let (kube, fake) = cluster(single(pod));
    fake.ends("one", 1000, 1);
    assert!(kube.up(secs(60)).await.is_err());
    assert_eq!(column(&kube), ["one Error"]);
    assert_eq!(fake.history_of(&["start "]).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn liveness_restarts_and_startup_holds_it_back() {
    let mut pod = template("one");
    pod.containers[0].startup = Some(probe("up", 30));
    pod.containers[0].liveness = Some(probe("alive", 3));
    let (kube, fake) = cluster(single(pod));
    fake.sick("one", true);
    let _ = kube.up(secs(10)).await;
    // The startup probe alone runs, and is patient.
    assert_eq!(fake.history_of(&["alive", "Terminate"]), [""; 0]);
    fake.sick("one", false);
    kube.rollout_status("one").await.unwrap();
    fake.history();
    fake.sick("one", true);
    sleep_ms(4000).await;
    let history = fake.history_of(&["Terminate", "start", "alive"]);
    assert_eq!(
        words(&history)[..5],
        [
            "exec one alive",
            "exec one alive",
            "exec one alive",
            "Terminate one",
            "start one"
        ],
        "{history:#?}"
    );
    assert_eq!(kube.pods()[0].restarts, 1);
    let notes = fake.notes_of(&["Liveness", "Killing"]);
    assert!(
        notes[0].ends_with("Liveness probe failed (1 of 3)"),
        "{notes:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_does_not_answer_has_failed() {
    let mut pod = template("one");
    pod.containers[0].readiness = Some(probe("hang", 1));
    let (kube, fake) = cluster(single(pod));
    assert!(kube.up(secs(10)).await.is_err());
    let asked = times(&fake.history_of(&["exec"]));
    assert_eq!(asked[..3], [1050, 2050, 3050]);
    assert_eq!(ready(&kube), [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn termination_goes_by_the_book() {
    let mut pod = template("web");
    pod.grace = secs(10);
    pod.containers[0].pre_stop = Some(Hook::Sleep(secs(4)));
    let (kube, fake) = up(plan(
        vec![deployment("web", 2, pod)],
        vec![service("web", "web", VIRTUAL)],
    ))
    .await;
    sleep_ms(930).await;
    let name = ready(&kube).remove(0);
    // It does not listen to SIGTERM.
    fake.obeys(&name, 100_000, 0);
    fake.history();
    kube.delete_pod(&name, None).await.unwrap();
    let mut history = fake.history_of(&[name.as_str(), "endpoints", "balance"]);
    history.retain(|line| !line.contains("pod ") || line.contains(&name));
    let history: Vec<String> = history
        .iter()
        .map(|line| line.replace(&name, "POD"))
        .collect();
    assert_eq!(
        history[..3],
        [
            "2000 pod POD Terminating",
            "2020 endpoints web [10.42.1.2:8000]",
            "2140 balance 10.43.0.10:80 Some([10.42.1.2:8000])",
        ]
    );
    let end: Vec<&String> = history.iter().filter(|line| line.contains("POD")).collect();
    // preStop counts: ten seconds from its start to SIGKILL.
    assert_eq!(
        end[1..],
        [
            "6020 Terminate POD",
            "12020 Kill POD",
            "12070 unplug POD",
            "12070 gone POD"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_forced_deletion_does_not_wait_for_the_process() {
    let (kube, fake) = up(single(template("one"))).await;
    fake.obeys("one", 100_000, 0);
    fake.history();
    let begin = tokio::time::Instant::now();
    kube.delete_pod("one", Some(Duration::ZERO)).await.unwrap();
    assert_eq!(begin.elapsed(), Duration::ZERO);
    assert_eq!(kube.pods(), []);
    sleep_ms(5000).await;
    let history = fake.history_of(&["one"]);
    assert_eq!(
        words(&history),
        ["gone one", "Terminate one", "Kill one", "unplug one"]
    );
    let at = times(&history);
    assert_eq!(at[2] - at[1], 1000);
}

#[tokio::test(start_paused = true)]
async fn a_hollow_pod_fails_its_probes_and_comes_back() {
    let mut pod = template("web");
    pod.containers[0].readiness = Some(probe("ready", 2));
    let (kube, fake) = up(plan(vec![deployment("web", 1, pod)], vec![])).await;
    fake.sick("web*", true);
    kube.hollow("web").unwrap();
    sleep_ms(3000).await;
    assert_eq!(ready(&kube), [""; 0]);
    assert_eq!(kube.pods().len(), 1);
    fake.sick("web*", false);
    kube.revive("web").unwrap();
    kube.rollout_status("web").await.unwrap();
    let words = fake.history_of(&["Kill", "start "]);
    assert_eq!(words.len(), 3, "{words:#?}");

    kube.kill("web-1").unwrap();
    sleep_ms(3000).await;
    kube.rollout_status("web").await.unwrap();
    assert_eq!(kube.pods()[0].restarts, 3);
    let error = kube.kill("shop").unwrap_err().to_string();
    assert_eq!(
        error,
        "no workload, pod or node `shop`; there are web, server-0, agent-0, agent-1"
    );
}
