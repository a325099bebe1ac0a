//! The extended query protocol: Parse, Bind, Describe, Execute, Close, Sync.

use std::sync::Arc;

use pgwire::messages::data::{FieldDescription, NoData, ParameterDescription, RowDescription};
use pgwire::messages::extendedquery::{
    Bind, BindComplete, Close, CloseComplete, Describe, Execute, Parse, ParseComplete,
    PortalSuspended, TARGET_TYPE_BYTE_STATEMENT,
};
use pgwire::messages::response::{CommandComplete, EmptyQueryResponse};
use rusqlite::types::Value;
use sqlparser::ast::Statement as Syntax;

use super::execute::Answer;
use super::{Session, Stop};
use crate::engine::rows::Format;
use crate::error::PgError;
use crate::frame::Message;
use crate::sql::parse;
use crate::sql::plan::{Action, Prepared};
use crate::sql::types::{Column, Ty};
use crate::value::{binary, text};

/// Prepared statements, and portals, of one session.
const KEPT_MAX: usize = 4096;

/// A prepared statement.
pub(super) struct Statement {
    /// Its text, for messages and for making its plan anew.
    sql: String,
    /// `None` for an empty text.
    syntax: Option<Syntax>,
    declared: Vec<u32>,
    prepared: Arc<Prepared>,
    epoch: u64,
}

/// A statement with its parameters.
pub(super) struct Portal {
    statement: Arc<Statement>,
    prepared: Arc<Prepared>,
    parameters: Vec<Value>,
    formats: Vec<Format>,
    /// The answer once it was executed, and how many of its rows were sent.
    answer: Option<(Answer, usize)>,
}

/// `26000`.
pub(super) fn no_statement(name: &str) -> PgError {
    PgError::new(
        "26000",
        if name.is_empty() {
            "unnamed prepared statement does not exist".to_owned()
        } else {
            format!("prepared statement \"{name}\" does not exist")
        },
    )
}

fn no_portal(name: &str) -> PgError {
    PgError::new("34000", format!("portal \"{name}\" does not exist"))
}

/// RowDescription.
pub(super) fn row_description(columns: &[Column], formats: &[Format]) -> RowDescription {
    let fields = columns
        .iter()
        .enumerate()
        .map(|(i, column)| {
            let format = i16::from(formats.get(i) == Some(&Format::Binary));
            FieldDescription::new(
                column.name.replace('\0', ""),
                0,
                0,
                column.ty.oid(),
                column.ty.length(),
                column.typmod,
                format,
            )
        })
        .collect();
    RowDescription::new(fields)
}

/// Format codes as the protocol abbreviates them: none for text, one for all, or one for each.
fn formats(codes: &[i16], count: usize, what: &str) -> Result<Vec<Format>, PgError> {
    let read = |code: &i16| match code {
        0 => Ok(Format::Text),
        1 => Ok(Format::Binary),
        other => Err(PgError::new(
            "22023",
            format!("invalid format code: {other}"),
        )),
    };
    match codes {
        [] => Ok(vec![Format::Text; count]),
        [one] => Ok(vec![read(one)?; count]),
        list if list.len() == count => list.iter().map(read).collect(),
        list => Err(PgError::new(
            "08P01",
            format!(
                "bind message has {} {what} formats but {count} are needed",
                list.len()
            ),
        )),
    }
}

impl Session {
    /// One message of the extended protocol; after an error the rest up to Sync is skipped.
    pub(super) async fn extended(&mut self, message: Message) -> Result<(), Stop> {
        if self.extended_idle {
            self.extended_idle = false;
            self.forget_cancels();
        }
        if self.follows {
            return Err(PgError::protocol(
                "extended query protocol not supported in a replication connection",
            )
            .into());
        }
        self.start_statement();
        let result = match message {
            Message::Parse(parse) => self.parse(parse).map_err(Stop::from),
            Message::Bind(bind) => self.bind(bind).map_err(Stop::from),
            Message::Describe(describe) => self.describe(describe).map_err(Stop::from),
            Message::Execute(execute) => self.execute_portal(execute).await,
            Message::Close(close) => {
                self.close(&close);
                Ok(())
            }
            _ => Ok(()),
        };
        match result {
            Ok(()) => {
                let wire = self.wire();
                wire.flush_if_full().await?;
                Ok(())
            }
            Err(Stop::Error(error)) if !error.is_fatal() => {
                self.log_failure(&error, None);
                self.transaction_failed();
                self.skipping = true;
                self.wire().put_error(&error);
                Ok(())
            }
            Err(stop) => Err(stop),
        }
    }

    pub(super) async fn sync(&mut self) -> Result<(), Stop> {
        self.skipping = false;
        self.extended_idle = true;
        match self.end_implicit().await {
            Ok(()) => {}
            Err(Stop::Error(error)) if !error.is_fatal() => {
                self.log_failure(&error, None);
                self.wire().put_error(&error);
            }
            Err(stop) => return Err(stop),
        }
        self.ready();
        self.flush().await
    }

