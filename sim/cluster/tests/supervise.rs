//! The control plane on a machine that does what the test says, in tokio's virtual time.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod common;
#[path = "common/machine.rs"]
mod machine;

use std::sync::Arc;
use std::time::Duration;

use machine::Fake;
use squall_cluster::supervise::{Compose, Error, Health, Phase, Settings};

fn system(text: &str) -> (Compose, Arc<Fake>) {
    let programs = [("*", "worker")];
    let plan = common::plan_text(text, &programs).unwrap_or_else(|d| panic!("{d}\n{text}"));
    let fake = Fake::new();
    let settings = Settings {
        up_timeout: Duration::from_secs(60),
        names_with_network: true,
    };
    (Compose::new(plan, fake.clone(), settings), fake)
}

/// A service for each `name: rest of its keys`.
fn services(list: &[(&str, &str)]) -> String {
    let mut text = "name: lab\nservices:\n".to_owned();
    for (name, rest) in list {
        text +=
            &format!("  {name}: {{image: x, hostname: {name}, container_name: {name}{rest}}}\n");
    }
    text
}

fn phase(compose: &Compose, name: &str) -> Phase {
    let status = compose.status();
    status
        .iter()
        .find(|s| s.name == name)
        .expect("a container")
        .phase
}

async fn sleep_ms(ms: u64) {
    tokio::time::sleep(Duration::from_millis(ms)).await;
}

const HEALTHY: &str = ", depends_on: {db: {condition: service_healthy}}";
const CHECK: &str = ", healthcheck: {test: [CMD, probe], interval: 2s, timeout: 1s, retries: 3}";

#[tokio::test(start_paused = true)]
async fn a_volume_that_several_containers_name_is_one_for_all() {
    let text = services(&[
        ("a", ", volumes: ['many:/a', 'alone:/alone']"),
        ("b", ", volumes: [{type: volume, source: many, target: /b}]"),
    ]) + "volumes: {many: {}, alone: {}}\n";
    let (compose, fake) = system(&text);
    compose.up().await.unwrap();
    let mounts: Vec<String> = fake
        .history()
        .into_iter()
        .filter_map(|line| Some(line.split_once("mount ")?.1.to_owned()))
        .collect();
    assert_eq!(mounts, ["many:/ at /a of a", "many:/ at /b of b"]);
}

#[tokio::test(start_paused = true)]
async fn services_start_after_what_they_depend_on() {
    let (compose, fake) = system(&services(&[
        ("web", ", depends_on: [api]"),
        ("api", HEALTHY),
        ("db", CHECK),
        ("other", ""),
    ]));
    compose.up().await.unwrap();
    assert_eq!(
        fake.history_of(&["start", "exec"]),
        [
            "0 start db",
            "0 start other",
            "2000 exec db probe",
            "2000 start api",
            "2000 start web"
        ]
    );
    assert!(compose.status().iter().all(|s| s.phase == Phase::Running));
    assert_eq!(compose.status()[0].health, Some(Health::Healthy));
}

#[tokio::test(start_paused = true)]
async fn a_job_is_waited_for() {
    let job = ", depends_on: {job: {condition: service_completed_successfully}}";
    let (compose, fake) = system(&services(&[("web", job), ("job", "")]));
    fake.ends("job", 700, 0);
    compose.up().await.unwrap();
    // 50 ms for the network of the job.
    assert_eq!(
        fake.history_of(&["start"]),
        ["0 start job", "750 start web"]
    );
    assert_eq!(phase(&compose, "job"), Phase::Exited(0));

    let (compose, fake) = system(&services(&[("web", job), ("job", "")]));
    fake.ends("job", 700, 3);
    let error = compose.up().await.unwrap_err().to_string();
    assert_eq!(
        error,
        "web cannot start: container job did not complete: status 3"
    );
    assert_eq!(fake.history_of(&["start"]), ["0 start job"]);
}

