//! One request from head to reply: checks, phases, error pages, headers.

use std::borrow::Cow;
use std::sync::Arc;

use http::header::{CONNECTION, DATE, HOST, HeaderValue, SERVER};
use http::{HeaderMap, Method, Response, StatusCode, Version};
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;

use crate::app::App;
use crate::config::settings::{ErrorAnswer, ErrorPage};
use crate::connection::State;
use crate::flight::Flight;
use crate::reply::{Answer, Content, HEADERS_TOO_LARGE, Reply, ReplyBody, title};
use crate::request::Request;
use crate::router::capture;
use crate::uri;

/// What edge calls itself.
const SERVER_TOKEN: HeaderValue = HeaderValue::from_static("squall-edge");
const KEEP_ALIVE: HeaderValue = HeaderValue::from_static("keep-alive");
const CLOSE: HeaderValue = HeaderValue::from_static("close");

/// The connection is to be closed without a reply.
#[derive(Debug, thiserror::Error)]
#[error("the request is not answered")]
pub(crate) struct HangUp;

/// Answers one request.
pub(crate) async fn handle(
    app: Arc<App>,
    state: Arc<State>,
    request: http::Request<Incoming>,
) -> Result<Response<ReplyBody>, HangUp> {
    let (parts, incoming) = request.into_parts();
    let number = state.begin_request();
    let host = host_of(&parts.uri, &parts.headers);
    let name = host.as_deref().unwrap_or_default();
    let (server, pattern) = app.server(state.client.local, name);
    let slots = app.config.slots.len();
    let mut request = Request::new(state.client.clone(), server.clone(), slots, parts);
    let problem = prepare(&mut request, host);
    if let Some(pattern) = pattern {
        let host = request.host.clone();
        capture(pattern, &host, &mut request);
    }
    let mut flight = Flight::new(app.clone(), &state, request);
    let mut incoming = Some(incoming);
    let answer = match problem {
        Some(status) => Answer::Error(status),
        None => app.run_phases(flight.request(), &mut incoming, None).await,
    };
    let mut reply = match app.settle(flight.request(), &mut incoming, answer).await {
        Ok(reply) => reply,
        Err(status) => {
            flight.request().status = status;
            return Err(HangUp);
        }
    };
    let unread = incoming.is_some_and(|body| !hyper::body::Body::is_end_stream(&body));
    let request = flight.request();
    let upgrades = matches!(reply.content, Content::Tunnel(_));
    let keep = keeps_alive(request, number, unread && reply.status >= 400)
        && problem.is_none()
        && !state.is_closing();
    state.set_lingers(!keep && unread);
    app.finish_headers(request, &mut reply, keep);
    if upgrades {
        reply
            .headers
            .insert(CONNECTION, HeaderValue::from_static("upgrade"));
    }
    let mut response = Response::new(());
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or_default();
    *response.headers_mut() = reply.headers;
    let reason = reply
        .reason
        .or_else(|| own_title(reply.status).filter(|_| !reply.is_relayed));
    if let Some(reason) = reason {
        response.extensions_mut().insert(reason);
    }
    let body = match reply.content {
        Content::Tunnel(mut tunnel) => {
            tunnel.flight = Some(flight);
            state.set_tunnel(tunnel);
            ReplyBody::none()
        }
        content => ReplyBody::new(content, flight),
    };
    Ok(response.map(|()| body))
}

impl App {
    /// Makes a reply of an answer, by way of error pages. The error is a status to log only.
    async fn settle(
        self: &Arc<Self>,
        request: &mut Request,
        incoming: &mut Option<Incoming>,
        mut answer: Answer,
    ) -> Result<Reply, u16> {
        // The status that an error page is sent with.
        let mut imposed: Option<u16> = None;
        let mut pages = 0;
        loop {
            let status = match answer {
                Answer::HangUp(status) => return Err(status),
                Answer::Reply(mut reply) => {
                    if let Some(status) = imposed {
                        reply.status = status;
                        reply.reason = None;
                        reply.is_relayed = false;
                    }
                    return Ok(reply);
                }
                Answer::Error(status) => status,
            };
            let location = request.location.clone();
            let settings = &location.settings;
            let found = settings
                .error_pages
                .iter()
                .find(|page| page.codes.contains(&status));
            let may = pages == 0 || (settings.recursive_error_pages && pages < 10);
            let Some(page) = found.filter(|_| may) else {
                return Ok(Reply::page(status));
            };
            pages += 1;
            let target = self.text(&page.target, request);
            if !target.starts_with(['/', '@']) {
                return Ok(Reply::redirect(redirect_status(page, status), &target));
            }
            imposed = match page.answer {
                ErrorAnswer::Same => Some(status),
                ErrorAnswer::OfPage => None,
                ErrorAnswer::Fixed(fixed) => Some(fixed),
            };
            if target.starts_with('/') && request.method != Method::HEAD {
                request.method = Method::GET;
            }
            answer = self.run_phases(request, incoming, Some(target)).await;
        }
    }

