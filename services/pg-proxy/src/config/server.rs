//! `server`, `default-server` and `server-template` lines (configuration.txt 5.2).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use squall_host::diagnostic::Origin;

use super::Notes;
use super::value::{self, Place};

/// Slots that one `server-template` may ask for.
const TEMPLATE_SLOTS_MAX: u32 = 1_000;

/// One server of a backend.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// Its name, unique in its backend.
    pub name: Arc<str>,
    /// Its number in its backend, from 1.
    pub id: u32,
    /// Where it is.
    pub place: Place,
    /// Its port.
    pub port: u16,
    /// What the line says beside.
    pub options: ServerOptions,
    /// The line.
    pub origin: Origin,
}

/// The options of a server, as `default-server` sets them too.
#[derive(Clone, Debug)]
pub struct ServerOptions {
    /// Whether it is checked.
    pub check: bool,
    /// Between two checks when the state is settled; 2 s.
    pub inter: Duration,
    /// Between two checks while the state is changing.
    pub fastinter: Option<Duration>,
    /// Between two checks when it is down for good.
    pub downinter: Option<Duration>,
    /// Failures that make it DOWN; 3.
    pub fall: u32,
    /// Successes that make it UP; 2.
    pub rise: u32,
    /// Port of the checks.
    pub check_port: Option<u16>,
    /// Address of the checks.
    pub check_address: Option<IpAddr>,
    /// Share of the load, 0 to 256; 1.
    pub weight: u32,
    /// Sessions at once; more are queued.
    pub maxconn: Option<u32>,
    /// Sessions that may be queued; 0 is without limit.
    pub maxqueue: u32,
    /// Used only when no other is left.
    pub backup: bool,
    /// Starts in maintenance.
    pub disabled: bool,
    /// How long it takes to its full share after it came up.
    pub slowstart: Option<Duration>,
    /// The `resolvers` section that looks its name up at run time.
    pub resolvers: Option<String>,
    /// How the name is looked up at start.
    pub init_addr: Vec<InitAddr>,
    /// Whether several servers may share an address.
    pub duplicate_addresses: bool,
    /// `on-marked-down shutdown-sessions`
    pub shutdown_sessions_when_down: bool,
    /// `on-marked-up shutdown-backup-sessions`
    pub shutdown_backup_sessions_when_up: bool,
}

/// One way to the address of a name at start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InitAddr {
    /// From a state file; there is none, so it never has one.
    Last,
    /// From the operating system.
    Libc,
    /// Start without.
    None,
    /// This one.
    Ip(IpAddr),
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            check: false,
            inter: Duration::from_secs(2),
            fastinter: None,
            downinter: None,
            fall: 3,
            rise: 2,
            check_port: None,
            check_address: None,
            weight: 1,
            maxconn: None,
            maxqueue: 0,
            backup: false,
            disabled: false,
            slowstart: None,
            resolvers: None,
            init_addr: vec![InitAddr::Last, InitAddr::Libc],
            duplicate_addresses: false,
            shutdown_sessions_when_down: false,
            shutdown_backup_sessions_when_up: false,
        }
    }
}

/// Keywords without effect here, with the number of their arguments.
const WITHOUT_EFFECT: &[(&str, usize)] = &[
    ("cookie", 1),
    ("id", 1),
    ("no-ssl", 0),
    ("no-verifyhost", 0),
    ("non-stick", 0),
    ("pool-low-conn", 1),
    ("pool-max-conn", 1),
    ("pool-purge-delay", 1),
    ("resolve-net", 1),
    ("resolve-prefer", 1),
    ("stick", 0),
    ("tcp-ut", 1),
    ("tfo", 0),
];

