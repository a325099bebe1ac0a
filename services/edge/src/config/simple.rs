//! The directives that set one inherited value each.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method};
use squall_host::Diagnostic;

use super::build::{Builder, block, duplicate, invalid, not_terminated, unsupported, wrong_count};
use super::settings::{AccessRule, AddHeader, ErrorAnswer, ErrorPage, Raw, ResolverConf};
use super::{log, proxy, units};
use crate::syntax::Directive;

const DNS_PORT: u16 = 53;

/// Reads `directive` into `raw`.
pub(super) fn read(b: &mut Builder, raw: &mut Raw, d: &Directive) -> Result<(), Diagnostic> {
    if d.name == "types" {
        return types(raw, d);
    }
    if d.block.is_some() {
        return Err(not_terminated(d));
    }
    match d.name.as_str() {
        "root" => {
            let root = b.names.template(one(d)?, &d.origin)?;
            once(d, &mut raw.root, root)
        }
        "index" if d.args.is_empty() => Err(wrong_count(d)),
        "index" => {
            if let Some(word) = d.args.iter().find(|word| word.contains('$')) {
                return Err(unsupported(d, word));
            }
            once(d, &mut raw.index, d.args.clone().into())
        }
        "default_type" => once(d, &mut raw.default_type, one(d)?.into()),
        "error_page" => error_page(b, raw, d),
        "recursive_error_pages" => once(d, &mut raw.recursive_error_pages, flag(d)?),
        "add_header" => add_header(b, raw, d),
        "access_log" => log::read_access_log(b, raw, d),
        "allow" | "deny" => access_rule(raw, d),
        "resolver" => {
            let resolver = Some(Arc::new(resolver(b, d)?));
            once(d, &mut raw.resolver, resolver)
        }
        "resolver_timeout" => once(d, &mut raw.resolver_timeout, time(d)?),
        "client_max_body_size" => once(d, &mut raw.client_max_body_size_bytes, size(d)?),
        "client_body_timeout" => once(d, &mut raw.client_body_timeout, time(d)?),
        "client_header_timeout" => once(d, &mut raw.client_header_timeout, time(d)?),
        "client_header_buffer_size" => {
            once(d, &mut raw.client_header_buffer_bytes, size(d)? as usize)
        }
        "large_client_header_buffers" => {
            let [count, bytes] = d.args.as_slice() else {
                return Err(wrong_count(d));
            };
            let count = units::number(count).filter(|n| *n > 0);
            let count = count.ok_or_else(|| invalid(d, &d.args[0]))?;
            let bytes = units::size_bytes(bytes).filter(|n| *n > 0);
            let bytes = bytes.ok_or_else(|| invalid(d, &d.args[1]))?;
            let buffers = (count as usize, bytes as usize);
            once(d, &mut raw.large_client_header_buffers, buffers)
        }
        "keepalive_timeout" => {
            // The second value only names a header that no client reads.
            let ([value] | [value, _]) = d.args.as_slice() else {
                return Err(wrong_count(d));
            };
            let value = units::time(value).ok_or_else(|| invalid(d, value))?;
            once(d, &mut raw.keepalive_timeout, value)
        }
        "keepalive_requests" => once(d, &mut raw.keepalive_requests, number(d)?),
        "send_timeout" => once(d, &mut raw.send_timeout, time(d)?),
        "underscores_in_headers" => once(d, &mut raw.underscores_in_headers, flag(d)?),
        "merge_slashes" => once(d, &mut raw.merge_slashes, flag(d)?),
        "absolute_redirect" => once(d, &mut raw.absolute_redirect, flag(d)?),
        "port_in_redirect" => once(d, &mut raw.port_in_redirect, flag(d)?),
        "proxy_http_version" => {
            let version = match one(d)? {
                "1.0" => false,
                "1.1" => true,
                "2" => return Err(unsupported(d, "2")),
                other => return Err(invalid(d, other)),
            };
            once(d, &mut raw.proxy_http_1_1, version)
        }
        "proxy_set_header" => proxy::set_header(b, raw, d),
        "proxy_connect_timeout" => once(d, &mut raw.proxy_connect_timeout, time(d)?),
        "proxy_read_timeout" => once(d, &mut raw.proxy_read_timeout, time(d)?),
        "proxy_send_timeout" => once(d, &mut raw.proxy_send_timeout, time(d)?),
        "proxy_next_upstream" => {
            let value = proxy::next_upstream(d)?;
            once(d, &mut raw.proxy_next_upstream, value)
        }
        "proxy_next_upstream_tries" => {
            once(d, &mut raw.proxy_next_upstream_tries, number(d)? as u32)
        }
        "proxy_next_upstream_timeout" => once(d, &mut raw.proxy_next_upstream_timeout, time(d)?),
        "proxy_buffer_size" => once(d, &mut raw.proxy_buffer_bytes, size(d)? as usize),
        "proxy_intercept_errors" => once(d, &mut raw.proxy_intercept_errors, flag(d)?),
        "proxy_hide_header" => {
            let name = header_name(d, one(d)?)?;
            raw.proxy_hide.get_or_insert_default().push(name);
            Ok(())
        }
        "proxy_pass_header" => {
            let name = header_name(d, one(d)?)?;
            raw.proxy_show.get_or_insert_default().push(name);
            Ok(())
        }
        "proxy_pass_request_headers" => once(d, &mut raw.proxy_pass_request_headers, flag(d)?),
        "proxy_pass_request_body" => once(d, &mut raw.proxy_pass_request_body, flag(d)?),
        "proxy_redirect" => proxy::redirect(b, raw, d),
        "proxy_method" => {
            let word = one(d)?;
            let method = Method::from_bytes(word.as_bytes()).map_err(|_| invalid(d, word))?;
            once(d, &mut raw.proxy_method, Some(method))
        }
        // Only the value that changes nothing.
        "http2" | "proxy_cache" | "proxy_ignore_client_abort" | "auth_basic" => only(d, "off"),
        "proxy_request_buffering" => only(d, "on"),
        other => unreachable!("\"{other}\" is listed as handled in this context"),
    }
}

