//! libpq's side of a replication connection: start-up, SCRAM, one query after another, CopyBoth.

use std::io;
use std::time::Duration;

use base64::Engine as _;
use bytes::{Buf, BufMut, Bytes, BytesMut};
use squall_host::net::{Net, TcpStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::conninfo::Conninfo;
use crate::scram::Login;

/// The longest message of a server's: a piece of a base copy or of the log, with room to spare.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// How long the answer to a command may take; a base copy waits for open transactions.
const ANSWER_MAX: Duration = Duration::from_secs(300);
/// How long the kernel tries to connect (about `tcp_syn_retries` of Linux).
const CONNECT_MAX: Duration = Duration::from_secs(130);

/// Why there is no connection, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody was reached.
    #[error(
        "connection to server at \"{host}\", port {port} failed: {}",
        plain(source)
    )]
    Connect {
        /// Where.
        host: String,
        /// Which.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// The server said no.
    #[error("{severity}:  {message}")]
    Server {
        /// `ERROR`, `FATAL`.
        severity: String,
        /// The SQLSTATE.
        code: String,
        /// What it said.
        message: String,
    },
    /// The connection ended.
    #[error("server closed the connection unexpectedly")]
    Closed,
    /// Nothing came in time.
    #[error("no answer in time")]
    Silent,
    /// The server said what this client does not understand.
    #[error("unexpected message from the server: {0}")]
    Unexpected(String),
}

/// An error of the operating system's in its words alone, as C's `strerror` has them.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error ") {
        Some((words, _)) => words.to_owned(),
        None => text,
    }
}

impl From<io::Error> for ClientError {
    fn from(_: io::Error) -> Self {
        Self::Closed
    }
}

/// The answer to one command: rows of texts.
pub type Rows = Vec<Vec<Option<String>>>;

/// A connection.
pub struct Client {
    stream: TcpStream,
    input: BytesMut,
}

impl Client {
    /// Connects and logs in. `mode` is the parameter `replication`: `true`, `database`.
    pub async fn connect(
        net: &Net,
        info: &Conninfo,
        mode: &str,
        application: &str,
        nonce: &[u8],
    ) -> Result<Self, ClientError> {
        let failed = |source| ClientError::Connect {
            host: info.host.clone(),
            port: info.port,
            source,
        };
        let limit = info.connect_timeout.unwrap_or(CONNECT_MAX);
        let connecting = async {
            let connect = net.connect_name(&info.host, info.port);
            let mut client = Self {
                stream: connect.await.map_err(failed)?,
                input: BytesMut::new(),
            };
            client.log_in(info, mode, application, nonce).await?;
            Ok(client)
        };
        match tokio::time::timeout(limit, connecting).await {
            Ok(connected) => connected,
            Err(_) => Err(failed(io::Error::new(
                io::ErrorKind::TimedOut,
                "timeout expired",
            ))),
        }
    }

    async fn log_in(
        &mut self,
        info: &Conninfo,
        mode: &str,
        application: &str,
        nonce: &[u8],
    ) -> Result<(), ClientError> {
        let mut body = BytesMut::new();
        body.put_u32(3 << 16);
        let database = info.database.as_deref().unwrap_or("replication");
        for word in [
            "user",
            &info.user,
            "database",
            database,
            "replication",
            mode,
            "application_name",
            application,
        ] {
            body.put_slice(word.as_bytes());
            body.put_u8(0);
        }
        body.put_u8(0);
        let mut packet = BytesMut::new();
        packet.put_u32(body.len() as u32 + 4);
        packet.unsplit(body);
        self.stream.write_all(&packet).await?;
        let nonce = base64::engine::general_purpose::STANDARD.encode(nonce);
        let password = info.password.as_deref().unwrap_or_default();
        let (login, first) = Login::start(password, &nonce);
        let mut expected = String::new();
        loop {
            let (kind, mut body) = self.message().await?;
            match kind {
                b'R' if body.len() >= 4 => match body.get_u32() {
                    0 => {}
                    3 => {
                        self.send(b'p', &[password.as_bytes(), &[0]].concat())
                            .await?
                    }
                    10 => {
                        let mut message = b"SCRAM-SHA-256\0".to_vec();
                        message.put_u32(first.len() as u32);
                        message.put_slice(first.as_bytes());
                        self.send(b'p', &message).await?;
                    }
                    11 => {
                        let text = String::from_utf8_lossy(&body).into_owned();
                        let answer = login.answer(&text);
                        let (last, server) =
                            answer.map_err(|error| ClientError::Unexpected(error.message))?;
                        expected = server;
                        self.send(b'p', last.as_bytes()).await?;
                    }
                    12 if body == expected.as_bytes() => {}
                    other => {
                        let what = format!("authentication request {other}");
                        return Err(ClientError::Unexpected(what));
                    }
                },
                b'Z' => return Ok(()),
                b'E' => return Err(server_error(&body)),
                _ => {}
            }
        }
    }