#[tokio::test(start_paused = true)]
async fn what_does_not_come_up_is_named() {
    let (compose, fake) = system(&services(&[("api", HEALTHY), ("db", CHECK)]));
    fake.sick("db", true);
    let error = compose.up().await.unwrap_err().to_string();
    assert_eq!(error, "api cannot start: container db is unhealthy");

    let (compose, fake) = system(&services(&[("a", ""), ("b", ", restart: always")]));
    fake.ends("b", 10, 1);
    let error = compose.up().await.unwrap_err();
    let Error::Late { waiting, .. } = &error else {
        panic!("{error}");
    };
    assert!(
        waiting[0].starts_with("b (restarting after status 1, "),
        "{error}"
    );
    assert_eq!(waiting.len(), 1);

    let (compose, fake) = system(&services(&[("a", "")]));
    fake.ends("a", 10, 5);
    assert_eq!(
        compose.up().await.unwrap_err(),
        Error::Exited {
            name: "a".into(),
            status: 5
        }
    );
}

#[tokio::test(start_paused = true)]
async fn names_and_ports_come_and_go_with_containers() {
    let (compose, fake) = system(&services(&[
        (
            "a",
            ", networks: {default: {aliases: [both]}}, ports: ['8080:80']",
        ),
        (
            "b",
            ", networks: {default: {aliases: [both]}}, extra_hosts: ['far:9.9.9.9']",
        ),
    ]));
    compose.up().await.unwrap();
    assert_eq!(fake.resolves("a"), ["172.18.0.2"]);
    assert_eq!(fake.resolves("both"), ["172.18.0.2", "172.18.0.3"]);
    assert_eq!(
        fake.resolves("both.lab_default"),
        ["172.18.0.2", "172.18.0.3"]
    );
    assert_eq!(fake.resolves("far"), ["9.9.9.9"]);
    fake.history();
    compose.kill("a").await.unwrap();
    // The process first, its network 50 ms later.
    assert_eq!(
        fake.history(),
        ["100 Kill a", "150 unpublish 0.0.0.0:8080", "150 unplug a"]
    );
    assert_eq!(fake.resolves("a"), Vec::<String>::new());
    assert_eq!(fake.resolves("both"), ["172.18.0.3"]);
    assert_eq!(phase(&compose, "a"), Phase::Exited(137));
    compose.start("a").await.unwrap();
    assert_eq!(
        fake.history(),
        [
            "150 plug a",
            "150 publish 0.0.0.0:8080 172.18.0.2:80",
            "150 start a"
        ]
    );
    assert_eq!(fake.resolves("both"), ["172.18.0.2", "172.18.0.3"]);
}

