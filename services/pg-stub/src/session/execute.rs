//! One statement: where it runs, what it needs first, what it says.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::types::Value;

use super::transaction::aborted;
use super::{Session, Stop};
use crate::engine::context::{Signal, lock};
use crate::engine::database::Side;
use crate::engine::rows::{Format, Rows};
use crate::engine::store::Sequence;
use crate::error::PgError;
use crate::settings;
use crate::sql::plan::{Action, Effect, Plan, Prepared};
use crate::sql::types::Column;
use crate::value;

/// What a statement answers.
#[derive(Debug, Default)]
pub(super) struct Answer {
    /// Its rows.
    pub(super) rows: Rows,
    /// Its tag.
    pub(super) tag: String,
    /// What it says beside.
    pub(super) notices: Vec<PgError>,
}

impl Answer {
    fn tag(tag: impl Into<String>) -> Self {
        Self {
            tag: tag.into(),
            ..Self::default()
        }
    }

    fn with(tag: impl Into<String>, notice: Option<PgError>) -> Self {
        Self {
            notices: notice.into_iter().collect(),
            ..Self::tag(tag)
        }
    }
}

/// `25006`.
fn read_only(what: &str) -> PgError {
    PgError::new(
        "25006",
        format!("cannot execute {what} in a read-only transaction"),
    )
}

impl Session {
    /// Runs one statement, with its transaction when it is one of its own.
    pub(super) async fn execute(
        &mut self,
        prepared: &Prepared,
        parameters: &[Value],
        formats: &[Format],
    ) -> Result<Answer, Stop> {
        self.start_statement();
        let ends = matches!(
            prepared.action,
            Action::Commit { .. } | Action::Rollback { .. } | Action::RollbackTo(_)
        );
        if self.transaction.failed() && !ends {
            return Err(aborted().into());
        }
        let answer = self.act(prepared, parameters, formats).await?;
        if !self.transaction.is_open() {
            self.commit().await?;
        }
        Ok(answer)
    }

    async fn act(
        &mut self,
        prepared: &Prepared,
        parameters: &[Value],
        formats: &[Format],
    ) -> Result<Answer, Stop> {
        match &prepared.action {
            Action::Query { plan, locks } => {
                if *locks && self.read_only() {
                    return Err(read_only("SELECT FOR UPDATE").into());
                }
                if *locks || self.wants_snapshot() {
                    self.start_writing().await?;
                }
                let mut answer = self.run(plan, parameters, formats).await?;
                answer.tag = format!("SELECT {}", answer.rows.count());
                Ok(answer)
            }
            Action::Write { plan, verb } => {
                if self.read_only() {
                    return Err(read_only(verb).into());
                }
                self.start_writing().await?;
                let mut answer = self.run(plan, parameters, formats).await?;
                let oid = if *verb == "INSERT" { "0 " } else { "" };
                answer.tag = format!("{verb} {oid}{}", answer.tag);
                Ok(answer)
            }
            Action::Schema {
                plans,
                tag,
                effects,
                notice,
            } => {
                if self.read_only() {
                    return Err(read_only(tag).into());
                }
                self.start_writing().await?;
                // Sequences come before tables whose defaults name them.
                for effect in effects {
                    self.apply(effect);
                }
                for plan in plans {
                    self.database.run(
                        self.transaction.side(),
                        plan,
                        &[],
                        &[],
                        &mut self.context,
                    )?;
                }
                Ok(Answer::with(*tag, notice.clone()))
            }
            Action::Begin(modes) => {
                let warning = self.begin_block(*modes);
                Ok(Answer::with("BEGIN", warning))
            }
            Action::Commit { chain } => {
                let (tag, warning) = self.end_block(true, *chain).await?;
                Ok(Answer::with(tag, warning))
            }
            Action::Rollback { chain } => {
                let (tag, warning) = self.end_block(false, *chain).await?;
                Ok(Answer::with(tag, warning))
            }
            Action::Savepoint(name) => {
                self.savepoint(name.clone())?;
                Ok(Answer::tag("SAVEPOINT"))
            }
            Action::RollbackTo(name) => {
                self.rollback_to(name)?;
                Ok(Answer::tag("ROLLBACK"))
            }
            Action::Release(name) => {
                self.release(name)?;
                Ok(Answer::tag("RELEASE"))
            }
            Action::Lock => {
                self.start_writing().await?;
                Ok(Answer::tag("LOCK TABLE"))
            }
            Action::Execute { name, arguments } => {
                Box::pin(self.execute_prepared(name, arguments, formats)).await
            }
            other => self.act_on_session(other),
        }
    }

