//! `resolvers` sections (configuration.txt 5.3.2).

use std::net::SocketAddr;
use std::time::Duration;

use squall_host::diagnostic::Origin;

use super::Notes;
use super::value;
use crate::syntax::Line;

/// Name servers that one section may have.
const NAMESERVERS_MAX: usize = 16;

/// One `resolvers` section.
#[derive(Clone, Debug)]
pub struct ResolversConfig {
    /// Its name.
    pub name: String,
    /// Name and address of each `nameserver`.
    pub nameservers: Vec<(String, SocketAddr)>,
    /// Whether those of `/etc/resolv.conf` are used too.
    pub parse_resolv_conf: bool,
    /// Queries before a look-up counts as failed; 3.
    pub resolve_retries: u32,
    /// Between two look-ups of a name; 1 s.
    pub timeout_resolve: Duration,
    /// Between two queries of a look-up; 1 s.
    pub timeout_retry: Duration,
    /// How long the last good answer is kept.
    pub hold: Hold,
    /// The line.
    pub origin: Origin,
}

/// How long the last good answer is kept after another kind of answer.
#[derive(Clone, Debug)]
pub struct Hold {
    /// NXDOMAIN; 30 s.
    pub nx: Duration,
    /// No answer; 30 s.
    pub timeout: Duration,
    /// REFUSED; 30 s.
    pub refused: Duration,
    /// Any other error; 30 s.
    pub other: Duration,
    /// An address that is no longer in the answers; 0.
    pub obsolete: Duration,
}

impl ResolversConfig {
    /// An empty section.
    pub(crate) fn new(name: &str, origin: &Origin) -> Self {
        let hold = Duration::from_secs(30);
        Self {
            name: name.to_owned(),
            nameservers: Vec::new(),
            parse_resolv_conf: false,
            resolve_retries: 3,
            timeout_resolve: Duration::from_secs(1),
            timeout_retry: Duration::from_secs(1),
            hold: Hold {
                nx: hold,
                timeout: hold,
                refused: hold,
                other: hold,
                obsolete: Duration::ZERO,
            },
            origin: origin.clone(),
        }
    }

    /// Reads one line.
    pub(crate) fn read(&mut self, line: &Line, notes: &mut Notes) {
        let origin = &line.origin;
        let word = |index: usize| {
            line.words
                .get(index)
                .map(String::as_str)
                .unwrap_or_default()
        };
        match word(0) {
            "nameserver" => {
                if self.nameservers.len() >= NAMESERVERS_MAX {
                    notes.wrong(origin, format!("more than {NAMESERVERS_MAX} name servers"));
                    return;
                }
                let Ok(address) = word(2).trim_start_matches("udp@").parse() else {
                    let text = format!("'nameserver' wants a name and ip:port, got '{}'", word(2));
                    notes.wrong(origin, text);
                    return;
                };
                self.nameservers.push((word(1).to_owned(), address));
            }
            "parse-resolv-conf" => self.parse_resolv_conf = true,
            "resolve_retries" => {
                let number = value::number("resolve_retries", word(1), 1..=100);
                self.resolve_retries = notes.take(origin, number).unwrap_or(3);
            }
            "timeout" => {
                let Some(time) = notes.take(origin, value::time(word(2))) else {
                    return;
                };
                if time.is_zero() {
                    notes.wrong(origin, "a resolver's timeout cannot be 0");
                    return;
                }
                match word(1) {
                    "resolve" => self.timeout_resolve = time,
                    "retry" => self.timeout_retry = time,
                    other => notes.wrong(
                        origin,
                        format!("'timeout' wants resolve or retry, got '{other}'"),
                    ),
                }
            }
            "hold" => {
                let Some(time) = notes.take(origin, value::time(word(2))) else {
                    return;
                };
                match word(1) {
                    "nx" => self.hold.nx = time,
                    "timeout" => self.hold.timeout = time,
                    "refused" => self.hold.refused = time,
                    "other" => self.hold.other = time,
                    "obsolete" => self.hold.obsolete = time,
                    // Serves `do-resolve` only, not servers.
                    "valid" => notes.without_effect(origin, "hold valid"),
                    other => notes.wrong(origin, format!("'hold' does not know '{other}'")),
                }
            }
            "accepted_payload_size" => notes.without_effect(origin, "accepted_payload_size"),
            unknown => notes.wrong(
                origin,
                format!("unknown keyword '{unknown}' in 'resolvers' section"),
            ),
        }
    }
}
