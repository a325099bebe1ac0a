//! `log` lines and log formats (configuration.txt 4.2 `log`, 8.2).

use std::sync::Arc;

use squall_host::diagnostic::Origin;

use super::Notes;

/// One place where lines go: standard output, or standard error, which a container's log mixes in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogTarget {
    /// How a line starts.
    pub format: LineFormat,
    /// `local0` and its kin, as syslog numbers it.
    pub facility: u8,
    /// Less important lines are left out.
    pub level_max: Level,
}

/// What precedes a line's text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LineFormat {
    /// Nothing.
    Raw,
    /// `<level>`.
    Short,
    /// `<priority>Mon dd hh:mm:ss haproxy[pid]: `, the default.
    Rfc3164,
}

/// Syslog's severities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Level {
    Emerg,
    Alert,
    Crit,
    Err,
    Warning,
    Notice,
    Info,
    Debug,
}

/// A section's `log` lines.
#[derive(Clone, Debug, Default)]
pub struct Logs {
    /// Whether `log global` takes in the lines of `global`.
    pub global: bool,
    /// Its own targets.
    pub targets: Vec<LogTarget>,
}

const FACILITIES: &[&str] = &[
    "kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "auth2",
    "ftp", "ntp", "audit", "alert", "cron2", "local0", "local1", "local2", "local3", "local4",
    "local5", "local6", "local7",
];

const LEVELS: &[(&str, Level)] = &[
    ("emerg", Level::Emerg),
    ("alert", Level::Alert),
    ("crit", Level::Crit),
    ("err", Level::Err),
    ("warning", Level::Warning),
    ("notice", Level::Notice),
    ("info", Level::Info),
    ("debug", Level::Debug),
];

/// Reads the words after `log`.
pub(crate) fn read(words: &[String], origin: &Origin, logs: &mut Logs, notes: &mut Notes) {
    let mut words = words.iter().map(String::as_str);
    let target = match words.next() {
        Some("global") => {
            logs.global = true;
            return;
        }
        Some(target) => target,
        None => {
            notes.wrong(origin, "'log' wants a target and a facility");
            return;
        }
    };
    let mut format = LineFormat::Rfc3164;
    let mut facility = None;
    let mut level_max = Level::Debug;
    while let Some(word) = words.next() {
        match word {
            "format" => match words.next() {
                Some("raw") => format = LineFormat::Raw,
                Some("short") => format = LineFormat::Short,
                Some("rfc3164") => format = LineFormat::Rfc3164,
                Some(other) => {
                    let help = "raw, short and rfc3164 are played";
                    notes.unsupported(origin, &format!("log … format {other}"), help);
                    return;
                }
                None => {
                    notes.wrong(origin, "'format' wants a name");
                    return;
                }
            },
            "len" | "sample" => {
                words.next();
                notes.without_effect(origin, format!("log … {word}"));
            }
            word if facility.is_none() => match FACILITIES.iter().position(|name| *name == word) {
                Some(number) => facility = u8::try_from(number).ok(),
                None => {
                    notes.wrong(origin, format!("unknown log facility '{word}'"));
                    return;
                }
            },
            word => match LEVELS.iter().find(|(name, _)| *name == word) {
                // A second level is the minimum, to which more important lines are lowered.
                Some((_, level)) if level_max == Level::Debug => level_max = *level,
                Some(_) => {}
                None => {
                    notes.wrong(origin, format!("unknown log level '{word}'"));
                    return;
                }
            },
        }
    }
    let Some(facility) = facility else {
        notes.wrong(origin, "'log' wants a facility, as local0");
        return;
    };
    match target {
        "stdout" | "stderr" | "fd@1" | "fd@2" => logs.targets.push(LogTarget {
            format,
            facility,
            level_max,
        }),
        other => notes.without_effect(origin, format!("log {other}")),
    }
}

/// A log format, taken apart.
pub type LogFormat = Arc<[LogPart]>;

/// Text, or a value of the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogPart {
    /// As it stands.
    Text(String),
    /// A variable, as `%ci`.
    Field(LogField),
}

