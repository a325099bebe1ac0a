//! Types and rewrites one statement.
//!
//! | module | what it writes |
//! |---|---|
//! | `expression`, `operators`, `functions` | expressions, with the type of each |
//! | `query`, `from` | SELECT, VALUES, set operations, WITH, and where rows come from |
//! | `change` | INSERT, UPDATE, DELETE |
//! | `schema` | CREATE, ALTER, DROP, TRUNCATE |
//! | `utility` | everything that SQLite has no part in |
//! | [`catalog`] | `pg_catalog` and `information_schema` |

pub mod catalog;
mod change;
mod expression;
mod from;
mod functions;
mod operators;
mod query;
mod schema;
mod utility;

use std::sync::Arc;

use rusqlite::types::Value;
use sqlparser::ast::{Expr, Ident, ObjectName, ObjectNamePart, Spanned, Statement};
use sqlparser::tokenizer::Location;

use super::parse;
use super::plan::{Action, Plan, PlanKind, Prepared};
use super::types::{Column, Ty};
use crate::engine::record::quote;
use crate::engine::store::Table;
use crate::error::PgError;
use crate::value::cast::{How, allowed, cast};

/// Parameters that one statement may have; PostgreSQL's bound.
const PARAMETERS_MAX: usize = 65_535;
/// Views inside views.
const VIEW_DEPTH_MAX: usize = 16;

/// What the translator must know of the database.
pub trait Catalog {
    /// A table.
    fn table(&self, name: &str) -> Result<Option<Arc<Table>>, PgError>;
    /// A view's definition, in PostgreSQL's language.
    fn view(&self, name: &str) -> Result<Option<String>, PgError>;
    /// Whether there is an index of this name.
    fn index_exists(&self, name: &str) -> Result<bool, PgError>;
    /// Whether there is a sequence of this name.
    fn sequence_exists(&self, name: &str) -> bool;
    /// The rows of a relation that only the server knows (`pg_database`, `pg_settings`, …).
    fn server_relation(&self, name: &str) -> Option<Vec<Vec<Value>>>;
}

/// Translates one statement. `declared` are the parameter types that the client said; 0 is none.
pub fn prepare(
    catalog: &dyn Catalog,
    source: &str,
    statement: &Statement,
    declared: &[u32],
) -> Result<Prepared, PgError> {
    let mut parameters = Vec::new();
    for (i, oid) in declared.iter().enumerate() {
        parameters.push(match oid {
            0 | 705 => None,
            oid => Some(Ty::from_oid(*oid).ok_or_else(|| {
                PgError::unsupported(format_args!(
                    "the type with OID {oid}, asked for parameter ${},",
                    i + 1
                ))
            })?),
        });
    }
    let mut translator = Translator {
        catalog,
        source,
        parameters,
        scopes: Vec::new(),
        ctes: Vec::new(),
        view_depth: 0,
        cacheable: true,
        locks: false,
        aggregate_seen: false,
    };
    let action = translator.statement(statement)?;
    Ok(Prepared {
        action,
        parameters: translator
            .parameters
            .into_iter()
            .map(|ty| ty.unwrap_or(Ty::Text))
            .collect(),
        cacheable: translator.cacheable,
    })
}

/// A column that a FROM item offers, and its name in SQLite.
#[derive(Clone, Debug)]
struct ScopeColumn {
    column: Column,
    physical: String,
}

/// A FROM item.
#[derive(Clone, Debug)]
struct ScopeItem {
    alias: String,
    columns: Vec<ScopeColumn>,
    /// Columns that a USING merged into an earlier item's.
    merged: Vec<String>,
    /// Names are written without their table, as SQLite's RETURNING wants them.
    bare: bool,
}

/// The FROM items of one query.
#[derive(Clone, Debug, Default)]
struct Scope {
    items: Vec<ScopeItem>,
}

impl Scope {
    /// One table alone.
    fn of(alias: &str, columns: Vec<ScopeColumn>, bare: bool) -> Self {
        Self {
            items: vec![ScopeItem {
                alias: alias.to_owned(),
                columns,
                merged: Vec::new(),
                bare,
            }],
        }
    }
}

/// A common table expression.
#[derive(Clone, Debug)]
struct Cte {
    name: String,
    columns: Vec<ScopeColumn>,
}

