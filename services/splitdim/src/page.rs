//! The page at `GET /`: the application for a browser, in three files that are part of the program.
//!
//! Deliberately absent: anything made here; the page asks the same API as every other client.

use axum::Router;
use axum::http::HeaderValue;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::response::{IntoResponse, Response};
use axum::routing::get;

/// The page's own files and API, and nothing else: no inline script or style, no other site, no frame around it.
/// The icon is in the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      form-action 'none'; base-uri 'none'; frame-ancestors 'none'";

/// `GET /`.
pub(crate) fn page() -> Response {
    let mut response = file(
        "text/html; charset=utf-8",
        include_str!("../page/index.html"),
    );
    let policy = HeaderValue::from_static(POLICY);
    response
        .headers_mut()
        .insert(CONTENT_SECURITY_POLICY, policy);
    response
}

/// What the page asks for besides: its script and its style.
pub(crate) fn files<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let script = async || {
        file(
            "text/javascript; charset=utf-8",
            include_str!("../page/splitdim.js"),
        )
    };
    let style = async || {
        file(
            "text/css; charset=utf-8",
            include_str!("../page/splitdim.css"),
        )
    };
    Router::new()
        .route("/splitdim.js", get(script))
        .route("/splitdim.css", get(style))
}

/// To be asked for again each time: after a rolling update the three are of one version at the next look.
fn file(content_type: &'static str, text: &'static str) -> Response {
    let headers = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-cache"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    (headers, text).into_response()
}
