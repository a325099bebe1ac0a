//! The binary format of each type, read and written (`*_send` and `*_recv` of PostgreSQL).

use std::net::IpAddr;

use super::{Value, ValueRef, decimal, fit, mismatch, out_of_range, text, time};
use crate::error::PgError;
use crate::sql::types::Ty;

/// Elements in an array that a client sends.
const ARRAY_ELEMENTS_MAX: usize = 100_000;

fn wrong(ty: Ty) -> PgError {
    PgError::new(
        "22P03",
        format!("incorrect binary data format for type {}", ty.sql_name()),
    )
}

fn fixed<const N: usize>(ty: Ty, bytes: &[u8]) -> Result<[u8; N], PgError> {
    bytes.try_into().map_err(|_| wrong(ty))
}

/// Reads a parameter.
pub fn parse(ty: Ty, bytes: &[u8]) -> Result<Value, PgError> {
    Ok(match ty {
        Ty::Bool => Value::Integer(i64::from(fixed::<1>(ty, bytes)?[0] != 0)),
        Ty::Int2 => Value::Integer(i16::from_be_bytes(fixed(ty, bytes)?).into()),
        Ty::Int4 => Value::Integer(i32::from_be_bytes(fixed(ty, bytes)?).into()),
        Ty::Int8 => Value::Integer(i64::from_be_bytes(fixed(ty, bytes)?)),
        Ty::Oid => Value::Integer(u32::from_be_bytes(fixed(ty, bytes)?).into()),
        Ty::Float4 => Value::Real(f32::from_be_bytes(fixed(ty, bytes)?).into()),
        Ty::Float8 => Value::Real(f64::from_be_bytes(fixed(ty, bytes)?)),
        Ty::Numeric => decimal::to_value(decimal::parse_binary(bytes)?),
        Ty::Timestamp | Ty::Timestamptz => {
            let us = i64::from_be_bytes(fixed(ty, bytes)?);
            Value::Integer(
                us.checked_add(time::WIRE_EPOCH_DAYS * time::DAY_US)
                    .ok_or_else(|| out_of_range(ty))?,
            )
        }
        Ty::Date => {
            let days = i32::from_be_bytes(fixed(ty, bytes)?);
            Value::Integer(i64::from(days) + time::WIRE_EPOCH_DAYS)
        }
        Ty::Time => Value::Integer(i64::from_be_bytes(fixed(ty, bytes)?)),
        Ty::Interval => parse_interval(ty, bytes)?,
        Ty::Bytea => Value::Blob(bytes.to_vec()),
        Ty::Uuid => {
            let raw: [u8; 16] = fixed(ty, bytes)?;
            let hex: String = raw.iter().map(|b| format!("{b:02x}")).collect();
            text::parse(ty, &hex, 0)?
        }
        Ty::Inet => parse_inet(ty, bytes)?,
        Ty::Jsonb => match bytes.split_first() {
            Some((1, json)) => text::parse(ty, utf8(json)?, 0)?,
            _ => return Err(wrong(ty)),
        },
        Ty::Json => text::parse(ty, utf8(bytes)?, 0)?,
        Ty::Text | Ty::Varchar | Ty::Bpchar | Ty::Name | Ty::Char | Ty::Void | Ty::Unknown => {
            Value::Text(utf8(bytes)?.to_owned())
        }
        Ty::BoolArray
        | Ty::Int2Array
        | Ty::Int4Array
        | Ty::Int8Array
        | Ty::Float8Array
        | Ty::TextArray
        | Ty::VarcharArray
        | Ty::UuidArray => parse_array(ty, bytes)?,
    })
}

/// Text from the wire: UTF-8 and without NUL, as every string in a PostgreSQL database.
pub fn utf8(bytes: &[u8]) -> Result<&str, PgError> {
    let invalid = |at: usize| {
        let shown: Vec<String> = bytes[at..]
            .iter()
            .take(3)
            .map(|b| format!("0x{b:02x}"))
            .collect();
        PgError::new(
            "22021",
            format!(
                "invalid byte sequence for encoding \"UTF8\": {}",
                shown.join(" ")
            ),
        )
    };
    if bytes.contains(&0) {
        return Err(PgError::new(
            "22021",
            "invalid byte sequence for encoding \"UTF8\": 0x00",
        ));
    }
    std::str::from_utf8(bytes).map_err(|error| invalid(error.valid_up_to()))
}

