//! What the rules of [`squall_fault::http`] mean for one message: pure functions.
//!
//! The meanings are Chaos Mesh's (website, `simulate-http-chaos-on-kubernetes.md`): all that a rule
//! says of an exchange must match; *replace* puts something in the place of what was there, *patch*
//! adds to it, and for a body that is a merge of JSON (RFC 7396).
//!
//! Deliberately absent: chance, time, sockets.

use http::header::{CONTENT_LENGTH, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{HeaderMap, Method, StatusCode, Uri, request, response};
use serde_json::Value;
use squall_fault::http::{Matches, Parts};
use squall_fault::pattern;

/// What of a request decides which rules concern it, and its response.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    path: String,
    method: Method,
    headers: HeaderMap,
}

impl Asked {
    pub(super) fn of(request: &request::Parts) -> Self {
        Self {
            path: request.uri.path().to_owned(),
            method: request.method.clone(),
            headers: request.headers.clone(),
        }
    }

    /// Whether a rule on requests concerns this one.
    pub(super) fn is_meant(&self, by: &Matches) -> bool {
        let wanted = by.path.as_deref();
        wanted.is_none_or(|wanted| pattern::text(wanted, &self.path))
            && by
                .method
                .as_deref()
                .is_none_or(|method| method.eq_ignore_ascii_case(self.method.as_str()))
            && has_all(&self.headers, &by.request_headers)
    }

    /// Whether a rule on responses concerns this response to it.
    pub(super) fn is_response_meant(&self, by: &Matches, response: &response::Parts) -> bool {
        self.is_meant(by)
            && by.status.is_none_or(|status| response.status == status)
            && has_all(&response.headers, &by.response_headers)
    }
}

fn has_all(headers: &HeaderMap, wanted: &[(String, String)]) -> bool {
    wanted.iter().all(|(name, value)| {
        let mut values = headers.get_all(name.as_str()).iter();
        values.any(|known| known.as_bytes() == value.as_bytes())
    })
}

/// Puts parts in the place of a request's, but for its body.
pub(super) fn replace_in_request(request: &mut request::Parts, by: &Parts) {
    replace_method(request, by);
    let (path, query) = (request.uri.path().to_owned(), request.uri.query());
    let mut query = query.unwrap_or_default().to_owned();
    for (name, value) in &by.queries {
        query = replace_query(&query, name, value);
    }
    set_target(request, by.path.as_deref().unwrap_or(&path), &query);
    replace_headers(&mut request.headers, by);
}

/// Adds parts to a request, but for its body.
pub(super) fn patch_request(request: &mut request::Parts, by: &Parts) {
    let (path, query) = (request.uri.path().to_owned(), request.uri.query());
    let mut query = query.unwrap_or_default().to_owned();
    for (name, value) in &by.queries {
        query = with_query(&query, name, value);
    }
    set_target(request, &path, &query);
    append_headers(&mut request.headers, by);
}

/// Puts parts in the place of a response's, but for its body.
pub(super) fn replace_in_response(response: &mut response::Parts, by: &Parts) {
    let status = by
        .status
        .and_then(|status| StatusCode::from_u16(status).ok());
    response.status = status.unwrap_or(response.status);
    replace_headers(&mut response.headers, by);
}

/// Adds parts to a response, but for its body.
pub(super) fn patch_response(response: &mut response::Parts, by: &Parts) {
    append_headers(&mut response.headers, by);
}

/// The body of a message after a rule; `None` for what cannot be patched, because it is no JSON.
pub(super) fn changed_body(body: &[u8], replace: &Parts, patch: &Parts) -> Option<Vec<u8>> {
    let body = replace.body.as_deref().unwrap_or(body);
    let Some(patch) = &patch.body else {
        return Some(body.to_vec());
    };
    let mut value: Value = serde_json::from_slice(body).ok()?;
    merge(&mut value, serde_json::from_slice(patch).ok()?);
    serde_json::to_vec(&value).ok()
}

