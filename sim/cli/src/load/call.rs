//! One HTTP request, as `curl` makes it: a connection of its own, one answer, a deadline for all of
//! it.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, StatusCode, Uri, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use squall_host::{Diagnostic, Host};

/// The longest answer that is read.
const BODY_BYTES_MAX: usize = 1 << 20;

/// The header in which nginx says whom it asked (`add_header X-Upstream-Addr $upstream_addr`).
const BACKEND: &str = "x-upstream-addr";

/// Whom to ask, and for what.
#[derive(Debug)]
pub(super) struct Target {
    host: String,
    port: u16,
    authority: String,
    path: String,
}

impl Target {
    /// Takes a URL apart.
    pub(super) fn of(url: &str) -> Result<Self, Diagnostic> {
        let bad = |why: &str| {
            let help = "write it as `http://HOST:PORT/PATH`";
            Diagnostic::new(format!("`{url}`: {why}")).help(help)
        };
        let uri: Uri = url.parse().map_err(|_| bad("not a URL"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(bad("HTTPS is not supported")),
            _ => return Err(bad("not a URL of HTTP")),
        }
        let authority = uri.authority().ok_or_else(|| bad("no host"))?;
        let host = authority.host();
        Ok(Self {
            host: host.trim_matches(['[', ']']).to_owned(),
            port: authority.port_u16().unwrap_or(80),
            authority: authority.to_string(),
            path: uri
                .path_and_query()
                .map_or("/", |path| path.as_str())
                .to_owned(),
        })
    }
}

/// What became of a request.
#[derive(Debug)]
pub(super) struct Answer {
    /// `None` when there is no answer; the body says why then.
    pub(super) status: Option<StatusCode>,
    pub(super) backend: Option<String>,
    pub(super) body: String,
    pub(super) took: Duration,
}

impl Answer {
    pub(super) fn is_ok(&self) -> bool {
        self.status.is_some_and(|status| status.is_success())
    }
}

/// Sends a request and waits for the answer.
pub(super) async fn call(host: &Host, target: &Target, timeout: Duration) -> Answer {
    let began = tokio::time::Instant::now();
    let mut answer = match tokio::time::timeout(timeout, exchange(host, target)).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(error)) => failed(&error.to_string()),
        Err(_) => failed(&format!("no answer within {timeout:?}")),
    };
    answer.took = began.elapsed();
    answer
}

fn failed(why: &str) -> Answer {
    Answer {
        status: None,
        backend: None,
        body: format!("error: {why}"),
        took: Duration::ZERO,
    }
}

async fn exchange(host: &Host, target: &Target) -> io::Result<Answer> {
    let stream = host.net.connect_name(&target.host, target.port).await;
    let stream = stream.map_err(|error| {
        let what = format!("cannot connect to {}: {error}", target.authority);
        io::Error::new(error.kind(), what)
    })?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(io::Error::other)?;
    let request = Request::get(&target.path)
        .header(header::HOST, &target.authority)
        .header(header::USER_AGENT, "squall")
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(io::Error::other)?;
    let answer = async {
        let response = sender.send_request(request).await;
        let (head, body) = response.map_err(io::Error::other)?.into_parts();
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await;
        let body = body.map_err(io::Error::other)?.to_bytes();
        let backend = head.headers.get(BACKEND);
        Ok(Answer {
            status: Some(head.status),
            backend: backend.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
            body: String::from_utf8_lossy(&body).into_owned(),
            took: Duration::ZERO,
        })
    };
    // The connection's error is the request's error, too. Both end here, so nothing is left behind.
    let (answer, _) = futures::join!(answer, connection);
    answer
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_apart() {
        let target = Target::of("http://[::1]:8081/users?n=1").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("::1", 8081));
        assert_eq!(
            (target.authority.as_str(), target.path.as_str()),
            ("[::1]:8081", "/users?n=1")
        );
        assert_eq!(Target::of("http://nginx").unwrap().path, "/");
        for bad in ["https://x/", "nginx/users", "", "http://"] {
            assert!(Target::of(bad).is_err(), "{bad}");
        }
    }
}
