//! The text format of each type, read and written.

use std::fmt::Write;
use std::net::IpAddr;

use super::{Value, ValueRef, decimal, fit, invalid_input, mismatch, out_of_range, time};
use crate::error::PgError;
use crate::sql::types::Ty;

/// Reads `text` as a value of `ty`. `now_us` is what the word `now` means in a time.
pub fn parse(ty: Ty, text: &str, now_us: i64) -> Result<Value, PgError> {
    let trimmed = text.trim();
    Ok(match ty {
        Ty::Bool => Value::Integer(i64::from(
            parse_bool(trimmed).ok_or_else(|| invalid_input(ty, text))?,
        )),
        Ty::Int2 | Ty::Int4 | Ty::Int8 | Ty::Oid => Value::Integer(parse_integer(ty, text)?),
        Ty::Float4 | Ty::Float8 => Value::Real(parse_float(ty, text)?),
        Ty::Numeric => decimal::to_value(decimal::parse(text)?),
        Ty::Bytea => Value::Blob(parse_bytea(text)?),
        Ty::Timestamp => Value::Integer(time::parse_timestamp(text, false, now_us)?),
        Ty::Timestamptz => Value::Integer(time::parse_timestamp(text, true, now_us)?),
        Ty::Date => Value::Integer(time::parse_date(text, now_us)?),
        Ty::Time => Value::Integer(time::parse_time(text)?),
        Ty::Interval => Value::Integer(time::parse_interval(text)?),
        Ty::Inet => Value::Text(parse_inet(trimmed).ok_or_else(|| invalid_input(ty, text))?),
        Ty::Uuid => Value::Text(parse_uuid(trimmed).ok_or_else(|| invalid_input(ty, text))?),
        Ty::Json | Ty::Jsonb => Value::Text(parse_json(ty, text)?),
        Ty::Text | Ty::Varchar | Ty::Bpchar | Ty::Name | Ty::Char | Ty::Void | Ty::Unknown => {
            Value::Text(text.to_owned())
        }
        Ty::BoolArray
        | Ty::Int2Array
        | Ty::Int4Array
        | Ty::Int8Array
        | Ty::Float8Array
        | Ty::TextArray
        | Ty::VarcharArray
        | Ty::UuidArray => Value::Text(parse_array(ty, text, now_us)?),
    })
}

fn parse_bool(text: &str) -> Option<bool> {
    let lower = text.to_ascii_lowercase();
    let starts = |word: &str, least: usize| lower.len() >= least && word.starts_with(&lower);
    if starts("true", 1) || starts("yes", 1) || lower == "on" || lower == "1" {
        Some(true)
    } else if starts("false", 1) || starts("no", 1) || starts("off", 2) || lower == "0" {
        Some(false)
    } else {
        None
    }
}

fn parse_integer(ty: Ty, text: &str) -> Result<i64, PgError> {
    let trimmed = text.trim();
    let range = || {
        PgError::new(
            "22003",
            format!(
                "value \"{text}\" is out of range for type {}",
                ty.sql_name()
            ),
        )
    };
    match trimmed.parse::<i64>() {
        Ok(value) => fit(ty, value).map_err(|_| range()),
        Err(error) => match error.kind() {
            std::num::IntErrorKind::PosOverflow | std::num::IntErrorKind::NegOverflow => {
                Err(range())
            }
            _ => Err(invalid_input(ty, text)),
        },
    }
}

fn parse_float(ty: Ty, text: &str) -> Result<f64, PgError> {
    let trimmed = text.trim();
    let range = || {
        PgError::new(
            "22003",
            format!("\"{text}\" is out of range for type {}", ty.sql_name()),
        )
    };
    let value: f64 = trimmed.parse().map_err(|_| invalid_input(ty, text))?;
    let named = trimmed
        .trim_start_matches(['-', '+'])
        .starts_with(|c: char| c.is_ascii_alphabetic());
    if value.is_infinite() && !named {
        return Err(range());
    }
    if ty == Ty::Float4 {
        let narrow = value as f32;
        if narrow.is_infinite() && value.is_finite() {
            return Err(range());
        }
        return Ok(f64::from(narrow));
    }
    Ok(value)
}

