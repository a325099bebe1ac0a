//! Arguments, environment and files, as the official image takes them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use squall_host::disk::Disk;
use squall_host::{Diagnostic, Diagnostics, Facts, Launch, Origin};

use crate::error::Error;
use crate::hba::{Hba, Method};
use crate::replication::conninfo::Conninfo;
use crate::scram::Verifier;
use crate::settings::{self, Effect};
use crate::shell;
use crate::sql::parse;
use crate::wal::control::read_file;

/// Where the official image looks for scripts.
const INIT_FOLDER: &str = "/docker-entrypoint-initdb.d";

/// Where `-D` is kept until the environment is read; no setting has such a name.
const DATA_FOLDER: &str = "-D";

/// A script that runs at the first start.
#[derive(Clone, Debug)]
pub struct InitScript {
    /// The script, as the user would open it.
    pub shown_as: Arc<str>,
    /// Its text.
    pub content: Arc<str>,
}

/// A server, ready to run.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens.
    pub listens: Vec<SocketAddr>,
    /// The superuser.
    pub user: String,
    /// Its password; `None` when it has none.
    pub verifier: Option<Verifier>,
    /// The database that is made beside `postgres`.
    pub database: String,
    /// Where its data is (`PGDATA`).
    pub data: String,
    /// Who may come in, as long as the data folder does not say.
    pub hba: Hba,
    /// `pg_hba.conf` of a new data folder.
    pub hba_text: String,
    /// The primary that a replica's image follows (`PRIMARY_HOST`).
    pub replica: Option<Conninfo>,
    /// Settings that differ from their defaults, by lower-case name.
    pub settings: BTreeMap<String, String>,
    /// Scripts, in order.
    pub scripts: Vec<InitScript>,
}

impl Config {
    /// A whole-number setting.
    pub fn number(&self, name: &str) -> i64 {
        settings::lookup(&self.settings, name)
            .and_then(|value| value.trim().parse().ok())
            .unwrap_or(0)
    }

    /// A size, in bytes.
    pub fn bytes(&self, name: &str) -> u64 {
        settings::lookup(&self.settings, name)
            .and_then(|value| settings::size_of(name, &value))
            .unwrap_or(0)
    }

    /// Whether a setting is on.
    pub fn flag(&self, name: &str) -> bool {
        settings::lookup(&self.settings, name)
            .and_then(|value| settings::parse_bool(&value))
            .unwrap_or(false)
    }

    /// Adds what `postgresql.auto.conf` of the data folder says and the command line does not.
    pub async fn read_auto_conf(&mut self, disk: &Disk) -> Result<(), Error> {
        let path = format!("{}/postgresql.auto.conf", self.data);
        let Some(bytes) = read_file(disk, &path).await? else {
            return Ok(());
        };
        for (i, line) in String::from_utf8_lossy(&bytes).lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let wrong = |what: String| Error::Setting(format!("{path}:{}: {what}", i + 1));
            let (name, value) = line
                .split_once('=')
                .ok_or_else(|| wrong("a line is `name = 'value'`".to_owned()))?;
            let value = value.trim();
            let value = match value.strip_prefix('\'').and_then(|v| v.strip_suffix('\'')) {
                Some(quoted) => quoted.replace("''", "'"),
                None => value.to_owned(),
            };
            let setting = settings::find(name.trim())
                .ok_or_else(|| wrong(settings::unknown(name.trim()).message))?;
            settings::check_value(setting, &value).map_err(|error| wrong(error.message))?;
            let key = setting.name.to_ascii_lowercase();
            self.settings.entry(key).or_insert(value);
        }
        Ok(())
    }

    /// A time setting, in milliseconds.
    pub fn time_ms(&self, name: &str) -> i64 {
        settings::lookup(&self.settings, name)
            .and_then(|value| settings::parse_time_ms(&value))
            .unwrap_or(0)
    }
}

