//! Flags and environment, read. `KVSTORE_MODE` and `KVSTORE_ADDR` are the lab's names; a flag goes before
//! the variable, as in the lab.

use std::net::{Ipv4Addr, SocketAddr};
use std::str::FromStr;
use std::time::Duration;

use squall_host::{Diagnostic, Diagnostics, Environment, Launch};

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
        let mut environment = Environment::new(launch);
        let flags = Flags::read(&launch.args, &mut environment);
        let any_mode = environment.choice("UNKNOWN_MODE", [("refuse", false), ("local", true)]);
        let config = Self {
            listen: environment.parsed("LISTEN", (Ipv4Addr::UNSPECIFIED, 8_080).into()),
            mode: flags.mode(&mut environment, any_mode),
            store: flags.store(&mut environment),
            request_timeout: environment.milliseconds("REQUEST_TIMEOUT_MS", 10_000),
            store_timeout: environment.milliseconds("STORE_TIMEOUT_MS", 2_000),
            in_flight_max: environment.positive("IN_FLIGHT_MAX", 1_024),
            shutdown_delay: environment.milliseconds("SHUTDOWN_DELAY_MS", 0),
            shutdown_grace: environment.milliseconds("SHUTDOWN_GRACE_MS", 600_000),
            connections_max: environment.parsed("CONNECTIONS_MAX", 4_096),
            original_statuses: environment
                .choice("DOWNSTREAM_STATUS", [("5xx", false), ("400", true)]),
            page_everywhere: environment.choice("UNKNOWN_PATHS", [("404", false), ("page", true)]),
            overflow: environment.choice(
                "OVERFLOW",
                [("refuse", Overflow::Refuse), ("wrap", Overflow::Wrap)],
            ),
            empty_names: environment.choice("EMPTY_NAMES", [("refuse", false), ("accept", true)]),
        };
        environment.check()?;
        Ok(Self {
            empty_names: config.empty_names && config.mode == Mode::Local,
            ..config
        })
    }
}

/// The flags, each with its value, in the order of the command line.
struct Flags<'a>(Vec<(&'static str, &'a str)>);

impl<'a> Flags<'a> {
    /// As Go's package `flag`: one dash or two, the value behind `=` or as the next argument.
    fn read(args: &'a [String], environment: &mut Environment<'_>) -> Self {
        let mut flags = Vec::new();
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let bare = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-'));
            let (name, value) = match bare.and_then(|bare| bare.split_once('=')) {
                Some((name, value)) => (name, Some(value)),
                None => (bare.unwrap_or_default(), None),
            };
            let Some(name) = ["mode", "addr"].into_iter().find(|known| *known == name) else {
                let complaint = Diagnostic::new(format!("unexpected argument `{arg}`"));
                environment.problem(complaint.help(
                    "the flags are `-mode MODE` and `-addr HOST:PORT`; the rest is set by environment variables",
                ));
                continue;
            };
            match value.or_else(|| args.next().map(String::as_str)) {
                Some(value) => flags.push((name, value)),
                None => {
                    let complaint = Diagnostic::new(format!("`{arg}` lacks its value"));
                    environment.problem(complaint.help(format!("write `-{name}=VALUE`")));
                }
            }
        }
        Self(flags)
    }

    /// The last such flag, otherwise the variable; and how the user wrote it.
    fn or_variable(
        &self,
        flag: &str,
        variable: &str,
        environment: &Environment<'a>,
    ) -> Option<(String, &'a str)> {
        let mut flags = self.0.iter().rev();
        if let Some((name, value)) = flags.find(|(name, _)| *name == flag) {
            return Some((format!("-{name}"), value));
        }
        Some((variable.to_owned(), environment.get(variable)?))
    }

    fn mode(&self, environment: &mut Environment<'a>, any: bool) -> Mode {
        let Some((name, text)) = self.or_variable("mode", "KVSTORE_MODE", environment) else {
            return Mode::Local;
        };
        let known = Mode::ALL.into_iter().find(|mode| mode.name() == text);
        if known.is_none() && !any {
            let complaint = Diagnostic::new(format!("{name}=`{text}`: no such mode"));
            environment.problem(complaint.help(
                "it is `local`, `kvstore`, `resilientkvstore` or `transactionalkvstore`; \
                 UNKNOWN_MODE=local makes anything else `local`, as in the original",
            ));
        }
        known.unwrap_or(Mode::Local)
    }

    fn store(&self, environment: &mut Environment<'a>) -> StoreAddress {
        let (name, text) = self
            .or_variable("addr", "KVSTORE_ADDR", environment)
            .unwrap_or_else(|| ("KVSTORE_ADDR".to_owned(), "localhost:8081"));
        text.parse().unwrap_or_else(|expected| {
            let complaint = Diagnostic::new(format!("{name}=`{text}`: no address of a store"));
            environment.problem(complaint.help(expected));
            StoreAddress {
                host: String::new(),
                port: 0,
            }
        })
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
            ("IN_FLIGHT_MAX", "0"),
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
