//! `upstream` blocks, and the groups of one server that `proxy_pass` makes by naming a host.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use squall_host::{Diagnostic, Origin};

use super::build::{Builder, block, duplicate, invalid, unsupported, wrong_count};
use super::directives::UPSTREAM;
use super::settings::{Raw, ResolverConf};
use super::simple::{number, once, resolver, time};
use super::units;
use crate::syntax::Directive;
use crate::template::Template;

/// The port of a server that names none.
const HTTP_PORT: u16 = 80;

/// One group of servers.
#[derive(Clone, Debug)]
pub(crate) struct UpstreamConf {
    /// As `$upstream_addr` names it when no server can be taken.
    pub(crate) name: Arc<str>,
    pub(crate) servers: Vec<ServerConf>,
    pub(crate) method: Method,
    pub(crate) keepalive: Option<Keepalive>,
    pub(crate) resolver: Option<Arc<ResolverConf>>,
    pub(crate) resolver_timeout: Duration,
    /// The port in `proxy_pass`, for a group that it made.
    implicit_port: Option<u16>,
    implicit: bool,
    has_zone: bool,
    origin: Origin,
}

/// How a group chooses.
#[derive(Clone, Debug)]
pub(crate) enum Method {
    RoundRobin,
    LeastConn,
    IpHash,
    Hash { key: Template, consistent: bool },
}

/// Idle connections to upstreams that are kept.
#[derive(Clone, Debug)]
pub(crate) struct Keepalive {
    pub(crate) connections_max: usize,
    pub(crate) requests_max: u64,
    pub(crate) idle_timeout: Duration,
    pub(crate) age_max: Duration,
}

/// One `server` line.
#[derive(Clone, Debug)]
pub(crate) struct ServerConf {
    /// As written; `hash … consistent` hashes it.
    pub(crate) text: Arc<str>,
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
    pub(crate) weight: i64,
    pub(crate) max_fails: u32,
    pub(crate) fail_timeout_s: i64,
    pub(crate) max_conns: u32,
    pub(crate) backup: bool,
    pub(crate) down: bool,
    pub(crate) resolve: bool,
    pub(crate) origin: Origin,
}

impl ServerConf {
    pub(crate) fn new(host: &str, port: u16, origin: &Origin) -> Self {
        Self {
            text: host.into(),
            host: host.into(),
            port,
            weight: 1,
            max_fails: 1,
            fail_timeout_s: 10,
            max_conns: 0,
            backup: false,
            down: false,
            resolve: false,
            origin: origin.clone(),
        }
    }

    fn is_name(&self) -> bool {
        self.host.parse::<IpAddr>().is_err()
    }
}

/// Reads one `upstream` block.
pub(super) fn read(b: &mut Builder, d: &Directive) -> Result<(), Diagnostic> {
    let [name] = d.args.as_slice() else {
        return Err(wrong_count(d));
    };
    if b.upstreams.iter().any(|upstream| *upstream.name == **name) {
        let message = format!("duplicate upstream \"{name}\"");
        return Err(Diagnostic::at(d.origin.clone(), message).help("give one of them another name"));
    }
    let mut reader = Reader {
        conf: UpstreamConf::new(name, &d.origin),
        method: None,
        keepalive: None,
        requests: None,
        idle: None,
        age: None,
        resolver_timeout: None,
    };
    for line in block(d)? {
        b.attempt(|b| {
            if b.admit(line, UPSTREAM)? {
                return Ok(());
            }
            reader.line(b, line)
        });
    }
    let conf = reader.finish(b);
    b.upstreams.push(conf);
    Ok(())
}

struct Reader {
    conf: UpstreamConf,
    method: Option<Method>,
    keepalive: Option<usize>,
    requests: Option<u64>,
    idle: Option<Duration>,
    age: Option<Duration>,
    resolver_timeout: Option<Duration>,
}

