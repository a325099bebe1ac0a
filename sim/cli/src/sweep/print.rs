//! A sweep's results: lines of JSON for programs, a table and the distinct failures for people.

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde_json::json;
use squall_explore::sweep::{Counts, Ending, Failure, Kind, Outcome, Summary, Verdict, label};

use super::progress::per_minute;
use crate::args::Chance;
use crate::exit::Exit;
use crate::explore::command;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const OPEN: Style = AnsiColor::Yellow.on_default();
const QUIET: Style = Style::new().dimmed();
const STRONG: Style = Style::new().bold();

/// The most failures that are shown to people; programs get all.
const FAILURES_MAX: usize = 30;

/// The most lines of one failure's text.
const TEXT_LINES_MAX: usize = 6;

/// What a sweep has shown. A failure that was seen stays one, whatever broke beside it; runs whose
/// testbed broke show nothing, which is worse than a run that ended and showed nothing.
pub(super) fn exit(summary: &Summary) -> Exit {
    let counts = &summary.counts;
    let has_broken = Verdict::ALL
        .iter()
        .any(|verdict| verdict.is_of_the_testbed() && counts.of(*verdict) > 0);
    if counts.failed > 0 {
        Exit::Failed
    } else if has_broken {
        Exit::BrokenTestbed
    } else if counts.unknown > 0 || counts.runs == 0 || summary.ended == Ending::Interrupted {
        Exit::Unknown
    } else {
        Exit::Passed
    }
}

/// A result as a line of JSON.
pub(super) fn line(outcome: &Outcome) -> String {
    let mut line = json!(outcome).to_string();
    line.push('\n');
    line
}

/// The summary as a line of JSON, with the commands that replay.
pub(super) fn summary_line(summary: &Summary) -> String {
    let mut value = json!({ "summary": summary });
    if let Some(failures) = value["summary"]["failures"].as_array_mut() {
        for (value, failure) in failures.iter_mut().zip(&summary.failures) {
            value["replay"] = replay("run", failure).into();
        }
    }
    format!("{value}\n")
}

/// The command that does something with the first run that showed a failure.
fn replay(what: &str, failure: &Failure) -> String {
    command(what, Path::new(&failure.file), &chance(failure))
}

/// What decides the first run that showed a failure.
pub(super) fn chance(failure: &Failure) -> Chance {
    Chance {
        variant: failure.variant.clone(),
        seed: Some(failure.first_seed),
        explore: failure.explored,
    }
}

/// A run that did not pass, in a line or two, as it comes.
pub(super) fn not_passed(out: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
    let style = style(outcome.verdict);
    let verdict = outcome.verdict.as_str();
    write!(
        out,
        "{style}{verdict}{style:#}: {} seed {}",
        outcome.scenario, outcome.seed
    )?;
    if let Some(finding) = outcome.findings.first() {
        write!(out, ": {}", name(finding.kind, &finding.name))?;
    }
    if outcome.findings.len() > 1 {
        write!(out, " and {} more", outcome.findings.len() - 1)?;
    }
    writeln!(out)
}

/// The summary for people.
pub(super) fn summary(
    out: &mut impl Write,
    summary: &Summary,
    wall: Option<Duration>,
) -> io::Result<()> {
    writeln!(out, "\n{STRONG}======= summary ========{STRONG:#}")?;
    table(out, summary)?;
    for (number, failure) in summary.failures.iter().enumerate() {
        if number == FAILURES_MAX {
            let more = summary.failures.len() - number;
            writeln!(
                out,
                "\n  {QUIET}and {more} more; --format json has them all{QUIET:#}"
            )?;
            break;
        }
        let style = style(failure.verdict);
        let runs = summary
            .scenarios
            .get(&label(&failure.file, failure.variant.as_deref()))
            .map_or(0, |counts| counts.runs);
        writeln!(
            out,
            "\n  {style}{}{style:#} {}: {}, {} of {runs} runs, first with seed {}",
            failure.verdict.as_str(),
            failure.scenario,
            name(failure.kind, &failure.name),
            failure.runs,
            failure.first_seed
        )?;
        // A testbed that broke may have nothing to add.
        let text = if failure.text == failure.name {
            ""
        } else {
            &failure.text
        };
        let mut lines = text.lines();
        for line in lines.by_ref().take(TEXT_LINES_MAX) {
            writeln!(out, "    {line}")?;
        }
        if lines.next().is_some() {
            writeln!(out, "    {QUIET}...{QUIET:#}")?;
        }
        writeln!(
            out,
            "    replay: {}\n    shrink: {}",
            replay("run", failure),
            replay("shrink", failure)
        )?;
    }
    last_line(out, summary, wall)?;
    out.flush()
}

