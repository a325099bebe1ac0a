//! A run on the terminal: each phase as it ends, in the manner of a load test (who answered, which
//! database, status, latency, counts), and a summary with the verdict.

mod table;

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use squall_record::{Kind, Latency, Outcome, PhaseView, Sample, Summary, Verdict};

use crate::picture;
use table::Table;

const GOOD: Style = AnsiColor::Green.on_default();
const BAD: Style = AnsiColor::Red.on_default().bold();
const OPEN: Style = AnsiColor::Yellow.on_default();
const QUIET: Style = Style::new().dimmed();
const STRONG: Style = Style::new().bold();

/// The most happenings of a phase that are shown.
const HAPPENINGS_MAX: usize = 30;

/// How many of the first requests of a phase are shown.
const FIRST_REQUESTS: usize = 3;

/// Writes a run as text. The first error of the stream ends it.
pub struct Text<W> {
    out: W,
    legend_is_out: bool,
}

impl<W: Write> Text<W> {
    /// Text that goes to `out`.
    pub fn new(out: W) -> Self {
        Self {
            out,
            legend_is_out: false,
        }
    }

    /// What is about to be played.
    pub fn head(&mut self, scenario: &str, about: Option<&str>, seed: u64) -> io::Result<()> {
        let out = &mut self.out;
        writeln!(out, "{STRONG}{scenario}{STRONG:#}, seed {seed}")?;
        for line in about.unwrap_or_default().lines() {
            writeln!(out, "  {}", line.trim_end())?;
        }
        out.flush()
    }

    /// The system is up, `at_ms` after the run began.
    pub fn up(&mut self, at_ms: u64) -> io::Result<()> {
        writeln!(
            self.out,
            "{QUIET}  up after {}{QUIET:#}",
            span(at_ms * 1000)
        )?;
        self.out.flush()
    }

    /// A phase that is over.
    pub fn phase(&mut self, view: &PhaseView<'_>) -> io::Result<()> {
        let phase = view.phase;
        let out = &mut self.out;
        writeln!(
            out,
            "\n{STRONG}======= {} ========{STRONG:#} {QUIET}{} to {}{QUIET:#}",
            phase.name,
            clock(phase.from_ms * 1000),
            clock(phase.to_ms * 1000)
        )?;
        happenings(out, view)?;
        if phase.requests == 0 {
            writeln!(out, "  no requests")?;
        } else {
            figures(out, view)?;
            requests(out, view.samples)?;
            let (picture, slice_ms) = picture::of_phase(view);
            if !std::mem::replace(&mut self.legend_is_out, true) {
                writeln!(out, "  {QUIET}{}{QUIET:#}", picture::LEGEND)?;
            }
            writeln!(
                out,
                "  |{picture}| {QUIET}{} each{QUIET:#}",
                span(slice_ms * 1000)
            )?;
        }
        let mut table = Table::new(4);
        for one in &phase.expectations {
            let (style, mark) = mark(one.holds);
            table.row(
                style,
                [
                    mark,
                    &one.what,
                    &format!("expected {}", one.expected),
                    &one.actual,
                ],
            );
        }
        table.write(out)?;
        out.flush()
    }

    /// What the run came to; `replay` is the command that plays it again.
    pub fn summary(&mut self, summary: &Summary, replay: &str) -> io::Result<()> {
        let out = &mut self.out;
        writeln!(out, "\n{STRONG}======= summary ========{STRONG:#}")?;
        let mut phases = Table::new(7);
        phases.row(
            QUIET,
            [
                "phase",
                "requests",
                "ok",
                "failed",
                "p50",
                "longest stall",
                "expectations",
            ],
        );
        for phase in &summary.phases {
            let kept = phase
                .expectations
                .iter()
                .filter(|one| one.holds == Some(true))
                .count();
            let worst = worst(phase.expectations.iter().map(|one| one.holds));
            let figures = [
                &phase.name,
                &phase.requests.to_string(),
                &phase.ok.to_string(),
                &phase.failed.to_string(),
                &phase
                    .latency_ms
                    .map_or("-".to_owned(), |latency| millis(latency.p50)),
                &millis(phase.longest_stall_ms),
                &match phase.expectations.len() {
                    0 => "none".to_owned(),
                    all => format!("{kept} of {all} hold"),
                },
            ];
            let style = if worst == Some(true) {
                Style::new()
            } else {
                mark(worst).0
            };
            phases.row(style, figures.map(String::as_str));
        }
        phases.write(out)?;
        judgements(out, summary)?;
        let style = match summary.verdict {
            Verdict::Passed => GOOD,
            Verdict::Failed => BAD,
            Verdict::Unknown => OPEN,
        };
        writeln!(
            out,
            "\n{style}{}{style:#}: {} in {} of virtual time ({} ms, {} events, trace {})",
            summary.verdict.as_str(),
            summary.scenario,
            span(summary.virtual_ms * 1000),
            summary.wall_ms,
            summary.events,
            summary.trace_hash
        )?;
        if summary.verdict == Verdict::Unknown {
            writeln!(
                out,
                "  nothing was shown: not everything that is asked could be judged"
            )?;
        }
        writeln!(out, "  replay: {replay}")?;
        out.flush()
    }

    /// The stream.
    pub fn into_inner(self) -> W {
        self.out
    }
}

