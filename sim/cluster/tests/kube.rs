//! Kubernetes' control plane on a machine that does what the test says, in tokio's virtual time.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[path = "common/kube.rs"]
mod kube;
#[path = "common/machine.rs"]
mod machine;

use std::time::Duration;

use kube::{
    VIRTUAL, cluster, column, deployment, plan, probe, ready, secs, service, sleep_ms, template, up,
};
use squall_cluster::kubernetes::plan::Address;

#[tokio::test(start_paused = true)]
async fn a_deployment_comes_up_with_names_addresses_and_endpoints() {
    let (kube, fake) = up(plan(
        vec![deployment("web", 2, template("web"))],
        vec![
            service("web", "web", VIRTUAL),
            service("webs", "web", Address::Headless),
        ],
    ))
    .await;
    sleep_ms(1000).await;
    let pods = kube.pods();
    assert_eq!(pods.len(), 2);
    for (pod, node) in pods.iter().zip(["server-0", "agent-0"]) {
        let parts: Vec<&str> = pod.name.split('-').collect();
        assert_eq!(parts[0], "web");
        assert_eq!(parts[1].len(), 10, "{}", pod.name);
        assert_eq!(parts[2].len(), 5, "{}", pod.name);
        assert_eq!((pod.status.as_str(), pod.ready), ("Running", true));
        assert_eq!(pod.node.as_deref(), Some(node));
        assert_eq!(pod.labels["pod-template-hash"], parts[1]);
        assert_eq!(
            kube.workload_at(pod.address.unwrap().into()),
            Some("web".to_owned())
        );
    }
    assert_eq!(
        fake.behind("10.43.0.10:80"),
        ["10.42.0.2:8000", "10.42.1.2:8000"]
    );
    assert_eq!(fake.resolves("web.lab.svc.cluster.local"), ["10.43.0.10"]);
    assert_eq!(
        fake.resolves("webs.lab.svc.cluster.local"),
        ["10.42.0.2", "10.42.1.2"]
    );
}

