//! Casts, and types by their names.

use rusqlite::types::Value;
use sqlparser::ast::{
    ArrayElemTypeDef, CharacterLength, DataType, ExactNumberInfo, Expr, Interval, TimezoneInfo,
};

use crate::error::PgError;
use crate::sql::translate::{Shape, Translator, Typed, literal, name_parts};
use crate::sql::types::Ty;
use crate::value::cast::How;
use crate::value::time::is_utc;

impl Translator<'_> {
    pub(in crate::sql::translate) fn explicit_cast(
        &mut self,
        expr: &Expr,
        data_type: &DataType,
    ) -> Result<Typed, PgError> {
        if let DataType::Regclass = data_type {
            return self.regclass(expr);
        }
        let (ty, typmod) = self.data_type(data_type)?;
        let value = match expr {
            Expr::Array(array) if array.elem.is_empty() => {
                Typed::constant(Value::Text("{}".to_owned()), Ty::Unknown)
            }
            _ => self.expression(expr)?,
        };
        self.coerce(value, ty, typmod, How::Explicit)
            .map_err(|e| e.at(self.at(expr)))
    }

    /// `'name'::regclass`: the table's OID, as `pg_class` numbers it.
    pub(super) fn regclass(&mut self, expr: &Expr) -> Result<Typed, PgError> {
        let value = self.expression(expr)?;
        let Shape::Constant(Value::Text(name)) = &value.shape else {
            return Err(PgError::unsupported(
                "a cast to regclass of anything but a literal",
            ));
        };
        let name = name.strip_prefix("public.").unwrap_or(name);
        let name = name.trim_matches('"');
        if self.catalog.table(name)?.is_none() && !self.catalog.index_exists(name)? {
            return Err(PgError::new(
                "42P01",
                format!("relation \"{name}\" does not exist"),
            ));
        }
        let name = literal(&Value::Text(name.to_owned()));
        Ok(Typed::new(
            format!("(SELECT 16384 + rowid FROM sqlite_schema WHERE name = {name})"),
            Ty::Oid,
        ))
    }

    pub(super) fn interval(&mut self, interval: &Interval) -> Result<Typed, PgError> {
        if interval.last_field.is_some() || interval.leading_precision.is_some() {
            return Err(PgError::unsupported(interval));
        }
        let value = self.expression(&interval.value)?;
        let Shape::Constant(Value::Text(text)) = &value.shape else {
            return Err(PgError::unsupported(interval));
        };
        let text = match &interval.leading_field {
            Some(field) => format!("{text} {}", field.to_string().to_lowercase()),
            None => text.clone(),
        };
        let value = Typed::constant(Value::Text(text), Ty::Unknown);
        self.coerce(value, Ty::Interval, -1, How::Explicit)
    }

    pub(super) fn at_time_zone(&mut self, timestamp: &Expr, zone: &Expr) -> Result<Typed, PgError> {
        let zone = self.expression(zone)?;
        let Shape::Constant(Value::Text(name)) = &zone.shape else {
            return Err(PgError::unsupported("a time zone that is not a literal"));
        };
        if !is_utc(name) {
            return Err(PgError::unsupported(format_args!("the time zone {name}")));
        }
        let value = self.expression(timestamp)?;
        Ok(match value.ty {
            Ty::Timestamptz => Typed::new(value.sql, Ty::Timestamp),
            _ => {
                let value = self.coerce(value, Ty::Timestamp, -1, How::Implicit)?;
                Typed::new(value.sql, Ty::Timestamptz)
            }
        })
    }

    /// A type as SQL writes it, with its modifier.
    pub(in crate::sql::translate) fn data_type(
        &self,
        data_type: &DataType,
    ) -> Result<(Ty, i32), PgError> {
        data_type_of(data_type)
    }
}