    /// The next message: its type and its body. Cancel safe: what was read stays.
    pub async fn message(&mut self) -> Result<(u8, Bytes), ClientError> {
        loop {
            if let Some(head) = self.input.get(..5) {
                let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize;
                if !(4..=MESSAGE_BYTES_MAX).contains(&length) {
                    return Err(ClientError::Unexpected(format!("length {length}")));
                }
                if self.input.len() > length {
                    let mut message = self.input.split_to(length + 1);
                    let kind = message[0];
                    message.advance(5);
                    return Ok((kind, message.freeze()));
                }
            }
            self.input.reserve(16 << 10);
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(ClientError::Closed);
            }
        }
    }

    async fn answer(&mut self) -> Result<(u8, Bytes), ClientError> {
        match tokio::time::timeout(ANSWER_MAX, self.message()).await {
            Ok(message) => message,
            Err(_) => Err(ClientError::Silent),
        }
    }

    /// Sends a message.
    pub async fn send(&mut self, kind: u8, body: &[u8]) -> Result<(), ClientError> {
        let mut message = BytesMut::with_capacity(body.len() + 5);
        message.put_u8(kind);
        message.put_u32(body.len() as u32 + 4);
        message.put_slice(body);
        let sent = tokio::time::timeout(ANSWER_MAX, self.stream.write_all(&message)).await;
        sent.map_err(|_| ClientError::Silent)?
            .map_err(ClientError::from)
    }

    /// Sends a command and reads its answer to the end.
    pub async fn query(&mut self, sql: &str) -> Result<Rows, ClientError> {
        self.send(b'Q', &[sql.as_bytes(), &[0]].concat()).await?;
        self.rest().await.map(|(rows, _)| rows)
    }

    /// Reads up to the end of a command: rows, and what came as COPY data.
    pub async fn rest(&mut self) -> Result<(Rows, Vec<Bytes>), ClientError> {
        let (mut rows, mut data, mut failed) = (Rows::new(), Vec::new(), None);
        loop {
            let (kind, body) = self.answer().await?;
            match kind {
                b'D' => rows.push(row(&body)?),
                b'd' => data.push(body),
                b'E' => failed = Some(server_error(&body)),
                b'Z' => {
                    return match failed {
                        Some(error) => Err(error),
                        None => Ok((rows, data)),
                    };
                }
                _ => {}
            }
        }
    }

    /// Sends a command that begins a CopyBoth, and waits for its beginning.
    pub async fn start_copy(&mut self, sql: &str) -> Result<(), ClientError> {
        self.send(b'Q', &[sql.as_bytes(), &[0]].concat()).await?;
        loop {
            let (kind, body) = self.answer().await?;
            match kind {
                b'W' => return Ok(()),
                b'E' => return Err(server_error(&body)),
                b'N' | b'S' => {}
                other => {
                    let what = format!("type {other} instead of CopyBothResponse");
                    return Err(ClientError::Unexpected(what));
                }
            }
        }
    }
}

fn row(body: &[u8]) -> Result<Vec<Option<String>>, ClientError> {
    let short = || ClientError::Unexpected("a DataRow that is too short".to_owned());
    let mut reader = crate::wal::codec::Reader(body);
    let count = reader.take(2).map_err(|_| short())?.get_u16();
    let mut cells = Vec::new();
    for _ in 0..count {
        let length = reader.u32().map_err(|_| short())? as i32;
        cells.push(match usize::try_from(length) {
            Err(_) => None,
            Ok(length) => {
                let bytes = reader.take(length).map_err(|_| short())?;
                Some(String::from_utf8_lossy(bytes).into_owned())
            }
        });
    }
    Ok(cells)
}

/// An ErrorResponse.
pub fn server_error(body: &[u8]) -> ClientError {
    let field = |tag: u8| {
        let found = body
            .split(|b| *b == 0)
            .find(|field| field.first() == Some(&tag));
        found.map_or_else(String::new, |f| {
            String::from_utf8_lossy(&f[1..]).into_owned()
        })
    };
    ClientError::Server {
        severity: field(b'S'),
        code: field(b'C'),
        message: field(b'M'),
    }
}
