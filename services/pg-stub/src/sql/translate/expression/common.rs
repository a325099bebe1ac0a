//! Expressions whose parts must have a type in common: CASE and arrays.

use sqlparser::ast::{CaseWhen, Expr};

use crate::error::PgError;
use crate::sql::translate::{Translator, Typed};
use crate::sql::types::Ty;
use crate::value::cast::How;

impl Translator<'_> {
    pub(super) fn case(
        &mut self,
        operand: Option<&Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&Expr>,
    ) -> Result<Typed, PgError> {
        let mut tests = Vec::new();
        let mut results = Vec::new();
        for when in conditions {
            let condition = self.expression(&when.condition)?;
            tests.push(match operand {
                None => self.boolean(condition, "CASE/WHEN")?.sql,
                Some(operand) => {
                    let operand = self.expression(operand)?;
                    let (l, r, _) = self.comparable(operand, condition, "=")?;
                    format!("{} = {}", l.sql, r.sql)
                }
            });
            results.push(self.expression(&when.result)?);
        }
        if let Some(otherwise) = otherwise {
            results.push(self.expression(otherwise)?);
        }
        let (results, ty) = self.unify(results, "CASE")?;
        let mut sql = String::from("(CASE");
        for (test, result) in tests.iter().zip(&results) {
            sql.push_str(&format!(" WHEN {test} THEN {}", result.sql));
        }
        if let (Some(_), Some(last)) = (otherwise, results.last()) {
            sql.push_str(&format!(" ELSE {}", last.sql));
        }
        sql.push_str(" END)");
        Ok(Typed::new(sql, ty))
    }

    /// Brings expressions to the type that they have in common (manual, 10.5).
    pub(in crate::sql::translate) fn unify(
        &mut self,
        items: Vec<Typed>,
        of: &str,
    ) -> Result<(Vec<Typed>, Ty), PgError> {
        let mut common = Ty::Unknown;
        for item in items.iter().filter(|item| item.ty != Ty::Unknown) {
            common = if common == Ty::Unknown {
                item.ty
            } else {
                common.common(item.ty).ok_or_else(|| {
                    PgError::new(
                        "42804",
                        format!(
                            "{of} types {} and {} cannot be matched",
                            common.sql_name(),
                            item.ty.sql_name()
                        ),
                    )
                })?
            };
        }
        if common == Ty::Unknown {
            common = Ty::Text;
        }
        let items = items
            .into_iter()
            .map(|item| self.coerce(item, common, -1, How::Implicit))
            .collect::<Result<Vec<_>, _>>()?;
        Ok((items, common))
    }

    pub(super) fn array(&mut self, elements: &[Expr]) -> Result<Typed, PgError> {
        let items = elements
            .iter()
            .map(|e| self.expression(e))
            .collect::<Result<Vec<_>, _>>()?;
        if items.is_empty() {
            return Err(
                PgError::new("42P18", "cannot determine type of empty array")
                    .hint("Explicitly cast to the desired type, for example ARRAY[]::integer[]."),
            );
        }
        let (items, ty) = self.unify(items, "ARRAY")?;
        let array = ty
            .array()
            .ok_or_else(|| PgError::unsupported(format_args!("an array of {}", ty.sql_name())))?;
        let sqls: Vec<String> = items.into_iter().map(|item| item.sql).collect();
        Ok(Typed::new(
            format!("json_array({})", sqls.join(", ")),
            array,
        ))
    }

    pub(super) fn element(&mut self, root: &Expr, index: &Expr) -> Result<Typed, PgError> {
        let array = self.expression(root)?;
        let element = array.ty.element().ok_or_else(|| {
            PgError::new(
                "42804",
                format!(
                    "cannot subscript type {} because it does not support subscripting",
                    array.ty.sql_name()
                ),
            )
        })?;
        let index = self.expression(index)?;
        let index = self.coerce(index, Ty::Int4, -1, How::Implicit)?;
        Ok(Typed::new(
            format!(
                "json_extract({}, '$[' || ({} - 1) || ']')",
                array.sql, index.sql
            ),
            element,
        ))
    }
}
