//! Which database a request had, by the log of the proxy before it (`database: {log: haproxy, …}`).
//!
//! A line tells of one connection: when it ended, and, where HAProxy's timers follow, how long it lived
//! (`Tw/Tc/Tt`; configuration.txt 8.2.2). It belongs to a request that was on its way when the
//! connection was made. Where several were, what is certain is taken first: a line that only one request
//! can have made, and a success that can have made only one line.
//!
//! Deliberately absent: the date in the line, which is by the proxy's own clock.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use regex::Regex;
use squall_record::{Line, Name, Sample};

use crate::judge::Workloads;

/// So long after its request has its answer a connection may end.
pub(crate) const SLACK: Duration = Duration::from_millis(500);

/// HAProxy counts whole milliseconds.
const GRAIN_US: u64 = 1000;

/// What a line tells of a connection.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Session {
    /// When it was made; when it ended, if the line does not say more.
    from_us: u64,
    /// When it ended.
    to_us: u64,
    database: Name,
}

/// The connections in the lines that hosts of this name wrote from a time on. The first group of the
/// pattern is the database.
pub(crate) fn sessions(
    lines: &[Line],
    from_us: u64,
    of: &str,
    pattern: &Regex,
    workloads: &Workloads,
) -> Vec<Session> {
    let first = lines.partition_point(|line| line.at_us < from_us);
    let lines = lines[first..].iter();
    let mut sessions: Vec<Session> = lines
        .filter(|line| is_of(of, line.host.as_str(), workloads))
        .filter_map(|line| {
            let found = pattern.captures(&line.text)?;
            let database = found.get(1).or(found.get(0))?;
            let lived_us = lived_ms(&line.text[database.end()..]).unwrap_or(0) * 1000;
            Some(Session {
                from_us: line.at_us.saturating_sub(lived_us),
                to_us: line.at_us,
                database: Name::from(database.as_str()),
            })
        })
        .collect();
    sessions.sort_by_key(|session| session.from_us);
    sessions
}

/// Whether a host is of a service or a workload. Names of pods begin with their workload's.
fn is_of(of: &str, host: &str, workloads: &Workloads) -> bool {
    let pod = host.split('/').next().unwrap_or(host);
    match workloads.0.get(&Name::from(pod)) {
        Some(_) => workloads.fits(of, pod),
        None => pod
            .strip_prefix(of)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('-')),
    }
}

/// The last of the timers that follow the server's name: ` 1/0/4 1021 --`.
fn lived_ms(rest: &str) -> Option<u64> {
    let timers = rest.split_ascii_whitespace().next()?;
    if timers.matches('/').count() < 2 || !rest.starts_with(' ') {
        return None;
    }
    timers
        .rsplit('/')
        .next()?
        .trim_start_matches('+')
        .parse()
        .ok()
}

/// Gives the requests in a range, of those for which `asks` holds, the database that the sessions tell;
/// for how many successes that remains open. `sessions` are in the order of `from_us`.
pub(crate) fn attribute(
    samples: &mut [Sample],
    range: Range<usize>,
    asks: impl Fn(&Sample) -> bool,
    sessions: &[Session],
) -> usize {
    let mut lines_of = possible(samples, asks, sessions);
    let mut requests_of: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); sessions.len()];
    for (request, lines) in &lines_of {
        for line in lines {
            requests_of[*line].insert(*request);
        }
    }
    // What is certain makes other things certain.
    let mut own: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    let mut certain: BTreeSet<(usize, usize)> = BTreeSet::new();
    for (line, requests) in requests_of.iter().enumerate() {
        if let Some(request) = only(requests) {
            certain.insert((line, request));
        }
    }
    let needs = |samples: &[Sample], request: usize, lines: &BTreeSet<usize>| {
        samples[request].is_ok().then(|| only(lines)).flatten()
    };
    for (request, lines) in &lines_of {
        certain.extend(needs(samples, *request, lines).map(|line| (line, *request)));
    }
    while let Some((line, request)) = certain.pop_first() {
        let rivals = std::mem::take(&mut requests_of[line]);
        if !rivals.contains(&request) {
            continue;
        }
        own.entry(request).or_default().insert(line);
        for rival in rivals.into_iter().filter(|rival| *rival != request) {
            let Some(lines) = lines_of.get_mut(&rival) else {
                continue;
            };
            lines.remove(&line);
            if !own.contains_key(&rival) {
                certain.extend(needs(samples, rival, lines).map(|line| (line, rival)));
            }
        }
    }
    let mut open = 0;
    for request in range {
        let Some(possible) = lines_of.get(&request) else {
            continue;
        };
        let lines = own.get(&request).and_then(|own| own.last());
        // The last connection is the one that the answer came through.
        let told: BTreeSet<&Name> = match lines {
            Some(last) => [&sessions[*last].database].into(),
            None => possible
                .iter()
                .map(|line| &sessions[*line].database)
                .collect(),
        };
        match (told.first(), told.len()) {
            (Some(database), 1) => samples[request].database = Some((*database).clone()),
            (Some(_), _) if samples[request].is_ok() => open += 1,
            _ => {}
        }
    }
    open
}

fn only(all: &BTreeSet<usize>) -> Option<usize> {
    match all.len() {
        1 => all.first().copied(),
        _ => None,
    }
}

