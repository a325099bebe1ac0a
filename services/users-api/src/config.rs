//! The environment, read. `DB_HOST` to `BACKEND_ID` are the Compose original's names, `DB_PASSWORD` and
//! `HOSTNAME` the Kubernetes original's.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use axum::http::StatusCode;
use squall_host::{Diagnostic, Diagnostics, Environment, Launch};

/// What the service is told.
///
/// | variable | default | meaning |
/// |---|---|---|
/// | `DB_HOST`, `DB_PORT` | `localhost`, `5432` | where the database is |
/// | `DB_WRITE_HOST`, `DB_WRITE_PORT` | as `DB_HOST`, `DB_PORT` | where writes go |
/// | `DB_USER`, `DB_NAME` | `postgres` each | who asks |
/// | `DB_PASSWORD`, or `DB_PASS` | `postgres` | the password |
/// | `BACKEND_ID`, or `HOSTNAME` | `unknown-backend` | its name in answers |
/// | `LISTEN` | `0.0.0.0:5000` | where it listens |
/// | `HEALTH_FORMAT` | `text` | `GET /health` says `OK`; with `json`, `{"status":"OK","pod":…}` |
/// | `DB_ERROR_STATUS` | `503` | when the database fails; the originals say `500` (Compose) and `200` (Kubernetes) |
/// | `DB_CONNECT_TIMEOUT_MS` | `60000` | for name, connection and login together |
/// | `DB_QUERY_TIMEOUT_MS` | `60000` | for the answer |
/// | `READY_TIMEOUT_MS` | `1000` | for the whole look at the database by `GET /ready` |
/// | `SHUTDOWN_DELAY_MS` | `0` | it goes on serving, not ready, for so long after it is told to stop |
/// | `CONNECTIONS_MAX` | `4096` | clients at a time |
#[derive(Clone, PartialEq, Eq)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its name in answers.
    pub backend_id: String,
    /// Where reads go, and who asks.
    pub database: Database,
    /// Where writes go.
    pub write_database: Database,
    /// What `GET /health` looks like.
    pub health_format: HealthFormat,
    /// For the whole look at the database by `GET /ready`.
    pub ready_timeout: Duration,
    /// It goes on serving, not ready, for so long after it is told to stop.
    pub shutdown_delay: Duration,
    /// The status when the database fails.
    pub error_status: StatusCode,
    /// Clients at a time.
    pub connections_max: usize,
}

/// What `GET /health` looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HealthFormat {
    /// `OK`
    Text,
    /// `{"status":"OK","pod":…}`
    Json,
}

/// Where a database is, and who asks. Has no `Debug`, because of the password.
#[derive(Clone, PartialEq, Eq)]
pub struct Database {
    /// A name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The role.
    pub user: String,
    /// Its password.
    pub password: String,
    /// The database's name.
    pub name: String,
    /// For name, connection and login together.
    pub connect_timeout: Duration,
    /// For the answer.
    pub query_timeout: Duration,
}

impl Config {
    /// Reads the environment; complains about every value that makes no sense.
    pub fn read(launch: &Launch) -> Result<Self, Diagnostics> {
        let mut environment = Environment::new(launch);
        if let Some(extra) = launch.args.first() {
            let complaint = Diagnostic::new(format!("unexpected argument `{extra}`"));
            environment.problem(complaint.help("users-api is configured by its environment alone"));
        }
        let database = Database {
            host: environment.text(&["DB_HOST"], "localhost"),
            port: environment.parsed("DB_PORT", 5_432),
            user: environment.text(&["DB_USER"], "postgres"),
            password: environment.text(&["DB_PASSWORD", "DB_PASS"], "postgres"),
            name: environment.text(&["DB_NAME"], "postgres"),
            connect_timeout: environment.milliseconds("DB_CONNECT_TIMEOUT_MS", 60_000),
            query_timeout: environment.milliseconds("DB_QUERY_TIMEOUT_MS", 60_000),
        };
        let write_database = Database {
            host: environment.text(&["DB_WRITE_HOST"], &database.host),
            port: environment.parsed("DB_WRITE_PORT", database.port),
            ..database.clone()
        };
        let config = Self {
            listen: environment.parsed(
                "LISTEN",
                SocketAddr::new(Ipv4Addr::UNSPECIFIED.into(), 5_000),
            ),
            backend_id: environment.text(&["BACKEND_ID", "HOSTNAME"], "unknown-backend"),
            database,
            write_database,
            health_format: environment.choice(
                "HEALTH_FORMAT",
                [("text", HealthFormat::Text), ("json", HealthFormat::Json)],
            ),
            ready_timeout: environment.milliseconds("READY_TIMEOUT_MS", 1_000),
            shutdown_delay: environment.milliseconds("SHUTDOWN_DELAY_MS", 0),
            error_status: error_status(&mut environment, "DB_ERROR_STATUS"),
            connections_max: environment.parsed("CONNECTIONS_MAX", 4_096),
        };
        environment.check()?;
        Ok(config)
    }
}

/// The status that a failure of the database has.
fn error_status(environment: &mut Environment<'_>, name: &str) -> StatusCode {
    let status: u16 = environment.parsed(name, 503);
    match StatusCode::from_u16(status) {
        Ok(status) if status.is_server_error() || status == StatusCode::OK => status,
        _ => {
            environment.complain(
                name,
                &status.to_string(),
                "a failure of the database is a 5xx, or 200 as one original has it",
            );
            StatusCode::SERVICE_UNAVAILABLE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(env: &[(&str, &str)]) -> Result<Config, Diagnostics> {
        let env = env
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        Config::read(&Launch {
            env,
            ..Launch::default()
        })
    }

    #[test]
    fn an_empty_environment_is_the_originals() {
        let config = read(&[]).unwrap();
        assert_eq!(config.listen, "0.0.0.0:5000".parse().unwrap());
        assert_eq!(
            (config.backend_id.as_str(), config.database.host.as_str()),
            ("unknown-backend", "localhost")
        );
        assert_eq!(config.error_status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(config.database == config.write_database);
    }

    #[test]
    fn a_pod_is_named_by_its_host_and_writes_go_to_the_primary() {
        let config = read(&[
            ("HOSTNAME", "backend-5d-x"),
            ("DB_HOST", "haproxy"),
            ("DB_PASSWORD", "app"),
            ("DB_WRITE_HOST", "postgres-primary"),
        ])
        .unwrap();
        assert_eq!(config.backend_id, "backend-5d-x");
        let (reads, writes) = (config.database, config.write_database);
        assert_eq!(reads.host, "haproxy");
        assert_eq!(
            (writes.host.as_str(), writes.port),
            ("postgres-primary", 5_432)
        );
        assert_eq!(
            (reads.password, writes.password),
            ("app".into(), "app".into())
        );
    }

    #[test]
    fn every_value_without_sense_is_named() {
        let env = [
            ("DB_PORT", "abc"),
            ("LISTEN", "5000"),
            ("DB_ERROR_STATUS", "404"),
            ("HEALTH_FORMAT", "yaml"),
            ("READY_TIMEOUT_MS", "1s"),
        ];
        let Err(Diagnostics(problems)) = read(&env) else {
            panic!("accepted")
        };
        let text = Diagnostics(problems).to_string();
        for (name, value) in env {
            assert!(text.contains(&format!("{name}=`{value}`")), "{text}");
        }
    }
}
