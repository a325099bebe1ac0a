//! The notes service under faults. The first test is all that it takes; the others show what a
//! failure looks like and how files are used.
#![allow(clippy::unwrap_used)]

use notes_example::{Acknowledge, Client, Config, Notes, run};
use squall::fault::{between, kill, partition, power_off};
use squall::{Host, Test, millis, secs};

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
fn no_acknowledged_note_is_lost() {
    notes(Acknowledge::Safe)
        .fault(kill("primary").at(secs(2)).lasting(secs(1)))
        .fault(
            partition(between("primary", "backup"))
                .at(secs(5))
                .lasting(secs(2)),
        )
        .fault(power_off("backup").at(secs(8)).lasting(secs(2)))
        .seeds(0..20)
        .run();
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
