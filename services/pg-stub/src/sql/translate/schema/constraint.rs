//! Constraints of a table: keys, uniqueness, checks and references to other tables.

use sqlparser::ast::{
    DeferrableInitial, Expr, ForeignKeyConstraint, IndexColumn, ReferentialAction, TableConstraint,
    UniqueConstraint,
};

use super::draft::{Draft, two_keys};
use crate::engine::record::quote;
use crate::error::PgError;
use crate::sql::translate::{Translator, fold, quoted_list, relation_name};

impl Translator<'_> {
    pub(super) fn table_constraint(
        &mut self,
        table: &mut Draft,
        constraint: &TableConstraint,
    ) -> Result<(), PgError> {
        match constraint {
            TableConstraint::PrimaryKey(key) => {
                if !table.primary_key.is_empty() {
                    return Err(two_keys(&table.name));
                }
                table.primary_key = index_columns(&key.columns)?;
            }
            TableConstraint::Unique(unique) => {
                table.unique.push(unique_columns(&table.name, unique)?);
            }
            TableConstraint::Check(check) => {
                let name = check
                    .name
                    .as_ref()
                    .map(fold)
                    .unwrap_or_else(|| format!("{}_check", table.name));
                let sql = self.check(table, &check.expr)?;
                table
                    .constraints
                    .push(format!("CONSTRAINT {} CHECK {sql}", quote(&name)));
            }
            TableConstraint::ForeignKey(key) => {
                let columns: Vec<String> = key.columns.iter().map(fold).collect();
                let sql = self.foreign_key(table, &columns, key)?;
                table.constraints.push(sql);
            }
            other => return Err(PgError::unsupported(format_args!("the constraint {other}"))),
        }
        Ok(())
    }

    pub(super) fn foreign_key(
        &mut self,
        table: &Draft,
        columns: &[String],
        key: &ForeignKeyConstraint,
    ) -> Result<String, PgError> {
        let parent = relation_name(&key.foreign_table)?;
        let mut referred: Vec<String> = key.referred_columns.iter().map(fold).collect();
        if referred.is_empty() {
            referred = if parent == table.name {
                table.primary_key.clone()
            } else {
                match self.catalog.table(&parent)? {
                    Some(found) => found.primary_key.clone(),
                    None => {
                        return Err(PgError::new(
                            "42P01",
                            format!("relation \"{parent}\" does not exist"),
                        ));
                    }
                }
            };
            if referred.is_empty() {
                return Err(PgError::new(
                    "42704",
                    format!("there is no primary key for referenced table \"{parent}\""),
                ));
            }
        }
        let action = |action: &Option<ReferentialAction>| match action {
            None | Some(ReferentialAction::NoAction) => "NO ACTION",
            Some(ReferentialAction::Restrict) => "RESTRICT",
            Some(ReferentialAction::Cascade) => "CASCADE",
            Some(ReferentialAction::SetNull) => "SET NULL",
            Some(ReferentialAction::SetDefault) => "SET DEFAULT",
        };
        let deferred = match &key.characteristics {
            Some(c) if c.initially == Some(DeferrableInitial::Deferred) => {
                " DEFERRABLE INITIALLY DEFERRED"
            }
            _ => "",
        };
        Ok(format!(
            "FOREIGN KEY ({}) REFERENCES {} ({}) ON DELETE {} ON UPDATE {}{deferred}",
            quoted_list(columns),
            quote(&parent),
            quoted_list(&referred),
            action(&key.on_delete),
            action(&key.on_update)
        ))
    }
}

/// The index of a constraint of uniqueness: its name, or the one that PostgreSQL gives, and columns.
pub(super) fn unique_columns(
    table: &str,
    unique: &UniqueConstraint,
) -> Result<(String, Vec<String>), PgError> {
    let columns = index_columns(&unique.columns)?;
    let name = match &unique.name {
        Some(name) => fold(name),
        None => format!("{table}_{}_key", columns.join("_")),
    };
    Ok((name, columns))
}

/// The columns of a key, which are plain.
pub(super) fn index_columns(columns: &[IndexColumn]) -> Result<Vec<String>, PgError> {
    columns
        .iter()
        .map(|column| match &column.column.expr {
            Expr::Identifier(ident) => Ok(fold(ident)),
            other => Err(PgError::unsupported(format_args!("the key {other}"))),
        })
        .collect()
}
