//! CREATE, ALTER, DROP and TRUNCATE.
//!
//! | module | idea |
//! |---|---|
//! | [`draft`], [`constraint`] | a table while it is being written down, and what its rows must satisfy |
//! | [`table`], [`index`], [`alter`], [`drop`] | the statements of these names; the small ones are here |

mod alter;
mod constraint;
mod draft;
mod drop;
mod index;
mod table;

use sqlparser::ast::{
    CreateView, Expr, ObjectName, SequenceOptions, Statement, TruncateIdentityOption,
    UnaryOperator, Value as Literal,
};

use super::{Translator, quoted_list, refuse, relation_name};
use crate::engine::database::truncate_sql;
use crate::engine::record::quote;
use crate::error::PgError;
use crate::sql::plan::{Action, Effect, Plan, PlanKind};

impl Translator<'_> {
    /// The action of a statement that changes the schema, or `None` for any other.
    pub(super) fn schema(&mut self, statement: &Statement) -> Result<Option<Action>, PgError> {
        self.cacheable = false;
        Ok(Some(match statement {
            Statement::CreateTable(create) => self.create_table(create)?,
            Statement::CreateIndex(create) => self.create_index(create)?,
            Statement::CreateView(create) => {
                refuse(
                    create.materialized || create.temporary,
                    "a materialized or temporary view",
                )?;
                self.create_view(create)?
            }
            Statement::CreateSequence {
                temporary,
                if_not_exists,
                name,
                sequence_options,
                ..
            } => {
                refuse(*temporary, "a temporary sequence")?;
                self.create_sequence(name, *if_not_exists, sequence_options)?
            }
            Statement::AlterTable(alter) => {
                self.alter_table(&alter.name, alter.if_exists, &alter.operations)?
            }
            Statement::Drop {
                object_type,
                if_exists,
                names,
                ..
            } => match self.drop(*object_type, *if_exists, names)? {
                Some(action) => action,
                None => return Ok(None),
            },
            Statement::Truncate(truncate) => {
                refuse(truncate.partitions.is_some(), "TRUNCATE of partitions")?;
                let mut plans = Vec::new();
                let mut effects = Vec::new();
                for target in &truncate.table_names {
                    let name = relation_name(&target.name)?;
                    let table = self.existing(&name)?;
                    plans.push(plan(truncate_sql(&table), Some(&table)));
                    if truncate.identity == Some(TruncateIdentityOption::Restart) {
                        effects.push(Effect::RestartSequences(table));
                    }
                }
                done(plans, "TRUNCATE TABLE", effects)
            }
            _ => return Ok(None),
        }))
    }

    fn existing(&mut self, name: &str) -> Result<String, PgError> {
        match self.catalog.table(name)? {
            Some(table) => Ok(table.name.clone()),
            None => Err(PgError::new(
                "42P01",
                format!("relation \"{name}\" does not exist"),
            )),
        }
    }

    /// Whether a relation of any kind has this name.
    fn taken(&self, name: &str) -> Result<bool, PgError> {
        Ok(self.catalog.table(name)?.is_some()
            || self.catalog.view(name)?.is_some()
            || self.catalog.index_exists(name)?
            || self.catalog.sequence_exists(name))
    }

    fn create_view(&mut self, create: &CreateView) -> Result<Action, PgError> {
        let name = relation_name(&create.name)?;
        refuse(
            !create.columns.is_empty(),
            "a view with column names of its own",
        )?;
        // Whatever is wrong with the definition is said now.
        self.query(&create.query)?;
        let exists = self.catalog.view(&name)?.is_some();
        if !(exists && create.or_replace) && self.taken(&name)? {
            return Err(PgError::new(
                "42P07",
                format!("relation \"{name}\" already exists"),
            ));
        }
        let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
        Ok(done(
            vec![plan(
                format!(
                    "INSERT OR REPLACE INTO _squall_view VALUES ({}, {})",
                    text(&name),
                    text(&create.query.to_string())
                ),
                None,
            )],
            "CREATE VIEW",
            Vec::new(),
        ))
    }

    fn create_sequence(
        &mut self,
        name: &ObjectName,
        if_not_exists: bool,
        options: &[SequenceOptions],
    ) -> Result<Action, PgError> {
        let name = relation_name(name)?;
        if self.taken(&name)? && !if_not_exists {
            return Err(PgError::new(
                "42P07",
                format!("relation \"{name}\" already exists"),
            ));
        }
        let (mut start, mut increment) = (1, 1);
        for option in options {
            match option {
                SequenceOptions::StartWith(expr, _) => start = constant(expr)?,
                SequenceOptions::IncrementBy(expr, _) => increment = constant(expr)?,
                SequenceOptions::Cache(_) | SequenceOptions::Cycle(true) => {}
                SequenceOptions::MinValue(None) | SequenceOptions::MaxValue(None) => {}
                other => {
                    return Err(PgError::unsupported(format_args!(
                        "the sequence option{other}"
                    )));
                }
            }
        }
        Ok(done(
            Vec::new(),
            "CREATE SEQUENCE",
            vec![Effect::CreateSequence(name, start, increment)],
        ))
    }
}

fn plan(sql: String, table: Option<&str>) -> Plan {
    Plan {
        sql,
        columns: Vec::new(),
        kind: PlanKind::Schema,
        table: table.map(str::to_owned),
    }
}

fn done(plans: Vec<Plan>, tag: &'static str, effects: Vec<Effect>) -> Action {
    Action::Schema {
        plans,
        tag,
        effects,
        notice: None,
    }
}

/// A statement that changes nothing, and why.
fn skipped(tag: &'static str, code: &'static str, why: String) -> Action {
    Action::Schema {
        plans: Vec::new(),
        tag,
        effects: Vec::new(),
        notice: Some(PgError::notice(code, why + ", skipping")),
    }
}

/// A constraint of uniqueness, which is an index here.
fn unique_index(index: &str, table: &str, columns: &[String]) -> Plan {
    plan(
        format!(
            "CREATE UNIQUE INDEX {} ON {} ({})",
            quote(index),
            quote(table),
            quoted_list(columns)
        ),
        Some(table),
    )
}

/// Refuses names that the engine keeps for itself.
fn check_name(name: &str) -> Result<(), PgError> {
    if name.starts_with("sqlite_") || name.starts_with("_squall_") || name == "_rowid_" {
        return Err(PgError::unsupported(format_args!("the name \"{name}\"")));
    }
    if name.is_empty() {
        return Err(PgError::new("42601", "zero-length delimited identifier"));
    }
    Ok(())
}

fn constant(expr: &Expr) -> Result<i64, PgError> {
    match expr {
        Expr::Value(value) => match &value.value {
            Literal::Number(digits, _) => digits.parse().ok(),
            _ => None,
        },
        Expr::UnaryOp {
            op: UnaryOperator::Minus,
            expr,
        } => return constant(expr).map(|n| -n),
        _ => None,
    }
    .ok_or_else(|| PgError::unsupported(format_args!("the number {expr}")))
}
