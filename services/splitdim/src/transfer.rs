//! A transfer as a client sends it, read as Go's `encoding/json` decoder reads the original's struct:
//! names of fields in any case, the last of two counts, `null` and unknown fields are passed over, text
//! after the object is not looked at; a fraction, an exponent or a quoted number is no amount.
//!
//! Deliberately stricter than Go in one point: half a surrogate pair is an error, not U+FFFD.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use serde::de::{self, Deserializer as _, IgnoredAny, MapAccess, Visitor};

/// The sender's balance goes up by the amount, the receiver's down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transfer {
    /// Who pays.
    pub sender: Arc<str>,
    /// Who is paid for.
    pub receiver: Arc<str>,
    /// How much; nothing and less than nothing are allowed, as in the original.
    pub amount: i64,
}

impl Transfer {
    /// Reads a request's body; the error says what is wrong with it.
    pub fn parse(body: &[u8]) -> Result<Self, String> {
        // Go puts U+FFFD for what is not UTF-8.
        let text = String::from_utf8_lossy(body);
        let mut json = serde_json::Deserializer::from_str(&text);
        json.deserialize_any(TransferVisitor)
            .map_err(|error| error.to_string())
    }

    /// Whether it makes sense; the error says why not.
    pub fn check(&self, empty_names: bool) -> Result<(), String> {
        if !empty_names && (self.sender.is_empty() || self.receiver.is_empty()) {
            return Err("sender and receiver must have a name".to_owned());
        }
        if self.sender == self.receiver {
            return Err(format!("sender and receiver are both {:?}", self.sender));
        }
        Ok(())
    }
}

struct TransferVisitor;

impl<'de> Visitor<'de> for TransferVisitor {
    type Value = Transfer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with sender, receiver and amount")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Transfer, E> {
        Ok(Transfer {
            sender: "".into(),
            receiver: "".into(),
            amount: 0,
        })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Transfer, A::Error> {
        let (mut sender, mut receiver, mut amount) = (Cow::Borrowed(""), Cow::Borrowed(""), 0);
        while let Some(Text(field)) = map.next_key()? {
            let text = match field.as_ref() {
                field if is_named(field, "sender") => &mut sender,
                field if is_named(field, "receiver") => &mut receiver,
                field if is_named(field, "amount") => {
                    if let Some(Whole(given)) = map.next_value()? {
                        amount = given;
                    }
                    continue;
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    continue;
                }
            };
            if let Some(Text(given)) = map.next_value()? {
                *text = given;
            }
        }
        Ok(Transfer {
            sender: sender.into(),
            receiver: receiver.into(),
            amount,
        })
    }
}

/// Go folds case as Unicode does: ſ is an s, too.
fn is_named(field: &str, name: &str) -> bool {
    field == name
        || field
            .chars()
            .map(|c| match c {
                'ſ' => 's',
                c => c.to_ascii_lowercase(),
            })
            .eq(name.chars())
}

/// A string, borrowed where it has no escapes.
struct Text<'de>(Cow<'de, str>);

impl<'de> de::Deserialize<'de> for Text<'de> {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E: de::Error>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        from.deserialize_str(TextVisitor)
    }
}

/// A whole number of 64 bits.
struct Whole(i64);

impl<'de> de::Deserialize<'de> for Whole {
    fn deserialize<D: de::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct WholeVisitor;
        impl Visitor<'_> for WholeVisitor {
            type Value = Whole;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number that fits into 64 bits")
            }
            fn visit_i64<E: de::Error>(self, number: i64) -> Result<Whole, E> {
                Ok(Whole(number))
            }
            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Whole, E> {
                i64::try_from(number)
                    .map(Whole)
                    .map_err(|_| E::invalid_value(de::Unexpected::Unsigned(number), &self))
            }
            fn visit_f64<E: de::Error>(self, number: f64) -> Result<Whole, E> {
                // serde_json has -0 as a float.
                if number == 0.0 && number.is_sign_negative() {
                    return Ok(Whole(0));
                }
                Err(E::invalid_type(de::Unexpected::Float(number), &self))
            }
        }
        from.deserialize_any(WholeVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Option<(String, String, i64)> {
        let transfer = Transfer::parse(text.as_bytes()).ok()?;
        Some((
            transfer.sender.to_string(),
            transfer.receiver.to_string(),
            transfer.amount,
        ))
    }

    fn some(sender: &str, receiver: &str, amount: i64) -> Option<(String, String, i64)> {
        Some((sender.to_owned(), receiver.to_owned(), amount))
    }

    #[test]
    fn it_is_read_as_go_reads_it() {
        for text in [
            r#"{"sender":"a","receiver":"b","amount":1}"#,
            r#"{"SENDER":"a","Receiver":"b","aMOUNT":1} trailing text"#,
            r#" {"ſender":"a","receiver":"b","amount":1}"#,
            r#"{"x":[{}],"sender":"a","receiver":"b","amount":1,"y":1e999}"#,
            r#"{"sender":"x","receiver":"b","sender":"a","amount":1,"amount":null}"#,
            r#"{"sender":"\u0061","receiver":"b","amount":1}{"sender":"c"}"#,
        ] {
            assert_eq!(parse(text), some("a", "b", 1), "{text}");
        }
        assert_eq!(parse("{}"), some("", "", 0));
        assert_eq!(parse("null"), some("", "", 0));
        let least = r#"{"amount":-9223372036854775808}"#;
        assert_eq!(parse(least), some("", "", i64::MIN));
        assert_eq!(parse(r#"{"amount":-0}"#), some("", "", 0));
    }

    #[test]
    fn what_go_refuses_is_refused() {
        for text in [
            "",
            "a",
            "[]",
            "1",
            r#""a""#,
            r#"{"sender":"a""#,
            r#"{"sender":1}"#,
            r#"{"amount":"1"}"#,
            r#"{"amount":1.0}"#,
            r#"{"amount":1e2}"#,
            r#"{"amount":true}"#,
            r#"{"amount":9223372036854775808}"#,
            r#"{"amount":-9223372036854775809}"#,
            r#"{"amount":01}"#,
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_become_a_replacement_character() {
        let transfer = Transfer::parse(b"{\"sender\":\"\xff\"}").expect("as Go");
        assert_eq!(&*transfer.sender, "\u{fffd}");
    }

    #[test]
    fn names_must_be_there_and_differ() {
        let of = |sender: &str, receiver: &str| Transfer {
            sender: sender.into(),
            receiver: receiver.into(),
            amount: 1,
        };
        assert!(of("a", "b").check(false).is_ok());
        assert!(of("a", "a").check(true).is_err());
        assert!(of("", "a").check(false).is_err());
        assert!(of("", "a").check(true).is_ok());
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(sender in ".*", receiver in ".*", amount: i64) {
            let text = serde_json::json!({"sender": sender, "receiver": receiver, "amount": amount});
            prop_assert_eq!(parse(&text.to_string()), some(&sender, &receiver, amount));
        }

        #[test]
        fn no_bytes_make_it_panic(bytes: Vec<u8>) {
            let _ = Transfer::parse(&bytes);
        }
    }
}
