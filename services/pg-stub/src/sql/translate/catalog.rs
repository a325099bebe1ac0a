//! `pg_catalog` and `information_schema`, as far as clients ask on their own.
//!
//! OIDs are derived from SQLite's row numbers, so they hold while a table lives. Deliberately
//! absent: what `\d TABLE` of psql reads (`pg_index`, `pg_constraint`, …).

use rusqlite::types::Value;

use super::{Catalog, ScopeColumn, literal};
use crate::sql::types::{Column, Ty};

/// A system relation, as a subquery.
pub struct Relation {
    pub(super) sql: String,
    pub(super) columns: Vec<ScopeColumn>,
    /// Whether its rows are the server's and may differ the next time.
    pub(super) from_server: bool,
}

type Columns = &'static [(&'static str, Ty)];

/// Relations whose rows SQLite has.
const STORED: &[(&str, Columns, &str)] = &[
    (
        "pg_class",
        &[
            ("oid", Ty::Oid),
            ("relname", Ty::Name),
            ("relnamespace", Ty::Oid),
            ("relowner", Ty::Oid),
            ("relam", Ty::Oid),
            ("relkind", Ty::Char),
            ("relpersistence", Ty::Char),
            ("relispartition", Ty::Bool),
            ("reltuples", Ty::Float4),
            ("relhasindex", Ty::Bool),
        ],
        "SELECT 16384 + rowid AS oid, CASE WHEN name LIKE 'sqlite_autoindex_%' THEN tbl_name || '_pkey' ELSE name END AS relname, \
         2200 AS relnamespace, 10 AS relowner, CASE type WHEN 'table' THEN 2 ELSE 403 END AS relam, \
         CASE type WHEN 'table' THEN 'r' ELSE 'i' END AS relkind, 'p' AS relpersistence, 0 AS relispartition, \
         -1.0 AS reltuples, 0 AS relhasindex FROM sqlite_schema WHERE type IN ('table', 'index') AND tbl_name NOT LIKE '\\_squall\\_%' ESCAPE '\\' \
         UNION ALL SELECT 1000000 + rowid, name, 2200, 10, 0, 'v', 'p', 0, -1.0, 0 FROM _squall_view",
    ),
    (
        "pg_attribute",
        &[
            ("attrelid", Ty::Oid),
            ("attname", Ty::Name),
            ("attnum", Ty::Int2),
            ("attnotnull", Ty::Bool),
            ("attisdropped", Ty::Bool),
        ],
        "SELECT 16384 + s.rowid AS attrelid, p.name AS attname, p.cid + 1 AS attnum, p.\"notnull\" AS attnotnull, 0 AS attisdropped \
         FROM sqlite_schema AS s, pragma_table_info(s.name) AS p WHERE s.type = 'table' AND s.name NOT LIKE '\\_squall\\_%' ESCAPE '\\'",
    ),
    (
        "pg_tables",
        &[
            ("schemaname", Ty::Name),
            ("tablename", Ty::Name),
            ("tableowner", Ty::Name),
        ],
        "SELECT 'public' AS schemaname, name AS tablename, 'postgres' AS tableowner FROM sqlite_schema \
         WHERE type = 'table' AND name NOT LIKE '\\_squall\\_%' ESCAPE '\\'",
    ),
    (
        "tables",
        &[
            ("table_catalog", Ty::Name),
            ("table_schema", Ty::Name),
            ("table_name", Ty::Name),
            ("table_type", Ty::Varchar),
        ],
        "SELECT pg_database() AS table_catalog, 'public' AS table_schema, name AS table_name, 'BASE TABLE' AS table_type \
         FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE '\\_squall\\_%' ESCAPE '\\' \
         UNION ALL SELECT pg_database(), 'public', name, 'VIEW' FROM _squall_view",
    ),
    (
        "columns",
        &[
            ("table_schema", Ty::Name),
            ("table_name", Ty::Name),
            ("column_name", Ty::Name),
            ("ordinal_position", Ty::Int4),
            ("is_nullable", Ty::Varchar),
        ],
        "SELECT 'public' AS table_schema, s.name AS table_name, p.name AS column_name, p.cid + 1 AS ordinal_position, \
         CASE p.\"notnull\" WHEN 1 THEN 'NO' ELSE 'YES' END AS is_nullable FROM sqlite_schema AS s, pragma_table_info(s.name) AS p \
         WHERE s.type = 'table' AND s.name NOT LIKE '\\_squall\\_%' ESCAPE '\\'",
    ),
];