fn table(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    let shown = |verdict: &Verdict| *verdict == Verdict::Passed || summary.counts.of(*verdict) > 0;
    let verdicts: Vec<Verdict> = Verdict::ALL.into_iter().filter(shown).collect();
    let widths = summary.scenarios.keys().map(|file| file.chars().count());
    let width = widths.max().unwrap_or(0).max("scenario".len());
    write!(out, "  {QUIET}{:width$}   {:>7}", "scenario", "runs")?;
    for verdict in &verdicts {
        write!(out, "   {:>7}", verdict.as_str())?;
    }
    writeln!(out, "{QUIET:#}")?;
    let mut row = |name: &str, counts: &Counts| {
        write!(out, "  {name:width$}   {:>7}", counts.runs)?;
        for verdict in &verdicts {
            let count = counts.of(*verdict);
            let style = if count > 0 {
                style(*verdict)
            } else {
                Style::new()
            };
            write!(out, "   {style}{count:>7}{style:#}")?;
        }
        writeln!(out)
    };
    for (file, counts) in &summary.scenarios {
        row(file, counts)?;
    }
    if summary.scenarios.len() > 1 {
        row("all", &summary.counts)?;
    }
    Ok(())
}

fn last_line(out: &mut impl Write, summary: &Summary, wall: Option<Duration>) -> io::Result<()> {
    let exit = exit(summary);
    let (style, word) = match exit {
        Exit::Passed => (GOOD, "passed"),
        Exit::Failed => (BAD, "failed"),
        Exit::Unknown => (OPEN, "unknown"),
        Exit::BadInput | Exit::BrokenTestbed => (BAD, "broken testbed"),
    };
    let counts = &summary.counts;
    let of = if counts.runs < summary.planned {
        let why = match summary.ended {
            Ending::Complete => "",
            Ending::Time => ": the time was over",
            Ending::Failure => ": stopped at the first failure",
            Ending::Interrupted => ": interrupted",
        };
        format!(" of {}{why}", summary.planned)
    } else {
        String::new()
    };
    write!(out, "\n{style}{word}{style:#}: {} runs{of}", counts.runs)?;
    if let Some(wall) = wall {
        let rate = per_minute(counts.runs, wall);
        write!(
            out,
            " in {:.1} s, {rate:.0} seeds a minute",
            wall.as_secs_f64()
        )?;
    }
    writeln!(out)
}

/// What a finding is about, in words.
fn name(kind: Kind, name: &str) -> String {
    match kind {
        Kind::Invariant => format!("invariant {name}"),
        Kind::Expectation => format!("expectation of {name}"),
        Kind::Testbed => name.to_owned(),
    }
}

fn style(verdict: Verdict) -> Style {
    match verdict {
        Verdict::Passed => GOOD,
        Verdict::Unknown => OPEN,
        _ => BAD,
    }
}

#[cfg(test)]
mod tests {
    use squall_explore::sweep::Tally;

    use super::*;

    fn of(counts: &[(Verdict, u64)], ended: Ending) -> Exit {
        let mut tally = Tally::default();
        for (verdict, count) in counts {
            for seed in 0..*count {
                tally.add(&Outcome {
                    scenario: "s".to_owned(),
                    file: "s.yaml".to_owned(),
                    variant: None,
                    seed,
                    explored: false,
                    verdict: *verdict,
                    virtual_ms: None,
                    wall_ms: 0,
                    events: None,
                    trace_hash: None,
                    findings: Vec::new(),
                });
            }
        }
        exit(&tally.summary("0/1".to_owned(), 10, ended, 0))
    }

    #[test]
    fn the_exit_status_has_an_order() {
        use Verdict::{Aborted, Failed, Hung, Memory, Passed, Unknown};
        let complete = Ending::Complete;
        assert_eq!(
            of(
                &[(Passed, 3), (Failed, 1), (Hung, 1), (Unknown, 1)],
                complete
            ),
            Exit::Failed
        );
        for verdict in [Verdict::Broken, Hung, Aborted, Memory] {
            assert_eq!(
                of(&[(Passed, 3), (verdict, 1), (Unknown, 1)], complete),
                Exit::BrokenTestbed
            );
        }
        assert_eq!(of(&[(Passed, 3), (Unknown, 1)], complete), Exit::Unknown);
        assert_eq!(of(&[(Passed, 3)], complete), Exit::Passed);
        assert_eq!(of(&[(Passed, 3)], Ending::Time), Exit::Passed);
        assert_eq!(of(&[(Passed, 3)], Ending::Interrupted), Exit::Unknown);
        assert_eq!(of(&[(Failed, 1)], Ending::Interrupted), Exit::Failed);
        assert_eq!(of(&[], complete), Exit::Unknown, "nothing was shown");
    }
}