fn parse_bytea(text: &str) -> Result<Vec<u8>, PgError> {
    let Some(hex) = text.strip_prefix("\\x") else {
        return parse_bytea_escape(text);
    };
    let error =
        |what: char| PgError::new("22023", format!("invalid hexadecimal digit: \"{what}\""));
    let mut nibbles = Vec::with_capacity(hex.len());
    for c in hex.chars().filter(|c| !c.is_whitespace()) {
        nibbles.push(c.to_digit(16).ok_or_else(|| error(c))? as u8);
    }
    if nibbles.len() % 2 != 0 {
        return Err(PgError::new(
            "22023",
            "invalid hexadecimal data: odd number of digits",
        ));
    }
    Ok(nibbles
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect())
}

fn parse_bytea_escape(text: &str) -> Result<Vec<u8>, PgError> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        match bytes.next() {
            Some(b'\\') => out.push(b'\\'),
            Some(first @ b'0'..=b'3') => {
                let mut value = first - b'0';
                for _ in 0..2 {
                    match bytes.next() {
                        Some(digit @ b'0'..=b'7') => value = value << 3 | (digit - b'0'),
                        _ => return Err(invalid_input(Ty::Bytea, text)),
                    }
                }
                out.push(value);
            }
            _ => return Err(invalid_input(Ty::Bytea, text)),
        }
    }
    Ok(out)
}

fn parse_inet(text: &str) -> Option<String> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let ip: IpAddr = address.parse().ok()?;
    let full = if ip.is_ipv4() { 32 } else { 128 };
    match bits {
        Some(bits) if bits > full => None,
        Some(bits) if bits < full => Some(format!("{ip}/{bits}")),
        _ => Some(ip.to_string()),
    }
}

fn parse_uuid(text: &str) -> Option<String> {
    let inner = text
        .strip_prefix('{')
        .and_then(|t| t.strip_suffix('}'))
        .unwrap_or(text);
    let digits: String = inner.chars().filter(|c| *c != '-').collect();
    if digits.len() != 32 || !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let d = digits.to_ascii_lowercase();
    Some(format!(
        "{}-{}-{}-{}-{}",
        &d[..8],
        &d[8..12],
        &d[12..16],
        &d[16..20],
        &d[20..]
    ))
}

fn parse_json(ty: Ty, text: &str) -> Result<String, PgError> {
    let parsed: serde_json::Value = serde_json::from_str(text).map_err(|error| {
        PgError::new(
            "22P02",
            format!("invalid input syntax for type {}", ty.sql_name()),
        )
        .detail(error.to_string())
    })?;
    Ok(if ty == Ty::Jsonb {
        let mut out = String::new();
        write_jsonb(&mut out, &parsed);
        out
    } else {
        text.to_owned()
    })
}

/// `jsonb_out`: a space after each colon and comma, keys by length and then by bytes.
pub fn write_jsonb(out: &mut String, value: &serde_json::Value) {
    match value {
        serde_json::Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write_jsonb(out, item);
            }
            out.push(']');
        }
        serde_json::Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|a, b| (a.0.len(), a.0).cmp(&(b.0.len(), b.0)));
            out.push('{');
            for (i, (key, item)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                let _ = write!(out, "{}: ", serde_json::Value::String(key.clone()));
                write_jsonb(out, item);
            }
            out.push('}');
        }
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

/// Reads `{1,2,NULL}` of one dimension into the JSON that the engine holds.
fn parse_array(ty: Ty, text: &str, now_us: i64) -> Result<String, PgError> {
    let element = ty.element().unwrap_or(Ty::Text);
    let malformed = || PgError::new("22P02", format!("malformed array literal: \"{text}\""));
    let inner = text
        .trim()
        .strip_prefix('{')
        .and_then(|t| t.strip_suffix('}'))
        .ok_or_else(malformed)?;
    let mut items = Vec::new();
    let mut chars = inner.chars().peekable();
    while chars.peek().is_some() {
        let mut item = String::new();
        let mut quoted = false;
        while let Some(c) = chars.peek().copied() {
            match c {
                ',' => break,
                '{' | '}' => return Err(PgError::unsupported("an array of arrays")),
                '"' => {
                    quoted = true;
                    chars.next();
                    loop {
                        match chars.next().ok_or_else(malformed)? {
                            '"' => break,
                            '\\' => item.push(chars.next().ok_or_else(malformed)?),
                            other => item.push(other),
                        }
                    }
                }
                other => {
                    chars.next();
                    item.push(other);
                }
            }
        }
        let more = chars.next().is_some();
        items.push(if !quoted && item.trim().eq_ignore_ascii_case("null") {
            serde_json::Value::Null
        } else {
            let item = if quoted { item } else { item.trim().to_owned() };
            element_to_json(&parse(element, &item, now_us)?)
        });
        if more && chars.peek().is_none() {
            return Err(malformed());
        }
    }
    Ok(serde_json::Value::Array(items).to_string())
}