    fn parse(&mut self, parse: Parse) -> Result<(), PgError> {
        let name = parse.name.unwrap_or_default();
        if !name.is_empty() && self.statements.contains_key(&name) {
            return Err(PgError::new(
                "42P05",
                format!("prepared statement \"{name}\" already exists"),
            ));
        }
        let statement = self.statement(&parse.query, parse.type_oids)?;
        self.keep_statement(name, statement)?;
        self.wire().put(&ParseComplete::new());
        Ok(())
    }

    fn keep_statement(&mut self, name: String, statement: Statement) -> Result<(), PgError> {
        if self.statements.len() >= KEPT_MAX && !self.statements.contains_key(&name) {
            return Err(PgError::new(
                "53400",
                format!("pg-stub keeps at most {KEPT_MAX} prepared statements a session"),
            ));
        }
        self.statements.insert(name, Arc::new(statement));
        Ok(())
    }

    fn statement(&mut self, sql: &str, declared: Vec<u32>) -> Result<Statement, PgError> {
        let epoch = self.database.schema_epoch();
        let known = if self.database.schema_dirty() || self.transaction.failed() {
            None
        } else {
            self.server.plan(&self.database, sql, &declared)
        };
        if let Some(prepared) = known {
            return Ok(Statement {
                sql: sql.to_owned(),
                syntax: None,
                declared,
                prepared,
                epoch,
            });
        }
        let mut statements = parse::parse(sql)?;
        if statements.len() > 1 {
            return Err(PgError::new(
                "42601",
                "cannot insert multiple commands into a prepared statement",
            ));
        }
        let (syntax, prepared) = match statements.pop() {
            None => {
                let prepared = Arc::new(Prepared {
                    action: Action::Nothing(""),
                    parameters: Vec::new(),
                    cacheable: false,
                });
                (None, prepared)
            }
            Some(syntax) => {
                self.refuse_when_failed(&syntax)?;
                let prepared = self.plan(sql, &syntax, &declared, true)?;
                (Some(syntax), prepared)
            }
        };
        Ok(Statement {
            sql: sql.to_owned(),
            syntax,
            declared,
            prepared,
            epoch,
        })
    }

    /// PREPARE.
    pub(super) fn add_statement(
        &mut self,
        name: &str,
        syntax: Syntax,
        declared: Vec<u32>,
    ) -> Result<(), PgError> {
        if self.statements.contains_key(name) {
            return Err(PgError::new(
                "42P05",
                format!("prepared statement \"{name}\" already exists"),
            ));
        }
        let epoch = self.database.schema_epoch();
        let sql = syntax.to_string();
        let prepared = self.plan(&sql, &syntax, &declared, false)?;
        let statement = Statement {
            sql,
            syntax: Some(syntax),
            declared,
            prepared,
            epoch,
        };
        self.keep_statement(name.to_owned(), statement)
    }

    /// The columns of what EXECUTE runs.
    pub(super) fn columns_of(&self, name: &str) -> Result<Vec<Column>, PgError> {
        let statement = self
            .statements
            .get(name)
            .ok_or_else(|| no_statement(name))?;
        Ok(statement.prepared.columns().to_vec())
    }

    /// The plan of a statement, made anew when the schema has changed since.
    pub(super) fn current_plan(&mut self, statement: &Statement) -> Result<Arc<Prepared>, PgError> {
        let dirty = self.database.schema_dirty();
        if !dirty && statement.epoch == self.database.schema_epoch() && statement.prepared.cacheable
        {
            return Ok(statement.prepared.clone());
        }
        let syntax = match &statement.syntax {
            Some(syntax) => syntax.clone(),
            None => match parse::parse(&statement.sql)?.pop() {
                Some(syntax) => syntax,
                None => return Ok(statement.prepared.clone()),
            },
        };
        let again = self.plan(&statement.sql, &syntax, &statement.declared, false)?;
        if again.columns() != statement.prepared.columns() {
            return Err(PgError::new(
                "0A000",
                "cached plan must not change result type",
            ));
        }
        Ok(again)
    }

