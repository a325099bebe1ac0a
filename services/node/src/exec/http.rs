//! curl and wget, as healthchecks use them: one request over plain HTTP.

use std::time::Duration;

use ::http::{Method, Request, Response, Uri, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use squall_host::Host;

use super::options::options;
use super::{OUTPUT_MAX, Outcome, seconds};

/// Redirections that are followed.
const REDIRECTS_MAX: usize = 10;

/// One request and what its answer means.
#[derive(Clone, Debug)]
pub(super) struct Fetch {
    kind: Kind,
    url: Uri,
    method: Method,
    headers: Vec<(String, String)>,
    body: String,
    /// A status from 400 on is a failure.
    fail: bool,
    follow: bool,
    /// The body is printed.
    print: bool,
    /// curl's `-w`, with `%{http_code}` alone.
    write_out: String,
    timeout: Duration,
    connect_timeout: Duration,
}

/// Whose exit statuses it has (curl(1) and wget(1), "Exit status").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Curl,
    Wget,
}

enum Failure {
    Protocol,
    Resolve,
    Connect,
    Http,
    Timeout,
    Redirects,
    Receive,
}

impl Kind {
    fn status(self, failure: &Failure) -> i32 {
        match (self, failure) {
            (Self::Curl, Failure::Protocol) => 1,
            (Self::Curl, Failure::Resolve) => 6,
            (Self::Curl, Failure::Connect) => 7,
            (Self::Curl, Failure::Http) => 22,
            (Self::Curl, Failure::Timeout) => 28,
            (Self::Curl, Failure::Redirects) => 47,
            (Self::Curl, Failure::Receive) => 56,
            (Self::Wget, Failure::Protocol) => 1,
            (Self::Wget, Failure::Http | Failure::Redirects) => 8,
            (Self::Wget, _) => 4,
        }
    }
}

fn fetch(kind: Kind) -> Fetch {
    Fetch {
        kind,
        url: Uri::default(),
        method: Method::GET,
        headers: Vec::new(),
        body: String::new(),
        fail: kind == Kind::Wget,
        follow: kind == Kind::Wget,
        print: true,
        write_out: String::new(),
        timeout: Duration::from_secs(300),
        connect_timeout: Duration::from_secs(120),
    }
}

fn header(text: &str) -> Result<(String, String), String> {
    let (key, value) = text
        .split_once(':')
        .ok_or_else(|| format!("`{text}` is no header"))?;
    Ok((key.trim().to_owned(), value.trim().to_owned()))
}

/// The command with the one URL among its operands.
fn with_url(mut fetch: Fetch, operands: &[&str], name: &str) -> Result<Fetch, String> {
    let (first, more) = operands
        .split_first()
        .ok_or_else(|| format!("{name} without a URL"))?;
    fetch.url = url(first)?;
    match more.first() {
        None => Ok(fetch),
        Some(text) => Err(format!("`{text}`: one URL with a host is wanted")),
    }
}

fn url(text: &str) -> Result<Uri, String> {
    let full = match text.contains("://") {
        true => text.to_owned(),
        false => format!("http://{text}"),
    };
    let url: Uri = full.parse().map_err(|_| format!("`{text}` is no URL"))?;
    if url.scheme_str() != Some("http") {
        return Err(format!("`{text}`: only http is known here"));
    }
    match url.host() {
        None | Some("") => Err(format!("`{text}`: one URL with a host is wanted")),
        Some(_) => Ok(url),
    }
}

/// curl's arguments.
pub(super) fn curl(args: &[&str]) -> Result<Fetch, String> {
    let mut fetch = fetch(Kind::Curl);
    let operands = options(args, "XHdomwA", |name, value| {
        match name {
            "f" | "--fail" | "--fail-with-body" => fetch.fail = true,
            "L" | "--location" => fetch.follow = true,
            "I" | "--head" => fetch.method = Method::HEAD,
            "X" | "--request" => {
                let text = value()?;
                fetch.method = text.parse().map_err(|_| format!("`{text}` is no method"))?;
            }
            "H" | "--header" => {
                let text = value()?;
                fetch.headers.push(header(text)?);
            }
            "d" | "--data" | "--data-raw" => {
                fetch.body = value()?.to_owned();
                if fetch.method == Method::GET {
                    fetch.method = Method::POST;
                }
            }
            "o" | "--output" => fetch.print = matches!(value()?, "-" | "/dev/stdout"),
            "w" | "--write-out" => fetch.write_out = value()?.to_owned(),
            "m" | "--max-time" => fetch.timeout = seconds(value()?)?,
            "--connect-timeout" => fetch.connect_timeout = seconds(value()?)?,
            "A" | "--user-agent" => {
                fetch.headers.push(("user-agent".into(), value()?.into()));
            }
            "s"
            | "S"
            | "k"
            | "v"
            | "g"
            | "4"
            | "q"
            | "N"
            | "--silent"
            | "--show-error"
            | "--insecure"
            | "--verbose"
            | "--globoff"
            | "--ipv4"
            | "--no-buffer"
            | "--http1.1"
            | "--compressed"
            | "--no-progress-meter" => {}
            _ => return Err(format!("curl: no option {name} here")),
        }
        Ok(())
    })?;
    with_url(fetch, &operands, "curl")
}