/// Reads everything that a launch says; all complaints at once.
pub fn load(launch: &Launch) -> Result<(Config, Facts), Diagnostics> {
    let mut wrong = Vec::new();
    let mut facts = Facts::default();
    let mut settings = read_settings(launch, &mut facts, &mut wrong);
    let env = |name: &str| {
        launch
            .env
            .get(name)
            .map(String::as_str)
            .filter(|v| !v.is_empty())
    };

    let data = env("PGDATA").unwrap_or("/var/lib/postgresql/data");
    let data = settings
        .remove(DATA_FOLDER)
        .unwrap_or_else(|| data.to_owned());
    let replica = read_replica(&env, &mut wrong);
    let user = env("POSTGRES_USER").unwrap_or("postgres").to_owned();
    let database = env("POSTGRES_DB").unwrap_or(&user).to_owned();
    let password = read_password(launch, &mut wrong);
    let method =
        match env("POSTGRES_HOST_AUTH_METHOD") {
            None | Some("scram-sha-256" | "md5") => Method::Scram,
            Some("trust") => Method::Trust,
            Some("password") => Method::Password,
            Some("reject") => Method::Reject,
            Some(other) => {
                wrong.push(Diagnostic::new(format!(
                "POSTGRES_HOST_AUTH_METHOD: the method \"{other}\" is not supported by pg-stub"
            )).help("use trust, scram-sha-256, md5, password or reject"));
                Method::Reject
            }
        };
    if password.is_none() && method != Method::Trust && replica.is_none() && wrong.is_empty() {
        wrong.push(
            Diagnostic::new("Database is uninitialized and superuser password is not specified.").help(
                "set POSTGRES_PASSWORD to a non-empty value, or POSTGRES_HOST_AUTH_METHOD=trust to let anyone in",
            ),
        );
    }
    let hba = match settings.get("hba_file") {
        None => Hba::of_image(method, ""),
        Some(path) => match launch.files.read(path) {
            Ok(text) => Hba::parse(&text).unwrap_or_else(|list| {
                wrong.extend(list);
                Hba::of_image(method, "")
            }),
            Err(error) => {
                wrong.push(error);
                Hba::of_image(method, "")
            }
        },
    };
    let mut appended = String::new();
    let scripts = read_scripts(launch, &mut appended, &mut wrong);
    let port = settings
        .get("port")
        .and_then(|port| port.trim().parse::<u16>().ok())
        .unwrap_or(5432);
    let listens = listen_addresses(settings.get("listen_addresses"), port, &mut wrong);
    facts.listens = listens.iter().map(|address| (*address, None)).collect();
    Diagnostics::check(wrong)?;
    let verifier = password.map(|password| Verifier::new(&user, &password));
    let config = Config {
        listens,
        user,
        verifier,
        database,
        data,
        hba,
        hba_text: Hba::text_of_image(method, &appended),
        replica,
        settings,
        scripts,
    };
    Ok((config, facts))
}

/// `PRIMARY_HOST` and its kin, as images of replicas have them.
fn read_replica<'a>(
    env: &impl Fn(&str) -> Option<&'a str>,
    wrong: &mut Vec<Diagnostic>,
) -> Option<Conninfo> {
    let host = env("PRIMARY_HOST")?.to_owned();
    let port = match env("PRIMARY_PORT").unwrap_or("5432").parse() {
        Ok(port) => port,
        Err(_) => {
            wrong.push(Diagnostic::new("PRIMARY_PORT is no port"));
            0
        }
    };
    let user = env("REPLICATION_USER").or_else(|| env("REPL_USER"));
    let password = env("REPLICATION_PASSWORD").or_else(|| env("REPL_PASSWORD"));
    Some(Conninfo {
        host,
        port,
        user: user.unwrap_or("postgres").to_owned(),
        password: password.map(str::to_owned),
        database: None,
        application: None,
        connect_timeout: None,
    })
}

/// `POSTGRES_PASSWORD`, or the content of `POSTGRES_PASSWORD_FILE`.
fn read_password(launch: &Launch, wrong: &mut Vec<Diagnostic>) -> Option<String> {
    let direct = launch
        .env
        .get("POSTGRES_PASSWORD")
        .filter(|p| !p.is_empty());
    let file = launch
        .env
        .get("POSTGRES_PASSWORD_FILE")
        .filter(|p| !p.is_empty());
    match (direct, file) {
        (Some(_), Some(_)) => {
            wrong.push(Diagnostic::new(
                "both POSTGRES_PASSWORD and POSTGRES_PASSWORD_FILE are set (but are exclusive)",
            ));
            None
        }
        (Some(password), None) => Some(password.clone()),
        (None, Some(path)) => match launch.files.read(path) {
            Ok(text) => Some(text.content.trim_end_matches('\n').to_owned()),
            Err(error) => {
                wrong.push(error);
                None
            }
        },
        (None, None) => None,
    }
}

