//! One SELECT: its list, WHERE, GROUP BY and HAVING.

use sqlparser::ast::{
    Distinct, Expr, GroupByExpr, OrderByExpr, Select, SelectItem, SelectItemQualifiedWildcardKind,
};

use super::order::ordinal;
use super::{Translated, numbered};
use crate::error::PgError;
use crate::sql::translate::from::output_name;
use crate::sql::translate::functions::collated;
use crate::sql::translate::{Scope, Translator, Typed, fold, refuse, relation_name};
use crate::sql::types::Column;

impl Translator<'_> {
    pub(super) fn select(
        &mut self,
        select: &Select,
        order: &[OrderByExpr],
    ) -> Result<Translated, PgError> {
        refuse(select.into.is_some(), "SELECT INTO")?;
        refuse(select.top.is_some(), "TOP")?;
        refuse(
            !select.lateral_views.is_empty() || select.qualify.is_some(),
            "LATERAL VIEW or QUALIFY",
        )?;
        refuse(!select.named_window.is_empty(), "WINDOW")?;
        refuse(select.exclude.is_some(), "EXCLUDE")?;
        let distinct = match &select.distinct {
            None | Some(Distinct::All) => "",
            Some(Distinct::Distinct) => "DISTINCT ",
            Some(Distinct::On(_)) => return Err(PgError::unsupported("DISTINCT ON")),
        };
        self.scopes.push(Scope::default());
        let result = self.select_in_scope(select, distinct, order);
        self.scopes.pop();
        result
    }

    pub(super) fn select_in_scope(
        &mut self,
        select: &Select,
        distinct: &str,
        order: &[OrderByExpr],
    ) -> Result<Translated, PgError> {
        let from = self.from(&select.from)?;
        let mut sql = String::new();
        let condition = match &select.selection {
            None => String::new(),
            Some(expr) => {
                self.aggregate_seen = false;
                let condition = self.expression(expr)?;
                if self.aggregate_seen {
                    return Err(PgError::new(
                        "42803",
                        "aggregate functions are not allowed in WHERE",
                    )
                    .at(self.at(expr)));
                }
                let at = self.at(expr);
                let condition = self.boolean(condition, "WHERE").map_err(|e| e.at(at))?;
                format!(" WHERE {}", condition.sql)
            }
        };
        let outputs = self.projection(&select.projection)?;
        let list: Vec<String> = outputs
            .iter()
            .enumerate()
            .map(|(i, (typed, _))| {
                let value = if distinct.is_empty() {
                    typed.sql.clone()
                } else {
                    collated(typed)
                };
                format!("{value} AS c{i}")
            })
            .collect();
        let list = if list.is_empty() {
            "NULL AS c0".to_owned()
        } else {
            list.join(", ")
        };
        sql.push_str(&format!("SELECT {distinct}{list}{from}{condition}"));
        sql.push_str(&self.group_by(&select.group_by, &outputs)?);
        if let Some(having) = &select.having {
            let having = self.expression(having)?;
            sql.push_str(&format!(" HAVING {}", self.boolean(having, "HAVING")?.sql));
        }
        if !order.is_empty() {
            sql.push(' ');
            sql.push_str(&self.order_terms(order, &outputs)?);
        }
        let columns = outputs
            .into_iter()
            .enumerate()
            .map(|(i, (typed, name))| {
                numbered(
                    i,
                    Column {
                        name,
                        ty: typed.ty,
                        typmod: typed.typmod,
                    },
                )
            })
            .collect();
        Ok((sql, columns))
    }

    /// The select list, with the names that PostgreSQL gives.
    pub(in crate::sql::translate) fn projection(
        &mut self,
        items: &[SelectItem],
    ) -> Result<Vec<(Typed, String)>, PgError> {
        let mut outputs = Vec::new();
        for item in items {
            match item {
                SelectItem::UnnamedExpr(expr) => {
                    let typed = self.expression(expr)?;
                    outputs.push((self.settle(typed)?, output_name(expr)));
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    let typed = self.expression(expr)?;
                    outputs.push((self.settle(typed)?, fold(alias)));
                }
                SelectItem::Wildcard(_) => {
                    let scope = self.scopes.last().cloned().unwrap_or_default();
                    if scope.items.is_empty() {
                        return Err(PgError::new(
                            "42601",
                            "SELECT * with no tables specified is not valid",
                        ));
                    }
                    for item in &scope.items {
                        for column in &item.columns {
                            if !item.merged.contains(&column.column.name) {
                                outputs.push((item.reference(column), column.column.name.clone()));
                            }
                        }
                    }
                }
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(name),
                    _,
                ) => {
                    let alias = relation_name(name)?;
                    let scope = self.scopes.last().cloned().unwrap_or_default();
                    let item = scope
                        .items
                        .iter()
                        .find(|item| item.alias == alias)
                        .ok_or_else(|| {
                            PgError::new(
                                "42P01",
                                format!("missing FROM-clause entry for table \"{alias}\""),
                            )
                        })?;
                    for column in &item.columns {
                        outputs.push((item.reference(column), column.column.name.clone()));
                    }
                }
                other => return Err(PgError::unsupported(other)),
            }
        }
        Ok(outputs)
    }

    pub(super) fn group_by(
        &mut self,
        group_by: &GroupByExpr,
        outputs: &[(Typed, String)],
    ) -> Result<String, PgError> {
        let GroupByExpr::Expressions(terms, modifiers) = group_by else {
            return Err(PgError::unsupported("GROUP BY ALL"));
        };
        refuse(!modifiers.is_empty(), "a modifier of GROUP BY")?;
        if terms.is_empty() {
            return Ok(String::new());
        }
        let mut sqls = Vec::new();
        for term in terms {
            if let Some(i) = ordinal(term) {
                let (typed, _) =
                    i.checked_sub(1)
                        .and_then(|i| outputs.get(i))
                        .ok_or_else(|| {
                            PgError::new(
                                "42P10",
                                format!("GROUP BY position {i} is not in select list"),
                            )
                        })?;
                sqls.push(collated(typed));
                continue;
            }
            // A column of the input comes before one of the output.
            if let Expr::Identifier(ident) = term {
                let name = fold(ident);
                if self.find_column(None, &name)?.is_none()
                    && let Some((typed, _)) = outputs.iter().find(|(_, output)| *output == name)
                {
                    sqls.push(collated(typed));
                    continue;
                }
            }
            let typed = self.expression(term)?;
            sqls.push(collated(&typed));
        }
        Ok(format!(" GROUP BY {}", sqls.join(", ")))
    }
}