    /// Everything that needs neither the engine nor a wait.
    fn act_on_session(&mut self, action: &Action) -> Result<Answer, Stop> {
        Ok(match action {
            Action::SetTransaction { modes, session } => {
                if *session {
                    if let Some(read_only) = modes.read_only {
                        let value = if read_only { "on" } else { "off" };
                        self.set(
                            "default_transaction_read_only",
                            Some(value.to_owned()),
                            false,
                        );
                    }
                    if let Some(snapshot) = modes.snapshot {
                        let level = if snapshot {
                            "serializable"
                        } else {
                            "read committed"
                        };
                        self.set(
                            "default_transaction_isolation",
                            Some(level.to_owned()),
                            false,
                        );
                    }
                } else {
                    self.set_modes(*modes);
                }
                Answer::tag("SET")
            }
            Action::Set { name, value, local } => {
                let warning = (*local && !self.transaction.is_open()).then(|| {
                    PgError::warning("25P01", "SET LOCAL can only be used in transaction blocks")
                });
                self.set(name, value.clone(), *local);
                Answer::with("SET", warning)
            }
            Action::Reset(None) => {
                self.reset_all();
                Answer::tag("RESET")
            }
            Action::Reset(Some(name)) => {
                if settings::find(name).is_none() && !name.contains('.') {
                    return Err(settings::unknown(name).into());
                }
                self.set(name, None, false);
                Answer::tag("RESET")
            }
            Action::Show { name, columns } => self.show(name, columns)?,
            Action::DiscardAll => {
                if self.transaction.is_open() {
                    return Err(PgError::new(
                        "25001",
                        "DISCARD ALL cannot run inside a transaction block",
                    )
                    .into());
                }
                self.reset_all();
                self.statements.clear();
                self.portals.clear();
                self.context.sequences.clear();
                Answer::tag("DISCARD ALL")
            }
            Action::Deallocate(None) => {
                self.statements.clear();
                Answer::tag("DEALLOCATE ALL")
            }
            Action::Deallocate(Some(name)) => {
                if self.statements.remove(name).is_none() {
                    return Err(super::extended::no_statement(name).into());
                }
                Answer::tag("DEALLOCATE")
            }
            Action::Prepare {
                name,
                types,
                statement,
            } => {
                let declared: Vec<u32> = types.iter().map(|ty| ty.oid()).collect();
                self.add_statement(name, (**statement).clone(), declared)?;
                Answer::tag("PREPARE")
            }
            Action::CreateRole {
                roles,
                if_not_exists,
            } => {
                self.may_write("CREATE ROLE")?;
                for role in roles {
                    match self.server.change_role(role, true) {
                        Err(error) if *if_not_exists && error.code == "42710" => {}
                        result => self.transaction.wrote(Some(result?)),
                    }
                }
                Answer::tag("CREATE ROLE")
            }
            Action::AlterRole(change) => {
                self.may_write("ALTER ROLE")?;
                let end = self.server.change_role(change, false)?;
                self.transaction.wrote(Some(end));
                Answer::tag("ALTER ROLE")
            }
            Action::DropRole { names, if_exists } => {
                self.may_write("DROP ROLE")?;
                for name in names {
                    let end = self.server.drop_role(name, *if_exists)?;
                    self.transaction.wrote(end);
                }
                Answer::tag("DROP ROLE")
            }
            Action::CreateDatabase(name) => {
                self.outside_block("CREATE DATABASE")?;
                let end = self.server.add_database(name)?;
                self.transaction.wrote(Some(end));
                Answer::tag("CREATE DATABASE")
            }
            Action::DropDatabase { name, if_exists } => {
                self.outside_block("DROP DATABASE")?;
                if *name == self.database.name {
                    return Err(
                        PgError::new("55006", "cannot drop the currently open database").into(),
                    );
                }
                let end = self.server.drop_database(name, *if_exists, self.pid)?;
                self.transaction.wrote(end);
                Answer::tag("DROP DATABASE")
            }
            Action::Nothing(tag) => Answer::tag(*tag),
            _ => return Err(PgError::new("XX000", "a statement went the wrong way").into()),
        })
    }

