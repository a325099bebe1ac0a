//! The two routes and their answers.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde_json::json;
use squall_host::Host;

use crate::config::Config;
use crate::database;

/// No route takes a body.
const BODY_BYTES_MAX: usize = 1_024;

struct App {
    config: Config,
    host: Host,
}

pub(crate) fn router(config: Config, host: Host) -> Router {
    Router::new()
        .route("/data", get(data))
        .route("/health", get(async || "OK"))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(App { config, host }))
}

/// The keys are in the original's order, which is the alphabet's.
async fn data(State(app): State<Arc<App>>) -> Response {
    let id = &app.config.backend_id;
    match database::ask(&app.host, &app.config.database).await {
        Ok(answer) => {
            app.host.out.line(&format!(
                "[{id}] -> Connected to PostgreSQL at {}",
                answer.address
            ));
            let body = json!({
                "backend_id": id,
                "postgres_ip": answer.address,
                "timestamp": answer.timestamp,
            });
            (StatusCode::OK, Json(body)).into_response()
        }
        Err(error) => {
            app.host.out.line(&format!("[{id}] ERROR -> {error}"));
            (
                app.config.error_status,
                Json(json!({ "error": error.to_string() })),
            )
                .into_response()
        }
    }
}
