//! Documents laid out in time.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use squall_chaos::{Document, expand, read};

const POD: &str = "mode: all, selector: {labelSelectors: {app: a}}";

fn document(kind: &str, spec: &str) -> Document {
    let text = format!(
        "apiVersion: chaos-mesh.org/v1alpha1\nkind: {kind}\nmetadata: {{name: n}}\nspec: {spec}\n"
    );
    let mut documents = read(&"f".into(), &text).unwrap_or_else(|bad| panic!("{bad}\n{text}"));
    documents.remove(0)
}

/// Beginnings and ends in seconds of a document that is applied at 10 s in a story of 100 s.
fn times(kind: &str, spec: &str, deleted: Option<u64>) -> Vec<(u64, Option<u64>)> {
    let s = Duration::from_secs;
    let injections = expand(&document(kind, spec), s(10), deleted.map(s), s(100)).unwrap();
    injections
        .iter()
        .map(|one| (one.from.as_secs(), one.until.map(|until| until.as_secs())))
        .collect()
}

#[test]
fn one_fault_ends_by_itself_or_when_it_is_deleted() {
    let dns = |more: &str| format!("{{action: error, {POD}{more}}}");
    assert_eq!(times("DNSChaos", &dns(""), None), [(10, None)]);
    assert_eq!(times("DNSChaos", &dns(""), Some(15)), [(10, Some(15))]);
    assert_eq!(
        times("DNSChaos", &dns(", duration: 7s"), None),
        [(10, Some(17))]
    );
    assert_eq!(
        times("DNSChaos", &dns(", duration: 7s"), Some(15)),
        [(10, Some(15))]
    );
    let kill = format!("{{action: pod-kill, {POD}}}");
    assert_eq!(times("PodChaos", &kill, Some(15)), [(10, None)]);
}

fn schedule(when: &str, more: &str, duration: &str) -> String {
    format!(
        "{{schedule: '{when}', {more} type: DNSChaos, dnsChaos: {{action: error, {POD}{duration}}}}}"
    )
}

#[test]
fn a_schedule_fires_after_each_interval_and_not_over_itself() {
    let every = |more: &str, duration: &str| {
        times("Schedule", &schedule("@every 20s", more, duration), None)
    };
    assert_eq!(
        every("", ", duration: 5s"),
        [
            (30, Some(35)),
            (50, Some(55)),
            (70, Some(75)),
            (90, Some(95))
        ]
    );
    // It is still on at 50 and at 90.
    assert_eq!(
        every("", ", duration: 25s"),
        [(30, Some(55)), (70, Some(95))]
    );
    assert_eq!(
        every("concurrencyPolicy: Allow,", ", duration: 25s"),
        [
            (30, Some(55)),
            (50, Some(75)),
            (70, Some(95)),
            (90, Some(115))
        ]
    );
    // Without an end of its own, and with room for one: the next takes its place.
    assert_eq!(every("", ""), [(30, None)]);
    assert_eq!(
        every("concurrencyPolicy: Allow,", ""),
        [(30, Some(50)), (50, Some(70)), (70, Some(90)), (90, None)]
    );
    assert_eq!(
        every("concurrencyPolicy: Allow, historyLimit: 2,", ""),
        [(30, Some(70)), (50, Some(90)), (70, None), (90, None)]
    );
    assert_eq!(
        times(
            "Schedule",
            &schedule("@every 20s", "", ", duration: 15s"),
            Some(55)
        ),
        [(30, Some(45)), (50, Some(55))]
    );
}

#[test]
fn cron_counts_from_midnight() {
    let at = |when: &str| times("Schedule", &schedule(when, "", ", duration: 5s"), None);
    assert_eq!(at("*/1 * * * *"), [(60, Some(65))]);
    assert_eq!(at("@hourly"), []);
    // The first day is a Wednesday.
    let s = Duration::from_secs;
    let day = 24 * 3600;
    let document = document("Schedule", &schedule("30 12 * * THU", "", ", duration: 5s"));
    let injections = expand(&document, s(0), None, s(14 * day)).unwrap();
    let days: Vec<u64> = injections.iter().map(|one| one.from.as_secs()).collect();
    assert_eq!(days, [day + 45_000, 8 * day + 45_000]);
}

#[test]
fn a_workflow_is_laid_out_by_its_deadlines() {
    let spec = |entry: &str| {
        format!(
            "{{entry: {entry}, templates: [\
             {{name: serial, templateType: Serial, children: [one, wait, both, kill]}},\
             {{name: short, templateType: Serial, deadline: 17s, children: [one, wait, both]}},\
             {{name: both, templateType: Parallel, children: [one, long]}},\
             {{name: wait, templateType: Suspend, deadline: 10s}},\
             {{name: one, templateType: DNSChaos, deadline: 5s, dnsChaos: {{action: error, {POD}}}}},\
             {{name: long, templateType: DNSChaos, deadline: 20s, dnsChaos: {{action: error, {POD}}}}},\
             {{name: kill, templateType: PodChaos, podChaos: {{action: pod-kill, {POD}}}}},\
             {{name: again, templateType: Schedule, deadline: 25s, schedule: {{schedule: '@every 10s', type: PodChaos, podChaos: {{action: pod-kill, {POD}}}}}}}]}}"
        )
    };
    assert_eq!(
        times("Workflow", &spec("serial"), None),
        [(10, Some(15)), (25, Some(30)), (25, Some(45)), (45, None)]
    );
    // Its deadline comes while the second pair is on.
    assert_eq!(
        times("Workflow", &spec("short"), None),
        [(10, Some(15)), (25, Some(27)), (25, Some(27))]
    );
    assert_eq!(
        times("Workflow", &spec("again"), None),
        [(20, None), (30, None)]
    );
    assert_eq!(
        times("Workflow", &spec("serial"), Some(26)),
        [(10, Some(15)), (25, Some(26)), (25, Some(26))]
    );
}

#[test]
fn what_would_never_stop_is_refused() {
    let document = document("Schedule", &schedule("@every 1s", "", ", duration: 1s"));
    let long = Duration::from_secs(30 * 24 * 3600);
    let many = expand(&document, Duration::ZERO, None, long).unwrap_err();
    assert_eq!((many.name.as_str(), many.max), ("n", 10_000));
}

proptest::proptest! {
    #[test]
    fn injections_lie_within_the_story_and_their_deletion(
        every in 1_u64..40, lasts in 1_u64..40, at in 0_u64..50, for_s in 1_u64..60, allow: bool,
    ) {
        let s = Duration::from_secs;
        let more = if allow { "concurrencyPolicy: Allow," } else { "" };
        let spec = schedule(&format!("@every {every}s"), more, &format!(", duration: {lasts}s"));
        let deleted = s(at + for_s);
        let all = expand(&document("Schedule", &spec), s(at), Some(deleted), s(100)).unwrap();
        for pair in all.windows(2) {
            proptest::prop_assert!(pair[0].from < pair[1].from);
            proptest::prop_assert!(allow || pair[0].until.unwrap() <= pair[1].from);
        }
        for one in &all {
            proptest::prop_assert!(one.from > s(at) && one.from < s(100) && one.from < deleted);
            proptest::prop_assert!(one.until.unwrap() > one.from && one.until.unwrap() <= deleted);
        }
    }
}
