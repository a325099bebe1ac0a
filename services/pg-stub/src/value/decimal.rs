//! `numeric`, in the 28 digits of `rust_decimal`; PostgreSQL's reach further, and what does not
//! fit here is 22003.

use std::cmp::Ordering;
use std::str::FromStr;

use rust_decimal::{Decimal, RoundingStrategy};

use super::{Value, ValueRef, invalid_input, mismatch};
use crate::error::PgError;
use crate::sql::types::Ty;

/// Reads a decimal, with or without an exponent.
pub fn parse(text: &str) -> Result<Decimal, PgError> {
    let trimmed = text.trim();
    let parsed = if trimmed.contains(['e', 'E']) {
        Decimal::from_scientific(trimmed).ok()
    } else {
        let digits = trimmed.strip_prefix('+').unwrap_or(trimmed);
        // `rust_decimal` would accept separators.
        if digits.contains('_') {
            None
        } else {
            Decimal::from_str_exact(digits)
                .or_else(|_| Decimal::from_str(digits))
                .ok()
        }
    };
    parsed.ok_or_else(|| {
        let is_number = !trimmed.is_empty()
            && trimmed
                .bytes()
                .all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
        if is_number && trimmed.len() > 20 {
            overflow()
        } else {
            invalid_input(Ty::Numeric, text)
        }
    })
}

/// `22003`.
pub fn overflow() -> PgError {
    PgError::new("22003", "value overflows numeric format").hint("pg-stub holds 28 decimal digits")
}

/// The decimal of an engine value that is an integer, a real or a numeric.
pub fn from_value(value: ValueRef<'_>) -> Result<Option<Decimal>, PgError> {
    match value {
        ValueRef::Null => Ok(None),
        ValueRef::Integer(i) => Ok(Some(Decimal::from(i))),
        ValueRef::Real(f) => from_f64(f).map(Some),
        ValueRef::Text(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => parse(text).map(Some),
            Err(_) => Err(mismatch(Ty::Numeric, value)),
        },
        ValueRef::Blob(_) => Err(mismatch(Ty::Numeric, value)),
    }
}

/// A double's shortest decimal form.
pub fn from_f64(value: f64) -> Result<Decimal, PgError> {
    if !value.is_finite() {
        return Err(overflow());
    }
    Decimal::from_scientific(&format!("{value:e}")).map_err(|_| overflow())
}

/// The engine's form.
pub fn to_value(decimal: Decimal) -> Value {
    Value::Text(decimal.to_string())
}

/// Rounds to a `numeric(p,s)`, half away from zero.
pub fn apply_typmod(decimal: Decimal, typmod: i32) -> Result<Decimal, PgError> {
    if typmod < 4 {
        return Ok(decimal);
    }
    let packed = (typmod - 4) as u32;
    let (precision, scale) = (packed >> 16, packed & 0x7ff);
    let mut rounded = round(decimal, scale);
    rounded.rescale(scale);
    let whole = rounded.trunc().abs();
    let limit = 10i128.checked_pow(precision.saturating_sub(scale));
    if limit.is_some_and(|limit| whole.mantissa() / 10i128.pow(whole.scale()) >= limit) {
        return Err(
            PgError::new("22003", "numeric field overflow").detail(format!(
                "A field with precision {precision}, scale {scale} must round to an absolute value less than {}.",
                if precision == scale { "1".to_owned() } else { format!("10^{}", precision - scale) }
            )),
        );
    }
    Ok(rounded)
}

/// Rounds half away from zero, as `round(numeric, int)`.
pub fn round(decimal: Decimal, scale: u32) -> Decimal {
    decimal.round_dp_with_strategy(scale.min(28), RoundingStrategy::MidpointAwayFromZero)
}

/// Division with as many digits as PostgreSQL shows: at least 16 significant ones.
pub fn divide(left: Decimal, right: Decimal) -> Result<Decimal, PgError> {
    if right.is_zero() {
        return Err(PgError::new("22012", "division by zero"));
    }
    let quotient = left.checked_div(right).ok_or_else(overflow)?;
    // PostgreSQL counts in base-10000 digits: one such digit before the point leaves 16 after it.
    let whole_digits = quotient.trunc().abs().mantissa().to_string().len() as u32;
    let scale = 20u32
        .saturating_sub(whole_digits.div_ceil(4) * 4)
        .max(left.scale())
        .max(right.scale())
        .min(28);
    let scale = if quotient.trunc().is_zero() && !quotient.is_zero() {
        scale.max(20)
    } else {
        scale.max(if quotient.is_zero() { 20 } else { 0 })
    };
    let mut rounded = round(quotient, scale);
    rounded.rescale(scale);
    Ok(rounded)
}