/// wget's arguments, GNU's and busybox's.
pub(super) fn wget(args: &[&str]) -> Result<Fetch, String> {
    let mut fetch = fetch(Kind::Wget);
    fetch.print = false;
    let operands = options(args, "OTtUYe", |name, value| {
        match name {
            "O" | "--output-document" => fetch.print = matches!(value()?, "-" | "/dev/stdout"),
            "--spider" => fetch.method = Method::HEAD,
            "T" | "--timeout" => {
                fetch.timeout = seconds(value()?)?;
                fetch.connect_timeout = fetch.timeout;
            }
            "t" | "--tries" | "U" | "--user-agent" | "Y" => drop(value()?),
            "--header" => {
                let text = value()?;
                fetch.headers.push(header(text)?);
            }
            "--post-data" => {
                fetch.body = value()?.to_owned();
                fetch.method = Method::POST;
            }
            "q"
            | "S"
            | "n"
            | "v"
            | "c"
            | "4"
            | "--quiet"
            | "--no-verbose"
            | "--server-response"
            | "--no-check-certificate"
            | "--no-cache"
            | "--verbose"
            | "--inet4-only" => {}
            _ => return Err(format!("wget: no option {name} here")),
        }
        Ok(())
    })?;
    with_url(fetch, &operands, "wget")
}

impl Fetch {
    pub(super) async fn run(&self, host: &Host) -> Outcome {
        let result = match tokio::time::timeout(self.timeout, self.follow(host)).await {
            Ok(result) => result,
            Err(_) => Err(Failure::Timeout),
        };
        match result {
            Err(failure) => Outcome::status(self.kind.status(&failure)),
            Ok((code, body)) => {
                let failed = self.fail && code >= 400;
                let mut output = String::new();
                if self.print && !failed {
                    output.push_str(&body);
                }
                output.push_str(
                    &self
                        .write_out
                        .replace("%{http_code}", &code.to_string())
                        .replace("%{response_code}", &code.to_string())
                        .replace("\\n", "\n"),
                );
                let status = match failed {
                    true => self.kind.status(&Failure::Http),
                    false => 0,
                };
                Outcome { status, output }
            }
        }
    }

    async fn follow(&self, host: &Host) -> Result<(u16, String), Failure> {
        let mut url = self.url.clone();
        for _ in 0..=REDIRECTS_MAX {
            let (response, body) = self.request(host, &url).await?;
            let target = response
                .headers()
                .get(header::LOCATION)
                .and_then(|value| value.to_str().ok())
                .filter(|_| self.follow && response.status().is_redirection());
            let Some(target) = target else {
                return Ok((response.status().as_u16(), body));
            };
            url = relative(&url, target).ok_or(Failure::Protocol)?;
        }
        Err(Failure::Redirects)
    }

    async fn request(&self, host: &Host, url: &Uri) -> Result<(Response<()>, String), Failure> {
        let name = url
            .host()
            .ok_or(Failure::Protocol)?
            .trim_matches(['[', ']']);
        let port = url.port_u16().unwrap_or(80);
        let connect = async {
            let addresses = host.net.resolve(name).await.map_err(|_| Failure::Resolve)?;
            for ip in addresses {
                if let Ok(stream) = host.net.connect((ip, port).into()).await {
                    return Ok(stream);
                }
            }
            Err(Failure::Connect)
        };
        let stream = tokio::time::timeout(self.connect_timeout, connect)
            .await
            .map_err(|_| Failure::Timeout)??;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|_| Failure::Receive)?;
        let authority = url.authority().map_or(name, |authority| authority.as_str());
        let mut request = Request::builder()
            .method(self.method.clone())
            .uri(url.path_and_query().map_or("/", |path| path.as_str()))
            .header(header::HOST, authority)
            .header(header::ACCEPT, "*/*")
            .header(header::CONNECTION, "close");
        for (key, value) in &self.headers {
            request = request.header(key, value);
        }
        let request = request
            .body(Full::new(Bytes::from(self.body.clone())))
            .map_err(|_| Failure::Protocol)?;
        let exchange = async {
            let response = sender
                .send_request(request)
                .await
                .map_err(|_| Failure::Receive)?;
            let (head, body) = response.into_parts();
            Ok((Response::from_parts(head, ()), read(body).await?))
        };
        // The connection is driven beside the exchange and dropped with it.
        tokio::pin!(connection, exchange);
        tokio::select! {
            biased;
            result = &mut exchange => result,
            _ = &mut connection => exchange.await,
        }
    }
}

async fn read(body: Incoming) -> Result<String, Failure> {
    let bytes = Limited::new(body, OUTPUT_MAX)
        .collect()
        .await
        .map_err(|_| Failure::Receive)?
        .to_bytes();
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Where a `Location` leads from `url`.
fn relative(url: &Uri, target: &str) -> Option<Uri> {
    if target.contains("://") {
        let target: Uri = target.parse().ok()?;
        return (target.scheme_str() == Some("http")).then_some(target);
    }
    let authority = url.authority()?;
    let path = match target.strip_prefix('/') {
        Some(path) => path.to_owned(),
        None => {
            let folder = url.path().rsplit_once('/').map_or("", |(folder, _)| folder);
            format!("{}/{target}", folder.trim_start_matches('/'))
        }
    };
    format!("http://{authority}/{}", path.trim_start_matches('/'))
        .parse()
        .ok()
}
