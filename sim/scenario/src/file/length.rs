//! How long a phase lasts: a time, a number of requests, or until a rollout is done.

use std::time::Duration;

use super::client::{Client, Pace};
use super::load::Paces;
use super::{Act, Located, Phase, duration_of};
use crate::yaml::{Expect, Fields, Node, Problems};

/// How long a phase lasts.
#[derive(Clone, Debug, PartialEq)]
pub enum Length {
    /// So long, whatever happens.
    For(Duration),
    /// Until each client that is not off has sent so many, and has paused after the last.
    Requests(u32),
    /// Until a rollout is done, as `kubectl rollout status` waits for it.
    Rollout {
        /// Of this target.
        of: Located<String>,
        /// At the latest after this.
        within: Duration,
    },
}

/// The longest phase.
const LASTS_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// The most requests of a client in a phase.
const REQUESTS_MAX: u32 = 100_000;

/// How much longer than its timeout a request may take until its outcome is written down.
pub(crate) const TIMEOUT_SLACK: Duration = Duration::from_secs(1);

impl Length {
    /// The time that the file says, when it says one.
    pub fn fixed(&self) -> Option<Duration> {
        match self {
            Self::For(lasts) => Some(*lasts),
            Self::Requests(_) | Self::Rollout { .. } => None,
        }
    }

    /// The name of what a phase expects that waits for a rollout.
    pub(crate) fn rollout_of(target: &str) -> String {
        format!("rollout of {target}")
    }

    /// What it cannot exceed, when these paces are kept.
    pub(crate) fn at_most(&self, clients: &[Client], paces: &[Option<Pace>]) -> Duration {
        match self {
            Self::For(lasts) => *lasts,
            Self::Rollout { within, .. } => *within,
            Self::Requests(count) => {
                let one = clients.iter().zip(paces).filter_map(|(client, pace)| {
                    let pause = match (*pace)? {
                        Pace::Closed { pause } => pause,
                        Pace::Open { period } => period,
                    };
                    Some(client.timeout + TIMEOUT_SLACK + pause)
                });
                let longest = one.max().unwrap_or_default();
                longest.saturating_mul(*count).min(LASTS_MAX)
            }
        }
    }
}

/// The longest that each phase can last.
pub(crate) fn at_most(clients: &[Client], phases: &[Phase]) -> Vec<Duration> {
    let mut paces = Paces::new(clients);
    phases
        .iter()
        .map(|phase| {
            paces.enter(phase);
            let longest = phase.length.at_most(clients, &paces.now);
            paces.leave(phase);
            longest
        })
        .collect()
}

/// One of `for`, `requests` and `wait` among the fields of a phase.
pub(super) fn read(fields: &mut Fields<'_>, problems: &mut Problems) -> Option<Length> {
    let line = fields.line;
    let found = (
        fields.take("for"),
        fields.take("requests"),
        fields.take("wait"),
    );
    match found {
        (Some(node), None, None) => read_for(node, line, problems),
        (None, Some(node), None) => read_requests(node, problems),
        (None, None, Some(node)) => read_wait(node, problems),
        _ => {
            let several = [found.0, found.1, found.2].into_iter().flatten().count() > 1;
            let have = if several { "several" } else { "none" };
            problems.add(
                line,
                format!("a phase has one of `for`, `requests` and `wait`, and this one {have}"),
                "say how long it lasts: `for: 20s`, `requests: 20`, or `wait: {rollout: backend, within: 60s}`",
            );
            None
        }
    }
}

fn read_for(node: &Node, line: u32, problems: &mut Problems) -> Option<Length> {
    let lasts = duration_of(node, "for", problems)?;
    if lasts.is_zero() || lasts > LASTS_MAX {
        let help = "write for example `for: 20s`";
        problems.add(
            line,
            "a phase lasts longer than nothing and at most 30 days",
            help,
        );
    }
    Some(Length::For(lasts))
}

fn read_requests(node: &Node, problems: &mut Problems) -> Option<Length> {
    let text = node.expect_text("requests", problems)?;
    let count = text.parse().ok();
    let count = count.filter(|count| (1..=REQUESTS_MAX).contains(count));
    if count.is_none() {
        let message = format!("`{text}` is no number of requests");
        let help = format!("write a number from 1 to {REQUESTS_MAX}, as in `requests: 20`");
        problems.add(node.line, message, help);
    }
    count.map(Length::Requests)
}

fn read_wait(node: &Node, problems: &mut Problems) -> Option<Length> {
    let mut fields = node.fields("wait", problems)?;
    let of = fields.require("rollout", "say of what: `rollout: backend`", problems);
    let of = of.and_then(|node| {
        let value = node.expect_text("rollout", problems)?.to_owned();
        let line = node.line;
        Some(Located { line, value })
    });
    let within = fields.require("within", "say for how long: `within: 60s`", problems);
    let within = within.and_then(|node| {
        let within = duration_of(node, "within", problems)?;
        if within.is_zero() || within > LASTS_MAX {
            let message = "a phase waits longer than nothing and at most 30 days";
            problems.add(node.line, message, "write for example `within: 60s`");
        }
        Some(within)
    });
    fields.finish(problems);
    Some(Length::Rollout {
        of: of?,
        within: within?,
    })
}

/// Complains about phases of a number of requests in which that number means nothing: somebody must
/// send, in a closed loop, all the time.
pub(super) fn check(clients: &[Client], phases: &[Phase], problems: &mut Problems) {
    let mut paces = Paces::new(clients);
    for phase in phases {
        paces.enter(phase);
        if let Length::Requests(_) = phase.length {
            check_requests(phase, clients, &paces.now, problems);
        }
        paces.leave(phase);
    }
}

fn check_requests(
    phase: &Phase,
    clients: &[Client],
    paces: &[Option<Pace>],
    problems: &mut Problems,
) {
    let line = phase.name.line;
    for (client, pace) in clients.iter().zip(paces) {
        if let Some(Pace::Open { .. }) = pace {
            let name = &client.name.value;
            problems.add(
                line,
                format!("a phase of so many `requests`, and `{name}` sends at a rate, answered or not"),
                format!("give it a pause, as in `every: 300ms` or `load: {{{name}: 300ms}}`, or `load: {{{name}: off}}`"),
            );
        }
    }
    if paces.iter().all(Option::is_none) {
        let message = "a phase of so many `requests`, and no client sends any";
        problems.add(line, message, "say `load: on`, or `for: 20s`");
    }
    for step in &phase.steps {
        if matches!(step.act, Act::Load(_)) {
            let message = "the load changes in a phase of so many `requests`";
            let help = "change it for the phase as a whole: `load: 300ms` beside `requests`";
            problems.add(step.line, message, help);
        }
    }
}
