//! A frame on a buffer: what is where, and in which colour. Every colour has a word or a sign
//! beside it, so that nothing is lost without.

mod panels;
mod pods;
#[cfg(test)]
mod tests;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::Stylize;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Block, Gauge, Widget};
use squall_report::watch::Frame;

use super::player::Player;

/// Rows of the latest happenings and log lines where the height is ours to choose.
const LATEST_ROWS: u16 = 8;
/// The most rows of one of the upper panels: what is below it is to be seen, too.
const ROWS_MAX: usize = 12;
/// The rows of a panel's frame.
const BORDERS: u16 = 2;
const RATES_ROWS: u16 = 3;

/// Draws a frame; `player` is who plays it, if anybody does.
pub(super) fn frame(frame: &Frame<'_>, player: Option<&Player>, area: Rect, buffer: &mut Buffer) {
    let keys = u16::from(player.is_some());
    let [title, phase, cluster, served, rates, faults, latest, bottom] =
        area.layout(&Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Length(pods_rows(frame)),
            Constraint::Length(served_rows(frame)),
            Constraint::Length(RATES_ROWS + BORDERS),
            Constraint::Length(faults_rows(frame)),
            Constraint::Min(0),
            Constraint::Length(keys),
        ]));
    head(frame, player, title, buffer);
    progress(frame, phase, buffer);
    match frame.endpoints.is_empty() {
        true => pods::table(frame, cluster, buffer),
        false => {
            let [left, right] = cluster.layout(&Layout::horizontal([
                Constraint::Percentage(68),
                Constraint::Percentage(32),
            ]));
            pods::table(frame, left, buffer);
            pods::endpoints(frame, right, buffer);
        }
    }
    let halves = Layout::horizontal([Constraint::Percentage(50), Constraint::Percentage(50)]);
    let [left, right] = served.layout(&halves);
    panels::served("requests by member", &frame.backends, left, buffer);
    panels::served("requests by database", &frame.databases, right, buffer);
    panels::rates(frame, rates, buffer);
    panels::faults(frame, faults, buffer);
    let [left, right] = latest.layout(&halves);
    panels::happenings(frame, left, buffer);
    panels::log(frame, right, buffer);
    Line::from(" space pause   +/- speed   \u{2190}/\u{2192} 5 s   n/p phase   Home/End   q quit")
        .dim()
        .render(bottom, buffer);
}

/// The height at which all panels of a frame have room.
pub(super) fn height(frame: &Frame<'_>) -> u16 {
    let panels = pods_rows(frame) + served_rows(frame) + faults_rows(frame);
    2 + panels + RATES_ROWS + BORDERS + LATEST_ROWS + BORDERS
}

fn pods_rows(frame: &Frame<'_>) -> u16 {
    let pods = frame.pods.len().max(1) + 1;
    rows(pods.max(frame.endpoints.len()))
}

fn served_rows(frame: &Frame<'_>) -> u16 {
    rows(frame.backends.len().max(frame.databases.len()).max(1))
}

fn faults_rows(frame: &Frame<'_>) -> u16 {
    rows(frame.faults.len().clamp(1, 4))
}

/// With the frame around them.
fn rows(count: usize) -> u16 {
    u16::try_from(count.min(ROWS_MAX)).unwrap_or(0) + BORDERS
}

fn head(frame: &Frame<'_>, player: Option<&Player>, area: Rect, buffer: &mut Buffer) {
    let of_day = frame.clock_s % 86_400;
    let mut spans = vec![
        Span::from(format!(
            " {} of {}   ",
            clock(frame.at_us),
            clock(frame.end_us)
        ))
        .bold(),
    ];
    if let Some(player) = player {
        spans.push(match player.speed() {
            Some(speed) => Span::from(format!("playing {speed}x   ")).green(),
            None if frame.at_us >= frame.end_us => Span::from("at the end   ").yellow(),
            None => Span::from(format!("paused {}x   ", player.set_speed())).yellow(),
        });
    }
    if frame.at_us >= frame.end_us {
        let verdict = frame.summary.verdict.as_str();
        spans.push(Span::from(format!("verdict: {verdict}   ")).bold());
    }
    spans.push(Span::from(frame.summary.scenario.as_str()).bold());
    spans.push(Span::from(format!(
        ", seed {}   wall clock {:02}:{:02}:{:02}",
        frame.summary.seed,
        of_day / 3600,
        of_day / 60 % 60,
        of_day % 60
    )));
    Line::from(spans).render(area, buffer);
}

fn progress(frame: &Frame<'_>, area: Rect, buffer: &mut Buffer) {
    let (label, from_us, to_us) = match &frame.phase {
        None => {
            let first = frame.summary.phases.first();
            let up_us = first.map_or(frame.end_us, |phase| phase.from_ms * 1000);
            ("the system starts".to_owned(), 0, up_us)
        }
        Some(at) => {
            let label = format!("phase {} of {}: {}", at.number, at.of, at.phase.name);
            (label, at.phase.from_ms * 1000, at.phase.to_ms * 1000)
        }
    };
    let whole_us = to_us.saturating_sub(from_us).max(1);
    let done_us = frame.at_us.saturating_sub(from_us).min(whole_us);
    let name = format!(" {label} ");
    let width = u16::try_from(name.chars().count()).unwrap_or(u16::MAX);
    let [left, right] = area.layout(&Layout::horizontal([
        Constraint::Length(width),
        Constraint::Min(0),
    ]));
    Line::from(name).bold().cyan().render(left, buffer);
    let seconds = |us: u64| us as f64 / 1e6;
    Gauge::default()
        .ratio(done_us as f64 / whole_us as f64)
        .label(format!(
            "{:.1} of {:.1} s",
            seconds(done_us),
            seconds(whole_us)
        ))
        .cyan()
        .render(right, buffer);
}

/// A panel with its name.
fn panel(name: &str) -> Block<'_> {
    Block::bordered().title(format!(" {name} "))
}

/// A point in time since the run began: `01:20.250`.
fn clock(us: u64) -> String {
    let ms = us / 1000;
    format!("{:02}:{:02}.{:03}", ms / 60_000, ms / 1000 % 60, ms % 1000)
}
