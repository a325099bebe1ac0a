//! Which version of HTTP a client speaks, by its first bytes (RFC 9113, 3.4), without taking them away.
//!
//! hyper-util's own detection waits for those bytes without end.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf};

use crate::net::TcpStream;

/// What a client that knows that the server speaks HTTP/2 sends first.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// A stream whose first bytes have been looked at.
pub(super) struct Peeked {
    seen: [u8; PREFACE.len()],
    /// The part of `seen` that is still to be read.
    unread: std::ops::Range<usize>,
    stream: TcpStream,
}

impl Peeked {
    /// Reads until it is clear whether the client speaks HTTP/2; `Err` if it is gone before. A stream that
    /// ends early speaks HTTP/1, whose parser says what is wrong.
    pub(super) async fn look(mut stream: TcpStream) -> io::Result<(bool, Self)> {
        let mut seen = [0; PREFACE.len()];
        let mut len = 0;
        let is_http2 = loop {
            match stream.read(&mut seen[len..]).await? {
                0 => break false,
                read => len += read,
            }
            if seen[..len] != PREFACE[..len] {
                break false;
            }
            if len == PREFACE.len() {
                break true;
            }
        };
        let peeked = Self {
            seen,
            unread: 0..len,
            stream,
        };
        Ok((is_http2, peeked))
    }
}

impl AsyncRead for Peeked {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.unread.is_empty() {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let start = self.unread.start;
        let end = self.unread.end.min(start + buf.remaining());
        buf.put_slice(&self.seen[start..end]);
        self.unread.start = end;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peeked {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
