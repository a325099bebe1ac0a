//! ORDER BY, of a SELECT and of a set operation.

use sqlparser::ast::{Expr, OrderByExpr, OrderBySort, Value as Literal};

use crate::error::PgError;
use crate::sql::translate::functions::collated;
use crate::sql::translate::{ScopeColumn, Translator, Typed, fold, refuse};
use crate::sql::types::Ty;

impl Translator<'_> {
    /// `ORDER BY …`, where a plain name means an output column first.
    pub(in crate::sql::translate) fn order_terms(
        &mut self,
        terms: &[OrderByExpr],
        outputs: &[(Typed, String)],
    ) -> Result<String, PgError> {
        let mut sqls = Vec::new();
        for term in terms {
            let output = match &term.expr {
                Expr::Identifier(ident) => {
                    let name = fold(ident);
                    outputs.iter().position(|(_, output)| *output == name)
                }
                expr => match ordinal(expr).filter(|_| !outputs.is_empty()) {
                    Some(i) if (1..=outputs.len()).contains(&i) => Some(i - 1),
                    Some(i) => {
                        return Err(PgError::new(
                            "42P10",
                            format!("ORDER BY position {i} is not in select list"),
                        ));
                    }
                    None => None,
                },
            };
            let sql = match output {
                Some(i) if outputs[i].0.ty == Ty::Numeric => collated(&outputs[i].0),
                Some(i) => (i + 1).to_string(),
                None => {
                    let typed = self.expression(&term.expr)?;
                    collated(&typed)
                }
            };
            sqls.push(format!("{sql}{}", direction(term)?));
        }
        Ok(format!("ORDER BY {}", sqls.join(", ")))
    }

    /// ORDER BY of a set operation: output columns alone.
    pub(super) fn output_order(
        &mut self,
        terms: &[OrderByExpr],
        columns: &[ScopeColumn],
    ) -> Result<String, PgError> {
        let mut sqls = Vec::new();
        for term in terms {
            let at = match &term.expr {
                Expr::Identifier(ident) => {
                    let name = fold(ident);
                    columns.iter().position(|c| c.column.name == name)
                }
                expr => ordinal(expr).and_then(|i| i.checked_sub(1)),
            };
            let column =
                at.and_then(|i| columns.get(i).map(|c| (i, c)))
                    .ok_or_else(|| {
                        PgError::new("0A000", "invalid UNION/INTERSECT/EXCEPT ORDER BY clause")
                    .detail("Only result column names can be used, not expressions or functions.")
                    })?;
            let typed = Typed::new(format!("c{}", column.0), column.1.column.ty);
            sqls.push(format!("{}{}", collated(&typed), direction(term)?));
        }
        Ok(format!("ORDER BY {}", sqls.join(", ")))
    }
}

/// A column of the output by its number, from 1.
pub(super) fn ordinal(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(value) => match &value.value {
            Literal::Number(digits, false) => digits.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

/// ASC or DESC, and where NULLs go: last when ascending, unlike SQLite's.
fn direction(term: &OrderByExpr) -> Result<&'static str, PgError> {
    refuse(term.with_fill.is_some(), "WITH FILL")?;
    let descending = match &term.options.sort {
        None | Some(OrderBySort::Asc) => false,
        Some(OrderBySort::Desc) => true,
        Some(_) => return Err(PgError::unsupported("ORDER BY … USING")),
    };
    Ok(
        match (descending, term.options.nulls_first.unwrap_or(descending)) {
            (false, false) => " NULLS LAST",
            (false, true) => "",
            (true, true) => " DESC NULLS FIRST",
            (true, false) => " DESC",
        },
    )
}
