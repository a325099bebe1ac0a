//! Flags and environment, read. `KVSTORE_MODE` and `KVSTORE_ADDR` are the lab's names; a flag goes before
//! the variable, as in the lab.

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use squall_host::{Diagnostic, Diagnostics, Launch};

use crate::accounts::Overflow;

/// What the service is told.
///
/// | variable | default | meaning |
/// |---|---|---|
/// | `KVSTORE_MODE`, flag `-mode` | `local` | where balances are and how they change: see [`Mode`] |
/// | `KVSTORE_ADDR`, flag `-addr` | `localhost:8081` | the store, for all modes but `local` |
/// | `LISTEN` | `0.0.0.0:8080` | where it listens |
/// | `REQUEST_TIMEOUT_MS` | `10000` | no request is answered later, but for transfers in mode `kvstore` |
/// | `STORE_TIMEOUT_MS` | `2000` | for one request to the store |
/// | `IN_FLIGHT_MAX` | `1024` | requests in progress; more are refused with 503 at once |
/// | `SHUTDOWN_DELAY_MS` | `0` | it goes on serving, not ready, for so long after it is told to stop |
/// | `SHUTDOWN_GRACE_MS` | `600000` | after that, for what is in progress |
/// | `CONNECTIONS_MAX` | `4096` | clients at a time |
///
/// The original's ways, where ours are other ones:
///
/// | variable | default | the original's |
/// |---|---|---|
/// | `UNKNOWN_MODE` | `refuse`: an unknown mode is an error at the start | `local`: it means `local` |
/// | `DOWNSTREAM_STATUS` | `5xx`: 503 when nothing was applied, 504 when nobody knows; reads 502, 503, 504 | `400`: a transfer that the store fails is 400, a read 500 |
/// | `UNKNOWN_PATHS` | `404` | `page`: every path and method that is not known gets the page |
/// | `OVERFLOW` | `refuse`: 422 when a balance would leave 64 bits | `wrap` |
/// | `EMPTY_NAMES` | `refuse`: 400 | `accept` them in mode `local` |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Where balances are and how they change.
    pub mode: Mode,
    /// The store.
    pub store: StoreAddress,
    /// No request is answered later, but for transfers in mode `kvstore`.
    pub request_timeout: Duration,
    /// For one request to the store.
    pub store_timeout: Duration,
    /// Requests in progress; more are refused.
    pub in_flight_max: usize,
    /// It goes on serving, not ready, for so long after it is told to stop.
    pub shutdown_delay: Duration,
    /// After that, for what is in progress.
    pub shutdown_grace: Duration,
    /// Clients at a time.
    pub connections_max: usize,
    /// Whether what the store fails is answered as the original does.
    pub original_statuses: bool,
    /// Whether unknown paths get the page.
    pub page_everywhere: bool,
    /// What becomes of a balance that does not fit into 64 bits.
    pub overflow: Overflow,
    /// Whether names may be empty.
    pub empty_names: bool,
}

/// Where balances are and how they change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// In this process, gone with it.
    Local,
    /// In the store, one after the other, repeated without end: the seed's first.
    Kvstore,
    /// In the store, one after the other, with bounded retries and an undo: the seed's second.
    Resilient,
    /// In the store, both in one transaction: exact.
    Transactional,
}

impl Mode {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Kvstore => "kvstore",
            Self::Resilient => "resilientkvstore",
            Self::Transactional => "transactionalkvstore",
        }
    }

    const ALL: [Self; 4] = [
        Self::Local,
        Self::Kvstore,
        Self::Resilient,
        Self::Transactional,
    ];
}

/// Where the store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreAddress {
    /// A name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

