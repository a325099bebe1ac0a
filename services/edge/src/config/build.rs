//! The tree of directives into a [`Config`]: contexts, duplicates, order of reading.
//!
//! Every complaint of a file is collected, so that a user sees all of them at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use squall_host::{Diagnostic, Diagnostics, Facts, Origin};

use super::directives::{self, Class, Contexts, EVENTS, HTTP, MAIN};
use super::log::Format;
use super::map::Map;
use super::names::Names;
use super::server::RawServer;
use super::settings::Raw;
use super::upstream::UpstreamConf;
use super::{Config, Inner, listen, log, map, server, simple, upstream};
use crate::syntax::Directive;

/// nginx's default for `worker_connections`.
const WORKER_CONNECTIONS: usize = 512;

/// What is gathered while the tree is read.
#[derive(Default)]
pub(super) struct Builder {
    pub(super) diagnostics: Vec<Diagnostic>,
    pub(super) facts: Facts,
    pub(super) names: Names,
    pub(super) formats: BTreeMap<String, Arc<Format>>,
    pub(super) upstreams: Vec<UpstreamConf>,
    pub(super) maps: Vec<Map>,
    servers: Vec<RawServer>,
    http: Raw,
    worker_connections: Option<usize>,
}

/// Reads a whole configuration; `file` names it where no directive can.
pub(crate) fn build(tree: &[Directive], file: &str) -> Result<(Config, Facts), Diagnostics> {
    let mut builder = Builder::default();
    builder.main(tree, file);
    builder.finish()
}

impl Builder {
    fn main(&mut self, tree: &[Directive], file: &str) {
        let mut seen = Vec::new();
        for directive in tree {
            self.attempt(|b| {
                if b.admit(directive, MAIN)? {
                    return Ok(());
                }
                if seen.contains(&directive.name.as_str()) {
                    return Err(duplicate(directive));
                }
                seen.push(&directive.name);
                match directive.name.as_str() {
                    "events" => b.events(block(directive)?),
                    _ => b.http(block(directive)?),
                }
                Ok(())
            });
        }
        for section in ["events", "http"] {
            if !seen.contains(&section) {
                let origin = Origin::new(file, 0);
                let message = format!("no \"{section}\" section in configuration");
                let help = format!("add \"{section} {{ }}\" at the top level");
                self.diagnostics
                    .push(Diagnostic::at(origin, message).help(help));
            }
        }
    }

    fn events(&mut self, tree: &[Directive]) {
        for directive in tree {
            self.attempt(|b| {
                if b.admit(directive, EVENTS)? {
                    return Ok(());
                }
                let value = simple::number(directive)? as usize;
                if b.worker_connections.replace(value).is_some() {
                    return Err(duplicate(directive));
                }
                Ok(())
            });
        }
    }

    fn http(&mut self, tree: &[Directive]) {
        // nginx looks formats up as it reads, so order counts; groups are looked up at the end.
        for directive in tree {
            self.attempt(|b| {
                if b.admit(directive, HTTP)? {
                    return Ok(());
                }
                match directive.name.as_str() {
                    "server" => {
                        let server = server::read(b, directive)?;
                        b.servers.push(server);
                        Ok(())
                    }
                    "upstream" => upstream::read(b, directive),
                    "map" => map::read(b, directive),
                    "log_format" => log::read_format(b, directive),
                    _ => {
                        let mut raw = std::mem::take(&mut b.http);
                        let outcome = simple::read(b, &mut raw, directive);
                        b.http = raw;
                        outcome
                    }
                }
            });
        }
    }

    fn finish(mut self) -> Result<(Config, Facts), Diagnostics> {
        let mut raw = std::mem::take(&mut self.http);
        if raw.access_logs.is_none() {
            raw.access_logs = Some(log::default());
        }
        let raw_servers = std::mem::take(&mut self.servers);
        let listens = listen::collect(&mut self, &raw_servers);
        let mut servers = Vec::new();
        for server in raw_servers {
            servers.push(Arc::new(server::finish(&mut self, server, &raw)));
        }
        upstream::finish(&mut self, &raw);
        self.diagnostics.extend(self.names.undefined());
        Diagnostics::check(self.diagnostics)?;
        let config = Config(Arc::new(Inner {
            listens,
            servers,
            upstreams: self.upstreams,
            maps: self.maps,
            keeps_reply_headers: self.names.keeps_reply_headers,
            slots: self.names.slots,
            worker_connections: self.worker_connections.unwrap_or(WORKER_CONNECTIONS),
        }));
        Ok((config, self.facts))
    }

    /// Runs one step and keeps its complaint.
    pub(super) fn attempt(&mut self, step: impl FnOnce(&mut Self) -> Result<(), Diagnostic>) {
        if let Err(diagnostic) = step(self) {
            self.diagnostics.push(diagnostic);
        }
    }

