//! The part of a shell that probes, hooks and init containers are written in: `A && B || exit 1`, `;`,
//! `|`, `!`, quotes, `$VAR`, `NAME=VALUE COMMAND`, `until … do … done`, `if … then … fi`, `>/dev/null` and `2>&1`.

mod parse;
mod words;

use std::time::Duration;

use super::{Errors, Machine, OUTPUT_MAX, Outcome, STATUS_NOT_FOUND};

pub(super) use self::parse::parse;
pub(super) use self::words::Word;

/// What a turn of a loop takes at least: its shell starts processes. Without it, a loop of commands
/// that take no time would be one that no virtual time ends.
const TURN: Duration = Duration::from_millis(1);

/// A line of commands.
#[derive(Clone, Debug)]
pub(super) struct Script(Vec<(Link, Pipeline)>);

/// When a pipeline runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Always,
    And,
    Or,
}

#[derive(Clone, Debug, Default)]
struct Pipeline {
    negated: bool,
    commands: Vec<Node>,
}

#[derive(Clone, Debug)]
enum Node {
    Simple(Simple),
    Loop {
        until: bool,
        condition: Script,
        body: Script,
        outputs: Outputs,
    },
    If {
        branches: Vec<(Script, Script)>,
        otherwise: Option<Script>,
        outputs: Outputs,
    },
}

#[derive(Clone, Debug)]
struct Simple {
    /// `NAME=VALUE` before the command, for it alone.
    variables: Vec<(String, Word)>,
    words: Vec<Word>,
    outputs: Outputs,
}

/// Where the outputs go, if not where the line's go.
#[derive(Clone, Copy, Debug, Default)]
struct Outputs {
    silent: bool,
    errors: Option<Errors>,
}

/// An outcome, and whether it was an `exit` of the line itself.
type Flow = (Outcome, bool);

impl Script {
    /// Every command of the line.
    pub(super) fn commands(&self) -> Vec<&[Word]> {
        let mut all = Vec::new();
        for node in self.0.iter().flat_map(|(_, pipeline)| &pipeline.commands) {
            match node {
                Node::Simple(simple) => all.push(&simple.words[..]),
                Node::Loop {
                    condition, body, ..
                } => {
                    all.extend(condition.commands());
                    all.extend(body.commands());
                }
                Node::If {
                    branches,
                    otherwise,
                    ..
                } => {
                    for (condition, body) in branches {
                        all.extend(condition.commands());
                        all.extend(body.commands());
                    }
                    all.extend(otherwise.iter().flat_map(Script::commands));
                }
            }
        }
        all
    }

    pub(super) async fn run(&self, machine: Machine<'_>, input: &str) -> Outcome {
        self.flow(machine, input).await.0
    }

    async fn flow(&self, machine: Machine<'_>, input: &str) -> Flow {
        let mut last = Outcome::default();
        for (at, (link, pipeline)) in self.0.iter().enumerate() {
            let runs = match link {
                Link::Always => true,
                Link::And => last.status == 0,
                Link::Or => last.status != 0,
            };
            if !runs {
                continue;
            }
            let (mut outcome, exits) = pipeline.run(machine, input).await;
            if machine.prints {
                print(machine, &std::mem::take(&mut outcome.output));
            }
            last.status = outcome.status;
            append(&mut last.output, &outcome.output);
            // `set -e`: a command whose failure nobody asks about ends the line.
            let asked = self.0.get(at + 1).is_some_and(|(l, _)| *l != Link::Always);
            let fails = machine.ends_on_failure && last.status != 0;
            if exits || (fails && !asked && !pipeline.negated) {
                return (last, true);
            }
        }
        (last, false)
    }
}

/// Writes what a command printed to the process's own output.
pub(super) fn print(machine: Machine<'_>, output: &str) {
    for line in output.lines() {
        machine.host.out.line(line);
    }
}

fn append(output: &mut String, more: &str) {
    if output.len() + more.len() <= OUTPUT_MAX {
        output.push_str(more);
    }
}

