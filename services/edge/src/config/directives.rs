//! Which directives exist, where they may stand, and what edge makes of each.
//!
//! The contexts are those of nginx's reference documentation. To teach edge a directive, move its
//! name to `HANDLED` and read it where its context is read.

/// Sets of places in which a directive may stand.
pub(super) type Contexts = u8;

pub(super) const MAIN: Contexts = 1;
pub(super) const EVENTS: Contexts = 2;
pub(super) const HTTP: Contexts = 4;
pub(super) const SERVER: Contexts = 8;
pub(super) const LOCATION: Contexts = 16;
pub(super) const UPSTREAM: Contexts = 32;
/// An `if` block; edge takes only the rewrite module's directives in it.
pub(super) const IF: Contexts = 64;

const HSL: Contexts = HTTP | SERVER | LOCATION;
const HS: Contexts = HTTP | SERVER;

/// What edge does with a directive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// It has its effect.
    Handled,
    /// It tunes the real program alone: accepted, and listed as without effect.
    WithoutEffect,
    /// nginx has it, edge does not.
    Refused,
}

/// What is known of the directive `name`; `None` if nginx has no such directive.
pub(super) fn find(name: &str) -> Option<(Class, Contexts)> {
    let within = |list: &[(&str, Contexts)]| {
        let found = list.iter().find(|(known, _)| *known == name);
        found.map(|(_, contexts)| *contexts)
    };
    if let Some(contexts) = within(HANDLED) {
        return Some((Class::Handled, contexts));
    }
    if let Some(contexts) = within(WITHOUT_EFFECT) {
        return Some((Class::WithoutEffect, contexts));
    }
    let refused = REFUSED.contains(&name)
        || REFUSED_PREFIXES
            .iter()
            .any(|prefix| name.starts_with(prefix));
    refused.then_some((Class::Refused, Contexts::MAX))
}

/// The names of the blocks in `contexts`, for a message.
pub(super) fn describe(contexts: Contexts) -> String {
    let names = [
        (MAIN, "main"),
        (EVENTS, "events"),
        (HTTP, "http"),
        (SERVER, "server"),
        (LOCATION, "location"),
        (UPSTREAM, "upstream"),
        (IF, "if"),
    ];
    let within = names.iter().filter(|(bit, _)| contexts & bit != 0);
    within.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}

const HANDLED: &[(&str, Contexts)] = &[
    ("events", MAIN),
    ("http", MAIN),
    ("worker_connections", EVENTS),
    ("server", HTTP | UPSTREAM),
    ("upstream", HTTP),
    ("map", HTTP),
    ("log_format", HTTP),
    ("types", HSL),
    ("listen", SERVER),
    ("server_name", SERVER),
    ("location", SERVER | LOCATION),
    ("internal", LOCATION),
    ("if", SERVER | LOCATION),
    ("set", SERVER | LOCATION | IF),
    ("return", SERVER | LOCATION | IF),
    ("rewrite", SERVER | LOCATION | IF),
    ("break", SERVER | LOCATION | IF),
    ("root", HSL),
    ("alias", LOCATION),
    ("index", HSL),
    ("try_files", SERVER | LOCATION),
    ("default_type", HSL),
    ("error_page", HSL),
    ("recursive_error_pages", HSL),
    ("add_header", HSL),
    ("access_log", HSL),
    ("allow", HSL),
    ("deny", HSL),
    ("stub_status", SERVER | LOCATION),
    ("resolver", HSL | UPSTREAM),
    ("resolver_timeout", HSL | UPSTREAM),
    ("client_max_body_size", HSL),
    ("client_body_timeout", HSL),
    ("client_header_timeout", HS),
    ("client_header_buffer_size", HS),
    ("large_client_header_buffers", HS),
    ("keepalive_timeout", HSL | UPSTREAM),
    ("keepalive_requests", HSL | UPSTREAM),
    ("keepalive_time", UPSTREAM),
    ("send_timeout", HSL),
    ("underscores_in_headers", HS),
    ("merge_slashes", HS),
    ("absolute_redirect", HSL),
    ("port_in_redirect", HSL),
    ("proxy_pass", LOCATION),
    ("proxy_http_version", HSL),
    ("proxy_set_header", HSL),
    ("proxy_connect_timeout", HSL),
    ("proxy_read_timeout", HSL),
    ("proxy_send_timeout", HSL),
    ("proxy_next_upstream", HSL),
    ("proxy_next_upstream_tries", HSL),
    ("proxy_next_upstream_timeout", HSL),
    ("proxy_buffer_size", HSL),
    ("proxy_intercept_errors", HSL),
    ("proxy_hide_header", HSL),
    ("proxy_pass_header", HSL),
    ("proxy_pass_request_headers", HSL),
    ("proxy_pass_request_body", HSL),
    ("proxy_redirect", HSL),
    ("proxy_method", HSL),
    ("zone", UPSTREAM),
    ("keepalive", UPSTREAM),
    ("least_conn", UPSTREAM),
    ("ip_hash", UPSTREAM),
    ("hash", UPSTREAM),
    // Handled in so far as the value that changes behaviour is refused.
    ("http2", HS),
    ("proxy_cache", HSL),
    ("proxy_request_buffering", HSL),
    ("proxy_ignore_client_abort", HSL),
    ("auth_basic", HSL),
];