/// An element as the JSON of an array holds it.
pub fn element_to_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Integer(i) => (*i).into(),
        Value::Real(f) => (*f).into(),
        Value::Text(text) => text.clone().into(),
        Value::Blob(_) => serde_json::Value::Null,
    }
}

/// The reverse of [`element_to_json`].
pub fn element_from_json(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::Number(n) => match n.as_i64() {
            Some(i) => Value::Integer(i),
            None => Value::Real(n.as_f64().unwrap_or(0.0)),
        },
        serde_json::Value::String(text) => Value::Text(text.clone()),
        serde_json::Value::Bool(b) => Value::Integer(i64::from(*b)),
        _ => Value::Null,
    }
}

/// Writes an engine value, not NULL, as `ty`'s text.
pub fn write(ty: Ty, value: ValueRef<'_>, out: &mut String) -> Result<(), PgError> {
    match (ty, value) {
        (Ty::Bool, ValueRef::Integer(i)) => out.push(if i != 0 { 't' } else { 'f' }),
        (Ty::Int2 | Ty::Int4 | Ty::Int8 | Ty::Oid, ValueRef::Integer(i)) => {
            let _ = write!(out, "{}", fit(ty, i)?);
        }
        // SQLite's own arithmetic turns into reals when it overflows.
        (Ty::Int2 | Ty::Int4 | Ty::Int8, ValueRef::Real(_)) => return Err(out_of_range(ty)),
        (Ty::Float4, ValueRef::Real(f)) => write_float(out, &format!("{:e}", f as f32), 6),
        (Ty::Float8, ValueRef::Real(f)) => write_float(out, &format!("{f:e}"), 15),
        (Ty::Float4 | Ty::Float8, ValueRef::Integer(i)) => {
            write_float(out, &format!("{:e}", i as f64), 15);
        }
        (Ty::Timestamp, ValueRef::Integer(us)) => time::write_timestamp(out, us),
        (Ty::Timestamptz, ValueRef::Integer(us)) => {
            time::write_timestamp(out, us);
            out.push_str("+00");
        }
        (Ty::Date, ValueRef::Integer(days)) => time::write_date(out, days),
        (Ty::Time, ValueRef::Integer(us)) => time::write_time(out, us),
        (Ty::Interval, ValueRef::Integer(us)) => time::write_interval(out, us),
        (Ty::Bytea, ValueRef::Blob(bytes)) => {
            out.push_str("\\x");
            for byte in bytes {
                let _ = write!(out, "{byte:02x}");
            }
        }
        (Ty::Numeric, ValueRef::Integer(i)) => {
            let _ = write!(out, "{i}");
        }
        (_, ValueRef::Text(bytes)) if ty.element().is_some() => write_array(ty, bytes, out)?,
        (_, ValueRef::Text(bytes)) => {
            out.push_str(std::str::from_utf8(bytes).map_err(|_| mismatch(ty, value))?)
        }
        _ => return Err(mismatch(ty, value)),
    }
    Ok(())
}

fn write_array(ty: Ty, bytes: &[u8], out: &mut String) -> Result<(), PgError> {
    let element = ty.element().unwrap_or(Ty::Text);
    let parsed: Vec<serde_json::Value> =
        serde_json::from_slice(bytes).map_err(|_| mismatch(ty, ValueRef::Text(bytes)))?;
    out.push('{');
    for (i, item) in parsed.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        match element_from_json(item) {
            Value::Null => out.push_str("NULL"),
            value => {
                let mut text = String::new();
                write(element, (&value).into(), &mut text)?;
                let plain = !text.is_empty()
                    && !text.eq_ignore_ascii_case("null")
                    && !text.contains(['{', '}', ',', '"', '\\', ' ']);
                if plain {
                    out.push_str(&text);
                } else {
                    let _ = write!(
                        out,
                        "\"{}\"",
                        text.replace('\\', "\\\\").replace('"', "\\\"")
                    );
                }
            }
        }
    }
    out.push('}');
    Ok(())
}

