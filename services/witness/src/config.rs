//! The environment, read.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use squall_host::{Diagnostic, Diagnostics, Environment, Launch};

/// What the service is told.
///
/// | variable | default | meaning |
/// |---|---|---|
/// | `ETCD_ENDPOINTS` | `http://localhost:2379` | the members, with commas between them |
/// | `LISTEN` | `0.0.0.0:8090` | where it listens |
/// | `KEYS` | `8` | how many keys are written, at most 32 |
/// | `RATE` | `20` | reads and writes a second |
/// | `LEASE_TTL_S` | `5` | the TTL that is asked for |
/// | `DURATION_S` | none | it stops by itself after so long |
/// | `CALL_TIMEOUT_MS` | `5000` | for one call, its connection included |
/// | `STOP_TIMEOUT_MS` | `20000` | for all that is done after it is told to stop |
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// The members of the group.
    pub endpoints: Vec<Endpoint>,
    /// How many keys are written.
    pub keys: u32,
    /// Reads and writes a second.
    pub rate: u32,
    /// The TTL that is asked for, in seconds.
    pub lease_ttl_s: u32,
    /// It stops by itself after so long.
    pub duration: Option<Duration>,
    /// For one call, its connection included.
    pub call_timeout: Duration,
    /// For all that is done after it is told to stop.
    pub stop_timeout: Duration,
}

/// Where a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// As it is called in the lines: `etcd1`, or with its port if that is not 2379.
    pub name: String,
    /// With scheme and port.
    pub uri: String,
}

/// The most keys: all must fit into one line at the end.
const KEYS_MAX: u32 = 32;

impl Config {
    /// Reads the environment; complains about every value that makes no sense.
    pub fn read(launch: &Launch) -> Result<Self, Diagnostics> {
        let mut environment = Environment::new(launch);
        if let Some(extra) = launch.args.first() {
            let complaint = Diagnostic::new(format!("unexpected argument `{extra}`"));
            environment.problem(complaint.help("witness is configured by its environment alone"));
        }
        let duration_s: u64 = environment.parsed("DURATION_S", 0);
        let config = Self {
            listen: environment.parsed("LISTEN", (Ipv4Addr::UNSPECIFIED, 8090).into()),
            endpoints: endpoints(&mut environment),
            keys: environment.positive("KEYS", 8),
            rate: environment.positive("RATE", 20),
            lease_ttl_s: environment.positive("LEASE_TTL_S", 5),
            duration: (duration_s > 0).then(|| Duration::from_secs(duration_s)),
            call_timeout: environment.milliseconds("CALL_TIMEOUT_MS", 5_000),
            stop_timeout: environment.milliseconds("STOP_TIMEOUT_MS", 20_000),
        };
        if config.keys > KEYS_MAX {
            environment.complain(
                "KEYS",
                &config.keys.to_string(),
                &format!("at most {KEYS_MAX} fit into a line"),
            );
        }
        environment.check()?;
        Ok(config)
    }
}

fn endpoints(environment: &mut Environment<'_>) -> Vec<Endpoint> {
    const NAME: &str = "ETCD_ENDPOINTS";
    let text = environment.text(&[NAME], "http://localhost:2379");
    let parts = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let endpoints: Option<Vec<_>> = parts.map(endpoint).collect();
    match endpoints {
        Some(endpoints) if !endpoints.is_empty() => endpoints,
        _ => {
            let why = "it is a list as `http://etcd0:2379,http://etcd1:2379`; TLS is not supported";
            environment.complain(NAME, &text, why);
            Vec::new()
        }
    }
}

/// `http://HOST:PORT`; scheme and port may be left out.
fn endpoint(text: &str) -> Option<Endpoint> {
    let rest = text.strip_prefix("http://").unwrap_or(text);
    let rest = rest.strip_suffix('/').unwrap_or(rest);
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) => (host, port.parse::<u16>().ok()?),
        None => (rest, 2379),
    };
    let good = |c: char| c.is_ascii_alphanumeric() || ".-_".contains(c);
    if host.is_empty() || !host.chars().all(good) {
        return None;
    }
    let name = match port {
        2379 => host.to_owned(),
        _ => format!("{host}:{port}"),
    };
    let uri = format!("http://{host}:{port}");
    Some(Endpoint { name, uri })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(env: &[(&str, &str)]) -> Result<Config, Diagnostics> {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Config::read(&Launch {
            env: env.iter().map(pair).collect(),
            ..Launch::default()
        })
    }

    #[test]
    fn members_are_named_by_their_hosts() {
        let list = "http://etcd0:2379, etcd1:2379,http://127.0.0.1:22379/,etcd2";
        let config = read(&[("ETCD_ENDPOINTS", list), ("DURATION_S", "3")]).unwrap();
        let names = config.endpoints.iter().map(|endpoint| &*endpoint.name);
        let names: Vec<_> = names.collect();
        assert_eq!(names, ["etcd0", "etcd1", "127.0.0.1:22379", "etcd2"]);
        assert_eq!(config.endpoints[3].uri, "http://etcd2:2379");
        assert_eq!(config.duration, Some(Duration::from_secs(3)));
    }

    #[test]
    fn every_value_without_sense_is_named() {
        let env = [
            ("ETCD_ENDPOINTS", "https://etcd0:2379"),
            ("KEYS", "33"),
            ("RATE", "0"),
            ("LEASE_TTL_S", "x"),
        ];
        let text = read(&env).unwrap_err().to_string();
        for (name, value) in env {
            assert!(text.contains(&format!("{name}=`{value}`")), "{text}");
        }
    }
}
