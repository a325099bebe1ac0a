//! `location` blocks: how they are found, and what they do.

use std::collections::BTreeMap;
use std::sync::Arc;

use squall_host::{Diagnostic, Origin};

use super::build::{Builder, block, not_terminated, unsupported, wrong_count};
use super::directives::LOCATION;
use super::pattern::{self, Pattern};
use super::proxy::{self, ProxyPass, RawTarget};
use super::rewrite::{self, Op};
use super::settings::{Raw, Settings};
use super::simple::{self, once, one};
use crate::syntax::Directive;
use crate::template::Template;

/// One location.
#[derive(Debug)]
pub(crate) struct Location {
    /// The prefix or expression as written, without modifier.
    pub(crate) name: String,
    pub(crate) settings: Settings,
    pub(crate) rewrite: Vec<Op>,
    pub(crate) handler: Handler,
    pub(crate) alias: Option<Template>,
    pub(crate) try_files: Option<TryFiles>,
    pub(crate) internal: bool,
    /// `location /a/` with `proxy_pass`: a request for `/a` is sent to `/a/`.
    pub(crate) redirects_to_slash: bool,
    /// Whether `name` is a prefix of the URI, so that it can be replaced.
    pub(crate) takes_prefix: bool,
    pub(crate) nested: Locations,
}

/// What answers in a location.
#[derive(Debug)]
pub(crate) enum Handler {
    Static,
    Proxy(ProxyPass),
    StubStatus,
}

/// `try_files FILE… LAST`.
#[derive(Clone, Debug)]
pub(crate) struct TryFiles {
    pub(crate) files: Vec<Template>,
    pub(crate) last: LastTry,
}

#[derive(Clone, Debug)]
pub(crate) enum LastTry {
    Status(u16),
    /// A URI, or `@name`.
    Uri(Template),
}

/// The locations of one level, ready to be searched.
#[derive(Debug, Default)]
pub(crate) struct Locations {
    pub(crate) exact: BTreeMap<String, Arc<Location>>,
    /// The longest first.
    pub(crate) prefixes: Vec<Prefix>,
    /// In the order of the file.
    pub(crate) patterns: Vec<(Pattern, Arc<Location>)>,
    pub(crate) named: BTreeMap<String, Arc<Location>>,
}

#[derive(Debug)]
pub(crate) struct Prefix {
    /// `^~`: expressions are not asked.
    pub(crate) final_word: bool,
    pub(crate) location: Arc<Location>,
}

#[derive(Debug)]
enum Kind {
    Exact,
    Prefix,
    FinalPrefix,
    Pattern(Pattern),
    Named,
}

pub(super) struct RawLocation {
    kind: Kind,
    name: String,
    raw: Raw,
    rewrite: Vec<Op>,
    content: RawContent,
    nested: Vec<RawLocation>,
    origin: Origin,
}

/// The directives of a location that are not inherited.
#[derive(Default)]
pub(super) struct RawContent {
    pass: Option<(RawTarget, Origin)>,
    pub(super) stub_status: bool,
    alias: Option<Template>,
    pub(super) try_files: Option<TryFiles>,
    internal: bool,
}

impl RawContent {
    pub(super) fn read(
        &mut self,
        b: &mut Builder,
        d: &Directive,
        uri_allowed: bool,
    ) -> Result<(), Diagnostic> {
        if d.block.is_some() {
            return Err(not_terminated(d));
        }
        match d.name.as_str() {
            "proxy_pass" => {
                let target = proxy::pass(b, d, uri_allowed)?;
                once(d, &mut self.pass, (target, d.origin.clone()))
            }
            // The argument is of versions before 1.7.5.
            "stub_status" if d.args.len() <= 1 => {
                self.stub_status = true;
                Ok(())
            }
            "alias" => {
                let alias = b.names.template(one(d)?, &d.origin)?;
                once(d, &mut self.alias, alias)
            }
            "internal" if d.args.is_empty() => {
                self.internal = true;
                Ok(())
            }
            "try_files" => {
                let files = try_files(b, d)?;
                once(d, &mut self.try_files, files)
            }
            _ => Err(wrong_count(d)),
        }
    }
}

fn try_files(b: &mut Builder, d: &Directive) -> Result<TryFiles, Diagnostic> {
    let (last, files) = match d.args.split_last() {
        Some((last, files)) if !files.is_empty() => (last, files),
        _ => return Err(wrong_count(d)),
    };
    let last = match last.strip_prefix('=') {
        Some(code) => {
            let code = code.parse().ok().filter(|code| (200..=999).contains(code));
            let message = format!("invalid code \"{last}\"");
            LastTry::Status(code.ok_or_else(|| Diagnostic::at(d.origin.clone(), message))?)
        }
        None => LastTry::Uri(b.names.template(last, &d.origin)?),
    };
    let mut templates = Vec::new();
    for file in files {
        templates.push(b.names.template(file, &d.origin)?);
    }
    Ok(TryFiles {
        files: templates,
        last,
    })
}

