//! Aggregates and window functions.

use sqlparser::ast::WindowType;

use super::{collated, no_function};
use crate::error::PgError;
use crate::sql::translate::{Translator, Typed, refuse};
use crate::sql::types::Ty;
use crate::value::cast::How;

#[derive(Clone, Copy)]
pub(super) struct Call<'a> {
    pub(super) name: &'a str,
    pub(super) distinct: bool,
    pub(super) star: bool,
    /// ` ORDER BY …`, or nothing.
    pub(super) order: &'a str,
}

impl Translator<'_> {
    pub(super) fn window(&mut self, over: &WindowType) -> Result<String, PgError> {
        let WindowType::WindowSpec(spec) = over else {
            return Err(PgError::unsupported("a named window"));
        };
        refuse(spec.window_frame.is_some(), "a window frame")?;
        let mut parts = Vec::new();
        if !spec.partition_by.is_empty() {
            let mut terms = Vec::new();
            for expr in &spec.partition_by {
                let term = self.expression(expr)?;
                terms.push(collated(&term));
            }
            parts.push(format!("PARTITION BY {}", terms.join(", ")));
        }
        if !spec.order_by.is_empty() {
            parts.push(self.order_terms(&spec.order_by, &[])?);
        }
        Ok(format!(" OVER ({})", parts.join(" ")))
    }

    /// Aggregates and window functions; `\u{1}` marks where FILTER and OVER go.
    pub(super) fn aggregate(
        &mut self,
        call: &Call<'_>,
        args: &[Typed],
    ) -> Result<Option<Typed>, PgError> {
        let Call {
            name,
            distinct,
            star,
            order,
        } = *call;
        let word = if distinct { "DISTINCT " } else { "" };
        let ty = args.first().map(|a| a.ty);
        let sql = args.first().map(collated).unwrap_or_default();
        let one = |function: &str, ty| {
            Ok(Some(Typed::new(
                format!("{function}({word}{sql}{order})\u{1}"),
                ty,
            )))
        };
        let wrong = || no_function(name, args);
        match (name, args.len()) {
            ("count", 0) if star => Ok(Some(Typed::new("count(*)\u{1}", Ty::Int8))),
            ("count", 1) => one("count", Ty::Int8),
            ("sum", 1) => match ty {
                Some(Ty::Int2 | Ty::Int4) => one("sum", Ty::Int8),
                Some(Ty::Int8 | Ty::Numeric) => one("pg_nsum", Ty::Numeric),
                Some(Ty::Float4) => one("sum", Ty::Float4),
                Some(Ty::Float8) => one("sum", Ty::Float8),
                Some(Ty::Interval) => one("sum", Ty::Interval),
                _ => Err(wrong()),
            },
            ("avg", 1) => match ty {
                Some(ty) if ty.is_integer() || ty == Ty::Numeric => one("pg_navg", Ty::Numeric),
                Some(Ty::Float4 | Ty::Float8) => one("avg", Ty::Float8),
                _ => Err(wrong()),
            },
            ("min" | "max", 1) => match ty {
                Some(Ty::Bool | Ty::Uuid | Ty::Json | Ty::Jsonb | Ty::Bytea) => Err(wrong()),
                Some(Ty::Unknown) | None => one(name, Ty::Text),
                Some(ty) => one(name, if ty == Ty::Varchar { Ty::Text } else { ty }),
            },
            ("bool_and" | "every", 1) if ty == Some(Ty::Bool) => one("min", Ty::Bool),
            ("bool_or", 1) if ty == Some(Ty::Bool) => one("max", Ty::Bool),
            ("string_agg", 2) => {
                let value = self.coerce(args[0].clone(), Ty::Text, -1, How::Implicit)?;
                let separator = self.coerce(args[1].clone(), Ty::Text, -1, How::Implicit)?;
                refuse(distinct, "string_agg(DISTINCT …)")?;
                Ok(Some(Typed::new(
                    format!("group_concat({}, {}{order})\u{1}", value.sql, separator.sql),
                    Ty::Text,
                )))
            }
            ("array_agg", 1) => {
                let value = self.settle(args[0].clone())?;
                let array = value.ty.array().ok_or_else(wrong)?;
                Ok(Some(Typed::new(
                    format!("json_group_array({word}{}{order})\u{1}", value.sql),
                    array,
                )))
            }
            ("row_number" | "rank" | "dense_rank", 0) => {
                Ok(Some(Typed::new(format!("{name}()\u{1}"), Ty::Int8)))
            }
            ("lag" | "lead" | "first_value" | "last_value", 1) => {
                let value = self.settle(args[0].clone())?;
                Ok(Some(Typed::new(
                    format!("{name}({})\u{1}", value.sql),
                    value.ty,
                )))
            }
            ("lag" | "lead", 2) => {
                let value = self.settle(args[0].clone())?;
                let offset = self.coerce(args[1].clone(), Ty::Int4, -1, How::Implicit)?;
                Ok(Some(Typed::new(
                    format!("{name}({}, {})\u{1}", value.sql, offset.sql),
                    value.ty,
                )))
            }
            _ => Ok(None),
        }
    }
}
