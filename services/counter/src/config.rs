//! Flags and environment, read. Names are the lab's where it has one; a flag goes before the variable.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use squall_etcd::{Endpoints, Limits};
use squall_host::{Diagnostic, Diagnostics, Environment, Launch};

/// What the service is told.
///
/// | variable | default | meaning |
/// |---|---|---|
/// | `ETCD_ENDPOINTS` | `http://localhost:2379` | the members of etcd: `http://HOST:PORT`, with commas between them |
/// | `INCREMENT_MODE`, flag `-mode` | `coalesced` | how increments are made: see [`Mode`] |
/// | `FETCH` | `linearizable` | how `/fetch` reads; `serializable` may be stale and needs no quorum |
/// | flag `-server-addr` | `:8080` | where it listens; `LISTEN` is the same as a variable |
/// | `MY_POD_NAME`, `MY_POD_NAMESPACE`, `MY_NODE_NAME` | `unknown` | who answers |
/// | `REQUEST_TIMEOUT_MS` | `5000` | no request is answered later |
/// | `ETCD_TIMEOUT_MS` | `2000` | for one call to etcd, over all its members; one member has half of it |
/// | `LOCK_TTL_S` | `5` | of the lock's lease in mode `lock` |
/// | `LOG_STEPS` | `off` | `on`: mode `lock-early-release` tells each read and write in a line |
/// | `IN_FLIGHT_MAX` | `1024` | requests in progress; more are refused with 503 at once |
/// | `SHUTDOWN_DELAY_MS` | `0` | it goes on serving for so long after it is told to stop |
/// | `SHUTDOWN_GRACE_MS` | `30000` | after that, for what is in progress |
/// | `CONNECTIONS_MAX` | `4096` | clients at a time |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The members of etcd.
    pub endpoints: Endpoints,
    /// How increments are made.
    pub mode: Mode,
    /// Whether `/fetch` may be answered by one member alone, and be stale.
    pub fetch_serializable: bool,
    /// Name of this instance, for answers and for its keys.
    pub pod: String,
    /// Its namespace, for its keys.
    pub namespace: String,
    /// Name of the machine, for answers.
    pub node: String,
    /// No request is answered later.
    pub request_timeout: Duration,
    /// For one call to etcd, over all members.
    pub etcd_timeout: Duration,
    /// Seconds until the lock of a dead holder is free, in mode `lock`.
    pub lock_ttl_s: u16,
    /// Whether mode `lock-early-release` tells each read and write.
    pub log_steps: bool,
    /// Requests in progress; more are refused.
    pub in_flight_max: usize,
    /// It goes on serving for so long after it is told to stop.
    pub shutdown_delay: Duration,
    /// After that, for what is in progress.
    pub shutdown_grace: Duration,
    /// Clients at a time.
    pub connections_max: usize,
}

/// How increments are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The original's: a lock that is given back before the value is read. Loses increments.
    LockEarlyRelease,
    /// The lock is held over the write, and the write is refused to whoever has lost it.
    Lock,
    /// Each request compares and sets.
    Cas,
    /// One compare-and-set for all that wait in this instance.
    Coalesced,
}

impl Mode {
    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::LockEarlyRelease => "lock-early-release",
            Self::Lock => "lock",
            Self::Cas => "cas",
            Self::Coalesced => "coalesced",
        }
    }

    const ALL: [Self; 4] = [
        Self::LockEarlyRelease,
        Self::Lock,
        Self::Cas,
        Self::Coalesced,
    ];
}

impl Config {
    /// Reads flags and environment; complains about every value that makes no sense.
    pub fn read(launch: &Launch) -> Result<Self, Diagnostics> {
        let mut environment = Environment::new(launch);
        let mut config = Self {
            listen: environment.parsed("LISTEN", (Ipv4Addr::UNSPECIFIED, 8_080).into()),
            endpoints: Endpoints::localhost(),
            mode: Mode::Coalesced,
            fetch_serializable: environment
                .choice("FETCH", [("linearizable", false), ("serializable", true)]),
            pod: environment.text(&["MY_POD_NAME"], "unknown"),
            namespace: environment.text(&["MY_POD_NAMESPACE"], "unknown"),
            node: environment.text(&["MY_NODE_NAME"], "unknown"),
            request_timeout: environment.milliseconds("REQUEST_TIMEOUT_MS", 5_000),
            etcd_timeout: environment.milliseconds("ETCD_TIMEOUT_MS", 2_000),
            lock_ttl_s: environment.positive("LOCK_TTL_S", 5),
            log_steps: environment.choice("LOG_STEPS", [("off", false), ("on", true)]),
            in_flight_max: environment.positive("IN_FLIGHT_MAX", 1_024),
            shutdown_delay: environment.milliseconds("SHUTDOWN_DELAY_MS", 0),
            shutdown_grace: environment.milliseconds("SHUTDOWN_GRACE_MS", 30_000),
            connections_max: environment.positive("CONNECTIONS_MAX", 4_096),
        };
        config.endpoints = environment.parsed("ETCD_ENDPOINTS", config.endpoints);
        if let Some(text) = environment.get("INCREMENT_MODE") {
            config.set_mode("INCREMENT_MODE", text, &mut environment);
        }
        config.set_flags(&launch.args, &mut environment);
        environment.check()?;
        Ok(config)
    }

