//! What a statement comes to: something for SQLite, or something for the session itself.

use sqlparser::ast::Statement;

use super::types::{Column, Ty};
use crate::error::PgError;

/// What a plan may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanKind {
    /// Reads.
    Read,
    /// Changes rows.
    Write,
    /// Changes the schema.
    Schema,
}

/// One statement of SQLite's.
#[derive(Clone, Debug)]
pub struct Plan {
    /// SQLite's text; parameter `$n` is `?n`.
    pub sql: String,
    /// What it answers with.
    pub columns: Vec<Column>,
    /// What it may do.
    pub kind: PlanKind,
    /// The table that it writes, for error messages.
    pub table: Option<String>,
}

/// A statement, ready to run.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// What to do.
    pub action: Action,
    /// The types of `$1`, `$2`, ….
    pub parameters: Vec<Ty>,
    /// Whether the plan holds as long as the schema does.
    pub cacheable: bool,
}

impl Prepared {
    /// The columns of its answer; none for statements that answer with a tag alone.
    pub fn columns(&self) -> &[Column] {
        match &self.action {
            Action::Query { plan, .. } | Action::Write { plan, .. } => &plan.columns,
            Action::Show { columns, .. } => columns,
            _ => &[],
        }
    }
}

/// A change to what is not in tables.
#[derive(Clone, Debug)]
pub enum Effect {
    /// A sequence begins to exist: name, start, step.
    CreateSequence(String, i64, i64),
    /// A sequence ends.
    DropSequence(String),
    /// Sequences owned by a table end with it.
    DropOwnedSequences(String),
    /// A sequence starts again.
    RestartSequences(String),
}

/// Transaction properties of BEGIN and SET TRANSACTION.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Modes {
    /// READ ONLY or READ WRITE, where said.
    pub read_only: Option<bool>,
    /// REPEATABLE READ or SERIALIZABLE, where said.
    pub snapshot: Option<bool>,
}

/// What to do with a role.
#[derive(Clone, Debug, Default)]
pub struct RoleChange {
    /// Its name.
    pub name: String,
    /// LOGIN or NOLOGIN.
    pub login: Option<bool>,
    /// SUPERUSER or NOSUPERUSER.
    pub superuser: Option<bool>,
    /// REPLICATION or NOREPLICATION.
    pub replication: Option<bool>,
    /// A password; `Some(None)` for PASSWORD NULL.
    pub password: Option<Option<String>>,
}

/// What a statement does. Fields without a comment are what their statement's grammar calls them.
#[allow(missing_docs)]
#[derive(Clone, Debug)]
pub enum Action {
    /// Answers with rows.
    Query {
        /// How.
        plan: Plan,
        /// FOR UPDATE and its kin: takes the writer's lock first.
        locks: bool,
    },
    /// Changes rows.
    Write {
        /// How.
        plan: Plan,
        /// `INSERT`, `UPDATE`, `DELETE`.
        verb: &'static str,
    },
    /// Changes the schema.
    Schema {
        /// How, in order.
        plans: Vec<Plan>,
        /// The tag.
        tag: &'static str,
        /// Changes beside the tables.
        effects: Vec<Effect>,
        /// What it says beside the tag.
        notice: Option<PgError>,
    },
    /// Opens a transaction block.
    Begin(Modes),
    /// Ends one well.
    Commit { chain: bool },
    /// Ends one badly.
    Rollback { chain: bool },
    /// SAVEPOINT.
    Savepoint(String),
    /// ROLLBACK TO.
    RollbackTo(String),
    /// RELEASE.
    Release(String),
    /// SET TRANSACTION, or for the whole session.
    SetTransaction { modes: Modes, session: bool },
    /// SET; `None` is DEFAULT.
    Set {
        /// Which.
        name: String,
        /// To what.
        value: Option<String>,
        /// SET LOCAL.
        local: bool,
    },
    /// RESET; `None` is ALL.
    Reset(Option<String>),
    /// SHOW.
    Show {
        /// Which; `all` for all.
        name: String,
        /// What it answers with.
        columns: Vec<Column>,
    },
    /// DISCARD ALL.
    DiscardAll,
    /// DEALLOCATE; `None` is ALL.
    Deallocate(Option<String>),
    /// PREPARE.
    Prepare {
        /// Its name.
        name: String,
        /// The types that are said.
        types: Vec<Ty>,
        /// What.
        statement: Box<Statement>,
    },
    /// EXECUTE.
    Execute {
        /// Which.
        name: String,
        /// With what, as constant SQLite expressions.
        arguments: Vec<String>,
    },
    /// LOCK TABLE: takes the writer's lock.
    Lock,
    /// CREATE ROLE or USER.
    CreateRole {
        roles: Vec<RoleChange>,
        if_not_exists: bool,
    },
    /// ALTER ROLE or USER.
    AlterRole(RoleChange),
    /// DROP ROLE or USER.
    DropRole { names: Vec<String>, if_exists: bool },
    /// CREATE DATABASE.
    CreateDatabase(String),
    /// DROP DATABASE.
    DropDatabase { name: String, if_exists: bool },
    /// Accepted, and of no effect on what a client of this double can see.
    Nothing(&'static str),
}