/// `postgres -c name=value --name=value -p port -N connections`.
fn read_settings(
    launch: &Launch,
    facts: &mut Facts,
    wrong: &mut Vec<Diagnostic>,
) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    if let Some(port) = launch.env.get("PGPORT").filter(|p| !p.is_empty()) {
        set("port", port, "PGPORT", &mut settings, facts, wrong);
    }
    let mut args = launch.args.iter().map(String::as_str).peekable();
    if args.peek() == Some(&"postgres") {
        args.next();
    }
    while let Some(arg) = args.next() {
        let mut following = |what: &str| match args.next() {
            Some(value) => Some(value.to_owned()),
            None => {
                wrong.push(Diagnostic::new(format!(
                    "{arg}: {what} is missing after it"
                )));
                None
            }
        };
        let pair = match arg {
            "-c" => match following("name=value") {
                Some(pair) => pair,
                None => continue,
            },
            "-p" => match following("a port") {
                Some(port) => format!("port={port}"),
                None => continue,
            },
            "-N" => match following("a number") {
                Some(count) => format!("max_connections={count}"),
                None => continue,
            },
            "-D" => {
                if let Some(folder) = following("a folder") {
                    settings.insert(DATA_FOLDER.to_owned(), folder);
                }
                continue;
            }
            "-i" => continue,
            _ => match arg.strip_prefix("-c").or_else(|| arg.strip_prefix("--")) {
                Some(pair) if pair.contains('=') => pair.to_owned(),
                _ => {
                    wrong.push(
                        Diagnostic::new(format!(
                            "{arg}: pg-stub does not know this argument of postgres"
                        ))
                        .help("settings are given as `-c name=value`"),
                    );
                    continue;
                }
            },
        };
        match pair.split_once('=') {
            Some((name, value)) => {
                let name = name.trim().replace('-', "_");
                set(&name, value, arg, &mut settings, facts, wrong);
            }
            None => wrong.push(Diagnostic::new(format!("-c {pair}: requires a value"))),
        }
    }
    settings
}

fn set(
    name: &str,
    value: &str,
    source: &str,
    settings: &mut BTreeMap<String, String>,
    facts: &mut Facts,
    wrong: &mut Vec<Diagnostic>,
) {
    let Some(setting) = settings::find(name) else {
        if name.contains('.') {
            settings.insert(name.to_ascii_lowercase(), value.to_owned());
        } else {
            wrong.push(
                Diagnostic::new(format!("unrecognized configuration parameter \"{name}\""))
                    .help("pg-stub knows the settings of PostgreSQL 15 that `SHOW ALL` lists"),
            );
        }
        return;
    };
    if let Err(error) = settings::check_value(setting, value) {
        let mut diagnostic = Diagnostic::new(error.message);
        diagnostic.help = error.hint;
        wrong.push(diagnostic);
        return;
    }
    if setting.effect == Effect::Tuning {
        facts.without_effect.push((
            setting.name.to_owned(),
            Origin::new(format!("postgres {source}"), 0),
        ));
    }
    settings.insert(setting.name.to_ascii_lowercase(), value.to_owned());
}

fn listen_addresses(
    value: Option<&String>,
    port: u16,
    wrong: &mut Vec<Diagnostic>,
) -> Vec<SocketAddr> {
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let Some(value) = value else {
        return vec![SocketAddr::new(any, port)];
    };
    let mut addresses = Vec::new();
    for word in value.split(',').map(str::trim).filter(|w| !w.is_empty()) {
        match word {
            "*" | "0.0.0.0" => addresses.push(SocketAddr::new(any, port)),
            "localhost" => addresses.push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)),
            word => match word.parse::<IpAddr>() {
                Ok(ip) => addresses.push(SocketAddr::new(ip, port)),
                Err(_) => wrong.push(
                    Diagnostic::new(format!("listen_addresses: \"{word}\" is no IP address"))
                        .help("pg-stub takes IP addresses, localhost and *"),
                ),
            },
        }
    }
    if addresses.is_empty() && wrong.is_empty() {
        wrong.push(Diagnostic::new(
            "listen_addresses is empty, and pg-stub has no local socket",
        ));
    }
    addresses
}

