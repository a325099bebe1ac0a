//! The lines of `defaults`, `frontend`, `backend` and `listen` sections (configuration.txt 4).

use squall_host::diagnostic::Origin;

use super::Notes;
use super::bind::{self, Bind};
use super::checks::{CheckKind, CheckLines, Chosen};
use super::keywords::{OPTIONS_UNSUPPORTED, OPTIONS_WITHOUT_EFFECT, UNSUPPORTED, WITHOUT_EFFECT};
use super::logs::{self, LogFormat, Logs};
use super::proxy::{Balance, Flags, HashFunction, Mode, ProxyConfig, Section, Timeouts};
use super::server::{self, ServerConfig, ServerOptions};
use super::stats::{self, StatsConfig};
use super::value;
use crate::syntax::Line;

/// Servers that one backend may have.
const SERVERS_MAX: usize = 4_096;

/// A section as it is read; a `defaults` section is one of these, too.
#[derive(Clone, Debug, Default)]
pub(crate) struct Lines {
    mode: Mode,
    binds: Vec<Bind>,
    backend: Option<(String, Origin)>,
    unconditional: Option<(String, Origin)>,
    maxconn: Option<u32>,
    fullconn: Option<u32>,
    backlog: Option<u32>,
    balance: Balance,
    hash: HashFunction,
    servers: Vec<ServerConfig>,
    default_server: ServerOptions,
    retries: Option<u32>,
    redispatch: i32,
    timeouts: Timeouts,
    logs: Logs,
    log_format: Option<LogFormat>,
    http_log: bool,
    flags: Flags,
    checks: CheckLines,
    stats: Option<StatsConfig>,
    disabled: bool,
}

impl Lines {
    /// The values that a section inherits from its defaults.
    pub(crate) fn inherit(&self) -> Self {
        Self {
            binds: Vec::new(),
            servers: Vec::new(),
            unconditional: None,
            ..self.clone()
        }
    }

    /// Reads one line of the section called `name`.
    pub(crate) fn read(&mut self, section: Option<Section>, line: &Line, notes: &mut Notes) {
        let origin = &line.origin;
        let (negated, words) = match line.words[0].as_str() {
            "no" => (true, &line.words[1..]),
            _ => (false, &line.words[..]),
        };
        let Some((keyword, rest)) = words.split_first() else {
            notes.wrong(origin, "'no' wants a keyword");
            return;
        };
        let shown = section.map_or("defaults", Section::keyword);
        if negated && keyword != "option" && keyword != "log" {
            let text = format!("'no' is for 'option' and 'log' lines, not for '{keyword}'");
            notes.wrong(origin, text);
            return;
        }
        let belongs = match keyword.as_str() {
            "bind" => section.is_some_and(Section::accepts),
            "server" | "server-template" => section.is_some_and(Section::has_servers),
            "use_backend" => section.is_some_and(Section::accepts),
            _ => true,
        };
        if !belongs {
            let text = format!("'{keyword}' is not allowed in a '{shown}' section");
            notes.wrong(origin, text);
            return;
        }
        let argument = rest.first().map(String::as_str).unwrap_or_default();
        match keyword.as_str() {
            "option" => self.option(rest, negated, origin, notes),
            "log" if negated => self.logs = Logs::default(),
            "log" => logs::read(rest, origin, &mut self.logs, notes),
            "mode" => match argument {
                "tcp" => self.mode = Mode::Tcp,
                "http" => self.mode = Mode::Http,
                other => notes.unsupported(origin, &format!("mode {other}"), "tcp and http are"),
            },
            "bind" => self.binds.extend(bind::read(rest, origin, notes)),
            "default_backend" => self.backend = backend_name(rest, origin, notes),
            "use_backend" => {
                if rest.len() > 1 {
                    let help = "rules with conditions are not played; use default_backend";
                    notes.unsupported(origin, "use_backend … if", help);
                } else if self.unconditional.is_none() {
                    self.unconditional = backend_name(rest, origin, notes);
                }
            }
            "maxconn" | "fullconn" | "backlog" => {
                let Some(number) =
                    notes.take(origin, value::number(keyword, argument, 1..=10_000_000))
                else {
                    return;
                };
                match keyword.as_str() {
                    "maxconn" => self.maxconn = Some(number),
                    "fullconn" => self.fullconn = Some(number),
                    _ => self.backlog = Some(number),
                }
            }
            "retries" => {
                let number = value::number(keyword, argument, 0..=1_000);
                self.retries = notes.take(origin, number).or(self.retries);
            }
            "balance" => self.read_balance(argument, origin, notes),
            "hash-type" => self.read_hash(rest, origin, notes),
            "timeout" => self.timeout(rest, origin, notes),
            "server" | "server-template" => self.read_servers(keyword, rest, origin, notes),
            "default-server" => {
                let before = self.default_server.clone();
                if let Some(options) = server::read_options(rest, before, origin, notes) {
                    self.default_server = options;
                }
            }
            "tcp-check" => self.checks.tcp_check(rest, origin, notes),
            "http-check" => self.checks.http_check(rest, origin, notes),
            "stats" => stats::read(rest, &mut self.stats, origin, notes),
            "log-format" => {
                if let Some(format) = notes.take(origin, logs::parse_format(argument)) {
                    self.log_format = Some(format);
                    self.http_log = false;
                }
            }
            "disabled" => self.disabled = true,
            "enabled" => self.disabled = false,
            "retry-on" if rest == ["conn-failure"] => {}
            "retry-on" => notes.unsupported(origin, "retry-on", "conn-failure, the default, is"),
            known if WITHOUT_EFFECT.contains(&known) => notes.without_effect(origin, known),
            unknown => match UNSUPPORTED.iter().find(|(name, _)| *name == unknown) {
                Some((known, help)) => notes.unsupported(origin, known, help),
                None => notes.wrong(
                    origin,
                    format!("unknown keyword '{unknown}' in '{shown}' section"),
                ),
            },
        }
    }

