//! Tests in Rust: what passes, what fails and how it is told, what is refused.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::routing::get;
use squall::fault::{between, kill, loss, of, partition, pause, restart};
use squall::{Diagnostic, Diagnostics, Facts, Failure, Host, Invariant, Launch, Loaded, Run};
use squall::{Shutdown, Test, millis, secs};

/// A web server that says what it was told to.
async fn web(host: Host, shutdown: Shutdown, greeting: String) -> std::io::Result<()> {
    let listener = host.net.listen(([0, 0, 0, 0], 80).into())?;
    let body = format!("{{\"by\":\"{}\"}}", host.name());
    let app = Router::new()
        .route("/", get(async || body))
        .route("/greeting", get(async || greeting));
    let stopped = async move { shutdown.requested().await };
    axum::serve(listener, app)
        .with_graceful_shutdown(stopped)
        .await
}

fn shop(launch: &Launch) -> Result<Loaded, Diagnostics> {
    let Some(greeting) = launch.env.get("GREETING").cloned() else {
        return Err(Diagnostic::new("GREETING is not set").into());
    };
    Ok(Loaded::new(Facts::default(), move |host, shutdown| {
        web(host, shutdown, greeting.clone())
    }))
}

/// Two replicas and somebody who asks.
fn hello() -> Test {
    let mut test = Test::new("hello");
    test.service("api", |host, shutdown| web(host, shutdown, "hi".to_owned()))
        .replicas(2);
    test.client("load", "http://api/")
        .rate(20)
        .timeout(secs(1))
        .backend("$.by");
    test
}

fn fails(test: &Test) -> String {
    test.try_run().err().expect("it fails").to_string()
}

#[track_caller]
fn assert_says(text: &str, wanted: &[&str]) {
    for wanted in wanted {
        assert!(text.contains(wanted), "{wanted:?} is not in\n{text}");
    }
}

#[test]
fn services_load_faults_and_expectations_in_rust_alone() {
    let mut test = hello();
    test.about("One of two is killed; then all are cut off.");
    test.phase("well", secs(5))
        .success("100%")
        .backend("test-api-1", "> 0%")
        .p99("< 50ms");
    test.phase("cut off", secs(5)).success("0%").failed(">= 90");
    test.phase("healed", secs(10)).longest_outage("< 5s");
    test.fault(kill("api-2").at(secs(1)).lasting(secs(2)));
    test.fault(partition(of("api")).at(secs(5)).lasting(secs(5)));
    test.invariant(Invariant::Recovers { within: secs(5) });
    let run = test.seeds(3).try_run().unwrap_or_else(|f| panic!("{f}"));
    assert_eq!(run.seed, 3);
    let whats: Vec<&str> = run
        .record
        .happenings
        .iter()
        .map(|h| h.what.as_str())
        .collect();
    assert!(
        whats.contains(&"killed") && whats.contains(&"partition: everybody and api"),
        "{whats:?}"
    );
    // Faults are told of at the time of the story at which they were asked for.
    let began_us = run.record.summary.phases[0].from_ms * 1000;
    let killed = run
        .record
        .happenings
        .iter()
        .find(|h| h.what == "killed")
        .unwrap();
    assert_eq!(killed.at_us - began_us, 1_000_000);
}

#[test]
fn what_workloads_return_is_there_for_checks() {
    let mut test = hello();
    let names = test.workload("asker", async |host: Host| {
        host.net.resolve("api").await.unwrap().len()
    });
    let greeting = test.workload("reader", async |host: Host| {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut stream = host.net.connect_name("api", 80).await.unwrap();
        let request = b"GET /greeting HTTP/1.1\r\nhost: api\r\nconnection: close\r\n\r\n";
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    });
    test.check("both came back", move |run| {
        assert_eq!(*run.saw(&names), 2);
        assert!(run.saw(&greeting).ends_with("hi"));
    });
    test.run();
    test.check("the impossible", move |run| assert_eq!(*run.saw(&names), 3));
    assert_says(
        &fails(&test),
        &["\"hello\" fails with seed 0:\n  the impossible: assertion `left == right` failed"],
    );
}

