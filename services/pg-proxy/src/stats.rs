//! The statistics page: `mode http` with `stats enable`. Nothing else is served over HTTP.
//!
//! | module | idea |
//! |---|---|
//! | here | requests, answers, their log lines |
//! | [`rows`] | what is known of every frontend, backend and server, by HAProxy's column names |
//! | [`csv`], [`html`] | the two ways to write it |

mod csv;
mod html;
mod rows;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, SystemTime};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use squall_host::meter::Metered;
use squall_host::net::TcpStream;
use tokio::time::Instant;

use crate::backend::Backend;
use crate::config::logs::Level;
use crate::config::stats::StatsConfig;
use crate::frontend::{Frontend, Process};
use crate::log::Record;
use crate::termination::{Cause, Phase, Termination};

/// Bytes that a request's headers may have.
const HEADERS_MAX: usize = 16_384;
/// For a request when no timeout is set.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// All that the page shows.
pub(crate) struct Page {
    pub(crate) process: Arc<Process>,
    pub(crate) proxies: OnceLock<Vec<Proxy>>,
    pub(crate) begun: Instant,
}

/// A section of the configuration at run time: one of the two, or both.
pub(crate) struct Proxy {
    pub(crate) frontend: Option<Arc<Frontend>>,
    pub(crate) backend: Option<Arc<Backend>>,
}

impl Page {
    pub(crate) fn new(process: &Arc<Process>) -> Arc<Self> {
        Arc::new(Self {
            process: process.clone(),
            proxies: OnceLock::new(),
            begun: Instant::now(),
        })
    }

    fn proxies(&self) -> &[Proxy] {
        self.proxies.get().map_or(&[], Vec::as_slice)
    }
}

/// Answers one request of a client, and closes.
pub(crate) async fn serve(
    process: Arc<Process>,
    frontend: Arc<Frontend>,
    page: Arc<Page>,
    stream: TcpStream,
    peer: SocketAddr,
) {
    let begun = Instant::now();
    let accepted = SystemTime::now();
    let number = process.next_number();
    let local = stream.local_addr().ok();
    let timeouts = &frontend.config.timeouts;
    let header_timeout = timeouts
        .http_request
        .or(timeouts.client)
        .unwrap_or(REQUEST_TIMEOUT);
    let (metered, meter) = Metered::new(stream);
    let answered = Arc::new(Mutex::new(None));
    let service = {
        let (answered, frontend) = (answered.clone(), frontend.clone());
        hyper::service::service_fn(move |request: Request<hyper::body::Incoming>| {
            let (response, note) = answer(&frontend, &page, &request);
            if let Ok(mut answered) = answered.lock() {
                *answered = Some(note);
            }
            async move { Ok::<_, Infallible>(response) }
        })
    };
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(header_timeout)
        .max_buf_size(HEADERS_MAX)
        .keep_alive(false)
        .auto_date_header(false)
        .serve_connection(TokioIo::new(metered), service);
    let whole = header_timeout + timeouts.client.unwrap_or(REQUEST_TIMEOUT);
    let ended = tokio::time::timeout(whole, connection).await;
    let note = answered.lock().ok().and_then(|mut note| note.take());

    let (bytes_in, bytes_out) = (meter.read(), meter.written());
    {
        let mut counters = frontend.counters();
        counters.bytes_in += bytes_in;
        counters.bytes_out += bytes_out;
        counters.requests_invalid += u64::from(note.is_none() && bytes_in > 0);
    }
    let flags = &frontend.config.flags;
    if flags.dontlognull && bytes_in == 0 {
        return;
    }
    let termination = match (&note, ended) {
        (Some(note), _) if note.served => Termination::new(Cause::Local, Phase::Request),
        (Some(_), _) => Termination::new(Cause::ServerAbort, Phase::Connect),
        (None, Ok(Err(error))) if error.is_timeout() => {
            Termination::new(Cause::ClientTimeout, Phase::Request)
        }
        (None, Err(_)) => Termination::new(Cause::ClientTimeout, Phase::Request),
        (None, _) if bytes_out > 0 => Termination::new(Cause::Proxy, Phase::Request),
        (None, _) => Termination::new(Cause::ClientAbort, Phase::Request),
    };
    let served = note.as_ref().is_some_and(|note| note.served);
    let name = &frontend.config.name;
    let record = Record {
        number,
        client: peer,
        local,
        server: None,
        server_local: None,
        accepted,
        frontend: name,
        backend: name,
        server_name: if served { "<STATS>" } else { "<NOSRV>" },
        queued: served.then_some(Duration::ZERO),
        connected: served.then_some(Duration::ZERO),
        closed: begun.elapsed(),
        bytes_in,
        bytes_out,
        termination,
        connections: [process.gate.count(), frontend.gate.count(), 0, 0],
        retries: 0,
        redispatched: false,
        server_queue: 0,
        backend_queue: 0,
        host: &process.host_name,
    };
    write_line(&frontend, &record, note.as_ref());
}

