//! Queries with all their clauses.
//!
//! | module | idea |
//! |---|---|
//! | [`select`] | one SELECT |
//! | [`set`] | UNION, INTERSECT, EXCEPT and VALUES |
//! | [`with`] | WITH |
//! | [`order`] | ORDER BY |

mod order;
mod select;
mod set;
mod with;

use sqlparser::ast::{
    Expr, LimitClause, OrderByExpr, OrderByKind, Query, SetExpr, Value as Literal,
};

use super::{ScopeColumn, Translator, refuse};
use crate::error::PgError;
use crate::sql::types::{Column, Ty};
use crate::value::cast::How;

/// SQLite's text and the columns that come out, named `c0`, `c1`, … there.
pub(super) type Translated = (String, Vec<ScopeColumn>);

impl Translator<'_> {
    /// A query inside an expression: it sees the scopes around it.
    pub(super) fn subquery(&mut self, query: &Query) -> Result<Translated, PgError> {
        let aggregate_seen = self.aggregate_seen;
        let result = self.query(query);
        self.aggregate_seen = aggregate_seen;
        result
    }

    /// A query with all its clauses.
    pub(super) fn query(&mut self, query: &Query) -> Result<Translated, PgError> {
        refuse(query.for_clause.is_some(), "FOR XML or FOR JSON")?;
        refuse(!query.pipe_operators.is_empty(), "a pipe operator")?;
        refuse(
            query.settings.is_some() || query.format_clause.is_some(),
            "SETTINGS or FORMAT",
        )?;
        if !query.locks.is_empty() {
            self.locks = true;
        }
        let ctes_before = self.ctes.len();
        let result = self.query_in_scope(query);
        self.ctes.truncate(ctes_before);
        result
    }

    fn query_in_scope(&mut self, query: &Query) -> Result<Translated, PgError> {
        let with = match &query.with {
            None => String::new(),
            Some(with) => self.with(with)?,
        };
        let terms: &[OrderByExpr] = match &query.order_by {
            None => &[],
            Some(order) => match &order.kind {
                OrderByKind::Expressions(terms) => terms,
                OrderByKind::All(_) => return Err(PgError::unsupported("ORDER BY ALL")),
            },
        };
        let (mut sql, columns) = match query.body.as_ref() {
            SetExpr::Select(select) => self.select(select, terms)?,
            body => {
                let (sql, columns) = self.set_expression(body)?;
                if terms.is_empty() {
                    (sql, columns)
                } else {
                    let order = self.output_order(terms, &columns)?;
                    (format!("SELECT * FROM ({sql}) {order}"), columns)
                }
            }
        };
        let limit = self.limit(query)?;
        if !limit.is_empty() {
            // A compound's or VALUES' LIMIT applies to the whole only from outside.
            if !matches!(query.body.as_ref(), SetExpr::Select(_)) && terms.is_empty() {
                sql = format!("SELECT * FROM ({sql})");
            }
            sql.push_str(&limit);
        }
        Ok((format!("{with}{sql}"), columns))
    }

    fn limit(&mut self, query: &Query) -> Result<String, PgError> {
        let mut limit: Option<&Expr> = None;
        let mut offset: Option<&Expr> = None;
        match &query.limit_clause {
            None => {}
            Some(LimitClause::LimitOffset {
                limit: l,
                offset: o,
                limit_by,
            }) => {
                refuse(!limit_by.is_empty(), "LIMIT BY")?;
                limit = l.as_ref();
                offset = o.as_ref().map(|o| &o.value);
            }
            Some(other) => return Err(PgError::unsupported(other)),
        }
        let one = Expr::value(Literal::Number("1".to_owned(), false));
        if let Some(fetch) = &query.fetch {
            refuse(
                fetch.with_ties || fetch.percent,
                "FETCH WITH TIES or PERCENT",
            )?;
            limit = Some(fetch.quantity.as_ref().unwrap_or(&one));
        }
        if limit.is_none() && offset.is_none() {
            return Ok(String::new());
        }
        let limit = match limit {
            None => "-1".to_owned(),
            Some(expr) => {
                let value = self.expression(expr)?;
                let value = self.coerce(value, Ty::Int8, -1, How::Assignment)?;
                format!("pg_limit({}, 0)", value.sql)
            }
        };
        let mut sql = format!(" LIMIT {limit}");
        if let Some(expr) = offset {
            let value = self.expression(expr)?;
            let value = self.coerce(value, Ty::Int8, -1, How::Assignment)?;
            sql.push_str(&format!(" OFFSET pg_limit({}, 1)", value.sql));
        }
        Ok(sql)
    }

    fn set_expression(&mut self, body: &SetExpr) -> Result<Translated, PgError> {
        match body {
            SetExpr::Select(select) => self.select(select, &[]),
            SetExpr::Query(query) => self.query(query),
            SetExpr::Values(values) => self.values(values),
            SetExpr::SetOperation {
                left,
                op,
                set_quantifier,
                right,
            } => self.set_operation(left, *op, *set_quantifier, right),
            SetExpr::Table(table) => Err(PgError::unsupported(table)),
            _ => Err(PgError::unsupported("a change of data inside WITH")),
        }
    }
}

/// A column `c{i}`.
pub(super) fn numbered(i: usize, column: Column) -> ScopeColumn {
    ScopeColumn {
        column,
        physical: format!("c{i}"),
    }
}

/// Gives columns the names that an alias lists.
pub(super) fn rename(columns: &mut [ScopeColumn], names: &[String]) -> Result<(), PgError> {
    if names.len() > columns.len() {
        return Err(PgError::new(
            "42P10",
            format!(
                "table has {} columns available but {} columns specified",
                columns.len(),
                names.len()
            ),
        ));
    }
    for (column, name) in columns.iter_mut().zip(names) {
        column.column.name.clone_from(name);
    }
    Ok(())
}
