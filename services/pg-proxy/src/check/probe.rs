//! One check: a connection to a server, the steps on it, and the words for how it ended
//! (`tcpcheck_main` and `chk_report_conn_err`, src/tcpcheck.c and src/check.c).
//!
//! A connection must come within `inter`, and within `timeout connect` too where `timeout check` is
//! set; then all steps within `timeout check`, or within what is left of `inter`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use squall_host::net::{Net, TcpStream};
use squall_host::planted::Planted;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::http::{self, Verdict};
use super::schedule::Probe;
use super::status::{CheckStatus, Outcome};
use crate::config::ProxyConfig;
use crate::config::checks::{Action, CheckKind, Expect, Pattern, Step};
use crate::config::server::ServerOptions;

/// Bytes of an answer that are kept; HAProxy's buffer.
const ANSWER_MAX: usize = 16_384;

/// Checks one server over the network.
pub(crate) struct NetProbe {
    pub(crate) net: Net,
    pub(crate) proxy: Arc<ProxyConfig>,
    pub(crate) options: ServerOptions,
    pub(crate) planted: Planted,
}

impl Probe for NetProbe {
    async fn probe(&mut self, server: SocketAddr) -> Outcome {
        let begun = Instant::now();
        let ip = self.options.check_address.unwrap_or(server.ip());
        let port = self.options.check_port.unwrap_or(server.port());
        let check = Check {
            probe: self,
            address: SocketAddr::new(ip, port),
            begun,
        };
        let ended = match check.run().await {
            Ok(ended) | Err(ended) => ended,
        };
        Outcome {
            status: ended.status,
            code: ended.code,
            info: ended.info,
            duration: begun.elapsed(),
        }
    }
}

/// How it ended, but for the time.
#[derive(Debug)]
struct Ended {
    status: CheckStatus,
    code: u16,
    info: String,
}

impl Ended {
    fn new(status: CheckStatus, info: impl Into<String>) -> Self {
        Self {
            status,
            code: 0,
            info: info.into(),
        }
    }
}

struct Check<'a> {
    probe: &'a NetProbe,
    address: SocketAddr,
    begun: Instant,
}

/// A connection and what has come on it.
struct Line {
    stream: TcpStream,
    deadline: Instant,
    received: Vec<u8>,
    ended: bool,
}

