//! ALTER TABLE.

use sqlparser::ast::{
    AlterTableOperation, ColumnDef, Ident, ObjectName, RenameTableNameKind, TableConstraint,
};

use super::constraint::{index_columns, unique_columns};
use super::draft::Draft;
use super::{check_name, done, plan, skipped, unique_index};
use crate::engine::record::quote;
use crate::engine::store::{Table, declare};
use crate::error::PgError;
use crate::sql::plan::{Action, Plan};
use crate::sql::translate::{Translator, fold, refuse, relation_name};

impl Translator<'_> {
    pub(super) fn alter_table(
        &mut self,
        name: &ObjectName,
        if_exists: bool,
        operations: &[AlterTableOperation],
    ) -> Result<Action, PgError> {
        let name = relation_name(name)?;
        let Some(table) = self.catalog.table(&name)? else {
            let message = format!("relation \"{name}\" does not exist");
            if if_exists {
                return Ok(skipped("ALTER TABLE", "00000", message));
            }
            return Err(PgError::new("42P01", message));
        };
        let mut plans = Vec::new();
        for operation in operations {
            match operation {
                AlterTableOperation::AddColumn {
                    column_def,
                    if_not_exists,
                    ..
                } => plans.extend(self.add_column(&table, column_def, *if_not_exists)?),
                AlterTableOperation::DropColumn {
                    column_names,
                    if_exists,
                    ..
                } => plans.extend(drop_columns(&table, column_names, *if_exists)?),
                AlterTableOperation::RenameColumn {
                    old_column_name,
                    new_column_name,
                } => {
                    let (old, new) = (fold(old_column_name), fold(new_column_name));
                    check_name(&new)?;
                    let change = format!("RENAME COLUMN {} TO {}", quote(&old), quote(&new));
                    plans.push(alter(&name, &change));
                }
                AlterTableOperation::RenameTable {
                    table_name: RenameTableNameKind::To(new),
                } => {
                    let new = relation_name(new)?;
                    check_name(&new)?;
                    if self.taken(&new)? {
                        return Err(PgError::new(
                            "42P07",
                            format!("relation \"{new}\" already exists"),
                        ));
                    }
                    plans.push(alter(&name, &format!("RENAME TO {}", quote(&new))));
                }
                AlterTableOperation::AddConstraint { constraint, .. } => {
                    plans.push(add_constraint(&name, constraint)?);
                }
                AlterTableOperation::DropConstraint {
                    name: constraint, ..
                } => {
                    let sql = format!("DROP INDEX {}", quote(&fold(constraint)));
                    plans.push(plan(sql, Some(&name)));
                }
                AlterTableOperation::OwnerTo { .. } => {}
                other => return Err(PgError::unsupported(format_args!("ALTER TABLE … {other}"))),
            }
        }
        Ok(done(plans, "ALTER TABLE", Vec::new()))
    }

    fn add_column(
        &mut self,
        table: &Table,
        column: &ColumnDef,
        if_not_exists: bool,
    ) -> Result<Vec<Plan>, PgError> {
        let name = &table.name;
        let mut draft = Draft {
            name: name.clone(),
            ..Draft::default()
        };
        let column = self.column(&mut draft, column)?;
        if table.columns.iter().any(|c| c.column.name == column.name) {
            if if_not_exists {
                return Ok(Vec::new());
            }
            return Err(PgError::new(
                "42701",
                format!(
                    "column \"{}\" of relation \"{name}\" already exists",
                    column.name
                ),
            ));
        }
        refuse(
            !draft.primary_key.is_empty()
                || !draft.constraints.is_empty()
                || !draft.checks.is_empty()
                || !draft.sequences.is_empty(),
            "ADD COLUMN with a key, a check or a sequence",
        )?;
        let change = format!(
            "ADD COLUMN {} {}{}{}",
            quote(&column.name),
            declare(column.ty, column.typmod),
            if column.not_null { " NOT NULL" } else { "" },
            column
                .default
                .map(|d| format!(" DEFAULT {d}"))
                .unwrap_or_default(),
        );
        let mut plans = vec![alter(name, &change)];
        for (index, columns) in &draft.unique {
            plans.push(unique_index(index, name, columns));
        }
        Ok(plans)
    }
}

fn drop_columns(table: &Table, columns: &[Ident], if_exists: bool) -> Result<Vec<Plan>, PgError> {
    let name = &table.name;
    let mut plans = Vec::new();
    for column in columns {
        let column = fold(column);
        if !table.columns.iter().any(|c| c.column.name == column) {
            if if_exists {
                continue;
            }
            return Err(PgError::new(
                "42703",
                format!("column \"{column}\" of relation \"{name}\" does not exist"),
            ));
        }
        plans.push(alter(name, &format!("DROP COLUMN {}", quote(&column))));
    }
    Ok(plans)
}

fn add_constraint(name: &str, constraint: &TableConstraint) -> Result<Plan, PgError> {
    let (index, columns) = match constraint {
        TableConstraint::Unique(unique) => unique_columns(name, unique)?,
        // NOT NULL cannot be added to a column of SQLite's; the key is unique.
        TableConstraint::PrimaryKey(key) => (format!("{name}_pkey"), index_columns(&key.columns)?),
        other => {
            return Err(PgError::unsupported(format_args!(
                "ALTER TABLE … ADD {other}"
            )));
        }
    };
    Ok(unique_index(&index, name, &columns))
}

fn alter(table: &str, change: &str) -> Plan {
    plan(
        format!("ALTER TABLE {} {change}", quote(table)),
        Some(table),
    )
}
