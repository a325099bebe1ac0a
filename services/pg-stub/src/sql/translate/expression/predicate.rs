//! What is true or false: tests, comparisons with a range, a list or a query, patterns.

use sqlparser::ast::{Expr, Query};

use crate::error::PgError;
use crate::sql::translate::operators::no_operator;
use crate::sql::translate::{Translator, Typed};
use crate::sql::types::Ty;
use crate::value::cast::How;

impl Translator<'_> {
    pub(super) fn suffix(&mut self, expr: &Expr, suffix: &str) -> Result<Typed, PgError> {
        let value = self.expression(expr)?;
        let value = self.settle(value)?;
        Ok(Typed::new(format!("({} {suffix})", value.sql), Ty::Bool))
    }

    pub(super) fn truth(&mut self, expr: &Expr, test: &str) -> Result<Typed, PgError> {
        let value = self.expression(expr)?;
        let value = self.boolean(value, "IS")?;
        Ok(Typed::new(format!("({} {test})", value.sql), Ty::Bool))
    }

    pub(super) fn distinct(
        &mut self,
        left: &Expr,
        right: &Expr,
        test: &str,
    ) -> Result<Typed, PgError> {
        let (left, right) = (self.expression(left)?, self.expression(right)?);
        let (left, right, _) = self.comparable(left, right, "=")?;
        Ok(Typed::new(
            format!("({} {test} {})", left.sql, right.sql),
            Ty::Bool,
        ))
    }

    pub(super) fn between(
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

    pub(super) fn in_list(
        &mut self,
        expr: &Expr,
        list: &[Expr],
        negated: bool,
    ) -> Result<Typed, PgError> {
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
                        .ok_or_else(|| no_operator(common, "=", item.ty))?
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
    pub(in crate::sql::translate) fn row_equality(
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

    pub(super) fn in_subquery(
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

    pub(super) fn like(
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
}