#[tokio::test(start_paused = true)]
async fn restarts_back_off_and_forget_after_ten_seconds() {
    let (compose, fake) = system(&services(&[("a", ", restart: always")]));
    compose.up().await.unwrap();
    fake.history();
    fake.ends("a", 10, 1);
    compose.crash("a").unwrap();
    sleep_ms(3_200).await;
    fake.lives_on("a");
    sleep_ms(20_000).await;
    // 100 ms after the crash at 100 ms; then 10 ms of life and 200, 400, 800… ms of waiting.
    assert_eq!(
        fake.history_of(&["start"]),
        [
            "200 start a",
            "410 start a",
            "820 start a",
            "1630 start a",
            "3240 start a",
            "6450 start a"
        ]
    );
    let status = compose.status();
    assert_eq!(
        (status[0].phase, status[0].restarts),
        (Phase::Running, 6),
        "{status:?}"
    );
    // It ran for more than ten seconds: the next wait is the first again.
    compose.crash("a").unwrap();
    sleep_ms(1_000).await;
    assert_eq!(
        fake.history_of(&["Kill", "start"]),
        ["23300 Kill a", "23400 start a"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_command_suspends_the_policy_until_the_next_start() {
    let (compose, fake) = system(&services(&[("a", ", restart: always")]));
    compose.up().await.unwrap();
    compose.kill("a").await.unwrap();
    sleep_ms(100_000).await;
    assert_eq!(phase(&compose, "a"), Phase::Exited(137));
    let not_running = Error::NotRunning { name: "a".into() };
    assert_eq!(compose.kill("a").await, Err(not_running));
    compose.start("a").await.unwrap();
    fake.history();
    compose.crash("a").unwrap();
    sleep_ms(1_000).await;
    assert_eq!(fake.history_of(&["start"]).len(), 1);
    // While it waits for its restart, a stop ends that.
    compose.crash("a").unwrap();
    sleep_ms(60).await;
    assert!(matches!(phase(&compose, "a"), Phase::Restarting(137)));
    compose.stop("a").await.unwrap();
    sleep_ms(100_000).await;
    assert_eq!(phase(&compose, "a"), Phase::Exited(137));
}

#[tokio::test(start_paused = true)]
async fn a_start_while_a_kill_goes_on_comes_after_it() {
    let (compose, _) = system(&services(&[("a", "")]));
    compose.up().await.unwrap();
    // Whichever of the two hears first that the container is down.
    let start = async || {
        sleep_ms(10).await;
        compose.start("a").await
    };
    for (started, killed) in [futures::future::join(start(), compose.kill("a")).await, {
        let (killed, started) = futures::future::join(compose.kill("a"), start()).await;
        (started, killed)
    }] {
        assert_eq!((started, killed), (Ok(()), Ok(())));
        assert_eq!(phase(&compose, "a"), Phase::Running);
    }
}

#[tokio::test(start_paused = true)]
async fn a_start_while_it_is_being_stopped_comes_after_its_end() {
    let (compose, fake) = system(&services(&[("a", "")]));
    fake.obeys("a", 5_000, 0);
    compose.up().await.unwrap();
    fake.history();
    let start = async {
        sleep_ms(1_000).await;
        compose.start("a").await
    };
    let (stopped, started) = futures::future::join(compose.stop("a"), start).await;
    assert_eq!((stopped, started), (Ok(()), Ok(())));
    sleep_ms(100).await;
    assert_eq!(phase(&compose, "a"), Phase::Running);
    assert_eq!(
        fake.history_of(&["Terminate", "start"]),
        ["100 Terminate a", "5150 start a"]
    );
    // Stopped once more after that, it stays so.
    fake.obeys("a", 5_000, 0);
    let start_and_stop = async {
        sleep_ms(1_000).await;
        compose.start("a").await.unwrap();
        compose.stop("a").await
    };
    let (first, second) = futures::future::join(compose.stop("a"), start_and_stop).await;
    assert_eq!((first, second), (Ok(()), Ok(())));
    sleep_ms(1_000).await;
    assert_eq!(phase(&compose, "a"), Phase::Exited(0));
}

#[tokio::test(start_paused = true)]
async fn a_start_while_it_is_being_stopped_outlasts_the_grace_period() {
    let (compose, fake) = system(&services(&[("deaf", ", stop_grace_period: 3s")]));
    compose.up().await.unwrap();
    fake.history();
    let start = async {
        sleep_ms(1_000).await;
        compose.start("deaf").await
    };
    let (stopped, started) = futures::future::join(compose.stop("deaf"), start).await;
    assert_eq!((stopped, started), (Ok(()), Ok(())));
    sleep_ms(100).await;
    assert_eq!(phase(&compose, "deaf"), Phase::Running);
    assert_eq!(
        fake.history_of(&["Kill", "start"]),
        ["3100 Kill deaf", "3150 start deaf"]
    );
}

#[tokio::test(start_paused = true)]
async fn on_failure_counts_its_restarts() {
    let (compose, fake) = system(&services(&[
        ("a", ", restart: 'on-failure:2'"),
        ("b", ", restart: on-failure"),
    ]));
    compose.up().await.unwrap();
    fake.history();
    fake.ends("a", 10, 1);
    compose.crash("a").unwrap();
    fake.ends("b", 10, 0);
    compose.crash("b").unwrap();
    sleep_ms(100_000).await;
    assert_eq!(fake.history_of(&["start a"]).len(), 2);
    assert_eq!(phase(&compose, "a"), Phase::Exited(1));
    // One restart after the crash; then it ends with success.
    assert_eq!(phase(&compose, "b"), Phase::Exited(0));
}

#[tokio::test(start_paused = true)]
async fn stopping_is_graceful_first() {
    let (compose, fake) = system(&services(&[
        ("good", ""),
        ("deaf", ", stop_grace_period: 3s"),
        ("hasty", ", stop_signal: SIGKILL"),
    ]));
    fake.obeys("good", 500, 0);
    compose.up().await.unwrap();
    fake.history();
    compose.stop("good").await.unwrap();
    assert_eq!(phase(&compose, "good"), Phase::Exited(0));
    compose.stop("deaf").await.unwrap();
    assert_eq!(phase(&compose, "deaf"), Phase::Exited(137));
    compose.stop("hasty").await.unwrap();
    assert_eq!(
        fake.history_of(&["Terminate", "Kill"]),
        [
            "100 Terminate good",
            "650 Terminate deaf",
            "3650 Kill deaf",
            "3700 Kill hasty"
        ]
    );
    compose.stop("good").await.unwrap();
    compose.restart("good").await.unwrap();
    compose.restart("good").await.unwrap();
    assert_eq!(
        fake.history_of(&["Terminate", "start"]),
        ["3750 start good", "3750 Terminate good", "4300 start good"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_pause_freezes_and_keeps_the_name() {
    let (compose, fake) = system(&services(&[("db", CHECK)]));
    compose.up().await.unwrap();
    compose.pause("db").unwrap();
    assert!(compose.pause("db").is_err());
    fake.history();
    sleep_ms(60_000).await;
    assert_eq!(fake.history(), Vec::<String>::new());
    assert_eq!(fake.resolves("db"), ["172.18.0.2"]);
    assert!(fake.is_plugged("db"));
    let exec = compose.exec("db", vec!["true".into()]).await;
    assert!(matches!(exec, Err(Error::Paused { .. })), "{exec:?}");
    compose.unpause("db").unwrap();
    sleep_ms(2_100).await;
    assert_eq!(fake.history_of(&["Continue", "exec"]).len(), 2);
    assert_eq!(compose.exec("db", vec!["true".into()]).await, Ok(0));
    compose.pause("db").unwrap();
    fake.obeys("db", 10, 0);
    fake.history();
    compose.stop("db").await.unwrap();
    let signals: Vec<String> = fake
        .history_of(&["Terminate", "Continue", "Kill"])
        .iter()
        .map(|line| line.split_once(' ').unwrap().1.to_owned())
        .collect();
    assert_eq!(signals, ["Terminate db", "Continue db"]);
}

#[tokio::test(start_paused = true)]
async fn health_goes_by_failures_in_a_row() {
    let check = ", healthcheck: {test: [CMD, probe], interval: 10s, timeout: 1s, retries: 2, start_period: 20s, start_interval: 1s}";
    let (compose, fake) = system(&services(&[("db", check)]));
    fake.sick("db", true);
    let up = tokio::spawn({
        let compose = compose.clone();
        async move { compose.up().await }
    });
    // Failures of the start period do not count.
    sleep_ms(15_500).await;
    assert_eq!(compose.status()[0].health, Some(Health::Starting));
    fake.sick("db", false);
    sleep_ms(1_000).await;
    assert_eq!(compose.status()[0].health, Some(Health::Healthy));
    up.await.unwrap().unwrap();
    fake.sick("db", true);
    sleep_ms(10_500).await;
    assert_eq!(compose.status()[0].health, Some(Health::Healthy));
    sleep_ms(10_000).await;
    assert_eq!(compose.status()[0].health, Some(Health::Unhealthy));
    fake.sick("db", false);
    sleep_ms(10_000).await;
    assert_eq!(compose.status()[0].health, Some(Health::Healthy));

    // A probe that does not answer is a failure.
    let check = CHECK.replace("probe", "probe, hang");
    let (compose, fake) = system(&services(&[("db", &check)]));
    assert!(compose.up().await.is_err());
    // 2 s to each, 1 s for each.
    let starts: Vec<String> = fake.history_of(&["exec"]).into_iter().take(3).collect();
    assert_eq!(
        starts,
        [
            "2000 exec db probe hang",
            "5000 exec db probe hang",
            "8000 exec db probe hang"
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn a_service_grows_and_shrinks() {
    let text = "name: lab\nservices:\n  web: {image: x}\n  one: {image: x, ports: ['80:80']}\n";
    let (compose, fake) = system(text);
    fake.obeys("lab-web-2", 10, 0);
    fake.obeys("lab-web-3", 10, 0);
    compose.up().await.unwrap();
    compose.scale("web", 3).await.unwrap();
    assert_eq!(
        fake.resolves("web"),
        ["172.18.0.2", "172.18.0.4", "172.18.0.5"]
    );
    assert_eq!(fake.resolves("lab-web-3"), ["172.18.0.5"]);
    compose.kill("web-2").await.unwrap();
    assert_eq!(fake.resolves("web"), ["172.18.0.2", "172.18.0.5"]);
    compose.scale("web", 1).await.unwrap();
    assert_eq!(fake.resolves("web"), ["172.18.0.2"]);
    assert_eq!(compose.status().len(), 2);
    compose.scale("web", 2).await.unwrap();
    // A new container, with the next address.
    assert_eq!(fake.resolves("web"), ["172.18.0.2", "172.18.0.6"]);
    let error = compose.scale("one", 2).await.unwrap_err().to_string();
    assert!(
        error.contains("port 80 of the host is published twice"),
        "{error}"
    );
    assert_eq!(compose.status().len(), 3);
    let error = compose.scale("none", 2).await.unwrap_err().to_string();
    assert_eq!(error, "no service or container `none`; there are web, one");
}

#[tokio::test(start_paused = true)]
async fn the_same_commands_give_the_same_history() {
    let mut histories = Vec::new();
    for _ in 0..2 {
        let (compose, fake) = system(&services(&[
            ("web", ", depends_on: [api], restart: always"),
            ("api", HEALTHY),
            ("db", CHECK),
        ]));
        compose.up().await.unwrap();
        for target in ["web", "api", "db"] {
            compose.crash(target).unwrap();
            compose.stop("web").await.unwrap();
            sleep_ms(150).await;
            compose.start(target).await.unwrap();
            compose.start("web").await.unwrap();
        }
        histories.push(fake.history());
    }
    assert_eq!(histories[0], histories[1]);
    assert!(histories[0].len() > 20, "{:?}", histories[0]);
}

#[tokio::test(start_paused = true)]
async fn a_container_without_its_process_keeps_its_place() {
    let (compose, fake) = system(&services(&[(
        "db",
        ", restart: always, labels: [tier=data]",
    )]));
    compose.up().await.unwrap();
    compose.hollow("db").await.unwrap();
    sleep_ms(60_000).await;
    assert_eq!(phase(&compose, "db"), Phase::Hollow);
    assert!(fake.is_plugged("db") && fake.resolves("db").len() == 1);
    compose.start("db").await.unwrap();
    assert_eq!(phase(&compose, "db"), Phase::Running);
    // The policy holds again.
    compose.crash("db").unwrap();
    sleep_ms(1_000).await;
    assert_eq!(phase(&compose, "db"), Phase::Running);
    // One that is stopped while it is empty goes as any other.
    compose.hollow("db").await.unwrap();
    compose.stop("db").await.unwrap();
    assert_eq!(phase(&compose, "db"), Phase::Exited(137));
    assert!(!fake.is_plugged("db") && fake.resolves("db").is_empty());
    let (container, ..) = &compose.containers()[0];
    assert_eq!(container.service.labels["tier"], "data");
}
