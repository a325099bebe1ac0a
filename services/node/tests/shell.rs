//! Commands as a container's main process.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use squall_host::disk::Disk;
use squall_host::net::Net;
use squall_host::output::{Output, OutputDriver};
use squall_host::{Diagnostics, Host, Launch, Loaded, Shutdown};
use tokio::time::Instant;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<String>>>);

impl OutputDriver for Lines {
    fn line(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

fn load(command: &[&str]) -> Result<Loaded, Diagnostics> {
    let launch = Launch {
        args: command.iter().map(|word| (*word).to_owned()).collect(),
        env: [("NAME".to_owned(), "db".to_owned())].into(),
        ..Launch::default()
    };
    (squall_node::programs()["shell"].load)(&launch)
}

/// What it prints, and whether it ends well.
async fn run(command: &[&str]) -> (Vec<String>, bool) {
    let lines = Lines::default();
    let real = Host::real();
    let (net, disk): (Net, Disk) = (real.net, real.disk);
    let host = Host::new("init", net, disk, Output::new(lines.clone()));
    let ended = load(command).unwrap().start(host, Shutdown::never()).await;
    let printed = lines.0.lock().unwrap().clone();
    (printed, ended.is_ok())
}

#[tokio::test]
async fn what_it_prints_is_the_containers_log_and_its_status_the_containers() {
    let line = "echo to $NAME; echo unseen >/dev/null; echo a b | grep a; sh -c 'echo c; exit 0'";
    let printed = ["to db", "a b", "c"].map(str::to_owned).to_vec();
    assert_eq!(run(&["sh", "-c", line]).await, (printed, true));
    assert_eq!(run(&["echo", "hi"]).await, (vec!["hi".to_owned()], true));
    assert_eq!(run(&["sh", "-c", "exit 3"]).await, (vec![], false));
    assert_eq!(run(&["/bin/false"]).await, (vec![], false));
}

#[tokio::test]
async fn it_has_a_file_there_or_not() {
    let folder = std::env::temp_dir().join(format!("squall-shell-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("a"), "text").unwrap();
    let folder = folder.to_str().unwrap();
    let line = format!(
        "if [ -f {folder}/a ]; then echo a; fi; [ -d {folder} ] && echo folder; \
         [ ! -e {folder}/b ] && cp {folder}/a {folder}/b && mv {folder}/b {folder}/c; \
         test -s {folder}/c && echo c; rm -rf {folder}; [ -f {folder}/c ] || echo gone"
    );
    let printed = ["a", "folder", "c", "gone"].map(str::to_owned).to_vec();
    assert_eq!(run(&["sh", "-c", &line]).await, (printed, true));
}

/// A port that nobody listens on.
fn free_port() -> u16 {
    let any = "127.0.0.1:0".parse().unwrap();
    let listener = Host::real().net.listen(any).unwrap();
    listener.local_addr().unwrap().port()
}

#[tokio::test]
async fn a_script_becomes_a_program() {
    let port = free_port();
    let launch = Launch {
        args: [
            "sh",
            "-c",
            "echo first; exec squall-node splitdim -mode $MODE; echo never",
        ]
        .map(str::to_owned)
        .to_vec(),
        env: [("MODE", "local"), ("LISTEN", &format!("127.0.0.1:{port}"))]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..Launch::default()
    };
    let loaded = (squall_node::programs()["shell"].load)(&launch).unwrap();
    let listens: Vec<u16> = loaded
        .facts
        .listens
        .iter()
        .map(|(at, _)| at.port())
        .collect();
    assert_eq!(listens, [port]);
    let lines = Lines::default();
    let real = Host::real();
    let host = Host::new("a", real.net, real.disk, Output::new(lines.clone()));
    let (trigger, shutdown) = Shutdown::new();
    let running = tokio::spawn(loaded.start(host, shutdown));
    let asked = format!("curl -f http://127.0.0.1:{port}/healthz");
    let line = format!("until {asked}; do sleep 0.01; done");
    let (real, command) = (Host::real(), ["sh", "-c", &line].map(str::to_owned));
    let status = squall_node::exec(&real, &[].into(), &command).await;
    assert_eq!(status, 0);
    trigger.request();
    running.await.unwrap().unwrap();
    let printed = lines.0.lock().unwrap().clone();
    assert_eq!(printed[0], "first");
    assert!(!printed.contains(&"never".to_owned()), "{printed:?}");
}

#[tokio::test]
async fn standard_error_goes_to_the_log_or_where_it_is_led() {
    let asked = "etcdctl --endpoints=127.0.0.1:1 --command-timeout=50ms endpoint health";
    let unhealthy = [
        "127.0.0.1:1 is unhealthy: failed to commit proposal: context deadline exceeded",
        "Error: unhealthy cluster",
    ];
    for (line, printed) in [
        (asked.to_owned(), &unhealthy[..]),
        (format!("{asked} 2>/dev/null"), &[]),
        (format!("{asked} >/dev/null 2>&1"), &[]),
        (format!("{asked} 2>&1 | grep Error; false"), &unhealthy[1..]),
        (
            format!("ETCDCTL_ENDPOINTS=127.0.0.1:2 {asked} 2>&1 | grep -o conflicting; false"),
            &[
                "Error: conflicting environment variable \"ETCDCTL_ENDPOINTS\" is shadowed by corresponding command-line flag (either unset environment variable or disable flag)",
            ],
        ),
    ] {
        let printed: Vec<String> = printed.iter().map(|line| (*line).to_owned()).collect();
        assert_eq!(run(&["sh", "-c", &line]).await, (printed, false), "{line}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_waits_until_somebody_is_there() {
    let port = {
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = Host::real().net.listen(any).unwrap();
        listener.local_addr().unwrap().port()
    };
    let line = format!("until nc -z 127.0.0.1 {port}; do echo waiting; sleep 2; done; echo there");
    let from = Instant::now();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let address = ([127, 0, 0, 1], port).into();
        let _listener = Host::real().net.listen(address).unwrap();
        std::future::pending::<()>().await;
    });
    let (printed, well) = run(&["sh", "-c", &line]).await;
    assert!(well);
    assert_eq!(printed.last().unwrap(), "there");
    assert!(printed.len() > 1, "{printed:?}");
    // On virtual time, which only the pauses let pass.
    assert!(from.elapsed() >= Duration::from_secs(5));
}

#[tokio::test(start_paused = true)]
async fn it_sleeps_as_long_as_it_says() {
    let from = Instant::now();
    assert_eq!(run(&["sleep", "3600"]).await, (vec![], true));
    assert_eq!(from.elapsed().as_secs(), 3_600);
    assert!(load(&["sleep", "infinity"]).is_ok());
}

#[test]
fn what_it_cannot_run_is_found_when_it_is_loaded() {
    for (command, reason) in [
        (vec![], "no command"),
        (vec!["redis-cli", "ping"], "no command `redis-cli` here"),
        (
            vec!["sh", "-c", "true; apk add curl"],
            "no command `apk` here",
        ),
        (
            vec!["sh", "-c", "until false; do cat /etc/hosts; done"],
            "no command `cat` here",
        ),
        (vec!["sh", "-c", "[ -x /ready ]"], "`test -x /ready`"),
        (vec!["sh", "-c", "rm ready"], "write the whole path"),
        (
            vec!["sh", "-c", "etcdctl cluster-health"],
            "no `etcdctl cluster-health` here",
        ),
        (
            vec!["sh", "-c", "etcdctl --cert=x member list"],
            "no option --cert here",
        ),
        (
            vec!["sh", "-c", "for i in 1; do true; done"],
            "`for` is not known here",
        ),
        (vec!["sh"], "sh without -c"),
        (vec!["sh", "-c", "exec sleep 1"], "no program here"),
        (
            vec!["sh", "-c", "true; exec squall-node splitdim -mode none"],
            "none",
        ),
    ] {
        let Err(complaints) = load(&command) else {
            panic!("{command:?} was accepted")
        };
        let text = complaints.to_string();
        assert!(text.contains(reason), "{command:?}: {text}");
        assert!(text.contains("help:"), "{text}");
    }
}
