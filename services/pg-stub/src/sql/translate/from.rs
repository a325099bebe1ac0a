//! FROM: tables, views, subqueries, functions, joins.

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, JoinConstraint, JoinOperator, ObjectName, TableAlias,
    TableFactor, TableWithJoins, Value as Literal,
};

use super::query::{numbered, rename};
use super::{
    Scope, ScopeColumn, ScopeItem, Translator, VIEW_DEPTH_MAX, fold, name_parts, refuse,
    relation_name,
};
use crate::engine::record::quote;
use crate::error::PgError;
use crate::sql::types::{Column, Ty};
use crate::value::cast::How;

impl Translator<'_> {
    /// ` FROM …`, or nothing; its items are in the scope afterwards.
    pub(super) fn from(&mut self, tables: &[TableWithJoins]) -> Result<String, PgError> {
        if tables.is_empty() {
            return Ok(String::new());
        }
        let mut parts = Vec::new();
        for table in tables {
            parts.push(self.table_with_joins(table)?);
        }
        Ok(format!(" FROM {}", parts.join(", ")))
    }

    fn table_with_joins(&mut self, table: &TableWithJoins) -> Result<String, PgError> {
        let first = self.scopes.last().map_or(0, |scope| scope.items.len());
        let mut sql = self.factor(&table.relation)?;
        for join in &table.joins {
            let (word, constraint) = match &join.join_operator {
                JoinOperator::Join(c) | JoinOperator::Inner(c) => ("JOIN", c),
                JoinOperator::Left(c) | JoinOperator::LeftOuter(c) => ("LEFT JOIN", c),
                JoinOperator::Right(c) | JoinOperator::RightOuter(c) => ("RIGHT JOIN", c),
                JoinOperator::FullOuter(c) => ("FULL JOIN", c),
                JoinOperator::CrossJoin(c) => ("CROSS JOIN", c),
                other => return Err(PgError::unsupported(format_args!("the join {other:?}"))),
            };
            let right = self.factor(&join.relation)?;
            sql.push_str(&format!(" {word} {right}"));
            sql.push_str(&self.join_constraint(constraint, first)?);
        }
        Ok(sql)
    }

    fn join_constraint(
        &mut self,
        constraint: &JoinConstraint,
        first: usize,
    ) -> Result<String, PgError> {
        let names = match constraint {
            JoinConstraint::None => return Ok(String::new()),
            JoinConstraint::On(expr) => {
                let condition = self.expression(expr)?;
                let condition = self.boolean(condition, "JOIN/ON")?;
                return Ok(format!(" ON {}", condition.sql));
            }
            JoinConstraint::Using(names) => names
                .iter()
                .map(relation_name)
                .collect::<Result<Vec<_>, _>>()?,
            JoinConstraint::Natural => self.natural_names(first),
        };
        self.merge(&names, first)
    }

    fn natural_names(&self, first: usize) -> Vec<String> {
        let Some(items) = self.scopes.last().map(|scope| &scope.items[first..]) else {
            return Vec::new();
        };
        let Some((right, left)) = items.split_last() else {
            return Vec::new();
        };
        right
            .columns
            .iter()
            .map(|column| column.column.name.clone())
            .filter(|name| {
                left.iter()
                    .any(|item| item.columns.iter().any(|c| c.column.name == *name))
            })
            .collect()
    }

    /// USING: equal in both, and one column from then on.
    fn merge(&mut self, names: &[String], first: usize) -> Result<String, PgError> {
        let mut tests = Vec::new();
        for name in names {
            let Some(scope) = self.scopes.last_mut() else {
                break;
            };
            let Some((right, left)) = scope.items[first..].split_last_mut() else {
                break;
            };
            let missing = |side: &str| {
                PgError::new(
                    "42703",
                    format!(
                        "column \"{name}\" specified in USING clause does not exist in {side} table"
                    ),
                )
            };
            let l = left
                .iter()
                .find_map(|item| {
                    let column = item.columns.iter().find(|c| c.column.name == *name)?;
                    (!item.merged.contains(name)).then(|| item.reference(column))
                })
                .ok_or_else(|| missing("left"))?;
            let r = right
                .columns
                .iter()
                .find(|c| c.column.name == *name)
                .map(|column| right.reference(column))
                .ok_or_else(|| missing("right"))?;
            right.merged.push(name.clone());
            let (l, r, _) = self.comparable(l, r, "=")?;
            tests.push(format!("{} = {}", l.sql, r.sql));
        }
        Ok(if tests.is_empty() {
            String::new()
        } else {
            format!(" ON {}", tests.join(" AND "))
        })
    }

    fn factor(&mut self, factor: &TableFactor) -> Result<String, PgError> {
        match factor {
            TableFactor::Table {
                name,
                alias,
                args,
                with_hints,
                version,
                with_ordinality,
                partitions,
                sample,
                index_hints,
                json_path,
            } => {
                refuse(
                    !with_hints.is_empty()
                        || version.is_some()
                        || !partitions.is_empty()
                        || sample.is_some()
                        || !index_hints.is_empty()
                        || json_path.is_some(),
                    "a table with hints, a version, a sample or partitions",
                )?;
                refuse(*with_ordinality, "WITH ORDINALITY")?;
                match args {
                    None => self.relation(name, alias.as_ref()),
                    Some(args) => self.table_function(name, &args.args, alias.as_ref()),
                }
            }
            TableFactor::Function {
                lateral: false,
                name,
                args,
                with_ordinality: false,
                alias,
            } => self.table_function(name, args, alias.as_ref()),
            TableFactor::Derived {
                lateral,
                subquery,
                alias,
                sample,
            } => {
                refuse(*lateral, "LATERAL")?;
                refuse(sample.is_some(), "TABLESAMPLE")?;
                // Tables beside it are not visible inside it.
                let beside = self.scopes.pop().unwrap_or_default();
                let result = self.subquery(subquery);
                self.scopes.push(beside);
                let (sql, columns) = result?;
                let Some(alias) = alias else {
                    return Err(PgError::new("42601", "subquery in FROM must have an alias")
                        .hint("For example, FROM (SELECT ...) [AS] foo."));
                };
                self.add_item(&fold(&alias.name), columns, Some(alias), format!("({sql})"))
            }
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => Ok(format!("({})", self.table_with_joins(table_with_joins)?)),
            TableFactor::UNNEST {
                alias,
                array_exprs,
                with_offset: false,
                with_ordinality: false,
                ..
            } => {
                let [array] = array_exprs.as_slice() else {
                    return Err(PgError::unsupported("unnest of several arrays"));
                };
                self.unnest(array, alias.as_ref())
            }
            other => Err(PgError::unsupported(format_args!("the FROM item {other}"))),
        }
    }

    fn relation(
        &mut self,
        name: &ObjectName,
        alias: Option<&TableAlias>,
    ) -> Result<String, PgError> {
        let parts = name_parts(name)?;
        let (schema, relation) = match parts.as_slice() {
            [relation] => (None, relation.as_str()),
            [schema, relation] => (Some(schema.as_str()), relation.as_str()),
            _ => return Err(PgError::unsupported(format_args!("the relation {name}"))),
        };
        let shown = alias.map_or_else(|| relation.to_owned(), |alias| fold(&alias.name));
        if schema.is_none()
            && let Some(cte) = self.ctes.iter().rev().find(|cte| cte.name == relation)
        {
            let columns: Vec<ScopeColumn> = cte
                .columns
                .iter()
                .enumerate()
                .map(|(i, c)| numbered(i, c.column.clone()))
                .collect();
            return self.add_item(&shown, columns, alias, quote(relation));
        }
        if matches!(schema, None | Some("public")) {
            if let Some(table) = self.catalog.table(relation)? {
                let columns = table
                    .columns
                    .iter()
                    .map(|c| ScopeColumn {
                        column: c.column.clone(),
                        physical: c.column.name.clone(),
                    })
                    .collect();
                return self.add_item(&shown, columns, alias, quote(relation));
            }
            if let Some(definition) = self.catalog.view(relation)? {
                let (sql, columns) = self.view(&definition)?;
                return self.add_item(&shown, columns, alias, format!("({sql})"));
            }
        }
        if matches!(schema, None | Some("pg_catalog" | "information_schema")) {
            let found = super::catalog::relation(schema, relation, self.catalog);
            if let Some(found) = found {
                self.cacheable &= !found.from_server;
                return self.add_item(&shown, found.columns, alias, format!("({})", found.sql));
            }
        }
        let full = parts.join(".");
        Err(PgError::new("42P01", format!("relation \"{full}\" does not exist")).at(self.at(name)))
    }

    /// A view is its definition, put in its place.
    fn view(&mut self, definition: &str) -> Result<super::query::Translated, PgError> {
        if self.view_depth >= VIEW_DEPTH_MAX {
            return Err(PgError::new("54001", "views nest too deeply"));
        }
        let statements = crate::sql::parse::parse(definition)?;
        let Some(sqlparser::ast::Statement::Query(query)) = statements.first() else {
            return Err(PgError::new("XX000", "a view's definition is no query"));
        };
        let scopes = std::mem::take(&mut self.scopes);
        let ctes = std::mem::take(&mut self.ctes);
        self.view_depth += 1;
        let result = self.query(query);
        self.view_depth -= 1;
        self.scopes = scopes;
        self.ctes = ctes;
        result
    }

    fn table_function(
        &mut self,
        name: &ObjectName,
        args: &[FunctionArg],
        alias: Option<&TableAlias>,
    ) -> Result<String, PgError> {
        let function = name_parts(name)?.pop().unwrap_or_default();
        let mut exprs = Vec::new();
        for arg in args {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => exprs.push(expr),
                other => return Err(PgError::unsupported(other)),
            }
        }
        if let ("unnest", [array]) = (function.as_str(), exprs.as_slice()) {
            return self.unnest(array, alias);
        }
        if function != "generate_series" {
            // Any other function is a table of one row and one column.
            let owned: Vec<&Expr> = exprs;
            let value = self.named(&function, &owned)?;
            return self.single_column(
                &function,
                value.ty,
                alias,
                format!("(SELECT {} AS c0)", value.sql),
            );
        }
        let one = Expr::value(Literal::Number("1".to_owned(), false));
        let (first, last, step) = match exprs.as_slice() {
            [first, last] => (*first, *last, &one),
            [first, last, step] => (*first, *last, *step),
            _ => return Err(PgError::unsupported("this call of generate_series")),
        };
        let (first, last) = (self.expression(first)?, self.expression(last)?);
        let step = self.expression(step)?;
        let (first, last, ty, step) = if first.ty.is_datetime() || last.ty.is_datetime() {
            let (first, last, ty) = self.comparable(first, last, "=")?;
            (
                first,
                last,
                ty,
                self.coerce(step, Ty::Interval, -1, How::Implicit)?,
            )
        } else {
            let ty = match (first.ty, last.ty) {
                (Ty::Int8, _) | (_, Ty::Int8) => Ty::Int8,
                _ => Ty::Int4,
            };
            (
                self.coerce(first, ty, -1, How::Implicit)?,
                self.coerce(last, ty, -1, How::Implicit)?,
                ty,
                self.coerce(step, ty, -1, How::Implicit)?,
            )
        };
        let sql = format!(
            "(WITH RECURSIVE b(f, l, s) AS (SELECT {}, {}, {}), g(c0) AS (SELECT f FROM b WHERE (s > 0 AND f <= l) OR (s < 0 AND f >= l) \
             UNION ALL SELECT c0 + s FROM g, b WHERE (s > 0 AND c0 + s <= l) OR (s < 0 AND c0 + s >= l)) SELECT c0 FROM g)",
            first.sql, last.sql, step.sql
        );
        self.single_column(&function, ty, alias, sql)
    }

    fn unnest(&mut self, array: &Expr, alias: Option<&TableAlias>) -> Result<String, PgError> {
        let array = self.expression(array)?;
        let element = array.ty.element().ok_or_else(|| {
            PgError::new(
                "42883",
                format!("function unnest({}) does not exist", array.ty.sql_name()),
            )
        })?;
        let sql = format!("(SELECT value AS c0 FROM json_each({}))", array.sql);
        self.single_column("unnest", element, alias, sql)
    }

    /// A function's one column is called as its alias, or as the function.
    fn single_column(
        &mut self,
        function: &str,
        ty: Ty,
        alias: Option<&TableAlias>,
        sql: String,
    ) -> Result<String, PgError> {
        let shown = alias.map_or_else(|| function.to_owned(), |alias| fold(&alias.name));
        let columns = vec![numbered(0, Column::new(shown.clone(), ty))];
        self.add_item(&shown, columns, alias, sql)
    }

    fn add_item(
        &mut self,
        shown: &str,
        mut columns: Vec<ScopeColumn>,
        alias: Option<&TableAlias>,
        sql: String,
    ) -> Result<String, PgError> {
        if let Some(alias) = alias {
            let names: Vec<String> = alias.columns.iter().map(|c| fold(&c.name)).collect();
            rename(&mut columns, &names)?;
        }
        let scope = match self.scopes.last_mut() {
            Some(scope) => scope,
            None => {
                self.scopes.push(Scope::default());
                self.scopes.last_mut().expect("one was pushed")
            }
        };
        if scope.items.iter().any(|item| item.alias == shown) {
            return Err(PgError::new(
                "42712",
                format!("table name \"{shown}\" specified more than once"),
            ));
        }
        scope.items.push(ScopeItem {
            alias: shown.to_owned(),
            columns,
            merged: Vec::new(),
            bare: false,
        });
        Ok(format!("{sql} AS {}", quote(shown)))
    }
}

