//! Conversions between types: which exist, when they happen unasked, and what they do
//! (manual, chapter 10, and `pg_cast`).

use super::{Value, ValueRef, decimal, fit, invalid_input, out_of_range, owned, text, time};
use crate::error::PgError;
use crate::sql::types::Ty;

/// How a conversion was asked for; each also has what the ones above it have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// An operator or function wants it.
    Implicit,
    /// A value goes into a column.
    Assignment,
    /// `CAST` or `::`.
    Explicit,
}

/// Whether a value of `from` may become one of `to`.
pub fn allowed(from: Ty, to: Ty, how: How) -> bool {
    if from == to || from == Ty::Unknown {
        return true;
    }
    let least = match (from, to) {
        (f, t) if f.is_string() && t.is_string() => How::Implicit,
        (f, t) if f.is_number() && t.is_number() => {
            if f.common(t) == Some(t) || (f != Ty::Float8 && t == Ty::Float4) {
                How::Implicit
            } else {
                How::Assignment
            }
        }
        (f, Ty::Oid) if f.is_integer() => How::Implicit,
        (Ty::Oid, Ty::Int4 | Ty::Int8) => How::Assignment,
        (Ty::Date, Ty::Timestamp | Ty::Timestamptz) | (Ty::Timestamp, Ty::Timestamptz) => {
            How::Implicit
        }
        (f, t) if f.is_datetime() && (t.is_datetime() || t == Ty::Time) => How::Assignment,
        (Ty::Json, Ty::Jsonb) | (Ty::Jsonb, Ty::Json) => How::Assignment,
        (Ty::Bool, Ty::Int4) | (Ty::Int4, Ty::Bool) => How::Explicit,
        (Ty::Time, Ty::Interval) => How::Implicit,
        (Ty::Interval, Ty::Time) => How::Assignment,
        // Everything has a text form, and text is read by every type's input function.
        (_, t) if t.is_string() => How::Assignment,
        (f, _) if f.is_string() => How::Explicit,
        (f, t) if f.element().is_some() && t.element().is_some() => How::Explicit,
        _ => return false,
    };
    how >= least
}

/// Converts a value and applies the type modifier of the target.
pub fn cast(
    value: ValueRef<'_>,
    from: Ty,
    to: Ty,
    typmod: i32,
    how: How,
    now_us: i64,
) -> Result<Value, PgError> {
    if value == ValueRef::Null {
        return Ok(Value::Null);
    }
    let converted = if from == to {
        owned(value)
    } else {
        convert(value, from, to, now_us)?
    };
    modify(converted, to, typmod, how)
}

