//! A place in the write-ahead log: bytes since the beginning of time (`pg_lsn`, manual, 8.20).

use std::fmt;
use std::str::FromStr;

/// Records begin at multiples of so many bytes.
pub const ALIGNMENT: usize = 8;

/// A log sequence number, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

impl Lsn {
    /// Where the log of a new database system begins; the real one's first segment is used up by
    /// `initdb` as well.
    pub const FIRST: Self = Self(0x100_0000);

    /// The place so many bytes on.
    #[must_use]
    pub fn plus(self, bytes: usize) -> Self {
        Self(self.0 + bytes as u64)
    }

    /// Bytes from `earlier` to here; 0 when it is not earlier.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xffff_ffff)
    }
}

/// A text that is no LSN.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid input syntax for type pg_lsn: \"{0}\"")]
pub struct NoLsn(pub String);

impl FromStr for Lsn {
    type Err = NoLsn;

    fn from_str(text: &str) -> Result<Self, NoLsn> {
        let half = |part: &str| {
            let fits = (1..=8).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_hexdigit());
            u64::from_str_radix(part, 16).ok().filter(|_| fits)
        };
        text.split_once('/')
            .and_then(|(high, low)| Some(Self(half(high)? << 32 | half(low)?)))
            .ok_or_else(|| NoLsn(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn text_and_back(place in proptest::num::u64::ANY) {
            proptest::prop_assert_eq!(Lsn(place).to_string().parse::<Lsn>().unwrap(), Lsn(place));
        }
    }

    #[test]
    fn written_as_postgresql_writes_it() {
        assert_eq!(Lsn(0x1_0300_00F8).to_string(), "1/30000F8");
        for wrong in ["", "1", "1/", "/1", "0/123456789", "0/-1", "0/+1", "x/1"] {
            assert!(wrong.parse::<Lsn>().is_err(), "{wrong}");
        }
    }
}
