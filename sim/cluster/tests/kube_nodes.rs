//! Nodes of Kubernetes: loss of power, drain, budgets; and names and ports; in tokio's virtual time.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

#[path = "common/kube.rs"]
mod kube;
#[path = "common/machine.rs"]
mod machine;

use std::collections::BTreeMap;

use kube::{
    VIRTUAL, cluster, column, deployment, plan, ready, secs, service, sleep_ms, stateful, template,
    up, workload,
};
use machine::Fake;
use squall_cluster::kubernetes::Kube;
use squall_cluster::kubernetes::plan::{Address, Amount, Budget, Kind, Leaves};

fn power(kube: &Kube, fake: &Fake, node: &str, on: bool) {
    for machine in kube.nodes(node).unwrap() {
        fake.power(machine, on);
    }
    match on {
        true => kube.power_back(node).unwrap(),
        false => kube.power_lost(node).unwrap(),
    }
}

fn words(history: &[String]) -> Vec<&str> {
    let lines = history.iter().map(|line| line.split_once(' ').unwrap().1);
    lines.collect()
}

#[tokio::test(start_paused = true)]
async fn a_lost_node_is_noticed_evicted_and_taken_back() {
    let (kube, fake) = up(plan(
        vec![deployment("web", 2, template("web"))],
        vec![service("web", "web", VIRTUAL)],
    ))
    .await;
    sleep_ms(1000).await;
    let both = ready(&kube);
    power(&kube, &fake, "agent-0", false);
    sleep_ms(39_000).await;
    // Nobody knows yet: connections still go there.
    assert_eq!(fake.behind("10.43.0.10:80").len(), 2);
    assert_eq!(ready(&kube), both);
    sleep_ms(1200).await;
    assert_eq!(fake.behind("10.43.0.10:80"), ["10.42.0.2:8000"]);
    assert_eq!(ready(&kube), both[..1]);
    sleep_ms(298_000).await;
    assert_eq!(kube.pods().len(), 2);
    sleep_ms(5000).await;
    let pods = kube.pods();
    assert_eq!(pods[1].status, "Terminating");
    assert_eq!((pods[2].status.as_str(), pods[2].ready), ("Running", true));
    assert_eq!(pods[2].node.as_deref(), Some("agent-1"));
    assert_eq!(
        fake.behind("10.43.0.10:80"),
        ["10.42.0.2:8000", "10.42.2.2:8000"]
    );
    power(&kube, &fake, "agent-0", true);
    sleep_ms(31_000).await;
    assert_eq!(kube.pods().len(), 2, "{:?}", column(&kube));
}

