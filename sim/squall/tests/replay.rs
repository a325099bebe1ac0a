//! What a failing test prints, as `cargo test` shows it, and that the printed command plays the same
//! again: failing tests are run in a child process, and then once more by what they printed.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use squall::fault::kill;
use squall::{Host, Shutdown, Test, secs};

async fn sleep(_: Host, shutdown: Shutdown) -> std::io::Result<()> {
    shutdown.requested().await;
    Ok(())
}

/// Fails with about one seed in eight.
fn fragile() -> Test {
    let mut test = Test::new("fragile");
    test.service("api", sleep);
    let drawn = test.workload("draw", async |_: Host| {
        let mut bytes = [0];
        getrandom::fill(&mut bytes).unwrap();
        bytes[0]
    });
    test.check("the draw is good", move |run| {
        let drawn = *run.saw(&drawn);
        assert!(drawn >= 32, "drew {drawn}");
    });
    test
}

#[test]
#[ignore = "fails, for the tests below"]
fn fails_with_some_seed() {
    fragile().seeds(0..100).run();
}

#[test]
#[ignore = "fails, for the tests below"]
#[cfg(feature = "proptest")]
fn fails_whatever_breaks() {
    use squall::strategies::{Budget, config, faults, for_all};
    let budget = Budget::new(["api", "db"], secs(20));
    for_all(config(30, 1), faults(budget), |faults| {
        let mut test = Test::new("whatever breaks");
        test.service("api", sleep);
        test.service("db", sleep);
        test.check("the api lives", |run| {
            let mut happenings = run.record.happenings.iter();
            assert!(!happenings.any(|h| h.host.as_str() == "api" && h.what == "killed"));
        });
        test.faults(faults).seeds(5);
        test
    });
}

/// Runs a failing test of this file, as cargo does; what it printed.
fn failing(test: &str, env: &[(&str, &str)]) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", test])
        .env_remove("SQUALL_SEED")
        .env_remove("SQUALL_SEEDS")
        .env("RUST_BACKTRACE", "0")
        .envs(env.iter().copied())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{text}{errors}");
    text + &errors
}

/// What stands between two texts, the first time.
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text
        .split_once(before)
        .unwrap_or_else(|| panic!("no {before:?} in\n{text}"));
    rest.split(after).next().unwrap()
}

#[test]
fn a_failing_test_prints_its_seed_and_the_command_that_replays_it() {
    let text = failing("fails_with_some_seed", &[]);
    let seed = between(&text, "\"fragile\" fails with seed ", ":\n").to_owned();
    assert_ne!(
        seed, "0",
        "the first seeds pass, so the replay has something to leave out"
    );
    let drew = between(&text, "the draw is good: drew ", "\n").to_owned();
    let trace = between(&text, ", trace ", ")").to_owned();
    let command =
        format!("replay: SQUALL_SEED={seed} cargo test -p squall -- --exact fails_with_some_seed");
    assert!(text.contains(&command), "{text}");
    // The line of the test that runs it.
    assert!(
        text.contains("panicked at sim/squall/tests/replay.rs:"),
        "{text}"
    );

    let again = failing("fails_with_some_seed", &[("SQUALL_SEED", &seed)]);
    assert!(again.contains(&format!("drew {drew}\n")), "{again}");
    assert!(again.contains(&format!(", trace {trace})")), "{again}");
}

#[test]
fn the_environment_looks_further() {
    // Every seed from the failing one on, whatever the test says.
    let text = failing("fails_with_some_seed", &[("SQUALL_SEEDS", "200..1000")]);
    let seed: u64 = between(&text, "fails with seed ", ":\n").parse().unwrap();
    assert!((200..1000).contains(&seed), "{text}");
    let text = failing("fails_with_some_seed", &[("SQUALL_SEED", "x")]);
    assert!(text.contains("SQUALL_SEED=x is no seed"), "{text}");
}

#[test]
#[cfg(feature = "proptest")]
fn a_failing_property_prints_the_smallest_schedule_and_how_to_play_it() {
    let text = failing("fails_whatever_breaks", &[]);
    for wanted in [
        "of 30 cases one fails; this is the smallest like it\n\"whatever breaks\" fails with seed 5:",
        "\n  the api lives: assertion failed: ",
        "the faults of this run:\n    test.fault(kill(\"api\").lasting(millis(50)));\n\
         replay: cargo test -p squall -- --exact fails_whatever_breaks\n\
         to play it alone: these faults in a test of their own, run with SQUALL_SEED=5\n",
    ] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
    // Again it is the same, to the last event.
    let trace = |text: &str| between(text, ", trace ", ")").to_owned();
    let again = failing("fails_whatever_breaks", &[]);
    assert_eq!(trace(&again), trace(&text));
    // As pasted.
    let mut test = Test::new("whatever breaks");
    test.service("api", sleep);
    test.service("db", sleep);
    test.fault(kill("api").lasting(squall::millis(50)));
    test.check("the api lives", |_| ());
    let run = test
        .seeds(5)
        .try_run()
        .unwrap_or_else(|failure| panic!("{failure}"));
    assert_eq!(run.record.summary.trace_hash, trace(&text));
}