/// Every invariant, and every expectation that does not hold, with its phase.
fn judgements(out: &mut impl Write, summary: &Summary) -> io::Result<()> {
    let mut table = Table::new(3);
    for phase in &summary.phases {
        for one in phase
            .expectations
            .iter()
            .filter(|one| one.holds != Some(true))
        {
            let (style, mark) = mark(one.holds);
            let what = format!("{} in \"{}\"", one.what, phase.name);
            let detail = format!("expected {}: {}", one.expected, one.actual);
            table.row(style, [mark, &what, &detail]);
        }
    }
    for one in &summary.invariants {
        let (style, mark) = mark(one.holds);
        table.row(style, [mark, &one.name, &one.detail]);
    }
    if !table.is_empty() {
        writeln!(out)?;
    }
    table.write(out)
}

fn happenings(out: &mut impl Write, view: &PhaseView<'_>) -> io::Result<()> {
    for happening in view.happenings.iter().take(HAPPENINGS_MAX) {
        let style = match happening.kind {
            Kind::Fault => BAD,
            Kind::Repair => GOOD,
            Kind::Note => QUIET,
        };
        writeln!(
            out,
            "  {} {style}{}: {}{style:#}",
            clock(happening.at_us),
            happening.host,
            happening.what
        )?;
    }
    match view.happenings.len().saturating_sub(HAPPENINGS_MAX) {
        0 => Ok(()),
        more => writeln!(out, "  and {more} more"),
    }
}

fn figures(out: &mut impl Write, view: &PhaseView<'_>) -> io::Result<()> {
    let phase = view.phase;
    let length_s = phase.to_ms.saturating_sub(phase.from_ms) as f64 / 1e3;
    let mut table = Table::new(2);
    let rate = if length_s > 0.0 {
        phase.requests as f64 / length_s
    } else {
        0.0
    };
    let ok = format!(
        "{} ({rate:.1}/s): {} ok, {} failed",
        phase.requests, phase.ok, phase.failed
    );
    table.row(Style::new(), ["requests", &ok]);
    for (what, counts) in [
        ("status", &phase.by_status),
        ("backend", &phase.by_backend),
        ("database", &phase.by_database),
    ] {
        let total: u64 = counts.values().sum();
        let each = counts.iter().map(|(name, count)| {
            format!(
                "{name}: {count} ({:.1}%)",
                100.0 * *count as f64 / total as f64
            )
        });
        let each = each.collect::<Vec<_>>().join("   ");
        if !each.is_empty() {
            table.row(Style::new(), [what, &each]);
        }
    }
    let latency = phase.latency_ms.map_or("no answer".to_owned(), latency);
    let latency = format!(
        "{latency}   longest stall {}",
        millis(phase.longest_stall_ms)
    );
    table.row(Style::new(), ["latency", &latency]);
    table.write(out)
}

fn latency(latency: Latency) -> String {
    let Latency { p50, p90, p99, max } = latency;
    let [p50, p90, p99, max] = [p50, p90, p99, max].map(millis);
    format!("p50 {p50}   p90 {p90}   p99 {p99}   max {max}")
}

/// The first requests, the slowest, the first that failed, and the last.
fn requests(out: &mut impl Write, samples: &[Sample]) -> io::Result<()> {
    let mut shown: Vec<usize> = (0..samples.len().min(FIRST_REQUESTS)).collect();
    let slowest = (0..samples.len())
        .rev()
        .max_by_key(|index| samples[*index].latency_us);
    shown.extend(slowest);
    shown.extend(samples.iter().position(|sample| !sample.is_ok()));
    shown.extend(samples.len().checked_sub(1));
    shown.sort_unstable();
    shown.dedup();
    let mut table = Table::new(6).separated_by(" | ");
    let mut next = 0;
    for index in shown {
        if index > next {
            table.row(QUIET, ["...", "", "", "", "", ""]);
        }
        next = index + 1;
        let sample = &samples[index];
        let name = |name: &Option<squall_record::Name>| {
            name.as_ref()
                .map_or("unknown", squall_record::Name::as_str)
                .to_owned()
        };
        let status = match sample.outcome {
            Outcome::Status(status) => status.to_string(),
            Outcome::Failure(failure) => failure.to_string(),
        };
        let style = if sample.is_ok() { Style::new() } else { BAD };
        let cells = [
            format!("[{next:02}]"),
            clock(sample.sent_us),
            format!("backend={}", name(&sample.backend)),
            format!("db={}", name(&sample.database)),
            status,
            millis(sample.latency_us as f64 / 1e3),
        ];
        table.row(style, cells.each_ref().map(String::as_str));
    }
    table.write(out)
}

fn mark(holds: Option<bool>) -> (Style, &'static str) {
    match holds {
        Some(true) => (GOOD, "✓ holds"),
        Some(false) => (BAD, "✗ broken"),
        None => (OPEN, "? not shown"),
    }
}

/// Broken before not shown before holds.
fn worst(all: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    all.min_by_key(|holds| match holds {
        Some(false) => 0,
        None => 1,
        Some(true) => 2,
    })
    .unwrap_or(Some(true))
}

/// A point in time since the run began: `01:20.250`.
fn clock(us: u64) -> String {
    let ms = us / 1000;
    format!("{:02}:{:02}.{:03}", ms / 60_000, ms / 1000 % 60, ms % 1000)
}

/// A length of time in the unit that suits it.
fn span(us: u64) -> String {
    millis(us as f64 / 1e3)
}

fn millis(ms: f64) -> String {
    match ms {
        ms if ms < 1000.0 => format!("{ms:.1} ms"),
        ms => format!("{:.2} s", ms / 1e3),
    }
}
