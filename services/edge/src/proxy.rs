//! `proxy_pass`: a request to one server after the other until one answers.
//!
//! The rules of when to go on are those of `ngx_http_upstream_next` and
//! `ngx_http_upstream_test_next`.

mod relay;
mod request;
mod target;

use std::future::poll_fn;
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Poll;

use http::{HeaderValue, Method, Response};
use hyper::body::{Body, Incoming};
use hyper::ext::ReasonPhrase;
use tokio::time::Instant;

use crate::app::{App, UpstreamSlot};
use crate::balance::Outcome;
use crate::client_body;
use crate::config::proxy::{NextUpstream, ProxyPass};
use crate::exchange::{Failure, Link, Remainder, Timeouts};
use crate::reply::{Answer, Content, Reply};
use crate::request::{Attempt, Request};
use crate::tunnel::Tunnel;
use crate::upstream::Lease;

pub(crate) use relay::Relay;
use request::Outgoing;

/// An answer to one try, with what it came on.
struct Answered {
    response: Response<Incoming>,
    link: Link,
    slot: UpstreamSlot,
}

/// A try without an answer.
struct Failed {
    failure: Failure,
    /// Whether the server may have got the request.
    sent: bool,
    /// Whether the connection was a kept one.
    cached: bool,
}

impl App {
    /// Answers a request by `proxy_pass`.
    pub(crate) async fn proxy(
        self: &Arc<Self>,
        pass: &ProxyPass,
        request: &mut Request,
        incoming: &mut Option<Incoming>,
    ) -> Answer {
        if request.body.is_none() {
            match client_body::read(request, incoming).await {
                Ok(body) => request.body = Some(body),
                Err(answer) => return answer,
            }
        }
        let (target, mut lease) = match self.target(pass, request).await {
            Ok(found) => found,
            Err(status) => return Answer::Error(status),
        };
        let outgoing = match self.outgoing(&target, request) {
            Some(outgoing) => outgoing,
            None => return Answer::Error(500),
        };
        match self.tries(&mut lease, &outgoing, request).await {
            Ok(answered) => self.relay(answered, lease, &target, request).await,
            Err(status) => Answer::Error(status),
        }
    }

    /// Tries servers until one answers for good, or no more may be tried.
    async fn tries(
        self: &Arc<Self>,
        lease: &mut Lease,
        outgoing: &Outgoing,
        request: &mut Request,
    ) -> Result<Answered, u16> {
        let location = request.location.clone();
        let settings = &location.settings;
        let began = Instant::now();
        let late = || {
            let limit = settings.proxy_next_upstream_timeout;
            !limit.is_zero() && began.elapsed() >= limit
        };
        let may_repeat = !matches!(outgoing.method, Method::POST | Method::PATCH)
            && outgoing.method.as_str() != "LOCK"
            || self.host.planted.has("edge/repeats-sent-posts");
        let with_method = |condition: NextUpstream, sent: bool| {
            if sent && !may_repeat {
                condition.with(NextUpstream::NON_IDEMPOTENT)
            } else {
                condition
            }
        };
        let mut opens_group = true;
        loop {
            let picked = lease.pick();
            let name = match &picked {
                Ok((name, _)) => name,
                Err(group) => group,
            };
            request
                .attempts
                .push(Attempt::new(name.clone(), opens_group));
            opens_group = false;
            let Ok((_, address)) = picked else {
                complain(
                    request,
                    outgoing,
                    "no live upstreams while connecting to upstream",
                );
                finish(request, 502, None);
                return Err(502);
            };
            match self.attempt(lease, address, outgoing, request).await? {
                Ok(answered) => {
                    let status = answered.response.status().as_u16();
                    let condition = NextUpstream::of_status(status).filter(|condition| {
                        let condition = with_method(*condition, true);
                        lease.tries() > 1
                            && settings.proxy_next_upstream.contains(condition)
                            && !late()
                    });
                    if condition.is_none() {
                        return Ok(answered);
                    }
                    finish(request, status, Some(&answered.link));
                    let blameless = matches!(status, 403 | 404);
                    lease.release(if blameless {
                        Outcome::Next
                    } else {
                        Outcome::Failed
                    });
                }
                Err(failed) => {
                    let (condition, status) = failed.failure.judge();
                    complain(request, outgoing, &failed.failure.words());
                    finish(request, status, None);
                    lease.release(Outcome::Failed);
                    if failed.cached && condition == NextUpstream::ERROR {
                        lease.add_try();
                    }
                    let condition = with_method(condition, failed.sent);
                    if lease.tries() == 0
                        || !settings.proxy_next_upstream.contains(condition)
                        || late()
                    {
                        return Err(status);
                    }
                }
            }
        }
    }

