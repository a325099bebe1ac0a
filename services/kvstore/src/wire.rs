//! What clients send, read as the original reads it, with Go's `json.Decoder`: names in any case,
//! unknown ones ignored, missing ones and `null` zero, the last of two counts, and what follows the
//! first value is not looked at. Bytes that are no UTF-8 become U+FFFD.
//!
//! Not as there: a lone surrogate (`"\ud800"`), `-0` and the long s and the Kelvin sign in names are
//! refused or unknown, and messages are serde's.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

use crate::store::Entry;

/// A body's first value. An error is for the client's eyes.
pub(crate) fn decode<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<Option<T>, String> {
    let text = String::from_utf8_lossy(body);
    let mut deserializer = serde_json::Deserializer::from_str(&text);
    Option::<T>::deserialize(&mut deserializer).map_err(|error| error.to_string())
}

/// A put, as it is sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Put(pub(crate) Entry);

/// What is sent to `/api/transaction`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Puts(pub(crate) Vec<Entry>);

impl<'de> Deserialize<'de> for Puts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let puts = Vec::<Option<Put>>::deserialize(deserializer)?;
        let entries = puts
            .into_iter()
            .map(|put| put.map_or_else(Entry::default, |put| put.0));
        Ok(Self(entries.collect()))
    }
}

impl<'de> Deserialize<'de> for Put {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PutVisitor).map(Put)
    }
}

struct PutVisitor;

impl<'de> Visitor<'de> for PutVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"{"key":"…","value":"…","version":0}"#)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
        let mut put = Entry::default();
        while let Some(Name(name)) = map.next_key()? {
            if name.eq_ignore_ascii_case("key") {
                set(&mut put.key, map.next_value()?);
            } else if name.eq_ignore_ascii_case("value") {
                set(&mut put.value, map.next_value()?);
            } else if name.eq_ignore_ascii_case("version") {
                set(&mut put.version, map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(put)
    }
}

/// `null` leaves a field as it is.
fn set<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// A field's name, borrowed where it can be.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::*;

    fn put(body: &str) -> Option<(String, String, i64)> {
        let put = decode::<Put>(body.as_bytes()).ok()??;
        Some((put.0.key, put.0.value, put.0.version))
    }

    #[test]
    fn a_put_is_read_as_go_reads_it() {
        let plain = Some(("a b".to_owned(), "1".to_owned(), 2));
        for body in [
            r#"{"key":"a b","value":"1","version":2}"#,
            r#" {"KEY":"a b","Value":"1","vErSion":2} trailing text"#,
            r#"{"key":"x","key":"a b","value":"1","version":2,"more":{"a":[1]}}"#,
            r#"{"key":"a b","value":"1","value":null,"version":2}"#,
            r#"{"\u006bey":"a b","value":"1","version":2}{}"#,
        ] {
            assert_eq!(put(body), plain, "{body}");
        }
        let zero = Some((String::new(), String::new(), 0));
        assert_eq!(put("{}"), zero);
        assert_eq!(put(r#"{"key":null,"value":null,"version":null}"#), zero);
        for body in [
            "",
            " ",
            "{",
            "[]",
            "1",
            r#""a""#,
            r#"{"key":1}"#,
            r#"{"version":"1"}"#,
            r#"{"version":1.0}"#,
            r#"{"version":1.5}"#,
            r#"{"version":9223372036854775808}"#,
            r#"{"key":"a"#,
            "key=a",
            r#"{"key":{}}"#,
        ] {
            assert!(decode::<Put>(body.as_bytes()).is_err(), "{body}");
        }
        assert_eq!(decode::<Put>(b"null"), Ok(None));
        let odd = decode::<Put>(b"{\"key\":\"a\xff\"}").unwrap().unwrap();
        assert_eq!(odd.0.key, "a\u{fffd}");
    }

    #[test]
    fn a_list_may_hold_null() {
        let puts = decode::<Puts>(br#"[null,{"key":"a"}]"#).unwrap().unwrap();
        assert_eq!(puts.0.len(), 2);
        assert!(decode::<Puts>(b"{}").is_err());
        assert!(decode::<Puts>("[".repeat(100_000).as_bytes()).is_err());
    }
}