impl Reader {
    fn line(&mut self, b: &mut Builder, d: &Directive) -> Result<(), Diagnostic> {
        match d.name.as_str() {
            "server" => self.conf.servers.push(server(d)?),
            "zone" => {
                self.conf.has_zone = true;
                b.without_effect(d);
            }
            "least_conn" => self.method(d, Method::LeastConn)?,
            "ip_hash" => self.method(d, Method::IpHash)?,
            "hash" => {
                let (key, consistent) = match d.args.as_slice() {
                    [key] => (key, false),
                    [key, word] if word == "consistent" => (key, true),
                    [_, word] => return Err(invalid(d, word)),
                    _ => return Err(wrong_count(d)),
                };
                let key = b.names.template(key, &d.origin)?;
                self.method(d, Method::Hash { key, consistent })?;
            }
            "keepalive" => {
                let value = number(d)? as usize;
                once(d, &mut self.keepalive, value)?;
                if value == 0 {
                    return Err(invalid(d, "0"));
                }
            }
            "keepalive_requests" => once(d, &mut self.requests, number(d)?)?,
            "keepalive_timeout" => once(d, &mut self.idle, time(d)?)?,
            "keepalive_time" => once(d, &mut self.age, time(d)?)?,
            "resolver" => {
                let resolver = Arc::new(resolver(b, d)?);
                once(d, &mut self.conf.resolver, resolver)?;
            }
            "resolver_timeout" => once(d, &mut self.resolver_timeout, time(d)?)?,
            other => unreachable!("\"{other}\" is listed as handled in an upstream"),
        }
        Ok(())
    }

    fn method(&mut self, d: &Directive, method: Method) -> Result<(), Diagnostic> {
        if self.keepalive.is_some() {
            let message = "load balancing method redefined";
            return Err(Diagnostic::at(d.origin.clone(), message)
                .help(format!("put \"{}\" before \"keepalive\"", d.name)));
        }
        match self.method.replace(method) {
            None => Ok(()),
            Some(_) => Err(duplicate(d)),
        }
    }

    fn finish(self, b: &mut Builder) -> UpstreamConf {
        let mut conf = self.conf;
        conf.method = self.method.unwrap_or(Method::RoundRobin);
        conf.keepalive = self.keepalive.map(|connections_max| Keepalive {
            connections_max,
            requests_max: self.requests.unwrap_or(1000),
            idle_timeout: self.idle.unwrap_or(Duration::from_secs(60)),
            age_max: self.age.unwrap_or(Duration::from_secs(3600)),
        });
        conf.resolver_timeout = self.resolver_timeout.unwrap_or(Duration::ZERO);
        let complain = |message: String| Diagnostic::at(conf.origin.clone(), message);
        if !conf.servers.iter().any(|server| !server.backup) {
            let message = format!("no servers are inside upstream \"{}\"", conf.name);
            b.diagnostics
                .push(complain(message).help("add a \"server\" that is no backup"));
        }
        if matches!(conf.method, Method::IpHash | Method::Hash { .. })
            && let Some(server) = conf.servers.iter().find(|server| server.backup)
        {
            let message = "balancing method does not support parameter \"backup\"";
            b.diagnostics
                .push(Diagnostic::at(server.origin.clone(), message));
        }
        conf
    }
}

fn server(d: &Directive) -> Result<ServerConf, Diagnostic> {
    let (address, parameters) = d.args.split_first().ok_or_else(|| wrong_count(d))?;
    if address.starts_with("unix:") {
        return Err(unsupported(d, address).help("name a host and port instead of a socket file"));
    }
    if address.starts_with('[') {
        return Err(
            unsupported(d, address).help("edge connects over IPv4; name a host or an IPv4 address")
        );
    }
    let (host, port) = match address.split_once(':') {
        None => (address.as_str(), HTTP_PORT),
        Some((host, port)) => {
            let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(|| {
                let message = format!("invalid port in upstream \"{address}\"");
                Diagnostic::at(d.origin.clone(), message)
            })?;
            (host, port)
        }
    };
    if host.is_empty() || host.contains(['/', '$']) {
        let message = format!("invalid host in upstream \"{address}\"");
        return Err(Diagnostic::at(d.origin.clone(), message)
            .help("write a host and a port, without \"http://\" and without variables"));
    }
    let mut server = ServerConf::new(host, port, &d.origin);
    server.text = address.as_str().into();
    for word in parameters {
        let bad = || {
            let message = format!("invalid parameter \"{word}\"");
            Diagnostic::at(d.origin.clone(), message)
        };
        match word.split_once('=') {
            None => match word.as_str() {
                "backup" => server.backup = true,
                "down" => server.down = true,
                "resolve" => server.resolve = true,
                "drain" => return Err(unsupported(d, word)),
                _ => return Err(bad()),
            },
            Some((name, value)) => {
                let number = || units::number(value).and_then(|n| u32::try_from(n).ok());
                match name {
                    "weight" => {
                        let weight = number().filter(|weight| *weight > 0);
                        server.weight = i64::from(weight.ok_or_else(bad)?);
                    }
                    "max_fails" => server.max_fails = number().ok_or_else(bad)?,
                    "max_conns" => server.max_conns = number().ok_or_else(bad)?,
                    "fail_timeout" => {
                        let time = units::time(value).ok_or_else(bad)?;
                        server.fail_timeout_s = time.as_secs() as i64;
                    }
                    "service" | "route" | "slow_start" => return Err(unsupported(d, word)),
                    _ => return Err(bad()),
                }
            }
        }
    }
    Ok(server)
}

