//! What is known of every frontend, backend and server, by HAProxy's column names.

use std::collections::BTreeMap;

use tokio::time::Instant;

use super::{Page, Proxy};
use crate::backend::{Backend, Inner};
use crate::balance::WEIGHT_SCALE;
use crate::config::Mode;
use crate::counters::Counters;
use crate::frontend::Frontend;
use crate::server::{Server, State};

/// The columns of HAProxy 2.6, those of its modules behind the dash.
pub(super) const COLUMNS: &[&str] = &[
    "pxname",
    "svname",
    "qcur",
    "qmax",
    "scur",
    "smax",
    "slim",
    "stot",
    "bin",
    "bout",
    "dreq",
    "dresp",
    "ereq",
    "econ",
    "eresp",
    "wretr",
    "wredis",
    "status",
    "weight",
    "act",
    "bck",
    "chkfail",
    "chkdown",
    "lastchg",
    "downtime",
    "qlimit",
    "pid",
    "iid",
    "sid",
    "throttle",
    "lbtot",
    "tracked",
    "type",
    "rate",
    "rate_lim",
    "rate_max",
    "check_status",
    "check_code",
    "check_duration",
    "hrsp_1xx",
    "hrsp_2xx",
    "hrsp_3xx",
    "hrsp_4xx",
    "hrsp_5xx",
    "hrsp_other",
    "hanafail",
    "req_rate",
    "req_rate_max",
    "req_tot",
    "cli_abrt",
    "srv_abrt",
    "comp_in",
    "comp_out",
    "comp_byp",
    "comp_rsp",
    "lastsess",
    "last_chk",
    "last_agt",
    "qtime",
    "ctime",
    "rtime",
    "ttime",
    "agent_status",
    "agent_code",
    "agent_duration",
    "check_desc",
    "agent_desc",
    "check_rise",
    "check_fall",
    "check_health",
    "agent_rise",
    "agent_fall",
    "agent_health",
    "addr",
    "cookie",
    "mode",
    "algo",
    "conn_rate",
    "conn_rate_max",
    "conn_tot",
    "intercepted",
    "dcon",
    "dses",
    "wrew",
    "connect",
    "reuse",
    "cache_lookups",
    "cache_hits",
    "srv_icur",
    "src_ilim",
    "qtime_max",
    "ctime_max",
    "rtime_max",
    "ttime_max",
    "eint",
    "idle_conn_cur",
    "safe_conn_cur",
    "used_conn_cur",
    "need_conn_est",
    "uweight",
    "agg_server_status",
    "agg_server_check_status",
    "agg_check_status",
    "-",
    "ssl_sess",
    "ssl_reused_sess",
    "ssl_failed_handshake",
    "h2_headers_rcvd",
    "h2_data_rcvd",
    "h2_settings_rcvd",
    "h2_rst_stream_rcvd",
    "h2_goaway_rcvd",
    "h2_detected_conn_protocol_errors",
    "h2_detected_strm_protocol_errors",
    "h2_rst_stream_resp",
    "h2_goaway_resp",
    "h2_open_connections",
    "h2_backend_open_streams",
    "h2_total_connections",
    "h2_backend_total_streams",
    "h1_open_connections",
    "h1_open_streams",
    "h1_total_connections",
    "h1_total_streams",
    "h1_bytes_in",
    "h1_bytes_out",
    "h1_spliced_bytes_in",
    "h1_spliced_bytes_out",
];

/// Which of the three a row is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Frontend,
    Backend,
    Server,
}

/// One line of the statistics.
pub(super) struct Row {
    pub(super) kind: Kind,
    values: BTreeMap<&'static str, String>,
}

impl Row {
    fn new(kind: Kind) -> Self {
        let mut row = Self {
            kind,
            values: BTreeMap::new(),
        };
        let zeros: &[&str] = match kind {
            Kind::Frontend => &[
                "dreq", "dresp", "ereq", "comp_in", "comp_out", "comp_byp", "comp_rsp", "dcon",
                "dses", "wrew", "eint",
            ],
            Kind::Backend => &[
                "dreq",
                "dresp",
                "comp_in",
                "comp_out",
                "comp_byp",
                "comp_rsp",
                "wrew",
                "reuse",
                "eint",
                "rtime",
                "rtime_max",
            ],
            Kind::Server => &[
                "dresp",
                "wrew",
                "reuse",
                "eint",
                "srv_icur",
                "idle_conn_cur",
                "safe_conn_cur",
                "need_conn_est",
                "rtime",
                "rtime_max",
            ],
        };
        for column in zeros {
            row.set(column, 0);
        }
        let modules = COLUMNS.iter().skip_while(|column| **column != "-").skip(1);
        let count = if kind == Kind::Server { 3 } else { usize::MAX };
        for column in modules.take(count) {
            row.set(column, 0);
        }
        row.set("-", "-");
        row.set("pid", 1);
        row
    }

