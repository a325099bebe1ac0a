//! What holds for every request (etcd: `api/v3rpc/interceptor.go`): a leader where the client wants one,
//! what a learner does not answer, the client's deadline, the member's stop.

use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use futures::StreamExt;
use futures::stream::unfold;
use tokio::time::{sleep, timeout};
use tonic::metadata::MetadataMap;
use tonic::{Code, Status};

use super::{Answers, Node};
use crate::refusal::Refusal;

/// The metadata by which a client wants no answer from a member that knows no leader.
const REQUIRE_LEADER: &str = "hasleader";
/// For how many election timeouts in turn a stream has to find no leader before it ends (etcd:
/// `maxNoLeaderCnt`).
const LEADERLESS_LOOKS_MAX: u32 = 3;

/// All routes of `router`, guarded.
pub(super) fn guarded(router: Router, node: Node) -> Router {
    router.layer(from_fn_with_state(node, guard))
}

async fn guard(State(node): State<Node>, request: Request, next: Next) -> Response {
    let standing = node.group.standing();
    let headers = request.headers();
    if headers.get(REQUIRE_LEADER).is_some_and(|it| it == "true") && standing.leader.is_none() {
        return Refusal::NoLeader.status().into_http();
    }
    if standing.is_learner && !is_for_learners(request.uri().path()) {
        return Refusal::NotSupportedForLearner.status().into_http();
    }
    let deadline = headers.get("grpc-timeout").map(|it| it.to_str());
    let Some(deadline) = deadline else {
        return next.run(request).await;
    };
    let Some(deadline) = deadline.ok().and_then(read_timeout) else {
        return Status::internal("malformed grpc-timeout").into_http();
    };
    match timeout(deadline, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Status::new(Code::DeadlineExceeded, "context deadline exceeded").into_http(),
    }
}

/// Whether a member without a vote answers (a linearizable range is refused in `kv`).
fn is_for_learners(path: &str) -> bool {
    matches!(
        path,
        "/etcdserverpb.Maintenance/Status" | "/etcdserverpb.KV/Range"
    )
}

/// gRPC's `Timeout` ("gRPC over HTTP2"): at most eight digits and a unit.
fn read_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let count: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(count * 3_600)),
        "M" => Some(Duration::from_secs(count * 60)),
        "S" => Some(Duration::from_secs(count)),
        "m" => Some(Duration::from_millis(count)),
        "u" => Some(Duration::from_micros(count)),
        "n" => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// `stream` until the member stops, or has been without a leader for a while that the client wants.
pub(super) fn stream<T: Send + 'static>(
    node: &Node,
    metadata: &MetadataMap,
    stream: Answers<T>,
) -> Answers<T> {
    let wants_leader = metadata.get(REQUIRE_LEADER).is_some_and(|it| it == "true");
    let ending = Box::pin(ending(node.clone(), wants_leader));
    let until = unfold(Some((stream, ending)), async |state| {
        let (mut stream, mut ending) = state?;
        tokio::select! {
            biased;
            refusal = &mut ending => Some((Err(refusal.status()), None)),
            answer = stream.next() => answer.map(|answer| (answer, Some((stream, ending)))),
        }
    });
    Box::pin(until)
}

async fn ending(node: Node, wants_leader: bool) -> Refusal {
    let mut leaderless = 0;
    loop {
        tokio::select! {
            biased;
            () = node.shutdown.requested() => return Refusal::Stopped,
            () = sleep(node.election_timeout), if wants_leader => {}
        }
        match node.group.standing().leader {
            Some(_) => leaderless = 0,
            None if leaderless + 1 == LEADERLESS_LOOKS_MAX => return Refusal::NoLeader,
            None => leaderless += 1,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use axum::body::Body;
    use axum::routing::any;
    use squall_host::Shutdown;
    use tower::Service;

    use super::*;
    use crate::consensus::Group;

    #[test]
    fn timeouts_are_read_as_grpc_writes_them() {
        assert_eq!(
            read_timeout("4999921u"),
            Some(Duration::from_micros(4_999_921))
        );
        assert_eq!(read_timeout("5S"), Some(Duration::from_secs(5)));
        assert_eq!(
            read_timeout("99999999H"),
            Some(Duration::from_secs(99_999_999 * 3_600))
        );
        for wrong in ["", "S", "5", "5 S", "-5S", "123456789S", "5é"] {
            assert!(read_timeout(wrong).is_none(), "{wrong}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_ends_at_the_clients_deadline() {
        let node = Node {
            group: Group::alone(),
            election_timeout: Duration::from_secs(1),
            request_bytes_max: 1,
            shutdown: Shutdown::never(),
        };
        let never = Router::new().route("/", any(async || std::future::pending::<()>().await));
        for (text, code) in [("20m", "4"), ("soon", "13")] {
            let request = Request::builder().header("grpc-timeout", text);
            let request = request.body(Body::empty()).unwrap();
            let mut router = guarded(never.clone(), node.clone());
            let response = timeout(Duration::from_secs(3_600), router.call(request)).await;
            let response = response.unwrap().unwrap();
            assert_eq!(response.headers()["grpc-status"], code, "{text}");
        }
    }
}
