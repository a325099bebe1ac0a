//! `map` blocks.

use std::collections::BTreeMap;

use squall_host::Diagnostic;

use super::build::{Builder, block, unsupported, wrong_count};
use super::names::Definition;
use super::pattern::{self, Pattern};
use crate::syntax::Directive;
use crate::template::Template;

/// One table from a value to another.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    pub(crate) key: Template,
    /// By key in lower case; nginx ignores case here.
    exact: BTreeMap<String, Template>,
    /// `*.suffix`, with `hostnames`.
    suffixes: BTreeMap<String, Template>,
    /// `prefix.*`, with `hostnames`.
    prefixes: BTreeMap<String, Template>,
    patterns: Vec<(Pattern, Template)>,
    default: Template,
}

impl Map {
    /// What `key` maps to, and the expression that decided it, if one did.
    pub(crate) fn find(&self, key: &str) -> (&Template, Option<&Pattern>) {
        let lower = key.to_ascii_lowercase();
        if let Some(value) = self.exact.get(&lower) {
            return (value, None);
        }
        // The longest wins: cut one label after the other.
        let mut rest = lower.as_str();
        while let Some(at) = rest.find('.') {
            if let Some(value) = self.suffixes.get(&rest[at..]) {
                return (value, None);
            }
            rest = &rest[at + 1..];
        }
        let mut rest = lower.as_str();
        while let Some(at) = rest.rfind('.') {
            if let Some(value) = self.prefixes.get(&rest[..=at]) {
                return (value, None);
            }
            rest = &rest[..at];
        }
        for (pattern, value) in &self.patterns {
            if pattern.regex.is_match(key) {
                return (value, Some(pattern));
            }
        }
        (&self.default, None)
    }
}

pub(super) fn read(b: &mut Builder, d: &Directive) -> Result<(), Diagnostic> {
    let [key, variable] = d.args.as_slice() else {
        return Err(wrong_count(d));
    };
    let mut map = Map {
        key: b.names.template(key, &d.origin)?,
        exact: BTreeMap::new(),
        suffixes: BTreeMap::new(),
        prefixes: BTreeMap::new(),
        patterns: Vec::new(),
        default: Template::default(),
    };
    let definition = Definition::Map(b.maps.len());
    b.names.define(variable, definition, &d.origin)?;
    let mut hostnames = false;
    for line in block(d)? {
        b.attempt(|b| entry(b, &mut map, line, &mut hostnames));
    }
    b.maps.push(map);
    Ok(())
}

fn entry(
    b: &mut Builder,
    map: &mut Map,
    line: &Directive,
    hostnames: &mut bool,
) -> Result<(), Diagnostic> {
    let value = match (line.name.as_str(), line.args.as_slice()) {
        ("hostnames", []) => {
            *hostnames = true;
            return Ok(());
        }
        // A value is computed anew at each use here, anyway.
        ("volatile", []) => return Ok(()),
        (_, [value]) if line.block.is_none() => b.names.template(value, &line.origin)?,
        _ => return Err(wrong_count(line)),
    };
    let doubled = match line.name.as_str() {
        "default" => {
            map.default = value;
            false
        }
        name if name.starts_with('~') => {
            let text = name[1..].strip_prefix('*');
            let pattern = pattern::compile(
                &mut b.names,
                text.unwrap_or(&name[1..]),
                text.is_some(),
                &line.origin,
            )?;
            map.patterns.push((pattern, value));
            false
        }
        name => {
            let key = name.strip_prefix('\\').unwrap_or(name).to_ascii_lowercase();
            if !*hostnames {
                map.exact.insert(key, value).is_some()
            } else if let Some(suffix) = key.strip_prefix('*') {
                map.suffixes.insert(suffix.to_owned(), value).is_some()
            } else if let Some(prefix) = key.strip_suffix('*') {
                map.prefixes.insert(prefix.to_owned(), value).is_some()
            } else if key.starts_with('.') {
                return Err(unsupported(line, name).help("write the name and its \"*.\" form"));
            } else {
                map.exact.insert(key, value).is_some()
            }
        }
    };
    if doubled {
        let message = format!("conflicting parameter \"{}\"", line.name);
        return Err(Diagnostic::at(line.origin.clone(), message).help("keep one of them"));
    }
    Ok(())
}
