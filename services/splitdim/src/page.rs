//! The page at `GET /`: the application for a browser.

use axum::response::{Html, IntoResponse, Response};

/// The page.
pub(crate) fn page() -> Response {
    Html("<!doctype html><title>SplitDim</title><h1>SplitDim</h1>").into_response()
}
