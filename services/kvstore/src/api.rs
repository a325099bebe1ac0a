//! The routes and their answers (scenarios/splitdim/README.md, "The store").
//!
//! | status | when | was anything changed? |
//! |---|---|---|
//! | 200 | done, and durable | as asked |
//! | 400, 405, 413, 422, 428 | the request, its size, its idempotency key or its versions | no |
//! | 408 | the body did not come in time | no |
//! | 503 with `Retry-After` | too much waits for the log | no |
//! | 504 | the log took too long | unknown to the client; it is as good as done unless the store dies |
//!
//! What is answered rests on what is durable: not only reads and successes, but also the entries in a
//! transaction's 428. If they were told before, and the power went, another change could get the same
//! version, and the client would overwrite it, sure of what it read.

use std::borrow::Cow;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, FromRequest, Query, Request, State};
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use bytes::Bytes;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use crate::config::{EqualValue, Limits};
use crate::figures::{Figures, count};
use crate::log::commit::{Commit, Full, Wait};
use crate::snapshot::to_json;
use crate::store::{Decision, Entry, NoPut, NoTransaction, Operation};
use crate::wire::{Put, Puts, decode};

/// The longest idempotency key.
const ID_BYTES_MAX: usize = 64;

struct App {
    commit: Arc<Commit>,
    figures: Arc<Figures>,
    limits: Limits,
    accepts_equal: bool,
}

type Answer = Result<Response, Refusal>;

/// An answer that says why not.
enum Refusal {
    Text(StatusCode, Cow<'static, str>),
    /// 428 with the entries as they are, as JSON.
    Current(Vec<u8>),
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Self::Current(entries) => as_json(StatusCode::PRECONDITION_REQUIRED, entries),
            Self::Text(status @ StatusCode::SERVICE_UNAVAILABLE, text) => {
                (status, [(RETRY_AFTER, "1")], text).into_response()
            }
            Self::Text(status @ StatusCode::METHOD_NOT_ALLOWED, _) => {
                (status, [(ALLOW, "GET, POST")]).into_response()
            }
            Self::Text(status, text) if text.is_empty() => status.into_response(),
            Self::Text(status, text) => (status, text).into_response(),
        }
    }
}

/// The routes.
pub(crate) fn router(
    commit: Arc<Commit>,
    figures: Arc<Figures>,
    limits: Limits,
    equal_value: EqualValue,
) -> Router {
    Router::new()
        .route("/api/get", any(read))
        .route("/api/put", any(put))
        .route("/api/list", any(list))
        .route("/api/reset", any(reset))
        .route("/api/transaction", any(transaction))
        .route("/healthz", get(async || "OK"))
        .route("/metrics", get(metrics))
        .layer(DefaultBodyLimit::max(limits.body_bytes_max))
        .with_state(Arc::new(App {
            commit,
            figures,
            limits,
            accepts_equal: equal_value == EqualValue::Accept,
        }))
}

/// A key's value, by the query or by the body.
async fn read(State(app): State<Arc<App>>, request: Request) -> Answer {
    let deadline = app.begin();
    let key = match *request.method() {
        Method::GET => {
            let query = Query::<Vec<(String, String)>>::try_from_uri(request.uri());
            let pairs = query.map(|Query(pairs)| pairs).unwrap_or_default();
            let id = pairs.into_iter().find(|(name, _)| name == "id");
            id.map(|(_, key)| key)
                .filter(|key| !key.is_empty())
                .ok_or_else(|| bad("No transaction id supplied as query parameter"))?
        }
        Method::POST => {
            let body = app.body(request, deadline).await?;
            let key: Option<String> = decode(&body).map_err(bad)?;
            key.filter(|key| !key.is_empty())
                .ok_or_else(|| bad("no key in the body"))?
        }
        _ => return Err(refuse(StatusCode::METHOD_NOT_ALLOWED, "")),
    };
    let ((value, version), wait) = app.commit.look(|store| {
        let (value, version, batch) = store.get(&key);
        ((value, version), batch)
    });
    app.durable(wait, deadline).await?;
    #[derive(Serialize)]
    struct Found<'a> {
        value: &'a str,
        version: i64,
    }
    let value = &*value;
    Ok(json(StatusCode::OK, &Found { value, version }))
}

async fn put(State(app): State<Arc<App>>, request: Request) -> Answer {
    let deadline = app.begin();
    let body = app.body(request, deadline).await?;
    let put = match decode::<Put>(&body).map_err(bad)? {
        Some(Put(put)) if !put.key.is_empty() => put,
        _ => return Err(bad("")),
    };
    app.check_key(&put.key)?;
    let accepts_equal = app.accepts_equal;
    let (no, wait) = app.change(|store| store.put(put, accepts_equal))?;
    if let Some(NoPut::Mismatch) = no {
        count(&app.figures.conflicts);
        return Err(refuse(StatusCode::PRECONDITION_REQUIRED, ""));
    }
    app.durable(wait, deadline).await?;
    Ok(StatusCode::OK.into_response())
}

async fn list(State(app): State<Arc<App>>) -> Answer {
    let deadline = app.begin();
    let (body, wait) = app.commit.look(|store| {
        let (entries, batch) = store.entries();
        let mut body = vec![b'['];
        for entry in entries {
            if body.len() > 1 {
                body.push(b',');
            }
            to_json(&mut body, &entry);
        }
        body.push(b']');
        (body, batch)
    });
    app.durable(wait, deadline).await?;
    Ok(as_json(StatusCode::OK, body))
}

