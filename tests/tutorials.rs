//! Systems in the manner of common tutorials are played, with a program of the user's own.
#![allow(clippy::unwrap_used)]

use squall_record::Verdict;
use squall_tests::{plan, play, root};

#[test]
fn a_guestbook_init_containers_and_an_ingress_are_played() {
    for file in [
        "guestbook/guestbook.yaml",
        "init-containers/wait-for-db.yaml",
    ] {
        let plan = plan(&root().join("scenarios/tutorials").join(file));
        let plan = plan.unwrap_or_else(|problems| panic!("{problems}"));
        for seed in [1, 2] {
            let record = play(&plan, seed).unwrap();
            let summary = &record.summary;
            assert_eq!(
                summary.verdict,
                Verdict::Passed,
                "{file} with seed {seed}: {summary:#?}"
            );
        }
    }
}
