//! The client's stream under hyper: notes when heads begin and writes block, and takes back hyper's
//! own answer to what is no request, so that nginx's can be sent in its place.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll};

use squall_host::net::TcpStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::State;
use crate::reply::HEADERS_TOO_LARGE;

/// As much of a head as is kept for the log line of what is no request.
const LINE_BYTES_MAX: usize = 256;

/// What hyper answers by itself, in full, and what nginx would say. With `auto_date_header` off
/// these are the only replies of edge without a `Server` header.
const OWN_ANSWERS: [(&[u8], u16); 3] = [
    (b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 400),
    (
        b"HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
        HEADERS_TOO_LARGE,
    ),
    (b"HTTP/1.1 414 URI Too Long\r\nConnection: close\r\nContent-Length: 0\r\n\r\n", 414),
];

pub(super) struct Wire {
    pub(super) stream: TcpStream,
    state: Arc<State>,
    /// The start of the current head.
    head: Vec<u8>,
    /// Whether the head's first line has ended.
    has_line: bool,
    /// Whether anything came since the last head was complete: only then can hyper complain.
    has_news: bool,
    swallowed: Option<u16>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, state: Arc<State>) -> Self {
        Self {
            stream,
            state,
            head: Vec::new(),
            has_line: false,
            has_news: false,
            swallowed: None,
        }
    }

    /// The status for what is no request, once hyper has met it.
    pub(super) fn swallowed(&self) -> Option<u16> {
        let status = self.swallowed?;
        Some(match status {
            HEADERS_TOO_LARGE if !self.has_line => 414,
            400 if self.names_other_version() => 505,
            status => status,
        })
    }

    /// The first line of the current head, as far as it is known.
    pub(super) fn request_line(&self) -> String {
        let end = self.head.iter().position(|b| matches!(b, b'\r' | b'\n'));
        String::from_utf8_lossy(&self.head[..end.unwrap_or(self.head.len())]).into_owned()
    }

    fn names_other_version(&self) -> bool {
        let line = self.request_line();
        let mut words = line.rsplit(' ');
        let version = words.next().and_then(|last| last.strip_prefix("HTTP/"));
        let major = version.and_then(|version| version.split('.').next()?.parse::<u32>().ok());
        // The preface of HTTP/2 is no request of another version but no request at all.
        major.is_some_and(|major| major > 1) && !line.starts_with("PRI ")
    }

    fn received(&mut self, bytes: &[u8]) {
        if self.state.serving.load(Relaxed) {
            self.has_news = true;
            return;
        }
        if self.state.head_since.load(Relaxed) == 0 {
            self.head.clear();
            self.has_line = false;
        }
        self.state.head_began();
        self.has_news = true;
        self.has_line |= bytes.contains(&b'\n');
        let room = LINE_BYTES_MAX.saturating_sub(self.head.len());
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// How much of `bytes` is to be sent; the rest is hyper's own answer.
    fn kept(&mut self, bytes: &[u8]) -> usize {
        if !self.has_news || self.state.serving.load(Relaxed) {
            return bytes.len();
        }
        for (answer, status) in OWN_ANSWERS {
            if bytes.ends_with(answer) {
                self.swallowed = Some(status);
                return bytes.len() - answer.len();
            }
        }
        bytes.len()
    }

    fn wrote(&self, pending: bool) {
        let blocked = &self.state.write_blocked_since;
        match (pending, blocked.load(Relaxed)) {
            (true, 0) => blocked.store(self.state.now(), Relaxed),
            (true, _) | (false, 0) => {}
            (false, _) => blocked.store(0, Relaxed),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.received(&buf.filled()[before..]);
        }
        result
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let kept = self.kept(buf);
        if kept == 0 && !buf.is_empty() {
            return Poll::Ready(Ok(buf.len()));
        }
        let result = Pin::new(&mut self.stream).poll_write(cx, &buf[..kept]);
        self.wrote(result.is_pending());
        // With all of the rest sent, hyper is told that its own answer was sent, too.
        result.map_ok(|count| if count == kept { buf.len() } else { count })
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        // hyper's own answer is never queued behind a body, so it comes alone.
        if let [only] = bufs {
            return self.poll_write(cx, only);
        }
        let result = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(result.is_pending());
        result
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    /// [`super::serve`] closes the stream, when it has nothing more to say.
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