    /// One try of one server. The outer error is a status for which no server is to blame.
    async fn attempt(
        self: &Arc<Self>,
        lease: &Lease,
        address: SocketAddr,
        outgoing: &Outgoing,
        request: &mut Request,
    ) -> Result<Result<Answered, Failed>, u16> {
        let location = request.location.clone();
        let settings = &location.settings;
        let Some(slot) = self.open_upstream() else {
            let limit = self.config.worker_connections;
            let words =
                format!("{limit} worker_connections are not enough while connecting to upstream");
            complain(request, outgoing, &words);
            return Err(500);
        };
        let kept = match &lease.upstream().pool {
            Some(pool) => pool.take(address).await,
            None => None,
        };
        let cached = kept.is_some();
        let attempt = request
            .attempts
            .last_mut()
            .expect("the caller has pushed one");
        let mut link = match kept {
            Some(link) => link,
            None => {
                let connected = Link::connect(
                    &self.host.net,
                    address,
                    settings.proxy_connect_timeout,
                    settings.proxy_buffer_bytes,
                );
                match connected.await {
                    Ok(link) => link,
                    Err(failure) => {
                        return Ok(Err(Failed {
                            failure,
                            sent: false,
                            cached,
                        }));
                    }
                }
            }
        };
        attempt.connect_time = Some(attempt.started.elapsed());
        let mut timeouts = Timeouts {
            send: settings.proxy_send_timeout,
            read: settings.proxy_read_timeout,
        };
        if self.host.planted.has("edge/no-read-timeout") {
            timeouts.read *= 1000;
        }
        match link.exchange(outgoing.build(), timeouts).await {
            Ok(response) => {
                attempt.header_time = Some(attempt.started.elapsed());
                attempt.status = response.status().as_u16();
                Ok(Ok(Answered {
                    response,
                    link,
                    slot,
                }))
            }
            Err(failure) => {
                (attempt.bytes_sent, attempt.bytes_received) = link.traffic();
                Ok(Err(Failed {
                    failure,
                    sent: true,
                    cached,
                }))
            }
        }
    }

    /// The upstream's response as a reply to the client.
    async fn relay(
        self: &Arc<Self>,
        answered: Answered,
        lease: Lease,
        target: &target::Resolved,
        request: &mut Request,
    ) -> Answer {
        let location = request.location.clone();
        let settings = &location.settings;
        let Answered {
            response,
            mut link,
            slot,
        } = answered;
        let (mut parts, incoming) = response.into_parts();
        let status = parts.status.as_u16();
        if self.config.keeps_reply_headers {
            request.upstream_headers.clone_from(&parts.headers);
        }
        if settings.proxy_intercept_errors
            && status >= 300
            && settings
                .error_pages
                .iter()
                .any(|page| page.codes.contains(&status))
        {
            finish(request, status, Some(&link));
            return Answer::Error(status);
        }
        let asked = request.headers.contains_key(http::header::UPGRADE);
        if status == 101 && !asked {
            complain_plain(request, "upstream switched protocols unasked");
            finish(request, 502, Some(&link));
            return Answer::Error(502);
        }
        for name in ["connection", "keep-alive", "transfer-encoding"] {
            parts.headers.remove(name);
        }
        if status != 101 {
            parts.headers.remove(http::header::UPGRADE);
        }
        for name in settings.proxy_hide_headers.iter() {
            parts.headers.remove(name);
        }
        if let Some(location) = parts.headers.get(http::header::LOCATION)
            && let Ok(text) = location.to_str()
            && let Some(changed) = self.redirected(text, target, request)
            && let Ok(value) = HeaderValue::from_str(&changed)
        {
            parts.headers.insert(http::header::LOCATION, value);
        }
        let content = if status == 101 {
            Content::Tunnel(Box::new(Tunnel {
                link,
                read_timeout: settings.proxy_read_timeout,
                send_timeout: settings.proxy_send_timeout,
                _lease: lease,
                _slot: slot,
                flight: None,
            }))
        } else if incoming.is_end_stream() {
            // It ends here; what is left is to let the connection notice.
            poll_fn(|cx| {
                link.drive(cx);
                Poll::Ready(())
            })
            .await;
            finish(request, status, Some(&link));
            if let Some(pool) = &lease.upstream().pool {
                pool.put(link);
            }
            Content::Empty
        } else {
            let remainder = Remainder::new(link, incoming, settings.proxy_read_timeout);
            let has_length = parts.headers.contains_key(http::header::CONTENT_LENGTH);
            Content::Relayed(Box::new(Relay::new(remainder, lease, slot, has_length)))
        };
        Answer::Reply(Reply {
            status,
            is_relayed: true,
            reason: parts.extensions.remove::<ReasonPhrase>(),
            headers: parts.headers,
            content,
        })
    }
}

