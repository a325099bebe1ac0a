//! All that a first test takes: the system, somebody who uses it, what breaks, what must hold.

use notes_example::{Client, Config, run};
use squall::fault::{kill, of, partition, power_off};
use squall::{Host, Test, millis, secs};

#[test]
fn no_acknowledged_note_is_lost() {
    let mut test = Test::new("no acknowledged note is lost");
    let primary = Config::with_backup("backup:8080");
    test.service("primary", move |host, stop| {
        run(primary.clone(), host, stop)
    });
    test.service("backup", |host, stop| run(Config::default(), host, stop));
    let lost = test.workload("writer", async |host: Host| {
        let (primary, mut acknowledged) = (Client::new(&host, "primary:8080"), Vec::new());
        for id in (0..100).map(|number| format!("note-{number}")) {
            if primary.put(&id, "text").await.is_ok() {
                acknowledged.push(id);
            }
            tokio::time::sleep(millis(100)).await;
        }
        let kept = Client::new(&host, "backup:8080").all().await.unwrap();
        acknowledged.retain(|id| !kept.contains_key(id));
        acknowledged
    });
    test.fault(kill("primary").at(secs(2)).lasting(secs(1)));
    test.fault(partition(of("backup")).at(secs(4)).lasting(secs(2)));
    test.fault(power_off("backup").at(secs(7)).lasting(secs(1)));
    test.check("all are kept", move |run| {
        assert!(run.saw(&lost).is_empty())
    });
    test.seeds(0..20).run();
}
