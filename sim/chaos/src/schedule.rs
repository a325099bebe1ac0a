//! Schedule: the same fault again and again, by a cron expression or an interval.
//!
//! Cron's calendar is the simulation's: a story begins on Wednesday 2025-01-01 at 00:00 UTC. Chaos
//! Mesh's controller works in the same way (controllers/schedule): it fires at the next time after
//! the last, skips one where the policy forbids it, and never fires at the moment of its creation.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};

use crate::document::{Body, Context, Place};
use crate::kinds::{self, KINDS};
use crate::quantity::{Typed, duration};
use crate::workflow;
use crate::yaml::{Expect, Node, Problems};

/// The simulation's first second (`squall_engine::Config::epoch`).
const EPOCH_S: i64 = 1_735_689_600;

/// robfig/cron's shortest interval; it rounds to whole seconds.
const EVERY_MIN: Duration = Duration::from_secs(1);

/// A Schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// When it fires.
    pub when: When,
    /// What it does each time.
    pub body: Box<Body>,
    /// Whether it fires while the last one is still on.
    pub overlaps: bool,
    /// So many may be on at once, of those that have no end of their own.
    pub history_limit: usize,
}

/// When a Schedule fires.
#[derive(Clone, Debug, PartialEq)]
pub enum When {
    /// `@every`.
    Every(Duration),
    /// A cron expression.
    Cron(Arc<Cron>),
}

impl When {
    /// The next time after this one, both counted from the start of the story; `None` when it never
    /// comes.
    pub fn next(&self, after: Duration) -> Option<Duration> {
        match self {
            Self::Every(interval) => after.checked_add(*interval),
            Self::Cron(cron) => {
                let seconds = i64::try_from(after.as_secs()).ok()?;
                let after = DateTime::<Utc>::from_timestamp(EPOCH_S.checked_add(seconds)?, 0)?;
                let next = cron.find_next_occurrence(&after, false).ok()?;
                let seconds = u64::try_from(next.timestamp() - EPOCH_S).ok()?;
                Some(Duration::from_secs(seconds))
            }
        }
    }

    /// Reads an expression: five fields, `@every 30s`, or `@hourly` and its like.
    ///
    /// # Errors
    /// Why it is none.
    pub fn read(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if let Some(interval) = text.strip_prefix("@every ") {
            let interval = duration(interval.trim()).map_err(|bad| bad.message)?;
            let whole = Duration::from_secs(interval.as_secs());
            return Ok(Self::Every(whole.max(EVERY_MIN)));
        }
        if !text.starts_with('@') && text.split_whitespace().count() != 5 {
            return Err("it has not five fields (minute, hour, day, month, weekday)".to_owned());
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build();
        match parser.parse(text) {
            Ok(cron) => Ok(Self::Cron(Arc::new(cron))),
            Err(error) => Err(error.to_string()),
        }
    }
}

pub(crate) fn read(spec: &Node, context: &Context, problems: &mut Problems) -> Option<Schedule> {
    let mut fields = spec.fields("spec", problems)?;
    let when = fields
        .require(
            "schedule",
            "write `schedule: '@every 30s'` or `'*/5 * * * *'`",
            problems,
        )
        .and_then(|node| {
            let text = node.string("schedule", problems)?;
            match When::read(text) {
                Ok(when) => Some(when),
                Err(why) => {
                    let help = "write for example '@every 30s' or '*/5 * * * *'";
                    problems.add(node.line, format!("`{text}` is no schedule: {why}"), help);
                    None
                }
            }
        });
    let policy = fields
        .take("concurrencyPolicy")
        .and_then(|node| node.word("concurrencyPolicy", &["Forbid", "Allow"], problems));
    let history_limit = fields
        .take("historyLimit")
        .and_then(|node| node.integer("historyLimit", 1, 1_000_000, problems));
    // Nothing is ever late here, so no deadline is missed.
    if let Some(node) = fields.take("startingDeadlineSeconds") {
        node.integer("startingDeadlineSeconds", 0, u64::MAX, problems);
    }
    let mut types: Vec<&'static str> = KINDS.iter().map(|(kind, ..)| *kind).collect();
    types.push("Workflow");
    let kind_node = fields.require("type", "write for example `type: PodChaos`", problems);
    let kind = kind_node.and_then(|node| node.word("type", &types, problems));
    let keys = KINDS
        .iter()
        .map(|(kind, key, _)| (*kind, *key))
        .chain([("Workflow", "workflow")]);
    let mut body = None;
    let mut found = false;
    for (of, key) in keys {
        let Some(node) = fields.take(key) else {
            continue;
        };
        if kind.is_some_and(|kind| kind != of) {
            let message = format!("`{key}` is not of the type that the schedule has");
            problems.add(
                node.line,
                message,
                format!("write `type: {of}`, or leave it out"),
            );
            continue;
        }
        found = true;
        let context = Context {
            namespace: context.namespace.clone(),
            place: Place::Schedule,
        };
        body = match of {
            "Workflow" => workflow::read(node, &context, problems).map(Body::Workflow),
            _ => kinds::read(of, node, &context, problems).map(Body::Chaos),
        };
    }
    fields.finish(problems);
    if let (Some(kind), Some(node), false) = (kind, kind_node, found) {
        let key = KINDS.iter().find(|(of, ..)| *of == kind);
        let key = key.map_or("workflow", |(_, key, _)| key);
        let message = format!("`type: {kind}` has no `{key}`");
        problems.add(node.line, message, format!("write `{key}: …`"));
    }
    Some(Schedule {
        when: when?,
        body: Box::new(body?),
        overlaps: policy == Some("Allow"),
        history_limit: history_limit.unwrap_or(1) as usize,
    })
}