/// Reads one location; `outer` is the one around it.
pub(super) fn read(
    b: &mut Builder,
    d: &Directive,
    outer: Option<&RawHead>,
) -> Result<RawLocation, Diagnostic> {
    let head = head(b, d, outer)?;
    let uri_allowed = head.uri_allowed;
    let mut location = RawLocation {
        kind: head.kind,
        name: head.name.clone(),
        raw: Raw::default(),
        rewrite: Vec::new(),
        content: RawContent::default(),
        nested: Vec::new(),
        origin: d.origin.clone(),
    };
    let outer = RawHead {
        name: head.name,
        nests: !matches!(location.kind, Kind::Exact | Kind::Named),
        is_pattern: matches!(location.kind, Kind::Pattern(_)),
    };
    for line in block(d)? {
        b.attempt(|b| {
            if b.admit(line, LOCATION)? {
                return Ok(());
            }
            match line.name.as_str() {
                "location" => {
                    let nested = read(b, line, Some(&outer))?;
                    location.nested.push(nested);
                    Ok(())
                }
                "set" | "return" | "rewrite" | "break" | "if" => {
                    location.rewrite.push(rewrite::read(b, line)?);
                    Ok(())
                }
                "proxy_pass" | "stub_status" | "alias" | "internal" | "try_files" => {
                    location.content.read(b, line, uri_allowed)
                }
                _ => simple::read(b, &mut location.raw, line),
            }
        });
    }
    if location.content.alias.is_some() && location.raw.root.is_some() {
        let message = "\"alias\" and \"root\" exclude each other";
        return Err(Diagnostic::at(d.origin.clone(), message));
    }
    Ok(location)
}

/// What a nested location must know of the one around it.
pub(super) struct RawHead {
    name: String,
    nests: bool,
    is_pattern: bool,
}

struct Head {
    kind: Kind,
    name: String,
    uri_allowed: bool,
}

fn head(b: &mut Builder, d: &Directive, outer: Option<&RawHead>) -> Result<Head, Diagnostic> {
    let (modifier, name) = match d.args.as_slice() {
        [name] => {
            // The modifier may stand without a space.
            let known = ["=", "^~", "~*", "~"]
                .iter()
                .find(|m| name.starts_with(**m));
            match known {
                Some(modifier) => (*modifier, &name[modifier.len()..]),
                None => ("", name.as_str()),
            }
        }
        [modifier, name] => (modifier.as_str(), name.as_str()),
        _ => return Err(wrong_count(d)),
    };
    let complain = |message: String| Diagnostic::at(d.origin.clone(), message);
    let kind = match modifier {
        "=" => Kind::Exact,
        "^~" => Kind::FinalPrefix,
        "~" | "~*" => {
            let pattern = pattern::compile(&mut b.names, name, modifier == "~*", &d.origin)?;
            Kind::Pattern(pattern)
        }
        "" if name.starts_with('@') => Kind::Named,
        "" => Kind::Prefix,
        _ => {
            return Err(complain(format!(
                "invalid location modifier \"{modifier}\""
            )));
        }
    };
    if let Some(outer) = outer {
        if matches!(kind, Kind::Named) {
            let message = format!("named location \"{name}\" can be on the server level only");
            return Err(complain(message));
        }
        if !outer.nests {
            let message = format!("location \"{name}\" cannot be inside \"{}\"", outer.name);
            return Err(complain(message));
        }
        let is_prefix = !matches!(kind, Kind::Pattern(_));
        if is_prefix && !outer.is_pattern && !name.starts_with(&outer.name) {
            let message = format!("location \"{name}\" is outside location \"{}\"", outer.name);
            return Err(complain(message));
        }
        if outer.is_pattern {
            return Err(unsupported(d, "a location inside an expression"));
        }
    }
    Ok(Head {
        uri_allowed: !matches!(kind, Kind::Pattern(_) | Kind::Named),
        kind,
        name: name.to_owned(),
    })
}

pub(super) fn finish_settings(mut raw: Raw) -> Settings {
    // What a user sets replaces nginx's two headers by name, and the rest of the list entirely.
    if let Some(headers) = &mut raw.proxy_set_headers {
        proxy::add_default_headers(Arc::make_mut(headers));
    }
    let hide = raw.proxy_hide.as_deref().unwrap_or_default();
    let pass = raw.proxy_show.as_deref().unwrap_or_default();
    raw.proxy_hide_headers = Some(proxy::default_hidden(hide, pass));
    raw.finish()
}

/// Inherits, and makes the locations of one level searchable.
pub(super) fn finish(b: &mut Builder, raw: Vec<RawLocation>, outer: &Raw) -> Locations {
    let mut locations = Locations::default();
    for mut location in raw {
        location.raw.inherit(outer);
        let nested = finish(b, location.nested, &location.raw);
        let content = location.content;
        let is_prefix = matches!(
            location.kind,
            Kind::Exact | Kind::Prefix | Kind::FinalPrefix
        );
        let handler = match content.pass {
            Some((target, origin)) => match proxy::finish(b, target, &origin) {
                Some(pass) => Handler::Proxy(pass),
                None => continue,
            },
            None if content.stub_status => Handler::StubStatus,
            None => Handler::Static,
        };
        let finished = Arc::new(Location {
            redirects_to_slash: matches!(handler, Handler::Proxy(_))
                && is_prefix
                && location.name.ends_with('/'),
            takes_prefix: is_prefix,
            settings: finish_settings(location.raw),
            name: location.name.clone(),
            rewrite: location.rewrite,
            handler,
            alias: content.alias,
            try_files: content.try_files,
            internal: content.internal,
            nested,
        });
        let name = location.name;
        let doubled = match location.kind {
            Kind::Exact => locations.exact.insert(name.clone(), finished).is_some(),
            Kind::Named => locations.named.insert(name.clone(), finished).is_some(),
            Kind::Pattern(pattern) => {
                locations.patterns.push((pattern, finished));
                false
            }
            kind => {
                let doubled = locations.prefixes.iter().any(|p| p.location.name == name);
                locations.prefixes.push(Prefix {
                    final_word: matches!(kind, Kind::FinalPrefix),
                    location: finished,
                });
                doubled
            }
        };
        if doubled {
            let message = format!("duplicate location \"{name}\"");
            b.diagnostics.push(
                Diagnostic::at(location.origin, message).help("keep one of them in this server"),
            );
        }
    }
    let length = |prefix: &Prefix| std::cmp::Reverse(prefix.location.name.len());
    locations.prefixes.sort_by_key(length);
    locations
}