#[test]
fn a_client_in_rust_can_be_cut_off() {
    let mut test = hello();
    let tries = test.workload("caller", async |host: Host| {
        let mut reached = Vec::new();
        for _ in 0..6 {
            let connect = host.net.connect_name("api", 80);
            reached.push(tokio::time::timeout(millis(500), connect).await.is_ok());
            tokio::time::sleep(secs(1)).await;
        }
        reached
    });
    test.fault(
        partition(between("caller", "api"))
            .at(secs(2))
            .lasting(millis(1_500)),
    );
    test.check("cut off and back", move |run| {
        let tries = run.saw(&tries);
        assert!(
            tries.first() == Some(&true) && tries.last() == Some(&true),
            "{tries:?}"
        );
        assert!(tries.contains(&false), "{tries:?}");
    });
    // Nobody else is.
    test.invariant(Invariant::NoFailedRequest);
    test.seeds(0..3).run();
}

#[test]
fn a_failure_names_what_seed_faults_and_replay() {
    let mut test = hello();
    test.phase("story", secs(10)).success("100%");
    test.fault(pause("api-1").at(millis(2_500)).lasting(secs(3)));
    test.fault(loss(12.5, between("load", "api")).lasting(secs(1)));
    test.invariant(Invariant::NoFailedRequest);
    let text = fails(test.seeds(4..9));
    assert_says(
        &text,
        &[
            "\"hello\" fails with seed 4:\n  success in \"story\": expected 100%, was ",
            "\n  no-failed-request: ",
            "======= summary ========",
            "  00:02.600 api-1: paused",
            "the faults of this run:\n    test.fault(pause(\"api-1\").at(millis(2500)).lasting(secs(3)));\n    \
             test.fault(loss(12.5, between(\"load\", \"api\")).lasting(secs(1)));\n",
        ],
    );
    let replay = "replay: SQUALL_SEED=4 cargo test -p squall -- --exact a_failure_names_what_seed_faults_and_replay";
    assert!(text.ends_with(replay), "{text}");
    assert!(!text.contains('\u{1b}'), "no colours in a panic's text");
}

#[test]
fn a_panic_in_a_service_is_a_failure_of_its_seed() {
    let mut test = Test::new("broken");
    test.service("api", async |_: Host, _: Shutdown| -> std::io::Result<()> {
        panic!("a defect of the service")
    });
    let text = fails(test.seeds(6));
    assert_says(
        &text,
        &[
            "\"broken\" breaks off with seed 6:\n  broken testbed: test-api-1",
            "a defect of the service at ",
            "library.rs:",
            "replay: SQUALL_SEED=6 cargo test -p squall",
        ],
    );
}

#[test]
fn a_test_that_asks_nothing_shows_nothing() {
    let text = fails(&hello());
    assert_says(
        &text,
        &["\"hello\" shows nothing with seed 0:\n  nothing is asked of it; say what"],
    );
}

#[test]
fn a_workload_without_an_end_fails() {
    let mut test = hello();
    test.workload("endless", async |_: Host| {
        std::future::pending::<()>().await
    });
    test.check("never asked", |_| panic!("it has no values"));
    let text = fails(&test);
    assert_says(
        &text,
        &["  endless ends: it still runs 600s after the end of the story"],
    );
    assert!(!text.contains("it has no values"), "{text}");
}

#[test]
fn one_seed_is_one_run_on_however_many_threads() {
    let trace = || {
        let mut test = hello();
        test.fault(loss(20.0, of("api")).lasting(secs(5)));
        test.invariant(Invariant::EveryRequestAnswered);
        let hash = |run: &Run| run.record.summary.trace_hash.clone();
        match test.seeds(1).try_run() {
            Ok(run) => hash(&run),
            Err(Failure::Seed(failed)) => failed.cause.unwrap().summary.trace_hash,
            Err(other) => panic!("{other}"),
        }
    };
    let alone = trace();
    #[allow(clippy::disallowed_methods)] // as libtest does
    let beside: Vec<_> = (0..4).map(|_| std::thread::spawn(trace)).collect();
    for thread in beside {
        assert_eq!(thread.join().unwrap(), alone);
    }
}

#[test]
fn seeds_are_played_in_order_until_one_fails() {
    let mut test = hello();
    let played = Arc::new(AtomicU64::new(0));
    let count = played.clone();
    test.check("before the fourth", move |run| {
        count.fetch_add(1, Ordering::Relaxed);
        assert!(run.seed < 13);
    });
    assert_says(
        &fails(test.seeds(10..20)),
        &["fails with seed 13:\n  before the fourth: assertion failed"],
    );
    assert_eq!(played.load(Ordering::Relaxed), 4);
    assert_eq!(test.seeds(10..=12).try_run().ok().unwrap().seed, 12);
}

