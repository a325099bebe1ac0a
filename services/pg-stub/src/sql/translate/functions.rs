//! Function calls.
//!
//! [`fixed`] has the functions that are a line in a table, [`aggregate`] those over several rows; what
//! needs more thought is here.

mod aggregate;
mod fixed;

use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, Query,
};

use self::aggregate::Call;
use super::{Translator, Typed, name_parts};
use crate::error::PgError;
use crate::sql::types::Ty;
use crate::value::cast::How;

impl Translator<'_> {
    /// A function by the name that this module gives it.
    pub(super) fn named(&mut self, name: &str, args: &[&Expr]) -> Result<Typed, PgError> {
        let args = args
            .iter()
            .map(|arg| self.expression(arg))
            .collect::<Result<Vec<_>, _>>()?;
        self.call(name, args)
    }

    pub(super) fn function(&mut self, function: &Function) -> Result<Typed, PgError> {
        let parts = name_parts(&function.name)?;
        let name = match parts.as_slice() {
            [name] => name.clone(),
            [schema, name] if schema == "pg_catalog" || schema == "public" => name.clone(),
            _ => {
                return Err(PgError::unsupported(format_args!(
                    "the function {}",
                    function.name
                )));
            }
        };
        let list = match &function.args {
            FunctionArguments::None => {
                return self.keyword_function(&name).ok_or_else(|| {
                    PgError::unsupported(format_args!("the function {}", function.name))
                });
            }
            FunctionArguments::Subquery(query) => {
                return match name.as_str() {
                    "array" => self.array_subquery(query),
                    _ => Err(PgError::unsupported(function)),
                };
            }
            FunctionArguments::List(list) => list,
        };
        super::refuse(!function.within_group.is_empty(), "WITHIN GROUP")?;
        super::refuse(function.null_treatment.is_some(), "IGNORE NULLS")?;
        let mut args = Vec::new();
        let mut star = false;
        for arg in &list.args {
            match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => {
                    args.push(self.expression(expr)?)
                }
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => star = true,
                other => return Err(PgError::unsupported(format_args!("the argument {other}"))),
            }
        }
        let distinct = list.duplicate_treatment == Some(DuplicateTreatment::Distinct);
        let mut order = String::new();
        for clause in &list.clauses {
            match clause {
                FunctionArgumentClause::OrderBy(terms) => {
                    order = format!(" {}", self.order_terms(terms, &[])?);
                }
                other => return Err(PgError::unsupported(other)),
            }
        }
        let call = Call {
            name: &name,
            distinct,
            star,
            order: &order,
        };
        if let Some(mut aggregate) = self
            .aggregate(&call, &args)
            .map_err(|e| e.at(self.at(&function.name)))?
        {
            self.aggregate_seen |= function.over.is_none();
            let mut suffix = String::new();
            if let Some(filter) = &function.filter {
                let filter = self.expression(filter)?;
                let filter = self.boolean(filter, "FILTER")?;
                suffix.push_str(&format!(" FILTER (WHERE {})", filter.sql));
            }
            if let Some(over) = &function.over {
                suffix.push_str(&self.window(over)?);
            }
            if aggregate.sql.ends_with('\u{1}') {
                aggregate.sql.pop();
            }
            aggregate.sql.push_str(&suffix);
            return Ok(aggregate);
        }
        super::refuse(
            function.over.is_some(),
            "OVER with a function that is no window function",
        )?;
        super::refuse(
            function.filter.is_some(),
            "FILTER with a function that is no aggregate",
        )?;
        super::refuse(
            distinct || star,
            "DISTINCT or * in a call of a function that is no aggregate",
        )?;
        self.call(&name, args)
            .map_err(|e| e.at(self.at(&function.name)))
    }

    fn array_subquery(&mut self, query: &Query) -> Result<Typed, PgError> {
        let (sql, columns) = self.subquery(query)?;
        let array = match columns.as_slice() {
            [column] => column.column.ty.array(),
            _ => None,
        };
        let array = array.ok_or_else(|| PgError::unsupported("ARRAY over this subquery"))?;
        Ok(Typed::new(
            format!("(SELECT json_group_array(c0) FROM ({sql}))"),
            array,
        ))
    }

    /// A call of a function that is no aggregate.
    pub(super) fn call(&mut self, name: &str, mut args: Vec<Typed>) -> Result<Typed, PgError> {
        match (name, args.len()) {
            ("coalesce", 1..) => {
                let (args, ty) = self.unify(args, "COALESCE")?;
                if let [one] = args.as_slice() {
                    return Ok(Typed::new(one.sql.clone(), ty));
                }
                Ok(Typed::new(format!("coalesce({})", joined(&args)), ty))
            }
            ("nullif", 2) => {
                let ty = args[0].ty;
                let (right, left) = (args.remove(1), args.remove(0));
                let (left, right, common) = self.comparable(left, right, "=")?;
                let ty = if ty == Ty::Unknown { common } else { ty };
                Ok(Typed::new(
                    format!("nullif({}, {})", left.sql, right.sql),
                    ty,
                ))
            }
            ("greatest" | "least", 1..) => {
                let (args, ty) = self.unify(args, &name.to_uppercase())?;
                let pick = if name == "greatest" { "max" } else { "min" };
                let collate = if ty == Ty::Numeric {
                    " COLLATE pg_numeric"
                } else {
                    ""
                };
                let rows: Vec<String> = args.iter().map(|a| format!("({})", a.sql)).collect();
                Ok(Typed::new(
                    format!(
                        "(SELECT {pick}(column1{collate}) FROM (VALUES {}))",
                        rows.join(", ")
                    ),
                    ty,
                ))
            }
            ("concat", _) => {
                let mut parts = Vec::new();
                for arg in args {
                    let arg = self.coerce(arg, Ty::Text, -1, How::Assignment)?;
                    parts.push(format!("coalesce({}, '')", arg.sql));
                }
                let sql = if parts.is_empty() {
                    "''".to_owned()
                } else {
                    parts.join(" || ")
                };
                Ok(Typed::new(format!("({sql})"), Ty::Text))
            }
            ("concat_ws", 1..) => {
                let args = args
                    .into_iter()
                    .map(|arg| self.coerce(arg, Ty::Text, -1, How::Assignment))
                    .collect::<Result<Vec<_>, _>>()?;
                Ok(Typed::new(
                    format!("pg_concat_ws({})", joined(&args)),
                    Ty::Text,
                ))
            }
            ("abs" | "ceil" | "ceiling" | "floor" | "round" | "trunc" | "sign", 1) => {
                self.rounding(name, args.remove(0))
            }
            ("mod", 2) => {
                let (right, left) = (args.remove(1), args.remove(0));
                self.binary(left, &sqlparser::ast::BinaryOperator::Modulo, right)
            }
            ("length" | "octet_length", 1) if args[0].ty == Ty::Bytea => {
                Ok(Typed::new(format!("length({})", args[0].sql), Ty::Int4))
            }
            ("substr" | "substring", 2..=3) if args[0].ty == Ty::Bytea => Ok(Typed::new(
                format!("pg_substr({})", joined(&args)),
                Ty::Bytea,
            )),
            ("date_trunc", 2) => {
                let unit = self.coerce(args.remove(0), Ty::Text, -1, How::Implicit)?;
                let to = if args[0].ty == Ty::Timestamp {
                    Ty::Timestamp
                } else {
                    Ty::Timestamptz
                };
                let value = self.coerce(args.remove(0), to, -1, How::Implicit)?;
                Ok(Typed::new(
                    format!("pg_date_trunc({}, {})", unit.sql, value.sql),
                    to,
                ))
            }
            ("date_part", 2) => {
                let unit = self.coerce(args.remove(0), Ty::Text, -1, How::Implicit)?;
                let (sql, _) = self.time_argument(args.remove(0))?;
                Ok(Typed::new(
                    format!("CAST(pg_extract({}, {sql}) AS REAL)", unit.sql),
                    Ty::Float8,
                ))
            }
            ("to_json" | "to_jsonb", 1) => {
                let arg = self.settle(args.remove(0))?;
                let sql = match arg.ty {
                    Ty::Json | Ty::Jsonb => arg.sql,
                    ty if ty.element().is_some() => arg.sql,
                    Ty::Bool => format!(
                        "(CASE {} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END)",
                        arg.sql
                    ),
                    ty if ty.is_integer() || ty == Ty::Float8 => {
                        format!("CAST({} AS TEXT)", arg.sql)
                    }
                    _ => {
                        let text = self.coerce(arg, Ty::Text, -1, How::Assignment)?;
                        format!("json_quote({})", text.sql)
                    }
                };
                Ok(Typed::new(
                    sql,
                    if name == "to_json" {
                        Ty::Json
                    } else {
                        Ty::Jsonb
                    },
                ))
            }
            _ => self.fixed(name, args),
        }
    }

    fn rounding(&mut self, name: &str, arg: Typed) -> Result<Typed, PgError> {
        let arg = if arg.ty == Ty::Unknown {
            self.coerce(arg, Ty::Float8, -1, How::Implicit)?
        } else {
            arg
        };
        let (sql, ty) = (&arg.sql, arg.ty);
        Ok(match (name, ty) {
            ("abs", ty) if ty.is_integer() => Typed::new(format!("abs({sql})"), ty),
            ("sign", ty) if ty.is_number() => Typed::new(
                format!("CAST(sign(CAST({sql} AS REAL)) AS REAL)"),
                Ty::Float8,
            ),
            (_, ty) if ty.is_integer() => {
                let arg = self.coerce(arg, Ty::Float8, -1, How::Implicit)?;
                Typed::new(arg.sql, Ty::Float8)
            }
            (name, Ty::Float4 | Ty::Float8) => {
                let function = name.trim_end_matches("ing");
                Typed::new(format!("pg_f{function}({sql})"), Ty::Float8)
            }
            ("abs", Ty::Numeric) => Typed::new(format!("pg_nabs({sql})"), ty),
            ("ceil" | "ceiling", Ty::Numeric) => Typed::new(format!("pg_nceil({sql})"), ty),
            ("floor", Ty::Numeric) => Typed::new(format!("pg_nfloor({sql})"), ty),
            ("round", Ty::Numeric) => Typed::new(format!("pg_nround({sql}, 0)"), ty),
            ("trunc", Ty::Numeric) => Typed::new(format!("pg_ntrunc({sql}, 0)"), ty),
            _ => return Err(no_function(name, &[arg])),
        })
    }

    /// A time in microseconds and whether it is an interval.
    fn time_argument(&mut self, arg: Typed) -> Result<(String, bool), PgError> {
        match arg.ty {
            Ty::Interval | Ty::Time => Ok((format!("{}, 1", arg.sql), true)),
            _ => {
                let arg = self.coerce(arg, Ty::Timestamptz, -1, How::Implicit)?;
                Ok((format!("{}, 0", arg.sql), false))
            }
        }
    }

    pub(super) fn extract(&mut self, field: &str, expr: &Expr) -> Result<Typed, PgError> {
        let value = self.expression(expr)?;
        let (sql, _) = self.time_argument(value)?;
        let field = super::literal(&rusqlite::types::Value::Text(
            field.trim_matches('\'').to_owned(),
        ));
        Ok(Typed::new(
            format!("pg_extract({field}, {sql})"),
            Ty::Numeric,
        ))
    }
}

fn joined(args: &[Typed]) -> String {
    args.iter()
        .map(|arg| arg.sql.as_str())
        .collect::<Vec<_>>()
        .join(", ")
}

/// An expression with the collation that orders it as its type does.
pub(super) fn collated(typed: &Typed) -> String {
    if typed.ty == Ty::Numeric {
        format!("{} COLLATE pg_numeric", typed.sql)
    } else {
        typed.sql.clone()
    }
}

/// `42883` for a function.
fn no_function(name: &str, args: &[Typed]) -> PgError {
    let types: Vec<&str> = args.iter().map(|arg| arg.ty.sql_name()).collect();
    PgError::new(
        "42883",
        format!("function {name}({}) does not exist", types.join(", ")),
    )
    .hint("No function matches the given name and argument types. You might need to add explicit type casts.")
}