impl Check<'_> {
    async fn run(&self) -> Result<Ended, Ended> {
        match &self.probe.proxy.check {
            CheckKind::Connect => {
                let line = self.connect(None, "").await?;
                line.stream.reset();
                Ok(Ended::new(CheckStatus::Layer4Ok, ""))
            }
            CheckKind::Pgsql { user } => self.pgsql(user).await,
            CheckKind::Http(check) => {
                let mut line = self.connect(None, "").await?;
                line.send(&http::request(check), "").await?;
                loop {
                    line.receive("").await?;
                    let last = line.is_last();
                    if let Verdict::Done { status, code, info } =
                        http::judge(check, &line.received, last)
                    {
                        line.stream.reset();
                        return Ok(Ended { status, code, info });
                    }
                }
            }
            CheckKind::Tcp(steps) => self.tcp(steps).await,
        }
    }

    /// A startup message and the reply: an error is an error, any authentication is good.
    async fn pgsql(&self, user: &str) -> Result<Ended, Ended> {
        let mut line = self.connect(None, "").await?;
        line.send(&startup_message(user), "").await?;
        while !line.is_last() {
            let first = line.received.first();
            let enough = if first == Some(&b'E') { 5 } else { 9 };
            if line.received.len() >= enough {
                break;
            }
            line.receive("").await?;
        }
        let reply = &line.received[..];
        if reply.first() == Some(&b'E') {
            // The text of the first field, as far as it has come.
            let text = reply.get(6..).unwrap_or_default();
            let end = text
                .iter()
                .position(|byte| *byte == 0)
                .unwrap_or(text.len());
            let text = String::from_utf8_lossy(&text[..end]).into_owned();
            return Err(Ended::new(CheckStatus::Layer7Response, text));
        }
        match reply {
            [b'R', 0, 0, 0, _, 0, 0, 0, 0 | 2..=10, ..] => {
                Ok(Ended::new(CheckStatus::Layer7Ok, "PostgreSQL server is ok"))
            }
            _ => Err(Ended::new(
                CheckStatus::Layer7Status,
                "PostgreSQL unknown error",
            )),
        }
    }

    async fn tcp(&self, steps: &[Step]) -> Result<Ended, Ended> {
        let initial = " at initial connection step of tcp-check";
        let mut line: Option<Line> = None;
        if !matches!(
            steps.first(),
            Some(Step {
                action: Action::Connect { .. },
                ..
            })
        ) {
            line = Some(self.connect(None, initial).await?);
        }
        let mut must_read = true;
        for (number, step) in (1..).zip(steps) {
            let place = |what: &str| {
                let comment = step.comment.as_ref();
                let comment = comment
                    .map(|c| format!(" comment: '{c}'"))
                    .unwrap_or_default();
                format!(" at step {number} of tcp-check ({what}){comment}")
            };
            match (&step.action, line.as_mut()) {
                (Action::Connect { port }, _) => {
                    let what = match port {
                        Some(port) => format!("connect port {port}"),
                        None => "connect".to_owned(),
                    };
                    if let Some(before) = line.take() {
                        before.stream.reset();
                    }
                    line = Some(self.connect(*port, &place(&what)).await?);
                    must_read = true;
                }
                (Action::Send(data), Some(line)) => {
                    line.received.clear();
                    line.send(data, &place("send")).await?;
                    must_read = true;
                }
                (Action::Expect(expect), Some(line)) => {
                    let place = place(&expect.shown());
                    if must_read && !line.is_last() {
                        line.receive(&place).await?;
                    }
                    must_read = false;
                    loop {
                        match expect.judge(&line.received, line.is_last()) {
                            Some(true) => break,
                            Some(false) => {
                                let comment = step.comment.as_deref();
                                return Err(expect.mismatch(number, comment));
                            }
                            None => line.receive(&place).await?,
                        }
                    }
                }
                // There is always a connection by now; without one there is nothing to do.
                (_, None) => {}
            }
        }
        if let Some(line) = line {
            line.stream.reset();
        }
        Ok(match steps.last().map(|step| &step.action) {
            None => Ended::new(CheckStatus::Layer4Ok, ""),
            Some(Action::Connect { .. }) => Ended::new(CheckStatus::Layer4Ok, "(tcp-check)"),
            Some(_) => Ended::new(CheckStatus::Layer7Ok, "(tcp-check)"),
        })
    }

    async fn connect(&self, port: Option<u16>, place: &str) -> Result<Line, Ended> {
        let timeouts = &self.probe.proxy.timeouts;
        let inter = self.probe.options.inter;
        let from = Instant::now();
        let own = match (timeouts.check, timeouts.connect) {
            (Some(_), Some(connect)) => inter.min(connect),
            _ => inter,
        };
        let mut address = self.address;
        address.set_port(port.unwrap_or(address.port()));
        let dialled = timeout_at(from + own, self.probe.net.connect(address)).await;
        let stream = match dialled {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => {
                let info = format!("{}{place}", words(&error));
                return Err(Ended::new(CheckStatus::Layer4Connection, info));
            }
            Err(_) => return Err(Ended::new(CheckStatus::Layer4Timeout, place)),
        };
        let deadline = match timeouts.check {
            _ if self.probe.planted.has("pg-proxy/check-ignores-timeout") => {
                from + Duration::from_secs(3_600)
            }
            Some(check) => Instant::now() + check,
            None => self.begun.max(from) + inter,
        };
        Ok(Line {
            stream,
            deadline,
            received: Vec::new(),
            ended: false,
        })
    }
}

impl Line {
    /// Whether nothing more will come.
    fn is_last(&self) -> bool {
        self.ended || self.received.len() >= ANSWER_MAX
    }

    async fn send(&mut self, data: &[u8], place: &str) -> Result<(), Ended> {
        match timeout_at(self.deadline, self.stream.write_all(data)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(broken(&error, place)),
            Err(_) => Err(Ended::new(CheckStatus::Layer7Timeout, place)),
        }
    }