    /// One try has half of a call's time, so that there is time for another member.
    pub(crate) fn etcd_limits(&self) -> Limits {
        let each = self.etcd_timeout / 2;
        Limits {
            connect_timeout: Limits::default().connect_timeout.min(each),
            try_timeout: each,
            ..Limits::default()
        }
    }

    /// As Go's package `flag`: one dash or two, the value behind `=` or as the next argument; the last wins.
    fn set_flags(&mut self, args: &[String], environment: &mut Environment<'_>) {
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            let bare = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-'));
            let (name, value) = match bare.and_then(|bare| bare.split_once('=')) {
                Some((name, value)) => (name, Some(value)),
                None => (bare.unwrap_or_default(), None),
            };
            if !["server-addr", "mode"].contains(&name) {
                let complaint = Diagnostic::new(format!("unexpected argument `{arg}`"));
                environment.problem(complaint.help(
                    "the flags are `-server-addr HOST:PORT` and `-mode MODE`; the rest is set by environment variables",
                ));
                continue;
            }
            match value.or_else(|| args.next().map(String::as_str)) {
                None => {
                    let complaint = Diagnostic::new(format!("`{arg}` lacks its value"));
                    environment.problem(complaint.help(format!("write `-{name}=VALUE`")));
                }
                Some(text) if name == "mode" => self.set_mode("-mode", text, environment),
                Some(text) => match address(text) {
                    Some(listen) => self.listen = listen,
                    None => {
                        let complaint =
                            Diagnostic::new(format!("-server-addr=`{text}`: no address"));
                        environment.problem(complaint.help("it is `:8080` or `127.0.0.1:8080`"));
                    }
                },
            }
        }
    }

    fn set_mode(&mut self, name: &str, text: &str, environment: &mut Environment<'_>) {
        match Mode::ALL.into_iter().find(|mode| mode.name() == text) {
            Some(mode) => self.mode = mode,
            None => {
                let complaint = Diagnostic::new(format!("{name}=`{text}`: no such mode"));
                environment.problem(
                    complaint.help("it is `lock-early-release`, `lock`, `cas` or `coalesced`"),
                );
            }
        }
    }
}

/// An address to listen on as Go writes it: without a host it is every address.
fn address(text: &str) -> Option<SocketAddr> {
    match text.strip_prefix(':') {
        Some(port) => Some((Ipv4Addr::UNSPECIFIED, port.parse().ok()?).into()),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(args: &[&str], env: &[(&str, &str)]) -> Result<Config, Diagnostics> {
        let env = env.iter();
        Config::read(&Launch {
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            env: env
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            ..Launch::default()
        })
    }

    #[test]
    fn what_the_lab_sets_is_read() {
        let env = [
            ("ETCD_ENDPOINTS", "http://etcd0:2379,http://etcd1:2379"),
            ("MY_POD_NAME", "counter-1"),
            ("INCREMENT_MODE", "cas"),
        ];
        let config = read(&["-server-addr", ":8081"], &env).unwrap();
        assert_eq!(config.listen, "0.0.0.0:8081".parse().unwrap());
        assert_eq!(config.endpoints.list().len(), 2);
        assert_eq!(
            (config.pod.as_str(), config.node.as_str()),
            ("counter-1", "unknown")
        );
        assert_eq!(config.mode, Mode::Cas);
    }

    #[test]
    fn the_last_flag_goes_before_the_variable_and_that_before_the_default() {
        let mode = |args: &[&str], env: &[(&str, &str)]| read(args, env).unwrap().mode.name();
        let env = [("INCREMENT_MODE", "cas")];
        assert_eq!(mode(&[], &[]), "coalesced");
        assert_eq!(mode(&[], &env), "cas");
        for args in [
            &["-mode", "lock"][..],
            &["--mode=lock"],
            &["-mode=cas", "-mode=lock"],
        ] {
            assert_eq!(mode(args, &env), "lock", "{args:?}");
        }
    }

    #[test]
    fn every_value_without_sense_is_named() {
        let env = [
            ("ETCD_ENDPOINTS", "https://etcd0"),
            ("INCREMENT_MODE", "fast"),
            ("FETCH", "often"),
            ("REQUEST_TIMEOUT_MS", "5s"),
            ("IN_FLIGHT_MAX", "0"),
        ];
        let error = read(&["run", "-server-addr=x", "-mode"], &env);
        let error = error.unwrap_err().to_string();
        for (name, value) in env {
            assert!(error.contains(&format!("{name}=`{value}`")), "{error}");
        }
        for part in ["`run`", "-server-addr=`x`", "`-mode` lacks"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}
