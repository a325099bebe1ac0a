//! Strings, patterns and JSON.

use base64::Engine as _;
use rusqlite::types::{Value, ValueRef};

use super::{Registrar, STRING_BYTES_MAX};
use crate::error::PgError;
use crate::value::text;

/// Bytes of a compiled regular expression.
const REGEX_BYTES_MAX: usize = 1 << 20;

fn string(value: impl Into<String>) -> Result<Value, PgError> {
    let value = value.into();
    if value.len() > STRING_BYTES_MAX {
        return Err(PgError::new("54000", "requested length too large"));
    }
    Ok(Value::Text(value))
}

pub(super) fn register(r: &Registrar<'_>) -> rusqlite::Result<()> {
    r.strict("pg_like", 4, |a| {
        let escape = a.text(2).chars().next();
        let matched = if a.int(3) != 0 {
            like(&a.text(0).to_lowercase(), &a.text(1).to_lowercase(), escape)
        } else {
            like(a.text(0), a.text(1), escape)
        };
        matched.map(|m| Value::Integer(i64::from(m)))
    })?;
    r.strict("pg_regex", 3, |a| {
        let regex = regex::RegexBuilder::new(a.text(1))
            .case_insensitive(a.int(2) != 0)
            .size_limit(REGEX_BYTES_MAX)
            .build()
            .map_err(|error| {
                PgError::new("2201B", format!("invalid regular expression: {error}"))
            })?;
        Ok(Value::Integer(i64::from(regex.is_match(a.text(0)))))
    })?;
    r.strict("pg_lower", 1, |a| string(a.text(0).to_lowercase()))?;
    r.strict("pg_upper", 1, |a| string(a.text(0).to_uppercase()))?;
    r.strict("pg_initcap", 1, |a| {
        let mut inside = false;
        string(
            a.text(0)
                .chars()
                .flat_map(|c| {
                    let first = !inside;
                    inside = c.is_alphanumeric();
                    if first {
                        c.to_uppercase().collect::<Vec<_>>()
                    } else {
                        c.to_lowercase().collect()
                    }
                })
                .collect::<String>(),
        )
    })?;
    r.strict("pg_substr", -1, |a| {
        let start = a.int(1);
        let end = if a.len() > 2 {
            if a.int(2) < 0 {
                return Err(PgError::new(
                    "22011",
                    "negative substring length not allowed",
                ));
            }
            start.saturating_add(a.int(2))
        } else {
            i64::MAX
        };
        let skip = (start.max(1) - 1) as usize;
        let take = (end.max(1) - start.max(1)).max(0) as usize;
        if let ValueRef::Blob(bytes) = a.raw(0) {
            return Ok(Value::Blob(
                bytes.iter().skip(skip).take(take).copied().collect(),
            ));
        }
        string(a.text(0).chars().skip(skip).take(take).collect::<String>())
    })?;
    r.strict("pg_strpos", 2, |a| {
        Ok(Value::Integer(match a.text(0).find(a.text(1)) {
            Some(at) => a.text(0)[..at].chars().count() as i64 + 1,
            None => 0,
        }))
    })?;
    for (name, right) in [("pg_left", false), ("pg_right", true)] {
        r.strict(name, 2, move |a| {
            let chars: Vec<char> = a.text(0).chars().collect();
            let count = chars.len() as i64;
            let wanted = a.int(1);
            let kept = if wanted < 0 {
                (count + wanted).max(0)
            } else {
                wanted.min(count)
            } as usize;
            let slice = if right {
                &chars[chars.len() - kept..]
            } else {
                &chars[..kept]
            };
            string(slice.iter().collect::<String>())
        })?;
    }
    for (name, right) in [("pg_lpad", false), ("pg_rpad", true)] {
        r.strict(name, 3, move |a| pad(a.text(0), a.int(1), a.text(2), right))?;
    }
    r.strict("pg_repeat", 2, |a| {
        let count = a.int(1).max(0) as usize;
        if a.text(0).len().saturating_mul(count) > STRING_BYTES_MAX {
            return Err(PgError::new("54000", "requested length too large"));
        }
        string(a.text(0).repeat(count))
    })?;
    r.strict("pg_reverse", 1, |a| {
        string(a.text(0).chars().rev().collect::<String>())
    })?;
    r.strict("pg_split_part", 3, |a| {
        let mut parts: Vec<&str> = if a.text(1).is_empty() {
            vec![a.text(0)]
        } else {
            a.text(0).split(a.text(1)).collect()
        };
        let wanted = match a.int(2) {
            0 => {
                return Err(PgError::new("22023", "field position must not be zero"));
            }
            back if back < 0 => {
                parts.reverse();
                back.unsigned_abs() as usize
            }
            forth => forth as usize,
        };
        string(parts.get(wanted - 1).copied().unwrap_or_default())
    })?;
    r.strict("pg_ascii", 1, |a| {
        Ok(Value::Integer(
            a.text(0)
                .chars()
                .next()
                .map_or(0, |c| i64::from(u32::from(c))),
        ))
    })?;
    r.strict("pg_chr", 1, |a| {
        match u32::try_from(a.int(0))
            .ok()
            .filter(|c| *c != 0)
            .and_then(char::from_u32)
        {
            Some(c) => string(c),
            None => Err(PgError::new(
                "54000",
                "requested character not valid for encoding",
            )),
        }
    })?;
    r.strict("pg_starts_with", 2, |a| {
        Ok(Value::Integer(i64::from(a.text(0).starts_with(a.text(1)))))
    })?;
    r.strict("pg_quote_literal", 1, |a| {
        string(format!("'{}'", a.text(0).replace('\'', "''")))
    })?;
    r.strict("pg_quote_ident", 1, |a| {
        let name = a.text(0);
        let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
            && name
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        string(if plain {
            name.to_owned()
        } else {
            super::super::record::quote(name)
        })
    })?;
    r.any("pg_concat_ws", -1, |a| {
        if a.is_null(0) {
            return Ok(Value::Null);
        }
        let parts: Vec<&str> = (1..a.len())
            .filter(|i| !a.is_null(*i))
            .map(|i| a.text(i))
            .collect();
        string(parts.join(a.text(0)))
    })?;
    encodings(r)?;
    json(r)
}