    fn bind(&mut self, bind: Bind) -> Result<(), PgError> {
        let portal_name = bind.portal_name.unwrap_or_default();
        let name = bind.statement_name.unwrap_or_default();
        let statement = self
            .statements
            .get(&name)
            .cloned()
            .ok_or_else(|| no_statement(&name))?;
        if !portal_name.is_empty() && self.portals.contains_key(&portal_name) {
            return Err(PgError::new(
                "42P03",
                format!("portal \"{portal_name}\" already exists"),
            ));
        }
        if self.portals.len() >= KEPT_MAX {
            return Err(PgError::new(
                "53400",
                format!("pg-stub keeps at most {KEPT_MAX} portals a session"),
            ));
        }
        let prepared = self.current_plan(&statement)?;
        let count = prepared.parameters.len();
        if bind.parameters.len() != count {
            return Err(PgError::new(
                "08P01",
                format!(
                    "bind message supplies {} parameters, but prepared statement \"{name}\" requires {count}",
                    bind.parameters.len()
                ),
            ));
        }
        let codes = formats(&bind.parameter_format_codes, count, "parameter")?;
        let now_us = self.context.transaction_us;
        let mut parameters = Vec::with_capacity(count);
        for ((value, ty), format) in bind.parameters.iter().zip(&prepared.parameters).zip(codes) {
            parameters.push(match value {
                None => Value::Null,
                Some(bytes) => match read_parameter(*ty, format, bytes, now_us)? {
                    // SQLite would make NULL of it.
                    Value::Real(f) if f.is_nan() => return Err(PgError::unsupported("NaN")),
                    value => value,
                },
            });
        }
        let columns = self.prepared_columns(&prepared)?;
        let formats = formats(&bind.result_column_format_codes, columns.len(), "result")?;
        self.portals.insert(
            portal_name,
            Portal {
                statement,
                prepared,
                parameters,
                formats,
                answer: None,
            },
        );
        self.wire().put(&BindComplete::new());
        Ok(())
    }

    fn prepared_columns(&self, prepared: &Prepared) -> Result<Vec<Column>, PgError> {
        match &prepared.action {
            Action::Execute { name, .. } => self.columns_of(name),
            _ => Ok(prepared.columns().to_vec()),
        }
    }

    fn describe(&mut self, describe: Describe) -> Result<(), PgError> {
        let name = describe.name.unwrap_or_default();
        let (prepared, formats) = if describe.target_type == TARGET_TYPE_BYTE_STATEMENT {
            let statement = self
                .statements
                .get(&name)
                .cloned()
                .ok_or_else(|| no_statement(&name))?;
            let types = statement
                .prepared
                .parameters
                .iter()
                .map(|ty| ty.oid())
                .collect();
            self.wire().put(&ParameterDescription::new(types));
            (statement.prepared.clone(), Vec::new())
        } else {
            let portal = self.portals.get(&name).ok_or_else(|| no_portal(&name))?;
            (portal.prepared.clone(), portal.formats.clone())
        };
        let columns = self.prepared_columns(&prepared)?;
        if columns.is_empty() && !matches!(prepared.action, Action::Query { .. }) {
            self.wire().put(&NoData::new());
        } else {
            self.wire().put(&row_description(&columns, &formats));
        }
        Ok(())
    }

    fn close(&mut self, close: &Close) {
        let name = close.name.as_deref().unwrap_or_default();
        if close.target_type == TARGET_TYPE_BYTE_STATEMENT {
            self.statements.remove(name);
        } else {
            self.portals.remove(name);
        }
        self.wire().put(&CloseComplete::new());
    }

    async fn execute_portal(&mut self, execute: Execute) -> Result<(), Stop> {
        let name = execute.name.unwrap_or_default();
        // It is put back after; a statement that ends the transaction ends its portals as well.
        let mut portal = self.portals.remove(&name).ok_or_else(|| no_portal(&name))?;
        if portal.statement.sql.trim().is_empty()
            || matches!(portal.prepared.action, Action::Nothing(""))
        {
            self.wire().put(&EmptyQueryResponse::new());
            self.portals.insert(name, portal);
            return Ok(());
        }
        if portal.answer.is_none() {
            self.start_implicit();
            let prepared = portal.prepared.clone();
            let answer = self
                .execute(&prepared, &portal.parameters, &portal.formats)
                .await?;
            for notice in &answer.notices {
                self.wire().put_error(notice);
            }
            portal.answer = Some((answer, 0));
        }
        if let Some((answer, sent)) = &mut portal.answer {
            let total = answer.rows.count();
            let most = usize::try_from(execute.max_rows).unwrap_or(0);
            let until = if most == 0 {
                total
            } else {
                total.min(*sent + most)
            };
            let end_of = |n: usize| if n == 0 { 0 } else { answer.rows.ends[n - 1] };
            let (from, to) = (end_of(*sent), end_of(until));
            let now = until - *sent;
            *sent = until;
            let tag = match &portal.prepared.action {
                Action::Query { .. } => format!("SELECT {now}"),
                _ => answer.tag.clone(),
            };
            let chunk = &answer.rows.data[from..to];
            let wire = self.wire.as_mut().expect("messages come from a client");
            wire.output.extend_from_slice(chunk);
            if until < total {
                wire.put(&PortalSuspended::new());
            } else {
                wire.put(&CommandComplete::new(tag));
            }
        }
        if self.transaction.is_open() {
            self.portals.insert(name, portal);
        }
        Ok(())
    }
}

fn read_parameter(ty: Ty, format: Format, bytes: &[u8], now_us: i64) -> Result<Value, PgError> {
    match format {
        Format::Binary => binary::parse(ty, bytes),
        Format::Text => text::parse(ty, binary::utf8(bytes)?, now_us),
    }
}