/// The headers of a message whose body is known now.
pub(super) fn set_length(headers: &mut HeaderMap, length: usize) {
    headers.remove(TRANSFER_ENCODING);
    headers.insert(CONTENT_LENGTH, HeaderValue::from(length));
}

/// `MergePatch` of RFC 7396. A patch that is nested too deep is refused where it is parsed.
fn merge(target: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else {
        *target = patch;
        return;
    };
    if !target.is_object() {
        *target = Value::Object(serde_json::Map::new());
    }
    let Some(target) = target.as_object_mut() else {
        return;
    };
    for (name, value) in patch {
        match value {
            Value::Null => drop(target.shift_remove(&name)),
            value => merge(target.entry(name).or_insert(Value::Null), value),
        }
    }
}

fn replace_method(request: &mut request::Parts, by: &Parts) {
    let method = by.method.as_deref();
    if let Some(method) = method.and_then(|method| Method::from_bytes(method.as_bytes()).ok()) {
        request.method = method;
    }
}

fn set_target(request: &mut request::Parts, path: &str, query: &str) {
    let target = match query {
        "" => path.to_owned(),
        query => format!("{path}?{query}"),
    };
    let mut uri = request.uri.clone().into_parts();
    // What is no path leaves the request as it was.
    if let Ok(target) = PathAndQuery::try_from(target) {
        uri.path_and_query = Some(target);
        request.uri = Uri::from_parts(uri).unwrap_or_else(|_| request.uri.clone());
    }
}

fn replace_query(query: &str, name: &str, value: &str) -> String {
    let name = encoded(name);
    let others = query
        .split('&')
        .filter(|pair| !pair.is_empty() && pair.split('=').next() != Some(name.as_str()));
    let others: Vec<&str> = others.collect();
    let pair = format!("{name}={}", encoded(value));
    let pairs = others.into_iter().chain([pair.as_str()]);
    pairs.collect::<Vec<&str>>().join("&")
}

fn with_query(query: &str, name: &str, value: &str) -> String {
    let pair = format!("{}={}", encoded(name), encoded(value));
    match query {
        "" => pair,
        query => format!("{query}&{pair}"),
    }
}

/// Percent-encodes all but what RFC 3986 leaves unreserved.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                out.push(byte.into())
            }
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

fn replace_headers(headers: &mut HeaderMap, by: &Parts) {
    for (name, value) in valid(by) {
        headers.insert(name, value);
    }
}

fn append_headers(headers: &mut HeaderMap, by: &Parts) {
    for (name, value) in valid(by) {
        headers.append(name, value);
    }
}

