//! UNION, INTERSECT, EXCEPT and VALUES: rows whose columns must have types in common.

use sqlparser::ast::{SetExpr, SetOperator, SetQuantifier, Values};

use super::{Translated, numbered};
use crate::error::PgError;
use crate::sql::translate::functions::collated;
use crate::sql::translate::{Translator, Typed};
use crate::sql::types::Column;

impl Translator<'_> {
    pub(super) fn set_operation(
        &mut self,
        left: &SetExpr,
        op: SetOperator,
        quantifier: SetQuantifier,
        right: &SetExpr,
    ) -> Result<Translated, PgError> {
        let word = match (op, quantifier) {
            (SetOperator::Union, SetQuantifier::All) => "UNION ALL",
            (SetOperator::Union, SetQuantifier::None | SetQuantifier::Distinct) => "UNION",
            (SetOperator::Intersect, SetQuantifier::None | SetQuantifier::Distinct) => "INTERSECT",
            (SetOperator::Except, SetQuantifier::None | SetQuantifier::Distinct) => "EXCEPT",
            _ => return Err(PgError::unsupported(format_args!("{op} {quantifier}"))),
        };
        let (left_sql, left_columns) = self.set_expression(left)?;
        let (right_sql, right_columns) = self.set_expression(right)?;
        if left_columns.len() != right_columns.len() {
            return Err(unequal(&op.to_string()));
        }
        let mut columns = Vec::new();
        let (mut lefts, mut rights) = (Vec::new(), Vec::new());
        for (i, (l, r)) in left_columns.iter().zip(&right_columns).enumerate() {
            let item = |ty| Typed::new(format!("c{i}"), ty);
            let pair = vec![item(l.column.ty), item(r.column.ty)];
            let (pair, ty) = self.unify(pair, &op.to_string())?;
            lefts.push(format!("{} AS c{i}", collated(&pair[0])));
            rights.push(format!("{} AS c{i}", pair[1].sql));
            columns.push(numbered(
                i,
                Column {
                    ty,
                    ..l.column.clone()
                },
            ));
        }
        Ok((
            format!(
                "SELECT {} FROM ({left_sql}) {word} SELECT {} FROM ({right_sql})",
                lefts.join(", "),
                rights.join(", ")
            ),
            columns,
        ))
    }

    pub(super) fn values(&mut self, values: &Values) -> Result<Translated, PgError> {
        let mut rows: Vec<Vec<Typed>> = Vec::new();
        for row in &values.rows {
            let row = row
                .content
                .iter()
                .map(|e| self.expression(e))
                .collect::<Result<Vec<_>, _>>()?;
            if rows.first().is_some_and(|first| first.len() != row.len()) {
                return Err(PgError::new(
                    "42601",
                    "VALUES lists must all be the same length",
                ));
            }
            rows.push(row);
        }
        let width = rows.first().map_or(0, Vec::len);
        let mut columns = Vec::new();
        let mut cells: Vec<Vec<String>> = vec![Vec::new(); rows.len()];
        for i in 0..width {
            let items = rows.iter().map(|row| row[i].clone()).collect();
            let (items, ty) = self.unify(items, "VALUES")?;
            for (cell, item) in cells.iter_mut().zip(items) {
                cell.push(item.sql);
            }
            columns.push(numbered(i, Column::new(format!("column{}", i + 1), ty)));
        }
        let rows: Vec<String> = cells
            .into_iter()
            .map(|cell| format!("({})", cell.join(", ")))
            .collect();
        let names: Vec<String> = (0..width)
            .map(|i| format!("column{} AS c{i}", i + 1))
            .collect();
        Ok((
            format!(
                "SELECT {} FROM (VALUES {})",
                names.join(", "),
                rows.join(", ")
            ),
            columns,
        ))
    }
}

/// The two sides differ in their number of columns.
pub(super) fn unequal(op: &str) -> PgError {
    PgError::new(
        "42601",
        format!("each {op} query must have the same number of columns"),
    )
}
