//! Files to [`Config`]: which section a line belongs to, which defaults a section has, and whether
//! what sections say of each other holds.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use squall_host::Launch;
use squall_host::diagnostic::{Diagnostic, Diagnostics, Origin};
use squall_host::launch::Facts;

use super::global::{self, Global};
use super::lines::Lines;
use super::proxy::{Mode, ProxyConfig, Section};
use super::resolvers::ResolversConfig;
use super::server::{InitAddr, sound_name};
use super::value::Place;
use super::{Config, Notes};
use crate::syntax::{self, Line};

/// Sections of HAProxy that this proxy does not play.
const UNSUPPORTED: &[&str] = &[
    "cache",
    "fcgi-app",
    "http-errors",
    "log-forward",
    "mailers",
    "peers",
    "program",
    "ring",
    "userlist",
];

/// Reads the files at `paths` in their order, as several `-f` do.
pub fn load(launch: &Launch, paths: &[String]) -> Result<(Config, Facts), Diagnostics> {
    let mut notes = Notes::default();
    let mut lines = Vec::new();
    let mut first = None;
    for path in paths {
        match launch.files.read(path) {
            Ok(text) => {
                first.get_or_insert_with(|| Origin::new(text.shown_as.clone(), 0));
                lines.extend(syntax::lines(&text, &launch.env, &mut notes.diagnostics));
            }
            Err(diagnostic) => notes.diagnostics.push(diagnostic),
        }
    }
    let mut reader = Reader::default();
    for line in &lines {
        reader.line(line, &mut notes);
    }
    reader.close(&mut notes);
    let config = Config {
        global: reader.global,
        proxies: reader.proxies,
        resolvers: reader.resolvers,
    };
    check(&config, first, &mut notes);
    Diagnostics::check(notes.diagnostics)?;
    let mut facts = notes.facts;
    gather(&config, &mut facts);
    Ok((config, facts))
}

/// The section that lines go to.
#[derive(Default)]
enum Open {
    /// Before the first one.
    #[default]
    Nothing,
    /// One that was refused: its lines are passed over.
    Refused,
    Global,
    Defaults(Option<String>, Box<Lines>),
    Proxy(Section, String, Origin, Box<Lines>),
    Resolvers(ResolversConfig),
}

#[derive(Default)]
struct Reader {
    open: Open,
    global: Global,
    /// Named ones by name; the last one of all under the empty name.
    defaults: BTreeMap<String, Lines>,
    proxies: Vec<ProxyConfig>,
    resolvers: Vec<ResolversConfig>,
}

impl Reader {
    fn line(&mut self, line: &Line, notes: &mut Notes) {
        let origin = &line.origin;
        match line.words[0].as_str() {
            "global" | "defaults" | "frontend" | "backend" | "listen" | "resolvers" => {
                self.close(notes);
                self.open = self.section(line, notes);
            }
            section if UNSUPPORTED.contains(&section) => {
                self.close(notes);
                notes.unsupported(origin, &format!("section {section}"), "");
                self.open = Open::Refused;
            }
            block if block.starts_with('.') => {
                notes.unsupported(origin, block, "conditional blocks are not played");
            }
            keyword => match &mut self.open {
                Open::Nothing => {
                    notes.wrong(
                        origin,
                        format!("unknown keyword '{keyword}' out of section"),
                    );
                }
                Open::Refused => {}
                Open::Global => global::read(line, &mut self.global, notes),
                Open::Defaults(_, lines) => lines.read(None, line, notes),
                Open::Proxy(section, _, _, lines) => lines.read(Some(*section), line, notes),
                Open::Resolvers(resolvers) => resolvers.read(line, notes),
            },
        }
    }

    /// The section that `line` opens.
    fn section(&mut self, line: &Line, notes: &mut Notes) -> Open {
        let origin = &line.origin;
        let words: Vec<&str> = line.words.iter().map(String::as_str).collect();
        let (keyword, name, from) = match words[..] {
            [keyword] => (keyword, None, None),
            [keyword, name] => (keyword, Some(name), None),
            [keyword, name, "from", from] => (keyword, Some(name), Some(from)),
            _ => {
                notes.wrong(
                    origin,
                    format!("'{}' takes a name and 'from' a name", words[0]),
                );
                return Open::Refused;
            }
        };
        let lines = match from {
            None if keyword == "defaults" => Lines::default(),
            from => match self.defaults.get(from.unwrap_or_default()) {
                Some(defaults) => defaults.inherit(),
                None if from.is_none() => Lines::default(),
                None => {
                    let from = from.unwrap_or_default();
                    notes.wrong(origin, format!("no defaults section is called '{from}'"));
                    Lines::default()
                }
            },
        };
        if keyword == "global" {
            return Open::Global;
        }
        if keyword == "defaults" {
            return Open::Defaults(name.map(str::to_owned), Box::new(lines));
        }
        let Some(name) = name else {
            notes.wrong(origin, format!("'{keyword}' wants a name"));
            return Open::Refused;
        };
        if !sound_name(name) {
            let text = format!("'{name}': a section's name is made of letters, digits, - _ . :");
            notes.wrong(origin, text);
        }
        let section = match keyword {
            "frontend" => Section::Frontend,
            "backend" => Section::Backend,
            "listen" => Section::Listen,
            _ => return Open::Resolvers(ResolversConfig::new(name, origin)),
        };
        Open::Proxy(section, name.to_owned(), origin.clone(), Box::new(lines))
    }