    fn may_write(&self, what: &str) -> Result<(), PgError> {
        match self.read_only() {
            true => Err(read_only(what)),
            false => Ok(()),
        }
    }

    fn outside_block(&self, what: &str) -> Result<(), PgError> {
        self.may_write(what)?;
        if self.transaction.is_open() {
            return Err(PgError::new(
                "25001",
                format!("{what} cannot run inside a transaction block"),
            ));
        }
        Ok(())
    }

    /// Runs a plan and does what its functions asked for. The tag is the number of changed rows.
    async fn run(
        &mut self,
        plan: &Plan,
        parameters: &[Value],
        formats: &[Format],
    ) -> Result<Answer, Stop> {
        let side = match self.server.planted().has("pg-stub/shows-uncommitted") {
            true => Side::Working,
            false => self.transaction.side(),
        };
        let result = self
            .database
            .run(side, plan, parameters, formats, &mut self.context);
        self.log_sequences();
        let sleep_us = std::mem::take(&mut self.context.sleep_us);
        for signal in std::mem::take(&mut self.context.signals) {
            match signal {
                Signal::Cancel(pid) => self.server.registry.cancel(pid, None),
                Signal::Terminate(pid) => self.server.registry.terminate(pid),
            };
        }
        for (name, value, local) in std::mem::take(&mut self.context.set) {
            self.set(&name, Some(value), local);
        }
        let outcome = result?;
        if sleep_us > 0 {
            let nap = tokio::time::sleep(Duration::from_micros(sleep_us.unsigned_abs()));
            self.wait_for(nap, None).await?;
        }
        let promoting = self.context.promote.take();
        let notice = match promoting {
            Some(wait_s) => self.promote(wait_s).await?,
            None => None,
        };
        Ok(Answer {
            rows: outcome.rows,
            tag: outcome.changed.to_string(),
            notices: notice.into_iter().collect(),
        })
    }

