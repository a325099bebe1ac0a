//! Which server and which location a request belongs to (nginx's "Server names" and `location`).

use std::net::SocketAddr;
use std::sync::Arc;

use crate::app::App;
use crate::config::location::{Location, Locations};
use crate::config::pattern::Pattern;
use crate::config::server::{Server, ServerName};
use crate::request::Request;

/// A location that was found.
pub(crate) struct Found<'a> {
    pub(crate) location: &'a Arc<Location>,
    pattern: Option<&'a Pattern>,
    is_exact: bool,
    /// The request is for `/a` and the location is `/a/`.
    pub(crate) lacks_slash: bool,
}

/// Searches one level of locations, and those within what it finds.
pub(crate) fn search<'a>(locations: &'a Locations, path: &str) -> Option<Found<'a>> {
    let found = |location, pattern, is_exact| Found {
        location,
        pattern,
        is_exact,
        lacks_slash: false,
    };
    if let Some(location) = locations.exact.get(path) {
        return Some(found(location, None, true));
    }
    let prefixes = locations.prefixes.iter();
    let all = prefixes
        .clone()
        .map(|p| &p.location)
        .chain(locations.exact.values());
    let lacking = all.into_iter().find(|location| {
        location.redirects_to_slash && location.name.strip_suffix('/') == Some(path)
    });
    if let Some(location) = lacking
        && !prefixes.clone().any(|prefix| prefix.location.name == path)
    {
        return Some(Found {
            lacks_slash: true,
            ..found(location, None, true)
        });
    }
    let mut candidate = None;
    let mut final_word = false;
    let longest = locations
        .prefixes
        .iter()
        .find(|p| path.starts_with(&p.location.name));
    if let Some(prefix) = longest {
        final_word = prefix.final_word;
        candidate = Some(found(&prefix.location, None, false));
        if let Some(nested) = search(&prefix.location.nested, path) {
            if nested.is_exact || nested.pattern.is_some() {
                return Some(nested);
            }
            candidate = Some(nested);
        }
    }
    if !final_word {
        for (pattern, location) in &locations.patterns {
            if pattern.regex.is_match(path) {
                return Some(found(location, Some(pattern), false));
            }
        }
    }
    candidate
}

impl App {
    /// The server for a request on a connection to `local` that names `host`.
    pub(crate) fn server(&self, local: SocketAddr, host: &str) -> (&Arc<Server>, Option<&Pattern>) {
        let servers = &self.config.servers;
        let Some(listen) = self.config.listen_of(local) else {
            // The listener is gone from the list only if the list is empty.
            return (&servers[0], None);
        };
        let mut best: Option<(u8, usize, usize, Option<&Pattern>)> = None;
        for &place in &listen.servers {
            for name in &servers[place].names {
                // Exact names first, then the longest "*." name, the longest ".*" name, and the
                // first expression that fits.
                let (rank, length, pattern) = match name {
                    ServerName::Exact(name) if name == host => (4, 0, None),
                    ServerName::Hostname if self.host.name().eq_ignore_ascii_case(host) => {
                        (4, 0, None)
                    }
                    ServerName::Suffix(suffix) if host.ends_with(suffix.as_str()) => {
                        (3, suffix.len(), None)
                    }
                    ServerName::Prefix(prefix) if host.starts_with(prefix.as_str()) => {
                        (2, prefix.len(), None)
                    }
                    ServerName::Pattern(pattern) if pattern.regex.is_match(host) => {
                        (1, 0, Some(pattern))
                    }
                    _ => continue,
                };
                if best.is_none_or(|(r, l, ..)| (rank, length) > (r, l)) {
                    best = Some((rank, length, place, pattern));
                }
            }
        }
        match best {
            Some((_, _, place, pattern)) => (&servers[place], pattern),
            None => (&servers[listen.default_server], None),
        }
    }

    /// Finds the location for the request's path and makes it the request's own.
    pub(crate) fn locate(&self, request: &mut Request) -> bool {
        let server = request.server.clone();
        let found = search(&server.locations, &request.path);
        let lacks_slash = found.as_ref().is_some_and(|found| found.lacks_slash);
        match found {
            Some(found) => {
                request.location = found.location.clone();
                if let Some(pattern) = found.pattern {
                    let path = request.path.clone();
                    capture(pattern, &path, request);
                }
            }
            None => request.location = server.fallback.clone(),
        }
        lacks_slash
    }
}

/// Matches and, if it does, keeps the captures for `$1` and the named variables.
pub(crate) fn capture(pattern: &Pattern, text: &str, request: &mut Request) -> bool {
    let Some(captures) = pattern.regex.captures(text) else {
        return false;
    };
    let group = |at| {
        captures
            .get(at)
            .map_or("", |found| found.as_str())
            .to_owned()
    };
    request.captures = (0..captures.len()).map(group).collect();
    for (at, slot) in &pattern.named {
        request.slots[*slot] = Some(request.captures[*at].clone());
    }
    true
}
