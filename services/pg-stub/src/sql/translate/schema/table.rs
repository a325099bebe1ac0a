//! CREATE TABLE.

use sqlparser::ast::CreateTable;

use super::draft::Draft;
use super::{check_name, done, plan, skipped, unique_index};
use crate::engine::record::quote;
use crate::engine::store::declare;
use crate::error::PgError;
use crate::sql::plan::{Action, Effect};
use crate::sql::translate::{Translator, quoted_list, refuse, relation_name};

impl Translator<'_> {
    pub(super) fn create_table(&mut self, create: &CreateTable) -> Result<Action, PgError> {
        refuse(create.temporary, "a temporary table")?;
        refuse(
            create.or_replace || create.external || create.without_rowid || create.strict,
            "this kind of CREATE TABLE",
        )?;
        refuse(create.query.is_some(), "CREATE TABLE AS")?;
        refuse(
            create.like.is_some() || create.clone.is_some(),
            "CREATE TABLE LIKE",
        )?;
        refuse(
            create.inherits.is_some()
                || create.partition_by.is_some()
                || create.partition_of.is_some(),
            "inheritance and partitions",
        )?;
        let name = relation_name(&create.name)?;
        check_name(&name)?;
        if self.taken(&name)? {
            let message = format!("relation \"{name}\" already exists");
            if create.if_not_exists {
                return Ok(skipped("CREATE TABLE", "42P07", message));
            }
            return Err(PgError::new("42P07", message));
        }
        let mut table = Draft {
            name: name.clone(),
            ..Draft::default()
        };
        for column in &create.columns {
            let column = self.column(&mut table, column)?;
            if table.columns.iter().any(|c| c.name == column.name) {
                return Err(PgError::new(
                    "42701",
                    format!("column \"{}\" specified more than once", column.name),
                ));
            }
            table.columns.push(column);
        }
        // Checks see all columns, so they come after them.
        for (constraint, expr) in std::mem::take(&mut table.checks) {
            let sql = self.check(&table, &expr)?;
            table
                .constraints
                .push(format!("CONSTRAINT {} CHECK {sql}", quote(&constraint)));
        }
        for constraint in &create.constraints {
            self.table_constraint(&mut table, constraint)?;
        }
        let mut parts: Vec<String> = table
            .columns
            .iter()
            .map(|c| {
                let key = table.primary_key.contains(&c.name);
                format!(
                    "{} {}{}{}",
                    quote(&c.name),
                    declare(c.ty, c.typmod),
                    if c.not_null || key { " NOT NULL" } else { "" },
                    c.default
                        .as_ref()
                        .map(|d| format!(" DEFAULT ({d})"))
                        .unwrap_or_default(),
                )
            })
            .collect();
        for key in &table.primary_key {
            if !table.columns.iter().any(|c| c.name == *key) {
                return Err(PgError::new(
                    "42703",
                    format!("column \"{key}\" named in key does not exist"),
                ));
            }
        }
        if !table.primary_key.is_empty() {
            parts.push(format!("PRIMARY KEY ({})", quoted_list(&table.primary_key)));
        }
        parts.extend(table.constraints);
        let mut plans = vec![plan(
            format!("CREATE TABLE {} ({})", quote(&name), parts.join(", ")),
            Some(&name),
        )];
        for (index, columns) in &table.unique {
            plans.push(unique_index(index, &name, columns));
        }
        let effects = table
            .sequences
            .into_iter()
            .map(|sequence| Effect::CreateSequence(sequence, 1, 1))
            .collect();
        Ok(done(plans, "CREATE TABLE", effects))
    }
}
