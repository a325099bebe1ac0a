//! The picture in letters: nothing but the width of a character is known of where it is read.
//!
//! A bar that is too short for its label is drawn longer, to the right. Deliberately without colours: what is marked
//! has double lines and an exclamation mark.

use std::io::{self, Write};

use super::instances::Step;
use super::rows::rows;
use super::scale::Scale;
use super::{Bar, Drawing, End, Lane, short};

/// The columns of the time.
const WIDTH: usize = 84;

/// The longest name, in characters.
const NAME_MAX: usize = 20;

/// The most rows of a lane.
const ROWS_MAX: usize = 16;

/// The most lines about what instances did.
const STEPS_MAX: usize = 40;

/// What the signs mean; printed below each picture.
const LEGEND: &str =
    "├─7─┤ answered 7   ├503┤ refused   ├─?─> nobody knows   • an instant   ╞═7!═╡ marked";

/// Writes a picture.
pub fn write(drawing: &Drawing, out: &mut impl Write) -> io::Result<()> {
    let scale = Scale::of(&drawing.stretch, WIDTH);
    writeln!(out, "{}", drawing.stretch.why)?;
    writeln!(out)?;
    let names = drawing.lanes.iter().map(|lane| short(&lane.name, NAME_MAX));
    let names: Vec<String> = names.collect();
    let indent = names.iter().map(|name| name.chars().count()).max();
    let indent = indent.unwrap_or(0) + 2;
    line(out, indent, "", &axis(&scale))?;
    for (lane, name) in drawing.lanes.iter().zip(names) {
        write_lane(lane, &name, indent, &scale, out)?;
    }
    writeln!(out)?;
    writeln!(out, "{LEGEND}   a column is {}", column(&scale))?;
    write_steps(&drawing.steps, &scale, out)
}

fn write_lane(
    lane: &Lane,
    name: &str,
    indent: usize,
    scale: &Scale,
    out: &mut impl Write,
) -> io::Result<()> {
    let (rows, left_out) = rows(&lane.bars, |bar| place(scale, bar), ROWS_MAX);
    for (number, row) in rows.iter().enumerate() {
        let mut columns = vec![' '; WIDTH];
        for placed in row {
            let letters = letters(scale, placed.bar, placed.to - placed.from);
            for (column, letter) in columns[placed.from..].iter_mut().zip(letters) {
                *column = letter;
            }
        }
        let name = if number == 0 { name } else { "" };
        line(out, indent, name, &columns.into_iter().collect::<String>())?;
    }
    match left_out {
        0 => Ok(()),
        _ => line(out, indent, "", &format!("and {left_out} more")),
    }
}

fn write_steps(steps: &[Step], scale: &Scale, out: &mut impl Write) -> io::Result<()> {
    if steps.is_empty() {
        return Ok(());
    }
    writeln!(out)?;
    for step in steps.iter().take(STEPS_MAX) {
        let at = scale.seconds(step.at_us);
        let (host, value) = (&step.host, step.value);
        let what = match &step.over {
            _ if !step.is_write => format!("reads {value}"),
            None => format!("writes {value}"),
            Some((over, whose)) => {
                let whose = match whose == host {
                    true => "its own",
                    false => whose,
                };
                let lost = match step.loses() {
                    true => "  ! an increment is lost",
                    false => "",
                };
                format!("writes {value} over {over} of {whose}{lost}")
            }
        };
        writeln!(out, "{at} s  {host} {what}")?;
    }
    match steps.len().saturating_sub(STEPS_MAX) {
        0 => Ok(()),
        more => writeln!(out, "and {more} more"),
    }
}

fn line(out: &mut impl Write, indent: usize, name: &str, text: &str) -> io::Result<()> {
    let line = format!("{name:indent$}{text}");
    writeln!(out, "{}", line.trim_end())
}

/// The instants at which the quarters begin.
fn axis(scale: &Scale) -> String {
    let quarters = scale.quarters();
    quarters
        .map(|(_, label)| format!("{:width$}", format!("│{label}"), width = WIDTH / 4))
        .collect()
}

fn column(scale: &Scale) -> String {
    match scale.place_us() {
        us @ 0..1000 => format!("{us} µs"),
        us => format!("{}.{} ms", us / 1000, us / 100 % 10),
    }
}

/// The columns of a bar: the first, and the first behind it.
fn place(scale: &Scale, bar: &Bar) -> (usize, usize) {
    let least = label(bar).chars().count() + if bar.end == End::Instant { 1 } else { 2 };
    let from = scale.at(bar.from_us);
    let wide = (scale.at(bar.to_us) + 1 - from).max(least).min(WIDTH);
    let from = from.min(WIDTH - wide);
    (from, from + wide)
}

/// A bar in so many letters.
fn letters(scale: &Scale, bar: &Bar, wide: usize) -> Vec<char> {
    let label = label(bar);
    if bar.end == End::Instant {
        return ['•'].into_iter().chain(label.chars()).collect();
    }
    let (left, line, right) = match bar.is_marked {
        true => ('╞', '═', '╡'),
        false => ('├', '─', '┤'),
    };
    let left = if scale.is_before(bar.from_us) {
        '┄'
    } else {
        left
    };
    let right = match (scale.is_after(bar.to_us), bar.end) {
        (true, _) => '┄',
        (_, End::Unknown) => '>',
        _ => right,
    };
    let within = wide.saturating_sub(2);
    let empty = within.saturating_sub(label.chars().count());
    let mut letters = vec![left];
    letters.extend(std::iter::repeat_n(line, empty / 2));
    letters.extend(label.chars().take(within));
    letters.extend(std::iter::repeat_n(line, empty - empty / 2));
    letters.push(right);
    letters
}

fn label(bar: &Bar) -> String {
    let mark = if bar.is_marked { "!" } else { "" };
    let label = format!("{}{mark}", bar.label);
    label.chars().take(WIDTH - 2).collect()
}
