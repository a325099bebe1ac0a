//! WITH and WITH RECURSIVE.

use sqlparser::ast::{Query, SetExpr, SetOperator, SetQuantifier, With};

use super::set::unequal;
use super::{Translated, rename};
use crate::engine::record::quote;
use crate::error::PgError;
use crate::sql::translate::{Cte, Translator, fold, refuse};

impl Translator<'_> {
    pub(super) fn with(&mut self, with: &With) -> Result<String, PgError> {
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
    pub(super) fn recursive_cte(
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
}
