//! Run-time settings (GUCs): which exist, what they may be, which have an effect here.

use std::collections::BTreeMap;

use crate::error::PgError;

/// What a setting may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// on, off and their kin.
    Bool,
    /// A whole number.
    Int(i64, i64),
    /// Bytes, in units of so many bytes.
    Size(i64),
    /// A time, in milliseconds.
    Time,
    /// A number.
    Real,
    /// Any text.
    Text,
    /// One of these.
    Enum(&'static [&'static str]),
}

/// Where a setting works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Used here.
    Used,
    /// Only tells; clients may set it.
    Told,
    /// Tunes the real server; of no effect here.
    Tuning,
}

/// A setting.
#[derive(Debug)]
pub struct Setting {
    /// Its name.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// What it is if nothing says otherwise.
    pub default: &'static str,
    /// Where it works.
    pub effect: Effect,
    /// Whether only a start of the server sets it.
    pub fixed: bool,
}

const fn s(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    effect: Effect,
    fixed: bool,
) -> Setting {
    Setting {
        name,
        kind,
        default,
        effect,
        fixed,
    }
}

use Effect::{Told, Tuning, Used};
use Kind::{Bool, Enum, Int, Real, Size, Text, Time};

const ISOLATION: &[&str] = &[
    "serializable",
    "repeatable read",
    "read committed",
    "read uncommitted",
];
const LEVELS: &[&str] = &[
    "debug5", "debug4", "debug3", "debug2", "debug1", "log", "info", "notice", "warning", "error",
    "fatal", "panic",
];