impl UpstreamConf {
    pub(crate) fn new(name: &str, origin: &Origin) -> Self {
        Self {
            name: name.into(),
            servers: Vec::new(),
            method: Method::RoundRobin,
            keepalive: None,
            resolver: None,
            resolver_timeout: Duration::ZERO,
            implicit_port: None,
            implicit: false,
            has_zone: false,
            origin: origin.clone(),
        }
    }

    /// Whether a `proxy_pass` with variables that comes out as this host means this group.
    pub(crate) fn answers_to(&self, host: &str, port: Option<u16>) -> bool {
        *self.name == *host && (!self.implicit || self.implicit_port == port)
    }
}

/// The group that `proxy_pass http://HOST:PORT` means; a new one if none has that name.
pub(super) fn find_or_add(
    b: &mut Builder,
    host: &str,
    port: Option<u16>,
    origin: &Origin,
) -> Option<usize> {
    let explicit = b
        .upstreams
        .iter()
        .position(|u| !u.implicit && *u.name == *host);
    if let Some(at) = explicit {
        if let Some(port) = port {
            let message = format!("upstream \"{host}\" may not have port {port}");
            b.diagnostics.push(
                Diagnostic::at(origin.clone(), message)
                    .help("the ports of a group stand at its servers"),
            );
            return None;
        }
        return Some(at);
    }
    let known = b
        .upstreams
        .iter()
        .position(|u| u.implicit && *u.name == *host && u.implicit_port == port);
    Some(known.unwrap_or_else(|| {
        let mut upstream = UpstreamConf::new(host, origin);
        upstream
            .servers
            .push(ServerConf::new(host, port.unwrap_or(HTTP_PORT), origin));
        upstream.implicit_port = port;
        upstream.implicit = true;
        b.upstreams.push(upstream);
        b.upstreams.len() - 1
    }))
}

/// Once all is read: resolvers are inherited, and names that must resolve are listed.
pub(super) fn finish(b: &mut Builder, http: &Raw) {
    let mut complaints = Vec::new();
    for upstream in &mut b.upstreams {
        if upstream.resolver.is_none() {
            upstream.resolver = http.resolver.clone().flatten();
        }
        if upstream.resolver_timeout.is_zero() {
            let inherited = http.resolver_timeout.unwrap_or(Duration::from_secs(30));
            upstream.resolver_timeout = inherited;
        }
        for server in &mut upstream.servers {
            if server.resolve && !server.is_name() {
                server.resolve = false;
            }
            if server.resolve {
                if !upstream.has_zone {
                    let message = format!(
                        "resolving names at run time requires upstream \"{}\" to be in shared memory",
                        upstream.name
                    );
                    complaints.push(
                        Diagnostic::at(server.origin.clone(), message)
                            .help("add \"zone NAME 64k;\" to this upstream"),
                    );
                }
                if upstream.resolver.is_none() {
                    let message = format!("no resolver defined to resolve {}", server.host);
                    complaints.push(
                        Diagnostic::at(server.origin.clone(), message)
                            .help("add \"resolver ADDRESS;\" to the http block"),
                    );
                }
            } else if server.is_name() {
                let entry = (server.host.to_string(), Some(server.origin.clone()));
                b.facts.names_required.push(entry);
            }
        }
    }
    b.diagnostics.extend(complaints);
}

#[cfg(test)]
impl ServerConf {
    pub(crate) fn for_tests(origin: &Origin) -> Self {
        Self::new("server", HTTP_PORT, origin)
    }
}
