//! Expressions and their types.
//!
//! | module | idea |
//! |---|---|
//! | [`names`] | which column a name means |
//! | [`predicate`] | what is true or false |
//! | [`conversion`] | casts, and types by their names |
//! | [`common`] | CASE and arrays, whose parts must have a type in common |

mod common;
mod conversion;
mod names;
mod predicate;

use rusqlite::types::Value;
use sqlparser::ast::{
    AccessExpr, CastKind, CeilFloorKind, DateTimeField, Expr, Query, Subscript, TrimWhereField,
    UnaryOperator, Value as Literal,
};

pub(super) use self::conversion::data_type_of;
use super::{PARAMETERS_MAX, Shape, Translator, Typed};
use crate::error::PgError;
use crate::sql::types::Ty;
use crate::value::cast::How;
use crate::value::decimal;

impl Translator<'_> {
    /// Any expression.
    pub(super) fn expression(&mut self, expr: &Expr) -> Result<Typed, PgError> {
        match expr {
            Expr::Value(value) => {
                let at = Some(value.span.start);
                self.literal(&value.value)
                    .map(|typed| Typed { at, ..typed })
            }
            Expr::Identifier(ident) => self.identifier(ident),
            Expr::CompoundIdentifier(parts) => self.compound(parts),
            Expr::Nested(inner) => self.nested(inner),
            Expr::BinaryOp { .. } => self.chain(expr),
            Expr::UnaryOp { op, expr } => self.unary(op, expr),
            Expr::Function(function) => self.function(function),
            Expr::Cast {
                kind,
                expr,
                data_type,
                format,
            } => {
                if format.is_some() || !matches!(kind, CastKind::Cast | CastKind::DoubleColon) {
                    return Err(PgError::unsupported(expr));
                }
                self.explicit_cast(expr, data_type)
            }
            Expr::TypedString(typed) => match &typed.value.value {
                Literal::SingleQuotedString(text) => {
                    let (ty, typmod) = self.data_type(&typed.data_type)?;
                    let value = Typed::constant(Value::Text(text.clone()), Ty::Unknown);
                    self.coerce(value, ty, typmod, How::Explicit)
                }
                _ => Err(PgError::unsupported(typed)),
            },
            Expr::Interval(interval) => self.interval(interval),
            Expr::IsNull(e) => self.suffix(e, "IS NULL"),
            Expr::IsNotNull(e) => self.suffix(e, "IS NOT NULL"),
            Expr::IsTrue(e) => self.truth(e, "IS 1"),
            Expr::IsNotTrue(e) => self.truth(e, "IS NOT 1"),
            Expr::IsFalse(e) => self.truth(e, "IS 0"),
            Expr::IsNotFalse(e) => self.truth(e, "IS NOT 0"),
            Expr::IsUnknown(e) => self.truth(e, "IS NULL"),
            Expr::IsNotUnknown(e) => self.truth(e, "IS NOT NULL"),
            Expr::IsDistinctFrom(l, r) => self.distinct(l, r, "IS NOT"),
            Expr::IsNotDistinctFrom(l, r) => self.distinct(l, r, "IS"),
            Expr::Between {
                expr,
                negated,
                low,
                high,
            } => self.between(expr, *negated, low, high),
            Expr::InList {
                expr,
                list,
                negated,
            } => self.in_list(expr, list, *negated),
            Expr::InSubquery {
                expr,
                subquery,
                negated,
            } => self.in_subquery(expr, subquery, *negated),
            Expr::Like {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => self.like(expr, pattern, escape_char.as_deref(), *negated, false),
            Expr::ILike {
                negated,
                any: false,
                expr,
                pattern,
                escape_char,
            } => self.like(expr, pattern, escape_char.as_deref(), *negated, true),
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => self.case(operand.as_deref(), conditions, else_result.as_deref()),
            Expr::Exists { subquery, negated } => {
                let (sql, _) = self.subquery(subquery)?;
                let not = if *negated { "NOT " } else { "" };
                Ok(Typed::new(format!("({not}EXISTS ({sql}))"), Ty::Bool))
            }
            Expr::Subquery(subquery) => self.scalar_subquery(subquery),
            Expr::AnyOp {
                left,
                compare_op,
                right,
                ..
            } => self.any_all(left, compare_op, right, false),
            Expr::AllOp {
                left,
                compare_op,
                right,
            } => self.any_all(left, compare_op, right, true),
            Expr::Extract { field, expr, .. } => {
                let field = field.to_string().to_lowercase();
                self.extract(&field, expr)
            }
            Expr::Ceil {
                expr,
                field: CeilFloorKind::DateTimeField(f),
            } if *f == DateTimeField::NoDateTime => self.named("ceil", &[expr]),
            Expr::Floor {
                expr,
                field: CeilFloorKind::DateTimeField(f),
            } if *f == DateTimeField::NoDateTime => self.named("floor", &[expr]),
            Expr::Position { expr, r#in } => self.named("strpos", &[r#in, expr]),
            Expr::Substring {
                expr,
                substring_from,
                substring_for,
                ..
            } => {
                let one = Expr::value(Literal::Number("1".to_owned(), false));
                let from = substring_from.as_deref().unwrap_or(&one);
                match substring_for {
                    Some(length) => self.named("substr", &[expr, from, length]),
                    None => self.named("substr", &[expr, from]),
                }
            }
            Expr::Trim {
                expr,
                trim_where,
                trim_what,
                trim_characters,
            } => {
                let name = match trim_where {
                    None | Some(TrimWhereField::Both) => "btrim",
                    Some(TrimWhereField::Leading) => "ltrim",
                    Some(TrimWhereField::Trailing) => "rtrim",
                };
                let what = trim_what.as_deref().or(match trim_characters.as_deref() {
                    Some([one]) => Some(one),
                    _ => None,
                });
                match what {
                    Some(what) => self.named(name, &[expr, what]),
                    None => self.named(name, &[expr]),
                }
            }
            Expr::Collate { expr, .. } => self.expression(expr),
            Expr::AtTimeZone {
                timestamp,
                time_zone,
            } => self.at_time_zone(timestamp, time_zone),
            Expr::Array(array) => self.array(&array.elem),
            Expr::CompoundFieldAccess { root, access_chain } => match access_chain.as_slice() {
                [AccessExpr::Subscript(Subscript::Index { index })] => self.element(root, index),
                _ => Err(PgError::unsupported(expr)),
            },
            Expr::Prefixed { .. } | Expr::Tuple(_) => Err(PgError::unsupported(format_args!(
                "the row or prefixed value {expr}"
            ))),
            other => Err(PgError::unsupported(format_args!("the expression {other}"))),
        }
    }

    /// `a + b + c …`, a tree that leans to the left: walked without a stack frame for each operator.
    fn chain(&mut self, expr: &Expr) -> Result<Typed, PgError> {
        let mut links = Vec::new();
        let mut first = expr;
        while let Expr::BinaryOp { left, op, right } = first {
            links.push((left, op, right));
            first = left;
        }
        let mut typed = self.expression(first)?;
        for (left, op, right) in links.into_iter().rev() {
            let right = self.expression(right)?;
            typed = self
                .binary(typed, op, right)
                .map_err(|e| e.at(self.operator_at(left)))?;
        }
        Ok(typed)
    }

    fn nested(&mut self, inner: &Expr) -> Result<Typed, PgError> {
        let inner = self.expression(inner)?;
        Ok(match inner.shape {
            Shape::Expression => Typed {
                sql: format!("({})", inner.sql),
                ..inner
            },
            _ => inner,
        })
    }

    fn literal(&mut self, value: &Literal) -> Result<Typed, PgError> {
        Ok(match value {
            Literal::Number(digits, false) => {
                if let Ok(value) = digits.parse::<i64>() {
                    let ty = if i32::try_from(value).is_ok() {
                        Ty::Int4
                    } else {
                        Ty::Int8
                    };
                    Typed::constant(Value::Integer(value), ty)
                } else {
                    Typed::constant(decimal::to_value(decimal::parse(digits)?), Ty::Numeric)
                }
            }
            Literal::SingleQuotedString(text)
            | Literal::EscapedStringLiteral(text)
            | Literal::UnicodeStringLiteral(text) => {
                if text.contains('\0') {
                    return Err(PgError::new(
                        "22021",
                        "invalid byte sequence for encoding \"UTF8\": 0x00",
                    ));
                }
                Typed::constant(Value::Text(text.clone()), Ty::Unknown)
            }
            Literal::DollarQuotedString(text) => {
                Typed::constant(Value::Text(text.value.clone()), Ty::Unknown)
            }
            Literal::Boolean(value) => Typed::constant(Value::Integer(i64::from(*value)), Ty::Bool),
            Literal::Null => Typed::constant(Value::Null, Ty::Unknown),
            Literal::Placeholder(name) => return self.placeholder(name),
            other => return Err(PgError::unsupported(format_args!("the literal {other}"))),
        })
    }

    fn placeholder(&mut self, name: &str) -> Result<Typed, PgError> {
        let number = name
            .strip_prefix('$')
            .and_then(|digits| digits.parse::<usize>().ok())
            .filter(|n| (1..=PARAMETERS_MAX).contains(n))
            .ok_or_else(|| PgError::new("42P02", format!("there is no parameter {name}")))?;
        if self.parameters.len() < number {
            self.parameters.resize(number, None);
        }
        Ok(Typed {
            sql: format!("?{number}"),
            ty: self.parameters[number - 1].unwrap_or(Ty::Unknown),
            typmod: -1,
            shape: Shape::Parameter(number - 1),
            at: None,
        })
    }

    fn unary(&mut self, op: &UnaryOperator, expr: &Expr) -> Result<Typed, PgError> {
        if let (UnaryOperator::Minus, Expr::Value(value)) = (op, expr) {
            // -9223372036854775808 is a bigint, although its digits alone are not.
            if let Literal::Number(digits, false) = &value.value
                && let Ok(value) = format!("-{digits}").parse::<i64>()
            {
                let ty = if i32::try_from(value).is_ok() {
                    Ty::Int4
                } else {
                    Ty::Int8
                };
                return Ok(Typed::constant(Value::Integer(value), ty));
            }
        }
        let value = self.expression(expr)?;
        let no_operator = |sign: &str, ty: Ty| {
            PgError::new(
                "42883",
                format!("operator does not exist: {sign} {}", ty.sql_name()),
            )
        };
        match op {
            UnaryOperator::Not => {
                let value = self.boolean(value, "NOT")?;
                Ok(Typed::new(format!("(NOT {})", value.sql), Ty::Bool))
            }
            UnaryOperator::Plus if value.ty.is_number() => Ok(value),
            UnaryOperator::Minus => match value.ty {
                Ty::Numeric => Ok(Typed::new(format!("pg_nneg({})", value.sql), Ty::Numeric)),
                ty if ty.is_number() || ty == Ty::Interval => {
                    Ok(Typed::new(format!("(- {})", value.sql), ty))
                }
                Ty::Unknown => {
                    let value = self.coerce(value, Ty::Float8, -1, How::Implicit)?;
                    Ok(Typed::new(format!("(- {})", value.sql), Ty::Float8))
                }
                ty => Err(no_operator("-", ty)),
            },
            UnaryOperator::BitwiseNot if value.ty.is_integer() => {
                Ok(Typed::new(format!("(~ {})", value.sql), value.ty))
            }
            other => Err(no_operator(&other.to_string(), value.ty)),
        }
    }

    /// An operand that must be boolean.
    pub(super) fn boolean(&mut self, value: Typed, of: &str) -> Result<Typed, PgError> {
        match value.ty {
            Ty::Bool => Ok(value),
            Ty::Unknown => self.coerce(value, Ty::Bool, -1, How::Implicit),
            other => Err(PgError::new(
                "42804",
                format!(
                    "argument of {of} must be type boolean, not type {}",
                    other.sql_name()
                ),
            )),
        }
    }

    fn scalar_subquery(&mut self, subquery: &Query) -> Result<Typed, PgError> {
        let (sql, columns) = self.subquery(subquery)?;
        let [column] = columns.as_slice() else {
            return Err(PgError::new(
                "42601",
                "subquery must return only one column",
            ));
        };
        Ok(Typed::new(format!("({sql})"), column.column.ty))
    }
}
