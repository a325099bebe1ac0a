//! What goes back to the client: answers before they are finished, nginx's built-in pages, and the
//! body that hyper sends.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use http::{HeaderMap, Method, Version};
use hyper::body::{Body, Frame, SizeHint};
use hyper::ext::ReasonPhrase;

use crate::exchange::Failure;
use crate::flight::Flight;
use crate::proxy::Relay;
use crate::tunnel::Tunnel;

/// What a phase came to.
pub(crate) enum Answer {
    Reply(Reply),
    /// For `error_page`, or else a built-in page.
    Error(u16),
    /// Nothing is sent; the connection is closed and this status logged.
    HangUp(u16),
}

/// A reply before the headers that every reply gets.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) reason: Option<ReasonPhrase>,
    /// Whether its status line is an upstream's.
    pub(crate) is_relayed: bool,
    pub(crate) headers: HeaderMap,
    pub(crate) content: Content,
}

/// A reply's body.
pub(crate) enum Content {
    Empty,
    Whole(Bytes),
    Relayed(Box<Relay>),
    /// Nothing, and then whatever the protocol is that was switched to.
    Tunnel(Box<Tunnel>),
}

impl Reply {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_str(content_type) {
            headers.insert(CONTENT_TYPE, value);
        }
        Self {
            status,
            reason: None,
            is_relayed: false,
            headers,
            content: Content::Whole(body.into()),
        }
    }

    /// A built-in page.
    pub(crate) fn page(status: u16) -> Self {
        match page(status) {
            Some((status, body)) => Self::new(status, "text/html", body),
            None => Self {
                status,
                reason: None,
                is_relayed: false,
                headers: HeaderMap::new(),
                content: Content::Empty,
            },
        }
    }

    pub(crate) fn redirect(status: u16, location: &str) -> Self {
        let mut reply = Self::page(status);
        match HeaderValue::from_str(location) {
            Ok(value) => {
                reply.headers.insert(LOCATION, value);
                reply
            }
            // A line break from a variable; nginx would send it.
            Err(_) => Self::page(500),
        }
    }
}

/// nginx's words for a status.
pub(crate) fn title(status: u16) -> Option<&'static str> {
    Some(match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        204 => "No Content",
        206 => "Partial Content",
        301 => "Moved Permanently",
        302 => "Moved Temporarily",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Authorization Required",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Time-out",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Request Entity Too Large",
        414 => "Request-URI Too Large",
        415 => "Unsupported Media Type",
        416 => "Requested Range Not Satisfiable",
        421 => "Misdirected Request",
        429 => "Too Many Requests",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Temporarily Unavailable",
        504 => "Gateway Time-out",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        _ => return None,
    })
}

/// nginx's internal status for headers that are too big; sent as 400 with words of its own.
pub(crate) const HEADERS_TOO_LARGE: u16 = 494;

/// The built-in page of a status, and the status that it is sent with.
fn page(status: u16) -> Option<(u16, String)> {
    let (sent, head, detail) = match status {
        HEADERS_TOO_LARGE => {
            let detail = "<center>Request Header Or Cookie Too Large</center>\r\n";
            (
                400,
                "400 Request Header Or Cookie Too Large".to_owned(),
                detail,
            )
        }
        200..=299 | 304 => return None,
        // The page and the status line differ in nginx, too.
        302 => (302, "302 Found".to_owned(), ""),
        status => (status, format!("{status} {}", title(status)?), ""),
    };
    let line = match status {
        HEADERS_TOO_LARGE => format!("{sent} {}", title(sent)?),
        _ => head.clone(),
    };
    let body = format!(
        "<html>\r\n<head><title>{head}</title></head>\r\n<body>\r\n\
         <center><h1>{line}</h1></center>\r\n{detail}\
         <hr><center>squall-edge</center>\r\n</body>\r\n</html>\r\n"
    );
    Some((sent, body))
}