fn parse_interval(ty: Ty, bytes: &[u8]) -> Result<Value, PgError> {
    let raw: [u8; 16] = fixed(ty, bytes)?;
    let us = i64::from_be_bytes(fixed(ty, &raw[..8])?);
    let days = i32::from_be_bytes(fixed(ty, &raw[8..12])?);
    let months = i32::from_be_bytes(fixed(ty, &raw[12..])?);
    if months != 0 {
        return Err(PgError::unsupported("an interval in months"));
    }
    i64::from(days)
        .checked_mul(time::DAY_US)
        .and_then(|d| d.checked_add(us))
        .map(Value::Integer)
        .ok_or_else(|| out_of_range(ty))
}

fn parse_inet(ty: Ty, bytes: &[u8]) -> Result<Value, PgError> {
    let [family, bits, _cidr, length, address @ ..] = bytes else {
        return Err(wrong(ty));
    };
    let (ip, full): (IpAddr, u8) = match (family, length) {
        (2, 4) => (IpAddr::from(fixed::<4>(ty, address)?), 32),
        (3, 16) => (IpAddr::from(fixed::<16>(ty, address)?), 128),
        _ => return Err(wrong(ty)),
    };
    Ok(Value::Text(match bits {
        bits if *bits > full => return Err(wrong(ty)),
        bits if *bits == full => ip.to_string(),
        bits => format!("{ip}/{bits}"),
    }))
}

fn parse_array(ty: Ty, bytes: &[u8]) -> Result<Value, PgError> {
    let element = ty.element().unwrap_or(Ty::Text);
    let word = |at: usize| -> Result<i32, PgError> {
        let four = bytes.get(at..at + 4).ok_or_else(|| wrong(ty))?;
        Ok(i32::from_be_bytes(fixed(ty, four)?))
    };
    match word(0)? {
        0 => return Ok(Value::Text("[]".to_owned())),
        1 => {}
        _ => return Err(PgError::unsupported("an array of more than one dimension")),
    }
    if word(8)? as u32 != element.oid() && !element.is_string() {
        return Err(wrong(ty));
    }
    let count = usize::try_from(word(12)?).map_err(|_| wrong(ty))?;
    if count > ARRAY_ELEMENTS_MAX {
        return Err(
            PgError::new("54000", "array size exceeds the maximum allowed")
                .detail(format!("pg-stub takes {ARRAY_ELEMENTS_MAX} elements.")),
        );
    }
    let mut at = 20;
    let mut items = Vec::new();
    for _ in 0..count {
        let length = word(at)?;
        at += 4;
        items.push(match usize::try_from(length) {
            Err(_) => serde_json::Value::Null,
            Ok(length) => {
                let data = bytes.get(at..at + length).ok_or_else(|| wrong(ty))?;
                at += length;
                text::element_to_json(&parse(element, data)?)
            }
        });
    }
    Ok(Value::Text(serde_json::Value::Array(items).to_string()))
}

/// Writes an engine value, not NULL.
pub fn write(ty: Ty, value: ValueRef<'_>, out: &mut Vec<u8>) -> Result<(), PgError> {
    match (ty, value) {
        (Ty::Bool, ValueRef::Integer(i)) => out.push(u8::from(i != 0)),
        (Ty::Int2, ValueRef::Integer(i)) => out.extend((fit(ty, i)? as i16).to_be_bytes()),
        (Ty::Int4, ValueRef::Integer(i)) => out.extend((fit(ty, i)? as i32).to_be_bytes()),
        (Ty::Int8, ValueRef::Integer(i)) => out.extend(i.to_be_bytes()),
        (Ty::Oid, ValueRef::Integer(i)) => out.extend((fit(ty, i)? as u32).to_be_bytes()),
        (Ty::Int2 | Ty::Int4 | Ty::Int8, ValueRef::Real(_)) => return Err(out_of_range(ty)),
        (Ty::Float4, ValueRef::Real(f)) => out.extend((f as f32).to_be_bytes()),
        (Ty::Float8, ValueRef::Real(f)) => out.extend(f.to_be_bytes()),
        (Ty::Float4, ValueRef::Integer(i)) => out.extend((i as f32).to_be_bytes()),
        (Ty::Float8, ValueRef::Integer(i)) => out.extend((i as f64).to_be_bytes()),
        (Ty::Numeric, _) => match decimal::from_value(value)? {
            Some(decimal) => decimal::write_binary(decimal, out),
            None => return Err(mismatch(ty, value)),
        },
        (Ty::Timestamp | Ty::Timestamptz, ValueRef::Integer(us)) => {
            out.extend(
                us.saturating_sub(time::WIRE_EPOCH_DAYS * time::DAY_US)
                    .to_be_bytes(),
            );
        }
        (Ty::Date, ValueRef::Integer(days)) => {
            out.extend(((days - time::WIRE_EPOCH_DAYS) as i32).to_be_bytes());
        }
        (Ty::Time, ValueRef::Integer(us)) => out.extend(us.to_be_bytes()),
        (Ty::Interval, ValueRef::Integer(us)) => {
            out.extend((us % time::DAY_US).to_be_bytes());
            out.extend(((us / time::DAY_US) as i32).to_be_bytes());
            out.extend(0i32.to_be_bytes());
        }
        (Ty::Bytea, ValueRef::Blob(bytes)) => out.extend(bytes),
        (Ty::Uuid, ValueRef::Text(bytes)) => {
            let digits: Vec<u8> = bytes
                .iter()
                .filter_map(|b| char::from(*b).to_digit(16))
                .map(|d| d as u8)
                .collect();
            out.extend(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]));
        }
        (Ty::Inet, ValueRef::Text(bytes)) => write_inet(ty, bytes, out)?,
        (Ty::Jsonb, ValueRef::Text(bytes)) => {
            out.push(1);
            out.extend(bytes);
        }
        (_, ValueRef::Text(bytes)) if ty.element().is_some() => write_array(ty, bytes, out)?,
        (_, ValueRef::Text(bytes)) => out.extend(bytes),
        _ => return Err(mismatch(ty, value)),
    }
    Ok(())
}

