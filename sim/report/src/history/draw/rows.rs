//! Bars that would cover each other, in rows: each in the first row that has room. Deliberately not the fewest rows:
//! marked bars come first, so that they are seen when there are too many rows to show.

use super::Bar;

/// A bar and where it is drawn: its first column and the first behind it, or pixels.
pub(super) struct Placed<'a> {
    pub(super) bar: &'a Bar,
    pub(super) from: usize,
    pub(super) to: usize,
}

/// Rows, and how many bars found no room in so many.
pub(super) fn rows<'a>(
    bars: &'a [Bar],
    place: impl Fn(&Bar) -> (usize, usize),
    most: usize,
) -> (Vec<Vec<Placed<'a>>>, usize) {
    let mut bars: Vec<&Bar> = bars.iter().collect();
    bars.sort_by_key(|bar| !bar.is_marked);
    let mut rows: Vec<Vec<Placed<'a>>> = Vec::new();
    let mut left_out = 0;
    for bar in bars {
        let (from, to) = place(bar);
        let has_room = |row: &Vec<Placed<'_>>| {
            let mut others = row.iter();
            others.all(|other| other.to <= from || to <= other.from)
        };
        let placed = Placed { bar, from, to };
        match rows.iter().position(has_room) {
            Some(row) => rows[row].push(placed),
            None if rows.len() < most => rows.push(vec![placed]),
            None => left_out += 1,
        }
    }
    (rows, left_out)
}
