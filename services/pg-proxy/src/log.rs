//! Lines to standard output: what `log stdout` asks for, and the warnings that HAProxy writes to
//! its standard error, which a container's log shows beside.
//!
//! Deliberately absent: syslog over UDP or a socket. Such targets are accepted and have no effect.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use squall_host::output::Output;

use crate::clock::Date;
use crate::config::logs::{Level, LineFormat, LogField, LogFormat, LogPart, LogTarget};
use crate::termination::Termination;

/// The process id in lines; a container's first process.
pub(crate) const PID: u32 = 1;

/// The writer of one proxy.
#[derive(Clone)]
pub(crate) struct Logger {
    out: Output,
    targets: Vec<LogTarget>,
    tag: String,
}

impl Logger {
    pub(crate) fn new(out: Output, targets: Vec<LogTarget>, tag: &str) -> Self {
        Self {
            out,
            targets,
            tag: tag.to_owned(),
        }
    }

    /// Whether anything is written at all.
    pub(crate) fn is_on(&self) -> bool {
        !self.targets.is_empty()
    }

    /// A line of traffic.
    pub(crate) fn line(&self, level: Level, text: &str) {
        for target in self
            .targets
            .iter()
            .filter(|target| level <= target.level_max)
        {
            match target.format {
                LineFormat::Raw => self.out.line(text),
                LineFormat::Short => self.out.line(&format!("<{}>{text}", level as u8)),
                LineFormat::Rfc3164 => {
                    let priority = u32::from(target.facility) * 8 + level as u32;
                    let date = Date::of(SystemTime::now()).syslog();
                    let tag = &self.tag;
                    self.out
                        .line(&format!("<{priority}>{date} {tag}[{PID}]: {text}"));
                }
            }
        }
    }

    /// A change of state: on standard error and in the log.
    pub(crate) fn event(&self, level: Level, text: &str) {
        self.warn("WARNING", text);
        self.line(level, text);
    }

    /// A line on standard error.
    pub(crate) fn warn(&self, label: &str, text: &str) {
        let label = format!("[{label}]");
        self.out.line(&format!("{label:<10} ({PID}) : {text}"));
    }
}

/// What is known of a session when it ends.
#[derive(Clone, Debug)]
pub(crate) struct Record<'a> {
    pub(crate) number: u64,
    pub(crate) client: SocketAddr,
    pub(crate) local: Option<SocketAddr>,
    pub(crate) server: Option<SocketAddr>,
    pub(crate) server_local: Option<SocketAddr>,
    pub(crate) accepted: SystemTime,
    pub(crate) frontend: &'a str,
    pub(crate) backend: &'a str,
    pub(crate) server_name: &'a str,
    pub(crate) queued: Option<Duration>,
    pub(crate) connected: Option<Duration>,
    pub(crate) closed: Duration,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) termination: Termination,
    pub(crate) connections: [u32; 4],
    pub(crate) retries: u32,
    pub(crate) redispatched: bool,
    pub(crate) server_queue: u32,
    pub(crate) backend_queue: u32,
    pub(crate) host: &'a str,
}

impl Record<'_> {
    /// The line of the session.
    pub(crate) fn render(&self, format: &LogFormat) -> String {
        let mut line = String::with_capacity(160);
        for part in format.iter() {
            match part {
                LogPart::Text(text) => line.push_str(text),
                // Writing to a string cannot fail.
                LogPart::Field(field) => drop(self.field(*field, &mut line)),
            }
        }
        line
    }

    fn field(&self, field: LogField, line: &mut String) -> std::fmt::Result {
        let date = || Date::of(self.accepted);
        let ms = |time: Option<Duration>| time.map_or(-1, |time| signed(time.as_millis()));
        let ip = |address: Option<SocketAddr>| {
            address.map_or_else(|| "-".to_owned(), |address| address.ip().to_string())
        };
        let port = |address: Option<SocketAddr>| {
            address.map_or_else(|| "-".to_owned(), |address| address.port().to_string())
        };
        let [active, frontend, backend, server] = self.connections;
        match field {
            LogField::ClientIp => write!(line, "{}", self.client.ip()),
            LogField::ClientPort => write!(line, "{}", self.client.port()),
            LogField::FrontendIp => write!(line, "{}", ip(self.local)),
            LogField::FrontendPort => write!(line, "{}", port(self.local)),
            LogField::BackendSourceIp => write!(line, "{}", ip(self.server_local)),
            LogField::BackendSourcePort => write!(line, "{}", port(self.server_local)),
            LogField::ServerIp => write!(line, "{}", ip(self.server)),
            LogField::ServerPort => write!(line, "{}", port(self.server)),
            LogField::AcceptDate => write!(line, "{}", date().with_millis()),
            LogField::AcceptDateUtc => write!(line, "{}", date().with_zone()),
            LogField::AcceptSeconds => write!(line, "{}", date().unix_s),
            LogField::AcceptMillis => write!(line, "{:03}", date().millis),
            LogField::Frontend | LogField::FrontendTransport => write!(line, "{}", self.frontend),
            LogField::Backend => write!(line, "{}", self.backend),
            LogField::Server => write!(line, "{}", self.server_name),
            LogField::QueueTime => write!(line, "{}", ms(self.queued)),
            LogField::ConnectTime => {
                let queued = self.queued.unwrap_or_default();
                let time = self
                    .connected
                    .map(|connected| floor_ms(connected) - floor_ms(queued));
                write!(line, "{}", ms(time))
            }
            LogField::DataTime => {
                let time = self
                    .connected
                    .map(|connected| floor_ms(self.closed) - floor_ms(connected));
                write!(line, "{}", ms(time))
            }
            LogField::TotalTime => write!(line, "{}", self.closed.as_millis()),
            LogField::BytesRead => write!(line, "{}", self.bytes_out),
            LogField::BytesUploaded => write!(line, "{}", self.bytes_in),
            LogField::Termination => write!(line, "{}", self.termination),
            LogField::ActiveConnections => write!(line, "{active}"),
            LogField::FrontendConnections => write!(line, "{frontend}"),
            LogField::BackendConnections => write!(line, "{backend}"),
            LogField::ServerConnections => write!(line, "{server}"),
            LogField::Retries => {
                let mark = if self.redispatched { "+" } else { "" };
                write!(line, "{mark}{}", self.retries)
            }
            LogField::ServerQueue => write!(line, "{}", self.server_queue),
            LogField::BackendQueue => write!(line, "{}", self.backend_queue),
            LogField::HostName => write!(line, "{}", self.host),
            LogField::Pid => write!(line, "{PID}"),
            LogField::Counter => write!(line, "{}", self.number),
        }
    }
}

fn floor_ms(time: Duration) -> Duration {
    Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn signed(ms: u128) -> i64 {
    i64::try_from(ms).unwrap_or(i64::MAX)
}