async fn reset(State(app): State<Arc<App>>) -> Answer {
    let deadline = app.begin();
    let (_, wait) = app.change(|_| Decision::<()>::Change(Operation::Reset))?;
    app.durable(wait, deadline).await?;
    Ok(StatusCode::OK.into_response())
}

async fn transaction(State(app): State<Arc<App>>, request: Request) -> Answer {
    let deadline = app.begin();
    let id = idempotency_key(request.headers()).map_err(bad)?;
    let body = app.body(request, deadline).await?;
    let puts = decode::<Puts>(&body).map_err(bad)?;
    let puts = puts.map_or_else(Vec::new, |Puts(puts)| puts);
    if puts.len() > app.limits.puts_max {
        let most = app.limits.puts_max;
        let text = format!(
            "{} puts in a transaction, at most {most} may be",
            puts.len()
        );
        return Err(refuse(StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    puts.iter().try_for_each(|put| app.check_key(&put.key))?;
    let (no, wait) = app.change(|store| store.transaction(id, puts))?;
    app.durable(wait, deadline).await?;
    match no {
        None => Ok(StatusCode::OK.into_response()),
        Some(NoTransaction::Repeated) => {
            count(&app.figures.repeats);
            Ok(StatusCode::OK.into_response())
        }
        Some(NoTransaction::Reused) => {
            let text = "the idempotency key is that of another transaction, which was applied";
            Err(refuse(StatusCode::UNPROCESSABLE_ENTITY, text))
        }
        Some(NoTransaction::Mismatch(current)) => {
            count(&app.figures.conflicts);
            let mut body = vec![b'['];
            for entry in &current {
                if body.len() > 1 {
                    body.push(b',');
                }
                let (key, value, version) = (&*entry.key, &*entry.value, entry.version);
                to_json(
                    &mut body,
                    &Entry {
                        key,
                        value,
                        version,
                    },
                );
            }
            body.push(b']');
            Err(Refusal::Current(body))
        }
    }
}

async fn metrics(State(app): State<Arc<App>>) -> Response {
    let ((keys, repeats), _) = app
        .commit
        .look(|store| ((store.len(), store.repeats().in_order().len()), 0));
    let text = app.figures.text(keys, repeats, app.commit.durable());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}

impl App {
    /// A request has come; when its answer must be given.
    fn begin(&self) -> Instant {
        count(&self.figures.requests);
        Instant::now() + self.limits.timeout
    }

    async fn body(&self, request: Request<Body>, deadline: Instant) -> Result<Bytes, Refusal> {
        match timeout_at(deadline, Bytes::from_request(request, &())).await {
            Ok(read) => read.map_err(|error| refuse(error.status(), error.body_text())),
            Err(_) => Err(refuse(StatusCode::REQUEST_TIMEOUT, "")),
        }
    }

    fn change<R>(
        &self,
        decide: impl FnOnce(&crate::store::Store) -> Decision<R>,
    ) -> Result<(Option<R>, Wait), Refusal> {
        match self.commit.change(decide) {
            Ok(done) => {
                if done.0.is_none() {
                    count(&self.figures.changes);
                }
                Ok(done)
            }
            Err(Full) => {
                count(&self.figures.shed);
                let text = "too much waits for the log; nothing was changed";
                Err(refuse(StatusCode::SERVICE_UNAVAILABLE, text))
            }
        }
    }

    async fn durable(&self, wait: Wait, deadline: Instant) -> Result<(), Refusal> {
        timeout_at(deadline, wait.durable()).await.map_err(|_| {
            count(&self.figures.late);
            let text = "the log took too long; whether this is durable is unknown";
            refuse(StatusCode::GATEWAY_TIMEOUT, text)
        })
    }

    fn check_key(&self, key: &str) -> Result<(), Refusal> {
        let most = self.limits.key_bytes_max;
        match key.len() <= most {
            true => Ok(()),
            false => Err(bad(format!(
                "a key of {} bytes, at most {most} may be",
                key.len()
            ))),
        }
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<Option<String>, &'static str> {
    let mut all = headers.get_all("idempotency-key").iter();
    let (Some(first), None) = (all.next(), all.next()) else {
        return match headers.contains_key("idempotency-key") {
            true => Err("more than one idempotency key"),
            false => Ok(None),
        };
    };
    let key = first.to_str().unwrap_or_default();
    let is_good =
        (1..=ID_BYTES_MAX).contains(&key.len()) && key.bytes().all(|b| b.is_ascii_graphic());
    match is_good {
        true => Ok(Some(key.to_owned())),
        false => Err("an idempotency key is 1 to 64 visible ASCII characters"),
    }
}

fn bad(text: impl Into<Cow<'static, str>>) -> Refusal {
    refuse(StatusCode::BAD_REQUEST, text)
}

fn refuse(status: StatusCode, text: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::Text(status, text.into())
}

fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let mut body = Vec::new();
    to_json(&mut body, value);
    as_json(status, body)
}

fn as_json(status: StatusCode, body: Vec<u8>) -> Response {
    (status, [(CONTENT_TYPE, "application/json")], body).into_response()
}
