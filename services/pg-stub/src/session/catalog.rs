//! What the translator asks of a session's database and server.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::types::Value;

use crate::engine::context::lock;
use crate::engine::database::{Database, Side};
use crate::engine::store::Table;
use crate::error::PgError;
use crate::server::Server;
use crate::settings;
use crate::sql::translate::Catalog;
use crate::sql::translate::catalog::cell;

/// A database as one side of it shows it, and its server.
pub(super) struct SessionCatalog<'a> {
    pub(super) server: &'a Server,
    pub(super) database: &'a Database,
    pub(super) side: Side,
    pub(super) settings: &'a BTreeMap<String, String>,
}

fn flag(value: bool) -> Value {
    Value::Integer(i64::from(value))
}

impl Catalog for SessionCatalog<'_> {
    fn table(&self, name: &str) -> Result<Option<Arc<Table>>, PgError> {
        self.database.table(self.side, name)
    }

    fn view(&self, name: &str) -> Result<Option<String>, PgError> {
        self.database.view(self.side, name)
    }

    fn index_exists(&self, name: &str) -> Result<bool, PgError> {
        self.database.index_exists(self.side, name)
    }

    fn sequence_exists(&self, name: &str) -> bool {
        lock(&self.database.sequences).contains_key(name)
    }

    fn server_relation(&self, name: &str) -> Option<Vec<Vec<Value>>> {
        Some(match name {
            "pg_database" => self
                .server
                .databases()
                .iter()
                .map(|database| {
                    vec![
                        Value::Integer(database.oid.into()),
                        cell(&database.name),
                        Value::Integer(10),
                        Value::Integer(6),
                        cell("C.UTF-8"),
                        cell("C.UTF-8"),
                        flag(false),
                        flag(true),
                        cell("c"),
                        Value::Null,
                        Value::Null,
                    ]
                })
                .collect(),
            "pg_roles" => self
                .server
                .roles()
                .iter()
                .map(|(name, role)| {
                    vec![
                        Value::Integer(role.oid.into()),
                        cell(name),
                        flag(role.superuser),
                        flag(role.login),
                        flag(role.replication),
                    ]
                })
                .collect(),
            "pg_settings" => settings::all()
                .map(|setting| {
                    let value = settings::lookup(self.settings, setting.name).unwrap_or_default();
                    vec![cell(setting.name), cell(&value)]
                })
                .collect(),
            "pg_stat_replication" => super::replicate::views::stat_replication(self.server),
            "pg_stat_wal_receiver" => super::replicate::views::stat_wal_receiver(self.server),
            "pg_replication_slots" => super::replicate::views::replication_slots(self.server),
            "pg_stat_activity" => self
                .server
                .registry
                .sessions()
                .iter()
                .map(|(pid, entry)| {
                    vec![
                        Value::Integer((*pid).into()),
                        cell(&entry.database),
                        cell(&entry.user),
                        cell(&entry.application),
                        cell(&entry.peer.ip().to_canonical().to_string()),
                        Value::Integer(entry.peer.port().into()),
                    ]
                })
                .collect(),
            _ => return None,
        })
    }
}