    /// The headers that every reply gets, and those of `add_header`.
    fn finish_headers(&self, request: &mut Request, reply: &mut Reply, keep: bool) {
        request.status = reply.status;
        let headers = &mut reply.headers;
        headers.entry(SERVER).or_insert(SERVER_TOKEN);
        if !headers.contains_key(DATE) {
            headers.insert(DATE, self.date.get());
        }
        headers.insert(CONNECTION, if keep { KEEP_ALIVE } else { CLOSE });
        let always_only = !matches!(
            reply.status,
            200 | 201 | 204 | 206 | 301 | 302 | 303 | 304 | 307 | 308
        );
        let location = request.location.clone();
        for add in location.settings.add_headers.iter() {
            if always_only && !add.always {
                continue;
            }
            let value = match add.value.as_text() {
                Some(text) => HeaderValue::from_str(text),
                None => HeaderValue::try_from(self.text(&add.value, request)),
            };
            if let Ok(value) = value
                && !value.is_empty()
            {
                headers.append(&add.name, value);
            }
        }
        let size = headers
            .iter()
            .map(|(name, value)| name.as_str().len() + value.len() + 4);
        request.header_bytes_sent = (size.sum::<usize>() + 19) as u64;
        if self.config.keeps_reply_headers {
            request.sent_headers.clone_from(headers);
        }
    }
}

/// `error_page 404 http://…`: 302 unless the page says another redirection.
fn redirect_status(page: &ErrorPage, status: u16) -> u16 {
    let asked = match page.answer {
        ErrorAnswer::Same => status,
        ErrorAnswer::Fixed(fixed) => fixed,
        ErrorAnswer::OfPage => 302,
    };
    match asked {
        301 | 302 | 303 | 307 | 308 => asked,
        _ => 302,
    }
}

/// nginx's words where hyper has others.
fn own_title(status: u16) -> Option<ReasonPhrase> {
    let words = title(status).unwrap_or_default();
    let canonical = StatusCode::from_u16(status).ok()?.canonical_reason();
    (canonical != Some(words)).then(|| ReasonPhrase::from_static(words.as_bytes()))
}

fn keeps_alive(request: &Request, number: u64, unread: bool) -> bool {
    let settings = &request.location.settings;
    if unread || settings.keepalive_timeout.is_zero() || number >= settings.keepalive_requests {
        return false;
    }
    let said = request.headers.get(CONNECTION).map(HeaderValue::as_bytes);
    let has = |word: &str| {
        let text = said
            .and_then(|said| std::str::from_utf8(said).ok())
            .unwrap_or_default();
        text.split(',')
            .any(|part| part.trim().eq_ignore_ascii_case(word))
    };
    match request.version {
        Version::HTTP_10 => has("keep-alive"),
        _ => !has("close"),
    }
}

/// The host that a request names: `Err` if nginx would not take it.
fn host_of(uri: &http::Uri, headers: &HeaderMap) -> Result<String, ()> {
    let mut hosts = headers.get_all(HOST).into_iter();
    let named = match (hosts.next(), hosts.next()) {
        (_, Some(_)) => return Err(()),
        (Some(value), None) => Some(value.to_str().map_err(|_| ())?),
        (None, None) => None,
    };
    let named = match (uri.authority(), named) {
        (Some(authority), _) => authority.as_str(),
        (None, Some("")) => return Err(()),
        (None, named) => named.unwrap_or_default(),
    };
    let host = match named.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => host,
        _ => named,
    };
    let strange = |b: u8| b <= b' ' || b == 0x7f || matches!(b, b'/' | b'\\' | b'?' | b'#' | b'@');
    if host.bytes().any(strange) || host.contains("..") {
        return Err(());
    }
    let host = host.strip_suffix('.').unwrap_or(host);
    Ok(host.to_ascii_lowercase())
}

/// Fills in what the head says; the status is that of a head that nginx refuses.
fn prepare(request: &mut Request, host: Result<String, ()>) -> Option<u16> {
    let host_is_bad = host.is_err();
    let server = request.server.clone();
    let settings = &server.settings;
    let (_, line_bytes_max) = settings.large_client_header_buffers;
    let line_bytes_max = line_bytes_max.max(settings.client_header_buffer_bytes);
    let normal = uri::normalize(request.uri.path(), settings.merge_slashes);
    let normal = normal.map(Cow::into_owned);
    request.args = request.uri.query().map(str::to_owned);
    let is_normal = normal.is_some();
    request.path = normal.unwrap_or_default();
    if is_normal {
        request.host = host.unwrap_or_default();
    }
    if request.method.as_str().len() + request.raw_uri().len() + 11 > line_bytes_max {
        return Some(414);
    }
    let line_bytes = request
        .headers
        .iter()
        .map(|(n, v)| n.as_str().len() + v.len() + 4);
    if line_bytes.max().unwrap_or(0) > line_bytes_max {
        return Some(HEADERS_TOO_LARGE);
    }
    // nginx knows a few methods and takes others that look like one.
    let strange = |b: u8| !b.is_ascii_uppercase() && b != b'_' && b != b'-';
    if request.method.as_str().bytes().any(strange) || request.method == Method::CONNECT {
        return Some(400);
    }
    if request.method == Method::TRACE {
        return Some(405);
    }
    let lacks_host = request.version == Version::HTTP_11 && !request.headers.contains_key(HOST);
    if lacks_host || !is_normal {
        return Some(400);
    }
    host_is_bad.then_some(400)
}
