//! `server` blocks of `http`.

use squall_host::{Diagnostic, Origin};

use super::build::{Builder, block, wrong_count};
use super::directives::SERVER;
use super::listen::{self, RawListen};
use super::location::{self, Handler, Location, Locations, RawContent, RawLocation};
use super::pattern::{self, Pattern};
use super::rewrite::{self, Op};
use super::settings::{Raw, Settings};
use super::simple;
use crate::syntax::Directive;

/// One virtual server.
#[derive(Debug)]
pub(crate) struct Server {
    /// `$server_name`.
    pub(crate) name: String,
    pub(crate) names: Vec<ServerName>,
    pub(crate) settings: Settings,
    pub(crate) rewrite: Vec<Op>,
    pub(crate) locations: Locations,
    /// What holds where no location does.
    pub(crate) fallback: std::sync::Arc<Location>,
}

/// One name of a server.
#[derive(Clone, Debug)]
pub(crate) enum ServerName {
    Exact(String),
    /// `*.example.com`, as `.example.com`.
    Suffix(String),
    /// `www.*`, as `www.`.
    Prefix(String),
    Pattern(Pattern),
    /// `$hostname`.
    Hostname,
}

pub(super) struct RawServer {
    pub(super) listens: Vec<RawListen>,
    /// As written.
    pub(super) names: Vec<String>,
    server_names: Vec<ServerName>,
    raw: Raw,
    rewrite: Vec<Op>,
    content: RawContent,
    locations: Vec<RawLocation>,
    origin: Origin,
}

pub(super) fn read(b: &mut Builder, d: &Directive) -> Result<RawServer, Diagnostic> {
    if !d.args.is_empty() {
        return Err(wrong_count(d));
    }
    let mut server = RawServer {
        listens: Vec::new(),
        names: Vec::new(),
        server_names: Vec::new(),
        raw: Raw::default(),
        rewrite: Vec::new(),
        content: RawContent::default(),
        locations: Vec::new(),
        origin: d.origin.clone(),
    };
    let mut listens = 0;
    for line in block(d)? {
        b.attempt(|b| {
            if b.admit(line, SERVER)? {
                return Ok(());
            }
            match line.name.as_str() {
                "listen" => {
                    listens += 1;
                    let listen = listen::read(b, line)?;
                    server.listens.extend(listen);
                    Ok(())
                }
                "server_name" => names(b, &mut server, line),
                "location" => {
                    server.locations.push(location::read(b, line, None)?);
                    Ok(())
                }
                "set" | "return" | "rewrite" | "break" | "if" => {
                    server.rewrite.push(rewrite::read(b, line)?);
                    Ok(())
                }
                "try_files" | "stub_status" => server.content.read(b, line, false),
                _ => simple::read(b, &mut server.raw, line),
            }
        });
    }
    if listens == 0 {
        server.listens.push(listen::default(&server.origin));
    }
    if server.server_names.is_empty() {
        server.names.push(String::new());
        server.server_names.push(ServerName::Exact(String::new()));
    }
    Ok(server)
}

fn names(b: &mut Builder, server: &mut RawServer, d: &Directive) -> Result<(), Diagnostic> {
    if d.args.is_empty() {
        return Err(wrong_count(d));
    }
    for word in &d.args {
        let lower = word.to_ascii_lowercase();
        let name = if let Some(text) = word.strip_prefix('~') {
            ServerName::Pattern(pattern::compile(&mut b.names, text, true, &d.origin)?)
        } else if lower == "$hostname" {
            ServerName::Hostname
        } else if lower.contains('/') || lower.contains('$') {
            let message = format!("server name \"{word}\" is invalid");
            return Err(Diagnostic::at(d.origin.clone(), message)
                .help("write a host name, without \"http://\""));
        } else if let Some(rest) = lower.strip_prefix('*') {
            ServerName::Suffix(rest.to_owned())
        } else if let Some(rest) = lower.strip_suffix('*') {
            ServerName::Prefix(rest.to_owned())
        } else if let Some(rest) = lower.strip_prefix('.') {
            server.server_names.push(ServerName::Exact(rest.to_owned()));
            ServerName::Suffix(lower.clone())
        } else {
            ServerName::Exact(lower.clone())
        };
        server.server_names.push(name);
        server.names.push(lower);
    }
    Ok(())
}

/// Inherits, and resolves what names other blocks.
pub(super) fn finish(b: &mut Builder, server: RawServer, http: &Raw) -> Server {
    let mut raw = server.raw;
    raw.inherit(http);
    let settings = location::finish_settings(raw.clone());
    let try_files = server.content.try_files;
    let fallback = Location {
        name: String::new(),
        settings: settings.clone(),
        rewrite: Vec::new(),
        handler: match server.content.stub_status {
            true => Handler::StubStatus,
            false => Handler::Static,
        },
        alias: None,
        try_files,
        internal: false,
        redirects_to_slash: false,
        takes_prefix: false,
        nested: Locations::default(),
    };
    Server {
        name: server
            .names
            .first()
            .map(|name| name.trim_start_matches('.').to_owned())
            .unwrap_or_default(),
        names: server.server_names,
        settings,
        rewrite: server.rewrite,
        locations: location::finish(b, server.locations, &raw),
        fallback: fallback.into(),
    }
}