/// Reads and parses the scripts; what cannot be parsed is said now.
fn read_scripts(launch: &Launch, hba: &mut String, wrong: &mut Vec<Diagnostic>) -> Vec<InitScript> {
    let mut scripts = Vec::new();
    for path in launch.files.list(INIT_FOLDER) {
        let text = match launch.files.read(&path) {
            Ok(text) => text,
            Err(error) => {
                wrong.push(error);
                continue;
            }
        };
        if !path.ends_with(".sql") {
            // The image itself ignores what is neither a script nor SQL.
            if path.ends_with(".sh") {
                match shell::appended_rules(&text) {
                    Ok(rules) => hba.push_str(&rules),
                    Err(list) => wrong.extend(list),
                }
            } else if path.ends_with(".sql.gz")
                || path.ends_with(".sql.xz")
                || path.ends_with(".sql.zst")
            {
                wrong.push(
                    Diagnostic::at(
                        Origin::new(text.shown_as, 0),
                        "compressed scripts in /docker-entrypoint-initdb.d are not supported by pg-stub",
                    )
                    .help("write what it does as SQL in a file that ends in .sql"),
                );
            }
            continue;
        }
        if let Err(error) = parse::parse(&text.content) {
            let line = error.position.map_or(0, |at| {
                text.content
                    .chars()
                    .take(at.saturating_sub(1))
                    .filter(|c| *c == '\n')
                    .count() as u32
                    + 1
            });
            wrong.push(Diagnostic::at(
                Origin::new(text.shown_as.clone(), line),
                error.message,
            ));
            continue;
        }
        scripts.push(InitScript {
            shown_as: text.shown_as,
            content: text.content,
        });
    }
    scripts
}

#[cfg(test)]
mod tests {
    use super::*;
    use squall_host::Files;
    use squall_host::launch::Mounted;

    fn launch(args: &[&str], env: &[(&str, &str)], files: &[(&str, &str)]) -> Launch {
        let owned = |s: &&str| (*s).to_owned();
        let mounted = files
            .iter()
            .map(|(path, content)| {
                let file = Mounted {
                    shown_as: (*path).into(),
                    content: (*content).into(),
                };
                ((*path).to_owned(), file)
            })
            .collect();
        Launch {
            args: args.iter().map(owned).collect(),
            env: env
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect(),
            files: Files::mounted(mounted),
        }
    }

    const PASSWORD: (&str, &str) = ("POSTGRES_PASSWORD", "postgres");

    #[test]
    fn the_images_defaults_hold() {
        let (config, facts) = load(&launch(&[], &[PASSWORD], &[])).unwrap();
        assert_eq!(
            (config.user.as_str(), config.database.as_str()),
            ("postgres", "postgres")
        );
        assert_eq!(facts.listens[0].0, "0.0.0.0:5432".parse().unwrap());
    }

    #[test]
    fn without_a_password_it_refuses_as_the_image_does() {
        let error = load(&launch(&[], &[], &[])).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("superuser password is not specified"),
            "{error}"
        );
        assert!(load(&launch(&[], &[("POSTGRES_HOST_AUTH_METHOD", "trust")], &[])).is_ok());
    }

    #[test]
    fn settings_are_known_tuning_or_refused() {
        let args = [
            "postgres",
            "-c",
            "max_connections=50",
            "-c",
            "wal_level=replica",
            "--work-mem=8MB",
        ];
        let (config, facts) = load(&launch(&args, &[PASSWORD], &[])).unwrap();
        assert_eq!(config.number("max_connections"), 50);
        let ignored: Vec<&str> = facts
            .without_effect
            .iter()
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(ignored, ["wal_level", "work_mem"]);
        assert_eq!(config.data, "/var/lib/postgresql/data");
        let error = load(&launch(&["-c", "max_conections=5"], &[PASSWORD], &[])).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("unrecognized configuration parameter \"max_conections\"")
        );
        assert!(load(&launch(&["-c", "port=abc"], &[PASSWORD], &[])).is_err());
        assert!(load(&launch(&["--nonsense"], &[PASSWORD], &[])).is_err());
    }

    #[test]
    fn scripts_are_parsed_when_loading() {
        let files = [
            (
                "/docker-entrypoint-initdb.d/001.sql",
                "CREATE TABLE t (a int);\nSELEC 1;",
            ),
            ("/docker-entrypoint-initdb.d/002.sh", "echo"),
        ];
        let error = load(&launch(&[], &[PASSWORD], &files)).unwrap_err();
        let shown = error.to_string();
        assert!(
            shown.contains("001.sql:2: syntax error at or near \"SELEC\""),
            "{shown}"
        );
        assert!(shown.contains("002.sh:1: shell scripts"), "{shown}");
    }
}