/// Relations whose rows are always the same; an empty text is no rows.
const FIXED: &[(&str, Columns, &str)] = &[
    (
        "pg_namespace",
        &[
            ("oid", Ty::Oid),
            ("nspname", Ty::Name),
            ("nspowner", Ty::Oid),
        ],
        "(11, 'pg_catalog', 10), (2200, 'public', 10), (13183, 'information_schema', 10)",
    ),
    (
        "schemata",
        &[("schema_name", Ty::Name), ("schema_owner", Ty::Name)],
        "('public', 'postgres'), ('information_schema', 'postgres'), ('pg_catalog', 'postgres')",
    ),
    (
        "pg_am",
        &[("oid", Ty::Oid), ("amname", Ty::Name)],
        "(2, 'heap'), (403, 'btree')",
    ),
    (
        "pg_range",
        &[("rngtypid", Ty::Oid), ("rngsubtype", Ty::Oid)],
        "",
    ),
    (
        "pg_enum",
        &[
            ("oid", Ty::Oid),
            ("enumtypid", Ty::Oid),
            ("enumlabel", Ty::Name),
            ("enumsortorder", Ty::Float4),
        ],
        "",
    ),
    (
        "pg_extension",
        &[("oid", Ty::Oid), ("extname", Ty::Name)],
        "",
    ),
];

/// Relations whose rows the server has.
const SERVED: &[(&str, Columns)] = &[
    (
        "pg_database",
        &[
            ("oid", Ty::Oid),
            ("datname", Ty::Name),
            ("datdba", Ty::Oid),
            ("encoding", Ty::Int4),
            ("datcollate", Ty::Name),
            ("datctype", Ty::Name),
            ("datistemplate", Ty::Bool),
            ("datallowconn", Ty::Bool),
            ("datlocprovider", Ty::Char),
            ("daticulocale", Ty::Text),
            ("datacl", Ty::TextArray),
        ],
    ),
    (
        "pg_roles",
        &[
            ("oid", Ty::Oid),
            ("rolname", Ty::Name),
            ("rolsuper", Ty::Bool),
            ("rolcanlogin", Ty::Bool),
            ("rolreplication", Ty::Bool),
        ],
    ),
    ("pg_settings", &[("name", Ty::Text), ("setting", Ty::Text)]),
    (
        "pg_stat_replication",
        &[
            ("pid", Ty::Int4),
            ("usesysid", Ty::Oid),
            ("usename", Ty::Name),
            ("application_name", Ty::Text),
            ("client_addr", Ty::Inet),
            ("client_hostname", Ty::Text),
            ("client_port", Ty::Int4),
            ("backend_start", Ty::Timestamptz),
            ("backend_xmin", Ty::Int8),
            ("state", Ty::Text),
            ("sent_lsn", Ty::Text),
            ("write_lsn", Ty::Text),
            ("flush_lsn", Ty::Text),
            ("replay_lsn", Ty::Text),
            ("sync_priority", Ty::Int4),
            ("sync_state", Ty::Text),
            ("reply_time", Ty::Timestamptz),
        ],
    ),
    (
        "pg_stat_wal_receiver",
        &[
            ("pid", Ty::Int4),
            ("status", Ty::Text),
            ("receive_start_lsn", Ty::Text),
            ("receive_start_tli", Ty::Int4),
            ("written_lsn", Ty::Text),
            ("flushed_lsn", Ty::Text),
            ("received_tli", Ty::Int4),
            ("last_msg_receipt_time", Ty::Timestamptz),
            ("latest_end_lsn", Ty::Text),
            ("slot_name", Ty::Text),
            ("sender_host", Ty::Text),
            ("sender_port", Ty::Int4),
            ("conninfo", Ty::Text),
        ],
    ),
    (
        "pg_replication_slots",
        &[
            ("slot_name", Ty::Name),
            ("plugin", Ty::Name),
            ("slot_type", Ty::Text),
            ("database", Ty::Name),
            ("temporary", Ty::Bool),
            ("active", Ty::Bool),
            ("active_pid", Ty::Int4),
            ("restart_lsn", Ty::Text),
            ("wal_status", Ty::Text),
        ],
    ),
    (
        "pg_stat_activity",
        &[
            ("pid", Ty::Int4),
            ("datname", Ty::Name),
            ("usename", Ty::Name),
            ("application_name", Ty::Text),
            ("client_addr", Ty::Inet),
            ("client_port", Ty::Int4),
        ],
    ),
];

