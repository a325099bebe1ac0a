//! A table while it is being written down: its columns and what they must satisfy.
//!
//! CREATE TABLE, ALTER TABLE and CREATE INDEX share it. What follows from it as statements is theirs.

use sqlparser::ast::{ColumnDef, ColumnOption, DataType, Expr, GeneratedAs};

use super::check_name;
use crate::error::PgError;
use crate::sql::translate::{Scope, ScopeColumn, Translator, Typed, fold};
use crate::sql::types::{Column, Ty};
use crate::value::cast::How;

/// A table while it is being written down.
#[derive(Default)]
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) columns: Vec<DraftColumn>,
    pub(super) primary_key: Vec<String>,
    /// Indexes by name, with their columns.
    pub(super) unique: Vec<(String, Vec<String>)>,
    /// By name; written when all columns are known.
    pub(super) checks: Vec<(String, Expr)>,
    /// In SQLite's language.
    pub(super) constraints: Vec<String>,
    pub(super) sequences: Vec<String>,
}

pub(super) struct DraftColumn {
    pub(super) name: String,
    pub(super) ty: Ty,
    pub(super) typmod: i32,
    pub(super) not_null: bool,
    pub(super) default: Option<String>,
}

impl Translator<'_> {
    /// A column, with what its options say of the table.
    pub(super) fn column(
        &mut self,
        table: &mut Draft,
        column: &ColumnDef,
    ) -> Result<DraftColumn, PgError> {
        let name = fold(&column.name);
        check_name(&name)?;
        let serial = match &column.data_type {
            DataType::Custom(word, _) => match word.to_string().to_lowercase().as_str() {
                "serial" | "serial4" => Some(Ty::Int4),
                "bigserial" | "serial8" => Some(Ty::Int8),
                "smallserial" | "serial2" => Some(Ty::Int2),
                _ => None,
            },
            _ => None,
        };
        let (ty, typmod) = match serial {
            Some(ty) => (ty, -1),
            None => self.data_type(&column.data_type)?,
        };
        let mut draft = DraftColumn {
            name: name.clone(),
            ty,
            typmod,
            not_null: serial.is_some(),
            default: None,
        };
        let sequence = format!("{}_{name}_seq", table.name);
        if serial.is_some() {
            draft.default = Some(format!("pg_nextval('{}')", sequence.replace('\'', "''")));
            table.sequences.push(sequence.clone());
        }
        for option in &column.options {
            let named = option.name.as_ref().map(fold);
            match &option.option {
                ColumnOption::Null => {}
                ColumnOption::NotNull => draft.not_null = true,
                ColumnOption::Default(expr) => draft.default = Some(self.default(expr, &draft)?),
                ColumnOption::PrimaryKey(_) => {
                    if !table.primary_key.is_empty() {
                        return Err(two_keys(&table.name));
                    }
                    table.primary_key = vec![name.clone()];
                }
                ColumnOption::Unique(_) => {
                    let index = named.unwrap_or_else(|| format!("{}_{name}_key", table.name));
                    table.unique.push((index, vec![name.clone()]));
                }
                ColumnOption::Check(check) => {
                    let constraint =
                        named.unwrap_or_else(|| format!("{}_{name}_check", table.name));
                    table.checks.push((constraint, (*check.expr).clone()));
                }
                ColumnOption::ForeignKey(key) => {
                    let sql = self.foreign_key(table, std::slice::from_ref(&name), key)?;
                    table.constraints.push(sql);
                }
                ColumnOption::Generated {
                    generated_as,
                    generation_expr: None,
                    ..
                } if *generated_as != GeneratedAs::ExpStored => {
                    draft.not_null = true;
                    draft.default = Some(format!("pg_nextval('{}')", sequence.replace('\'', "''")));
                    table.sequences.push(sequence.clone());
                }
                ColumnOption::Collation(_) => {}
                other => {
                    return Err(PgError::unsupported(format_args!(
                        "the column option {other}"
                    )));
                }
            }
        }
        Ok(draft)
    }

    fn default(&mut self, expr: &Expr, column: &DraftColumn) -> Result<String, PgError> {
        let value = self.expression(expr)?;
        Ok(self
            .coerce(value, column.ty, column.typmod, How::Assignment)?
            .sql)
    }

    /// A CHECK's expression or an index's condition, between parentheses.
    pub(super) fn check(&mut self, table: &Draft, expr: &Expr) -> Result<String, PgError> {
        let value = self.expression_in(table, expr)?;
        let value = self.boolean(value, "CHECK")?;
        Ok(format!("({})", value.sql))
    }

    /// An expression over the table's own columns, by their plain names as SQLite wants them.
    pub(super) fn expression_in(&mut self, table: &Draft, expr: &Expr) -> Result<Typed, PgError> {
        let columns = table
            .columns
            .iter()
            .map(|c| ScopeColumn {
                column: Column {
                    name: c.name.clone(),
                    ty: c.ty,
                    typmod: c.typmod,
                },
                physical: c.name.clone(),
            })
            .collect();
        self.scopes.push(Scope::of(&table.name, columns, true));
        let value = self.expression(expr);
        self.scopes.pop();
        value
    }
}

pub(super) fn two_keys(table: &str) -> PgError {
    PgError::new(
        "42P16",
        format!("multiple primary keys for table \"{table}\" are not allowed"),
    )
}