    /// Whether the directive may stand here; true when it is also done with, having no effect.
    pub(super) fn admit(
        &mut self,
        directive: &Directive,
        context: Contexts,
    ) -> Result<bool, Diagnostic> {
        let name = &directive.name;
        let complain = |message: String| Diagnostic::at(directive.origin.clone(), message);
        match directives::find(name) {
            None => Err(complain(format!("unknown directive \"{name}\""))
                .help("correct its name, or remove it; nginx has no such directive, either")),
            Some((Class::Refused, _)) => {
                Err(complain(format!("\"{name}\" is not supported by squall"))
                    .help("nginx has this directive, edge does not; remove it from this file"))
            }
            Some((_, contexts)) if contexts & context == 0 => Err(complain(format!(
                "\"{name}\" directive is not allowed here"
            ))
            .help(format!(
                "it may stand in {}",
                directives::describe(contexts)
            ))),
            Some((Class::WithoutEffect, _)) => {
                if directive.block.is_some() {
                    return Err(not_terminated(directive));
                }
                self.without_effect(directive);
                Ok(true)
            }
            Some((Class::Handled, _)) => Ok(false),
        }
    }

    /// Lists a directive for `squall check`.
    pub(super) fn without_effect(&mut self, directive: &Directive) {
        let entry = (directive.name.clone(), directive.origin.clone());
        self.facts.without_effect.push(entry);
    }
}

pub(super) fn duplicate(directive: &Directive) -> Diagnostic {
    let message = format!("\"{}\" directive is duplicate", directive.name);
    Diagnostic::at(directive.origin.clone(), message).help("keep one of them in this block")
}

pub(super) fn not_terminated(directive: &Directive) -> Diagnostic {
    let message = format!(
        "directive \"{}\" is not terminated by \";\"",
        directive.name
    );
    Diagnostic::at(directive.origin.clone(), message)
}

pub(super) fn wrong_count(directive: &Directive) -> Diagnostic {
    let message = format!(
        "invalid number of arguments in \"{}\" directive",
        directive.name
    );
    Diagnostic::at(directive.origin.clone(), message)
}

pub(super) fn invalid(directive: &Directive, word: &str) -> Diagnostic {
    let message = format!(
        "invalid value \"{word}\" in \"{}\" directive",
        directive.name
    );
    Diagnostic::at(directive.origin.clone(), message)
}

/// What nginx has and edge lacks inside a directive that it otherwise takes.
pub(super) fn unsupported(directive: &Directive, what: &str) -> Diagnostic {
    let message = format!(
        "\"{what}\" in \"{}\" is not supported by squall",
        directive.name
    );
    Diagnostic::at(directive.origin.clone(), message)
}

/// The block of a directive that must have one.
pub(super) fn block(directive: &Directive) -> Result<&[Directive], Diagnostic> {
    directive.block.as_deref().ok_or_else(|| {
        let message = format!("directive \"{}\" has no opening \"{{\"", directive.name);
        Diagnostic::at(directive.origin.clone(), message)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::syntax;

    fn load(text: &str) -> Result<(Config, Facts), Diagnostics> {
        let tree = syntax::parse(&"f".into(), text).map_err(Diagnostics::from)?;
        build(&tree, "f")
    }

    #[test]
    fn every_listed_directive_is_read_wherever_it_may_stand() {
        for name in directives::names() {
            for arguments in ["", "a", "on", "1", "/a b", "1 2 3"] {
                for end in [";", "{}", "{ a b; }"] {
                    let line = format!("{name} {arguments} {end}");
                    let text = format!(
                        "{line} events {{ {line} }} http {{ {line} upstream u {{ {line} }} server {{ {line} \
                         if ($uri) {{ {line} }} location /a {{ {line} }} }} }}"
                    );
                    // Not to panic is all that can be asked of most of these.
                    let _ = load(&text);
                }
            }
        }
    }

    proptest! {
        #[test]
        fn no_arrangement_of_known_words_panics(
            words in prop::collection::vec((0..400_usize, 0..24_usize), 0..40)
        ) {
            let names: Vec<&str> = directives::names().collect();
            let others = [
                "{", "}", ";", "on", "off", "10", "1s", "8k", "=", "~", "/", "@a", "$uri", "$x", "http://a:1/b",
                "127.0.0.1:80", "a=b", "weight=2", "default_server", "\"\"", "${", "($a", "b)", "*",
            ];
            let mut text = String::from("events {} http { server { ");
            for (name, other) in words {
                text += names.get(name).copied().unwrap_or(";");
                text.push(' ');
                text += others[other];
                text.push(' ');
            }
            text += "; } }";
            let _ = load(&text);
        }
    }
}
