//! Function calls.

use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArguments, Query, WindowType,
};

use super::{Translator, Typed, name_parts};
use crate::error::PgError;
use crate::sql::types::Ty;
use crate::value::cast::How;

/// Functions of a fixed shape: name, argument types, result, SQLite's template (`{0}`, `{1}`, …).
/// `Unknown` takes anything.
type Fixed = (&'static str, &'static [Ty], Ty, &'static str);

use Ty::{
    Bool, Bytea, Float8, Inet, Int4, Int8, Json, Jsonb, Name, Numeric, Oid, Text, Timestamptz,
    Unknown, Uuid, Void,
};

#[rustfmt::skip]
const FIXED: &[Fixed] = &[
    ("now", &[], Timestamptz, "pg_now()"),
    ("transaction_timestamp", &[], Timestamptz, "pg_now()"),
    ("statement_timestamp", &[], Timestamptz, "pg_statement_time()"),
    ("clock_timestamp", &[], Timestamptz, "pg_clock()"),
    ("pg_postmaster_start_time", &[], Timestamptz, "pg_started()"),
    ("pg_conf_load_time", &[], Timestamptz, "pg_started()"),
    ("version", &[], Text, "'PostgreSQL 15.14 (pg-stub) on x86_64-pc-linux-gnu, compiled by rustc, 64-bit'"),
    ("current_database", &[], Name, "pg_database()"),
    ("current_schema", &[], Name, "'public'"),
    ("pg_backend_pid", &[], Int4, "pg_pid()"),
    ("inet_server_addr", &[], Inet, "pg_server_addr()"),
    ("inet_server_port", &[], Int4, "pg_server_port()"),
    ("inet_client_addr", &[], Inet, "pg_client_addr()"),
    ("inet_client_port", &[], Int4, "pg_client_port()"),
    ("pg_is_in_recovery", &[], Bool, "pg_in_recovery()"),
    ("pg_sleep", &[Float8], Void, "pg_sleep({0})"),
    ("pg_cancel_backend", &[Int4], Bool, "pg_cancel({0})"),
    ("pg_terminate_backend", &[Int4], Bool, "pg_terminate({0})"),
    ("random", &[], Float8, "pg_random()"),
    ("gen_random_uuid", &[], Uuid, "pg_uuid()"),
    ("current_setting", &[Text], Text, "pg_current_setting({0}, 0)"),
    ("current_setting", &[Text, Bool], Text, "pg_current_setting({0}, {1})"),
    ("set_config", &[Text, Text, Bool], Text, "pg_set_config({0}, {1}, {2})"),
    ("nextval", &[Text], Int8, "pg_nextval({0})"),
    ("currval", &[Text], Int8, "pg_currval({0})"),
    ("lastval", &[], Int8, "pg_lastval()"),
    ("setval", &[Text, Int8], Int8, "pg_setval({0}, {1}, 1)"),
    ("setval", &[Text, Int8, Bool], Int8, "pg_setval({0}, {1}, {2})"),
    ("format_type", &[Oid, Int4], Text, "pg_format_type({0}, coalesce({1}, -1))"),
    ("pg_get_userbyid", &[Oid], Name, "'postgres'"),
    ("pg_table_is_visible", &[Oid], Bool, "1"),
    ("pg_type_is_visible", &[Oid], Bool, "1"),
    ("pg_encoding_to_char", &[Int4], Name, "'UTF8'"),
    ("pg_client_encoding", &[], Name, "'UTF8'"),
    ("obj_description", &[Oid, Name], Text, "NULL"),
    ("has_schema_privilege", &[Text, Text], Bool, "1"),
    ("has_table_privilege", &[Text, Text], Bool, "1"),
    ("to_timestamp", &[Float8], Timestamptz, "pg_to_timestamp({0})"),
    ("lower", &[Text], Text, "pg_lower({0})"),
    ("upper", &[Text], Text, "pg_upper({0})"),
    ("initcap", &[Text], Text, "pg_initcap({0})"),
    ("length", &[Text], Int4, "length({0})"),
    ("char_length", &[Text], Int4, "length({0})"),
    ("character_length", &[Text], Int4, "length({0})"),
    ("octet_length", &[Text], Int4, "octet_length({0})"),
    ("btrim", &[Text], Text, "trim({0})"),
    ("btrim", &[Text, Text], Text, "trim({0}, {1})"),
    ("ltrim", &[Text], Text, "ltrim({0})"),
    ("ltrim", &[Text, Text], Text, "ltrim({0}, {1})"),
    ("rtrim", &[Text], Text, "rtrim({0})"),
    ("rtrim", &[Text, Text], Text, "rtrim({0}, {1})"),
    ("substr", &[Text, Int4], Text, "pg_substr({0}, {1})"),
    ("substr", &[Text, Int4, Int4], Text, "pg_substr({0}, {1}, {2})"),
    ("substring", &[Text, Int4], Text, "pg_substr({0}, {1})"),
    ("substring", &[Text, Int4, Int4], Text, "pg_substr({0}, {1}, {2})"),
    ("strpos", &[Text, Text], Int4, "pg_strpos({0}, {1})"),
    ("replace", &[Text, Text, Text], Text, "replace({0}, {1}, {2})"),
    ("left", &[Text, Int4], Text, "pg_left({0}, {1})"),
    ("right", &[Text, Int4], Text, "pg_right({0}, {1})"),
    ("lpad", &[Text, Int4], Text, "pg_lpad({0}, {1}, ' ')"),
    ("lpad", &[Text, Int4, Text], Text, "pg_lpad({0}, {1}, {2})"),
    ("rpad", &[Text, Int4], Text, "pg_rpad({0}, {1}, ' ')"),
    ("rpad", &[Text, Int4, Text], Text, "pg_rpad({0}, {1}, {2})"),
    ("repeat", &[Text, Int4], Text, "pg_repeat({0}, {1})"),
    ("reverse", &[Text], Text, "pg_reverse({0})"),
    ("split_part", &[Text, Text, Int4], Text, "pg_split_part({0}, {1}, {2})"),
    ("ascii", &[Text], Int4, "pg_ascii({0})"),
    ("chr", &[Int4], Text, "pg_chr({0})"),
    ("starts_with", &[Text, Text], Bool, "pg_starts_with({0}, {1})"),
    ("quote_literal", &[Text], Text, "pg_quote_literal({0})"),
    ("quote_ident", &[Text], Text, "pg_quote_ident({0})"),
    ("encode", &[Bytea, Text], Text, "pg_encode({0}, {1})"),
    ("decode", &[Text, Text], Bytea, "pg_decode({0}, {1})"),
    ("sqrt", &[Float8], Float8, "pg_sqrt({0})"),
    ("power", &[Float8, Float8], Float8, "pg_power({0}, {1})"),
    ("pow", &[Float8, Float8], Float8, "pg_power({0}, {1})"),
    ("exp", &[Float8], Float8, "pg_exp({0})"),
    ("ln", &[Float8], Float8, "pg_ln({0})"),
    ("log", &[Float8], Float8, "pg_log({0})"),
    ("round", &[Numeric, Int4], Numeric, "pg_nround({0}, {1})"),
    ("trunc", &[Numeric, Int4], Numeric, "pg_ntrunc({0}, {1})"),
    ("json_array_length", &[Json], Int4, "json_array_length({0})"),
    ("jsonb_array_length", &[Jsonb], Int4, "json_array_length({0})"),
    ("jsonb_typeof", &[Jsonb], Text, "json_type({0})"),
];

/// Words that are functions without parentheses.
const KEYWORDS: &[(&str, Ty, &str)] = &[
    ("current_timestamp", Ty::Timestamptz, "pg_now()"),
    ("localtimestamp", Ty::Timestamp, "pg_now()"),
    ("current_date", Ty::Date, "(pg_now() / 86400000000)"),
    ("current_time", Ty::Time, "(pg_now() % 86400000000)"),
    ("localtime", Ty::Time, "(pg_now() % 86400000000)"),
    ("current_user", Ty::Name, "pg_user()"),
    ("current_role", Ty::Name, "pg_user()"),
    ("session_user", Ty::Name, "pg_user()"),
    ("user", Ty::Name, "pg_user()"),
    ("current_catalog", Ty::Name, "pg_database()"),
    ("current_schema", Ty::Name, "'public'"),
];

impl Translator<'_> {
    /// `current_user` and its kin.
    pub(super) fn keyword_function(&self, name: &str) -> Option<Typed> {
        KEYWORDS
            .iter()
            .find(|(keyword, _, _)| *keyword == name)
            .map(|(_, ty, sql)| Typed::new(*sql, *ty))
    }

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

    fn window(&mut self, over: &WindowType) -> Result<String, PgError> {
        let WindowType::WindowSpec(spec) = over else {
            return Err(PgError::unsupported("a named window"));
        };
        super::refuse(spec.window_frame.is_some(), "a window frame")?;
        let mut parts = Vec::new();
        if !spec.partition_by.is_empty() {
            let mut terms = Vec::new();
            for expr in &spec.partition_by {
                let term = self.expression(expr)?;
                terms.push(collated(&term));
            }
            parts.push(format!("PARTITION BY {}", terms.join(", ")));
        }
        if !spec.order_by.is_empty() {
            parts.push(self.order_terms(&spec.order_by, &[])?);
        }
        Ok(format!(" OVER ({})", parts.join(" ")))
    }

    /// Aggregates and window functions; `\u{1}` marks where FILTER and OVER go.
    fn aggregate(&mut self, call: &Call<'_>, args: &[Typed]) -> Result<Option<Typed>, PgError> {
        let Call {
            name,
            distinct,
            star,
            order,
        } = *call;
        let word = if distinct { "DISTINCT " } else { "" };
        let ty = args.first().map(|a| a.ty);
        let sql = args.first().map(collated).unwrap_or_default();
        let one = |function: &str, ty| {
            Ok(Some(Typed::new(
                format!("{function}({word}{sql}{order})\u{1}"),
                ty,
            )))
        };
        let wrong = || no_function(name, args);
        match (name, args.len()) {
            ("count", 0) if star => Ok(Some(Typed::new("count(*)\u{1}", Ty::Int8))),
            ("count", 1) => one("count", Ty::Int8),
            ("sum", 1) => match ty {
                Some(Ty::Int2 | Ty::Int4) => one("sum", Ty::Int8),
                Some(Ty::Int8 | Ty::Numeric) => one("pg_nsum", Ty::Numeric),
                Some(Ty::Float4) => one("sum", Ty::Float4),
                Some(Ty::Float8) => one("sum", Ty::Float8),
                Some(Ty::Interval) => one("sum", Ty::Interval),
                _ => Err(wrong()),
            },
            ("avg", 1) => match ty {
                Some(ty) if ty.is_integer() || ty == Ty::Numeric => one("pg_navg", Ty::Numeric),
                Some(Ty::Float4 | Ty::Float8) => one("avg", Ty::Float8),
                _ => Err(wrong()),
            },
            ("min" | "max", 1) => match ty {
                Some(Ty::Bool | Ty::Uuid | Ty::Json | Ty::Jsonb | Ty::Bytea) => Err(wrong()),
                Some(Ty::Unknown) | None => one(name, Ty::Text),
                Some(ty) => one(name, if ty == Ty::Varchar { Ty::Text } else { ty }),
            },
            ("bool_and" | "every", 1) if ty == Some(Ty::Bool) => one("min", Ty::Bool),
            ("bool_or", 1) if ty == Some(Ty::Bool) => one("max", Ty::Bool),
            ("string_agg", 2) => {
                let value = self.coerce(args[0].clone(), Ty::Text, -1, How::Implicit)?;
                let separator = self.coerce(args[1].clone(), Ty::Text, -1, How::Implicit)?;
                super::refuse(distinct, "string_agg(DISTINCT …)")?;
                Ok(Some(Typed::new(
                    format!("group_concat({}, {}{order})\u{1}", value.sql, separator.sql),
                    Ty::Text,
                )))
            }
            ("array_agg", 1) => {
                let value = self.settle(args[0].clone())?;
                let array = value.ty.array().ok_or_else(wrong)?;
                Ok(Some(Typed::new(
                    format!("json_group_array({word}{}{order})\u{1}", value.sql),
                    array,
                )))
            }
            ("row_number" | "rank" | "dense_rank", 0) => {
                Ok(Some(Typed::new(format!("{name}()\u{1}"), Ty::Int8)))
            }
            ("lag" | "lead" | "first_value" | "last_value", 1) => {
                let value = self.settle(args[0].clone())?;
                Ok(Some(Typed::new(
                    format!("{name}({})\u{1}", value.sql),
                    value.ty,
                )))
            }
            ("lag" | "lead", 2) => {
                let value = self.settle(args[0].clone())?;
                let offset = self.coerce(args[1].clone(), Ty::Int4, -1, How::Implicit)?;
                Ok(Some(Typed::new(
                    format!("{name}({}, {})\u{1}", value.sql, offset.sql),
                    value.ty,
                )))
            }
            _ => Ok(None),
        }
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

    fn fixed(&mut self, name: &str, args: Vec<Typed>) -> Result<Typed, PgError> {
        let found = FIXED.iter().find(|(known, types, _, _)| {
            *known == name
                && types.len() == args.len()
                && types.iter().zip(&args).all(|(ty, arg)| {
                    *ty == Unknown
                        || crate::value::cast::allowed(arg.ty, *ty, How::Implicit)
                        || (*ty == Text && arg.ty == Ty::Name)
                })
        });
        let Some((_, types, result, template)) = found else {
            return Err(no_function(name, &args));
        };
        let mut filled = Vec::with_capacity(args.len());
        for (ty, arg) in types.iter().zip(args) {
            filled.push(self.coerce(arg, *ty, -1, How::Implicit)?.sql);
        }
        Ok(Typed::new(fill(template, &filled), *result))
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

#[derive(Clone, Copy)]
struct Call<'a> {
    name: &'a str,
    distinct: bool,
    star: bool,
    order: &'a str,
}

/// Puts arguments into a template in one pass, since an argument may itself look like a place.
fn fill(template: &str, arguments: &[String]) -> String {
    let mut sql = String::with_capacity(template.len() + 32);
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        sql.push_str(&rest[..at]);
        let place = rest[at + 1..].chars().next().and_then(|c| c.to_digit(10));
        if let Some(argument) = place.and_then(|i| arguments.get(i as usize)) {
            sql.push_str(argument);
        }
        rest = rest.get(at + 3..).unwrap_or_default();
    }
    sql.push_str(rest);
    sql
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