    fn option(&mut self, words: &[String], negated: bool, origin: &Origin, notes: &mut Notes) {
        let Some((name, rest)) = words.split_first() else {
            notes.wrong(origin, "'option' wants a name");
            return;
        };
        let flag = match name.as_str() {
            "dontlognull" => Some(&mut self.flags.dontlognull),
            "dontlog-normal" => Some(&mut self.flags.dontlog_normal),
            "log-health-checks" => Some(&mut self.flags.log_health_checks),
            "allbackups" => Some(&mut self.flags.allbackups),
            "abortonclose" => Some(&mut self.flags.abortonclose),
            "clitcpka" => Some(&mut self.flags.client_keepalive),
            "srvtcpka" => Some(&mut self.flags.server_keepalive),
            _ => None,
        };
        if let Some(flag) = flag {
            *flag = !negated;
            return;
        }
        match name.as_str() {
            "tcpka" => {
                self.flags.client_keepalive = !negated;
                self.flags.server_keepalive = !negated;
            }
            "redispatch" if negated => self.redispatch = 0,
            "redispatch" => match rest.first() {
                None => self.redispatch = -1,
                Some(word) => match word.parse() {
                    Ok(interval) => self.redispatch = interval,
                    Err(_) => notes.wrong(origin, "'option redispatch' wants a whole number"),
                },
            },
            known if OPTIONS_WITHOUT_EFFECT.contains(&known) => {
                notes.without_effect(origin, format!("option {known}"));
            }
            known if OPTIONS_UNSUPPORTED.contains(&known) => {
                notes.unsupported(origin, &format!("option {known}"), "");
            }
            "tcplog" | "httplog" | "tcp-check" | "pgsql-check" | "httpchk" if negated => {
                notes.wrong(origin, format!("'no option {name}' cannot be said"));
            }
            "tcplog" => {
                self.log_format = logs::parse_format(logs::TCP_FORMAT).ok();
                self.http_log = false;
            }
            "httplog" => {
                self.log_format = logs::parse_format(logs::TCP_FORMAT).ok();
                self.http_log = true;
            }
            "tcp-check" => self.checks.chosen = Chosen::Tcp,
            "pgsql-check" => self.checks.option_pgsql(rest, origin, notes),
            "httpchk" => self.checks.option_httpchk(rest),
            unknown => notes.wrong(origin, format!("unknown option '{unknown}'")),
        }
    }

    fn read_balance(&mut self, word: &str, origin: &Origin, notes: &mut Notes) {
        self.balance = match word {
            "roundrobin" => Balance::RoundRobin,
            "static-rr" => Balance::StaticRr,
            "leastconn" => Balance::LeastConn,
            "first" => Balance::First,
            "source" => Balance::Source(HashFunction::Plain),
            other => {
                let help = "roundrobin, static-rr, leastconn, first and source are";
                notes.unsupported(origin, &format!("balance {other}"), help);
                return;
            }
        };
    }