fn write_inet(ty: Ty, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), PgError> {
    let error = || mismatch(ty, ValueRef::Text(bytes));
    let shown = std::str::from_utf8(bytes).map_err(|_| error())?;
    let (address, bits) = shown.split_once('/').unwrap_or((shown, ""));
    let ip: IpAddr = address.parse().map_err(|_| error())?;
    let (family, octets) = match ip {
        IpAddr::V4(v4) => (2u8, v4.octets().to_vec()),
        IpAddr::V6(v6) => (3u8, v6.octets().to_vec()),
    };
    let bits: u8 = bits.parse().unwrap_or(octets.len() as u8 * 8);
    out.extend([family, bits, 0, octets.len() as u8]);
    out.extend(octets);
    Ok(())
}

fn write_array(ty: Ty, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), PgError> {
    let element = ty.element().unwrap_or(Ty::Text);
    let items: Vec<serde_json::Value> =
        serde_json::from_slice(bytes).map_err(|_| mismatch(ty, ValueRef::Text(bytes)))?;
    let word = |out: &mut Vec<u8>, value: i32| out.extend(value.to_be_bytes());
    word(out, i32::from(!items.is_empty()));
    word(out, i32::from(items.iter().any(serde_json::Value::is_null)));
    word(out, element.oid() as i32);
    if !items.is_empty() {
        word(out, items.len() as i32);
        word(out, 1);
    }
    for item in &items {
        match text::element_from_json(item) {
            Value::Null => word(out, -1),
            value => {
                let mut data = Vec::new();
                write(element, (&value).into(), &mut data)?;
                word(out, data.len() as i32);
                out.extend(data);
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_from_their_binary_form() {
        let cases = [
            (Ty::Bool, "t"),
            (Ty::Int2, "-7"),
            (Ty::Int8, "9007199254740993"),
            (Ty::Float8, "1.5"),
            (Ty::Numeric, "12.340"),
            (Ty::Timestamptz, "2025-09-10 01:33:07.822576+00"),
            (Ty::Date, "1999-12-31"),
            (Ty::Inet, "172.19.0.3"),
            (Ty::Inet, "fe80::1/64"),
            (Ty::Uuid, "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"),
            (Ty::Jsonb, "{\"a\": 1}"),
            (Ty::Bytea, "\\x00ff"),
            (Ty::Int4Array, "{1,NULL,3}"),
            (Ty::TextArray, "{a,b}"),
        ];
        for (ty, shown) in cases {
            let value = text::parse(ty, shown, 0).unwrap();
            let mut wire = Vec::new();
            write(ty, (&value).into(), &mut wire).unwrap();
            let again = parse(ty, &wire).unwrap();
            let mut out = String::new();
            text::write(ty, (&again).into(), &mut out).unwrap();
            assert_eq!(out, shown, "{ty:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..64)) {
            for ty in Ty::all() {
                if let Ok(value) = parse(ty, &bytes) {
                    let mut out = String::new();
                    let _ = text::write(ty, (&value).into(), &mut out);
                    let mut wire = Vec::new();
                    let _ = write(ty, (&value).into(), &mut wire);
                }
            }
            if let Ok(shown) = std::str::from_utf8(&bytes) {
                for ty in Ty::all() {
                    let _ = text::parse(ty, shown, 0);
                }
            }
        }
    }
}