    /// `pg_promote`: asks, and waits until the server may write, or for so many seconds.
    async fn promote(&mut self, wait_s: i64) -> Result<Option<PgError>, Stop> {
        let server = self.server.clone();
        server.facts.standby.promote();
        let Some(wait) = u64::try_from(wait_s).ok().filter(|s| *s > 0) else {
            return Ok(None);
        };
        let promoted = async {
            // Ten times a second, as PostgreSQL looks (xlogfuncs.c).
            while server.facts.in_recovery() {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(wait), promoted);
        Ok(self.wait_for(waited, None).await?.err().map(|_| {
            let said = format!("server did not promote within {wait} seconds");
            PgError::warning("01000", said)
        }))
    }

    async fn execute_prepared(
        &mut self,
        name: &str,
        arguments: &[String],
        formats: &[Format],
    ) -> Result<Answer, Stop> {
        let statement = self
            .statements
            .get(name)
            .cloned()
            .ok_or_else(|| super::extended::no_statement(name))?;
        let prepared = self.current_plan(&statement)?;
        if prepared.parameters.len() != arguments.len() {
            return Err(PgError::new(
                "42601",
                format!("wrong number of parameters for prepared statement \"{name}\""),
            )
            .detail(format!(
                "Expected {} parameters but got {}.",
                prepared.parameters.len(),
                arguments.len()
            ))
            .into());
        }
        let side = self.transaction.side();
        let texts = self.database.evaluate(side, arguments, &mut self.context)?;
        let mut values = Vec::new();
        for (ty, text) in prepared.parameters.iter().zip(texts) {
            values.push(match text {
                Value::Text(text) => value::text::parse(*ty, &text, self.context.transaction_us)?,
                other => other,
            });
        }
        self.act(&prepared, &values, formats).await
    }

    fn show(&mut self, name: &str, columns: &[Column]) -> Result<Answer, PgError> {
        let mut rows = Vec::new();
        if name == "all" {
            for setting in settings::all() {
                let value = self.setting(setting.name).unwrap_or_default();
                rows.push(vec![setting.name.to_owned(), value, String::new()]);
            }
        } else {
            let value = self.setting(name).ok_or_else(|| settings::unknown(name))?;
            rows.push(vec![value]);
        }
        let mut answer = Answer::tag("SHOW");
        for row in rows {
            let cells: Vec<Value> = row.into_iter().map(Value::Text).collect();
            answer.rows.push(columns, &[], |i| Ok((&cells[i]).into()))?;
        }
        Ok(answer)
    }

    /// What SHOW tells.
    pub(super) fn setting(&self, name: &str) -> Option<String> {
        let on_off = |value| (if value { "on" } else { "off" }).to_owned();
        match name.to_ascii_lowercase().as_str() {
            "transaction_isolation" => Some(self.isolation().to_owned()),
            "transaction_read_only" => Some(on_off(self.read_only())),
            "in_hot_standby" => Some(on_off(self.server.facts.in_recovery())),
            "is_superuser" => {
                let role = self.server.role(&self.context.session.user);
                Some(on_off(role.is_some_and(|role| role.superuser)))
            }
            "session_authorization" => Some(self.context.session.user.clone()),
            name => settings::lookup(&self.context.settings, name),
        }
    }

    /// Changes sequences. Their making and their end go back with the transaction, their steps do
    /// not.
    fn apply(&mut self, effect: &Effect) {
        let owned = |table: &String| -> Vec<String> {
            let prefix = format!("{table}_");
            lock(&self.database.sequences)
                .keys()
                .filter(|name| name.starts_with(&prefix) && name.ends_with("_seq"))
                .cloned()
                .collect()
        };
        match effect {
            Effect::CreateSequence(name, start, increment) => {
                let sequence = Sequence {
                    last: *start,
                    called: false,
                    increment: *increment,
                    start: *start,
                    logged: None,
                };
                self.replace_sequence(name, Some(sequence));
            }
            Effect::DropSequence(name) => self.replace_sequence(name, None),
            Effect::DropOwnedSequences(table) => {
                for name in owned(table) {
                    self.replace_sequence(&name, None);
                }
            }
            Effect::RestartSequences(table) => {
                for name in owned(table) {
                    let known = lock(&self.database.sequences).get(&name).copied();
                    let again = known.map(|sequence| Sequence {
                        last: sequence.start,
                        called: false,
                        logged: None,
                        ..sequence
                    });
                    self.replace_sequence(&name, again);
                }
            }
        }
    }

    /// A plan for a statement, from those made before or anew.
    pub(super) fn plan(
        &mut self,
        sql: &str,
        statement: &sqlparser::ast::Statement,
        declared: &[u32],
        only_one: bool,
    ) -> Result<Arc<Prepared>, PgError> {
        let keep = only_one && !self.database.schema_dirty();
        let catalog = super::catalog::SessionCatalog {
            server: &self.server,
            database: &self.database,
            side: self.transaction.side(),
            settings: &self.context.settings,
        };
        let prepared = Arc::new(crate::sql::translate::prepare(
            &catalog, sql, statement, declared,
        )?);
        if keep {
            self.server
                .keep_plan(&self.database, sql, declared, &prepared);
        }
        Ok(prepared)
    }
}
