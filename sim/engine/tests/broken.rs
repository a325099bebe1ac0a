//! A testbed that breaks says so, and says which host did it.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    clippy::disallowed_types
)]

use std::net::IpAddr;
use std::time::Duration;

use squall_engine::{Broken, Config, Control, HostSpec, run};
use squall_host::launch::BoxError;

/// Runs `culprit` as a process on the host of that name.
fn broken_by<F, Fut>(config: Config, culprit: F) -> Broken
where
    F: FnOnce() -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    let result = run(config, async move |control: Control| {
        let spec = HostSpec {
            name: "culprit".to_owned(),
            addresses: vec![IpAddr::from([10, 0, 0, 2])],
            nameservers: vec![],
            ..HostSpec::default()
        };
        let host = control.add_host(spec);
        control.start(host, |_, _| Box::pin(async move { culprit().await }));
        tokio::time::sleep(Duration::from_secs(60)).await;
    });
    result.unwrap_err()
}

#[track_caller]
fn assert_names(broken: &Broken, what: &str) {
    assert_eq!(broken.host, "culprit", "{broken}");
    assert!(broken.what.contains(what), "{broken}");
}

#[test]
fn a_panic_in_the_main_task() {
    let broken = broken_by(Config::default(), async || panic!("a defect of ours"));
    assert_names(&broken, "a defect of ours");
}

#[test]
fn a_panic_in_a_spawned_task() {
    let broken = broken_by(Config::default(), async || {
        tokio::spawn(async { panic!("deep inside") });
        std::future::pending().await
    });
    assert_names(&broken, "deep inside");
}

#[test]
fn a_thread() {
    let broken = broken_by(Config::default(), async || {
        let _ = std::thread::Builder::new().spawn(|| ());
        std::future::pending().await
    });
    assert_names(&broken, "started a thread");
}

#[test]
fn spawn_blocking() {
    let broken = broken_by(Config::default(), async || {
        tokio::task::spawn_blocking(|| ()).await?;
        Ok(())
    });
    assert_names(&broken, "started a thread");
}

#[test]
fn a_real_socket() {
    let broken = broken_by(Config::default(), async || {
        tokio::net::TcpStream::connect("127.0.0.1:9").await?;
        Ok(())
    });
    assert_names(&broken, "real socket");
}

#[test]
fn a_sleep_of_the_thread() {
    let broken = broken_by(Config::default(), async || {
        std::thread::sleep(Duration::from_secs(1));
        std::future::pending().await
    });
    assert_names(&broken, "slept the thread");
}

#[test]
fn a_lock_that_waits_forever() {
    let config = Config {
        stall_limit: Duration::from_millis(500),
        ..Config::default()
    };
    let broken = broken_by(config, async || {
        let (_keep, receiver) = std::sync::mpsc::channel::<()>();
        receiver.recv()?;
        Ok(())
    });
    assert_names(&broken, "blocked the simulation");
}

#[test]
fn two_tasks_that_wake_each_other_without_end() {
    let config = Config {
        stall_limit: Duration::from_millis(500),
        ..Config::default()
    };
    let broken = broken_by(config, async || {
        loop {
            tokio::task::yield_now().await;
        }
    });
    assert_names(&broken, "blocked the simulation");
}

#[test]
fn a_story_that_nothing_can_go_on_with() {
    let result = run(Config::default(), async |_: Control| {
        std::future::pending::<()>().await
    });
    let broken = result.unwrap_err();
    assert!(broken.what.contains("can no longer happen"), "{broken}");
}

#[test]
fn a_story_without_an_end() {
    let config = Config {
        virtual_limit: Duration::from_secs(100),
        ..Config::default()
    };
    let result = run(config, async |_: Control| {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let broken: Broken = result
        .map(|outcome| {
            let (): () = outcome.value;
        })
        .unwrap_err();
    assert!(broken.what.contains("no end"), "{broken}");
}
