//! What a frame looks like, on screens of several sizes.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use squall_record::{Change, Happening, Kind, Pod, RunRecord, State};
use squall_report::watch::Watch;

use super::*;

const S: u64 = 1_000_000;

/// A cluster of fifteen pods, of which the last is not ready, and a fault.
fn record() -> RunRecord {
    let text = r#"{
        "summary": {"scenario": "demo", "seed": 7, "verdict": "passed", "virtual_ms": 60000,
            "wall_ms": 1, "events": 1, "trace_hash": "", "invariants": [], "phases": []},
        "samples": [], "happenings": [], "log": {"lines": [], "dropped": 0}}"#;
    let mut record: RunRecord = serde_json::from_str(text).unwrap();
    let pod = |number: u32| Change {
        at_us: 0,
        state: State::Pod(Pod {
            name: format!("backend-6f7d8c9b5-{number:05}").into(),
            workload: "backend".into(),
            node: Some("k3d-hl-k3d-agent-0".into()),
            address: Some(format!("10.42.1.{number}").into()),
            status: if number < 15 {
                "Running"
            } else {
                "CrashLoopBackOff"
            }
            .into(),
            ready: number < 15,
            restarts: number / 15,
        }),
    };
    record.changes = (1..=15).map(pod).collect();
    record.changes.push(Change {
        at_us: 0,
        state: State::Endpoints {
            service: "backend-headless".into(),
            ready: vec!["10.42.1.1:8000".into(), "10.42.1.2:8000".into()],
        },
    });
    record.changes.push(Change {
        at_us: 0,
        state: State::Endpoints {
            service: "haproxy".into(),
            ready: vec![],
        },
    });
    record.happenings.push(Happening {
        at_us: 5 * S,
        host: "network".into(),
        what: "partition: nginx and backend".to_owned(),
        kind: Kind::Fault,
        begins: Some(1),
        ends: vec![],
    });
    record
}

fn drawn(width: u16, height: u16) -> Vec<String> {
    let record = record();
    let watch = Watch::new(&record);
    let player = Player::new(&watch, 1.0);
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    let area = buffer.area;
    frame(&watch.at(10 * S), Some(&player), area, &mut buffer);
    let rows = buffer.content.chunks(usize::from(width.max(1)));
    rows.map(|row| row.iter().map(|cell| cell.symbol()).collect())
        .collect()
}

#[test]
fn what_matters_is_to_be_seen_on_a_wide_and_on_a_small_screen() {
    for (width, height) in [(120, 40), (80, 24)] {
        let screen = drawn(width, height);
        let text = screen.join("\n");
        for wanted in [
            "00:10.000 of 01:00.000",
            "backend-6f7d8c9b5-00015",
            "that are ready",
            "partition: nginx and backend  for 5.0 s",
            "backend-headless (2)",
            "haproxy (0) <none>",
            "answers a second",
        ] {
            assert!(
                text.contains(wanted),
                "{wanted} at {width}x{height}:\n{text}"
            );
        }
        assert!(screen.last().unwrap().contains("q quit"), "{text}");
    }
}

#[test]
fn no_screen_is_too_small_to_draw_on() {
    for (width, height) in [
        (0, 0),
        (1, 1),
        (3, 2),
        (20, 5),
        (40, 10),
        (300, 6),
        (5, 100),
    ] {
        assert_eq!(
            drawn(width, height).len(),
            usize::from(height) * usize::from(width > 0)
        );
    }
}
