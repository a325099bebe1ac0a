//! `Auth`: there are no users and roles here. (etcd-client does not export what a server of it needs.)

use axum::Router;
use axum::extract::Request;
use axum::response::Response;
use axum::routing::any;
use tonic::Status;

use crate::refusal::Refusal;

/// Answers every method: a password is refused as by an etcd without authentication, the rest by name.
pub(super) fn with_auth(router: Router) -> Router {
    router.route("/etcdserverpb.Auth/{method}", any(answer))
}

async fn answer(request: Request) -> Response {
    let path = request.uri().path();
    match path.rsplit('/').next() {
        Some("Authenticate") => Refusal::AuthNotEnabled.status(),
        method => Status::unimplemented(format!(
            "etcd-stub has no users and roles: {}",
            method.unwrap_or(path)
        )),
    }
    .into_http()
}
