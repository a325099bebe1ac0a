//! INSERT, UPDATE and DELETE.

use std::sync::Arc;

use sqlparser::ast::{
    Assignment, AssignmentTarget, ConflictTarget, Delete, Expr, FromTable, Insert, ObjectName,
    OnConflictAction, OnInsert, SelectItem, SetExpr, TableFactor, TableObject, TableWithJoins,
    Update, UpdateTableFromKind,
};

use super::{
    Scope, ScopeColumn, ScopeItem, Translator, Typed, fold, quoted_list, refuse, relation_name,
};
use crate::engine::record::quote;
use crate::engine::store::{Table, TableColumn};
use crate::error::PgError;
use crate::sql::plan::{Action, Plan, PlanKind};
use crate::sql::types::Column;
use crate::value::cast::{How, allowed};

impl Translator<'_> {
    pub(super) fn insert(&mut self, insert: &Insert) -> Result<Action, PgError> {
        refuse(
            insert.or.is_some() || insert.ignore || insert.overwrite || insert.replace_into,
            "INSERT with OR, IGNORE, OVERWRITE or REPLACE",
        )?;
        refuse(
            !insert.assignments.is_empty() || insert.partitioned.is_some(),
            "INSERT … SET",
        )?;
        let TableObject::TableName(name) = &insert.table else {
            return Err(PgError::unsupported("INSERT into anything but a table"));
        };
        let table = self.target(name)?;
        let columns = self.insert_columns(&table, &insert.columns)?;
        let mut sql = format!("INSERT INTO {}", quote(&table.name));
        if let Some(alias) = &insert.table_alias {
            sql.push_str(&format!(" AS {}", quote(&fold(&alias.alias))));
        }
        let names = quoted_list(columns.iter().map(|c| &c.column.name));
        match &insert.source {
            None => sql.push_str(" DEFAULT VALUES"),
            Some(query) => match query.body.as_ref() {
                SetExpr::Values(values)
                    if query.with.is_none()
                        && query.order_by.is_none()
                        && query.limit_clause.is_none() =>
                {
                    let mut rows = Vec::new();
                    for row in &values.rows {
                        rows.push(self.insert_row(&columns, &row.content)?);
                    }
                    let width = values
                        .rows
                        .iter()
                        .map(|row| row.content.len())
                        .max()
                        .unwrap_or(0);
                    let names = quoted_list(columns.iter().take(width).map(|c| &c.column.name));
                    sql.push_str(&format!("({names}) VALUES {}", rows.join(", ")));
                }
                _ => {
                    let (source, found) = self.query(query)?;
                    if found.len() > columns.len() {
                        return Err(more_expressions());
                    }
                    let mut list = Vec::new();
                    for (i, (column, found)) in columns.iter().zip(&found).enumerate() {
                        let value = Typed::new(format!("c{i}"), found.column.ty);
                        list.push(self.assign(value, column)?.sql);
                    }
                    let names = if found.len() == columns.len() {
                        names
                    } else {
                        quoted_list(columns.iter().take(found.len()).map(|c| &c.column.name))
                    };
                    // WHERE keeps SQLite from taking ON CONFLICT for a join's ON.
                    sql.push_str(&format!(
                        "({names}) SELECT {} FROM ({source}) WHERE 1",
                        list.join(", ")
                    ));
                }
            },
        }
        if let Some(on) = &insert.on {
            let alias = insert.table_alias.as_ref().map(|a| fold(&a.alias));
            sql.push_str(&self.on_conflict(&table, alias, on)?);
        }
        let columns = self.returning(&table, insert.returning.as_deref(), &mut sql)?;
        Ok(write(sql, columns, &table, "INSERT"))
    }

    /// The table that a statement changes.
    fn target(&mut self, name: &ObjectName) -> Result<Arc<Table>, PgError> {
        let relation = relation_name(name)?;
        match self.catalog.table(&relation)? {
            Some(table) => Ok(table),
            None if self.catalog.view(&relation)?.is_some() => Err(PgError::unsupported(
                format_args!("a change of the view \"{relation}\""),
            )),
            None => Err(
                PgError::new("42P01", format!("relation \"{relation}\" does not exist"))
                    .at(self.at(name)),
            ),
        }
    }

    fn insert_columns(
        &mut self,
        table: &Table,
        named: &[ObjectName],
    ) -> Result<Vec<TableColumn>, PgError> {
        if named.is_empty() {
            return Ok(table.columns.clone());
        }
        let mut columns: Vec<TableColumn> = Vec::new();
        for name in named {
            let column = relation_name(name)?;
            let found = find(table, &column).map_err(|e| e.at(self.at(name)))?;
            if columns.iter().any(|c| c.column.name == column) {
                return Err(PgError::new(
                    "42701",
                    format!("column \"{column}\" specified more than once"),
                )
                .at(self.at(name)));
            }
            columns.push(found.clone());
        }
        Ok(columns)
    }

    fn insert_row(&mut self, columns: &[TableColumn], row: &[Expr]) -> Result<String, PgError> {
        if row.len() > columns.len() {
            return Err(more_expressions());
        }
        let mut values = Vec::with_capacity(row.len());
        for (expr, column) in row.iter().zip(columns) {
            values.push(self.assigned(expr, column)?);
        }
        Ok(format!("({})", values.join(", ")))
    }

    /// An expression, or DEFAULT, as the value of a column.
    fn assigned(&mut self, expr: &Expr, column: &TableColumn) -> Result<String, PgError> {
        if let Expr::Identifier(ident) = expr
            && ident.quote_style.is_none()
            && ident.value.eq_ignore_ascii_case("default")
        {
            return Ok(match &column.default {
                Some(default) => format!("({default})"),
                None => "NULL".to_owned(),
            });
        }
        let value = self.expression(expr)?;
        Ok(self
            .assign(value, column)
            .map_err(|e| e.at(self.at(expr)))?
            .sql)
    }

    /// A value on its way into a column: assignment casts and the column's length.
    fn assign(&mut self, value: Typed, column: &TableColumn) -> Result<Typed, PgError> {
        let Column { name, ty, typmod } = &column.column;
        if !allowed(value.ty, *ty, How::Assignment) {
            return Err(PgError::new(
                "42804",
                format!(
                    "column \"{name}\" is of type {} but expression is of type {}",
                    ty.sql_name(),
                    value.ty.sql_name()
                ),
            )
            .hint("You will need to rewrite or cast the expression."));
        }
        let narrow = value.ty.is_integer() && ty.is_integer() && value.ty != *ty;
        // A column reads what it is given as it is, so an integer is checked on its way in.
        if narrow && value.ty.common(*ty) == Some(*ty) {
            return Ok(value);
        }
        self.coerce(value, *ty, *typmod, How::Assignment)
    }

    fn on_conflict(
        &mut self,
        table: &Table,
        alias: Option<String>,
        on: &OnInsert,
    ) -> Result<String, PgError> {
        let OnInsert::OnConflict(conflict) = on else {
            return Err(PgError::unsupported("ON DUPLICATE KEY"));
        };
        let mut sql = String::from(" ON CONFLICT");
        match &conflict.conflict_target {
            None => {}
            Some(ConflictTarget::Columns(columns)) => {
                let names: Vec<String> = columns.iter().map(fold).collect();
                for name in &names {
                    find(table, name)?;
                }
                sql.push_str(&format!(" ({})", quoted_list(&names)));
            }
            Some(ConflictTarget::OnConstraint(name)) => {
                let name = relation_name(name)?;
                if name != format!("{}_pkey", table.name) || table.primary_key.is_empty() {
                    return Err(PgError::unsupported(
                        "ON CONFLICT ON CONSTRAINT with any but the primary key's",
                    ));
                }
                sql.push_str(&format!(" ({})", quoted_list(&table.primary_key)));
            }
        }
        match &conflict.action {
            OnConflictAction::DoNothing => sql.push_str(" DO NOTHING"),
            OnConflictAction::DoUpdate(update) => {
                let columns = item_columns(table);
                let own = ScopeItem {
                    alias: alias.unwrap_or_else(|| table.name.clone()),
                    columns: columns.clone(),
                    merged: Vec::new(),
                    bare: false,
                };
                // In SET and WHERE a plain name is the row that is there.
                let excluded = ScopeItem {
                    alias: "excluded".to_owned(),
                    merged: columns.iter().map(|c| c.column.name.clone()).collect(),
                    columns,
                    bare: false,
                };
                self.scopes.push(Scope {
                    items: vec![own, excluded],
                });
                let result = self.do_update(table, update);
                self.scopes.pop();
                sql.push_str(&result?);
            }
        }
        Ok(sql)
    }

    fn do_update(
        &mut self,
        table: &Table,
        update: &sqlparser::ast::DoUpdate,
    ) -> Result<String, PgError> {
        let mut sql = format!(
            " DO UPDATE SET {}",
            self.assignments(table, &update.assignments)?
        );
        if let Some(selection) = &update.selection {
            let condition = self.expression(selection)?;
            sql.push_str(&format!(" WHERE {}", self.boolean(condition, "WHERE")?.sql));
        }
        Ok(sql)
    }

    fn assignments(&mut self, table: &Table, list: &[Assignment]) -> Result<String, PgError> {
        let mut parts = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        for assignment in list {
            let AssignmentTarget::ColumnName(name) = &assignment.target else {
                return Err(PgError::unsupported(
                    "an assignment to several columns at once",
                ));
            };
            let column = relation_name(name)?;
            let found = table
                .columns
                .iter()
                .find(|c| c.column.name == column)
                .ok_or_else(|| {
                    PgError::new(
                        "42703",
                        format!(
                            "column \"{column}\" of relation \"{}\" does not exist",
                            table.name
                        ),
                    )
                    .at(self.at(name))
                })?
                .clone();
            if seen.contains(&column) {
                return Err(PgError::new(
                    "42601",
                    format!("multiple assignments to same column \"{column}\""),
                ));
            }
            let value = self.assigned(&assignment.value, &found)?;
            parts.push(format!("{} = {value}", quote(&column)));
            seen.push(column);
        }
        Ok(parts.join(", "))
    }

    pub(super) fn update(&mut self, update: &Update) -> Result<Action, PgError> {
        refuse(update.or.is_some(), "UPDATE OR")?;
        refuse(
            !update.order_by.is_empty() || update.limit.is_some(),
            "ORDER BY or LIMIT in UPDATE",
        )?;
        let (table, alias) = self.changed_table(&update.table)?;
        self.scopes
            .push(Scope::of(&alias, item_columns(&table), false));
        let from = match &update.from {
            None => String::new(),
            Some(
                UpdateTableFromKind::BeforeSet(tables) | UpdateTableFromKind::AfterSet(tables),
            ) => self.from(tables)?,
        };
        let assignments = self.assignments(&table, &update.assignments)?;
        let mut sql = format!(
            "UPDATE {} AS {} SET {assignments}{from}",
            quote(&table.name),
            quote(&alias)
        );
        if let Some(selection) = &update.selection {
            let condition = self.expression(selection)?;
            sql.push_str(&format!(" WHERE {}", self.boolean(condition, "WHERE")?.sql));
        }
        self.scopes.pop();
        let columns = self.returning_as(&table, &alias, update.returning.as_deref(), &mut sql)?;
        Ok(write(sql, columns, &table, "UPDATE"))
    }

    fn changed_table(&mut self, table: &TableWithJoins) -> Result<(Arc<Table>, String), PgError> {
        refuse(!table.joins.is_empty(), "a change of a join")?;
        let TableFactor::Table {
            name,
            alias,
            args: None,
            ..
        } = &table.relation
        else {
            return Err(PgError::unsupported("a change of anything but a table"));
        };
        let found = self.target(name)?;
        let alias = alias
            .as_ref()
            .map_or_else(|| found.name.clone(), |a| fold(&a.name));
        Ok((found, alias))
    }

    pub(super) fn delete(&mut self, delete: &Delete) -> Result<Action, PgError> {
        refuse(!delete.tables.is_empty(), "DELETE from several tables")?;
        refuse(
            !delete.order_by.is_empty() || delete.limit.is_some(),
            "ORDER BY or LIMIT in DELETE",
        )?;
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        let [target] = from.as_slice() else {
            return Err(PgError::unsupported("DELETE from several tables"));
        };
        let (table, alias) = self.changed_table(target)?;
        self.scopes
            .push(Scope::of(&alias, item_columns(&table), false));
        let using = match &delete.using {
            None => String::new(),
            Some(tables) => self.from(tables)?.replacen(" FROM ", ", ", 1),
        };
        // The condition is never absent: without one SQLite forgets to say which rows went.
        let condition = match &delete.selection {
            None => "1".to_owned(),
            Some(selection) => {
                let condition = self.expression(selection)?;
                self.boolean(condition, "WHERE")?.sql
            }
        };
        self.scopes.pop();
        let name = quote(&table.name);
        let shown = quote(&alias);
        let mut sql = if using.is_empty() {
            format!("DELETE FROM {name} AS {shown} WHERE {condition}")
        } else {
            format!(
                "DELETE FROM {name} WHERE _rowid_ IN (SELECT {shown}._rowid_ FROM {name} AS {shown}{using} WHERE {condition})"
            )
        };
        let columns = self.returning_as(&table, &alias, delete.returning.as_deref(), &mut sql)?;
        Ok(write(sql, columns, &table, "DELETE"))
    }

    fn returning(
        &mut self,
        table: &Table,
        items: Option<&[SelectItem]>,
        sql: &mut String,
    ) -> Result<Vec<Column>, PgError> {
        let name = table.name.clone();
        self.returning_as(table, &name, items, sql)
    }

    /// RETURNING; SQLite knows the changed row's columns there by their plain names.
    fn returning_as(
        &mut self,
        table: &Table,
        alias: &str,
        items: Option<&[SelectItem]>,
        sql: &mut String,
    ) -> Result<Vec<Column>, PgError> {
        let Some(items) = items else {
            return Ok(Vec::new());
        };
        self.scopes
            .push(Scope::of(alias, item_columns(table), true));
        let outputs = self.projection(items);
        self.scopes.pop();
        let outputs = outputs?;
        let list: Vec<&str> = outputs
            .iter()
            .map(|(typed, _)| typed.sql.as_str())
            .collect();
        sql.push_str(&format!(" RETURNING {}", list.join(", ")));
        Ok(outputs
            .into_iter()
            .map(|(typed, name)| Column {
                name,
                ty: typed.ty,
                typmod: typed.typmod,
            })
            .collect())
    }
}

fn write(sql: String, columns: Vec<Column>, table: &Table, verb: &'static str) -> Action {
    Action::Write {
        plan: Plan {
            sql,
            columns,
            kind: PlanKind::Write,
            table: Some(table.name.clone()),
        },
        verb,
    }
}

fn more_expressions() -> PgError {
    PgError::new("42601", "INSERT has more expressions than target columns")
}

fn find<'t>(table: &'t Table, column: &str) -> Result<&'t TableColumn, PgError> {
    table
        .columns
        .iter()
        .find(|c| c.column.name == column)
        .ok_or_else(|| {
            PgError::new(
                "42703",
                format!(
                    "column \"{column}\" of relation \"{}\" does not exist",
                    table.name
                ),
            )
        })
}

fn item_columns(table: &Table) -> Vec<ScopeColumn> {
    table
        .columns
        .iter()
        .map(|c| ScopeColumn {
            column: c.column.clone(),
            physical: c.column.name.clone(),
        })
        .collect()
}
