//! The environment, read.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use squall_host::{Diagnostic, Diagnostics};

/// What the service is told.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where it listens: `LISTEN`.
    pub listen: SocketAddr,
    /// `HOST:PORT` of the backup, if it has one: `BACKUP`.
    pub backup: Option<String>,
    /// Its log: `LOG`, an absolute path.
    pub log: String,
    /// When it says that a note is safe: `ACKNOWLEDGE`, `safe` or `early`.
    pub acknowledge: Acknowledge,
}

/// When a note is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledge {
    /// When it is on both disks.
    Safe,
    /// At once: quick, and wrong. The defect that the tests find.
    Early,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: (Ipv4Addr::UNSPECIFIED, 8080).into(),
            backup: None,
            log: "/var/lib/notes/log".to_owned(),
            acknowledge: Acknowledge::Safe,
        }
    }
}

impl Config {
    /// A primary with this backup.
    pub fn with_backup(address: &str) -> Self {
        Self {
            backup: Some(address.to_owned()),
            ..Self::default()
        }
    }

    /// Reads the environment; all that is wrong with it at once.
    pub fn read(env: &BTreeMap<String, String>) -> Result<Self, Diagnostics> {
        let mut config = Self::default();
        let mut problems = Vec::new();
        let mut complain = |key: &str, value: &str, help: &str| {
            problems.push(Diagnostic::new(format!("{key}={value} means nothing")).help(help));
        };
        if let Some(text) = env.get("LISTEN") {
            match text.parse() {
                Ok(listen) => config.listen = listen,
                Err(_) => complain("LISTEN", text, "write for example 0.0.0.0:8080"),
            }
        }
        match env.get("ACKNOWLEDGE").map(String::as_str) {
            None | Some("safe") => {}
            Some("early") => config.acknowledge = Acknowledge::Early,
            Some(text) => complain("ACKNOWLEDGE", text, "write `safe` or `early`"),
        }
        config.backup = env.get("BACKUP").cloned();
        if let Some(log) = env.get("LOG") {
            config.log.clone_from(log);
        }
        Diagnostics::check(problems)?;
        Ok(config)
    }
}