#[rustfmt::skip]
const SETTINGS: &[Setting] = &[
    s("DateStyle", Text, "ISO, MDY", Told, false),
    s("IntervalStyle", Enum(&["postgres"]), "postgres", Told, false),
    s("TimeZone", Text, "Etc/UTC", Told, false),
    s("application_name", Text, "", Told, false),
    s("archive_command", Text, "", Tuning, false),
    s("archive_mode", Enum(&["on", "off", "always"]), "off", Tuning, true),
    s("authentication_timeout", Time, "1min", Used, false),
    s("autovacuum", Bool, "on", Tuning, false),
    s("backslash_quote", Enum(&["safe_encoding", "on", "off"]), "safe_encoding", Told, false),
    s("bytea_output", Enum(&["hex"]), "hex", Told, false),
    s("checkpoint_completion_target", Real, "0.9", Tuning, false),
    s("checkpoint_timeout", Time, "5min", Tuning, false),
    s("client_connection_check_interval", Time, "0", Tuning, false),
    s("client_encoding", Enum(&["utf8", "UTF8", "utf-8", "unicode"]), "UTF8", Told, false),
    s("client_min_messages", Enum(LEVELS), "notice", Told, false),
    s("cluster_name", Text, "", Told, true),
    s("data_checksums", Bool, "off", Told, true),
    s("deadlock_timeout", Time, "1s", Tuning, false),
    s("default_statistics_target", Int(1, 10_000), "100", Tuning, false),
    s("default_transaction_deferrable", Bool, "off", Told, false),
    s("default_transaction_isolation", Enum(ISOLATION), "read committed", Used, false),
    s("default_transaction_read_only", Bool, "off", Used, false),
    s("effective_cache_size", Size(8192), "4GB", Tuning, false),
    s("effective_io_concurrency", Int(0, 1000), "1", Tuning, false),
    s("enable_seqscan", Bool, "on", Tuning, false),
    s("escape_string_warning", Bool, "on", Told, false),
    s("extra_float_digits", Int(-15, 3), "1", Told, false),
    s("fsync", Bool, "on", Tuning, false),
    s("full_page_writes", Bool, "on", Tuning, false),
    s("hba_file", Text, "", Used, true),
    s("hot_standby", Bool, "on", Used, true),
    s("hot_standby_feedback", Bool, "off", Tuning, false),
    s("huge_pages", Enum(&["on", "off", "try"]), "try", Tuning, true),
    s("idle_in_transaction_session_timeout", Time, "0", Used, false),
    s("idle_session_timeout", Time, "0", Used, false),
    s("in_hot_standby", Bool, "off", Told, true),
    s("integer_datetimes", Bool, "on", Told, true),
    s("jit", Bool, "on", Tuning, false),
    s("lc_messages", Text, "C.UTF-8", Told, false),
    s("listen_addresses", Text, "*", Used, true),
    s("lock_timeout", Time, "0", Used, false),
    s("log_connections", Bool, "off", Used, false),
    s("log_destination", Text, "stderr", Tuning, false),
    s("log_disconnections", Bool, "off", Used, false),
    s("log_line_prefix", Text, "%m [%p] ", Tuning, false),
    s("log_lock_waits", Bool, "off", Tuning, false),
    s("log_min_duration_statement", Time, "-1", Tuning, false),
    s("log_statement", Enum(&["none", "ddl", "mod", "all"]), "none", Used, false),
    s("logging_collector", Bool, "off", Tuning, true),
    s("maintenance_work_mem", Size(1024), "64MB", Tuning, false),
    s("max_connections", Int(1, 10_000), "100", Used, true),
    s("max_parallel_workers", Int(0, 1024), "8", Tuning, false),
    s("max_parallel_workers_per_gather", Int(0, 1024), "2", Tuning, false),
    s("max_prepared_transactions", Int(0, 0), "0", Tuning, true),
    s("max_replication_slots", Int(0, 262_143), "10", Used, true),
    s("max_wal_senders", Int(0, 262_143), "10", Used, true),
    s("max_wal_size", Size(1 << 20), "1GB", Used, false),
    s("max_worker_processes", Int(0, 262_143), "8", Tuning, true),
    s("min_wal_size", Size(1 << 20), "80MB", Tuning, false),
    s("password_encryption", Enum(&["scram-sha-256"]), "scram-sha-256", Told, false),
    s("port", Int(1, 65_535), "5432", Used, true),
    s("primary_conninfo", Text, "", Used, false),
    s("primary_slot_name", Text, "", Used, false),
    s("random_page_cost", Real, "4", Tuning, false),
    s("recovery_min_apply_delay", Time, "0", Used, false),
    s("row_security", Bool, "on", Told, false),
    s("search_path", Text, "\"$user\", public", Told, false),
    s("server_encoding", Text, "UTF8", Told, true),
    s("server_version", Text, "15.14 (pg-stub)", Told, true),
    s("server_version_num", Int(0, 999_999), "150014", Told, true),
    s("shared_buffers", Size(8192), "128MB", Tuning, true),
    s("shared_preload_libraries", Text, "", Tuning, true),
    s("standard_conforming_strings", Bool, "on", Told, true),
    s("statement_timeout", Time, "0", Used, false),
    s("superuser_reserved_connections", Int(0, 10_000), "3", Used, true),
    s("synchronous_commit", Enum(&["on", "off", "local", "remote_write", "remote_apply"]), "on", Used, false),
    s("synchronous_standby_names", Text, "", Used, false),
    s("synchronize_seqscans", Bool, "on", Tuning, false),
    s("tcp_keepalives_count", Int(0, i32::MAX as i64), "0", Tuning, false),
    s("tcp_keepalives_idle", Int(0, i32::MAX as i64), "0", Tuning, false),
    s("tcp_keepalives_interval", Int(0, i32::MAX as i64), "0", Tuning, false),
    s("temp_buffers", Size(8192), "8MB", Tuning, false),
    s("track_commit_timestamp", Bool, "off", Tuning, true),
    s("transaction_isolation", Enum(ISOLATION), "read committed", Used, false),
    s("transaction_read_only", Bool, "off", Used, false),
    s("unix_socket_directories", Text, "", Tuning, true),
    s("wal_buffers", Size(8192), "-1", Tuning, true),
    s("wal_keep_size", Size(1 << 20), "0", Used, false),
    s("wal_level", Enum(&["minimal", "replica", "logical"]), "replica", Tuning, true),
    s("wal_log_hints", Bool, "off", Tuning, true),
    s("wal_receiver_status_interval", Time, "10s", Used, false),
    s("wal_receiver_timeout", Time, "1min", Used, false),
    s("wal_retrieve_retry_interval", Time, "5s", Used, false),
    s("wal_sender_timeout", Time, "1min", Used, false),
    s("wal_writer_delay", Time, "200ms", Used, false),
    s("work_mem", Size(1024), "4MB", Tuning, false),
];

/// A setting by its name, in any case.
pub fn find(name: &str) -> Option<&'static Setting> {
    SETTINGS.iter().find(|s| s.name.eq_ignore_ascii_case(name))
}

/// All settings, sorted by name.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    SETTINGS.iter()
}

/// `42704`.
pub fn unknown(name: &str) -> PgError {
    PgError::new(
        "42704",
        format!("unrecognized configuration parameter \"{name}\""),
    )
}

fn is_custom(name: &str) -> bool {
    name.contains('.')
}

/// What a setting is; `values` are those that differ from their default, by lower-case name.
pub fn lookup(values: &BTreeMap<String, String>, name: &str) -> Option<String> {
    let key = name.to_ascii_lowercase();
    match values.get(&key) {
        Some(value) => Some(value.clone()),
        None => find(name).map(|s| s.default.to_owned()),
    }
}

