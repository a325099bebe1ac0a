//! What witnesses told of etcd: the lines of `services/witness` in a record, read. Its `line.rs` says what each
//! means.
//!
//! | module | idea |
//! |---|---|
//! | here | lines, by the process that wrote them, with times since the run began |
//! | [`history`] | what can be known from them of every key: its changes by revision |
//!
//! A process that was started again begins anew, with a line `start`; its times are those of its own clock, moved
//! by when that line was written. Two processes that write under the same host name at once are not told apart.
//!
//! Deliberately absent: what must hold of it.

pub(crate) mod history;
#[cfg(test)]
pub(crate) mod made;
#[cfg(test)]
mod sound;

use std::collections::BTreeMap;

use serde::Deserialize;
use squall_record::RunRecord;

pub(crate) use history::History;

/// A key as a range shows it: name, value, revision of the last change, how many changes since it was created.
pub(crate) type Pair = (String, String, i64, i64);

/// A process and what it told, in order.
#[derive(Debug)]
pub(crate) struct Witness {
    /// With what its values begin.
    pub(crate) run: String,
    /// The revision of its first read.
    pub(crate) revision: i64,
    /// Everything, that first read included.
    pub(crate) told: Vec<Told>,
    /// Whether its watch has seen its last write; none if it never came to an end.
    pub(crate) ended: Option<bool>,
}

/// One operation that is over, one way or the other.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) what: What,
    /// Acknowledged, certainly not done, or nobody knows.
    pub(crate) ok: Option<bool>,
    /// In microseconds since the run began.
    pub(crate) from_us: u64,
    /// Likewise.
    pub(crate) to_us: u64,
}

/// What it was.
#[derive(Debug, Deserialize)]
#[serde(tag = "op", rename_all = "lowercase")]
pub(crate) enum What {
    Start {
        run: String,
        kvs: Vec<Pair>,
        revision: i64,
    },
    Put {
        key: String,
        value: String,
        lease: Option<i64>,
        revision: Option<i64>,
    },
    Cas {
        key: String,
        value: String,
        if_mod: i64,
        applied: Option<bool>,
        found: Option<String>,
        #[serde(rename = "mod")]
        modified: Option<i64>,
        revision: Option<i64>,
    },
    Get {
        key: String,
        value: Option<String>,
        #[serde(rename = "mod")]
        modified: Option<i64>,
        #[serde(default)]
        serializable: bool,
        revision: Option<i64>,
    },
    Watch {
        from: i64,
    },
    Canceled {},
    Event {
        key: String,
        value: Option<String>,
        #[serde(rename = "mod")]
        modified: i64,
        version: i64,
    },
    Grant {
        lease: Option<i64>,
        ttl_s: Option<i64>,
    },
    KeepAlive {
        lease: i64,
    },
    Final {
        kvs: Vec<Pair>,
        revision: i64,
    },
    End {},
}

#[derive(Deserialize)]
struct Line {
    #[serde(flatten)]
    what: What,
    ok: Option<bool>,
    began_us: u64,
    ended_us: u64,
}

/// How each line of a witness begins.
const MARK: &str = "{\"witness\":1,";

/// All witnesses of a run, by host and then by time, or why nothing can be said.
pub(crate) fn read(record: &RunRecord) -> Result<Vec<Witness>, String> {
    if record.log.dropped > 0 {
        let dropped = record.log.dropped;
        return Err(format!(
            "{dropped} lines of the log were not kept: what a witness told is not complete"
        ));
    }
    let mut by_host: BTreeMap<&str, Vec<(Witness, u64)>> = BTreeMap::new();
    for logged in &record.log.lines {
        if !logged.text.starts_with(MARK) {
            continue;
        }
        let at = crate::seconds(logged.at_us);
        let line: Line = serde_json::from_str(&logged.text).map_err(|error| {
            let host = logged.host.as_str();
            format!("the line of {host} at {at} is no line of a witness: {error}")
        })?;
        let processes = by_host.entry(logged.host.as_str()).or_default();
        if let What::Start { run, revision, .. } = &line.what {
            let witness = Witness {
                run: run.clone(),
                revision: *revision,
                told: Vec::new(),
                ended: None,
            };
            processes.push((witness, logged.at_us.saturating_sub(line.ended_us)));
        }
        let Some((witness, base_us)) = processes.last_mut() else {
            return Err(format!(
                "a witness tells something at {at} before its start"
            ));
        };
        if let What::End {} = line.what {
            witness.ended = line.ok;
        }
        witness.told.push(Told {
            what: line.what,
            ok: line.ok,
            from_us: base_us.saturating_add(line.began_us),
            to_us: base_us.saturating_add(line.ended_us),
        });
    }
    if by_host.is_empty() {
        return Err("no witness told anything".to_owned());
    }
    let processes = by_host.into_values().flatten();
    Ok(processes.map(|(witness, _)| witness).collect())
}

#[cfg(test)]
mod tests {
    use super::made::{Made, put};
    use super::*;

    #[test]
    fn times_count_from_the_beginning_of_the_run() {
        let mut made = Made::new();
        made.start("aa", 1, &[]).add(1, 2, put("k0", "aa-0", 2));
        made.restart(100).start("bb", 2, &[("k0", "aa-0", 2, 1)]);
        made.add(3, 4, put("k0", "bb-0", 3));
        let all = read(&made.record()).unwrap();
        let times = all.iter().map(|one| (&*one.run, one.told[1].from_us));
        assert_eq!(
            times.collect::<Vec<_>>(),
            [("aa", 1_000_000), ("bb", 103_000_000)]
        );
    }

    #[test]
    fn a_log_that_is_not_complete_shows_nothing() {
        let mut made = Made::new();
        assert!(read(&made.record()).unwrap_err().starts_with("no witness"));
        made.start("aa", 1, &[]);
        let mut record = made.record();
        record.log.dropped = 1;
        assert!(read(&record).unwrap_err().starts_with("1 lines"));
        made.add(1, 1, (Some(true), r#""op":"dance""#.to_owned()));
        assert!(read(&made.record()).unwrap_err().contains("no line of a"));
    }
}