/// `0\r\n\r\n`.
const LAST_CHUNK_BYTES: u64 = 5;

/// The body of a response, with the request that it answers: when it is dropped, the request is
/// over and its log line is written.
pub(crate) struct ReplyBody {
    content: Content,
    /// `None` when something else ends the request.
    flight: Option<Flight>,
    chunked: bool,
}

impl ReplyBody {
    pub(crate) fn new(content: Content, mut flight: Flight) -> Self {
        let has_length = match &content {
            Content::Relayed(relay) => relay.has_length(),
            _ => true,
        };
        let request = flight.request();
        // hyper drops the body of such a reply without a look.
        request.completed = match &content {
            Content::Whole(body) => body.is_empty() || request.method == Method::HEAD,
            Content::Relayed(_) => request.method == Method::HEAD,
            Content::Empty | Content::Tunnel(_) => true,
        };
        let chunked = !has_length && request.version == Version::HTTP_11;
        Self {
            content,
            flight: Some(flight),
            chunked,
        }
    }

    /// No body; the request goes on elsewhere.
    pub(crate) fn none() -> Self {
        Self {
            content: Content::Empty,
            flight: None,
            chunked: false,
        }
    }

    fn count(&mut self, length: usize) {
        // nginx counts what is sent, with the framing of chunks.
        let framing = match (self.chunked, length) {
            (false, _) => 0,
            (true, length) => format!("{length:x}").len() + 4,
        };
        if let Some(flight) = &mut self.flight {
            flight.request().body_bytes_sent += (length + framing) as u64;
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let this = self.get_mut();
        let Some(flight) = &mut this.flight else {
            return Poll::Ready(None);
        };
        let frame = match std::mem::replace(&mut this.content, Content::Empty) {
            Content::Empty | Content::Tunnel(_) => None,
            Content::Whole(bytes) if bytes.is_empty() => None,
            Content::Whole(bytes) => Some(Ok(Frame::data(bytes))),
            Content::Relayed(mut relay) => match relay.poll_frame(flight.request(), cx) {
                Poll::Pending => {
                    this.content = Content::Relayed(relay);
                    return Poll::Pending;
                }
                Poll::Ready(Some(Ok(frame))) => {
                    if !relay.is_over() {
                        this.content = Content::Relayed(relay);
                    } else if this.chunked {
                        flight.request().body_bytes_sent += LAST_CHUNK_BYTES;
                    }
                    Some(Ok(frame))
                }
                Poll::Ready(Some(Err(failure))) => Some(Err(failure)),
                Poll::Ready(None) => {
                    if this.chunked {
                        flight.request().body_bytes_sent += LAST_CHUNK_BYTES;
                    }
                    None
                }
            },
        };
        if matches!(this.content, Content::Empty) && !matches!(frame, Some(Err(_))) {
            flight.request().completed = true;
        }
        if let Some(Ok(frame)) = &frame {
            this.count(frame.data_ref().map_or(0, Bytes::len));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Empty | Content::Tunnel(_) => true,
            Content::Whole(bytes) => bytes.is_empty(),
            Content::Relayed(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Empty | Content::Tunnel(_) => SizeHint::with_exact(0),
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Relayed(relay) => relay.size_hint(),
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the upstream's response broke off")
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_those_of_nginx() {
        let (status, body) = page(502).unwrap();
        assert_eq!(status, 502);
        assert_eq!(
            body,
            "<html>\r\n<head><title>502 Bad Gateway</title></head>\r\n<body>\r\n\
             <center><h1>502 Bad Gateway</h1></center>\r\n\
             <hr><center>squall-edge</center>\r\n</body>\r\n</html>\r\n"
        );
        let (status, body) = page(HEADERS_TOO_LARGE).unwrap();
        assert_eq!(status, 400);
        assert!(body.contains("<title>400 Request Header Or Cookie Too Large</title>"));
        assert!(page(204).is_none() && page(418).is_none());
    }
}