const WITHOUT_EFFECT: &[(&str, Contexts)] = &[
    ("user", MAIN),
    ("daemon", MAIN),
    ("master_process", MAIN),
    ("pid", MAIN),
    ("env", MAIN),
    ("lock_file", MAIN),
    ("pcre_jit", MAIN),
    ("thread_pool", MAIN),
    ("timer_resolution", MAIN),
    ("worker_processes", MAIN),
    ("worker_priority", MAIN),
    ("worker_cpu_affinity", MAIN),
    ("worker_rlimit_core", MAIN),
    ("worker_rlimit_nofile", MAIN),
    ("worker_shutdown_timeout", MAIN),
    ("working_directory", MAIN),
    ("debug_points", MAIN),
    ("error_log", MAIN | HSL),
    ("use", EVENTS),
    ("multi_accept", EVENTS),
    ("accept_mutex", EVENTS),
    ("accept_mutex_delay", EVENTS),
    ("debug_connection", EVENTS),
    ("worker_aio_requests", EVENTS),
    ("aio", HSL),
    ("aio_write", HSL),
    ("sendfile", HSL),
    ("sendfile_max_chunk", HSL),
    ("tcp_nopush", HSL),
    ("tcp_nodelay", HSL),
    ("directio", HSL),
    ("directio_alignment", HSL),
    ("output_buffers", HSL),
    ("postpone_output", HSL),
    ("read_ahead", HSL),
    ("server_tokens", HSL),
    ("server_names_hash_max_size", HTTP),
    ("server_names_hash_bucket_size", HTTP),
    ("types_hash_max_size", HSL),
    ("types_hash_bucket_size", HSL),
    ("variables_hash_max_size", HTTP),
    ("variables_hash_bucket_size", HTTP),
    ("map_hash_max_size", HTTP),
    ("map_hash_bucket_size", HTTP),
    ("proxy_headers_hash_max_size", HSL),
    ("proxy_headers_hash_bucket_size", HSL),
    ("connection_pool_size", HS),
    ("request_pool_size", HS),
    ("ignore_invalid_headers", HS),
    ("server_name_in_redirect", HSL),
    ("chunked_transfer_encoding", HSL),
    ("client_body_buffer_size", HSL),
    ("client_body_in_file_only", HSL),
    ("client_body_in_single_buffer", HSL),
    ("client_body_temp_path", HSL),
    ("keepalive_disable", HSL),
    ("lingering_close", HSL),
    ("lingering_time", HSL),
    ("lingering_timeout", HSL),
    ("reset_timedout_connection", HSL),
    ("send_lowat", HSL),
    ("log_not_found", HSL),
    ("log_subrequest", HSL),
    ("msie_padding", HSL),
    ("msie_refresh", HSL),
    ("max_ranges", HSL),
    ("etag", HSL),
    ("if_modified_since", HSL),
    ("expires", HSL),
    ("charset", HSL),
    ("source_charset", HSL),
    ("open_file_cache", HSL),
    ("open_file_cache_errors", HSL),
    ("open_file_cache_min_uses", HSL),
    ("open_file_cache_valid", HSL),
    ("open_log_file_cache", HSL),
    ("rewrite_log", HSL),
    ("uninitialized_variable_warn", HSL),
    // Replies are sent as they are; a client must accept that.
    ("gzip", HSL),
    ("gzip_buffers", HSL),
    ("gzip_comp_level", HSL),
    ("gzip_disable", HSL),
    ("gzip_http_version", HSL),
    ("gzip_min_length", HSL),
    ("gzip_proxied", HSL),
    ("gzip_static", HSL),
    ("gzip_types", HSL),
    ("gzip_vary", HSL),
    // Replies stream through bounded buffers whatever these say.
    ("proxy_buffering", HSL),
    ("proxy_buffers", HSL),
    ("proxy_busy_buffers_size", HSL),
    ("proxy_max_temp_file_size", HSL),
    ("proxy_temp_file_write_size", HSL),
    ("proxy_temp_path", HSL),
    ("proxy_ignore_headers", HSL),
    ("proxy_socket_keepalive", HSL),
    ("proxy_send_lowat", HSL),
    ("proxy_cache_path", HTTP),
    ("proxy_cache_key", HSL),
    ("proxy_cache_valid", HSL),
    ("proxy_cache_bypass", HSL),
    ("proxy_no_cache", HSL),
    ("proxy_cache_use_stale", HSL),
    ("proxy_cache_lock", HSL),
    ("proxy_cache_methods", HSL),
    ("proxy_cache_min_uses", HSL),
];

