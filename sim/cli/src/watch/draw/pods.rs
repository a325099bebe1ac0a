//! The panels of the cluster: pods as `kubectl get pods -o wide` has them, and endpoints.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Rect};
use ratatui::style::{Style, Stylize};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Row, Table, Widget};
use squall_record::{Name, Pod};
use squall_report::watch::Frame;

use super::panel;

/// As `kubectl get pods -o wide`.
pub(super) fn table(frame: &Frame<'_>, area: Rect, buffer: &mut Buffer) {
    let block = panel("pods");
    let room = usize::from(block.inner(area).height).saturating_sub(1);
    // Who is not ready is not to be cut off.
    let mut shown: Vec<&Pod> = frame.pods.clone();
    if shown.len() > room {
        shown.sort_by_key(|pod| pod.ready);
        shown.truncate(room);
        shown.sort_by(|a, b| a.name.cmp(&b.name));
    }
    let hidden = frame.pods.len() - shown.len();
    let columns = columns(&shown, block.inner(area).width);
    let rows = shown.iter().map(|pod| {
        let cells = columns.iter().map(|(column, _)| (column.of)(pod));
        Row::new(cells).style(match (pod.ready, pod.status.as_str()) {
            (true, _) => Style::new().green(),
            (false, "Running" | "running" | "starting" | "Pending" | "created") => {
                Style::new().yellow()
            }
            (false, _) => Style::new().red(),
        })
    });
    let head = columns.iter().map(|(column, _)| column.name);
    let widths = columns.iter().map(|(_, width)| Constraint::Length(*width));
    let block = match hidden {
        0 => block,
        hidden => block.title_bottom(format!(" and {hidden} that are ready ")),
    };
    Table::new(rows, widths)
        .column_spacing(SPACING)
        .header(Row::new(head).dim())
        .block(block)
        .render(area, buffer);
}

/// Between two columns.
const SPACING: u16 = 2;

/// A column of the pods.
struct Column {
    name: &'static str,
    of: fn(&Pod) -> String,
    /// Which columns are kept where not all have room: those with the lowest.
    priority: u8,
}

/// The columns that have room, in the order of `kubectl get pods -o wide`, each as wide as what is
/// in it.
fn columns(pods: &[&Pod], room: u16) -> Vec<(Column, u16)> {
    let column = |name, priority, of: fn(&Pod) -> String| {
        let widths = pods.iter().map(|pod| of(pod).chars().count());
        let width = widths.chain([str::len(name)]).max().unwrap_or(0);
        let column = Column { name, of, priority };
        (column, u16::try_from(width).unwrap_or(u16::MAX))
    };
    let mut columns = vec![
        column("NAME", 0, |pod| pod.name.to_string()),
        column("READY", 1, |pod| match pod.ready {
            true => "yes".to_owned(),
            false => "no".to_owned(),
        }),
        column("STATUS", 1, |pod| pod.status.to_string()),
        column("RESTARTS", 2, |pod| pod.restarts.to_string()),
        column("NODE", 4, |pod| shown(&pod.node)),
        column("IP", 3, |pod| shown(&pod.address)),
    ];
    if pods.iter().all(|pod| pod.node.is_none()) {
        columns.retain(|(column, _)| column.name != "NODE");
    }
    let needed = |columns: &[(Column, u16)]| {
        let widths = columns
            .iter()
            .map(|(_, width)| width.saturating_add(SPACING));
        widths.fold(0, u16::saturating_add).saturating_sub(SPACING)
    };
    for priority in [4, 3, 2] {
        if needed(&columns) > room {
            columns.retain(|(column, _)| column.priority != priority);
        }
    }
    columns
}

fn shown(name: &Option<Name>) -> String {
    name.as_ref().map_or("-", Name::as_str).to_owned()
}

/// As `kubectl get endpoints`.
pub(super) fn endpoints(frame: &Frame<'_>, area: Rect, buffer: &mut Buffer) {
    let lines: Vec<Line<'_>> = frame
        .endpoints
        .iter()
        .map(|(service, ready)| {
            let ready: Vec<&str> = ready.iter().map(Name::as_str).collect();
            let addresses = match ready.is_empty() {
                true => Span::from("<none>").red(),
                false => Span::from(ready.join(",")),
            };
            let count = format!("{service} ({}) ", ready.len());
            Line::from(vec![Span::from(count).cyan(), addresses])
        })
        .collect();
    Paragraph::new(lines)
        .block(panel("endpoints"))
        .render(area, buffer);
}