/// The relation of that name, if there is one.
pub(super) fn relation(
    schema: Option<&str>,
    name: &str,
    catalog: &dyn Catalog,
) -> Option<Relation> {
    let of_information_schema = matches!(name, "tables" | "columns" | "schemata");
    if of_information_schema != (schema == Some("information_schema")) {
        return None;
    }
    let make = |columns: Columns, sql: String, from_server| Relation {
        sql,
        columns: columns
            .iter()
            .map(|(name, ty)| ScopeColumn {
                column: Column::new(*name, *ty),
                physical: (*name).to_owned(),
            })
            .collect(),
        from_server,
    };
    if let Some((_, columns, sql)) = STORED.iter().find(|(known, ..)| *known == name) {
        return Some(make(columns, (*sql).to_owned(), false));
    }
    if let Some((_, columns, rows)) = FIXED.iter().find(|(known, ..)| *known == name) {
        return Some(make(columns, rows_sql(columns, rows), false));
    }
    if name == "pg_type" {
        let columns: Columns = &[
            ("oid", Ty::Oid),
            ("typname", Ty::Name),
            ("typnamespace", Ty::Oid),
            ("typlen", Ty::Int2),
            ("typtype", Ty::Char),
            ("typcategory", Ty::Char),
            ("typelem", Ty::Oid),
            ("typarray", Ty::Oid),
            ("typbasetype", Ty::Oid),
            ("typrelid", Ty::Oid),
        ];
        let rows: Vec<String> = Ty::all()
            .map(|ty| {
                format!(
                    "({}, '{}', 11, {}, '{}', '{}', {}, {}, 0, 0)",
                    ty.oid(),
                    ty.name(),
                    ty.length(),
                    if matches!(ty, Ty::Void | Ty::Unknown) {
                        'p'
                    } else {
                        'b'
                    },
                    ty.category(),
                    ty.element().map_or(0, Ty::oid),
                    ty.array().map_or(0, Ty::oid),
                )
            })
            .collect();
        return Some(make(columns, rows_sql(columns, &rows.join(", ")), false));
    }
    let served = if matches!(name, "pg_authid" | "pg_user") {
        "pg_roles"
    } else {
        name
    };
    let (_, columns) = SERVED.iter().find(|(known, _)| *known == served)?;
    let rows: Vec<String> = catalog
        .server_relation(served)?
        .iter()
        .map(|row| {
            let cells: Vec<String> = row.iter().map(literal).collect();
            format!("({})", cells.join(", "))
        })
        .collect();
    Some(make(columns, rows_sql(columns, &rows.join(", ")), true))
}

fn rows_sql(columns: Columns, rows: &str) -> String {
    let nulls = vec!["NULL"; columns.len()].join(", ");
    let names: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(i, (name, _))| format!("column{} AS {name}", i + 1))
        .collect();
    let (rows, none) = if rows.is_empty() {
        (format!("({nulls})"), " WHERE 0")
    } else {
        (rows.to_owned(), "")
    };
    format!("SELECT {} FROM (VALUES {rows}){none}", names.join(", "))
}

/// A cell of a server's relation.
pub fn cell(text: &str) -> Value {
    Value::Text(text.to_owned())
}