    fn set(&mut self, column: &'static str, value: impl ToString) {
        self.values.insert(column, value.to_string());
    }

    /// Empty where the column does not apply.
    pub(super) fn get(&self, column: &str) -> &str {
        self.values.get(column).map_or("", String::as_str)
    }
}

/// Every row, in the order of the configuration.
pub(super) fn of(page: &Page) -> Vec<Row> {
    let mut rows = Vec::new();
    for Proxy { frontend, backend } in page.proxies() {
        if let Some(frontend) = frontend {
            rows.push(of_frontend(frontend));
        }
        if let Some(backend) = backend {
            rows.extend(of_backend(backend));
        }
    }
    rows
}

fn of_frontend(frontend: &Frontend) -> Row {
    let now = Instant::now();
    let config = &frontend.config;
    let mut row = Row::new(Kind::Frontend);
    let mut counters = frontend.counters().clone();
    counters.sessions = frontend.gate.count();
    traffic(&mut row, &counters);
    row.set("ereq", counters.requests_invalid);
    let rate = counters.rate.read(now);
    for column in ["rate", "conn_rate"] {
        row.set(column, rate);
    }
    for column in ["rate_max", "conn_rate_max"] {
        row.set(column, counters.rate.max);
    }
    row.set("rate_lim", 0);
    row.set("conn_tot", counters.sessions_total);
    row.set("pxname", &config.name);
    row.set("svname", "FRONTEND");
    row.set("slim", frontend.gate.max());
    row.set("status", "OPEN");
    row.set("iid", config.id);
    row.set("sid", 0);
    row.set("type", 0);
    row.set("mode", mode(config.mode));
    for column in ["req_rate", "req_rate_max", "req_tot"] {
        row.set(column, 0);
    }
    if config.mode == Mode::Http {
        http_zeros(&mut row);
        row.set("intercepted", counters.sessions_total);
        row.set("req_rate", rate);
        row.set("req_rate_max", counters.rate.max);
        row.set("req_tot", counters.sessions_total);
    }
    row
}

fn of_backend(backend: &Backend) -> Vec<Row> {
    let now = Instant::now();
    let inner = &*backend.lock();
    let config = &backend.config;
    let mut rows: Vec<Row> = (0..inner.servers.len())
        .map(|index| of_server(backend, inner, index, now))
        .collect();
    let mut row = Row::new(Kind::Backend);
    let counters = &inner.counters;
    traffic(&mut row, counters);
    failures(&mut row, counters);
    times(&mut row, counters);
    let mut rate = counters.rate.clone();
    row.set("rate", rate.read(now));
    row.set("rate_max", rate.max);
    let (active, backup) = inner.usable_counts();
    let usable = |wanted: bool| {
        let slots = inner.slots.iter();
        let slots = slots.filter(move |slot| slot.usable && slot.backup == wanted);
        slots.map(|slot| (weight(inner, slot.effective), slot.weight))
    };
    let (total, user) = usable(active == 0).fold((0, 0), |(a, b), (c, d)| (a + c, b + d));
    row.set("pxname", &config.name);
    row.set("svname", "BACKEND");
    row.set("qcur", inner.queue.len());
    row.set("qmax", counters.queue_max);
    row.set("slim", backend.fullconn);
    let up = total > 0 || inner.servers.is_empty();
    row.set("status", if up { "UP" } else { "DOWN" });
    row.set("weight", total);
    row.set("uweight", user);
    row.set("act", active);
    row.set("bck", backup);
    row.set("chkdown", counters.downs);
    row.set("lastchg", (now - inner.changed).as_secs());
    let down_now = if up {
        std::time::Duration::ZERO
    } else {
        now - inner.changed
    };
    if !inner.servers.is_empty() {
        row.set("downtime", (inner.down_time + down_now).as_secs());
    }
    row.set("iid", config.id);
    row.set("sid", 0);
    row.set("type", 1);
    row.set("lbtot", counters.chosen);
    row.set("lastsess", last(counters, now));
    row.set("mode", mode(config.mode));
    row.set("algo", config.balance.name());
    row.set("agg_server_status", 0);
    row.set("agg_server_check_status", 0);
    row.set("agg_check_status", 0);
    if config.mode == Mode::Http {
        http_zeros(&mut row);
        row.set("req_tot", 0);
    }
    rows.push(row);
    rows
}