fn write_line(frontend: &Frontend, record: &Record<'_>, note: Option<&Note>) {
    let Some(format) = &frontend.config.log_format else {
        return;
    };
    if !frontend.config.http_log {
        frontend.log.line(Level::Info, &record.render(format));
        return;
    }
    let date = crate::clock::Date::of(record.accepted).with_millis();
    let (status, request) = match note {
        Some(note) => (note.status.as_u16(), note.request.as_str()),
        None => (400, "<BADREQ>"),
    };
    let [active, of_frontend, ..] = record.connections;
    let name = record.frontend;
    let text = format!(
        "{}:{} [{date}] {name} {name}/{} 0/0/0/0/{} {status} {} - - {}-- \
         {active}/{of_frontend}/0/0/0 0/0 \"{request}\"",
        record.client.ip(),
        record.client.port(),
        record.server_name,
        record.closed.as_millis(),
        record.bytes_out,
        record.termination,
    );
    frontend.log.line(Level::Info, &text);
}

/// What the log says of a request.
struct Note {
    served: bool,
    status: StatusCode,
    request: String,
}

fn answer<B>(
    frontend: &Frontend,
    page: &Page,
    request: &Request<B>,
) -> (Response<Full<Bytes>>, Note) {
    let uri = request
        .uri()
        .path_and_query()
        .map_or("/", |uri| uri.as_str());
    let config = frontend.config.stats.as_ref();
    let matched = config.and_then(|config| Some((config, uri.strip_prefix(config.uri.as_str())?)));
    let served = matched.is_some();
    let response = match matched {
        None => {
            let text = "No server is available to handle this request.";
            refuse(StatusCode::SERVICE_UNAVAILABLE, text)
        }
        Some((config, _)) if !authorised(config, request.headers().get(AUTHORIZATION)) => {
            let text = "You need a valid user and password to access this content.";
            let mut response = refuse(StatusCode::UNAUTHORIZED, text);
            let challenge = format!("Basic realm=\"{}\"", config.realm.replace('"', "'"));
            if let Ok(challenge) = HeaderValue::from_str(&challenge) {
                response
                    .headers_mut()
                    .insert(hyper::header::WWW_AUTHENTICATE, challenge);
            }
            response
        }
        Some(_) if request.method() != Method::GET && request.method() != Method::HEAD => refuse(
            StatusCode::FORBIDDEN,
            "Request forbidden by administrative rules.",
        ),
        Some((config, rest)) => show(config, page, rest, uri),
    };
    let note = Note {
        served,
        status: response.status(),
        request: format!("{} {uri} {:?}", request.method(), request.version()),
    };
    (response, note)
}

fn show(config: &StatsConfig, page: &Page, rest: &str, uri: &str) -> Response<Full<Bytes>> {
    let (kind, body) = if rest.contains(";csv") {
        ("text/plain", csv::write(&rows::of(page)))
    } else if rest.contains(";json") {
        let text = "The JSON form of the statistics is not supported by squall.";
        return refuse(StatusCode::NOT_IMPLEMENTED, text);
    } else {
        ("text/html", html::write(config, page, &rows::of(page)))
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    let refresh = config
        .refresh
        .filter(|_| kind == "text/html" && !uri.contains(";norefresh"));
    if let Some(refresh) = refresh
        && let Ok(value) = HeaderValue::from_str(&refresh.as_secs().to_string())
    {
        headers.insert("refresh", value);
    }
    response
}

fn refuse(status: StatusCode, text: &str) -> Response<Full<Bytes>> {
    let title = format!(
        "{} {}",
        status.as_u16(),
        status.canonical_reason().unwrap_or_default()
    );
    let body = format!("<html><body><h1>{title}</h1>\n{text}\n</body></html>\n");
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    response
}

fn authorised(config: &StatsConfig, header: Option<&HeaderValue>) -> bool {
    if config.auth.is_empty() {
        return true;
    }
    let given = header.and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Basic "));
    let given = given.map(str::trim);
    config
        .auth
        .iter()
        .any(|auth| given == Some(BASE64_STANDARD.encode(auth).as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_with_users_wants_one_of_them() {
        let mut config = StatsConfig::default();
        assert!(authorised(&config, None));
        config.auth = vec!["admin:pw".to_owned(), "other:pw2".to_owned()];
        let given = |text| authorised(&config, Some(&HeaderValue::from_static(text)));
        assert!(given("Basic YWRtaW46cHc="));
        assert!(given("Basic  b3RoZXI6cHcy "));
        for wrong in ["", "Basic ", "Basic YWRtaW46cHc", "Bearer YWRtaW46cHc="] {
            assert!(!given(wrong), "{wrong}");
        }
        assert!(!authorised(&config, None));
    }
}
