//! Systems in the manner of common tutorials: they are played, or refused with file, line and field.
#![allow(clippy::unwrap_used)]

use squall_record::Verdict;
use squall_tests::{plan, play, root};

#[test]
fn a_guestbook_and_a_shop_with_init_containers_are_played() {
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

#[test]
fn an_ingress_is_refused_where_it_stands() {
    let folder = root().join("scenarios/tutorials/ingress");
    let problems = plan(&folder.join("ingress.yaml")).unwrap_err().to_string();
    let text = std::fs::read_to_string(folder.join("web.k8s.yaml")).unwrap();
    let is_it = |line: &&str| line.trim() == "kind: Ingress";
    let before = text.lines().take_while(|line| !is_it(line)).count();
    // The document is named by the line on which it begins.
    let lines = [before, before + 1].map(|line| format!("web.k8s.yaml:{line}: the kind Ingress"));
    assert!(
        lines.iter().any(|line| problems.contains(line)),
        "{problems}"
    );
    assert_eq!(problems.matches("web.k8s.yaml").count(), 1, "{problems}");
}
