//! The panels of what the cluster does: who answers, how fast, what is broken, what was said.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::style::{Color, Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Sparkline, Widget};
use squall_record::Kind;
use squall_report::watch::{Answers, Frame, Served};

use super::{clock, panel};

/// A bar for each that served: the last second, and the last ten behind it.
pub(super) fn served(name: &str, served: &[Served<'_>], area: Rect, buffer: &mut Buffer) {
    let block = panel(name).title_top(Line::from(" last 1 s / 10 s ").right_aligned());
    let inner = block.inner(area);
    block.render(area, buffer);
    let most = served
        .iter()
        .map(|one| one.second)
        .max()
        .unwrap_or(0)
        .max(1);
    let longest = served.iter().map(|one| one.name.as_str().chars().count());
    let names = u16::try_from(longest.max().unwrap_or(0)).unwrap_or(u16::MAX);
    let columns = Layout::horizontal([
        Constraint::Length(names.min(inner.width / 2)),
        Constraint::Min(0),
        Constraint::Length(13),
    ])
    .spacing(1);
    for (one, row) in served.iter().zip(inner.rows()) {
        let [name, bar, counts] = row.layout(&columns);
        let style = match one.second {
            0 => Style::new().dim(),
            _ => Style::new().fg(Color::Green),
        };
        Line::from(one.name.as_str())
            .style(style)
            .render(name, buffer);
        let length = u64::from(bar.width) * one.second / most;
        let length = usize::try_from(length).unwrap_or(0);
        let length = length.max(usize::from(one.second > 0));
        Line::from("\u{2588}".repeat(length))
            .style(style)
            .render(bar, buffer);
        let text = format!("{:>5} /{:>6}", one.second, one.ten_seconds);
        Line::from(text).render(counts, buffer);
    }
    if served.is_empty() {
        Line::from("nobody").dim().render(inner, buffer);
    }
}

/// Successes and failures of each of the last seconds.
pub(super) fn rates(frame: &Frame<'_>, area: Rect, buffer: &mut Buffer) {
    let last = frame
        .answers
        .iter()
        .rev()
        .nth(1)
        .copied()
        .unwrap_or_default();
    let (waiting, longest_us) = frame.waiting;
    let mut right = format!(" {waiting} without an answer yet");
    if waiting > 0 {
        right.push_str(&format!(
            ", the oldest for {:.1} s",
            longest_us as f64 / 1e6
        ));
    }
    right.push(' ');
    let block = panel("answers a second, last minute").title_top(Line::from(right).right_aligned());
    let inner = block.inner(area);
    block.render(area, buffer);
    let [ok, failed] = inner.layout(&Layout::vertical([
        Constraint::Min(2),
        Constraint::Length(1),
    ]));
    let mut row = |area: Rect, what: &str, last: u64, of: fn(&Answers) -> u64, color: Color| {
        let [label, graph] = area.layout(&Layout::horizontal([
            Constraint::Length(15),
            Constraint::Min(0),
        ]));
        let text = format!("{what:<6} {last:>6} ");
        Line::from(text).style(color).render(label, buffer);
        // One column for each second would leave most of a wide screen empty.
        let columns = usize::from(graph.width) / frame.answers.len().max(1);
        let columns = columns.clamp(1, 2);
        let data = frame.answers.iter().map(of);
        let data = data.flat_map(|count| std::iter::repeat_n(count, columns));
        let data: Vec<u64> = data.collect();
        let skipped = data.len().saturating_sub(usize::from(graph.width));
        Sparkline::default()
            .data(&data[skipped..])
            .style(color)
            .render(graph, buffer);
    };
    row(ok, "ok", last.ok, |one| one.ok, Color::Green);
    row(failed, "failed", last.failed, |one| one.failed, Color::Red);
}

/// What is broken now.
pub(super) fn faults(frame: &Frame<'_>, area: Rect, buffer: &mut Buffer) {
    let block = panel("faults in force");
    let room = usize::from(block.inner(area).height);
    let hidden = frame.faults.len().saturating_sub(room);
    let block = match hidden {
        0 => block,
        hidden => block.title_bottom(format!(" and {hidden} more ")),
    };
    let mut lines: Vec<Line<'_>> = frame
        .faults
        .iter()
        .map(|fault| {
            let hosts: Vec<&str> = fault.hosts.iter().map(|host| host.as_str()).collect();
            let since = frame.at_us.saturating_sub(fault.since_us) as f64 / 1e6;
            Line::from(vec![
                Span::from(format!("{}: {}", hosts.join(", "), fault.what)).red(),
                Span::from(format!("  for {since:.1} s")).dim(),
            ])
        })
        .collect();
    if lines.is_empty() {
        lines.push(Line::from("none").dim());
    }
    Paragraph::new(lines).block(block).render(area, buffer);
}

/// What happened last.
pub(super) fn happenings(frame: &Frame<'_>, area: Rect, buffer: &mut Buffer) {
    let block = panel("events");
    let room = usize::from(block.inner(area).height);
    let latest = &frame.happenings[frame.happenings.len().saturating_sub(room)..];
    let lines: Vec<Line<'_>> = latest
        .iter()
        .map(|one| {
            let style = match one.kind {
                Kind::Fault => Style::new().red(),
                Kind::Repair => Style::new().green(),
                Kind::Note => Style::new(),
            };
            let text = format!("{}: {}", one.host, one.what);
            Line::from(vec![
                Span::from(format!("{} ", clock(one.at_us))).dim(),
                Span::styled(text, style),
            ])
        })
        .collect();
    Paragraph::new(lines).block(block).render(area, buffer);
}

/// What was written last.
pub(super) fn log(frame: &Frame<'_>, area: Rect, buffer: &mut Buffer) {
    let block = panel("log");
    let room = usize::from(block.inner(area).height);
    let latest = &frame.lines[frame.lines.len().saturating_sub(room)..];
    let lines: Vec<Line<'_>> = latest
        .iter()
        .map(|line| {
            Line::from(vec![
                Span::from(format!("{} ", line.host)).cyan(),
                Span::from(line.text.as_str()),
            ])
        })
        .collect();
    Paragraph::new(lines).block(block).render(area, buffer);
}