/// A constant or placeholder whose type can still be chosen.
#[derive(Clone, Debug, PartialEq)]
enum Shape {
    /// An expression.
    Expression,
    /// A constant of a known type or, with `Ty::Unknown`, a quoted literal or NULL.
    Constant(Value),
    /// `$n`, counted from 0.
    Parameter(usize),
}

/// An expression in SQLite's language with its type.
#[derive(Clone, Debug)]
struct Typed {
    sql: String,
    ty: Ty,
    typmod: i32,
    shape: Shape,
    /// Where it stands in the text, for literals.
    at: Option<Location>,
}

impl Typed {
    fn new(sql: impl Into<String>, ty: Ty) -> Self {
        Self {
            sql: sql.into(),
            ty,
            typmod: -1,
            shape: Shape::Expression,
            at: None,
        }
    }

    fn constant(value: Value, ty: Ty) -> Self {
        Self {
            sql: literal(&value),
            ty,
            typmod: -1,
            shape: Shape::Constant(value),
            at: None,
        }
    }
}

struct Translator<'a> {
    catalog: &'a dyn Catalog,
    source: &'a str,
    parameters: Vec<Option<Ty>>,
    scopes: Vec<Scope>,
    ctes: Vec<Cte>,
    view_depth: usize,
    cacheable: bool,
    locks: bool,
    aggregate_seen: bool,
}

impl Translator<'_> {
    fn statement(&mut self, statement: &Statement) -> Result<Action, PgError> {
        match statement {
            Statement::Query(query) => {
                let (sql, columns) = self.query(query)?;
                Ok(Action::Query {
                    plan: Plan {
                        sql,
                        columns: columns.into_iter().map(|c| c.column).collect(),
                        kind: PlanKind::Read,
                        table: None,
                    },
                    locks: self.locks,
                })
            }
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            other => match self.schema(other)? {
                Some(action) => Ok(action),
                None => self.utility(other),
            },
        }
    }

    /// Where a piece of the syntax tree stands in the text.
    fn at(&self, spanned: &impl Spanned) -> Option<usize> {
        if self.view_depth > 0 {
            return None;
        }
        parse::position(self.source, spanned.span().start)
    }

    /// Where the operator after `left` stands, as it has no place of its own in the tree.
    fn operator_at(&self, left: &Expr) -> Option<usize> {
        if self.view_depth > 0 {
            return None;
        }
        let end = parse::position(self.source, left.span().end)?;
        let skipped = self
            .source
            .chars()
            .skip(end - 1)
            .take_while(|c| c.is_whitespace() || *c == ')')
            .count();
        Some(end + skipped)
    }

    /// Where a name stands.
    fn ident_at(&self, ident: &Ident) -> Option<usize> {
        if self.view_depth > 0 {
            return None;
        }
        parse::position(self.source, ident.span.start)
    }

    /// Makes `typed` one of `to`; for an operator, function, column or cast.
    fn coerce(&mut self, typed: Typed, to: Ty, typmod: i32, how: How) -> Result<Typed, PgError> {
        let finish = |sql: String| Typed {
            sql,
            ty: to,
            typmod,
            shape: Shape::Expression,
            at: None,
        };
        if let Shape::Parameter(i) = typed.shape {
            let slot = &mut self.parameters[i];
            if slot.is_none() && to != Ty::Unknown {
                *slot = Some(to);
                let same = Typed {
                    ty: to,
                    typmod: -1,
                    ..typed
                };
                return if typmod >= 0 {
                    self.coerce(same, to, typmod, how)
                } else {
                    Ok(same)
                };
            }
        }
        if typed.ty == to && (typmod < 0 || typmod == typed.typmod) {
            return Ok(typed);
        }
        if !allowed(typed.ty, to, how) {
            return Err(PgError::new(
                if how == How::Explicit {
                    "42846"
                } else {
                    "42804"
                },
                format!(
                    "cannot cast type {} to {}",
                    typed.ty.sql_name(),
                    to.sql_name()
                ),
            ));
        }
        if let Shape::Constant(value) = &typed.shape
            && !depends_on_now(value, to)
        {
            let at = typed
                .at
                .filter(|_| typed.ty == Ty::Unknown && self.view_depth == 0);
            let value = cast(value.into(), typed.ty, to, typmod, how, 0).map_err(|e| {
                if e.code == "22001" {
                    e
                } else {
                    e.at_literal(at.and_then(|at| parse::position(self.source, at)))
                }
            })?;
            if matches!(value, Value::Real(f) if f.is_nan()) {
                return Err(PgError::unsupported("NaN"));
            }
            return Ok(Typed {
                typmod,
                ..Typed::constant(value, to)
            });
        }
        let free = typmod < 0 && same_storage(typed.ty, to);
        if free {
            return Ok(finish(typed.sql));
        }
        let how = match how {
            How::Implicit => 0,
            How::Assignment => 1,
            How::Explicit => 2,
        };
        Ok(finish(format!(
            "pg_cast({}, {}, {}, {typmod}, {how})",
            typed.sql,
            typed.ty.oid(),
            to.oid()
        )))
    }

    /// A constant that nothing gave a type is text.
    fn settle(&mut self, typed: Typed) -> Result<Typed, PgError> {
        if typed.ty == Ty::Unknown {
            self.coerce(typed, Ty::Text, -1, How::Implicit)
        } else {
            Ok(typed)
        }
    }
}

