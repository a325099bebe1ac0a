//! Arithmetic with PostgreSQL's errors, and `numeric`.

use rusqlite::types::Value;
use rust_decimal::Decimal;

use super::Registrar;
use crate::error::PgError;
use crate::sql::types::Ty;
use crate::value::{decimal, out_of_range};

fn by_zero() -> PgError {
    PgError::new("22012", "division by zero")
}

fn float(value: f64) -> Result<Value, PgError> {
    if value.is_infinite() {
        return Err(PgError::new("22003", "value out of range: overflow"));
    }
    Ok(Value::Real(value))
}

/// A name and what it does.
type Named<F> = (&'static str, F);
type Integer2 = fn(i64, i64) -> Option<i64>;
type Numeric1 = fn(Decimal) -> Decimal;
type Float1 = fn(f64) -> f64;
type Numeric2 = fn(Decimal, Decimal) -> Result<Decimal, PgError>;

pub(super) fn register(r: &Registrar<'_>) -> rusqlite::Result<()> {
    let integers: [Named<Integer2>; 3] = [
        ("pg_iadd", i64::checked_add),
        ("pg_isub", i64::checked_sub),
        ("pg_imul", i64::checked_mul),
    ];
    for (name, operation) in integers {
        // The third argument is the OID of the result's type.
        r.strict(name, 3, move |a| {
            let ty = Ty::from_oid(a.int(2) as u32).unwrap_or(Ty::Int8);
            let value = operation(a.int(0), a.int(1)).ok_or_else(|| out_of_range(ty))?;
            Ok(Value::Integer(crate::value::fit(ty, value)?))
        })?;
    }
    r.strict("pg_idiv", 2, |a| match a.int(1) {
        0 => Err(by_zero()),
        right => match a.int(0).checked_div(right) {
            Some(value) => Ok(Value::Integer(value)),
            None => Err(out_of_range(Ty::Int8)),
        },
    })?;
    r.strict("pg_imod", 2, |a| match a.int(1) {
        0 => Err(by_zero()),
        right => Ok(Value::Integer(a.int(0).wrapping_rem(right))),
    })?;
    r.strict("pg_fdiv", 2, |a| {
        if a.real(1) == 0.0 {
            return Err(by_zero());
        }
        float(a.real(0) / a.real(1))
    })?;
    let numerics: [Named<Numeric2>; 5] = [
        ("pg_nadd", |l, r| {
            l.checked_add(r).ok_or_else(decimal::overflow)
        }),
        ("pg_nsub", |l, r| {
            l.checked_sub(r).ok_or_else(decimal::overflow)
        }),
        ("pg_nmul", |l, r| {
            l.checked_mul(r).ok_or_else(decimal::overflow)
        }),
        ("pg_ndiv", decimal::divide),
        ("pg_nmod", |l, r| {
            if r.is_zero() {
                return Err(by_zero());
            }
            l.checked_rem(r).ok_or_else(decimal::overflow)
        }),
    ];
    for (name, operation) in numerics {
        r.strict(name, 2, move |a| {
            Ok(decimal::to_value(operation(a.decimal(0)?, a.decimal(1)?)?))
        })?;
    }
    let unary: [Named<Numeric1>; 4] = [
        ("pg_nneg", |v| -v),
        ("pg_nabs", |v| v.abs()),
        ("pg_nceil", |v| v.ceil()),
        ("pg_nfloor", |v| v.floor()),
    ];
    for (name, operation) in unary {
        r.strict(name, 1, move |a| {
            Ok(decimal::to_value(operation(a.decimal(0)?)))
        })?;
    }
    r.strict("pg_nround", 2, |a| {
        let scale = a.int(1).clamp(0, 28) as u32;
        let mut rounded = decimal::round(a.decimal(0)?, scale);
        rounded.rescale(scale);
        Ok(decimal::to_value(rounded))
    })?;
    r.strict("pg_ntrunc", 2, |a| {
        let scale = a.int(1).clamp(0, 28) as u32;
        let mut cut = a.decimal(0)?.trunc_with_scale(scale);
        cut.rescale(scale);
        Ok(decimal::to_value(cut))
    })?;
    floats(r)
}

fn floats(r: &Registrar<'_>) -> rusqlite::Result<()> {
    let unary: [Named<Float1>; 6] = [
        ("pg_fceil", f64::ceil),
        ("pg_ffloor", f64::floor),
        ("pg_fround", f64::round_ties_even),
        ("pg_ftrunc", f64::trunc),
        ("pg_fabs", f64::abs),
        ("pg_exp", f64::exp),
    ];
    for (name, operation) in unary {
        r.strict(name, 1, move |a| float(operation(a.real(0))))?;
    }
    r.strict("pg_sqrt", 1, |a| {
        if a.real(0) < 0.0 {
            return Err(PgError::new(
                "2201F",
                "cannot take square root of a negative number",
            ));
        }
        float(a.real(0).sqrt())
    })?;
    r.strict("pg_power", 2, |a| float(a.real(0).powf(a.real(1))))?;
    for (name, base) in [("pg_ln", std::f64::consts::E), ("pg_log", 10.0)] {
        r.strict(name, 1, move |a| {
            if a.real(0) <= 0.0 {
                return Err(PgError::new(
                    "2201E",
                    if a.real(0) == 0.0 {
                        "cannot take logarithm of zero"
                    } else {
                        "cannot take logarithm of a negative number"
                    },
                ));
            }
            float(if base == 10.0 {
                a.real(0).log10()
            } else {
                a.real(0).ln()
            })
        })?;
    }
    // LIMIT and OFFSET: NULL is none, negative an error.
    r.any("pg_limit", 2, |a| {
        let offset = a.int(1) != 0;
        if a.is_null(0) {
            return Ok(Value::Integer(if offset { 0 } else { -1 }));
        }
        match a.int(0) {
            negative if negative < 0 => Err(if offset {
                PgError::new("2201X", "OFFSET must not be negative")
            } else {
                PgError::new("2201W", "LIMIT must not be negative")
            }),
            count => Ok(Value::Integer(count)),
        }
    })
}