#[tokio::test(start_paused = true)]
async fn readiness_gates_endpoints() {
    let mut pod = template("web");
    pod.containers[0].readiness = Some(probe("ready", 2));
    let (kube, fake) = cluster(plan(
        vec![deployment("web", 1, pod)],
        vec![service("web", "web", VIRTUAL)],
    ));
    fake.sick("web*", true);
    let error = kube.up(secs(5)).await.unwrap_err().to_string();
    assert!(error.contains("(Running, not ready)"), "{error}");
    assert_eq!(fake.behind("10.43.0.10:80"), [""; 0]);
    fake.sick("web*", false);
    kube.rollout_status("web").await.unwrap();
    sleep_ms(200).await;
    assert_eq!(fake.behind("10.43.0.10:80"), ["10.42.0.2:8000"]);
    // Two failures in a row take it out; the container runs on.
    fake.sick("web*", true);
    fake.history();
    sleep_ms(2500).await;
    assert_eq!(fake.behind("10.43.0.10:80"), [""; 0]);
    let history = fake.history_of(&["start", "endpoints"]);
    assert_eq!(history.len(), 1, "{history:#?}");
    assert!(history[0].contains("endpoints web []"), "{history:#?}");
    let notes = fake.notes_of(&["probe failed"]);
    let last = &notes[notes.len() - 2..];
    assert!(
        last[0].contains("Readiness probe failed (1 of 2)"),
        "{notes:#?}"
    );
    assert!(
        last[1].contains("Readiness probe failed (2 of 2)"),
        "{notes:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pod_is_replaced_at_once_under_another_name() {
    let (kube, fake) = up(plan(
        vec![deployment("web", 1, template("web"))],
        vec![service("web", "web", VIRTUAL)],
    ))
    .await;
    sleep_ms(1000).await;
    fake.obeys("*", 5000, 0);
    let old = ready(&kube).remove(0);
    fake.history();
    let begin = tokio::time::Instant::now();
    let deleting = kube.clone();
    let deletion = tokio::spawn(async move { deleting.delete_pod("web-1", None).await });
    sleep_ms(100).await;
    assert_eq!(kube.pods().len(), 2, "{:?}", column(&kube));
    deletion.await.unwrap().unwrap();
    // 20 ms until the kubelet knows, 5 s until the process has ended, 50 ms for the network.
    assert_eq!(begin.elapsed(), Duration::from_millis(5070));
    let new = ready(&kube).remove(0);
    assert_ne!(old, new);
    assert_eq!(old[..14], new[..14]);
    let words = [
        "Terminate",
        "endpoints",
        "balance",
        "add ",
        "gone",
        "unplug",
    ];
    let mut history = fake.history_of(&words);
    history.sort();
    let after: Vec<String> = history
        .iter()
        .map(|line| line.replace(&old, "OLD").replace(&new, "NEW"))
        .collect();
    let words: Vec<&str> = after
        .iter()
        .map(|line| line.split_once(' ').unwrap().1)
        .collect();
    assert_eq!(
        words,
        [
            // In the same instant: neither waits for the other. Nobody else is there, so that new
            // connections go to who is on the way out.
            "Terminate OLD",
            "endpoints web []",
            "add NEW 10.42.1.2",
            "endpoints web [10.42.1.2:8000]",
            "balance 10.43.0.10:80 Some([10.42.1.2:8000])",
            "gone OLD",
            "unplug OLD",
        ],
        "{history:#?}"
    );
}

#[tokio::test(start_paused = true)]
async fn scaling_down_takes_those_that_are_not_ready() {
    let mut pod = template("web");
    pod.containers[0].readiness = Some(probe("ready", 1));
    let (kube, fake) = up(plan(vec![deployment("web", 3, pod)], vec![])).await;
    let names = ready(&kube);
    fake.sick(&names[1], true);
    sleep_ms(2000).await;
    kube.scale("web", 2).await.unwrap();
    kube.rollout_status("web").await.unwrap();
    sleep_ms(1000).await;
    assert_eq!(ready(&kube), [names[0].clone(), names[2].clone()]);
    kube.scale("web", 4).await.unwrap();
    kube.rollout_status("web").await.unwrap();
    assert_eq!(ready(&kube).len(), 4);
    kube.scale("web", 0).await.unwrap();
    kube.rollout_status("web").await.unwrap();
    sleep_ms(1000).await;
    assert_eq!(kube.pods(), []);
}

#[tokio::test(start_paused = true)]
async fn names_and_forwarded_ports_lead_to_who_is_ready() {
    let mut pod = template("web");
    pod.containers[0].readiness = Some(probe("ready", 1));
    pod.hostname = Some("edge".to_owned());
    pod.subdomain = Some("webs".to_owned());
    let mut all = service("all", "web", Address::Headless);
    all.publish_not_ready = true;
    let (kube, fake) = cluster(plan(
        vec![deployment("web", 2, pod)],
        vec![service("webs", "web", Address::Headless), all],
    ));
    fake.sick("edge", true);
    assert!(kube.up(secs(10)).await.is_err());
    kube.forward(8081, "web", 8000).unwrap();
    sleep_ms(100).await;
    let resolves = |name: &str| fake.resolves(&format!("{name}.lab.svc.cluster.local"));
    assert_eq!(resolves("webs"), [""; 0]);
    assert_eq!(resolves("edge.webs"), [""; 0]);
    assert_eq!(resolves("all"), ["10.42.0.2", "10.42.1.2"]);
    assert_eq!(resolves("10-42-0-2.all"), ["10.42.0.2"]);
    assert_eq!(fake.history_of(&["publish"]), [""; 0]);
    fake.sick("edge", false);
    sleep_ms(2000).await;
    assert_eq!(resolves("webs"), ["10.42.0.2", "10.42.1.2"]);
    assert_eq!(resolves("edge.webs"), ["10.42.0.2", "10.42.1.2"]);
    assert_eq!(fake.history_of(&["publish"]).len(), 1);
}
