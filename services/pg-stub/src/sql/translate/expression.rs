//! Expressions and their types.

use rusqlite::types::Value;
use sqlparser::ast::{
    CaseWhen, CastKind, CeilFloorKind, DataType, DateTimeField, Expr, Ident, Query, Subscript,
    TrimWhereField, UnaryOperator, Value as Literal,
};

use super::{PARAMETERS_MAX, Shape, Translator, Typed};
use crate::engine::record::quote;
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
                [sqlparser::ast::AccessExpr::Subscript(Subscript::Index { index })] => {
                    self.element(root, index)
                }
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

    fn identifier(&mut self, ident: &Ident) -> Result<Typed, PgError> {
        let name = super::fold(ident);
        let found = self
            .find_column(None, &name)
            .map_err(|e| e.at(self.ident_at(ident)))?;
        if let Some(found) = found {
            return Ok(found);
        }
        if ident.quote_style.is_none()
            && let Some(value) = self.keyword_function(&name)
        {
            return Ok(value);
        }
        Err(
            PgError::new("42703", format!("column \"{name}\" does not exist"))
                .at(self.ident_at(ident)),
        )
    }

    fn compound(&mut self, parts: &[Ident]) -> Result<Typed, PgError> {
        let names: Vec<String> = parts.iter().map(super::fold).collect();
        let (table, column) = match names.as_slice() {
            [table, column] => (table, column),
            [schema, table, column] if schema == "public" || schema == "pg_catalog" => {
                (table, column)
            }
            _ => {
                return Err(PgError::unsupported(format_args!(
                    "the name {}",
                    names.join(".")
                )));
            }
        };
        if let Some(found) = self.find_column(Some(table), column)? {
            return Ok(found);
        }
        let known = self
            .scopes
            .iter()
            .any(|scope| scope.items.iter().any(|item| &item.alias == table));
        Err(if known {
            PgError::new("42703", format!("column {table}.{column} does not exist"))
        } else {
            PgError::new(
                "42P01",
                format!("missing FROM-clause entry for table \"{table}\""),
            )
        }
        .at(parts.first().and_then(|ident| self.ident_at(ident))))
    }

    /// The column of that name in the nearest query that has one.
    pub(super) fn find_column(
        &self,
        table: Option<&str>,
        name: &str,
    ) -> Result<Option<Typed>, PgError> {
        for scope in self.scopes.iter().rev() {
            let mut found: Option<Typed> = None;
            for item in &scope.items {
                if table.is_some_and(|table| table != item.alias) {
                    continue;
                }
                for column in item.columns.iter().filter(|c| c.column.name == name) {
                    if table.is_none() && item.merged.iter().any(|m| m == name) {
                        continue;
                    }
                    if found.is_some() {
                        return Err(PgError::new(
                            "42702",
                            format!("column reference \"{name}\" is ambiguous"),
                        ));
                    }
                    found = Some(item.reference(column));
                }
            }
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
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

    fn suffix(&mut self, expr: &Expr, suffix: &str) -> Result<Typed, PgError> {
        let value = self.expression(expr)?;
        let value = self.settle(value)?;
        Ok(Typed::new(format!("({} {suffix})", value.sql), Ty::Bool))
    }

    fn truth(&mut self, expr: &Expr, test: &str) -> Result<Typed, PgError> {
        let value = self.expression(expr)?;
        let value = self.boolean(value, "IS")?;
        Ok(Typed::new(format!("({} {test})", value.sql), Ty::Bool))
    }

    fn distinct(&mut self, left: &Expr, right: &Expr, test: &str) -> Result<Typed, PgError> {
        let (left, right) = (self.expression(left)?, self.expression(right)?);
        let (left, right, _) = self.comparable(left, right, "=")?;
        Ok(Typed::new(
            format!("({} {test} {})", left.sql, right.sql),
            Ty::Bool,
        ))
    }

    pub(super) fn explicit_cast(
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
    fn regclass(&mut self, expr: &Expr) -> Result<Typed, PgError> {
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
        let name = super::literal(&Value::Text(name.to_owned()));
        Ok(Typed::new(
            format!("(SELECT 16384 + rowid FROM sqlite_schema WHERE name = {name})"),
            Ty::Oid,
        ))
    }

    fn interval(&mut self, interval: &sqlparser::ast::Interval) -> Result<Typed, PgError> {
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

    fn between(
        &mut self,
        expr: &Expr,
        negated: bool,
        low: &Expr,
        high: &Expr,
    ) -> Result<Typed, PgError> {
        let value = self.expression(expr)?;
        let (low, high) = (self.expression(low)?, self.expression(high)?);
        let (left, low, _) = self.comparable(value.clone(), low, ">=")?;
        let (right, high, _) = self.comparable(value, high, "<=")?;
        let not = if negated { "NOT " } else { "" };
        Ok(Typed::new(
            format!(
                "({not}({} >= {} AND {} <= {}))",
                left.sql, low.sql, right.sql, high.sql
            ),
            Ty::Bool,
        ))
    }

    fn in_list(&mut self, expr: &Expr, list: &[Expr], negated: bool) -> Result<Typed, PgError> {
        let not = if negated { "NOT " } else { "" };
        if let Expr::Tuple(left) = expr {
            let mut parts = Vec::new();
            for item in list {
                let Expr::Tuple(right) = item else {
                    return Err(PgError::unsupported("a row compared with a list of values"));
                };
                parts.push(self.row_equality(left, right)?);
            }
            return Ok(Typed::new(
                format!("({not}({}))", parts.join(" OR ")),
                Ty::Bool,
            ));
        }
        let mut left = self.expression(expr)?;
        let mut items = Vec::with_capacity(list.len());
        let mut common = left.ty;
        for item in list {
            let item = self.expression(item)?;
            if item.ty != Ty::Unknown {
                common = if common == Ty::Unknown {
                    item.ty
                } else {
                    common
                        .common(item.ty)
                        .ok_or_else(|| super::operators::no_operator(common, "=", item.ty))?
                };
            }
            items.push(item);
        }
        if common == Ty::Unknown {
            common = Ty::Text;
        }
        left = self.coerce(left, common, -1, How::Implicit)?;
        let mut sqls = Vec::with_capacity(items.len());
        for item in items {
            sqls.push(self.coerce(item, common, -1, How::Implicit)?.sql);
        }
        let collate = if common == Ty::Numeric {
            " COLLATE pg_numeric"
        } else {
            ""
        };
        Ok(Typed::new(
            format!("({}{collate} {not}IN ({}))", left.sql, sqls.join(", ")),
            Ty::Bool,
        ))
    }

    /// `(a, b) = (c, d)`.
    pub(super) fn row_equality(
        &mut self,
        left: &[Expr],
        right: &[Expr],
    ) -> Result<String, PgError> {
        if left.len() != right.len() {
            return Err(PgError::new(
                "42601",
                "unequal number of entries in row expressions",
            ));
        }
        let mut parts = Vec::new();
        for (l, r) in left.iter().zip(right) {
            let (l, r) = (self.expression(l)?, self.expression(r)?);
            let (l, r, _) = self.comparable(l, r, "=")?;
            parts.push(format!("{} = {}", l.sql, r.sql));
        }
        Ok(format!("({})", parts.join(" AND ")))
    }

    fn in_subquery(
        &mut self,
        expr: &Expr,
        subquery: &Query,
        negated: bool,
    ) -> Result<Typed, PgError> {
        let left = self.expression(expr)?;
        let (sql, columns) = self.subquery(subquery)?;
        let [column] = columns.as_slice() else {
            return Err(PgError::new("42601", "subquery has too many columns"));
        };
        let right = Typed::new("c0", column.column.ty);
        let (left, right, _) = self.comparable(left, right, "=")?;
        let not = if negated { "NOT " } else { "" };
        let sql = if right.sql == "c0" {
            sql
        } else {
            format!("SELECT {} FROM ({sql})", right.sql)
        };
        Ok(Typed::new(
            format!("({} {not}IN ({sql}))", left.sql),
            Ty::Bool,
        ))
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

    fn like(
        &mut self,
        expr: &Expr,
        pattern: &Expr,
        escape: Option<&Expr>,
        negated: bool,
        fold_case: bool,
    ) -> Result<Typed, PgError> {
        let value = self.expression(expr)?;
        let value = self.coerce(value, Ty::Text, -1, How::Implicit)?;
        let pattern = self.expression(pattern)?;
        let pattern = self.coerce(pattern, Ty::Text, -1, How::Implicit)?;
        let escape = match escape {
            None => "'\\'".to_owned(),
            Some(escape) => {
                let escape = self.expression(escape)?;
                self.coerce(escape, Ty::Text, -1, How::Implicit)?.sql
            }
        };
        let not = if negated { "NOT " } else { "" };
        Ok(Typed::new(
            format!(
                "({not}pg_like({}, {}, {escape}, {}))",
                value.sql,
                pattern.sql,
                i32::from(fold_case)
            ),
            Ty::Bool,
        ))
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&Expr>,
    ) -> Result<Typed, PgError> {
        let mut tests = Vec::new();
        let mut results = Vec::new();
        for when in conditions {
            let condition = self.expression(&when.condition)?;
            tests.push(match operand {
                None => self.boolean(condition, "CASE/WHEN")?.sql,
                Some(operand) => {
                    let operand = self.expression(operand)?;
                    let (l, r, _) = self.comparable(operand, condition, "=")?;
                    format!("{} = {}", l.sql, r.sql)
                }
            });
            results.push(self.expression(&when.result)?);
        }
        if let Some(otherwise) = otherwise {
            results.push(self.expression(otherwise)?);
        }
        let (results, ty) = self.unify(results, "CASE")?;
        let mut sql = String::from("(CASE");
        for (test, result) in tests.iter().zip(&results) {
            sql.push_str(&format!(" WHEN {test} THEN {}", result.sql));
        }
        if let (Some(_), Some(last)) = (otherwise, results.last()) {
            sql.push_str(&format!(" ELSE {}", last.sql));
        }
        sql.push_str(" END)");
        Ok(Typed::new(sql, ty))
    }

    /// Brings expressions to the type that they have in common (manual, 10.5).
    pub(super) fn unify(
        &mut self,
        items: Vec<Typed>,
        of: &str,
    ) -> Result<(Vec<Typed>, Ty), PgError> {
        let mut common = Ty::Unknown;
        for item in items.iter().filter(|item| item.ty != Ty::Unknown) {
            common = if common == Ty::Unknown {
                item.ty
            } else {
                common.common(item.ty).ok_or_else(|| {
                    PgError::new(
                        "42804",
                        format!(
                            "{of} types {} and {} cannot be matched",
                            common.sql_name(),
                            item.ty.sql_name()
                        ),
                    )
                })?
            };
        }
        if common == Ty::Unknown {
            common = Ty::Text;
        }
        let items = items
            .into_iter()
            .map(|item| self.coerce(item, common, -1, How::Implicit))
            .collect::<Result<Vec<_>, _>>()?;
        Ok((items, common))
    }

    fn at_time_zone(&mut self, timestamp: &Expr, zone: &Expr) -> Result<Typed, PgError> {
        let zone = self.expression(zone)?;
        let Shape::Constant(Value::Text(name)) = &zone.shape else {
            return Err(PgError::unsupported("a time zone that is not a literal"));
        };
        if !crate::value::time::is_utc(name) {
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

    fn array(&mut self, elements: &[Expr]) -> Result<Typed, PgError> {
        let items = elements
            .iter()
            .map(|e| self.expression(e))
            .collect::<Result<Vec<_>, _>>()?;
        if items.is_empty() {
            return Err(
                PgError::new("42P18", "cannot determine type of empty array")
                    .hint("Explicitly cast to the desired type, for example ARRAY[]::integer[]."),
            );
        }
        let (items, ty) = self.unify(items, "ARRAY")?;
        let array = ty
            .array()
            .ok_or_else(|| PgError::unsupported(format_args!("an array of {}", ty.sql_name())))?;
        let sqls: Vec<String> = items.into_iter().map(|item| item.sql).collect();
        Ok(Typed::new(
            format!("json_array({})", sqls.join(", ")),
            array,
        ))
    }

    fn element(&mut self, root: &Expr, index: &Expr) -> Result<Typed, PgError> {
        let array = self.expression(root)?;
        let element = array.ty.element().ok_or_else(|| {
            PgError::new(
                "42804",
                format!(
                    "cannot subscript type {} because it does not support subscripting",
                    array.ty.sql_name()
                ),
            )
        })?;
        let index = self.expression(index)?;
        let index = self.coerce(index, Ty::Int4, -1, How::Implicit)?;
        Ok(Typed::new(
            format!(
                "json_extract({}, '$[' || ({} - 1) || ']')",
                array.sql, index.sql
            ),
            element,
        ))
    }

    /// A type as SQL writes it, with its modifier.
    pub(super) fn data_type(&self, data_type: &DataType) -> Result<(Ty, i32), PgError> {
        data_type_of(data_type)
    }
}

impl super::ScopeItem {
    /// A column of this item as SQLite is told of it.
    pub(super) fn reference(&self, column: &super::ScopeColumn) -> Typed {
        let sql = if self.bare {
            quote(&column.physical)
        } else {
            format!("{}.{}", quote(&self.alias), quote(&column.physical))
        };
        Typed {
            sql,
            ty: column.column.ty,
            typmod: column.column.typmod,
            shape: Shape::Expression,
            at: None,
        }
    }
}

/// A type as SQL writes it, with its modifier.
pub(super) fn data_type_of(data_type: &DataType) -> Result<(Ty, i32), PgError> {
    use sqlparser::ast::{ArrayElemTypeDef, CharacterLength, ExactNumberInfo, TimezoneInfo};
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
            let parts = super::name_parts(name)?;
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
