//! The routes and their answers (SYSTEMS.md 2.4 of the lab: any method, these bodies).
//!
//! What a client may believe of `/increment` is in the status: 200 applied; 422 and 503 certainly not
//! applied; 504 and 500 unknown. Reads fail with the original's 500 and its text.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde::Serialize;
use squall_resilient::{Deadline, Permit, Shed};

use crate::config::Config;
use crate::error::Undone;
use crate::increment::Increments;
use crate::metrics::Metrics;
use crate::reads::Reads;
use crate::store::Store;

pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) store: Arc<Store>,
    pub(crate) reads: Arc<Reads>,
    pub(crate) increments: Increments,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) shed: Shed,
}

/// The keys are in the original's order, which is the alphabet's.
#[derive(Serialize)]
struct Body<'a> {
    content: &'a str,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<&'a str>,
}

/// The routes.
pub(crate) fn router(app: App) -> Router {
    Router::new()
        .route("/static", any(meaning))
        .route("/healthz", any(health))
        .route("/increment", any(increment))
        .route("/fetch", any(fetch))
        .route("/livez", any(async || "ok"))
        .route("/metrics", any(metrics))
        // As Go's mux answers.
        .fallback(async || text(StatusCode::NOT_FOUND, "404 page not found\n"))
        .with_state(Arc::new(app))
}

async fn meaning(State(app): State<Arc<App>>) -> Response {
    app.told("meaning of life = 42")
}

/// Whether increments would go well: a read that needs a quorum, and how many members there are.
async fn health(State(app): State<Arc<App>>) -> Response {
    let (_permit, deadline) = match app.begin() {
        Ok(begun) => begun,
        Err(refusal) => return refusal,
    };
    let deadline = deadline.at_most(app.config.etcd_timeout);
    let quorum = app.reads.is_there_a_quorum(deadline);
    match futures::future::join(quorum, app.reads.members(deadline)).await {
        (true, Ok(members)) => app.told(&format!("etcd members = {members}")),
        _ => failed("Error, Etcd is not ready or not accessible"),
    }
}

async fn fetch(State(app): State<Arc<App>>) -> Response {
    let (_permit, deadline) = match app.begin() {
        Ok(begun) => begun,
        Err(refusal) => return refusal,
    };
    let read = match app.config.fetch_serializable {
        true => app.store.read_stale(deadline).await.ok(),
        false => app.reads.read(deadline).await,
    };
    match read.and_then(|known| known.value) {
        Some(value) => app.told(&format!("count value = {value}")),
        None => failed("Error happened fetching key"),
    }
}

async fn increment(State(app): State<Arc<App>>) -> Response {
    let (permit, deadline) = match app.begin() {
        Ok(begun) => begun,
        Err(refusal) => {
            app.metrics.shed.add();
            return refusal;
        }
    };
    // A task of its own: what has begun goes on when the client leaves, so that no lock stays behind.
    let task = {
        let app = app.clone();
        tokio::spawn(async move {
            let _permit = permit;
            let answer = app.increments.one(deadline).await;
            app.metrics.answered(&answer);
            answer
        })
    };
    match task.await {
        Ok(Ok(value)) => json(&Body {
            content: &format!("count value = {value}"),
            message: "Status OK",
            node: None,
            pod: None,
        }),
        Ok(Err(undone)) => {
            let status = match undone {
                Undone::NotApplied(_) => StatusCode::SERVICE_UNAVAILABLE,
                Undone::Unknown(_) => StatusCode::GATEWAY_TIMEOUT,
                Undone::Overflow => StatusCode::UNPROCESSABLE_ENTITY,
            };
            text(status, &undone.to_string())
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, &error.to_string()),
    }
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    let format = [(CONTENT_TYPE, "text/plain; version=0.0.4")];
    let text = app.metrics.text(app.store.etcd.calls(), app.shed.inside());
    (format, text).into_response()
}

impl App {
    /// A request in progress and until when it is of use; or the refusal when there are too many.
    #[expect(clippy::result_large_err, reason = "it is the answer, and rare")]
    fn begin(&self) -> Result<(Permit, Deadline), Response> {
        match self.shed.try_enter() {
            Ok(permit) => Ok((permit, Deadline::after(self.config.request_timeout))),
            Err(_) => {
                let why = "too many requests in progress; this one was not looked at";
                Err(text(StatusCode::SERVICE_UNAVAILABLE, why))
            }
        }
    }

    fn told(&self, content: &str) -> Response {
        json(&Body {
            content,
            message: "Status OK",
            node: Some(&self.config.node),
            pod: Some(&self.config.pod),
        })
    }
}

fn json(body: &Body<'_>) -> Response {
    axum::Json(body).into_response()
}

fn failed(why: &str) -> Response {
    text(StatusCode::INTERNAL_SERVER_ERROR, why)
}

/// A status and why.
fn text(status: StatusCode, why: &str) -> Response {
    let mut response = (status, why.to_owned()).into_response();
    if status == StatusCode::SERVICE_UNAVAILABLE {
        let soon = HeaderValue::from_static("1");
        response.headers_mut().insert(RETRY_AFTER, soon);
    }
    response
}
