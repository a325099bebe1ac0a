//! Timelines: where earlier ones ended (`pg_wal/0000000N.history`; manual, 26.3.5).

use std::collections::BTreeMap;

use squall_host::disk::Disk;

use crate::wal::control::read_file;
use crate::wal::log::LogError;
use crate::wal::lsn::Lsn;

/// The timelines before one, oldest first, each with its end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History(pub Vec<(u32, Lsn)>);

impl History {
    /// Reads a file's text; lines that are none of ours are passed over, as PostgreSQL does with
    /// comments.
    pub fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let mut words = line.split_whitespace();
            let timeline = words.next()?.parse().ok()?;
            Some((timeline, words.next()?.parse().ok()?))
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// A file's text.
    pub fn text(&self) -> String {
        let line = |(timeline, end): &(u32, Lsn)| {
            format!("{timeline}\t{end}\tno recovery target specified\n")
        };
        self.0.iter().map(line).collect()
    }

    /// Where a timeline before this one ended.
    pub fn end_of(&self, timeline: u32) -> Option<Lsn> {
        let found = self.0.iter().find(|(known, _)| *known == timeline);
        found.map(|(_, end)| *end)
    }

    /// The timeline that follows `timeline`; `current` has this history.
    pub fn after(&self, timeline: u32, current: u32) -> u32 {
        let place = self.0.iter().position(|(known, _)| *known == timeline);
        let next = place.and_then(|place| self.0.get(place + 1));
        next.map_or(current, |(next, _)| *next)
    }
}

/// The name of a timeline's file.
pub fn file_name(timeline: u32) -> String {
    format!("{timeline:08X}.history")
}

/// The histories that a folder has, by timeline.
pub async fn read_all(disk: &Disk, folder: &str) -> Result<BTreeMap<u32, History>, LogError> {
    let names = disk.list(folder).await;
    let names = names.map_err(|source| LogError::of("read", folder, source))?;
    let mut all = BTreeMap::new();
    for name in names {
        let Some(digits) = name.strip_suffix(".history") else {
            continue;
        };
        let Ok(timeline) = u32::from_str_radix(digits, 16) else {
            continue;
        };
        if let Some(bytes) = read_file(disk, &format!("{folder}/{name}")).await? {
            all.insert(timeline, History::parse(&String::from_utf8_lossy(&bytes)));
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let history = History(vec![(1, Lsn(0x300_0000)), (3, Lsn(0x400_0000))]);
        assert_eq!(History::parse(&history.text()), history);
        assert_eq!(history.end_of(1), Some(Lsn(0x300_0000)));
        assert_eq!((history.after(1, 5), history.after(3, 5)), (3, 5));
    }
}
