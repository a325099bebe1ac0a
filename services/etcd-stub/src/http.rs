//! What a member answers over HTTP/1.1: `/health`, `/version`, `/metrics` (etcd: `etcdhttp`).
//!
//! Deliberately absent: `/debug`, the v2 API, the gRPC gateway.

use std::fmt::Write;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, HeaderValue};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use tokio::time::{Duration, timeout};
use tonic::Status;

use crate::grpc::{Node, VERSION};

/// What a read through the group may take before the member is unhealthy.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(1);
const TEXT: &str = "text/plain; charset=utf-8";

/// Adds the routes, and what there is for all other paths.
pub(crate) fn with_http(router: Router, node: Node) -> Router {
    let http = Router::new()
        .route("/health", any(health))
        .route("/version", get(version))
        .route("/metrics", get(metrics))
        .with_state(node);
    router.merge(http).fallback(not_found)
}

/// Healthy is who can do a read that needs a quorum.
async fn health(State(node): State<Node>, method: Method) -> Response {
    if method != Method::GET {
        let allow = [("allow", "GET")];
        return (
            StatusCode::METHOD_NOT_ALLOWED,
            allow,
            "Method Not Allowed\n",
        )
            .into_response();
    }
    let is_led = node.group.standing().leader.is_some();
    let read = async { timeout(HEALTH_TIMEOUT, node.group.catch_up()).await };
    let is_healthy = is_led && matches!(read.await, Ok(Ok(())));
    let body = format!("{{\"health\":\"{is_healthy}\"}}");
    match is_healthy {
        true => body.into_response(),
        // Go's `http.Error` ends the line.
        false => (StatusCode::SERVICE_UNAVAILABLE, body + "\n").into_response(),
    }
}

async fn version() -> Response {
    let body = format!("{{\"etcdserver\":\"{VERSION}\",\"etcdcluster\":\"3.4.0\"}}");
    ([(CONTENT_TYPE, "application/json")], body).into_response()
}

async fn metrics(State(node): State<Node>) -> Response {
    let standing = node.group.standing();
    let (revision, compacted) = node
        .group
        .look(|store| (store.revision(), store.compacted()));
    let is_leader = standing.leader == Some(standing.member_id);
    let mut text = String::new();
    for (name, kind, help, value) in [
        (
            "etcd_server_has_leader",
            "gauge",
            "Whether or not a leader exists. 1 is existence, 0 is not.",
            i128::from(standing.leader.is_some()),
        ),
        (
            "etcd_server_is_leader",
            "gauge",
            "Whether or not this member is a leader. 1 if is, 0 otherwise.",
            i128::from(is_leader),
        ),
        (
            "etcd_server_is_learner",
            "gauge",
            "Whether or not this member is a learner. 1 if is, 0 otherwise.",
            i128::from(standing.is_learner),
        ),
        (
            "etcd_server_leader_changes_seen_total",
            "counter",
            "The number of leader changes seen.",
            i128::from(standing.leader_changes),
        ),
        (
            "etcd_server_proposals_committed_total",
            "gauge",
            "The total number of consensus proposals committed.",
            i128::from(standing.committed),
        ),
        (
            "etcd_server_proposals_applied_total",
            "gauge",
            "The total number of consensus proposals applied.",
            i128::from(standing.applied),
        ),
        (
            "etcd_debugging_mvcc_current_revision",
            "gauge",
            "The current revision of store.",
            i128::from(revision),
        ),
        (
            "etcd_debugging_mvcc_compact_revision",
            "gauge",
            "The revision of the last compaction in store.",
            i128::from(compacted),
        ),
    ] {
        let _ = writeln!(text, "# HELP {name} {help}");
        let _ = writeln!(text, "# TYPE {name} {kind}");
        let _ = writeln!(text, "{name} {value}");
    }
    let kind = "text/plain; version=0.0.4; charset=utf-8";
    ([(CONTENT_TYPE, kind)], text).into_response()
}

/// gRPC has an error of its own for a service that is not there.
async fn not_found(request: Request) -> Response {
    let kind = request.headers().get(CONTENT_TYPE);
    let is_grpc = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if is_grpc {
        let path = request.uri().path().trim_start_matches('/');
        let service = path.rsplit_once('/').map_or(path, |(service, _)| service);
        return Status::unimplemented(format!("unknown service {service}")).into_http();
    }
    let kind = HeaderValue::from_static(TEXT);
    let head = (StatusCode::NOT_FOUND, [(CONTENT_TYPE, kind)]);
    (head.0, head.1, "404 page not found\n").into_response()
}
