//! Lines that check themselves: `CRC32C-hex SPACE JSON NEWLINE`, and what may be made of a bad one.
//!
//! JSON has no raw line end, so values may hold anything and be of any length, and the file stays
//! text. Deliberately unknown here: what the JSON means, but for how a frame of the log begins.

use crc::{CRC_32_ISCSI, Crc, Table};

const CRC: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// The sum and the space.
const HEAD_BYTES: usize = 9;

/// How the JSON of a batch begins. In a string its quotes would be escaped, so no value has it.
pub(crate) const BATCH_START: &[u8] = b"{\"seq\":";

/// A file's end, a frame, or what is not one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Line<'a> {
    End,
    Frame { json: &'a [u8], next: usize },
    Bad(Bad),
}

/// A line that is no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bad {
    /// Where it begins.
    pub(crate) at: usize,
    /// Where the next line begins.
    pub(crate) next: usize,
    /// Whether it has a line end.
    pub(crate) ended: bool,
    /// Why it is none.
    pub(crate) why: &'static str,
}

/// Appends a frame whose JSON is `write`'s.
pub(crate) fn push(file: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = file.len();
    file.extend_from_slice(b"00000000 ");
    write(file);
    let sum = CRC.checksum(&file[start + HEAD_BYTES..]);
    file[start..start + HEAD_BYTES].copy_from_slice(format!("{sum:08x} ").as_bytes());
    file.push(b'\n');
}

/// A file without the zeros at its end, which are nothing: the disk may put them behind a log
/// ([`squall_host::disk::Disk::append_to_log`]), and a power loss in the place of a batch under way.
pub(crate) fn content(file: &[u8]) -> &[u8] {
    let last = file.iter().rposition(|byte| *byte != 0);
    &file[..last.map_or(0, |last| last + 1)]
}

/// The line that begins at `at`.
pub(crate) fn read(file: &[u8], at: usize) -> Line<'_> {
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
        Ok(json) => return Line::Frame { json, next },
        Err(why) => why,
    };
    // All of it is there, and only the line end is something else.
    if end.is_none()
        && let Some((_, whole)) = line.split_last()
        && let Ok(json) = check(whole)
    {
        return Line::Frame { json, next };
    }
    Line::Bad(Bad {
        at,
        next,
        ended: end.is_some(),
        why,
    })
}

fn check(line: &[u8]) -> Result<&[u8], &'static str> {
    let (Some(sum), Some(b' '), Some(json)) = (line.get(..8), line.get(8), line.get(HEAD_BYTES..))
    else {
        return Err("a line without a checksum");
    };
    match format!("{:08x}", CRC.checksum(json)).as_bytes() == sum {
        true => Ok(json),
        false => Err("a line whose checksum does not fit it"),
    }
}

/// Whether a bad line, and all after it, can be the last batch whose write a power loss cut off: then
/// nobody was told that it is durable. A batch is written only once the one before it is durable, so
/// the beginning of a second one says that the first was whole once. And a torn write lacks its end,
/// or blocks of it are zeros or something that is no text: a line that has its end and at most one
/// byte that no frame has was whole once, and one byte of it is wrong.
pub(crate) fn is_torn(file: &[u8], bad: Bad) -> bool {
    let own = bad.at + HEAD_BYTES;
    let tail = file[bad.at..].windows(BATCH_START.len()).enumerate();
    let mut starts = tail.filter(|(_, window)| *window == BATCH_START);
    if starts.any(|(offset, _)| bad.at + offset != own) {
        return false;
    }
    let line = file[bad.at..bad.next].strip_suffix(b"\n");
    let odd = line.unwrap_or_default().iter();
    !bad.ended || odd.filter(|byte| byte.is_ascii_control()).count() >= 2
}