fn of_server(backend: &Backend, inner: &Inner, index: usize, now: Instant) -> Row {
    let server = &inner.servers[index];
    let slot = &inner.slots[index];
    let options = &server.config.options;
    let counters = &server.counters;
    let mut row = Row::new(Kind::Server);
    traffic(&mut row, counters);
    failures(&mut row, counters);
    times(&mut row, counters);
    let mut rate = counters.rate.clone();
    row.set("rate", rate.read(now));
    row.set("rate_max", rate.max);
    row.set("pxname", &backend.config.name);
    row.set("svname", &server.config.name);
    row.set("qcur", server.queue.len());
    row.set("qmax", counters.queue_max);
    if let Some(maxconn) = options.maxconn {
        row.set("slim", maxconn);
    }
    row.set("status", status(server));
    row.set("weight", weight(inner, slot.effective));
    row.set("uweight", slot.weight);
    row.set("act", u32::from(!slot.backup));
    row.set("bck", u32::from(slot.backup));
    row.set("lastchg", (now - server.changed).as_secs());
    if options.maxqueue > 0 {
        row.set("qlimit", options.maxqueue);
    }
    row.set("iid", backend.config.id);
    row.set("sid", server.config.id);
    if server.state == State::Starting {
        row.set("throttle", server.slow_share(now - server.changed, 100));
    }
    row.set("lbtot", counters.chosen);
    row.set("type", 2);
    row.set("lastsess", last(counters, now));
    row.set("mode", mode(backend.config.mode));
    row.set("used_conn_cur", counters.sessions);
    if let Some(address) = server.address {
        row.set("addr", address);
    }
    if let Some(health) = &server.health {
        row.set("chkfail", counters.checks_failed);
        row.set("chkdown", counters.downs);
        row.set("downtime", server.down_time(now).as_secs());
        if !server.in_maintenance() {
            let last = &health.last;
            let running = if health.running { "* " } else { "" };
            row.set("check_status", format!("{running}{}", last.status.code()));
            if last.status.has_code() {
                row.set("check_code", last.code);
            }
            row.set("check_duration", last.duration.as_millis());
            row.set("check_desc", last.status.description());
            row.set("last_chk", &last.info);
            row.set("check_rise", options.rise);
            row.set("check_fall", options.fall);
            row.set("check_health", health.value());
        }
    }
    row
}

/// `UP`, `UP 1/3`, `DOWN 1/2`, `no check`, …
fn status(server: &Server) -> String {
    if server.unresolved && !server.forced_maintenance {
        return "MAINT (resolution)".to_owned();
    }
    if server.in_maintenance() {
        return "MAINT".to_owned();
    }
    let Some(health) = &server.health else {
        return match (server.state, server.config.options.weight) {
            (State::Stopped, _) => "DOWN".to_owned(),
            (_, 0) => "DRAIN".to_owned(),
            _ => "no check".to_owned(),
        };
    };
    let name = match (server.state, server.config.options.weight) {
        (State::Stopped, _) => "DOWN",
        (_, 0) => "DRAIN",
        _ => "UP",
    };
    let settled = match server.state {
        State::Stopped => health.is_settled_down(),
        _ => health.is_settled_up(),
    };
    let (steps, of) = health.progress();
    match settled {
        true => name.to_owned(),
        false => format!("{name} {steps}/{of}"),
    }
}

/// Effective weight in units of the configuration.
fn weight(inner: &Inner, effective: u32) -> u32 {
    match inner.balancer.is_dynamic() {
        true => effective.div_ceil(WEIGHT_SCALE),
        false => effective,
    }
}

fn traffic(row: &mut Row, counters: &Counters) {
    row.set("scur", counters.sessions);
    row.set("smax", counters.sessions_max);
    row.set("stot", counters.sessions_total);
    row.set("bin", counters.bytes_in);
    row.set("bout", counters.bytes_out);
}

fn failures(row: &mut Row, counters: &Counters) {
    row.set("econ", counters.connections_failed);
    row.set("eresp", counters.responses_failed);
    row.set("wretr", counters.retries);
    row.set("wredis", counters.redispatches);
    row.set("cli_abrt", counters.client_aborts);
    row.set("srv_abrt", counters.server_aborts);
    row.set("connect", counters.connects);
}

fn times(row: &mut Row, counters: &Counters) {
    row.set("qtime", counters.queue_time.read_ms());
    row.set("ctime", counters.connect_time.read_ms());
    row.set("ttime", counters.total_time.read_ms());
    row.set("qtime_max", counters.queue_time.max_ms);
    row.set("ctime_max", counters.connect_time.max_ms);
    row.set("ttime_max", counters.total_time.max_ms);
}

fn http_zeros(row: &mut Row) {
    for column in [
        "hrsp_1xx",
        "hrsp_2xx",
        "hrsp_3xx",
        "hrsp_4xx",
        "hrsp_5xx",
        "hrsp_other",
        "cache_lookups",
        "cache_hits",
    ] {
        row.set(column, 0);
    }
}

fn last(counters: &Counters, now: Instant) -> i64 {
    counters.session_last.map_or(-1, |last| {
        i64::try_from((now - last).as_secs()).unwrap_or(i64::MAX)
    })
}

fn mode(mode: Mode) -> &'static str {
    match mode {
        Mode::Tcp => "tcp",
        Mode::Http => "http",
    }
}