#[tokio::test(start_paused = true)]
async fn a_node_that_comes_back_in_time_starts_its_pods_again() {
    let (kube, fake) = up(plan(
        vec![deployment("web", 2, template("web"))],
        vec![service("web", "web", VIRTUAL)],
    ))
    .await;
    let names = ready(&kube);
    fake.history();
    power(&kube, &fake, "agent-0", false);
    sleep_ms(60_000).await;
    power(&kube, &fake, "agent-0", true);
    sleep_ms(29_000).await;
    assert_eq!(ready(&kube), names[..1]);
    sleep_ms(2000).await;
    assert_eq!(ready(&kube), names);
    assert_eq!(
        fake.behind("10.43.0.10:80"),
        ["10.42.0.2:8000", "10.42.1.2:8000"]
    );
    let starts = fake.history_of(&["start ", "add "]);
    assert_eq!(words(&starts), [format!("start {}", names[1])]);
    assert_eq!(kube.pods()[1].restarts, 1);
    sleep_ms(400_000).await;
    assert_eq!(ready(&kube), names);
    // And it gets new ones.
    kube.scale("web", 6).await.unwrap();
    kube.rollout_status("web").await.unwrap();
    assert_eq!(kube.nodes("agent-0").unwrap().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stateful_pod_on_a_lost_node_is_replaced_by_force_alone() {
    let set = workload(Kind::StatefulSet(stateful()), "db", 2, template("db"));
    let (kube, fake) = up(plan(vec![set], vec![])).await;
    power(&kube, &fake, "agent-0", false);
    sleep_ms(1_000_000).await;
    assert_eq!(column(&kube), ["db-0 Running", "db-1 Terminating"]);
    kube.delete_pod("db-1", Some(secs(0))).await.unwrap();
    kube.rollout_status("db").await.unwrap();
    assert_eq!(kube.pods()[1].node.as_deref(), Some("agent-1"));
    fake.history();
    power(&kube, &fake, "agent-0", true);
    sleep_ms(60_000).await;
    // The old one is not started again.
    assert_eq!(fake.history_of(&["start "]), [""; 0]);
}

fn budget(leaves: Leaves) -> Budget {
    Budget {
        namespace: "lab".to_owned(),
        name: "web".to_owned(),
        selector: BTreeMap::from([("app".to_owned(), "web".to_owned())]),
        leaves,
    }
}

#[tokio::test(start_paused = true)]
async fn a_budget_holds_a_drain_back() {
    let mut pod = template("web");
    pod.node = Some("agent-0".to_owned());
    for (leaves, passes) in [
        (Leaves::Available(Amount::Count(1)), true),
        (Leaves::Available(Amount::Percent(60)), false),
        (Leaves::Unavailable(Amount::Count(0)), false),
        (Leaves::Unavailable(Amount::Count(2)), true),
    ] {
        // Pinned to the node, its pods have nowhere else to go.
        let mut both = plan(vec![deployment("web", 2, pod.clone())], vec![]);
        both.budgets = vec![budget(leaves)];
        let (kube, fake) = up(both).await;
        let all = leaves == Leaves::Unavailable(Amount::Count(2));
        let drained = tokio::time::timeout(secs(100), kube.drain("agent-0")).await;
        assert_eq!(drained.is_ok(), all, "{leaves:?}");
        assert_eq!(
            ready(&kube).len(),
            if all { 0 } else { 1 + usize::from(!passes) }
        );
        if !passes {
            let notes = fake.notes_of(&["refused"]);
            assert!(notes.len() >= 20, "every 5 s: {notes:#?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_drain_moves_pods_one_after_the_other() {
    let mut four = plan(vec![deployment("web", 4, template("web"))], vec![]);
    four.budgets = vec![budget(Leaves::Available(Amount::Count(3)))];
    let (kube, _) = up(four).await;
    // Two of the four are there.
    assert_eq!(kube.nodes("server-0").unwrap().len(), 2);
    let begin = tokio::time::Instant::now();
    kube.drain("server-0").await.unwrap();
    // The second had to wait for the first one's successor.
    assert!(begin.elapsed() >= secs(5));
    assert_eq!(kube.nodes("server-0").unwrap(), []);
    kube.rollout_status("web").await.unwrap();
    kube.uncordon("server-0").unwrap();
    kube.scale("web", 6).await.unwrap();
    kube.rollout_status("web").await.unwrap();
    assert_eq!(kube.nodes("server-0").unwrap().len(), 2);
    let error = kube.drain("mars").await.unwrap_err().to_string();
    assert_eq!(
        error,
        "no node `mars`; there are server-0, agent-0, agent-1"
    );
}

#[tokio::test(start_paused = true)]
async fn ports_are_forwarded_and_names_lead_elsewhere() {
    let mut exposed = service("web", "web", VIRTUAL);
    exposed.ports[0].node_port = Some(30_080);
    let alias = Address::External("web.lab.svc.cluster.local".to_owned());
    let web = deployment("web", 1, template("web"));
    let (kube, fake) = up(plan(
        vec![web.clone()],
        vec![exposed, service("alias", "none", alias)],
    ))
    .await;
    sleep_ms(1000).await;
    assert_eq!(fake.resolves("alias.lab.svc.cluster.local"), ["10.43.0.10"]);
    kube.forward(8081, "svc/web", 80).unwrap();
    kube.forward(8082, "deploy/web", 9000).unwrap();
    sleep_ms(1).await;
    kube.delete_pod("web", None).await.unwrap();
    sleep_ms(2000).await;
    let history = fake.history_of(&["publish"]);
    let mut words = words(&history);
    words.sort_unstable();
    words.dedup();
    assert_eq!(
        words,
        [
            "publish 0.0.0.0:30080 ",
            "publish 0.0.0.0:30080 10.42.0.2:8000",
            "publish 0.0.0.0:30080 10.42.1.2:8000",
            "publish 127.0.0.1:8081 10.42.0.2:8000",
            "publish 127.0.0.1:8081 10.42.1.2:8000",
            "publish 127.0.0.1:8082 10.42.0.2:9000",
            "publish 127.0.0.1:8082 10.42.1.2:9000",
            "unpublish 127.0.0.1:8081",
            "unpublish 127.0.0.1:8082",
        ]
    );
    for (to, port, sentence) in [
        ("svc/shop", 80, "no service `shop`; there are web, alias"),
        ("svc/web", 81, "service web has no port 81"),
    ] {
        assert_eq!(kube.forward(1, to, port).unwrap_err().to_string(), sentence);
    }

    let far = service("far", "none", Address::External("example.org".to_owned()));
    let (kube, _) = cluster(plan(vec![web], vec![far]));
    let error = kube.up(secs(1)).await.unwrap_err().to_string();
    assert_eq!(
        error,
        "service far: its externalName `example.org` is no name of a service in the cluster"
    );
}
