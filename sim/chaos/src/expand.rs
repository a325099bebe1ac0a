//! From documents to injections: everything that will happen, and when, before a run begins.

use std::sync::Arc;
use std::time::Duration;

use crate::document::{Body, Chaos, Document};
use crate::schedule::Schedule;
use crate::workflow::{Step, Workflow};

/// One fault that begins and perhaps ends. Times are counted from the start of the story.
#[derive(Clone, Debug, PartialEq)]
pub struct Injection {
    /// When it begins.
    pub from: Duration,
    /// When it ends; `None` for never, or for what is over at once.
    pub until: Option<Duration>,
    /// The document's name, and in a Workflow the template's.
    pub name: String,
    /// What happens.
    pub chaos: Arc<Chaos>,
}

/// More injections than a run should have.
const INJECTIONS_MAX: usize = 10_000;

/// A document comes to more injections than a run should have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TooMany {
    /// The document's name.
    pub name: String,
    /// The most that there may be.
    pub max: usize,
}

/// All injections of a document that is applied at `at` and deleted at `deleted`; none begins at
/// `end`, the end of the story, or later.
///
/// # Errors
/// A schedule or a workflow that would never stop injecting.
pub fn expand(
    document: &Document,
    at: Duration,
    deleted: Option<Duration>,
    end: Duration,
) -> Result<Vec<Injection>, TooMany> {
    let mut layout = Layout {
        end,
        steps: 0,
        injections: Vec::new(),
    };
    let done = layout.body(&document.body, &document.name, at, deleted);
    match done {
        Ok(_) => {
            // Stable: what begins at one instant begins in the order of the document.
            layout.injections.sort_by_key(|injection| injection.from);
            Ok(layout.injections)
        }
        Err(Full) => Err(TooMany {
            name: document.name.clone(),
            max: INJECTIONS_MAX,
        }),
    }
}

struct Layout {
    end: Duration,
    steps: usize,
    injections: Vec<Injection>,
}

struct Full;

impl Layout {
    /// Lays out what begins at `from` and is taken away at `deleted`; when it is over, if ever.
    fn body(
        &mut self,
        body: &Body,
        name: &str,
        from: Duration,
        deleted: Option<Duration>,
    ) -> Result<Option<Duration>, Full> {
        match body {
            Body::Chaos(chaos) => self.chaos(chaos, name, from, deleted),
            Body::Schedule(schedule) => self.schedule(schedule, name, from, deleted),
            Body::Workflow(workflow) => {
                self.template(workflow, workflow.entry, name, from, deleted)
            }
        }
    }

    fn chaos(
        &mut self,
        chaos: &Arc<Chaos>,
        name: &str,
        from: Duration,
        deleted: Option<Duration>,
    ) -> Result<Option<Duration>, Full> {
        self.step()?;
        let over = match chaos.fault.is_at_once() {
            true => None,
            false => earlier(chaos.lasts.map(|lasts| from + lasts), deleted),
        };
        if from < self.end && deleted.is_none_or(|deleted| from < deleted) {
            self.injections.push(Injection {
                from,
                until: over,
                name: name.to_owned(),
                chaos: chaos.clone(),
            });
        }
        Ok(match chaos.fault.is_at_once() {
            true => Some(from),
            false => over,
        })
    }

    fn schedule(
        &mut self,
        schedule: &Schedule,
        name: &str,
        from: Duration,
        deleted: Option<Duration>,
    ) -> Result<Option<Duration>, Full> {
        let stop = earlier(deleted, Some(self.end)).unwrap_or(self.end);
        let mut next = schedule.when.next(from);
        let mut last_over = Some(from);
        let mut fired: Vec<Duration> = Vec::new();
        let first = self.injections.len();
        while let Some(at) = next.filter(|at| *at < stop) {
            let is_free = last_over.is_some_and(|over| over <= at);
            if is_free || schedule.overlaps {
                last_over = self.body(&schedule.body, name, at, deleted)?;
                fired.push(at);
            } else {
                self.step()?;
            }
            next = schedule.when.next(at);
        }
        // The controller deletes what is beyond the limit: those that would end stay to their end,
        // those without an end of their own go at once.
        if let Body::Chaos(chaos) = &*schedule.body
            && chaos.lasts.is_none()
            && !chaos.fault.is_at_once()
        {
            let ends = fired.iter().skip(schedule.history_limit);
            for (injection, end) in self.injections[first..].iter_mut().zip(ends) {
                injection.until = earlier(injection.until, Some(*end));
            }
        }
        Ok(deleted)
    }

    fn template(
        &mut self,
        workflow: &Workflow,
        at: usize,
        name: &str,
        from: Duration,
        deleted: Option<Duration>,
    ) -> Result<Option<Duration>, Full> {
        self.step()?;
        let template = &workflow.templates[at];
        let deadline = template.deadline.map(|deadline| from + deadline);
        let deleted = earlier(deadline, deleted);
        let is_gone = |at: Duration| deleted.is_some_and(|deleted| at >= deleted);
        match &template.step {
            Step::Suspend => Ok(deleted),
            Step::Body(body) => {
                let name = format!("{name}/{}", template.name);
                self.body(body, &name, from, deleted)?;
                Ok(deleted)
            }
            Step::Serial(children) => {
                let mut now = from;
                for child in children {
                    match self.template(workflow, *child, name, now, deleted)? {
                        Some(over) => now = over,
                        None => return Ok(deleted),
                    }
                    if is_gone(now) || now >= self.end {
                        break;
                    }
                }
                Ok(Some(now))
            }
            Step::Parallel(children) => {
                let mut over = Some(from);
                for child in children {
                    let one = self.template(workflow, *child, name, from, deleted)?;
                    over = over.zip(one).map(|(a, b)| a.max(b));
                }
                Ok(over.or(deleted))
            }
        }
    }

    fn step(&mut self) -> Result<(), Full> {
        self.steps += 1;
        match self.steps > INJECTIONS_MAX {
            true => Err(Full),
            false => Ok(()),
        }
    }
}

fn earlier(a: Option<Duration>, b: Option<Duration>) -> Option<Duration> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}