    fn read_hash(&mut self, words: &[String], origin: &Origin, notes: &mut Notes) {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            // The function is for hashes of text; 'source' folds the address.
            ["map-based", ref rest @ ..] => {
                self.hash = match rest.contains(&"avalanche") {
                    true => HashFunction::Avalanche,
                    false => HashFunction::Plain,
                };
            }
            _ => notes.unsupported(
                origin,
                &format!("hash-type {}", words.join(" ")),
                "map-based, the default, is",
            ),
        }
    }

    fn timeout(&mut self, words: &[String], origin: &Origin, notes: &mut Notes) {
        let [name, word] = words else {
            notes.wrong(origin, "'timeout' wants a name and a time");
            return;
        };
        let Some(time) = notes.take(origin, value::time(word)) else {
            return;
        };
        let time = Some(time).filter(|time| !time.is_zero());
        let timeouts = &mut self.timeouts;
        match name.as_str() {
            "connect" => timeouts.connect = time,
            "client" => timeouts.client = time,
            "server" => timeouts.server = time,
            "queue" => timeouts.queue = time,
            "check" => timeouts.check = time,
            "tunnel" => timeouts.tunnel = time,
            "client-fin" => timeouts.client_fin = time,
            "server-fin" => timeouts.server_fin = time,
            "http-request" => timeouts.http_request = time,
            "http-keep-alive" | "tarpit" | "client-hs" => {
                notes.without_effect(origin, format!("timeout {name}"));
            }
            unknown => notes.wrong(origin, format!("unknown timeout '{unknown}'")),
        }
    }

    fn read_servers(
        &mut self,
        keyword: &str,
        words: &[String],
        origin: &Origin,
        notes: &mut Notes,
    ) {
        let id = u32::try_from(self.servers.len()).unwrap_or(u32::MAX - 1) + 1;
        let new = match keyword {
            "server" => server::read(words, &self.default_server, id, origin, notes)
                .into_iter()
                .collect(),
            _ => server::read_template(words, &self.default_server, id, origin, notes),
        };
        for server in new {
            if let Some(other) = self.servers.iter().find(|s| s.name == server.name) {
                let text = format!(
                    "server '{}' is there already, at {}",
                    server.name, other.origin
                );
                notes.wrong(origin, text);
            } else if self.servers.len() >= SERVERS_MAX {
                notes.wrong(origin, format!("more than {SERVERS_MAX} servers"));
                return;
            } else {
                self.servers.push(server);
            }
        }
    }

    /// The section's values.
    pub(crate) fn finish(
        self,
        section: Section,
        name: &str,
        id: u32,
        origin: &Origin,
        notes: &mut Notes,
    ) -> ProxyConfig {
        let check = match section.has_servers() {
            true => self.checks.finish(notes),
            false => CheckKind::Connect,
        };
        let balance = match self.balance {
            Balance::Source(_) => Balance::Source(self.hash),
            other => other,
        };
        let flags = self.flags.clone();
        ProxyConfig {
            name: name.into(),
            id,
            section,
            mode: self.mode,
            binds: self.binds,
            backend: match section {
                Section::Frontend => self.unconditional.or(self.backend),
                // A `listen` with an unconditional rule hands over; else it is its own backend.
                _ => self.unconditional,
            },
            maxconn: self.maxconn,
            fullconn: self.fullconn,
            backlog: self.backlog,
            balance,
            servers: self.servers,
            retries: self.retries.unwrap_or(3),
            redispatch: self.redispatch,
            timeouts: self.timeouts,
            logs: self.logs,
            log_format: self.log_format,
            http_log: self.http_log,
            flags,
            check,
            stats: self.stats,
            disabled: self.disabled,
            origin: origin.clone(),
        }
    }
}

fn backend_name(words: &[String], origin: &Origin, notes: &mut Notes) -> Option<(String, Origin)> {
    match words {
        [name] if name.contains("%[") => {
            notes.unsupported(origin, "use_backend %[…]", "name the backend");
            None
        }
        [name] => Some((name.clone(), origin.clone())),
        _ => {
            notes.wrong(origin, "the name of one backend is wanted");
            None
        }
    }
}