impl FromStr for StoreAddress {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let expected = "it is HOST:PORT, as in `kvstore.default:8081`";
        let (host, port) = text.rsplit_once(':').ok_or(expected)?;
        let port = port.parse().map_err(|_| expected)?;
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        let odd = |c: char| !c.is_ascii_graphic() || "/?#@[]".contains(c);
        if host.is_empty() || host.contains(odd) || (bare.is_none() && host.contains(':')) {
            return Err(expected);
        }
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl std::fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Config {
    /// Reads flags and environment; complains about every value that makes no sense.
    pub fn read(launch: &Launch) -> Result<Self, Diagnostics> {
        let mut settings = Settings {
            launch,
            flags: Vec::new(),
            problems: Vec::new(),
        };
        settings.read_flags();
        let any_mode = settings.choice("UNKNOWN_MODE", ["refuse", "local"]);
        let config = Self {
            listen: settings.parsed("LISTEN", (Ipv4Addr::UNSPECIFIED, 8_080).into()),
            mode: settings.mode(any_mode),
            store: settings.store(),
            request_timeout: settings.milliseconds("REQUEST_TIMEOUT_MS", 10_000),
            store_timeout: settings.milliseconds("STORE_TIMEOUT_MS", 2_000),
            in_flight_max: settings.parsed("IN_FLIGHT_MAX", 1_024),
            shutdown_delay: settings.milliseconds("SHUTDOWN_DELAY_MS", 0),
            shutdown_grace: settings.milliseconds("SHUTDOWN_GRACE_MS", 600_000),
            connections_max: settings.parsed("CONNECTIONS_MAX", 4_096),
            original_statuses: settings.choice("DOWNSTREAM_STATUS", ["5xx", "400"]),
            page_everywhere: settings.choice("UNKNOWN_PATHS", ["404", "page"]),
            overflow: match settings.choice("OVERFLOW", ["refuse", "wrap"]) {
                true => Overflow::Wrap,
                false => Overflow::Refuse,
            },
            empty_names: settings.choice("EMPTY_NAMES", ["refuse", "accept"]),
        };
        Diagnostics::check(settings.problems)?;
        Ok(Self {
            empty_names: config.empty_names && config.mode == Mode::Local,
            ..config
        })
    }
}

struct Settings<'a> {
    launch: &'a Launch,
    /// Each as it was written, and its value.
    flags: Vec<(&'static str, &'a str)>,
    problems: Vec<Diagnostic>,
}