fn only(d: &Directive, accepted: &str) -> Result<(), Diagnostic> {
    match one(d)? {
        word if word == accepted => Ok(()),
        word => Err(unsupported(d, word).help(format!("only \"{accepted}\" is"))),
    }
}

/// Sets a value that may be set once in a block.
pub(super) fn once<T>(d: &Directive, place: &mut Option<T>, value: T) -> Result<(), Diagnostic> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(duplicate(d)),
    }
}

/// The only argument.
pub(super) fn one(d: &Directive) -> Result<&str, Diagnostic> {
    match d.args.as_slice() {
        [word] => Ok(word),
        _ => Err(wrong_count(d)),
    }
}

pub(super) fn flag(d: &Directive) -> Result<bool, Diagnostic> {
    match one(d)? {
        "on" => Ok(true),
        "off" => Ok(false),
        word => Err(invalid(d, word).help("it must be \"on\" or \"off\"")),
    }
}

pub(super) fn time(d: &Directive) -> Result<Duration, Diagnostic> {
    let word = one(d)?;
    units::time(word)
        .ok_or_else(|| invalid(d, word).help("write a time such as \"500ms\", \"10s\" or \"1m\""))
}

pub(super) fn size(d: &Directive) -> Result<u64, Diagnostic> {
    let word = one(d)?;
    units::size_bytes(word)
        .ok_or_else(|| invalid(d, word).help("write a size such as \"8k\" or \"1m\""))
}

pub(super) fn number(d: &Directive) -> Result<u64, Diagnostic> {
    let word = one(d)?;
    let value = units::number(word).filter(|value| *value <= u64::from(u32::MAX));
    value.ok_or_else(|| invalid(d, word).help("write a number"))
}

pub(super) fn header_name(d: &Directive, word: &str) -> Result<HeaderName, Diagnostic> {
    HeaderName::from_bytes(word.as_bytes())
        .map_err(|_| invalid(d, word).help("this cannot be the name of a header"))
}

fn types(raw: &mut Raw, d: &Directive) -> Result<(), Diagnostic> {
    let mut types = Vec::new();
    for line in block(d)? {
        if line.args.is_empty() || line.block.is_some() {
            return Err(wrong_count(line));
        }
        for extension in &line.args {
            types.push((extension.to_ascii_lowercase(), line.name.clone()));
        }
    }
    // nginx joins several blocks of one level; the later type of an extension holds.
    if let Some(before) = raw.types.take() {
        types.extend(before.iter().cloned());
    }
    raw.types = Some(types.into());
    Ok(())
}