/// `'now'` and its kin mean a time only when the statement runs.
fn depends_on_now(value: &Value, to: Ty) -> bool {
    let Value::Text(text) = value else {
        return false;
    };
    (to.is_datetime() || to == Ty::Time)
        && ["now", "today", "tomorrow", "yesterday"]
            .iter()
            .any(|word| text.trim().eq_ignore_ascii_case(word))
}

/// Whether a value of one type is, as SQLite holds it, already one of the other.
fn same_storage(from: Ty, to: Ty) -> bool {
    (from.is_string() && to.is_string())
        || (from.is_integer() && to.is_integer() && from.common(to) == Some(to))
        || (from.is_integer() && to == Ty::Oid)
        || (from == Ty::Oid && to == Ty::Int8)
        || (from == Ty::Float4 && to == Ty::Float8)
        || matches!(
            (from, to),
            (Ty::Timestamp, Ty::Timestamptz)
                | (Ty::Timestamptz, Ty::Timestamp)
                | (Ty::Jsonb, Ty::Json)
                | (
                    Ty::Uuid | Ty::Inet | Ty::Json | Ty::Jsonb,
                    Ty::Text | Ty::Varchar
                )
        )
}

/// A value as SQLite writes it.
fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Integer(i64::MIN) => "(-9223372036854775807 - 1)".to_owned(),
        Value::Integer(i) if *i < 0 => format!("({i})"),
        Value::Integer(i) => i.to_string(),
        Value::Real(f) if f.is_infinite() => {
            (if *f > 0.0 { "9e999" } else { "(-9e999)" }).to_owned()
        }
        Value::Real(f) => format!("({f:e})"),
        Value::Text(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Blob(bytes) => {
            let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
            format!("x'{hex}'")
        }
    }
}

/// A name as PostgreSQL folds it: to lower case unless quoted.
fn fold(ident: &Ident) -> String {
    if ident.quote_style.is_some() {
        ident.value.clone()
    } else {
        ident.value.to_lowercase()
    }
}

/// A name's parts, folded.
fn name_parts(name: &ObjectName) -> Result<Vec<String>, PgError> {
    name.0
        .iter()
        .map(|part| match part {
            ObjectNamePart::Identifier(ident) => Ok(fold(ident)),
            ObjectNamePart::Function(_) => {
                Err(PgError::unsupported(format_args!("the name {name}")))
            }
        })
        .collect()
}

/// A relation's name without its schema, which must be `public` or absent.
fn relation_name(name: &ObjectName) -> Result<String, PgError> {
    let parts = name_parts(name)?;
    match parts.as_slice() {
        [relation] => Ok(relation.clone()),
        [schema, relation] if schema == "public" => Ok(relation.clone()),
        [schema, _] => Err(PgError::new(
            "3F000",
            format!("schema \"{schema}\" does not exist"),
        )),
        _ => Err(PgError::unsupported(format_args!(
            "a reference to another database, {name},"
        ))),
    }
}

/// Refuses a clause that is there, by name.
fn refuse(there: bool, construct: &str) -> Result<(), PgError> {
    if there {
        Err(PgError::unsupported(construct))
    } else {
        Ok(())
    }
}

/// Names between commas, quoted.
fn quoted_list<'n>(names: impl IntoIterator<Item = &'n String>) -> String {
    names
        .into_iter()
        .map(|name| quote(name))
        .collect::<Vec<_>>()
        .join(", ")
}