/// Keywords of HAProxy that this proxy does not play.
const UNSUPPORTED: &[&str] = &[
    "addr-port",
    "agent-addr",
    "agent-check",
    "agent-inter",
    "agent-port",
    "agent-send",
    "allow-0rtt",
    "alpn",
    "ca-file",
    "check-alpn",
    "check-proto",
    "check-send-proxy",
    "check-sni",
    "check-ssl",
    "check-via-socks4",
    "ciphers",
    "ciphersuites",
    "crl-file",
    "crt",
    "error-limit",
    "force-sslv3",
    "force-tlsv10",
    "force-tlsv11",
    "force-tlsv12",
    "force-tlsv13",
    "minconn",
    "namespace",
    "npn",
    "observe",
    "on-error",
    "proto",
    "proxy-v2-options",
    "redir",
    "send-proxy",
    "send-proxy-v2",
    "send-proxy-v2-ssl",
    "send-proxy-v2-ssl-cn",
    "sni",
    "socks4",
    "source",
    "ssl",
    "ssl-max-ver",
    "ssl-min-ver",
    "track",
    "tls-tickets",
    "usesrc",
    "verify",
    "verifyhost",
    "ws",
];

/// Reads `server NAME ADDRESS OPTIONS…`; `id` is its number.
pub(crate) fn read(
    words: &[String],
    defaults: &ServerOptions,
    id: u32,
    origin: &Origin,
    notes: &mut Notes,
) -> Option<ServerConfig> {
    let [name, address, options @ ..] = words else {
        notes.wrong(origin, "'server' wants a name and an address");
        return None;
    };
    if !sound_name(name) {
        let text = format!("'{name}': a server's name is made of letters, digits, - _ . :");
        notes.wrong(origin, text);
        return None;
    }
    let (place, port) = notes.take(origin, value::place(address))?;
    let options = read_options(options, defaults.clone(), origin, notes)?;
    let Some(port) = port else {
        let text =
            format!("server '{name}' has no port; the client's port is not passed on by squall");
        notes.wrong(origin, text);
        return None;
    };
    Some(ServerConfig {
        name: name.as_str().into(),
        id,
        place,
        port,
        options,
        origin: origin.clone(),
    })
}

/// Reads `server-template PREFIX COUNT|RANGE ADDRESS OPTIONS…`.
pub(crate) fn read_template(
    words: &[String],
    defaults: &ServerOptions,
    first_id: u32,
    origin: &Origin,
    notes: &mut Notes,
) -> Vec<ServerConfig> {
    let [prefix, range, rest @ ..] = words else {
        notes.wrong(
            origin,
            "'server-template' wants a prefix, a number and an address",
        );
        return Vec::new();
    };
    let number = |word: &str| value::number("server-template", word, 1..=100_000);
    let bounds = match range.split_once('-') {
        Some((from, to)) => number(from).and_then(|from| Ok((from, number(to)?))),
        None => number(range).map(|to| (1, to)),
    };
    let Some((from, to)) = notes.take(origin, bounds) else {
        return Vec::new();
    };
    if to < from || to - from >= TEMPLATE_SLOTS_MAX {
        let text = format!("'{range}': a server-template has 1 to {TEMPLATE_SLOTS_MAX} servers");
        notes.wrong(origin, text);
        return Vec::new();
    }
    let mut one = vec![format!("{prefix}{from}")];
    one.extend_from_slice(rest);
    let Some(first) = read(&one, defaults, first_id, origin, notes) else {
        return Vec::new();
    };
    (from..=to)
        .map(|number| ServerConfig {
            name: format!("{prefix}{number}").into(),
            id: first_id + (number - from),
            ..first.clone()
        })
        .collect()
}