/// The name that PostgreSQL gives to an unnamed output column (`FigureColname`).
pub(super) fn output_name(expr: &Expr) -> String {
    known_name(expr).unwrap_or_else(|| "?column?".to_owned())
}

fn known_name(expr: &Expr) -> Option<String> {
    let fixed = |name: &str| Some(name.to_owned());
    match expr {
        Expr::Identifier(ident) => Some(fold(ident)),
        Expr::CompoundIdentifier(parts) => parts.last().map(fold),
        Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => known_name(inner),
        Expr::Function(function) => function
            .name
            .0
            .last()
            .and_then(|part| part.as_ident())
            .map(fold),
        Expr::Cast {
            expr, data_type, ..
        } => known_name(expr).or_else(|| {
            let (ty, _) = super::expression::data_type_of(data_type).ok()?;
            Some(ty.element().unwrap_or(ty).name().to_owned())
        }),
        Expr::TypedString(typed) => super::expression::data_type_of(&typed.data_type)
            .ok()
            .map(|(ty, _)| ty.name().to_owned()),
        Expr::Interval(_) => fixed("interval"),
        Expr::Case { else_result, .. } => else_result
            .as_deref()
            .and_then(known_name)
            .filter(|_| {
                matches!(
                    else_result.as_deref(),
                    Some(Expr::Identifier(_) | Expr::CompoundIdentifier(_))
                )
            })
            .or_else(|| fixed("case")),
        Expr::Exists { .. } => fixed("exists"),
        Expr::Extract { .. } => fixed("extract"),
        Expr::Ceil { .. } => fixed("ceil"),
        Expr::Floor { .. } => fixed("floor"),
        Expr::Position { .. } => fixed("position"),
        Expr::Substring { shorthand, .. } => fixed(if *shorthand { "substr" } else { "substring" }),
        Expr::Trim { trim_where, .. } => fixed(match trim_where {
            Some(sqlparser::ast::TrimWhereField::Leading) => "ltrim",
            Some(sqlparser::ast::TrimWhereField::Trailing) => "rtrim",
            _ => "btrim",
        }),
        Expr::AtTimeZone { .. } => fixed("timezone"),
        Expr::Array(_) => fixed("array"),
        Expr::Subquery(query) => match query.body.as_ref() {
            sqlparser::ast::SetExpr::Select(select) => match select.projection.first()? {
                sqlparser::ast::SelectItem::UnnamedExpr(expr) => known_name(expr),
                sqlparser::ast::SelectItem::ExprWithAlias { alias, .. } => Some(fold(alias)),
                _ => None,
            },
            _ => None,
        },
        _ => None,
    }
}
