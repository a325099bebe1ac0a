//! `psql -c STATEMENT`: does the database answer?

use std::collections::BTreeMap;
use std::time::Duration;

use squall_host::Host;
use tokio_postgres::{NoTls, SimpleQueryMessage};

use super::Outcome;
use super::options::options;

/// psql's statuses (PostgreSQL manual, psql, "Exit Status").
const STATEMENT_FAILED: i32 = 1;
const NO_CONNECTION: i32 = 2;
/// libpq waits as long as the kernel does unless `PGCONNECT_TIMEOUT` says otherwise.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(127);
const PORT: u16 = 5432;

/// Who asks whom, and what.
#[derive(Clone, Debug, Default)]
pub(super) struct Psql {
    host: Option<String>,
    port: Option<String>,
    user: Option<String>,
    database: Option<String>,
    statements: Vec<String>,
}

pub(super) fn psql(args: &[&str]) -> Result<Psql, String> {
    let mut psql = Psql::default();
    let operands = options(args, "hpUdcv", |name, value| {
        match name {
            "h" | "--host" => psql.host = Some(value()?.to_owned()),
            "p" | "--port" => psql.port = Some(value()?.to_owned()),
            "U" | "--username" => psql.user = Some(value()?.to_owned()),
            "d" | "--dbname" => psql.database = Some(value()?.to_owned()),
            "c" | "--command" => psql.statements.push(value()?.to_owned()),
            "v" | "--set" | "--variable" => match value()? {
                "ON_ERROR_STOP=1" | "ON_ERROR_STOP=on" => {}
                other => return Err(format!("psql: no variable `{other}` here")),
            },
            // How it looks.
            "t" | "A" | "q" | "X" | "w" | "--tuples-only" | "--no-align" | "--quiet"
            | "--no-psqlrc" | "--no-password" => {}
            _ => return Err(format!("psql: no option {name} here")),
        }
        Ok(())
    })?;
    if let Some(operand) = operands.first() {
        return Err(format!("psql: `{operand}`: name the database with -d"));
    }
    match psql.statements.is_empty() {
        true => Err("psql without -c".to_owned()),
        false => Ok(psql),
    }
}

impl Psql {
    pub(super) async fn run(&self, host: &Host, env: &BTreeMap<String, String>) -> Outcome {
        let given = |own: &Option<String>, variable: &str| {
            own.clone().or_else(|| env.get(variable).cloned())
        };
        // The real one goes to the socket in a folder; here that is the machine itself.
        let name = given(&self.host, "PGHOST").filter(|name| !name.starts_with('/'));
        let name = name.unwrap_or_else(|| "127.0.0.1".to_owned());
        let port = match given(&self.port, "PGPORT").map(|text| text.parse::<u16>()) {
            None => PORT,
            Some(Ok(port)) => port,
            Some(Err(_)) => return Outcome::status(NO_CONNECTION),
        };
        let wait = given(&None, "PGCONNECT_TIMEOUT").and_then(|text| text.parse().ok());
        let wait = wait
            .filter(|wait| *wait > 0)
            .map_or(CONNECT_TIMEOUT, Duration::from_secs);
        let user = given(&self.user, "PGUSER").unwrap_or_else(|| "postgres".to_owned());
        let database = given(&self.database, "PGDATABASE").unwrap_or_else(|| user.clone());
        let mut login = tokio_postgres::Config::new();
        login.user(&user).dbname(&database);
        if let Some(password) = env.get("PGPASSWORD") {
            login.password(password);
        }
        let connecting = async {
            let stream = host.net.connect_name(&name, port).await.ok()?;
            login.connect_raw(stream, NoTls).await.ok()
        };
        let Ok(Some((client, connection))) = tokio::time::timeout(wait, connecting).await else {
            return Outcome::status(NO_CONNECTION);
        };
        let asking = async {
            let mut output = String::new();
            for statement in &self.statements {
                if statement.trim().trim_end_matches(';') == "\\q" {
                    break;
                }
                match client.simple_query(statement).await {
                    Ok(messages) => output.extend(messages.iter().filter_map(line)),
                    Err(_) => return Outcome::status(STATEMENT_FAILED),
                }
            }
            Outcome { status: 0, output }
        };
        tokio::pin!(asking, connection);
        let mut ended = false;
        loop {
            tokio::select! {
                biased;
                outcome = &mut asking => return outcome,
                _ = &mut connection, if !ended => ended = true,
            }
        }
    }
}

/// A row as `psql -At` prints it.
fn line(message: &SimpleQueryMessage) -> Option<String> {
    let SimpleQueryMessage::Row(row) = message else {
        return None;
    };
    let values: Vec<&str> = (0..row.len())
        .map(|at| row.get(at).unwrap_or_default())
        .collect();
    Some(values.join("|") + "\n")
}
