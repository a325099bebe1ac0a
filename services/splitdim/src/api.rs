//! The routes and their answers (scenarios/splitdim/README.md, "The application").
//!
//! What a client may believe is in the status: 200 applied; 400, 422, 429, 503 certainly not applied;
//! 504 and 500 unknown.

use std::sync::Arc;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, FromRequest, Request, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use serde::Serialize;
use squall_host::Shutdown;
use squall_resilient::{Deadline, Permit, Shed};

use crate::config::Config;
use crate::error::{ReadError, TransferError};
use crate::ledger::Ledger;
use crate::metrics::Metrics;
use crate::page::{files, page};
use crate::settle::settle;
use crate::transfer::Transfer;

/// The longest transfer: two names and a number.
const BODY_BYTES_MAX: usize = 64 * 1_024;

pub(crate) struct App {
    pub(crate) config: Config,
    pub(crate) ledger: Ledger,
    pub(crate) metrics: Arc<Metrics>,
    pub(crate) shed: Shed,
    pub(crate) shutdown: Shutdown,
}

/// The routes.
pub(crate) fn router(app: App) -> Router {
    let everywhere = app.config.page_everywhere;
    let router = Router::new()
        .route("/api/transfer", post(transfer))
        .route("/api/accounts", get_alone(get(accounts)))
        .route("/api/clear", get_alone(get(clear)))
        .route("/api/reset", get_alone(get(reset)))
        .route("/healthz", get(async || "ok"))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .merge(files());
    let router = match everywhere {
        true => router
            .route("/index.html", axum::routing::any(index))
            .fallback(async || page()),
        false => router.route("/", get(async || page())),
    };
    router
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(app))
}

/// Without HEAD, which axum would answer by GET: forgetting all accounts is not for looking ahead.
fn get_alone(get: MethodRouter<Arc<App>>) -> MethodRouter<Arc<App>> {
    let allow = [(axum::http::header::ALLOW, "GET")];
    get.head(async move || (StatusCode::METHOD_NOT_ALLOWED, allow))
}

/// Go's mux sends `/index.html` to the folder.
async fn index() -> Response {
    let location = [(LOCATION, "./")];
    (StatusCode::MOVED_PERMANENTLY, location).into_response()
}

async fn transfer(State(app): State<Arc<App>>, request: Request) -> Response {
    app.metrics.transfers.add();
    let (permit, deadline) = match app.begin() {
        Ok(begun) => begun,
        Err(refusal) => return refusal,
    };
    let body = match deadline.bound(Bytes::from_request(request, &())).await {
        Ok(Ok(body)) => body,
        Ok(Err(rejection)) => return rejection.into_response(),
        Err(_) => {
            return text(
                StatusCode::REQUEST_TIMEOUT,
                "the request did not come in time",
            );
        }
    };
    let transferred = match Transfer::parse(&body)
        .and_then(|transfer| transfer.check(app.config.empty_names).map(|()| transfer))
    {
        Ok(transfer) => app.ledger.transfer(transfer, deadline, permit).await,
        Err(why) => Err(TransferError::Invalid(why)),
    };
    match transferred {
        Ok(()) => {
            app.metrics.transfers_applied.add();
            ().into_response()
        }
        Err(error) => app.not_transferred(&error),
    }
}

async fn accounts(State(app): State<Arc<App>>) -> Response {
    let (_permit, deadline) = match app.begin() {
        Ok(begun) => begun,
        Err(refusal) => return refusal,
    };
    app.told(app.ledger.accounts(deadline).await)
}

async fn clear(State(app): State<Arc<App>>) -> Response {
    let (_permit, deadline) = match app.begin() {
        Ok(begun) => begun,
        Err(refusal) => return refusal,
    };
    let accounts = app.ledger.accounts(deadline).await;
    app.told(accounts.and_then(|accounts| settle(&accounts).map_err(ReadError::Inconsistent)))
}

async fn reset(State(app): State<Arc<App>>) -> Response {
    let (_permit, deadline) = match app.begin() {
        Ok(begun) => begun,
        Err(refusal) => return refusal,
    };
    match app.ledger.reset(deadline).await {
        Ok(()) => ().into_response(),
        Err(error) => app.not_read(&error),
    }
}

/// Whether transfers should come here. Not whether the store is there: if no instance were ready then,
/// clients would be told less, later.
async fn ready(State(app): State<Arc<App>>) -> Response {
    let why = if app.ledger.is_broken() {
        "the store is inconsistent; an operator must restore it and restart this instance"
    } else if app.shutdown.is_requested() {
        "it is about to stop"
    } else {
        return "ok".into_response();
    };
    text(StatusCode::SERVICE_UNAVAILABLE, why)
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    let format = [(CONTENT_TYPE, "text/plain; version=0.0.4")];
    (format, app.metrics.text(app.shed.inside())).into_response()
}

impl App {
    /// A request in progress and until when it is of use; or the refusal when there are too many.
    #[expect(clippy::result_large_err, reason = "it is the answer, and rare")]
    fn begin(&self) -> Result<(Permit, Deadline), Response> {
        match self.shed.try_enter() {
            Ok(permit) => Ok((permit, Deadline::after(self.config.request_timeout))),
            Err(_) => {
                self.metrics.shed.add();
                let why = "too many requests in progress; this one was not looked at";
                Err(text(StatusCode::SERVICE_UNAVAILABLE, why))
            }
        }
    }

    fn told<T: Serialize>(&self, outcome: Result<T, ReadError>) -> Response {
        match outcome {
            Ok(answer) => axum::Json(answer).into_response(),
            Err(error) => self.not_read(&error),
        }
    }

    fn not_transferred(&self, error: &TransferError) -> Response {
        let status = match error {
            TransferError::Invalid(_) => StatusCode::BAD_REQUEST,
            TransferError::Overflow(_) => StatusCode::UNPROCESSABLE_ENTITY,
            _ if self.config.original_statuses => StatusCode::BAD_REQUEST,
            TransferError::NotApplied(_) => StatusCode::SERVICE_UNAVAILABLE,
            TransferError::Unknown(_) => StatusCode::GATEWAY_TIMEOUT,
            TransferError::Halfway(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        if matches!(error, TransferError::Unknown(_) | TransferError::Halfway(_)) {
            self.metrics.transfers_unknown.add();
        }
        text(status, &format!("Transfer request failed: {error}"))
    }

    fn not_read(&self, error: &ReadError) -> Response {
        let status = match error {
            ReadError::Inconsistent(_) => StatusCode::INTERNAL_SERVER_ERROR,
            _ if self.config.original_statuses => StatusCode::INTERNAL_SERVER_ERROR,
            ReadError::BadAnswer(_) => StatusCode::BAD_GATEWAY,
            ReadError::Unreachable(_) => StatusCode::SERVICE_UNAVAILABLE,
            ReadError::Late(_) => StatusCode::GATEWAY_TIMEOUT,
        };
        text(status, &error.to_string())
    }
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