/// Reads options over `options`, which `default-server` gave.
pub(crate) fn read_options(
    words: &[String],
    mut options: ServerOptions,
    origin: &Origin,
    notes: &mut Notes,
) -> Option<ServerOptions> {
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let keyword = word.as_str();
        let flag = match keyword {
            "check" => Some(&mut options.check),
            "backup" => Some(&mut options.backup),
            "disabled" => Some(&mut options.disabled),
            _ => None,
        };
        if let Some(flag) = flag {
            *flag = true;
            continue;
        }
        match keyword {
            "no-check" => options.check = false,
            "no-backup" => options.backup = false,
            "enabled" => options.disabled = false,
            "inter" | "fastinter" | "downinter" | "fall" | "rise" | "port" | "addr" | "weight"
            | "maxconn" | "maxqueue" | "slowstart" | "resolvers" | "init-addr" | "resolve-opts"
            | "on-marked-down" | "on-marked-up" => {
                let Some(value) = words.next() else {
                    notes.wrong(origin, format!("'{keyword}' wants a value"));
                    return None;
                };
                notes.take(origin, options.set(keyword, value))?;
            }
            other => {
                if let Some((_, arguments)) = WITHOUT_EFFECT.iter().find(|(name, _)| *name == other)
                {
                    notes.without_effect(origin, format!("server … {other}"));
                    words.by_ref().take(*arguments).for_each(drop);
                } else if UNSUPPORTED.contains(&other) {
                    notes.unsupported(origin, &format!("server … {other}"), "");
                    return None;
                } else {
                    notes.wrong(
                        origin,
                        format!("unknown keyword '{other}' on a 'server' line"),
                    );
                    return None;
                }
            }
        }
    }
    Some(options)
}

impl ServerOptions {
    fn set(&mut self, keyword: &str, word: &str) -> Result<(), String> {
        let interval = |word| match value::time(word)? {
            time if time.is_zero() => Err(format!("'{keyword}' cannot be 0")),
            time => Ok(time),
        };
        match keyword {
            "inter" => self.inter = interval(word)?,
            "fastinter" => self.fastinter = Some(interval(word)?),
            "downinter" => self.downinter = Some(interval(word)?),
            "fall" => self.fall = value::number(keyword, word, 1..=1_000_000)?,
            "rise" => self.rise = value::number(keyword, word, 1..=1_000_000)?,
            "port" => self.check_port = Some(value::port(word)?),
            "addr" => match value::place(word)? {
                (Place::Ip(ip), None) => self.check_address = Some(ip),
                _ => return Err(format!("'addr' wants an IP address, got '{word}'")),
            },
            "weight" => self.weight = value::number(keyword, word, 0..=256)?,
            "maxconn" => {
                let number = value::number(keyword, word, 0..=1_000_000)?;
                self.maxconn = (number > 0).then_some(number);
            }
            "maxqueue" => self.maxqueue = value::number(keyword, word, 0..=1_000_000)?,
            "slowstart" => self.slowstart = Some(value::time(word)?).filter(|time| !time.is_zero()),
            "resolvers" => self.resolvers = Some(word.to_owned()),
            "init-addr" => {
                self.init_addr = word.split(',').map(init_addr).collect::<Result<_, _>>()?
            }
            "resolve-opts" => {
                for option in word.split(',') {
                    match option {
                        "allow-dup-ip" => self.duplicate_addresses = true,
                        "prevent-dup-ip" => self.duplicate_addresses = false,
                        "ignore-weight" => {}
                        other => return Err(format!("unknown option '{other}' of 'resolve-opts'")),
                    }
                }
            }
            "on-marked-down" if word == "shutdown-sessions" => {
                self.shutdown_sessions_when_down = true
            }
            "on-marked-up" if word == "shutdown-backup-sessions" => {
                self.shutdown_backup_sessions_when_up = true;
            }
            _ => return Err(format!("'{keyword}' does not know '{word}'")),
        }
        Ok(())
    }
}

fn init_addr(word: &str) -> Result<InitAddr, String> {
    match word {
        "last" => Ok(InitAddr::Last),
        "libc" => Ok(InitAddr::Libc),
        "none" => Ok(InitAddr::None),
        ip => ip.parse().map(InitAddr::Ip).map_err(|_| {
            format!("'init-addr' wants last, libc, none or an IP address, got '{ip}'")
        }),
    }
}

/// HAProxy's rule for the names of sections and servers.
pub(crate) fn sound_name(name: &str) -> bool {
    !name.is_empty()
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':'))
}
