//! The request as it is sent to an upstream, and the `Location` that comes back.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue};
use http::{HeaderMap, Method, Uri, Version};
use http_body_util::Full;

use super::target::Resolved;
use crate::app::App;
use crate::client_body;
use crate::config::proxy::Redirect;
use crate::request::Request;
use crate::uri;

/// Headers of a client that speak of its own connection and are not passed on (the proxy module's
/// defaults for these are empty).
const DROPPED: [&str; 9] = [
    "host",
    "connection",
    "content-length",
    "transfer-encoding",
    "te",
    "keep-alive",
    "expect",
    "upgrade",
    "proxy-connection",
];

/// All of a request but its connection; sent once for each try.
pub(super) struct Outgoing {
    pub(super) method: Method,
    pub(super) uri: Uri,
    version: Version,
    headers: HeaderMap,
    body: Bytes,
}

impl Outgoing {
    pub(super) fn build(&self) -> http::Request<Full<Bytes>> {
        let mut request = http::Request::new(Full::new(self.body.clone()));
        request.method_mut().clone_from(&self.method);
        request.uri_mut().clone_from(&self.uri);
        *request.version_mut() = self.version;
        request.headers_mut().clone_from(&self.headers);
        request
    }
}

impl App {
    /// The request for the upstream; `None` if it cannot be written down.
    pub(super) fn outgoing(&self, target: &Resolved, request: &Request) -> Option<Outgoing> {
        let settings = &request.location.settings;
        let body = match &request.body {
            Some(body) if settings.proxy_pass_request_body => body.clone(),
            _ => Bytes::new(),
        };
        let mut headers = HeaderMap::with_capacity(request.headers.len() + 4);
        for set in settings.proxy_set_headers.iter() {
            let value = match set.value.as_text() {
                Some("") => continue,
                Some(text) => HeaderValue::from_str(text),
                None => HeaderValue::try_from(self.text(&set.value, request)),
            };
            match value {
                Ok(value) if !value.is_empty() => headers.append(&set.name, value),
                _ => continue,
            };
        }
        if client_body::is_announced(request) && settings.proxy_pass_request_body {
            headers
                .entry(CONTENT_LENGTH)
                .or_insert(HeaderValue::from(body.len()));
        }
        if settings.proxy_pass_request_headers {
            let is_set = |name: &HeaderName| {
                settings
                    .proxy_set_headers
                    .iter()
                    .any(|set| set.name == name)
            };
            for (name, value) in &request.headers {
                let hidden = name.as_str().contains('_') && !settings.underscores_in_headers;
                if !hidden && !DROPPED.contains(&name.as_str()) && !is_set(name) {
                    headers.append(name, value.clone());
                }
            }
        }
        Some(Outgoing {
            method: settings
                .proxy_method
                .as_ref()
                .unwrap_or(&request.method)
                .clone(),
            uri: outgoing_uri(target, request)?,
            version: match settings.proxy_http_1_1 {
                true => Version::HTTP_11,
                false => Version::HTTP_10,
            },
            headers,
            body,
        })
    }

    /// What `proxy_redirect` makes of a `Location`; `None` leaves it.
    pub(super) fn redirected(
        &self,
        location: &str,
        target: &Resolved,
        request: &Request,
    ) -> Option<String> {
        let changed = match &request.location.settings.proxy_redirect {
            Redirect::Off => None,
            Redirect::Default => {
                let rest = location.strip_prefix(&*target.url)?;
                let prefix = match (&target.uri, request.location.takes_prefix) {
                    (Some(_), true) if !target.is_whole => request.location.name.as_str(),
                    _ => "",
                };
                Some(format!("{prefix}{rest}"))
            }
            Redirect::Rules(rules) => rules.iter().find_map(|(from, to)| {
                let rest = location.strip_prefix(&self.text(from, request))?;
                Some(format!("{}{rest}", self.text(to, request)))
            }),
        };
        changed.map(|target| self.absolute(target, request))
    }
}

fn outgoing_uri(target: &Resolved, request: &Request) -> Option<Uri> {
    let untouched = || request.uri.path_and_query().filter(|_| request.untouched);
    let mut text = String::new();
    match &target.uri {
        // With variables, what they come to is the whole of it.
        Some(uri) if target.is_whole => {
            if !uri.starts_with('/') {
                text.push('/');
            }
            text.push_str(uri);
            return text.parse().ok();
        }
        Some(uri) => {
            let replaced = match request.at_location {
                true => request.location.name.len(),
                false => 0,
            };
            text.push_str(uri);
            uri::escape(request.path.get(replaced..).unwrap_or_default(), &mut text);
        }
        None => {
            if let Some(path_and_query) = untouched() {
                return Some(Uri::from(path_and_query.clone()));
            }
            uri::escape(&request.path, &mut text);
        }
    }
    if let Some(args) = &request.args {
        text.push('?');
        text.push_str(args);
    }
    text.parse().ok()
}