    fn close(&mut self, notes: &mut Notes) {
        match std::mem::take(&mut self.open) {
            Open::Nothing | Open::Refused | Open::Global => {}
            Open::Defaults(name, lines) => {
                if let Some(name) = name {
                    self.defaults.insert(name, (*lines).clone());
                }
                self.defaults.insert(String::new(), *lines);
            }
            Open::Proxy(section, name, origin, lines) => {
                let id = u32::try_from(self.proxies.len()).unwrap_or(u32::MAX - 1) + 1;
                let proxy = lines.finish(section, &name, id, &origin, notes);
                self.proxies.push(proxy);
            }
            Open::Resolvers(resolvers) => self.resolvers.push(resolvers),
        }
    }
}

/// What sections say of each other.
fn check(config: &Config, file: Option<Origin>, notes: &mut Notes) {
    if config.proxies.is_empty() && notes.diagnostics.is_empty() {
        let mut diagnostic = Diagnostic::new("no frontend and no listen section: nothing to do");
        diagnostic.origin = file;
        notes.diagnostics.push(diagnostic);
    }
    let mut bound: BTreeMap<SocketAddr, Origin> = BTreeMap::new();
    for (index, proxy) in config.proxies.iter().enumerate() {
        let name = &*proxy.name;
        let twin = config.proxies[..index].iter().find(|other| {
            other.name == proxy.name
                && (other.section == Section::Listen
                    || proxy.section == Section::Listen
                    || other.section == proxy.section)
        });
        if let Some(other) = twin {
            let text = format!("'{name}' is there already, at {}", other.origin);
            notes.wrong(&proxy.origin, text);
        }
        if proxy.disabled {
            continue;
        }
        for bind in proxy.binds.iter().filter(|bind| bind.address.port() != 0) {
            if let Some(other) = bound.insert(bind.address, bind.origin.clone()) {
                let text = format!("{} is bound already, at {other}", bind.address);
                notes.wrong(&bind.origin, text);
            }
        }
        if proxy.section.accepts() && proxy.binds.is_empty() {
            let keyword = proxy.section.keyword();
            let text = format!("{keyword} '{name}' has no 'bind' line");
            notes.wrong(&proxy.origin, text);
        }
        check_mode(proxy, notes);
        check_references(proxy, config, notes);
    }
    for (index, section) in config.resolvers.iter().enumerate() {
        if config.resolvers[..index]
            .iter()
            .any(|other| other.name == section.name)
        {
            let text = format!("resolvers '{}' is there already", section.name);
            notes.wrong(&section.origin, text);
        }
        if section.nameservers.is_empty() && !section.parse_resolv_conf {
            let text = format!("resolvers '{}' has no 'nameserver'", section.name);
            notes.wrong(&section.origin, text);
        }
    }
}

fn check_mode(proxy: &ProxyConfig, notes: &mut Notes) {
    let help = "write 'mode tcp'; 'mode http' is played for the statistics page only";
    if proxy.mode == Mode::Http {
        let of = if let Some((_, origin)) = &proxy.backend {
            Some(origin)
        } else if let Some(server) = proxy.servers.first() {
            Some(&server.origin)
        } else if proxy.section.accepts() && proxy.stats.is_none() {
            Some(&proxy.origin)
        } else {
            None
        };
        if let Some(origin) = of {
            notes.unsupported(origin, "traffic in mode http", help);
        }
    } else if proxy.stats.is_some() && proxy.section.accepts() {
        notes.without_effect(&proxy.origin, "stats outside of mode http");
    }
}

fn check_references(proxy: &ProxyConfig, config: &Config, notes: &mut Notes) {
    if let Some((name, origin)) = &proxy.backend {
        let backend = config
            .proxies
            .iter()
            .find(|other| *other.name == **name && other.section.has_servers());
        match backend {
            None => notes.wrong(origin, format!("no backend is called '{name}'")),
            Some(backend) if backend.mode != proxy.mode => {
                let text = format!("'{}' and its backend '{name}' differ in 'mode'", proxy.name);
                notes.wrong(origin, text);
            }
            Some(_) => {}
        }
    }
    for server in &proxy.servers {
        let Some(resolvers) = &server.options.resolvers else {
            continue;
        };
        if !config
            .resolvers
            .iter()
            .any(|section| section.name == *resolvers)
        {
            let text = format!("no resolvers section is called '{resolvers}'");
            notes.wrong(&server.origin, text);
        }
    }
}

fn gather(config: &Config, facts: &mut Facts) {
    for proxy in config.proxies.iter().filter(|proxy| !proxy.disabled) {
        for bind in &proxy.binds {
            facts
                .listens
                .push((bind.address, Some(bind.origin.clone())));
        }
        for server in &proxy.servers {
            let Place::Name(name) = &server.place else {
                continue;
            };
            let required = !server
                .options
                .init_addr
                .iter()
                .any(|way| matches!(way, InitAddr::None | InitAddr::Ip(_)));
            let known = facts.names_required.iter().any(|(other, _)| other == name);
            if required && !known {
                let origin = Some(server.origin.clone());
                facts.names_required.push((name.clone(), origin));
            }
        }
    }
}
