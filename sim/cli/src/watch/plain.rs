//! The dashboard as text, where there is no terminal: a frame at the start of each phase, and one
//! at the end. The same every time that the same run is shown.

use std::io::{self, Write};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use squall_report::watch::Watch;

use super::draw;

/// As wide as most terminals and as logs of build servers are read.
const WIDTH: u16 = 120;

/// So long after the start of a phase, what its steps do at once has been done.
const STEPS_US: u64 = 10_000;

pub(super) fn print(out: &mut impl Write, watch: &Watch<'_>) -> io::Result<()> {
    let starts = watch.phases_us().map(|start_us| start_us + STEPS_US);
    for at_us in starts.chain([watch.end_us()]) {
        let frame = watch.at(at_us);
        let area = Rect::new(0, 0, WIDTH, draw::height(&frame));
        let mut buffer = Buffer::empty(area);
        draw::frame(&frame, None, area, &mut buffer);
        write_lines(out, &buffer)?;
        writeln!(out)?;
    }
    out.flush()
}

/// What a buffer shows, without colours.
fn write_lines(out: &mut impl Write, buffer: &Buffer) -> io::Result<()> {
    let width = usize::from(buffer.area.width.max(1));
    for row in buffer.content.chunks(width) {
        let line: String = row.iter().map(|cell| cell.symbol()).collect();
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
