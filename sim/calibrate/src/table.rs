//! What is printed: a table for people, the same as JSON for programs.

use std::fmt::Write;

use serde::Serialize;

use crate::distance::{Distance, Summary};
use crate::plan::{Direction, What};

/// One measurement in both worlds.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What was measured.
    pub what: What,
    /// How many of 100 packets were lost.
    pub loss_percent: u8,
    /// Which way.
    pub direction: Direction,
    /// The kernel's, where it was measured.
    pub linux: Option<Summary>,
    /// The engine's.
    pub simulated: Option<Summary>,
    /// How far they are apart.
    pub distance: Option<Distance>,
}

/// The table, with a line for each world and the distance beside the second.
pub fn text(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<8} {:>5} {:<10} {:>6} {:>8} {:>8} {:>8} {:>8} {:>9} {:>9}  {}\n",
        "what", "loss", "world", "count", "p50", "p75", "p90", "p95", "p99", "max", "distance"
    );
    for row in rows {
        let distance = row.distance.map_or(String::new(), |distance| {
            let Distance {
                ks,
                ks_by_chance,
                area_ms,
            } = distance;
            format!("KS {ks:.3} (chance: {ks_by_chance:.3}), area {area_ms:.1} ms")
        });
        let worlds = [
            ("linux", row.linux, String::new()),
            ("simulated", row.simulated, distance),
        ];
        for (world, summary, distance) in worlds {
            let Some(summary) = summary else { continue };
            // Writing to a string cannot fail.
            let _ = writeln!(
                text,
                "{:<8} {:>4}% {world:<10} {:>6} {:>8.1} {:>8.1} {:>8.1} {:>8.1} {:>9.1} {:>9.1}  {distance}",
                row.what.name(),
                row.loss_percent,
                summary.count,
                summary.p50,
                summary.p75,
                summary.p90,
                summary.p95,
                summary.p99,
                summary.max,
            );
        }
    }
    text
}
