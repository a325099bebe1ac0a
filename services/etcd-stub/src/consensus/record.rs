//! The lines of the log, which check themselves: `CRC32C-hex SPACE base64 NEWLINE`, and what may be made
//! of a bad one.
//!
//! As the log of `services/kvstore`: a line is text, so that neither the zeros that a disk may put behind a
//! log nor those of a power loss look like a part of it. Deliberately unknown here: what entries mean.

use base64::Engine;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use crc::{CRC_32_ISCSI, Crc, Table};
use prost::Message;

const CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// The sum and the space.
const HEAD_BYTES: usize = 9;

/// What is made durable in one step.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Record {
    /// What the log begins with; in its first record and in no other.
    #[prost(message, optional, tag = "1")]
    pub(super) head: Option<Head>,
    /// Raft's entries; they take the place of those from the first one's index on.
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(super) entries: Vec<Vec<u8>>,
    /// Raft's term, vote and commit index.
    #[prost(bytes = "vec", tag = "3")]
    pub(super) hard_state: Vec<u8>,
}

/// Whose log it is, and after which snapshot it goes on.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Head {
    #[prost(uint64, tag = "1")]
    pub(super) cluster_id: u64,
    #[prost(uint64, tag = "2")]
    pub(super) member_id: u64,
    /// The last entry that the snapshot has; 0 without one.
    #[prost(uint64, tag = "3")]
    pub(super) index: u64,
    #[prost(uint64, tag = "4")]
    pub(super) term: u64,
    /// Who had a vote then (Raft's `ConfState`).
    #[prost(bytes = "vec", tag = "5")]
    pub(super) conf_state: Vec<u8>,
    /// The entry before the first that is kept, which may be one that the snapshot has as well.
    #[prost(uint64, tag = "6")]
    pub(super) before_index: u64,
    #[prost(uint64, tag = "7")]
    pub(super) before_term: u64,
}

/// A file's end, a record, or what is not one.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    End,
    Record { record: Record, next: usize },
    Bad(Bad),
}

/// A line that is no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bad {
    /// Where it begins.
    pub(super) at: usize,
    /// Where the next line begins.
    pub(super) next: usize,
    /// Whether it has a line end.
    ended: bool,
    /// Why it is none.
    pub(super) why: &'static str,
}

/// Appends the line of a record.
pub(super) fn push(file: &mut Vec<u8>, record: &Record) {
    let text = BASE64_STANDARD_NO_PAD.encode(record.encode_to_vec());
    let sum = checksum(text.as_bytes());
    file.extend_from_slice(format!("{sum:08x} ").as_bytes());
    file.extend_from_slice(text.as_bytes());
    file.push(b'\n');
}

/// The sum of lines and of snapshots.
pub(super) fn checksum(bytes: &[u8]) -> u32 {
    CRC.checksum(bytes)
}

/// A file without the zeros at its end, which are nothing.
pub(super) fn content(file: &[u8]) -> &[u8] {
    let last = file.iter().rposition(|byte| *byte != 0);
    &file[..last.map_or(0, |last| last + 1)]
}

/// The line that begins at `at`.
pub(super) fn read(file: &[u8], at: usize) -> Line {
    let rest = file.get(at..).unwrap_or_default();
    if rest.is_empty() {
        return Line::End;
    }
    let end = rest.iter().position(|byte| *byte == b'\n');
    let (line, next) = match end {
        Some(end) => (&rest[..end], at + end + 1),
        None => (rest, file.len()),
    };
    let why = match check(line) {
        Ok(record) => return Line::Record { record, next },
        Err(why) => why,
    };
    // All of it is there, and only the line end is something else.
    if end.is_none()
        && let Some((_, whole)) = line.split_last()
        && let Ok(record) = check(whole)
    {
        return Line::Record { record, next };
    }
    Line::Bad(Bad {
        at,
        next,
        ended: end.is_some(),
        why,
    })
}

fn check(line: &[u8]) -> Result<Record, &'static str> {
    let (Some(sum), Some(b' '), Some(text)) = (line.get(..8), line.get(8), line.get(HEAD_BYTES..))
    else {
        return Err("a line without a checksum");
    };
    if format!("{:08x}", checksum(text)).as_bytes() != sum {
        return Err("a line whose checksum does not fit it");
    }
    let bytes = BASE64_STANDARD_NO_PAD.decode(text);
    let record = bytes.ok().and_then(|b| Record::decode(&b[..]).ok());
    record.ok_or("a line that fits its checksum and is no record")
}

/// Whether a bad line, and all after it, can be the last record, whose write a power loss cut off: then
/// nobody was told that it is durable. A record is written only once the one before it is durable, so a
/// second one after it says that it was whole once; its space shows it, which no text has. And a torn write
/// lacks its end, or a part of it is zeros or something that is no text: a line that has its end and at most
/// one byte that no line has was whole once, and one byte of it is wrong.
pub(super) fn is_torn(file: &[u8], bad: Bad) -> bool {
    let own = bad.at + HEAD_BYTES - 1;
    let tail = file[bad.at..].iter().enumerate();
    let mut spaces = tail.filter(|(_, byte)| **byte == b' ');
    if spaces.any(|(offset, _)| bad.at + offset != own) {
        return false;
    }
    let line = file[bad.at..bad.next].strip_suffix(b"\n");
    let odd = line.unwrap_or_default().iter();
    !bad.ended || odd.filter(|byte| byte.is_ascii_control()).count() >= 2
}
