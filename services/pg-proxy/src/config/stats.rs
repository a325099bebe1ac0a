//! `stats` lines of a proxy (configuration.txt 4.2 `stats …`).

use std::time::Duration;

use squall_host::diagnostic::Origin;

use super::Notes;
use super::value;

/// The statistics page of one proxy.
#[derive(Clone, Debug)]
pub struct StatsConfig {
    /// Where it is; `/haproxy?stats` unless said otherwise.
    pub uri: String,
    /// How often a browser fetches it again.
    pub refresh: Option<Duration>,
    /// Addresses and identifiers in the page.
    pub show_legends: bool,
    /// No version in the page.
    pub hide_version: bool,
    /// `user:password` of those who may see it; empty for everyone.
    pub auth: Vec<String>,
    /// What a browser shows when it asks for them.
    pub realm: String,
    /// Shown beside the process.
    pub node: Option<String>,
    /// Shown beside the process.
    pub description: Option<String>,
}

impl Default for StatsConfig {
    fn default() -> Self {
        Self {
            uri: "/haproxy?stats".to_owned(),
            refresh: None,
            show_legends: false,
            hide_version: false,
            auth: Vec::new(),
            realm: "HAProxy Statistics".to_owned(),
            node: None,
            description: None,
        }
    }
}

/// Reads the words after `stats`.
pub(crate) fn read(
    words: &[String],
    stats: &mut Option<StatsConfig>,
    origin: &Origin,
    notes: &mut Notes,
) {
    let argument = words.get(1).map(String::as_str).unwrap_or_default();
    let page = stats.get_or_insert_default();
    match words.first().map(String::as_str) {
        Some("enable") => {}
        Some("uri") if argument.starts_with('/') => argument.clone_into(&mut page.uri),
        Some("uri") => notes.wrong(origin, "'stats uri' wants a path that starts with '/'"),
        Some("refresh") => {
            // Here, and only here, a bare number is in seconds.
            let bare = !argument.is_empty() && argument.bytes().all(|b| b.is_ascii_digit());
            let text = format!("{argument}{}", if bare { "s" } else { "" });
            page.refresh = notes.take(origin, value::time(&text));
        }
        Some("show-legends") => page.show_legends = true,
        Some("show-modules") => notes.without_effect(origin, "stats show-modules"),
        Some("hide-version") => page.hide_version = true,
        Some("auth") if argument.contains(':') => page.auth.push(argument.to_owned()),
        Some("auth") => notes.wrong(origin, "'stats auth' wants user:password"),
        Some("realm") => argument.clone_into(&mut page.realm),
        Some("show-node") => page.node = Some(argument.to_owned()),
        Some("show-desc") => page.description = Some(words[1..].join(" ")),
        Some(other) => notes.unsupported(origin, &format!("stats {other}"), ""),
        None => notes.wrong(origin, "'stats' wants a keyword"),
    }
}