impl Pipeline {
    async fn run(&self, machine: Machine<'_>, input: &str) -> Flow {
        // Who writes into a pipe does so in a shell of its own.
        let alone = self.commands.len() == 1;
        let inside = Machine {
            prints: machine.prints && alone,
            ..machine
        };
        let mut outcome = Outcome {
            status: 0,
            output: input.to_owned(),
        };
        let mut exits = false;
        for node in &self.commands {
            (outcome, exits) = Box::pin(node.run(inside, &outcome.output)).await;
        }
        exits &= alone;
        if self.negated && !exits {
            outcome.status = i32::from(outcome.status == 0);
        }
        (outcome, exits)
    }
}

impl Node {
    async fn run(&self, machine: Machine<'_>, input: &str) -> Flow {
        let Outputs { silent, errors } = match self {
            Self::Simple(Simple { outputs, .. })
            | Self::Loop { outputs, .. }
            | Self::If { outputs, .. } => *outputs,
        };
        let machine = Machine {
            prints: machine.prints && !silent,
            errors: errors.unwrap_or(machine.errors),
            ..machine
        };
        let (mut outcome, exits) = match self {
            Self::Simple(simple) => simple.run(machine, input).await,
            Self::Loop {
                until,
                condition,
                body,
                ..
            } => repeat(machine, input, *until, condition, body).await,
            Self::If {
                branches,
                otherwise,
                ..
            } => choose(machine, input, branches, otherwise.as_ref()).await,
        };
        if silent {
            outcome.output.clear();
        }
        (outcome, exits)
    }
}

impl Simple {
    async fn run(&self, machine: Machine<'_>, input: &str) -> Flow {
        let mut env = std::borrow::Cow::Borrowed(machine.env);
        for (name, value) in &self.variables {
            let value = value.replaced(machine.env);
            env.to_mut().insert(name.clone(), value);
        }
        let replaced = self.words.iter().map(|word| word.replaced(machine.env));
        let words: Vec<String> = replaced.collect();
        let ends = |word: &String| matches!(word.as_str(), "exit" | "exec");
        let exits = words.first().is_some_and(ends);
        let outcome = match super::parse(&words) {
            Ok(command) => {
                Machine {
                    env: &env,
                    ..machine
                }
                .run(&command, input)
                .await
            }
            Err(_) => Outcome::status(STATUS_NOT_FOUND),
        };
        (outcome, exits)
    }
}

async fn repeat(
    machine: Machine<'_>,
    input: &str,
    until: bool,
    condition: &Script,
    body: &Script,
) -> Flow {
    let mut last = Outcome::default();
    loop {
        let (asked, exits) = condition.flow(machine.asking(), input).await;
        append(&mut last.output, &asked.output);
        if exits {
            last.status = asked.status;
            return (last, true);
        }
        if (asked.status == 0) == until {
            return (last, false);
        }
        let (done, exits) = body.flow(machine, input).await;
        append(&mut last.output, &done.output);
        last.status = done.status;
        if exits {
            return (last, true);
        }
        tokio::time::sleep(TURN).await;
    }
}

async fn choose(
    machine: Machine<'_>,
    input: &str,
    branches: &[(Script, Script)],
    otherwise: Option<&Script>,
) -> Flow {
    let mut said = String::new();
    let mut chosen = otherwise;
    for (condition, body) in branches {
        let (asked, exits) = condition.flow(machine.asking(), input).await;
        append(&mut said, &asked.output);
        if exits {
            let status = asked.status;
            let output = said;
            return (Outcome { status, output }, true);
        }
        if asked.status == 0 {
            chosen = Some(body);
            break;
        }
    }
    let (mut outcome, exits) = match chosen {
        Some(script) => script.flow(machine, input).await,
        None => (Outcome::default(), false),
    };
    outcome.output.insert_str(0, &said);
    (outcome, exits)
}
