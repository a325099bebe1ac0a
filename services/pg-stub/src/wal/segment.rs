//! The log's bytes by the files that they are in.
//!
//! All that the disk has of the log is here as well: a sender reads no files. What a checkpoint no
//! longer needs is dropped from both.

use super::lsn::Lsn;

/// One file of the log, and what is in it.
#[derive(Clone, Debug, Default)]
pub struct Segment {
    /// The timeline that it belongs to.
    pub timeline: u32,
    /// The place of its first byte.
    pub start: Lsn,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Segment {
    /// The place after its last byte.
    pub fn end(&self) -> Lsn {
        self.start.plus(self.bytes.len())
    }

    /// Its file's name: timeline and place, as many digits as PostgreSQL's have.
    pub fn file_name(&self) -> String {
        file_name(self.timeline, self.start)
    }

    /// An empty one for a file's name; `None` for a name that is another's.
    pub fn of_file(name: &str) -> Option<Self> {
        if name.len() != 24 || !name.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        Some(Self {
            timeline: u32::from_str_radix(&name[..8], 16).ok()?,
            start: Lsn(u64::from_str_radix(&name[8..], 16).ok()?),
            bytes: Vec::new(),
        })
    }
}

/// The name of a file of the log.
pub fn file_name(timeline: u32, start: Lsn) -> String {
    format!("{timeline:08X}{:016X}", start.0)
}

/// Files in order, without gaps.
#[derive(Clone, Debug, Default)]
pub struct Segments(pub Vec<Segment>);

impl Segments {
    /// The first place that is kept.
    pub fn start(&self) -> Lsn {
        self.0.first().map_or(Lsn(0), |segment| segment.start)
    }

    /// The place after the last byte.
    pub fn end(&self) -> Lsn {
        self.0.last().map_or(Lsn(0), Segment::end)
    }

    /// The file that a place is in.
    pub fn at(&self, place: Lsn) -> Option<&Segment> {
        self.0.iter().rev().find(|segment| segment.start <= place)
    }

    /// Bytes from `from` up to `to`, at most `most`; of one file or of several.
    pub fn copy(&self, from: Lsn, to: Lsn, most: usize) -> Vec<u8> {
        let mut out = Vec::new();
        for segment in &self.0 {
            let end = segment.end().min(to);
            let begin = segment.start.max(from.plus(out.len()));
            if begin >= end || out.len() >= most {
                continue;
            }
            let first = begin.since(segment.start) as usize;
            let last = end.since(segment.start) as usize;
            let last = last.min(first.saturating_add(most - out.len()));
            out.extend_from_slice(&segment.bytes[first..last]);
        }
        out
    }

    /// Forgets what is from `place` on; gives the files that are gone wholly, and the one that is
    /// shorter now with its length.
    pub fn cut(&mut self, place: Lsn) -> (Vec<String>, Option<(String, u64)>) {
        let mut gone = Vec::new();
        while self.0.len() > 1 && self.0.last().is_some_and(|s| s.start >= place) {
            gone.extend(self.0.pop().map(|segment| segment.file_name()));
        }
        let shorter = self.0.last_mut().and_then(|segment| {
            let length = place.since(segment.start);
            (length < segment.bytes.len() as u64).then(|| {
                segment.bytes.truncate(length as usize);
                (segment.file_name(), length)
            })
        });
        (gone, shorter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_read_across_files_and_cut() {
        let make = |start, bytes: &[u8]| Segment {
            timeline: 1,
            start: Lsn(start),
            bytes: bytes.to_vec(),
        };
        let mut all = Segments(vec![make(8, b"abcdefgh"), make(16, b"ijklmnop")]);
        assert_eq!(all.copy(Lsn(12), Lsn(20), 100), b"efghijkl");
        assert_eq!(all.copy(Lsn(12), Lsn(20), 5), b"efghi");
        assert_eq!(all.copy(Lsn(24), Lsn(24), 5), b"");
        assert_eq!(all.copy(Lsn(12), Lsn(24), usize::MAX), b"efghijklmnop");
        let name = all.0[1].file_name();
        assert_eq!(name, "000000010000000000000010");
        assert_eq!(Segment::of_file(&name).map(|s| s.start), Some(Lsn(16)));
        assert_eq!(Segment::of_file("00000002.history").map(|s| s.start), None);
        assert_eq!(
            all.cut(Lsn(12)),
            (vec![name], Some(("000000010000000000000008".to_owned(), 4)))
        );
        assert_eq!(all.end(), Lsn(12));
    }
}