/// PostgreSQL's shortest form from Rust's (`1.5e3`): plain up to `plain_max` digits before the point.
fn write_float(out: &mut String, scientific: &str, plain_max: i32) {
    let (mantissa, exponent) = match scientific.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().unwrap_or(0)),
        None => {
            // `inf`, `-inf`, `NaN`.
            out.push_str(match scientific {
                "inf" => "Infinity",
                "-inf" => "-Infinity",
                other => other,
            });
            return;
        }
    };
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    out.push_str(sign);
    if exponent < -4 || exponent >= plain_max {
        out.push_str(&digits[..1]);
        if digits.len() > 1 {
            out.push('.');
            out.push_str(&digits[1..]);
        }
        let mark = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "e{mark}{:02}", exponent.abs());
    } else if exponent < 0 {
        out.push_str("0.");
        out.extend(std::iter::repeat_n('0', (-exponent - 1) as usize));
        out.push_str(&digits);
    } else {
        let whole = exponent as usize + 1;
        if digits.len() <= whole {
            out.push_str(&digits);
            out.extend(std::iter::repeat_n('0', whole - digits.len()));
        } else {
            out.push_str(&digits[..whole]);
            out.push('.');
            out.push_str(&digits[whole..]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn round_trip(ty: Ty, text: &str) -> String {
        let value = parse(ty, text, 0).unwrap();
        let mut out = String::new();
        write(ty, (&value).into(), &mut out).unwrap();
        out
    }

    #[test]
    fn floats_are_written_as_postgresql_writes_them() {
        let cases = [
            ("1e15", "1e+15"),
            ("123456789012345", "123456789012345"),
            ("0.0001", "0.0001"),
            ("0.00001", "1e-05"),
            ("-2.50", "-2.5"),
            ("0", "0"),
            ("Infinity", "Infinity"),
            ("1.5e300", "1.5e+300"),
        ];
        for (text, shown) in cases {
            assert_eq!(round_trip(Ty::Float8, text), shown);
        }
        assert_eq!(round_trip(Ty::Float4, "1234567"), "1.234567e+06");
    }

    #[test]
    fn other_types_come_back_in_canonical_form() {
        let cases = [
            (Ty::Bool, "yes", "t"),
            (
                Ty::Uuid,
                "A0EEBC999C0B4EF8BB6D6BB9BD380A11",
                "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
            ),
            (Ty::Inet, "10.0.0.1/32", "10.0.0.1"),
            (Ty::Inet, "10.0.0.1/8", "10.0.0.1/8"),
            (Ty::Bytea, "\\xDEad", "\\xdead"),
            (Ty::Int4Array, "{1, 2,NULL}", "{1,2,NULL}"),
            (Ty::TextArray, "{a,\"b c\",\"\"}", "{a,\"b c\",\"\"}"),
            (
                Ty::Jsonb,
                "{\"bb\":1,\"a\":[1,2]}",
                "{\"a\": [1, 2], \"bb\": 1}",
            ),
            (
                Ty::Timestamptz,
                "2025-09-10 01:33:07+00",
                "2025-09-10 01:33:07+00",
            ),
        ];
        for (ty, text, shown) in cases {
            assert_eq!(round_trip(ty, text), shown);
        }
    }

    #[test]
    fn bad_input_has_its_sqlstate() {
        let code = |ty, text| parse(ty, text, 0).unwrap_err().code;
        assert_eq!(code(Ty::Int4, "abc"), "22P02");
        assert_eq!(code(Ty::Int4, "3000000000"), "22003");
        assert_eq!(code(Ty::Uuid, "zz"), "22P02");
        assert_eq!(code(Ty::Date, "zz"), "22007");
        assert_eq!(code(Ty::Json, "{"), "22P02");
        assert_eq!(code(Ty::Bool, "o"), "22P02");
    }
}
