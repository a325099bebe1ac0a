//! What a failure looks like, whatever breaks, and files in place of code. The simplest test is in
//! `first.rs`.
#![allow(clippy::unwrap_used)]

use notes_example::{Acknowledge, Client, Config, Notes, run};
use squall::fault::{between, kill, partition};
use squall::strategies::{Budget, config, faults, for_all, try_for_all};
use squall::{Failure, Host, Test, millis, secs};

/// Writes a note every 100 ms; in the end, those that were acknowledged and those of the backup.
async fn write(host: Host) -> (Vec<String>, Notes) {
    let (primary, backup) = (
        Client::new(&host, "primary:8080"),
        Client::new(&host, "backup:8080"),
    );
    let mut acknowledged = Vec::new();
    for id in (0..100).map(|number| format!("note-{number}")) {
        if primary.put(&id, "text").await.is_ok() {
            acknowledged.push(id);
        }
        tokio::time::sleep(millis(100)).await;
    }
    tokio::time::sleep(secs(10)).await;
    (acknowledged, backup.all().await.unwrap())
}

fn notes(acknowledge: Acknowledge) -> Test {
    let mut test = Test::new("no acknowledged note is lost");
    let primary = Config {
        acknowledge,
        ..Config::with_backup("backup:8080")
    };
    test.service("primary", move |host, shutdown| {
        run(primary.clone(), host, shutdown)
    });
    test.service("backup", |host, shutdown| {
        run(Config::default(), host, shutdown)
    });
    let writer = test.workload("writer", write);
    test.check("every acknowledged note is on the backup", move |run| {
        let (acknowledged, kept) = run.saw(&writer);
        assert!(
            acknowledged.len() > 10,
            "only {} of 100 acknowledged",
            acknowledged.len()
        );
        for id in acknowledged {
            assert!(kept.contains_key(id), "{id} was acknowledged and is gone");
        }
    });
    test
}

#[test]
fn acknowledging_early_is_found() {
    let failure = notes(Acknowledge::Early)
        .fault(kill("primary").at(secs(2)).lasting(secs(1)))
        .fault(
            partition(between("primary", "backup"))
                .at(secs(5))
                .lasting(secs(2)),
        )
        .seeds(0..20)
        .try_run();
    let text = failure.err().expect("the defect is found").to_string();
    println!("{text}");
    for wanted in [
        r#""no acknowledged note is lost" fails with seed 0:"#,
        "every acknowledged note is on the backup: note-",
        "was acknowledged and is gone",
        r#"test.fault(partition(between("primary", "backup")).at(secs(5)).lasting(secs(2)));"#,
        "replay: SQUALL_SEED=0 cargo test -p notes-example -- --exact acknowledging_early_is_found",
    ] {
        assert!(text.contains(wanted), "{wanted}\n{text}");
    }
}

/// Up to four faults of any kind, on either of the two or the writer's way to them.
fn whatever() -> Budget {
    Budget::new(["primary", "backup"], secs(10))
}

#[test]
fn no_acknowledged_note_is_lost_whatever_breaks() {
    for_all(config(12, 1), faults(whatever()), |faults| {
        let mut test = notes(Acknowledge::Safe);
        test.faults(faults).seeds(0..2);
        test
    });
}

#[test]
fn acknowledging_early_is_found_and_reduced_to_one_fault() {
    let found = try_for_all(config(12, 1), faults(whatever()), |faults| {
        let mut test = notes(Acknowledge::Early);
        test.faults(faults).seeds(0..2);
        test
    });
    let Err(Failure::Seed(failed)) = found else {
        panic!("the defect is found")
    };
    println!("{failed}");
    assert_eq!(failed.faults.len(), 1, "{:?}", failed.faults);
    let trace = |failed: &squall::failure::Failed| {
        let record = failed.cause.as_ref().unwrap();
        record.summary.trace_hash.clone()
    };
    // As pasted into a test of its own, it is the same run.
    let mut alone = notes(Acknowledge::Early);
    alone.faults(failed.faults.clone()).seeds(failed.seed);
    let Err(Failure::Seed(again)) = alone.try_run() else {
        panic!("the reduced schedule fails alone")
    };
    assert_eq!(trace(&again), trace(&failed));
}

#[test]
fn the_compose_file_and_a_scenario_file_say_the_same() {
    Test::from_file("tests/kill-primary.yaml")
        .program("example/notes", notes_example::load)
        .seeds(0..5)
        .run();
}