/// Headers that can be sent; who reads the rules refuses others.
fn valid(by: &Parts) -> impl Iterator<Item = (HeaderName, HeaderValue)> {
    by.headers.iter().filter_map(|(name, value)| {
        let name = HeaderName::from_bytes(name.as_bytes()).ok()?;
        Some((name, HeaderValue::from_str(value).ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{Request, Response};

    fn request(target: &str) -> request::Parts {
        let request = Request::post(target)
            .header("x-user", "ann")
            .header("x-user", "bob");
        request.body(()).unwrap().into_parts().0
    }

    fn response(status: u16) -> response::Parts {
        let response = Response::builder().status(status).header("etag", "7");
        response.body(()).unwrap().into_parts().0
    }

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        pairs.iter().map(owned).collect()
    }

    #[test]
    fn all_that_is_said_must_match() {
        let asked = Asked::of(&request("/api/users/1?q=2"));
        let meant = |change: fn(&mut Matches)| {
            let mut matches = Matches::default();
            change(&mut matches);
            asked.is_meant(&matches)
        };
        assert!(meant(|_| ()));
        assert!(meant(|m| m.path = Some("/api/*".to_owned())));
        assert!(!meant(|m| m.path = Some("/api".to_owned())));
        assert!(meant(|m| m.method = Some("post".to_owned())));
        assert!(!meant(|m| m.method = Some("GET".to_owned())));
        assert!(meant(|m| m.request_headers = pairs(&[("X-User", "bob")])));
        assert!(!meant(|m| m.request_headers = pairs(&[("X-User", "bo")])));
        assert!(!meant(|m| {
            m.path = Some("/api/*".to_owned());
            m.method = Some("GET".to_owned());
        }));
        let status = |status| Matches {
            status: Some(status),
            ..Matches::default()
        };
        assert!(asked.is_response_meant(&status(404), &response(404)));
        assert!(!asked.is_response_meant(&status(404), &response(200)));
        let headers = |value| Matches {
            response_headers: pairs(&[("etag", value)]),
            ..Matches::default()
        };
        assert!(asked.is_response_meant(&headers("7"), &response(200)));
        assert!(!asked.is_response_meant(&headers("8"), &response(200)));
    }

    #[test]
    fn a_request_is_replaced_and_patched() {
        let mut parts = request("/a?x=1&y=2&x=3");
        let replace = Parts {
            path: Some("/b c".to_owned()),
            ..Parts::default()
        };
        replace_in_request(&mut parts, &replace);
        assert_eq!(parts.uri, "/a?x=1&y=2&x=3", "that is no path");
        let replace = Parts {
            path: Some("/b".to_owned()),
            method: Some("PUT".to_owned()),
            queries: pairs(&[("x", "a b"), ("z", "ü")]),
            headers: pairs(&[("x-user", "eve")]),
            ..Parts::default()
        };
        replace_in_request(&mut parts, &replace);
        assert_eq!(parts.uri, "/b?y=2&x=a%20b&z=%C3%BC");
        assert_eq!(parts.method, Method::PUT);
        assert_eq!(parts.headers.get_all("x-user").iter().count(), 1);
        let patch = Parts {
            queries: pairs(&[("x", "4")]),
            headers: pairs(&[("x-user", "dan"), ("bad\nname", "1")]),
            ..Parts::default()
        };
        patch_request(&mut parts, &patch);
        assert_eq!(parts.uri, "/b?y=2&x=a%20b&z=%C3%BC&x=4");
        assert_eq!(parts.headers.get_all("x-user").iter().count(), 2);
        assert_eq!(parts.headers.len(), 2);
    }

    #[test]
    fn a_response_is_replaced_and_patched() {
        let mut parts = response(200);
        let replace = Parts {
            status: Some(503),
            headers: pairs(&[("etag", "8")]),
            ..Parts::default()
        };
        replace_in_response(&mut parts, &replace);
        assert_eq!(
            (parts.status.as_u16(), &parts.headers["etag"]),
            (503, &HeaderValue::from_static("8"))
        );
        let patch = Parts {
            headers: pairs(&[("etag", "9")]),
            ..Parts::default()
        };
        patch_response(&mut parts, &patch);
        assert_eq!(parts.headers.get_all("etag").iter().count(), 2);
    }

    #[test]
    fn bodies_are_replaced_and_merged() {
        let parts = |body: &str| Parts {
            body: Some(body.into()),
            ..Parts::default()
        };
        let none = Parts::default();
        let changed = |body: &str, replace: &Parts, patch: &Parts| {
            changed_body(body.as_bytes(), replace, patch)
                .map(|body| String::from_utf8(body).unwrap())
        };
        assert_eq!(changed("text", &none, &none).unwrap(), "text");
        assert_eq!(changed("text", &parts("new"), &none).unwrap(), "new");
        assert_eq!(changed("text", &none, &parts("{}")), None);
        assert_eq!(changed("{}", &none, &parts("no JSON")), None);
        // The examples of RFC 7396, appendix A.
        for (target, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, "{}"),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (
                r#"{"a":{"b":"c"}}"#,
                r#"{"a":{"b":"d","c":null}}"#,
                r#"{"a":{"b":"d"}}"#,
            ),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"a":"foo"}"#, "null", "null"),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
            ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            assert_eq!(
                changed(target, &none, &parts(patch)).unwrap(),
                result,
                "{target} {patch}"
            );
        }
    }
}