    /// Waits for more bytes or the end.
    async fn receive(&mut self, place: &str) -> Result<(), Ended> {
        let mut buffer = [0; 1_024];
        let room = buffer.len().min(ANSWER_MAX - self.received.len());
        let read = self.stream.read(&mut buffer[..room]);
        match timeout_at(self.deadline, read).await {
            Ok(Ok(0)) => self.ended = true,
            Ok(Ok(length)) => self.received.extend_from_slice(&buffer[..length]),
            // What came before the break is judged first.
            Ok(Err(_)) if !self.received.is_empty() => self.ended = true,
            Ok(Err(error)) => return Err(broken(&error, place)),
            Err(_) => return Err(Ended::new(CheckStatus::Layer7Timeout, place)),
        }
        Ok(())
    }
}

fn broken(error: &io::Error, place: &str) -> Ended {
    Ended::new(CheckStatus::SocketError, format!("{}{place}", words(error)))
}

impl Expect {
    /// `Some` once it is decided whether it holds.
    fn judge(&self, received: &[u8], last: bool) -> Option<bool> {
        if !last {
            let least = match &self.pattern {
                Pattern::String(text) => text.len(),
                Pattern::Binary(bytes) => bytes.len(),
                _ => 0,
            };
            if received.len() < least.max(self.min_recv.unwrap_or(0)) {
                return None;
            }
        }
        let matched = match &self.pattern {
            Pattern::String(text) => http::contains(received, text.as_bytes()),
            Pattern::Binary(bytes) => http::contains(received, bytes),
            Pattern::Regex(regex) => regex.is_match(received),
            Pattern::HexRegex(regex) => regex.is_match(hex(received).as_bytes()),
        };
        if !matched && !last && self.min_recv.is_none() {
            return None;
        }
        Some(matched != self.inverse)
    }

    fn shown(&self) -> String {
        match &self.pattern {
            Pattern::String(text) => format!("expect string '{text}'"),
            Pattern::Binary(bytes) => {
                format!("expect binary '{}'", String::from_utf8_lossy(bytes))
            }
            Pattern::Regex(_) => "expect regex".to_owned(),
            Pattern::HexRegex(_) => "expect binary regex".to_owned(),
        }
    }

    fn mismatch(&self, step: u32, comment: Option<&str>) -> Ended {
        let start = match self.inverse {
            true => "TCPCHK matched unwanted content",
            false => "TCPCHK did not match content",
        };
        let what = match &self.pattern {
            Pattern::String(text) => format!("'{text}'"),
            Pattern::Binary(_) => "(binary)".to_owned(),
            Pattern::Regex(_) => "(regex)".to_owned(),
            Pattern::HexRegex(_) => "(binary regex)".to_owned(),
        };
        let comment = comment
            .map(|c| format!(" comment: {c}"))
            .unwrap_or_default();
        let info = format!("{start} {what} at step {step}{comment}");
        Ended::new(CheckStatus::Layer7Response, info)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

/// PostgreSQL's StartupMessage, protocol 3.0, with a user and nothing else.
fn startup_message(user: &str) -> Vec<u8> {
    let length = 4 + 4 + "user".len() + 1 + user.len() + 1 + 1;
    let mut message = Vec::with_capacity(length);
    message.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    message.extend_from_slice(&0x0003_0000_u32.to_be_bytes());
    message.extend_from_slice(b"user\0");
    message.extend_from_slice(user.as_bytes());
    message.extend_from_slice(b"\0\0");
    message
}

/// What `strerror` says, for the errors that a connection can meet.
fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "Connection refused".to_owned(),
        io::ErrorKind::ConnectionReset => "Connection reset by peer".to_owned(),
        io::ErrorKind::HostUnreachable => "No route to host".to_owned(),
        io::ErrorKind::NetworkUnreachable => "Network is unreachable".to_owned(),
        io::ErrorKind::TimedOut => "Connection timed out".to_owned(),
        io::ErrorKind::BrokenPipe => "Broken pipe".to_owned(),
        _ => {
            let text = error.to_string();
            let end = text.find(" (os error").unwrap_or(text.len());
            text[..end].to_owned()
        }
    }
}

/// Where the first interval between checks comes from.
pub(crate) fn first_interval(options: &ServerOptions) -> Duration {
    options.fastinter.unwrap_or(options.inter)
}
