//! SELECT, VALUES, set operations and WITH.

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, LimitClause, OrderByExpr, OrderByKind, OrderBySort, Query, Select,
    SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier,
    Value as Literal, Values, With,
};

use super::functions::collated;
use super::{Cte, Scope, ScopeColumn, Translator, Typed, fold, refuse};
use crate::engine::record::quote;
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

    fn with(&mut self, with: &With) -> Result<String, PgError> {
        let mut parts = Vec::new();
        for cte in &with.cte_tables {
            let name = fold(&cte.alias.name);
            let named: Vec<String> = cte.alias.columns.iter().map(|c| fold(&c.name)).collect();
            let recursive = with.recursive
                && matches!(
                    cte.query.body.as_ref(),
                    SetExpr::SetOperation {
                        op: SetOperator::Union,
                        ..
                    }
                );
            let (sql, columns) = if recursive {
                self.recursive_cte(&name, &named, &cte.query)?
            } else {
                let (sql, mut columns) = self.query(&cte.query)?;
                rename(&mut columns, &named)?;
                (sql, columns)
            };
            let physical: Vec<String> = (0..columns.len()).map(|i| format!("c{i}")).collect();
            parts.push(format!(
                "{}({}) AS ({sql})",
                quote(&name),
                physical.join(", ")
            ));
            self.ctes.push(Cte { name, columns });
        }
        let word = if with.recursive {
            "WITH RECURSIVE"
        } else {
            "WITH"
        };
        Ok(format!("{word} {} ", parts.join(", ")))
    }

    /// The types come from the term that does not recurse; SQLite wants the two terms bare.
    fn recursive_cte(
        &mut self,
        name: &str,
        named: &[String],
        query: &Query,
    ) -> Result<Translated, PgError> {
        let SetExpr::SetOperation {
            set_quantifier,
            left,
            right,
            ..
        } = query.body.as_ref()
        else {
            return Err(PgError::unsupported("this recursive query"));
        };
        refuse(
            query.with.is_some() || query.order_by.is_some() || query.limit_clause.is_some(),
            "WITH, ORDER BY or LIMIT in a recursive query",
        )?;
        let (first, mut columns) = self.set_expression(left)?;
        rename(&mut columns, named)?;
        self.ctes.push(Cte {
            name: name.to_owned(),
            columns: columns.clone(),
        });
        let again = self.set_expression(right);
        self.ctes.pop();
        let (again, again_columns) = again?;
        if columns.len() != again_columns.len() {
            return Err(unequal("UNION"));
        }
        let word = if *set_quantifier == SetQuantifier::All {
            "UNION ALL"
        } else {
            "UNION"
        };
        Ok((format!("{first} {word} {again}"), columns))
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

    fn set_operation(
        &mut self,
        left: &SetExpr,
        op: SetOperator,
        quantifier: SetQuantifier,
        right: &SetExpr,
    ) -> Result<Translated, PgError> {
        let word = match (op, quantifier) {
            (SetOperator::Union, SetQuantifier::All) => "UNION ALL",
            (SetOperator::Union, SetQuantifier::None | SetQuantifier::Distinct) => "UNION",
            (SetOperator::Intersect, SetQuantifier::None | SetQuantifier::Distinct) => "INTERSECT",
            (SetOperator::Except, SetQuantifier::None | SetQuantifier::Distinct) => "EXCEPT",
            _ => return Err(PgError::unsupported(format_args!("{op} {quantifier}"))),
        };
        let (left_sql, left_columns) = self.set_expression(left)?;
        let (right_sql, right_columns) = self.set_expression(right)?;
        if left_columns.len() != right_columns.len() {
            return Err(unequal(&op.to_string()));
        }
        let mut columns = Vec::new();
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        for (i, (l, r)) in left_columns.iter().zip(&right_columns).enumerate() {
            let item = |ty| Typed::new(format!("c{i}"), ty);
            let pair = vec![item(l.column.ty), item(r.column.ty)];
            let (pair, ty) = self.unify(pair, &op.to_string())?;
            lefts.push(format!("{} AS c{i}", collated(&pair[0])));
            rights.push(format!("{} AS c{i}", pair[1].sql));
            columns.push(numbered(
                i,
                Column {
                    ty,
                    ..l.column.clone()
                },
            ));
        }
        Ok((
            format!(
                "SELECT {} FROM ({left_sql}) {word} SELECT {} FROM ({right_sql})",
                lefts.join(", "),
                rights.join(", ")
            ),
            columns,
        ))
    }

    fn values(&mut self, values: &Values) -> Result<Translated, PgError> {
        let mut rows: Vec<Vec<Typed>> = Vec::new();
        for row in &values.rows {
            let row = row
                .content
                .iter()
                .map(|e| self.expression(e))
                .collect::<Result<Vec<_>, _>>()?;
            if rows.first().is_some_and(|first| first.len() != row.len()) {
                return Err(PgError::new(
                    "42601",
                    "VALUES lists must all be the same length",
                ));
            }
            rows.push(row);
        }
        let width = rows.first().map_or(0, Vec::len);
        let mut columns = Vec::new();
        let mut cells: Vec<Vec<String>> = vec![Vec::new(); rows.len()];
        for i in 0..width {
            let items = rows.iter().map(|row| row[i].clone()).collect();
            let (items, ty) = self.unify(items, "VALUES")?;
            for (cell, item) in cells.iter_mut().zip(items) {
                cell.push(item.sql);
            }
            columns.push(numbered(i, Column::new(format!("column{}", i + 1), ty)));
        }
        let rows: Vec<String> = cells
            .into_iter()
            .map(|cell| format!("({})", cell.join(", ")))
            .collect();
        let names: Vec<String> = (0..width)
            .map(|i| format!("column{} AS c{i}", i + 1))
            .collect();
        Ok((
            format!(
                "SELECT {} FROM (VALUES {})",
                names.join(", "),
                rows.join(", ")
            ),
            columns,
        ))
    }

    fn select(&mut self, select: &Select, order: &[OrderByExpr]) -> Result<Translated, PgError> {
        refuse(select.into.is_some(), "SELECT INTO")?;
        refuse(select.top.is_some(), "TOP")?;
        refuse(
            !select.lateral_views.is_empty() || select.qualify.is_some(),
            "LATERAL VIEW or QUALIFY",
        )?;
        refuse(!select.named_window.is_empty(), "WINDOW")?;
        refuse(select.exclude.is_some(), "EXCLUDE")?;
        let distinct = match &select.distinct {
            None | Some(Distinct::All) => "",
            Some(Distinct::Distinct) => "DISTINCT ",
            Some(Distinct::On(_)) => return Err(PgError::unsupported("DISTINCT ON")),
        };
        self.scopes.push(Scope::default());
        let result = self.select_in_scope(select, distinct, order);
        self.scopes.pop();
        result
    }

    fn select_in_scope(
        &mut self,
        select: &Select,
        distinct: &str,
        order: &[OrderByExpr],
    ) -> Result<Translated, PgError> {
        let from = self.from(&select.from)?;
        let mut sql = String::new();
        let condition = match &select.selection {
            None => String::new(),
            Some(expr) => {
                self.aggregate_seen = false;
                let condition = self.expression(expr)?;
                if self.aggregate_seen {
                    return Err(PgError::new(
                        "42803",
                        "aggregate functions are not allowed in WHERE",
                    )
                    .at(self.at(expr)));
                }
                let at = self.at(expr);
                let condition = self.boolean(condition, "WHERE").map_err(|e| e.at(at))?;
                format!(" WHERE {}", condition.sql)
            }
        };
        let outputs = self.projection(&select.projection)?;
        let list: Vec<String> = outputs
            .iter()
            .enumerate()
            .map(|(i, (typed, _))| {
                let value = if distinct.is_empty() {
                    typed.sql.clone()
                } else {
                    collated(typed)
                };
                format!("{value} AS c{i}")
            })
            .collect();
        let list = if list.is_empty() {
            "NULL AS c0".to_owned()
        } else {
            list.join(", ")
        };
        sql.push_str(&format!("SELECT {distinct}{list}{from}{condition}"));
        sql.push_str(&self.group_by(&select.group_by, &outputs)?);
        if let Some(having) = &select.having {
            let having = self.expression(having)?;
            sql.push_str(&format!(" HAVING {}", self.boolean(having, "HAVING")?.sql));
        }
        if !order.is_empty() {
            sql.push(' ');
            sql.push_str(&self.order_terms(order, &outputs)?);
        }
        let columns = outputs
            .into_iter()
            .enumerate()
            .map(|(i, (typed, name))| {
                numbered(
                    i,
                    Column {
                        name,
                        ty: typed.ty,
                        typmod: typed.typmod,
                    },
                )
            })
            .collect();
        Ok((sql, columns))
    }

    /// The select list, with the names that PostgreSQL gives.
    pub(super) fn projection(
        &mut self,
        items: &[SelectItem],
    ) -> Result<Vec<(Typed, String)>, PgError> {
        let mut outputs = Vec::new();
        for item in items {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let typed = self.expression(expr)?;
                    outputs.push((self.settle(typed)?, super::from::output_name(expr)));
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let typed = self.expression(expr)?;
                    outputs.push((self.settle(typed)?, fold(alias)));
                }
                SelectItem::Wildcard(_) => {
                    let scope = self.scopes.last().cloned().unwrap_or_default();
                    if scope.items.is_empty() {
                        return Err(PgError::new(
                            "42601",
                            "SELECT * with no tables specified is not valid",
                        ));
                    }
                    for item in &scope.items {
                        for column in &item.columns {
                            if !item.merged.contains(&column.column.name) {
                                outputs.push((item.reference(column), column.column.name.clone()));
                            }
                        }
                    }
                }
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    _,
                ) => {
                    let alias = super::relation_name(name)?;
                    let scope = self.scopes.last().cloned().unwrap_or_default();
                    let item = scope
                        .items
                        .iter()
                        .find(|item| item.alias == alias)
                        .ok_or_else(|| {
                            PgError::new(
                                "42P01",
                                format!("missing FROM-clause entry for table \"{alias}\""),
                            )
                        })?;
                    for column in &item.columns {
                        outputs.push((item.reference(column), column.column.name.clone()));
                    }
                }
                other => return Err(PgError::unsupported(other)),
            }
        }
        Ok(outputs)
    }

    fn group_by(
        &mut self,
        group_by: &GroupByExpr,
        outputs: &[(Typed, String)],
    ) -> Result<String, PgError> {
        let GroupByExpr::Expressions(terms, modifiers) = group_by else {
            return Err(PgError::unsupported("GROUP BY ALL"));
        };
        refuse(!modifiers.is_empty(), "a modifier of GROUP BY")?;
        if terms.is_empty() {
            return Ok(String::new());
        }
        let mut sqls = Vec::new();
        for term in terms {
            if let Some(i) = ordinal(term) {
                let (typed, _) =
                    i.checked_sub(1)
                        .and_then(|i| outputs.get(i))
                        .ok_or_else(|| {
                            PgError::new(
                                "42P10",
                                format!("GROUP BY position {i} is not in select list"),
                            )
                        })?;
                sqls.push(collated(typed));
                continue;
            }
            // A column of the input comes before one of the output.
            if let Expr::Identifier(ident) = term {
                let name = fold(ident);
                if self.find_column(None, &name)?.is_none()
                    && let Some((typed, _)) = outputs.iter().find(|(_, output)| *output == name)
                {
                    sqls.push(collated(typed));
                    continue;
                }
            }
            let typed = self.expression(term)?;
            sqls.push(collated(&typed));
        }
        Ok(format!(" GROUP BY {}", sqls.join(", ")))
    }

    /// `ORDER BY …`, where a plain name means an output column first.
    pub(super) fn order_terms(
        &mut self,
        terms: &[OrderByExpr],
        outputs: &[(Typed, String)],
    ) -> Result<String, PgError> {
        let mut sqls = Vec::new();
        for term in terms {
            let output = match &term.expr {
                Expr::Identifier(ident) => {
                    let name = fold(ident);
                    outputs.iter().position(|(_, output)| *output == name)
                }
                expr => match ordinal(expr).filter(|_| !outputs.is_empty()) {
                    Some(i) if (1..=outputs.len()).contains(&i) => Some(i - 1),
                    Some(i) => {
                        return Err(PgError::new(
                            "42P10",
                            format!("ORDER BY position {i} is not in select list"),
                        ));
                    }
                    None => None,
                },
            };
            let sql = match output {
                Some(i) if outputs[i].0.ty == Ty::Numeric => collated(&outputs[i].0),
                Some(i) => (i + 1).to_string(),
                None => {
                    let typed = self.expression(&term.expr)?;
                    collated(&typed)
                }
            };
            sqls.push(format!("{sql}{}", direction(term)?));
        }
        Ok(format!("ORDER BY {}", sqls.join(", ")))
    }

    /// ORDER BY of a set operation: output columns alone.
    fn output_order(
        &mut self,
        terms: &[OrderByExpr],
        columns: &[ScopeColumn],
    ) -> Result<String, PgError> {
        let mut sqls = Vec::new();
        for term in terms {
            let at = match &term.expr {
                Expr::Identifier(ident) => {
                    let name = fold(ident);
                    columns.iter().position(|c| c.column.name == name)
                }
                expr => ordinal(expr).and_then(|i| i.checked_sub(1)),
            };
            let column =
                at.and_then(|i| columns.get(i).map(|c| (i, c)))
                    .ok_or_else(|| {
                        PgError::new("0A000", "invalid UNION/INTERSECT/EXCEPT ORDER BY clause")
                    .detail("Only result column names can be used, not expressions or functions.")
                    })?;
            let typed = Typed::new(format!("c{}", column.0), column.1.column.ty);
            sqls.push(format!("{}{}", collated(&typed), direction(term)?));
        }
        Ok(format!("ORDER BY {}", sqls.join(", ")))
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

fn unequal(op: &str) -> PgError {
    PgError::new(
        "42601",
        format!("each {op} query must have the same number of columns"),
    )
}

fn ordinal(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(value) => match &value.value {
            Literal::Number(digits, false) => digits.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

/// ASC or DESC, and where NULLs go: last when ascending, unlike SQLite's.
fn direction(term: &OrderByExpr) -> Result<&'static str, PgError> {
    refuse(term.with_fill.is_some(), "WITH FILL")?;
    let descending = match &term.options.sort {
        None | Some(OrderBySort::Asc) => false,
        Some(OrderBySort::Desc) => true,
        Some(_) => return Err(PgError::unsupported("ORDER BY … USING")),
    };
    Ok(
        match (descending, term.options.nulls_first.unwrap_or(descending)) {
            (false, false) => " NULLS LAST",
            (false, true) => "",
            (true, true) => " DESC NULLS FIRST",
            (true, false) => " DESC",
        },
    )
}