macro_rules! fields {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The variables of a log format that have a meaning for TCP (configuration.txt 8.2.4).
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum LogField { $($(#[$doc])* $name,)* }
        const FIELDS: &[(&str, LogField)] = &[$(($text, LogField::$name),)*];
    };
}

fields! {
    /// Client address.
    ClientIp = "ci",
    /// Client port.
    ClientPort = "cp",
    /// Address that the client connected to.
    FrontendIp = "fi",
    /// Port that the client connected to.
    FrontendPort = "fp",
    /// This side's address towards the server.
    BackendSourceIp = "bi",
    /// This side's port towards the server.
    BackendSourcePort = "bp",
    /// Server address.
    ServerIp = "si",
    /// Server port.
    ServerPort = "sp",
    /// Date of accept, with milliseconds.
    AcceptDate = "t",
    /// Date of accept, as `%T`: UTC.
    AcceptDateUtc = "T",
    /// Seconds of accept since 1970.
    AcceptSeconds = "Ts",
    /// Milliseconds of the date of accept.
    AcceptMillis = "ms",
    /// Frontend, with the transport's mark.
    FrontendTransport = "ft",
    /// Frontend.
    Frontend = "f",
    /// Backend.
    Backend = "b",
    /// Server.
    Server = "s",
    /// Time in queues.
    QueueTime = "Tw",
    /// Time to connect.
    ConnectTime = "Tc",
    /// Time from connect to close.
    DataTime = "Td",
    /// The whole time.
    TotalTime = "Tt",
    /// Bytes to the client.
    BytesRead = "B",
    /// Bytes from the client.
    BytesUploaded = "U",
    /// Termination state.
    Termination = "ts",
    /// Connections of the process.
    ActiveConnections = "ac",
    /// Connections of the frontend.
    FrontendConnections = "fc",
    /// Connections of the backend.
    BackendConnections = "bc",
    /// Connections of the server.
    ServerConnections = "sc",
    /// Retries.
    Retries = "rc",
    /// Place in the server's queue.
    ServerQueue = "sq",
    /// Place in the backend's queue.
    BackendQueue = "bq",
    /// Host name.
    HostName = "H",
    /// Process id.
    Pid = "pid",
    /// Number of the session.
    Counter = "rt",
}

/// The format of `option tcplog` (configuration.txt 8.2.2).
pub const TCP_FORMAT: &str =
    "%ci:%cp [%t] %ft %b/%s %Tw/%Tc/%Tt %B %ts %ac/%fc/%bc/%sc/%rc %sq/%bq";

/// Takes a `log-format` apart.
pub fn parse_format(text: &str) -> Result<LogFormat, String> {
    let mut parts: Vec<LogPart> = Vec::new();
    let mut rest = text;
    let push_text = |parts: &mut Vec<LogPart>, text: &str| match parts.last_mut() {
        Some(LogPart::Text(last)) => last.push_str(text),
        _ if text.is_empty() => {}
        _ => parts.push(LogPart::Text(text.to_owned())),
    };
    while let Some(start) = rest.find('%') {
        push_text(&mut parts, &rest[..start]);
        rest = &rest[start + 1..];
        if let Some(after) = rest.strip_prefix('%') {
            push_text(&mut parts, "%");
            rest = after;
            continue;
        }
        let end = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        // The longest variable that fits, as HAProxy reads "%Tt" before "%T".
        let found = (1..=end).rev().find_map(|length| {
            let (_, field) = FIELDS.iter().find(|(name, _)| *name == &rest[..length])?;
            Some((length, *field))
        });
        let Some((length, field)) = found else {
            let shown: String = rest.chars().take(12).collect();
            return Err(format!(
                "log-format variable '%{shown}' is not supported by squall"
            ));
        };
        parts.push(LogPart::Field(field));
        rest = &rest[length..];
    }
    push_text(&mut parts, rest);
    Ok(parts.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_come_apart() {
        let parts = parse_format("100%% %ci:%cp %Tt").unwrap();
        assert_eq!(
            *parts,
            [
                LogPart::Text("100% ".into()),
                LogPart::Field(LogField::ClientIp),
                LogPart::Text(":".into()),
                LogPart::Field(LogField::ClientPort),
                LogPart::Text(" ".into()),
                LogPart::Field(LogField::TotalTime),
            ]
        );
        assert!(parse_format(TCP_FORMAT).is_ok());
        assert!(parse_format("%[src]").is_err());
        assert!(parse_format("%{+Q}o").is_err());
    }
}