fn error_page(b: &mut Builder, raw: &mut Raw, d: &Directive) -> Result<(), Diagnostic> {
    let (target, mut words) = match d.args.split_last() {
        Some((target, words)) if !words.is_empty() => (target, words),
        _ => return Err(wrong_count(d)),
    };
    let mut answer = ErrorAnswer::Same;
    if let Some((last, rest)) = words.split_last()
        && let Some(code) = last.strip_prefix('=')
    {
        words = rest;
        answer = match code {
            "" => ErrorAnswer::OfPage,
            code => ErrorAnswer::Fixed(code.parse().map_err(|_| invalid(d, last))?),
        };
    }
    let mut codes = Vec::new();
    for word in words {
        let code = word.parse().ok().filter(|code| (300..=599).contains(code));
        codes.push(code.ok_or_else(|| invalid(d, word).help("codes are 300 to 599"))?);
    }
    if codes.is_empty() {
        return Err(wrong_count(d));
    }
    let target = b.names.template(target, &d.origin)?;
    let pages = raw.error_pages.get_or_insert_default();
    Arc::make_mut(pages).push(ErrorPage {
        codes,
        answer,
        target,
    });
    Ok(())
}

fn add_header(b: &mut Builder, raw: &mut Raw, d: &Directive) -> Result<(), Diagnostic> {
    let (name, value, always) = match d.args.as_slice() {
        [name, value] => (name, value, false),
        [name, value, always] if always == "always" => (name, value, true),
        [_, _, other] => return Err(invalid(d, other).help("the third word may be \"always\"")),
        _ => return Err(wrong_count(d)),
    };
    let header = AddHeader {
        name: header_name(d, name)?,
        value: b.names.template(value, &d.origin)?,
        always,
    };
    Arc::make_mut(raw.add_headers.get_or_insert_default()).push(header);
    Ok(())
}

fn access_rule(raw: &mut Raw, d: &Directive) -> Result<(), Diagnostic> {
    let word = one(d)?;
    let network = match word {
        "all" => None,
        "unix:" => return Err(unsupported(d, word)),
        _ => {
            let (ip, bits) = word.split_once('/').unwrap_or((word, ""));
            let ip: IpAddr = ip.parse().map_err(|_| invalid(d, word))?;
            let widest = if ip.is_ipv4() { 32 } else { 128 };
            let bits = match bits {
                "" => widest,
                bits => bits
                    .parse()
                    .ok()
                    .filter(|bits| *bits <= widest)
                    .ok_or_else(|| invalid(d, word))?,
            };
            Some((ip, bits))
        }
    };
    let rule = AccessRule {
        allow: d.name == "allow",
        network,
    };
    Arc::make_mut(raw.access_rules.get_or_insert_default()).push(rule);
    Ok(())
}

/// `resolver` for the places that inherit it and for `upstream`.
pub(super) fn resolver(b: &mut Builder, d: &Directive) -> Result<ResolverConf, Diagnostic> {
    let mut servers = Vec::new();
    let mut valid = None;
    for word in &d.args {
        if let Some(text) = word.strip_prefix("valid=") {
            valid = Some(units::time(text).ok_or_else(|| invalid(d, word))?);
        } else if word == "ipv6=off" || word == "ipv4=on" {
            // A records are all that edge asks for.
        } else if word == "ipv6=on" || word == "ipv4=off" {
            return Err(unsupported(d, word).help("edge asks for A records only"));
        } else if word.starts_with("status_zone=") {
            return Err(unsupported(d, word));
        } else {
            let (host, port) = match word.rsplit_once(':') {
                Some((host, port)) => (host, port.parse().map_err(|_| invalid(d, word))?),
                None => (word.as_str(), DNS_PORT),
            };
            if word.starts_with('[') {
                return Err(unsupported(d, word).help("edge asks name servers over IPv4 only"));
            }
            if host.parse::<IpAddr>().is_err() {
                let entry = (host.to_owned(), Some(d.origin.clone()));
                b.facts.names_required.push(entry);
            }
            servers.push((host.to_owned(), port));
        }
    }
    if servers.is_empty() {
        return Err(wrong_count(d));
    }
    Ok(ResolverConf {
        servers,
        valid,
        origin: d.origin.clone(),
    })
}
