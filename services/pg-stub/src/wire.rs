//! A connection's buffers: messages in, messages out, each wait with its end.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use pgwire::messages::Message as _;
use pgwire::messages::response::{ErrorResponse, NoticeResponse};
use squall_host::net::TcpStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::error::PgError;
use crate::frame::{self, Message, Phase};

/// How long a client may take nothing of what it asked for.
const WRITE_STALL_MAX: Duration = Duration::from_secs(300);
/// How long the rest of a message may take to come.
const MESSAGE_STALL_MAX: Duration = Duration::from_secs(300);
/// Output is sent on when it is so long.
const OUTPUT_BYTES_SOFT: usize = 64 << 10;
/// What is read of a client while its statement runs.
const AHEAD_BYTES_MAX: usize = 64 << 10;
/// What is read at once.
const READ_BYTES: usize = 8 << 10;

/// A connection.
pub struct Wire {
    stream: TcpStream,
    input: BytesMut,
    /// Messages that are not sent yet.
    pub output: BytesMut,
}

fn closed() -> io::Error {
    io::Error::new(
        io::ErrorKind::UnexpectedEof,
        "the client closed the connection",
    )
}

fn stalled() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, "the client has stalled")
}

impl Wire {
    /// Over a new connection.
    pub fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            input: BytesMut::new(),
            output: BytesMut::new(),
        }
    }

    async fn fill(&mut self) -> io::Result<()> {
        self.input.reserve(READ_BYTES);
        match self.stream.read_buf(&mut self.input).await? {
            0 => Err(closed()),
            _ => Ok(()),
        }
    }

    /// The first packet.
    pub async fn opening(&mut self) -> io::Result<Result<frame::Opening, PgError>> {
        loop {
            match frame::take_opening(&mut self.input) {
                Ok(Some(opening)) => return Ok(Ok(opening)),
                Ok(None) => self.fill().await?,
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// Whether anything came that was not read yet.
    pub fn has_input(&self) -> bool {
        !self.input.is_empty()
    }

    /// The next message. Cancel safe: what was read stays. Waits for ever between messages.
    pub async fn message(&mut self, phase: Phase) -> io::Result<Result<Message, PgError>> {
        loop {
            match frame::take(&mut self.input, phase) {
                Ok(Some(message)) => return Ok(Ok(message)),
                Ok(None) if self.input.is_empty() => self.fill().await?,
                Ok(None) => match tokio::time::timeout(MESSAGE_STALL_MAX, self.fill()).await {
                    Ok(filled) => filled?,
                    Err(_) => return Err(stalled()),
                },
                Err(error) => return Ok(Err(error)),
            }
        }
    }

    /// Returns when the client is gone; reads a bounded piece ahead to learn it. Cancel safe.
    pub async fn gone(&mut self) -> io::Error {
        loop {
            if self.input.len() >= AHEAD_BYTES_MAX {
                std::future::pending::<()>().await;
            }
            if let Err(error) = self.fill().await {
                return error;
            }
        }
    }

    /// Appends a message of `pgwire`'s.
    pub fn put(&mut self, message: &impl pgwire::messages::Message) {
        let before = self.output.len();
        if message.encode(&mut self.output).is_err() {
            // Only a message that is too long fails; the client gets an error in its place.
            self.output.truncate(before);
            let error = PgError::new("54000", "a message is too long for the protocol");
            // This one is short.
            let _ = ErrorResponse::new(error.fields()).encode(&mut self.output);
        }
    }

    /// Appends an error or a notice.
    pub fn put_error(&mut self, error: &PgError) {
        use crate::error::Severity;
        match error.severity {
            Severity::Error | Severity::Fatal => self.put(&ErrorResponse::new(error.fields())),
            Severity::Warning | Severity::Notice => self.put(&NoticeResponse::new(error.fields())),
        }
    }

    /// Sends on when much has gathered.
    pub async fn flush_if_full(&mut self) -> io::Result<()> {
        if self.output.len() >= OUTPUT_BYTES_SOFT {
            self.flush().await?;
        }
        Ok(())
    }

    /// Sends everything. The client must take something every `WRITE_STALL_MAX`.
    pub async fn flush(&mut self) -> io::Result<()> {
        while !self.output.is_empty() {
            match tokio::time::timeout(WRITE_STALL_MAX, self.stream.write_buf(&mut self.output))
                .await
            {
                Ok(Ok(0)) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(Ok(_)) => {}
                Ok(Err(error)) => return Err(error),
                Err(_) => return Err(stalled()),
            }
        }
        match tokio::time::timeout(WRITE_STALL_MAX, self.stream.flush()).await {
            Ok(flushed) => flushed,
            Err(_) => Err(stalled()),
        }
    }

    /// Sends what is left, within `limit`, and ends the connection.
    pub async fn close(mut self, limit: Duration) {
        // The client may be gone already; then there is nobody to tell.
        let _ = tokio::time::timeout(limit, async {
            self.flush().await?;
            self.stream.shutdown().await
        })
        .await;
    }
}
