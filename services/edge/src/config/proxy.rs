//! The `proxy_…` directives that need more than one value, and `proxy_pass` itself.

use std::sync::Arc;

use http::HeaderName;
use http::header::{CONNECTION, HOST};
use squall_host::{Diagnostic, Origin};

use super::build::{Builder, invalid, unsupported, wrong_count};
use super::settings::{Raw, SetHeader};
use super::simple::{header_name, once, one};
use super::upstream;
use crate::syntax::Directive;
use crate::template::Template;
use crate::variables::Variable;

/// Where `proxy_pass` sends requests.
#[derive(Clone, Debug)]
pub(crate) struct ProxyPass {
    pub(crate) target: Target,
}

#[derive(Clone, Debug)]
pub(crate) enum Target {
    /// Known when the configuration is read.
    Fixed {
        /// Place in the list of upstreams.
        upstream: usize,
        /// `$proxy_host`.
        host: Arc<str>,
        port: u16,
        /// What replaces the location's prefix in the request's URI, if there is a URI part.
        uri: Option<Arc<str>>,
        /// The whole of the argument, for `proxy_redirect default`.
        url: Arc<str>,
    },
    /// Evaluated for each request.
    Variable(Template),
}

/// Conditions of `proxy_next_upstream`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NextUpstream(u16);

impl NextUpstream {
    pub(crate) const ERROR: Self = Self(1);
    pub(crate) const TIMEOUT: Self = Self(1 << 1);
    pub(crate) const INVALID_HEADER: Self = Self(1 << 2);
    pub(crate) const NON_IDEMPOTENT: Self = Self(1 << 3);
    const STATUSES: [(u16, u16); 7] = [
        (500, 1 << 4),
        (502, 1 << 5),
        (503, 1 << 6),
        (504, 1 << 7),
        (403, 1 << 8),
        (404, 1 << 9),
        (429, 1 << 10),
    ];