/// Whole modules that edge lacks.
const REFUSED_PREFIXES: &[&str] = &[
    "ssl_",
    "fastcgi_",
    "uwsgi_",
    "scgi_",
    "grpc_",
    "memcached_",
    "proxy_ssl_",
    "proxy_cache_",
    "proxy_cookie_",
    "limit_",
    "geoip_",
    "image_filter",
    "xslt_",
    "ssi_",
    "sub_filter",
    "dav_",
    "mp4_",
    "http2_",
    "http3_",
    "quic_",
    "perl_",
    "js_",
    "auth_",
    "userid_",
    "secure_link",
    "realip_",
    "random_",
    "health_",
    "sticky_",
    "api_",
    "status_",
    "otel_",
    "opentelemetry_",
    "zone_sync",
    "session_log",
    "gunzip",
    "autoindex_",
    "mirror_",
    "internal_redirect",
];

const REFUSED: &[&str] = &[
    "stream",
    "mail",
    "load_module",
    "ssl",
    "ssi",
    "perl",
    "geo",
    "split_clients",
    "match",
    "least_time",
    "random",
    "sticky",
    "queue",
    "ntlm",
    "state",
    "api",
    "status",
    "health_check",
    "autoindex",
    "random_index",
    "mirror",
    "slice",
    "satisfy",
    "limit_except",
    "limit_rate",
    "post_action",
    "subrequest_output_buffer_size",
    "add_trailer",
    "add_before_body",
    "add_after_body",
    "addition_types",
    "charset_map",
    "charset_types",
    "override_charset",
    "disable_symlinks",
    "set_real_ip_from",
    "real_ip_header",
    "real_ip_recursive",
    "referer_hash_max_size",
    "valid_referers",
    "modern_browser",
    "ancient_browser",
    "empty_gif",
    "flv",
    "mp4",
    "hls",
    "f4f",
    "google_perftools_profiles",
    "proxy_bind",
    "proxy_force_ranges",
    "proxy_limit_rate",
    "proxy_set_body",
    "proxy_store",
    "proxy_store_access",
    "proxy_allow_upstream",
    "proxy_request_dynamic",
    "server_rewrite",
    "create_full_put_path",
    "min_delete_depth",
    "if_none_match",
    "early_hints",
    "proxy_bind_dynamic",
    "max_headers",
    "client_body_in_memory",
    "auth_delay",
    "absolute_path",
];

#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    HANDLED.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_directive_is_listed_twice() {
        let mut names: Vec<&str> = HANDLED
            .iter()
            .chain(WITHOUT_EFFECT)
            .map(|(n, _)| *n)
            .collect();
        names.extend(REFUSED);
        names.sort_unstable();
        let doubles: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(doubles.is_empty(), "{doubles:?}");
    }

    #[test]
    fn each_class_is_found() {
        assert_eq!(find("proxy_pass"), Some((Class::Handled, LOCATION)));
        assert_eq!(find("sendfile").unwrap().0, Class::WithoutEffect);
        assert_eq!(find("fastcgi_pass").unwrap().0, Class::Refused);
        assert_eq!(find("proxy_ssl_verify").unwrap().0, Class::Refused);
        assert_eq!(find("prox_pass"), None);
    }
}
