//! CREATE INDEX.

use sqlparser::ast::{CreateIndex, Expr, IndexType};

use super::draft::{Draft, DraftColumn};
use super::{done, plan, skipped};
use crate::engine::record::quote;
use crate::error::PgError;
use crate::sql::plan::Action;
use crate::sql::translate::{Translator, fold, refuse, relation_name};

impl Translator<'_> {
    pub(super) fn create_index(&mut self, create: &CreateIndex) -> Result<Action, PgError> {
        refuse(!create.include.is_empty(), "CREATE INDEX … INCLUDE")?;
        if !matches!(
            create.using,
            None | Some(IndexType::BTree | IndexType::Hash)
        ) {
            return Err(PgError::unsupported(
                "an index that is neither btree nor hash",
            ));
        }
        let relation = relation_name(&create.table_name)?;
        let table = self.existing(&relation)?;
        let found = self.catalog.table(&table)?;
        let mut draft = Draft {
            name: table.clone(),
            ..Draft::default()
        };
        for column in found.iter().flat_map(|t| &t.columns) {
            draft.columns.push(DraftColumn {
                name: column.column.name.clone(),
                ty: column.column.ty,
                typmod: column.column.typmod,
                not_null: false,
                default: None,
            });
        }
        let mut terms = Vec::new();
        let mut words = Vec::new();
        for column in &create.columns {
            let sql = match &column.column.expr {
                Expr::Identifier(ident) => {
                    let name = fold(ident);
                    if !draft.columns.iter().any(|c| c.name == name) {
                        return Err(PgError::new(
                            "42703",
                            format!("column \"{name}\" does not exist"),
                        ));
                    }
                    words.push(name.clone());
                    quote(&name)
                }
                expr => {
                    words.push("expr".to_owned());
                    self.expression_in(&draft, expr)?.sql
                }
            };
            terms.push(sql);
        }
        let name = match &create.name {
            Some(name) => relation_name(name)?,
            None => format!("{table}_{}_idx", words.join("_")),
        };
        if self.taken(&name)? {
            let message = format!("relation \"{name}\" already exists");
            if create.if_not_exists {
                return Ok(skipped("CREATE INDEX", "42P07", message));
            }
            return Err(PgError::new("42P07", message));
        }
        let filter = match &create.predicate {
            None => String::new(),
            Some(predicate) => format!(" WHERE {}", self.check(&draft, predicate)?),
        };
        let unique = if create.unique { "UNIQUE " } else { "" };
        Ok(done(
            vec![plan(
                format!(
                    "CREATE {unique}INDEX {} ON {} ({}){filter}",
                    quote(&name),
                    quote(&table),
                    terms.join(", ")
                ),
                Some(&table),
            )],
            "CREATE INDEX",
            Vec::new(),
        ))
    }
}
