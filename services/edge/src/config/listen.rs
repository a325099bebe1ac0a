//! `listen`, and which servers share an address.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use squall_host::{Diagnostic, Origin};

use super::build::{Builder, unsupported, wrong_count};
use super::server::RawServer;
use crate::syntax::Directive;

/// One address and the servers behind it.
#[derive(Clone, Debug)]
pub(crate) struct Listen {
    pub(crate) address: SocketAddr,
    /// Places in the list of servers, in the order of the file.
    pub(crate) servers: Vec<usize>,
    /// The one for requests that name none of them.
    pub(crate) default_server: usize,
}

/// One `listen` line.
#[derive(Clone, Debug)]
pub(super) struct RawListen {
    pub(super) address: SocketAddr,
    default_server: bool,
    origin: Origin,
}

/// The port that nginx listens on unless told otherwise.
const HTTP_PORT: u16 = 80;

fn any(port: u16) -> SocketAddr {
    SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), port)
}

/// What a server without `listen` does.
pub(super) fn default(origin: &Origin) -> RawListen {
    RawListen {
        address: any(HTTP_PORT),
        default_server: false,
        origin: origin.clone(),
    }
}

/// Reads one `listen`; `None` for an address that is accepted and not listened on.
pub(super) fn read(b: &mut Builder, d: &Directive) -> Result<Option<RawListen>, Diagnostic> {
    let (word, parameters) = d.args.split_first().ok_or_else(|| wrong_count(d))?;
    let mut default_server = false;
    let mut both_families = false;
    for parameter in parameters {
        match parameter.split_once('=').unwrap_or((parameter, "")) {
            ("default_server" | "default", "") => default_server = true,
            ("ipv6only", "off") => both_families = true,
            (
                "ipv6only" | "backlog" | "rcvbuf" | "sndbuf" | "reuseport" | "deferred" | "bind"
                | "so_keepalive" | "fastopen" | "setfib" | "accept_filter",
                _,
            ) => {}
            ("ssl" | "http2" | "quic" | "proxy_protocol" | "spdy" | "multipath", _) => {
                return Err(unsupported(d, parameter).help("edge speaks plain HTTP/1.1"));
            }
            _ => {
                let message = format!("invalid parameter \"{parameter}\"");
                return Err(Diagnostic::at(d.origin.clone(), message));
            }
        }
    }
    let Some(address) = address(d, word)? else {
        return Ok(None);
    };
    let address = match address.ip() {
        IpAddr::V4(_) => address,
        IpAddr::V6(ip) if ip.is_unspecified() && both_families => any(address.port()),
        IpAddr::V6(_) => {
            // Most files that say "listen 80" say "listen [::]:80" as well.
            b.without_effect(d);
            return Ok(None);
        }
    };
    Ok(Some(RawListen {
        address,
        default_server,
        origin: d.origin.clone(),
    }))
}

fn address(d: &Directive, word: &str) -> Result<Option<SocketAddr>, Diagnostic> {
    if word.starts_with("unix:") {
        return Err(unsupported(d, word).help("listen on a port"));
    }
    let bad_port = || {
        let message = format!("invalid port in \"{word}\" of the \"listen\" directive");
        Diagnostic::at(d.origin.clone(), message)
    };
    if word.bytes().all(|b| b.is_ascii_digit()) {
        return Ok(Some(any(word.parse().map_err(|_| bad_port())?)));
    }
    if word.starts_with('[') {
        let with_port = if word.ends_with(']') {
            format!("{word}:{HTTP_PORT}")
        } else {
            word.to_owned()
        };
        return Ok(Some(with_port.parse().map_err(|_| bad_port())?));
    }
    let (host, port) = match word.split_once(':') {
        Some((host, port)) => (host, port.parse().map_err(|_| bad_port())?),
        None => (word, HTTP_PORT),
    };
    let ip = match host {
        "*" => Ipv4Addr::UNSPECIFIED.into(),
        "localhost" => Ipv4Addr::LOCALHOST.into(),
        host => host.parse().map_err(|_| {
            unsupported(d, host).help("listen on a port or an IP address, not on a name")
        })?,
    };
    Ok(Some(SocketAddr::new(ip, port)))
}

/// Joins what all servers listen on.
pub(super) fn collect(b: &mut Builder, servers: &[RawServer]) -> Vec<Listen> {
    let mut listens: Vec<(Listen, Option<Origin>)> = Vec::new();
    for (place, server) in servers.iter().enumerate() {
        for raw in &server.listens {
            let found = listens.iter_mut().find(|(l, _)| l.address == raw.address);
            let Some((listen, default_at)) = found else {
                let entry = (raw.address, Some(raw.origin.clone()));
                b.facts.listens.push(entry);
                let listen = Listen {
                    address: raw.address,
                    servers: vec![place],
                    default_server: place,
                };
                listens.push((listen, raw.default_server.then(|| raw.origin.clone())));
                continue;
            };
            if listen.servers.contains(&place) {
                let message = format!("a duplicate listen {}", raw.address);
                b.diagnostics.push(
                    Diagnostic::at(raw.origin.clone(), message)
                        .help("keep one of them in this server"),
                );
                continue;
            }
            for &other in &listen.servers {
                for name in server
                    .names
                    .iter()
                    .filter(|name| servers[other].names.contains(name))
                {
                    tracing::warn!(
                        "conflicting server name \"{name}\" on {}, ignored",
                        raw.address
                    );
                }
            }
            listen.servers.push(place);
            if raw.default_server {
                listen.default_server = place;
                if let Some(before) = default_at.replace(raw.origin.clone()) {
                    let message = format!("a duplicate default server for {}", raw.address);
                    b.diagnostics.push(
                        Diagnostic::at(raw.origin.clone(), message)
                            .help(format!("the other is at {before}")),
                    );
                }
            }
        }
    }
    listens.into_iter().map(|(listen, _)| listen).collect()
}