/// The sessions that each request can have made.
fn possible(
    samples: &[Sample],
    asks: impl Fn(&Sample) -> bool,
    sessions: &[Session],
) -> BTreeMap<usize, BTreeSet<usize>> {
    let slack_us = SLACK.as_micros() as u64;
    let mut found: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
    // On their way, by when that is over.
    let mut active: BTreeSet<(u64, usize)> = BTreeSet::new();
    let mut next = 0;
    for (line, session) in sessions.iter().enumerate() {
        while let Some(sample) = samples.get(next).filter(|s| s.sent_us <= session.from_us) {
            if asks(sample) {
                active.insert((sample.ended_us(), next));
            }
            next += 1;
        }
        while let Some(&(ended_us, request)) = active.first() {
            if ended_us + slack_us >= session.from_us {
                break;
            }
            active.remove(&(ended_us, request));
        }
        for (ended_us, request) in &active {
            let is_known = session.from_us < session.to_us;
            let late_us = if is_known { GRAIN_US } else { slack_us };
            if session.from_us <= ended_us + late_us && session.to_us <= ended_us + slack_us {
                found.entry(*request).or_default().insert(line);
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use squall_record::Outcome;

    use super::*;

    fn line(at_ms: u64, host: &str, server: &str, lived_ms: u64) -> Line {
        Line {
            at_us: at_ms * 1000,
            host: host.into(),
            text: format!(
                "10.42.2.9:41234 [21/Nov/2026:12:00:00.123] pg_front pg_pool/{server} 1/0/{lived_ms} 1021 -- 1/1/0/0/0 0/0"
            ),
        }
    }

    fn sample(sent_ms: u64, latency_ms: u64, status: u16) -> Sample {
        Sample {
            request: None,
            client: "load".into(),
            sent_us: sent_ms * 1000,
            latency_us: latency_ms * 1000,
            outcome: Outcome::Status(status),
            backend: None,
            database: None,
            value: None,
            body: None,
        }
    }

    fn told(samples: &[Sample], lines: &[Line]) -> (Vec<String>, usize) {
        let pattern = Regex::new("pg_pool/(pg[0-9]+)").unwrap();
        let sessions = sessions(lines, 0, "haproxy", &pattern, &Workloads::default());
        let mut samples = samples.to_vec();
        let all = 0..samples.len();
        let open = attribute(&mut samples, all, |_| true, &sessions);
        let name = |sample: Sample| {
            sample
                .database
                .map_or("?".to_owned(), |name| name.to_string())
        };
        (samples.into_iter().map(name).collect(), open)
    }

    #[test]
    fn a_line_belongs_to_the_request_that_made_its_connection() {
        let samples = [sample(0, 20, 200), sample(30, 20, 200), sample(60, 20, 502)];
        let lines = [
            // It ended when the second was on its way, and was made when the first was.
            line(35, "haproxy-7d-x", "pg1", 30),
            line(45, "haproxy-7d-x", "pg2", 10),
            line(46, "postgres", "pg3", 1),
            line(47, "haproxy-7d-x", "<NOSRV>", 1),
        ];
        let names = ["pg1", "pg2", "?"].map(str::to_owned).to_vec();
        assert_eq!(told(&samples, &lines), (names, 0));
    }

    #[test]
    fn of_several_connections_the_last_one_gave_the_answer() {
        let samples = [sample(0, 100, 200)];
        let lines = [
            line(40, "haproxy", "pg1", 30),
            line(90, "haproxy", "pg2", 30),
        ];
        assert_eq!(told(&samples, &lines), (vec!["pg2".to_owned()], 0));
    }

    #[test]
    fn a_stalled_request_takes_no_line_of_another() {
        // The first is stalled all the time; each of the others can have made one line.
        let samples = [
            sample(0, 1000, 200),
            sample(100, 20, 200),
            sample(200, 20, 200),
        ];
        let lines = [
            line(110, "haproxy", "pg1", 5),
            line(210, "haproxy", "pg2", 5),
            line(900, "haproxy", "pg3", 5),
        ];
        let names = ["pg3", "pg1", "pg2"].map(str::to_owned).to_vec();
        assert_eq!(told(&samples, &lines), (names, 0));
    }

    #[test]
    fn what_is_not_certain_is_left_out_and_counted() {
        let samples = [sample(0, 50, 200), sample(1, 50, 200)];
        let two = |a, b| [line(30, "haproxy", a, 20), line(31, "haproxy", b, 20)];
        let unknown = vec!["?".to_owned(); 2];
        assert_eq!(told(&samples, &two("pg1", "pg2")), (unknown, 2));
        // Whichever it was.
        let known = vec!["pg1".to_owned(); 2];
        assert_eq!(told(&samples, &two("pg1", "pg1")), (known, 0));
    }

    #[test]
    fn a_host_is_known_by_its_workload_or_by_its_name() {
        let pod = |name: &str, workload: &str| (Name::from(name), Name::from(workload));
        let workloads = Workloads([pod("haproxy-stats-7d-x", "haproxy-stats")].into());
        for (host, is) in [
            ("haproxy", true),
            ("haproxy-1", true),
            ("haproxy-7d-x/haproxy", true),
            ("haproxyd", false),
            ("haproxy-stats-7d-x", false),
            ("my-haproxy", false),
        ] {
            assert_eq!(is_of("haproxy", host, &workloads), is, "{host}");
        }
    }
}
