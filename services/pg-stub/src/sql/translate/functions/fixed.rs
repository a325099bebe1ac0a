//! Functions that are a line in a table: types of the arguments, the result's, and SQLite's words.

use super::no_function;
use crate::error::PgError;
use crate::sql::translate::{Translator, Typed};
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
    ("pg_promote", &[], Bool, "pg_promote(1, 60)"),
    ("pg_promote", &[Bool], Bool, "pg_promote({0}, 60)"),
    ("pg_promote", &[Bool, Int4], Bool, "pg_promote({0}, {1})"),
    ("pg_current_wal_lsn", &[], Text, "pg_wal_place('written')"),
    ("pg_current_wal_flush_lsn", &[], Text, "pg_wal_place('flushed')"),
    ("pg_current_wal_insert_lsn", &[], Text, "pg_wal_place('inserted')"),
    ("pg_last_wal_receive_lsn", &[], Text, "pg_wal_place('received')"),
    ("pg_last_wal_replay_lsn", &[], Text, "pg_wal_place('replayed')"),
    ("pg_last_xact_replay_timestamp", &[], Timestamptz, "pg_replayed_at()"),
    ("pg_wal_lsn_diff", &[Text, Text], Numeric, "pg_wal_diff({0}, {1})"),
    ("pg_walfile_name", &[Text], Text, "pg_wal_file({0})"),
    ("pg_wal_replay_pause", &[], Void, "pg_replay_pause(1)"),
    ("pg_wal_replay_resume", &[], Void, "pg_replay_pause(0)"),
    ("pg_is_wal_replay_paused", &[], Bool, "pg_replay_paused()"),
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
    pub(in crate::sql::translate) fn keyword_function(&self, name: &str) -> Option<Typed> {
        KEYWORDS
            .iter()
            .find(|(keyword, _, _)| *keyword == name)
            .map(|(_, ty, sql)| Typed::new(*sql, *ty))
    }

    pub(super) fn fixed(&mut self, name: &str, args: Vec<Typed>) -> Result<Typed, PgError> {
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