/// Whether a session may set it so.
pub fn check(name: &str, value: &str) -> Result<(), PgError> {
    let Some(setting) = find(name) else {
        return if is_custom(name) {
            Ok(())
        } else {
            Err(unknown(name))
        };
    };
    if setting.fixed {
        return Err(PgError::new(
            "55P02",
            format!("parameter \"{}\" cannot be changed now", setting.name),
        ));
    }
    check_value(setting, value)?;
    if setting.name == "TimeZone" && !crate::value::time::is_utc(value) {
        return Err(PgError::unsupported(format_args!("the time zone {value}")));
    }
    if setting.name == "DateStyle" && !value.to_ascii_lowercase().contains("iso") {
        return Err(PgError::unsupported(format_args!("the date style {value}")));
    }
    Ok(())
}

/// Whether a value is one of the setting's kind.
pub fn check_value(setting: &Setting, value: &str) -> Result<(), PgError> {
    let invalid = || {
        PgError::new(
            "22023",
            format!(
                "invalid value for parameter \"{}\": \"{value}\"",
                setting.name
            ),
        )
    };
    match setting.kind {
        Bool => parse_bool(value).map(drop).ok_or_else(invalid),
        Int(low, high) => match value.trim().parse::<i64>() {
            Ok(n) if (low..=high).contains(&n) => Ok(()),
            Ok(n) => Err(PgError::new(
                "22023",
                format!(
                    "{n} is outside the valid range for parameter \"{}\" ({low} .. {high})",
                    setting.name
                ),
            )),
            Err(_) => Err(invalid()),
        },
        Size(unit) => parse_size(value, unit).map(drop).ok_or_else(invalid),
        Time => parse_time_ms(value).map(drop).ok_or_else(invalid),
        Real => value.trim().parse::<f64>().map(drop).map_err(|_| invalid()),
        Text => Ok(()),
        Enum(words) => {
            if words.iter().any(|word| word.eq_ignore_ascii_case(value)) {
                Ok(())
            } else {
                Err(invalid().hint(format!("Available values: {}.", words.join(", "))))
            }
        }
    }
}

/// on, true, yes, 1 and their opposites.
pub fn parse_bool(value: &str) -> Option<bool> {
    match value.trim().to_ascii_lowercase().as_str() {
        "on" | "true" | "yes" | "1" | "t" | "y" => Some(true),
        "off" | "false" | "no" | "0" | "f" | "n" => Some(false),
        _ => None,
    }
}

/// A size setting in bytes, from a value in its units.
pub fn size_of(name: &str, value: &str) -> Option<u64> {
    match find(name)?.kind {
        Size(unit) => parse_size(value, unit).and_then(|bytes| u64::try_from(bytes).ok()),
        _ => None,
    }
}

fn split_unit(value: &str) -> Option<(f64, &str)> {
    let value = value.trim();
    let end = value
        .find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'))
        .unwrap_or(value.len());
    Some((value[..end].parse().ok()?, value[end..].trim()))
}

fn parse_size(value: &str, unit: i64) -> Option<i64> {
    let (amount, suffix) = split_unit(value)?;
    let factor = match suffix {
        "" => unit,
        "B" => 1,
        "kB" => 1 << 10,
        "MB" => 1 << 20,
        "GB" => 1 << 30,
        "TB" => 1 << 40,
        _ => return None,
    };
    Some((amount * factor as f64) as i64)
}

/// A time in milliseconds, with PostgreSQL's units.
pub fn parse_time_ms(value: &str) -> Option<i64> {
    let (amount, suffix) = split_unit(value)?;
    let factor = match suffix {
        "" | "ms" => 1.0,
        "us" => 0.001,
        "s" => 1000.0,
        "min" => 60_000.0,
        "h" => 3_600_000.0,
        "d" => 86_400_000.0,
        _ => return None,
    };
    Some((amount * factor).round() as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_checked() {
        assert!(check("statement_timeout", "5s").is_ok());
        assert_eq!(
            check("statement_timeout", "soon").unwrap_err().code,
            "22023"
        );
        assert_eq!(check("nonsense", "1").unwrap_err().code, "42704");
        assert_eq!(check("max_connections", "10").unwrap_err().code, "55P02");
        assert!(check("my.setting", "x").is_ok());
        assert_eq!(
            check("timezone", "Europe/Berlin").unwrap_err().code,
            "0A000"
        );
    }

    #[test]
    fn every_default_is_valid() {
        for setting in all() {
            assert!(
                check_value(setting, setting.default).is_ok(),
                "{}",
                setting.name
            );
        }
    }

    #[test]
    fn times_have_units() {
        assert_eq!(parse_time_ms("1min"), Some(60_000));
        assert_eq!(parse_time_ms("250"), Some(250));
        assert_eq!(parse_time_ms("1 fortnight"), None);
    }
}