#[test]
fn mistakes_are_told_together_each_with_its_line() {
    let first = line!();
    let mut test = Test::new("mistakes");
    test.service("api", |host, shutdown| web(host, shutdown, String::new()));
    test.service("api", |host, shutdown| web(host, shutdown, String::new()));
    test.client("load", "https://api/")
        .rate(0)
        .backend("by")
        .header("a b", "c");
    test.phase("story", secs(5)).success("many");
    test.fault(kill("apo"));
    test.fault(kill("api").at(secs(4)).lasting(secs(2)));
    test.fault(restart("api").lasting(secs(2)));
    test.seeds(7..7);
    test.lasts(secs(9));
    test.program("db", shop);
    let text = fails(&test);
    assert!(text.starts_with("this test cannot be run\n"), "{text}");
    let at = |lines: u32, what: &str| format!("tests/library.rs:{}: {what}", first + lines);
    for wanted in [
        at(3, "a second service `api`"),
        at(
            4,
            "`https://api/` is no address that a client can call: only http is spoken here",
        ),
        at(5, "a rate of nothing"),
        at(6, "`by` is no place in an answer"),
        at(7, "`a b: c` is no header"),
        at(8, "`many`"),
        at(9, "no service `apo`"),
        at(
            10,
            "kill(\"api\").at(secs(4)).lasting(secs(2)) is beyond the end of the story at 5s",
        ),
        at(
            11,
            "restart(\"api\").lasting(secs(2)): this is over at once",
        ),
        at(12, "no seed in this range"),
        at(1, "this test has phases and a length"),
    ] {
        assert_says(&text, &[&wanted]);
    }
    assert!(
        !text.contains("publishes"),
        "one mistake is told once: {text}"
    );
}

#[test]
fn a_program_that_plays_nothing_is_a_mistake() {
    let mut test = hello();
    test.program("shop", shop);
    assert_says(
        &fails(&test),
        &[
            "nothing in the system is played by `shop`",
            "help: name a service (api)",
        ],
    );
    assert_says(&fails(&Test::new("empty")), &["this test has no service"]);
}

#[test]
fn files_with_a_program_of_ones_own() {
    let mut test = Test::from_file("tests/files/kill.yaml");
    test.program("example/shop", shop).seeds(0..3).run();
    // By the name of the service as well, with more to say than the file does.
    let mut test = Test::from_file("tests/files/kill.yaml");
    test.program("shop", shop);
    test.fault(kill("shop").at(secs(9)).lasting(secs(3)));
    let text = fails(&test);
    assert_says(
        &text,
        &["success in \"killed and back\": expected 75%..85%, was 4"],
    );
    assert_says(
        &text,
        &["test.fault(kill(\"shop\").at(secs(9)).lasting(secs(3)));"],
    );
}

#[test]
fn mistakes_in_files_keep_their_place() {
    let missing = fails(&Test::from_file("tests/files/none.yaml"));
    assert_says(
        &missing,
        &["tests/files/none.yaml: cannot read the scenario"],
    );
    assert!(!missing.contains("no service"), "{missing}");
    let unknown = fails(&Test::from_file("tests/files/kill.yaml"));
    assert_says(
        &unknown,
        &[
            "tests/files/docker-compose.yml:3: service shop runs the image example/shop:1, and no program",
        ],
    );
    let mut beside = Test::from_file("tests/files/kill.yaml");
    beside.program("shop", shop);
    beside.service("other", |host, shutdown| web(host, shutdown, String::new()));
    assert_says(
        &fails(&beside),
        &["the service `other` beside a Compose file"],
    );
}

#[test]
fn squalls_doubles_play_images() {
    let mut test = hello();
    let nginx = "events {}\nhttp { server { listen 80; location / { proxy_pass http://api; } } }\n";
    test.image("proxy", "nginx:1.27")
        .file("/etc/nginx/nginx.conf", nginx)
        .after("api");
    test.client("through", "http://proxy/").rate(5);
    test.invariant(Invariant::NoFailedRequest);
    test.seeds(0..2).run();
}

#[test]
#[cfg(feature = "proptest")]
fn whatever_load_is_answered() {
    use squall::strategies::{config, for_all, load};
    let methods = [squall::Method::GET, squall::Method::HEAD];
    let load = load(&["http://api/", "http://api/greeting"], &methods, 1..=3);
    for_all(config(10, 1), load, |clients| {
        let mut test = Test::new("whatever load");
        test.service("api", |host, shutdown| web(host, shutdown, "hi".to_owned()));
        test.phase("story", secs(5))
            .success("100%")
            .requests(">= 5");
        test.clients(clients).seeds(0);
        test
    });
}
