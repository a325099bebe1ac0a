//! The environment, read; and which of the commands the arguments ask for.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use squall_host::{Diagnostic, Diagnostics, Environment, Launch};

use crate::tool::Command;

/// What the service is told.
///
/// | variable | default | meaning |
/// |---|---|---|
/// | `LISTEN` | `0.0.0.0:8081` | where it listens |
/// | `KVSTORE_DATA` | `/var/lib/kvstore` | the folder of its log and snapshots |
/// | `KVSTORE_EQUAL_VALUE` | `refuse` | an equal value at a stale version: 428, or with `accept` 200 unchanged, as the original has it |
/// | `KVSTORE_COMPACT_BYTES` | `4194304` | a log that is longer, and twice as long as the last snapshot, is replaced by a snapshot |
/// | `KVSTORE_KEYS_MAX` | `262144` | idempotency keys that are remembered |
/// | `KVSTORE_BODY_BYTES_MAX` | `1048576` | of a request |
/// | `KVSTORE_KEY_BYTES_MAX` | `1024` | of a key |
/// | `KVSTORE_PUTS_MAX` | `4096` | of a transaction |
/// | `KVSTORE_BATCH_BYTES_MAX` | `8388608` | what may wait for the log before changes are shed (503) |
/// | `KVSTORE_REQUEST_TIMEOUT_MS` | `10000` | for a request's body, and then for the log |
/// | `CONNECTIONS_MAX` | `4096` | clients at a time |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The folder of its log and snapshots.
    pub folder: String,
    /// What an equal value at a stale version is.
    pub equal_value: EqualValue,
    /// A log that is longer may be replaced by a snapshot.
    pub compact_bytes: u64,
    /// Idempotency keys that are remembered.
    pub keys_max: usize,
    /// What one request may ask for.
    pub limits: Limits,
    /// What may wait for the log before changes are shed.
    pub batch_bytes_max: usize,
    /// Clients at a time.
    pub connections_max: usize,
}

/// What one request may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of its body.
    pub body_bytes_max: usize,
    /// Bytes of a key.
    pub key_bytes_max: usize,
    /// Puts of a transaction.
    pub puts_max: usize,
    /// For its body, and for the log: no answer comes later.
    pub timeout: Duration,
}

/// What a put of the value that is there already is, at a version that is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EqualValue {
    /// 428 as any other.
    Refuse,
    /// 200, and nothing changes. That is the original's rule, by which it loses money: two that read
    /// the same balance and make it the same are both told that they did.
    Accept,
}

/// What the arguments ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    Serve(Box<Config>),
    Log(Command),
}

impl Task {
    /// Reads the arguments, and the environment for the service.
    pub(crate) fn read(launch: &Launch) -> Result<Self, Diagnostics> {
        match launch.args.split_first() {
            None => Ok(Self::Serve(Box::new(Config::read(launch)?))),
            Some((first, rest)) if first == "log" => Ok(Self::Log(Command::read(rest)?)),
            Some((first, _)) => Err(Diagnostic::new(format!("unexpected argument `{first}`"))
                .help("the service is configured by its environment; the only command is `log`")
                .into()),
        }
    }
}

impl Config {
    /// Reads the environment; complains about every value that makes no sense.
    pub fn read(launch: &Launch) -> Result<Self, Diagnostics> {
        let mut environment = Environment::new(launch);
        let any = SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 8_081);
        let folder = environment.text(&["KVSTORE_DATA"], "/var/lib/kvstore");
        if !folder.starts_with('/') {
            environment.complain("KVSTORE_DATA", &folder, "a path from / on is needed");
        }
        let config = Self {
            listen: environment.parsed("LISTEN", any),
            folder: folder.trim_end_matches('/').to_owned(),
            equal_value: environment.choice(
                "KVSTORE_EQUAL_VALUE",
                [
                    ("refuse", EqualValue::Refuse),
                    ("accept", EqualValue::Accept),
                ],
            ),
            compact_bytes: environment.positive("KVSTORE_COMPACT_BYTES", 4 << 20),
            keys_max: environment.positive("KVSTORE_KEYS_MAX", 1 << 18),
            limits: Limits {
                body_bytes_max: environment.positive("KVSTORE_BODY_BYTES_MAX", 1 << 20),
                key_bytes_max: environment.positive("KVSTORE_KEY_BYTES_MAX", 1_024),
                puts_max: environment.positive("KVSTORE_PUTS_MAX", 4_096),
                timeout: Duration::from_millis(
                    environment.positive("KVSTORE_REQUEST_TIMEOUT_MS", 10_000),
                ),
            },
            batch_bytes_max: environment.positive("KVSTORE_BATCH_BYTES_MAX", 8 << 20),
            connections_max: environment.positive("CONNECTIONS_MAX", 4_096),
        };
        environment.check()?;
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(args: &[&str], env: &[(&str, &str)]) -> Launch {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Launch {
            args: args.iter().map(|arg| (*arg).to_owned()).collect(),
            env: env.iter().map(pair).collect(),
            ..Launch::default()
        }
    }

    #[test]
    fn an_empty_environment_is_good() {
        let config = Config::read(&launch(&[], &[])).unwrap();
        assert_eq!(config.listen, "0.0.0.0:8081".parse().unwrap());
        assert_eq!(config.folder, "/var/lib/kvstore");
        assert_eq!(config.equal_value, EqualValue::Refuse);
    }

    #[test]
    fn every_value_without_sense_is_named() {
        let env = [
            ("LISTEN", "8081"),
            ("KVSTORE_DATA", "here"),
            ("KVSTORE_EQUAL_VALUE", "maybe"),
            ("KVSTORE_COMPACT_BYTES", "4M"),
            ("KVSTORE_KEYS_MAX", "0"),
            ("KVSTORE_REQUEST_TIMEOUT_MS", "1s"),
        ];
        let text = Config::read(&launch(&[], &env)).unwrap_err().to_string();
        for (name, value) in env {
            assert!(text.contains(&format!("{name}=`{value}`")), "{text}");
        }
    }

    #[test]
    fn an_unknown_argument_is_named() {
        let error = Task::read(&launch(&["serve"], &[]))
            .unwrap_err()
            .to_string();
        assert!(error.contains("`serve`"), "{error}");
    }
}