/// A type as SQL writes it, with its modifier.
pub(in crate::sql::translate) fn data_type_of(data_type: &DataType) -> Result<(Ty, i32), PgError> {
    let length = |length: &Option<CharacterLength>, default: i32| -> Result<i32, PgError> {
        match length {
            None => Ok(default),
            Some(CharacterLength::IntegerLength { length, .. }) => {
                match i32::try_from(*length)
                    .ok()
                    .filter(|n| (1..=10_485_760).contains(n))
                {
                    Some(n) => Ok(n + 4),
                    None => Err(PgError::new(
                        "22023",
                        "length for type varchar must be between 1 and 10485760",
                    )),
                }
            }
            Some(CharacterLength::Max) => Err(PgError::unsupported(data_type)),
        }
    };
    let exact = |info: &ExactNumberInfo| -> Result<i32, PgError> {
        let (precision, scale) = match info {
            ExactNumberInfo::None => return Ok(-1),
            ExactNumberInfo::Precision(p) => (*p, 0),
            ExactNumberInfo::PrecisionAndScale(p, s) => (*p, *s),
        };
        if !(1..=28).contains(&precision) || !(0..=precision as i64).contains(&scale) {
            return Err(PgError::unsupported(data_type));
        }
        Ok(((precision as i32) << 16 | scale as i32) + 4)
    };
    let plain = |ty: Ty| Ok((ty, -1));
    match data_type {
        DataType::Bool | DataType::Boolean => plain(Ty::Bool),
        DataType::SmallInt(None) | DataType::Int2(None) => plain(Ty::Int2),
        DataType::Int(None) | DataType::Integer(None) | DataType::Int4(None) => plain(Ty::Int4),
        DataType::BigInt(None) | DataType::Int8(None) => plain(Ty::Int8),
        DataType::Real | DataType::Float4 => plain(Ty::Float4),
        DataType::Float8 | DataType::DoublePrecision | DataType::Float(ExactNumberInfo::None) => {
            plain(Ty::Float8)
        }
        DataType::Float(ExactNumberInfo::Precision(bits)) => {
            plain(if *bits <= 24 { Ty::Float4 } else { Ty::Float8 })
        }
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => {
            Ok((Ty::Numeric, exact(info)?))
        }
        DataType::Text => plain(Ty::Text),
        DataType::Varchar(n) | DataType::CharacterVarying(n) | DataType::CharVarying(n) => {
            Ok((Ty::Varchar, length(n, -1)?))
        }
        DataType::Char(n) | DataType::Character(n) => Ok((Ty::Bpchar, length(n, 5)?)),
        DataType::Bytea => plain(Ty::Bytea),
        DataType::Uuid => plain(Ty::Uuid),
        DataType::JSON => plain(Ty::Json),
        DataType::JSONB => plain(Ty::Jsonb),
        DataType::Date => plain(Ty::Date),
        DataType::Time(None, TimezoneInfo::None | TimezoneInfo::WithoutTimeZone) => plain(Ty::Time),
        DataType::Timestamp(None | Some(6), zone) => plain(match zone {
            TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => Ty::Timestamp,
            TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => Ty::Timestamptz,
        }),
        DataType::Interval {
            fields: None,
            precision: None,
        } => plain(Ty::Interval),
        DataType::Array(
            ArrayElemTypeDef::SquareBracket(inner, _) | ArrayElemTypeDef::AngleBracket(inner),
        ) => {
            let (element, _) = data_type_of(inner)?;
            match element.array() {
                Some(array) => plain(array),
                None => Err(PgError::unsupported(data_type)),
            }
        }
        DataType::Custom(name, modifiers) if modifiers.is_empty() => {
            let parts = name_parts(name)?;
            let word = match parts.as_slice() {
                [word] => word,
                [schema, word] if schema == "pg_catalog" => word,
                _ => return Err(PgError::unsupported(data_type)),
            };
            match Ty::from_name(word).filter(|ty| *ty != Ty::Unknown) {
                Some(ty) => plain(ty),
                None => Err(PgError::new(
                    "42704",
                    format!("type \"{word}\" does not exist"),
                )),
            }
        }
        other => Err(PgError::unsupported(format_args!("the type {other}"))),
    }
}