/// The order of two numerics in their text form; what is no number sorts first.
pub fn collate(left: &str, right: &str) -> Ordering {
    match (parse(left), parse(right)) {
        (Ok(l), Ok(r)) => l.cmp(&r),
        (Err(_), Ok(_)) => Ordering::Less,
        (Ok(_), Err(_)) => Ordering::Greater,
        (Err(_), Err(_)) => left.cmp(right),
    }
}

/// The wire's binary form: base-10000 digits (`numeric_send`).
pub fn write_binary(decimal: Decimal, out: &mut Vec<u8>) {
    let scale = decimal.scale();
    let digits = decimal.mantissa().unsigned_abs().to_string();
    let (whole, fraction) = if digits.len() > scale as usize {
        digits.split_at(digits.len() - scale as usize)
    } else {
        ("", digits.as_str())
    };
    let fraction = format!("{fraction:0>width$}", width = scale as usize);
    let whole = format!("{whole:0>width$}", width = whole.len().div_ceil(4) * 4);
    let fraction = format!(
        "{fraction:0<width$}",
        width = fraction.len().div_ceil(4) * 4
    );
    let mut weight = (whole.len() / 4) as i16 - 1;
    let all = whole + &fraction;
    let mut groups: Vec<u16> = (0..all.len() / 4)
        .map(|i| all[i * 4..i * 4 + 4].parse().unwrap_or(0))
        .collect();
    while groups.first() == Some(&0) {
        groups.remove(0);
        weight -= 1;
    }
    while groups.last() == Some(&0) {
        groups.pop();
    }
    if groups.is_empty() {
        weight = 0;
    }
    let sign: u16 = if decimal.is_sign_negative() && !groups.is_empty() {
        0x4000
    } else {
        0
    };
    out.extend((groups.len() as u16).to_be_bytes());
    out.extend(weight.to_be_bytes());
    out.extend(sign.to_be_bytes());
    out.extend((scale as u16).to_be_bytes());
    for group in groups {
        out.extend(group.to_be_bytes());
    }
}

/// Reads the wire's binary form.
pub fn parse_binary(bytes: &[u8]) -> Result<Decimal, PgError> {
    let error = || PgError::new("22P03", "invalid binary representation of type numeric");
    let word = |i: usize| -> Option<u16> {
        let pair = bytes.get(i * 2..i * 2 + 2)?;
        Some(u16::from_be_bytes([pair[0], pair[1]]))
    };
    let (Some(count), Some(weight), Some(sign), Some(scale)) = (word(0), word(1), word(2), word(3))
    else {
        return Err(error());
    };
    if bytes.len() != 8 + usize::from(count) * 2 || !matches!(sign, 0 | 0x4000) {
        return Err(error());
    }
    if count > 16 || scale > 28 {
        return Err(overflow());
    }
    let mut total = Decimal::ZERO;
    for i in 0..usize::from(count) {
        let group = word(4 + i).ok_or_else(error)?;
        if group > 9999 {
            return Err(error());
        }
        let exponent = (i32::from(weight as i16) - i as i32) * 4;
        let term =
            Decimal::from_scientific(&format!("{group}e{exponent}")).map_err(|_| overflow())?;
        total = total.checked_add(term).ok_or_else(overflow)?;
    }
    total.rescale(u32::from(scale));
    if sign == 0x4000 {
        total.set_sign_negative(true);
    }
    Ok(total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_form_is_read_back() {
        for text in [
            "0",
            "1",
            "-1.5",
            "123456.7890",
            "0.0001",
            "10000",
            "-99999999.999",
        ] {
            let decimal = parse(text).unwrap();
            let mut out = Vec::new();
            write_binary(decimal, &mut out);
            assert_eq!(parse_binary(&out).unwrap().to_string(), text);
        }
    }

    #[test]
    fn quotients_have_postgresqls_digits() {
        let show = |l: &str, r: &str| {
            divide(parse(l).unwrap(), parse(r).unwrap())
                .unwrap()
                .to_string()
        };
        assert_eq!(show("1", "3"), "0.33333333333333333333");
        assert_eq!(show("10", "4"), "2.5000000000000000");
        assert_eq!(show("6", "3"), "2.0000000000000000");
    }

    #[test]
    fn a_typmod_rounds_and_refuses() {
        let typmod = 4 + ((5 << 16) | 2);
        assert_eq!(
            apply_typmod(parse("1.005").unwrap(), typmod)
                .unwrap()
                .to_string(),
            "1.01"
        );
        assert_eq!(
            apply_typmod(parse("1000").unwrap(), typmod)
                .unwrap_err()
                .code,
            "22003"
        );
    }
}
