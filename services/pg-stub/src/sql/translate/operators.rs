//! Binary operators: which types they take, in which they meet, what they give.

use sqlparser::ast::{BinaryOperator as Op, Expr};

use super::{Shape, Translator, Typed};
use crate::error::PgError;
use crate::sql::types::Ty;
use crate::value::cast::How;

/// `42883` for an operator.
pub(super) fn no_operator(left: Ty, sign: &str, right: Ty) -> PgError {
    PgError::new(
        "42883",
        format!(
            "operator does not exist: {} {sign} {}",
            left.sql_name(),
            right.sql_name()
        ),
    )
    .hint("No operator matches the given name and argument types. You might need to add explicit type casts.")
}

impl Translator<'_> {
    pub(super) fn binary(&mut self, left: Typed, op: &Op, right: Typed) -> Result<Typed, PgError> {
        match op {
            Op::And | Op::Or => {
                let word = op.to_string();
                let left = self.boolean(left, &word)?;
                let right = self.boolean(right, &word)?;
                Ok(Typed::new(
                    format!("({} {word} {})", left.sql, right.sql),
                    Ty::Bool,
                ))
            }
            Op::Eq => self.compare(left, "=", right),
            Op::NotEq => self.compare(left, "<>", right),
            Op::Lt => self.compare(left, "<", right),
            Op::LtEq => self.compare(left, "<=", right),
            Op::Gt => self.compare(left, ">", right),
            Op::GtEq => self.compare(left, ">=", right),
            Op::Plus | Op::Minus => self.add(left, op, right),
            Op::Multiply | Op::Divide | Op::Modulo => self.multiply(left, op, right),
            Op::PGExp => {
                let left = self.coerce(left, Ty::Float8, -1, How::Implicit)?;
                let right = self.coerce(right, Ty::Float8, -1, How::Implicit)?;
                Ok(Typed::new(
                    format!("pg_power({}, {})", left.sql, right.sql),
                    Ty::Float8,
                ))
            }
            Op::StringConcat => self.concatenate(left, right),
            Op::BitwiseAnd | Op::BitwiseOr | Op::PGBitwiseShiftLeft | Op::PGBitwiseShiftRight => {
                self.bits(left, op, right)
            }
            Op::PGRegexMatch | Op::PGRegexIMatch | Op::PGRegexNotMatch | Op::PGRegexNotIMatch => {
                let left = self.coerce(left, Ty::Text, -1, How::Implicit)?;
                let right = self.coerce(right, Ty::Text, -1, How::Implicit)?;
                let fold = i32::from(matches!(op, Op::PGRegexIMatch | Op::PGRegexNotIMatch));
                let not = if matches!(op, Op::PGRegexNotMatch | Op::PGRegexNotIMatch) {
                    "NOT "
                } else {
                    ""
                };
                Ok(Typed::new(
                    format!("({not}pg_regex({}, {}, {fold}))", left.sql, right.sql),
                    Ty::Bool,
                ))
            }
            Op::Arrow | Op::LongArrow => self.json_get(left, matches!(op, Op::LongArrow), right),
            Op::PGCustomBinaryOperator(parts) => match parts.last().map(String::as_str) {
                // `OPERATOR(pg_catalog.~)`, which psql writes.
                Some("~") => self.binary(left, &Op::PGRegexMatch, right),
                Some("!~") => self.binary(left, &Op::PGRegexNotMatch, right),
                Some("=") => self.binary(left, &Op::Eq, right),
                Some("<>") => self.binary(left, &Op::NotEq, right),
                _ => Err(PgError::unsupported(format_args!("the operator {op}"))),
            },
            other => Err(PgError::unsupported(format_args!("the operator {other}"))),
        }
    }

    /// Two operands in the type in which they can be compared.
    pub(super) fn comparable(
        &mut self,
        left: Typed,
        right: Typed,
        sign: &str,
    ) -> Result<(Typed, Typed, Ty), PgError> {
        let common = match (left.ty, right.ty) {
            (Ty::Unknown, Ty::Unknown) => Ty::Text,
            (Ty::Unknown, ty) | (ty, Ty::Unknown) => ty,
            (l, r) => l.common(r).ok_or_else(|| no_operator(l, sign, r))?,
        };
        if common == Ty::Json {
            return Err(no_operator(left.ty, sign, right.ty));
        }
        let mut left = self.coerce(left, common, -1, How::Implicit)?;
        let right = self.coerce(right, common, -1, How::Implicit)?;
        if common == Ty::Numeric {
            left.sql.push_str(" COLLATE pg_numeric");
        }
        Ok((left, right, common))
    }

    fn compare(&mut self, left: Typed, sign: &str, right: Typed) -> Result<Typed, PgError> {
        let (left, right, _) = self.comparable(left, right, sign)?;
        Ok(Typed::new(
            format!("({} {sign} {})", left.sql, right.sql),
            Ty::Bool,
        ))
    }

    fn add(&mut self, left: Typed, op: &Op, right: Typed) -> Result<Typed, PgError> {
        let sign = op.to_string();
        let minus = matches!(op, Op::Minus);
        let plain =
            |l: &Typed, r: &Typed, ty| Ok(Typed::new(format!("({} {sign} {})", l.sql, r.sql), ty));
        match (left.ty, right.ty) {
            (Ty::Date, r) if r.is_integer() => plain(&left, &right, Ty::Date),
            (l, Ty::Date) if l.is_integer() && !minus => plain(&left, &right, Ty::Date),
            (Ty::Date, Ty::Date) if minus => plain(&left, &right, Ty::Int4),
            (Ty::Interval, Ty::Interval) => plain(&left, &right, Ty::Interval),
            (l, Ty::Interval | Ty::Unknown)
                if l.is_datetime() && !(minus && right.ty == Ty::Unknown) =>
            {
                let to = if l == Ty::Date { Ty::Timestamp } else { l };
                let left = self.coerce(left, to, -1, How::Implicit)?;
                let right = self.coerce(right, Ty::Interval, -1, How::Implicit)?;
                plain(&left, &right, to)
            }
            (Ty::Interval, r) if r.is_datetime() && !minus => self.add(right, op, left),
            (l, r) if minus && l.is_datetime() && (r.is_datetime() || r == Ty::Unknown) => {
                let (left, right, _) = self.comparable(left, right, "-")?;
                plain(&left, &right, Ty::Interval)
            }
            _ => {
                let names = if minus {
                    ["pg_isub", "pg_nsub"]
                } else {
                    ["pg_iadd", "pg_nadd"]
                };
                self.arithmetic(left, &sign, names, right)
            }
        }
    }

    fn multiply(&mut self, left: Typed, op: &Op, right: Typed) -> Result<Typed, PgError> {
        let sign = op.to_string();
        if left.ty == Ty::Interval && (right.ty.is_number() || right.ty == Ty::Unknown) {
            let right = self.coerce(right, Ty::Float8, -1, How::Implicit)?;
            let factor = match op {
                Op::Multiply => right.sql,
                Op::Divide => format!("pg_fdiv(1.0, {})", right.sql),
                _ => return Err(no_operator(left.ty, &sign, right.ty)),
            };
            return Ok(Typed::new(
                format!("pg_scale_interval({}, {factor})", left.sql),
                Ty::Interval,
            ));
        }
        if right.ty == Ty::Interval && left.ty.is_number() && matches!(op, Op::Multiply) {
            return self.multiply(right, op, left);
        }
        let names = match op {
            Op::Multiply => ["pg_imul", "pg_nmul"],
            Op::Divide => ["pg_idiv", "pg_ndiv"],
            _ => ["pg_imod", "pg_nmod"],
        };
        self.arithmetic(left, &sign, names, right)
    }

    /// `names` are the functions for integers and for numerics.
    fn arithmetic(
        &mut self,
        left: Typed,
        sign: &str,
        names: [&str; 2],
        right: Typed,
    ) -> Result<Typed, PgError> {
        let common = match (left.ty, right.ty) {
            (Ty::Unknown, Ty::Unknown) => {
                return Err(PgError::new(
                    "42725",
                    format!("operator is not unique: unknown {sign} unknown"),
                )
                .hint("Could not choose a best candidate operator. You might need to add explicit type casts."));
            }
            (Ty::Unknown, ty) | (ty, Ty::Unknown) => ty,
            (l, r) => l.common(r).ok_or_else(|| no_operator(l, sign, r))?,
        };
        if !common.is_number() {
            return Err(no_operator(left.ty, sign, right.ty));
        }
        let left = self.coerce(left, common, -1, How::Implicit)?;
        let right = self.coerce(right, common, -1, How::Implicit)?;
        let (l, r) = (left.sql, right.sql);
        let sql = match common {
            Ty::Numeric => format!("{}({l}, {r})", names[1]),
            Ty::Float4 | Ty::Float8 => match sign {
                "/" => format!("pg_fdiv({l}, {r})"),
                "%" => return Err(no_operator(common, sign, common)),
                _ => format!("({l} {sign} {r})"),
            },
            _ if matches!(sign, "/" | "%") => format!("{}({l}, {r})", names[0]),
            ty => format!("{}({l}, {r}, {})", names[0], ty.oid()),
        };
        Ok(Typed::new(sql, common))
    }

    fn concatenate(&mut self, left: Typed, right: Typed) -> Result<Typed, PgError> {
        if left.ty == Ty::Bytea && matches!(right.ty, Ty::Bytea | Ty::Unknown) {
            let right = self.coerce(right, Ty::Bytea, -1, How::Implicit)?;
            return Ok(Typed::new(
                format!("CAST({} || {} AS BLOB)", left.sql, right.sql),
                Ty::Bytea,
            ));
        }
        let texts = |ty: Ty| ty.is_string() || ty == Ty::Unknown;
        if !texts(left.ty) && !texts(right.ty) {
            return Err(no_operator(left.ty, "||", right.ty));
        }
        let left = self.coerce(left, Ty::Text, -1, How::Assignment)?;
        let right = self.coerce(right, Ty::Text, -1, How::Assignment)?;
        Ok(Typed::new(
            format!("({} || {})", left.sql, right.sql),
            Ty::Text,
        ))
    }

    fn bits(&mut self, left: Typed, op: &Op, right: Typed) -> Result<Typed, PgError> {
        let sign = op.to_string();
        let common = match (left.ty, right.ty) {
            (l, r) if l.is_integer() && r.is_integer() => l.common(r),
            (l, Ty::Unknown) if l.is_integer() => Some(l),
            (Ty::Unknown, r) if r.is_integer() => Some(r),
            _ => None,
        };
        let common = common.ok_or_else(|| no_operator(left.ty, &sign, right.ty))?;
        let left = self.coerce(left, common, -1, How::Implicit)?;
        let right = self.coerce(right, common, -1, How::Implicit)?;
        Ok(Typed::new(
            format!("({} {sign} {})", left.sql, right.sql),
            common,
        ))
    }

    fn json_get(&mut self, left: Typed, as_text: bool, right: Typed) -> Result<Typed, PgError> {
        let sign = if as_text { "->>" } else { "->" };
        if !matches!(left.ty, Ty::Json | Ty::Jsonb) {
            return Err(no_operator(left.ty, sign, right.ty));
        }
        let ty = left.ty;
        let right = match right.ty {
            t if t.is_integer() => right,
            _ => self.coerce(right, Ty::Text, -1, How::Implicit)?,
        };
        Ok(Typed::new(
            format!(
                "pg_json_get({}, {}, {}, {})",
                left.sql,
                right.sql,
                i32::from(as_text),
                i32::from(ty == Ty::Jsonb)
            ),
            if as_text { Ty::Text } else { ty },
        ))
    }

    /// `x = ANY (…)` and `x <> ALL (…)` over an array or a subquery.
    pub(super) fn any_all(
        &mut self,
        left: &Expr,
        op: &Op,
        right: &Expr,
        all: bool,
    ) -> Result<Typed, PgError> {
        let left = self.expression(left)?;
        let (source, element) = match right {
            Expr::Subquery(query) => {
                let (sql, columns) = self.subquery(query)?;
                let [column] = columns.as_slice() else {
                    return Err(PgError::new("42601", "subquery has too many columns"));
                };
                (format!("({sql})"), column.column.ty)
            }
            other => {
                let mut array = self.expression(other)?;
                if array.ty == Ty::Unknown {
                    let wanted = if left.ty == Ty::Unknown {
                        Ty::Text
                    } else {
                        left.ty
                    };
                    let ty = wanted.array().ok_or_else(|| {
                        PgError::unsupported(format_args!("an array of {}", wanted.sql_name()))
                    })?;
                    array = self.coerce(array, ty, -1, How::Implicit)?;
                }
                let element = array.ty.element().ok_or_else(|| {
                    PgError::new("42809", "op ANY/ALL (array) requires array on right side")
                })?;
                (
                    format!("(SELECT value AS c0 FROM json_each({}))", array.sql),
                    element,
                )
            }
        };
        let sign = op.to_string();
        let item = Typed {
            sql: "c0".to_owned(),
            ty: element,
            typmod: -1,
            shape: Shape::Expression,
            at: None,
        };
        let test = self.binary(left, op, item)?;
        if test.ty != Ty::Bool {
            return Err(PgError::new(
                "42809",
                format!(
                    "op ANY/ALL (array) requires operator to yield boolean, and {sign} does not"
                ),
            ));
        }
        // NULL when no element decides and one is NULL, as SQL's three-valued logic has it.
        let test = test.sql;
        Ok(Typed::new(
            if all {
                format!(
                    "(SELECT CASE WHEN count(*) = 0 THEN 1 ELSE CASE WHEN min({test}) = 0 THEN 0 WHEN count({test}) < count(*) THEN NULL ELSE 1 END END FROM {source})"
                )
            } else {
                format!(
                    "(SELECT CASE WHEN max({test}) = 1 THEN 1 WHEN count({test}) < count(*) THEN NULL ELSE 0 END FROM {source})"
                )
            },
            Ty::Bool,
        ))
    }
}
