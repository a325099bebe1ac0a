//! The picture as SVG, for a README and a browser. Deliberately without scripts and style sheets, which the viewers of
//! repositories take out; what is marked is red, and has an exclamation mark for those who see no red.

use std::io::{self, Write};

use super::rows::rows;
use super::scale::Scale;
use super::{Bar, Drawing, End, short};

/// All in pixels.
const NAMES: usize = 300;
const WIDTH: usize = 900;
const ROW: usize = 24;
const MARGIN: usize = 12;
const LETTER: usize = 8;
const ROWS_MAX: usize = 24;

const INK: &str = "#24292f";
const MARKED: &str = "#cf222e";
const PALE: &str = "#ddf4ff";
const PALE_MARKED: &str = "#ffebe9";

/// Writes a picture.
pub fn write(drawing: &Drawing, out: &mut impl Write) -> io::Result<()> {
    let scale = Scale::of(&drawing.stretch, WIDTH);
    let place = |bar: &Bar| place(&scale, bar);
    let lanes = drawing.lanes.iter();
    let lanes: Vec<_> = lanes
        .map(|lane| (lane, rows(&lane.bars, place, ROWS_MAX)))
        .collect();
    let height = |(rows, left_out): &(Vec<_>, usize)| rows.len() + usize::from(*left_out > 0);
    let all: usize = lanes.iter().map(|(_, rows)| height(rows)).sum();
    let top = MARGIN + 2 * ROW;
    let (wide, high) = (NAMES + WIDTH + 2 * MARGIN, top + all * ROW + MARGIN);
    writeln!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{wide}\" height=\"{high}\" \
         viewBox=\"0 0 {wide} {high}\" font-family=\"monospace\" font-size=\"13\">"
    )?;
    writeln!(
        out,
        "<rect width=\"{wide}\" height=\"{high}\" fill=\"white\"/>"
    )?;
    text(out, MARGIN, MARGIN + 12, INK, &drawing.stretch.why)?;
    for (us, label) in scale.quarters() {
        let x = x(&scale, us);
        writeln!(
            out,
            "<line x1=\"{x}\" y1=\"{}\" x2=\"{x}\" y2=\"{}\" stroke=\"#d0d7de\"/>",
            top - 4,
            high - MARGIN
        )?;
        text(out, x + 2, top - 10, "#57606a", &label)?;
    }
    let mut y = top;
    for (lane, laid) in &lanes {
        text(out, MARGIN, y + 16, INK, &short(&lane.name, NAMES / LETTER))?;
        let (rows, left_out) = laid;
        for row in rows {
            for placed in row {
                write_bar(&scale, placed.bar, y, out)?;
            }
            y += ROW;
        }
        if *left_out > 0 {
            text(
                out,
                MARGIN + NAMES,
                y + 16,
                INK,
                &format!("and {left_out} more"),
            )?;
            y += ROW;
        }
    }
    writeln!(out, "</svg>")
}

fn text(out: &mut impl Write, x: usize, y: usize, colour: &str, text: &str) -> io::Result<()> {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            // XML 1.0 has no way to write these.
            control if control.is_control() => escaped.push('\u{fffd}'),
            other => escaped.push(other),
        }
    }
    writeln!(
        out,
        "<text x=\"{x}\" y=\"{y}\" fill=\"{colour}\">{escaped}</text>"
    )
}

fn x(scale: &Scale, us: u64) -> usize {
    MARGIN + NAMES + scale.at(us)
}

/// The bar alone, and whether its label has room in it.
fn extent(scale: &Scale, bar: &Bar) -> (usize, usize, bool) {
    let from = x(scale, bar.from_us);
    let wide = (x(scale, bar.to_us) - from).max(3);
    (from, wide, wide >= label_width(bar))
}

/// All of it, with the label behind the bar, or at the right edge before it.
fn place(scale: &Scale, bar: &Bar) -> (usize, usize) {
    let (from, wide, has_room) = extent(scale, bar);
    let label = if has_room { 0 } else { label_width(bar) };
    match from + wide + label > MARGIN + NAMES + WIDTH {
        true => (from.saturating_sub(label), from + wide),
        false => (from, from + wide + label),
    }
}

fn write_bar(scale: &Scale, bar: &Bar, y: usize, out: &mut impl Write) -> io::Result<()> {
    let (from, wide, has_room) = extent(scale, bar);
    let (ink, fill) = match bar.is_marked {
        true => (MARKED, PALE_MARKED),
        false => (INK, PALE),
    };
    let dashes = match bar.end {
        End::Unknown => " stroke-dasharray=\"4 3\"",
        End::Known | End::Instant => "",
    };
    writeln!(
        out,
        "<rect x=\"{from}\" y=\"{}\" width=\"{wide}\" height=\"{}\" rx=\"3\" fill=\"{fill}\" \
         stroke=\"{ink}\"{dashes}/>",
        y + 3,
        ROW - 6
    )?;
    let (first, _) = place(scale, bar);
    let x = match (has_room, first < from) {
        (true, _) => from + (wide - label_width(bar)) / 2 + LETTER / 2,
        (false, true) => first + LETTER / 2,
        (false, false) => from + wide + LETTER / 2,
    };
    text(out, x, y + 16, ink, &label(bar))
}
fn label(bar: &Bar) -> String {
    let mark = if bar.is_marked { "!" } else { "" };
    format!("{}{mark}", bar.label)
}

/// Of a label, with some room around it.
fn label_width(bar: &Bar) -> usize {
    (label(bar).chars().count() + 1) * LETTER
}
