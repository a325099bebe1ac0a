//! The simple query protocol: a text of any number of statements in one transaction.

use std::sync::Arc;

use pgwire::messages::response::{CommandComplete, EmptyQueryResponse};

use super::execute::Answer;
use super::extended::row_description;
use super::{Session, Stop};
use crate::error::PgError;
use crate::sql::parse;
use crate::sql::plan::{Action, Prepared};

impl Session {
    pub(super) async fn simple_query(&mut self, sql: &str) -> Result<(), Stop> {
        self.forget_cancels();
        match self.run_text(sql).await {
            Ok(()) => {}
            Err(Stop::Error(error)) if !error.is_fatal() => {
                self.log_failure(&error, Some(sql));
                self.transaction_failed();
                self.wire().put_error(&error);
            }
            Err(stop) => return Err(stop),
        }
        self.ready();
        self.flush().await
    }

    async fn run_text(&mut self, sql: &str) -> Result<(), Stop> {
        self.start_statement();
        if self.follows && self.replicate(sql).await? {
            return Ok(());
        }
        if let Some(prepared) = self.known_plan(sql) {
            return self.run_and_send(&prepared).await;
        }
        let statements = parse::parse(sql)?;
        match statements.as_slice() {
            [] => {
                self.wire().put(&EmptyQueryResponse::new());
                self.end_implicit().await?;
                return Ok(());
            }
            [one] => {
                self.refuse_when_failed(one)?;
                let prepared = self.plan(sql, one, &[], true)?;
                return self.run_and_send(&prepared).await;
            }
            _ => {}
        }
        for statement in &statements {
            self.start_implicit();
            self.refuse_when_failed(statement)?;
            let prepared = self.plan(sql, statement, &[], false)?;
            self.run_and_send(&prepared).await?;
        }
        self.end_implicit().await
    }

    fn known_plan(&self, sql: &str) -> Option<Arc<Prepared>> {
        if self.database.schema_dirty() || self.transaction.failed() {
            return None;
        }
        self.server.plan(&self.database, sql, &[])
    }

    /// In a failed block nothing is even looked at but its end.
    pub(super) fn refuse_when_failed(
        &self,
        statement: &sqlparser::ast::Statement,
    ) -> Result<(), PgError> {
        use sqlparser::ast::Statement;
        let ends = matches!(
            statement,
            Statement::Commit { .. } | Statement::Rollback { .. }
        );
        if self.transaction.failed() && !ends {
            return Err(super::transaction::aborted());
        }
        Ok(())
    }

    async fn run_and_send(&mut self, prepared: &Prepared) -> Result<(), Stop> {
        if !prepared.parameters.is_empty() {
            return Err(PgError::new("42P02", "there is no parameter $1").into());
        }
        let columns = match &prepared.action {
            Action::Execute { name, .. } => self.columns_of(name)?,
            _ => prepared.columns().to_vec(),
        };
        let Answer { rows, tag, notices } = self.execute(prepared, &[], &[]).await?;
        let Some(wire) = &mut self.wire else {
            return Ok(());
        };
        for notice in &notices {
            wire.put_error(notice);
        }
        if !columns.is_empty() || matches!(prepared.action, Action::Query { .. }) {
            wire.put(&row_description(&columns, &[]));
            wire.output.unsplit(rows.data);
        }
        wire.put(&CommandComplete::new(tag));
        wire.flush_if_full().await?;
        Ok(())
    }
}