fn convert(value: ValueRef<'_>, from: Ty, to: Ty, now_us: i64) -> Result<Value, PgError> {
    Ok(match (from, to, value) {
        (f, t, _) if f.is_string() && t.is_string() => owned(value),
        (f, t, ValueRef::Text(bytes)) if f.is_string() || f == Ty::Unknown => {
            let shown = std::str::from_utf8(bytes).map_err(|_| invalid_input(t, "\u{fffd}"))?;
            text::parse(t, shown, now_us)?
        }
        (Ty::Bool, t, ValueRef::Integer(i)) if t.is_string() => {
            Value::Text(if i != 0 { "true" } else { "false" }.to_owned())
        }
        (f, t, _) if t.is_string() => {
            let mut shown = String::new();
            text::write(f, value, &mut shown)?;
            Value::Text(shown)
        }
        (_, Ty::Bool, ValueRef::Integer(i)) => Value::Integer(i64::from(i != 0)),
        (_, Ty::Int2 | Ty::Int4 | Ty::Int8 | Ty::Oid, _) => Value::Integer(to_integer(value, to)?),
        (_, Ty::Float8, _) => Value::Real(to_float(value)?),
        (_, Ty::Float4, _) => {
            let wide = to_float(value)?;
            let narrow = wide as f32;
            if narrow.is_infinite() && wide.is_finite() {
                return Err(out_of_range(Ty::Float4));
            }
            Value::Real(narrow.into())
        }
        (_, Ty::Numeric, _) => match decimal::from_value(value)? {
            Some(decimal) => decimal::to_value(decimal),
            None => Value::Null,
        },
        (Ty::Date, Ty::Timestamp | Ty::Timestamptz, ValueRef::Integer(days)) => {
            Value::Integer(days.saturating_mul(time::DAY_US))
        }
        (_, Ty::Date, ValueRef::Integer(us)) => Value::Integer(us.div_euclid(time::DAY_US)),
        (_, Ty::Time, ValueRef::Integer(us)) => Value::Integer(us.rem_euclid(time::DAY_US)),
        (_, Ty::Timestamp | Ty::Timestamptz | Ty::Interval, ValueRef::Integer(us)) => {
            Value::Integer(us)
        }
        (_, Ty::Jsonb, ValueRef::Text(bytes)) => {
            text::parse(Ty::Jsonb, &String::from_utf8_lossy(bytes), now_us)?
        }
        (_, Ty::Json, _) => owned(value),
        (f, t, ValueRef::Text(_)) if f.element().is_some() && t.element().is_some() => {
            let mut shown = String::new();
            text::write(f, value, &mut shown)?;
            text::parse(t, &shown, now_us)?
        }
        _ => {
            return Err(PgError::new(
                "42846",
                format!("cannot cast type {} to {}", from.sql_name(), to.sql_name()),
            ));
        }
    })
}

fn to_integer(value: ValueRef<'_>, to: Ty) -> Result<i64, PgError> {
    match value {
        ValueRef::Integer(i) => fit(to, i),
        ValueRef::Real(f) => {
            // Half to even, as rint() does.
            let rounded = f.round_ties_even();
            if rounded.is_finite()
                && (-9.223_372_036_854_776e18..9.223_372_036_854_776e18).contains(&rounded)
            {
                fit(to, rounded as i64)
            } else {
                Err(out_of_range(to))
            }
        }
        _ => {
            let decimal = decimal::from_value(value)?.unwrap_or_default();
            let rounded = decimal::round(decimal, 0);
            i64::try_from(rounded)
                .map_err(|_| out_of_range(to))
                .and_then(|i| fit(to, i))
        }
    }
}

fn to_float(value: ValueRef<'_>) -> Result<f64, PgError> {
    match value {
        ValueRef::Integer(i) => Ok(i as f64),
        ValueRef::Real(f) => Ok(f),
        _ => {
            let decimal = decimal::from_value(value)?.unwrap_or_default();
            decimal
                .to_string()
                .parse()
                .map_err(|_| out_of_range(Ty::Float8))
        }
    }
}

/// Applies `varchar(n)`, `char(n)` and `numeric(p,s)`.
fn modify(value: Value, ty: Ty, typmod: i32, how: How) -> Result<Value, PgError> {
    match (ty, value) {
        (Ty::Varchar | Ty::Bpchar, Value::Text(shown)) if typmod >= 4 => {
            let limit = (typmod - 4) as usize;
            let length = shown.chars().count();
            if length <= limit {
                return Ok(Value::Text(if ty == Ty::Bpchar {
                    let missing = limit - length;
                    shown + &" ".repeat(missing.min(1 << 20))
                } else {
                    shown
                }));
            }
            let cut: String = shown.chars().take(limit).collect();
            let only_spaces = shown.chars().skip(limit).all(|c| c == ' ');
            if how == How::Explicit || only_spaces {
                Ok(Value::Text(cut))
            } else {
                Err(PgError::new(
                    "22001",
                    format!("value too long for type {}({limit})", ty.sql_name()),
                ))
            }
        }
        (Ty::Numeric, value) if typmod >= 4 => match decimal::from_value((&value).into())? {
            Some(decimal) => Ok(decimal::to_value(decimal::apply_typmod(decimal, typmod)?)),
            None => Ok(Value::Null),
        },
        (_, value) => Ok(value),
    }
}