impl Settings<'_> {
    /// As Go's package `flag`: one dash or two, the value behind `=` or as the next argument.
    fn read_flags(&mut self) {
        let mut args = self.launch.args.iter();
        while let Some(arg) = args.next() {
            let bare = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-'));
            let (name, value) = match bare.and_then(|bare| bare.split_once('=')) {
                Some((name, value)) => (name, Some(value)),
                None => (bare.unwrap_or_default(), None),
            };
            let Some(name) = ["mode", "addr"].into_iter().find(|known| *known == name) else {
                let complaint = Diagnostic::new(format!("unexpected argument `{arg}`"));
                self.problems.push(complaint.help(
                    "the flags are `-mode MODE` and `-addr HOST:PORT`; the rest is set by environment variables",
                ));
                continue;
            };
            match value.or_else(|| args.next().map(String::as_str)) {
                Some(value) => self.flags.push((name, value)),
                None => {
                    let complaint = Diagnostic::new(format!("`{arg}` lacks its value"));
                    self.problems
                        .push(complaint.help(format!("write `-{name}=VALUE`")));
                }
            }
        }
    }

    /// The last such flag, otherwise the variable; and how the user wrote it.
    fn flag_or_variable(&self, flag: &str, variable: &str) -> Option<(String, String)> {
        let flags = self.flags.iter().rev();
        if let Some((name, value)) = flags.into_iter().find(|(name, _)| *name == flag) {
            return Some((format!("-{name}"), (*value).to_owned()));
        }
        let value = self.launch.env.get(variable)?;
        Some((variable.to_owned(), value.clone()))
    }

    fn mode(&mut self, any: bool) -> Mode {
        let Some((name, text)) = self.flag_or_variable("mode", "KVSTORE_MODE") else {
            return Mode::Local;
        };
        let known = Mode::ALL.into_iter().find(|mode| mode.name() == text);
        if known.is_none() && !any {
            let complaint = Diagnostic::new(format!("{name}=`{text}`: no such mode"));
            self.problems.push(complaint.help(
                "it is `local`, `kvstore`, `resilientkvstore` or `transactionalkvstore`; \
                 UNKNOWN_MODE=local makes anything else `local`, as in the original",
            ));
        }
        known.unwrap_or(Mode::Local)
    }

    fn store(&mut self) -> StoreAddress {
        let (name, text) = self
            .flag_or_variable("addr", "KVSTORE_ADDR")
            .unwrap_or_else(|| ("KVSTORE_ADDR".to_owned(), "localhost:8081".to_owned()));
        match text.parse() {
            Ok(address) => address,
            Err(expected) => {
                let complaint = Diagnostic::new(format!("{name}=`{text}`: no address of a store"));
                self.problems.push(complaint.help(expected));
                StoreAddress {
                    host: String::new(),
                    port: 0,
                }
            }
        }
    }

    fn parsed<T: FromStr>(&mut self, name: &str, default: T) -> T
    where
        T::Err: std::fmt::Display,
    {
        let Some(text) = self.launch.env.get(name) else {
            return default;
        };
        match text.parse() {
            Ok(value) => value,
            Err(error) => {
                self.complain(name, text, &error.to_string());
                default
            }
        }
    }

    fn milliseconds(&mut self, name: &str, default: u64) -> Duration {
        Duration::from_millis(self.parsed(name, default))
    }

    /// Whether the second of two is chosen; the first is the default.
    fn choice(&mut self, name: &str, [default, other]: [&str; 2]) -> bool {
        match self.launch.env.get(name) {
            Some(text) if text != default && text != other => {
                self.complain(name, text, &format!("it is `{default}` or `{other}`"));
                false
            }
            text => text.is_some_and(|text| text == other),
        }
    }

    fn complain(&mut self, name: &str, value: &str, why: &str) {
        let complaint = Diagnostic::new(format!("{name}=`{value}`: {why}"));
        self.problems.push(complaint.help(format!(
            "set the environment variable {name}, or leave it out"
        )));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(args: &[&str], env: &[(&str, &str)]) -> Result<Config, Diagnostics> {
        Config::read(&Launch {
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            env: env
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Launch::default()
        })
    }

    #[test]
    fn a_flag_goes_before_the_variable_and_the_variable_before_the_default() {
        let mode = |args: &[&str], env: &[(&str, &str)]| read(args, env).map(|c| c.mode.name());
        let env = [("KVSTORE_MODE", "kvstore")];
        assert_eq!(mode(&[], &[]), Ok("local"));
        assert_eq!(mode(&[], &env), Ok("kvstore"));
        for args in [
            &["-mode", "resilientkvstore"][..],
            &["--mode=resilientkvstore"],
            &["-mode=resilientkvstore"],
            &["-mode=local", "--mode", "resilientkvstore"],
        ] {
            assert_eq!(mode(args, &env), Ok("resilientkvstore"), "{args:?}");
        }
    }

    #[test]
    fn an_unknown_mode_is_an_error_unless_the_originals_way_is_asked_for() {
        let error = read(&["-mode=x"], &[]).unwrap_err().to_string();
        assert!(
            error.contains("-mode=`x`") && error.contains("help:"),
            "{error}"
        );
        let config = read(&["-mode=x"], &[("UNKNOWN_MODE", "local")]).unwrap();
        assert_eq!(config.mode, Mode::Local);
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let store = |text: &str| read(&["-addr", text], &[]).map(|c| c.store.to_string());
        for good in ["kvstore.default:8081", "10.0.0.1:80", "[::1]:8081"] {
            assert_eq!(store(good).as_deref(), Ok(good));
        }
        for bad in [
            "",
            "kvstore",
            ":1",
            "a:b",
            "http://a:1",
            "::1:80",
            "a b:1",
            "a:70000",
        ] {
            assert!(store(bad).is_err(), "{bad}");
        }
        assert_eq!(read(&[], &[]).unwrap().store.to_string(), "localhost:8081");
    }

    #[test]
    fn every_value_without_sense_is_named() {
        let env = [
            ("LISTEN", "8080"),
            ("REQUEST_TIMEOUT_MS", "1s"),
            ("IN_FLIGHT_MAX", "-1"),
            ("OVERFLOW", "panic"),
            ("DOWNSTREAM_STATUS", "500"),
            ("UNKNOWN_PATHS", "yes"),
        ];
        let error = read(&["run", "-addr"], &env).unwrap_err().to_string();
        for (name, value) in env {
            assert!(error.contains(&format!("{name}=`{value}`")), "{error}");
        }
        assert!(
            error.contains("`run`") && error.contains("`-addr` lacks"),
            "{error}"
        );
    }

    #[test]
    fn empty_names_are_the_local_modes_own() {
        let accept = ("EMPTY_NAMES", "accept");
        assert!(read(&[], &[accept]).unwrap().empty_names);
        assert!(!read(&["-mode=kvstore"], &[accept]).unwrap().empty_names);
    }
}