    /// The condition that stands for a status; `None` for statuses that are never a condition.
    pub(crate) fn of_status(status: u16) -> Option<Self> {
        let found = Self::STATUSES.iter().find(|(code, _)| *code == status);
        found.map(|(_, bit)| Self(*bit))
    }

    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` is in it.
    pub(crate) fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

impl Default for NextUpstream {
    fn default() -> Self {
        Self::ERROR.with(Self::TIMEOUT)
    }
}

/// What becomes of an upstream's `Location`.
#[derive(Clone, Debug)]
pub(crate) enum Redirect {
    Off,
    Default,
    Rules(Arc<Vec<(Template, Template)>>),
}

pub(super) fn next_upstream(d: &Directive) -> Result<NextUpstream, Diagnostic> {
    if d.args.is_empty() {
        return Err(wrong_count(d));
    }
    let mut conditions = NextUpstream(0);
    for word in &d.args {
        let condition = match word.as_str() {
            "error" => NextUpstream::ERROR,
            "timeout" => NextUpstream::TIMEOUT,
            "invalid_header" => NextUpstream::INVALID_HEADER,
            "non_idempotent" => NextUpstream::NON_IDEMPOTENT,
            // It switches all off, wherever it stands.
            "off" => return Ok(NextUpstream(0)),
            "updating" => return Err(invalid(d, word)),
            word => {
                let status = word
                    .strip_prefix("http_")
                    .and_then(|code| code.parse().ok());
                status
                    .and_then(NextUpstream::of_status)
                    .ok_or_else(|| invalid(d, word))?
            }
        };
        conditions = conditions.with(condition);
    }
    Ok(conditions)
}

pub(super) fn set_header(b: &mut Builder, raw: &mut Raw, d: &Directive) -> Result<(), Diagnostic> {
    let [name, value] = d.args.as_slice() else {
        return Err(wrong_count(d));
    };
    let header = SetHeader {
        name: header_name(d, name)?,
        value: b.names.template(value, &d.origin)?,
    };
    Arc::make_mut(raw.proxy_set_headers.get_or_insert_default()).push(header);
    Ok(())
}

/// What nginx sets unless told otherwise: `Host $proxy_host` and `Connection close`.
pub(super) fn default_headers() -> Arc<Vec<SetHeader>> {
    let mut headers = Vec::new();
    add_default_headers(&mut headers);
    Arc::new(headers)
}

/// Adds the defaults to a list of a user's own, for the names that are not in it.
pub(super) fn add_default_headers(headers: &mut Vec<SetHeader>) {
    let host = crate::template::parse("$proxy_host", |_| Variable::ProxyHost);
    let defaults = [
        (HOST, host.expect("a literal template")),
        (CONNECTION, Template::text("close")),
    ];
    for (name, value) in defaults {
        if headers.iter().all(|header| header.name != name) {
            headers.push(SetHeader { name, value });
        }
    }
}

/// Headers of an upstream's reply that do not reach the client (`proxy_hide_header`,
/// `proxy_pass_header`).
pub(super) fn default_hidden(hide: &[HeaderName], pass: &[HeaderName]) -> Arc<Vec<HeaderName>> {
    const ALWAYS: [&str; 8] = [
        "date",
        "server",
        "x-pad",
        "x-accel-expires",
        "x-accel-redirect",
        "x-accel-limit-rate",
        "x-accel-buffering",
        "x-accel-charset",
    ];
    let mut hidden: Vec<HeaderName> = ALWAYS.map(HeaderName::from_static).into();
    hidden.retain(|name| !pass.contains(name));
    hidden.extend(hide.iter().cloned());
    Arc::new(hidden)
}

pub(super) fn redirect(b: &mut Builder, raw: &mut Raw, d: &Directive) -> Result<(), Diagnostic> {
    match d.args.as_slice() {
        [word] if word == "off" => once(d, &mut raw.proxy_redirect, Redirect::Off),
        [word] if word == "default" => once(d, &mut raw.proxy_redirect, Redirect::Default),
        [from, _] if from.starts_with('~') => Err(unsupported(d, from)
            .help("write the text that \"Location\" starts with instead of an expression")),
        [from, to] => {
            let rule = (
                b.names.template(from, &d.origin)?,
                b.names.template(to, &d.origin)?,
            );
            match raw
                .proxy_redirect
                .get_or_insert(Redirect::Rules(Arc::default()))
            {
                Redirect::Rules(rules) => Arc::make_mut(rules).push(rule),
                _ => return Err(unsupported(d, "default").help("write the default as a rule")),
            }
            Ok(())
        }
        _ => Err(wrong_count(d)),
    }
}

/// The argument of `proxy_pass`, before the groups are known.
#[derive(Clone, Debug)]
pub(super) enum RawTarget {
    Fixed {
        host: String,
        port: Option<u16>,
        uri: Option<Arc<str>>,
        url: Arc<str>,
    },
    Variable(Template),
}

pub(super) fn pass(
    b: &mut Builder,
    d: &Directive,
    uri_allowed: bool,
) -> Result<RawTarget, Diagnostic> {
    let word = one(d)?;
    if word.contains('$') {
        return Ok(RawTarget::Variable(b.names.template(word, &d.origin)?));
    }
    let url = split_url(word).map_err(|problem| match problem {
        UrlProblem::Prefix => Diagnostic::at(d.origin.clone(), "invalid URL prefix")
            .help("write \"http://HOST[:PORT][/URI]\""),
        UrlProblem::Unsupported(what) => unsupported(d, what).help("use \"http://\""),
        UrlProblem::Port => Diagnostic::at(
            d.origin.clone(),
            format!("invalid port in upstream \"{word}\""),
        ),
        UrlProblem::Host => {
            Diagnostic::at(d.origin.clone(), format!("no host in upstream \"{word}\""))
        }
    })?;
    if url.uri.is_some() && !uri_allowed {
        let message = "\"proxy_pass\" cannot have URI part in location given by regular \
                       expression, or inside named location";
        return Err(
            Diagnostic::at(d.origin.clone(), message).help("remove what follows the host and port")
        );
    }
    Ok(RawTarget::Fixed {
        host: url.host.to_ascii_lowercase(),
        port: url.port,
        uri: url.uri.map(Into::into),
        url: word.into(),
    })
}

/// Finds the group that a fixed target names, or makes one of the single server that it names.
pub(super) fn finish(b: &mut Builder, raw: RawTarget, origin: &Origin) -> Option<ProxyPass> {
    let target = match raw {
        RawTarget::Variable(template) => Target::Variable(template),
        RawTarget::Fixed {
            host,
            port,
            uri,
            url,
        } => {
            let upstream = upstream::find_or_add(b, &host, port, origin)?;
            let proxy_host = match port {
                None | Some(80) => host.as_str().into(),
                Some(port) => format!("{host}:{port}").into(),
            };
            Target::Fixed {
                upstream,
                host: proxy_host,
                port: port.unwrap_or(80),
                uri,
                url,
            }
        }
    };
    Some(ProxyPass { target })
}

/// `http://HOST[:PORT][/URI]` in parts.
pub(crate) struct Url<'a> {
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
    pub(crate) uri: Option<&'a str>,
}

pub(crate) enum UrlProblem {
    Prefix,
    Unsupported(&'static str),
    Port,
    Host,
}

pub(crate) fn split_url(url: &str) -> Result<Url<'_>, UrlProblem> {
    let starts = |prefix: &str| {
        url.get(..prefix.len())
            .is_some_and(|s| s.eq_ignore_ascii_case(prefix))
    };
    if starts("https://") {
        return Err(UrlProblem::Unsupported("https://"));
    }
    if !starts("http://") {
        return Err(UrlProblem::Prefix);
    }
    let rest = &url["http://".len()..];
    if rest.starts_with("unix:") {
        return Err(UrlProblem::Unsupported("unix:"));
    }
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, uri) = rest.split_at(end);
    if authority.starts_with('[') {
        return Err(UrlProblem::Unsupported("an IPv6 address"));
    }
    let (host, port) = match authority.split_once(':') {
        None => (authority, None),
        Some((host, port)) => {
            let port = port.parse().ok().filter(|port| *port > 0);
            (host, Some(port.ok_or(UrlProblem::Port)?))
        }
    };
    if host.is_empty() {
        return Err(UrlProblem::Host);
    }
    let uri = (!uri.is_empty()).then_some(uri);
    Ok(Url { host, port, uri })
}