/// Closes the books on the current try.
fn finish(request: &mut Request, status: u16, link: Option<&Link>) {
    if let Some(attempt) = request.attempts.last_mut() {
        attempt.status = status;
        attempt.response_time = Some(attempt.started.elapsed());
        if let Some(link) = link {
            (attempt.bytes_sent, attempt.bytes_received) = link.traffic();
        }
    }
}

/// A line in the words of nginx's error log.
fn complain(request: &Request, outgoing: &Outgoing, words: &str) {
    let upstream = request
        .attempts
        .last()
        .map(|attempt| &*attempt.name)
        .unwrap_or_default();
    tracing::warn!(
        "{words}, client: {}, server: {}, request: \"{} {} {}\", upstream: \"http://{upstream}{}\", \
         host: \"{}\"",
        request.client.peer.ip(),
        request.server.name,
        request.method,
        request.raw_uri(),
        request.version_text(),
        outgoing.uri,
        request.host,
    );
}

/// The same, where the request that was sent is no longer at hand.
fn complain_plain(request: &Request, words: &str) {
    let upstream = request
        .attempts
        .last()
        .map(|attempt| &*attempt.name)
        .unwrap_or_default();
    let client = request.client.peer.ip();
    tracing::warn!("{words}, client: {client}, upstream: \"{upstream}\"");
}

impl Failure {
    /// The condition of `proxy_next_upstream` that it is, and the status that it ends in.
    fn judge(&self) -> (NextUpstream, u16) {
        match self {
            Self::ConnectTimeout | Self::SendTimeout | Self::ReadTimeout => {
                (NextUpstream::TIMEOUT, 504)
            }
            Self::Connect(_) | Self::Closed | Self::Receive(_) => (NextUpstream::ERROR, 502),
            Self::InvalidHeader | Self::TooBigHeader => (NextUpstream::INVALID_HEADER, 502),
        }
    }

    fn words(&self) -> String {
        let reading = "while reading response header from upstream";
        let timed_out = "upstream timed out (110: Connection timed out)";
        match self {
            Self::Connect(error) => {
                format!(
                    "connect() failed ({}) while connecting to upstream",
                    crate::errno::words(error)
                )
            }
            Self::ConnectTimeout => format!("{timed_out} while connecting to upstream"),
            Self::SendTimeout => format!("{timed_out} while sending request to upstream"),
            Self::ReadTimeout => format!("{timed_out} {reading}"),
            Self::Closed => format!("upstream prematurely closed connection {reading}"),
            Self::Receive(error) => {
                format!("recv() failed ({}) {reading}", crate::errno::words(error))
            }
            Self::InvalidHeader => format!("upstream sent no valid HTTP/1.0 header {reading}"),
            Self::TooBigHeader => format!("upstream sent too big header {reading}"),
        }
    }
}
