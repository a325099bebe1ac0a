//! Names in expressions: which column each one means.

use sqlparser::ast::Ident;

use crate::engine::record::quote;
use crate::error::PgError;
use crate::sql::translate::{ScopeColumn, ScopeItem, Shape, Translator, Typed, fold};

impl Translator<'_> {
    pub(super) fn identifier(&mut self, ident: &Ident) -> Result<Typed, PgError> {
        let name = fold(ident);
        let found = self
            .find_column(None, &name)
            .map_err(|e| e.at(self.ident_at(ident)))?;
        if let Some(found) = found {
            return Ok(found);
        }
        if ident.quote_style.is_none()
            && let Some(value) = self.keyword_function(&name)
        {
            return Ok(value);
        }
        Err(
            PgError::new("42703", format!("column \"{name}\" does not exist"))
                .at(self.ident_at(ident)),
        )
    }

    pub(super) fn compound(&mut self, parts: &[Ident]) -> Result<Typed, PgError> {
        let names: Vec<String> = parts.iter().map(fold).collect();
        let (table, column) = match names.as_slice() {
            [table, column] => (table, column),
            [schema, table, column] if schema == "public" || schema == "pg_catalog" => {
                (table, column)
            }
            _ => {
                return Err(PgError::unsupported(format_args!(
                    "the name {}",
                    names.join(".")
                )));
            }
        };
        if let Some(found) = self.find_column(Some(table), column)? {
            return Ok(found);
        }
        let known = self
            .scopes
            .iter()
            .any(|scope| scope.items.iter().any(|item| &item.alias == table));
        Err(if known {
            PgError::new("42703", format!("column {table}.{column} does not exist"))
        } else {
            PgError::new(
                "42P01",
                format!("missing FROM-clause entry for table \"{table}\""),
            )
        }
        .at(parts.first().and_then(|ident| self.ident_at(ident))))
    }

    /// The column of that name in the nearest query that has one.
    pub(in crate::sql::translate) fn find_column(
        &self,
        table: Option<&str>,
        name: &str,
    ) -> Result<Option<Typed>, PgError> {
        for scope in self.scopes.iter().rev() {
            let mut found: Option<Typed> = None;
            for item in &scope.items {
                if table.is_some_and(|table| table != item.alias) {
                    continue;
                }
                for column in item.columns.iter().filter(|c| c.column.name == name) {
                    if table.is_none() && item.merged.iter().any(|m| m == name) {
                        continue;
                    }
                    if found.is_some() {
                        return Err(PgError::new(
                            "42702",
                            format!("column reference \"{name}\" is ambiguous"),
                        ));
                    }
                    found = Some(item.reference(column));
                }
            }
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
}

impl ScopeItem {
    /// A column of this item as SQLite is told of it.
    pub(in crate::sql::translate) fn reference(&self, column: &ScopeColumn) -> Typed {
        let sql = if self.bare {
            quote(&column.physical)
        } else {
            format!("{}.{}", quote(&self.alias), quote(&column.physical))
        };
        Typed {
            sql,
            ty: column.column.ty,
            typmod: column.column.typmod,
            shape: Shape::Expression,
            at: None,
        }
    }
}