fn encodings(r: &Registrar<'_>) -> rusqlite::Result<()> {
    r.strict("pg_encode", 2, |a| {
        let ValueRef::Blob(bytes) = a.raw(0) else {
            return Ok(Value::Null);
        };
        match a.text(1) {
            "hex" => string(bytes.iter().map(|b| format!("{b:02x}")).collect::<String>()),
            "base64" => string(base64::engine::general_purpose::STANDARD.encode(bytes)),
            other => Err(unknown_encoding(other)),
        }
    })?;
    r.strict("pg_decode", 2, |a| match a.text(1) {
        "hex" => text::parse(
            crate::sql::types::Ty::Bytea,
            &format!("\\x{}", a.text(0)),
            0,
        ),
        "base64" => base64::engine::general_purpose::STANDARD
            .decode(a.text(0).trim())
            .map(Value::Blob)
            .map_err(|error| PgError::new("22023", format!("invalid base64 data: {error}"))),
        other => Err(unknown_encoding(other)),
    })
}

fn unknown_encoding(name: &str) -> PgError {
    PgError::new("22023", format!("unrecognized encoding: \"{name}\""))
}

fn json(r: &Registrar<'_>) -> rusqlite::Result<()> {
    // The third argument: 1 for `->>`, which gives text; the fourth: 1 for jsonb.
    r.strict("pg_json_get", 4, |a| {
        let Ok(document) = serde_json::from_str::<serde_json::Value>(a.text(0)) else {
            return Ok(Value::Null);
        };
        let found = match a.raw(1) {
            ValueRef::Integer(index) => document.as_array().and_then(|items| {
                let at = if index < 0 {
                    items.len() as i64 + index
                } else {
                    index
                };
                usize::try_from(at).ok().and_then(|at| items.get(at))
            }),
            _ => document.get(a.text(1)),
        };
        match found {
            None => Ok(Value::Null),
            Some(serde_json::Value::Null) if a.int(2) != 0 => Ok(Value::Null),
            Some(serde_json::Value::String(text)) if a.int(2) != 0 => string(text.clone()),
            Some(other) if a.int(3) != 0 => {
                let mut out = String::new();
                text::write_jsonb(&mut out, other);
                string(out)
            }
            Some(other) => string(other.to_string()),
        }
    })
}

fn pad(text: &str, length: i64, fill: &str, right: bool) -> Result<Value, PgError> {
    let length = length.max(0) as usize;
    if length > STRING_BYTES_MAX {
        return Err(PgError::new("54000", "requested length too large"));
    }
    let count = text.chars().count();
    if count >= length || fill.is_empty() {
        return string(text.chars().take(length).collect::<String>());
    }
    let filling: String = fill.chars().cycle().take(length - count).collect();
    string(if right {
        format!("{text}{filling}")
    } else {
        format!("{filling}{text}")
    })
}

/// LIKE, in time proportional to the product of the lengths at worst.
fn like(value: &str, pattern: &str, escape: Option<char>) -> Result<bool, PgError> {
    enum Token {
        Any,
        One,
        Just(char),
    }
    let mut tokens = Vec::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        tokens.push(match c {
            c if Some(c) == escape => Token::Just(chars.next().ok_or_else(|| {
                PgError::new("22025", "LIKE pattern must not end with escape character")
            })?),
            '%' => Token::Any,
            '_' => Token::One,
            c => Token::Just(c),
        });
    }
    let value: Vec<char> = value.chars().collect();
    let (mut v, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while v < value.len() {
        match tokens.get(t) {
            Some(Token::Any) => {
                star = Some((t, v));
                t += 1;
            }
            Some(Token::One) => {
                v += 1;
                t += 1;
            }
            Some(Token::Just(c)) if *c == value[v] => {
                v += 1;
                t += 1;
            }
            _ => match star {
                Some((at, from)) => {
                    t = at + 1;
                    v = from + 1;
                    star = Some((at, v));
                }
                None => return Ok(false),
            },
        }
    }
    Ok(tokens[t..].iter().all(|token| matches!(token, Token::Any)))
}

#[cfg(test)]
mod tests {
    use super::like;

    #[test]
    fn like_matches_as_sql_says() {
        let cases = [
            ("abc", "a%", true),
            ("abc", "_b_", true),
            ("abc", "b", false),
            ("a%c", "a\\%c", true),
            ("abc", "a\\%c", false),
            ("", "%", true),
            ("aaaaaaaa", "%a%a%b", false),
        ];
        for (value, pattern, expected) in cases {
            assert_eq!(
                like(value, pattern, Some('\\')).unwrap(),
                expected,
                "{value} {pattern}"
            );
        }
        assert_eq!(like("a", "\\", Some('\\')).unwrap_err().code, "22025");
    }
}
