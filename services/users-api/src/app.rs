//! The routes and their answers.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde_json::{Value, json};
use squall_host::Host;

use crate::config::Config;
use crate::database;

/// The longest name of a user.
const BODY_BYTES_MAX: usize = 1_024;

struct App {
    config: Config,
    host: Host,
}

pub(crate) fn router(config: Config, host: Host) -> Router {
    Router::new()
        .route("/data", get(data))
        .route("/users", get(count_users).post(add_user))
        .route("/health", get(async || "OK"))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(App { config, host }))
}

/// The keys are in the original's order, which is the alphabet's.
async fn data(State(app): State<Arc<App>>) -> Response {
    let id = &app.config.backend_id;
    let [timestamp, address] = match app.ask(&["SELECT now(), inet_server_addr()"]).await {
        Ok(row) => row,
        Err(answer) => return answer,
    };
    app.host
        .out
        .line(&format!("[{id}] -> Connected to PostgreSQL at {address}"));
    let body = json!({
        "backend_id": id,
        "postgres_ip": address,
        "timestamp": database::as_python(&timestamp),
    });
    Json(body).into_response()
}

/// How many users there are.
async fn count_users(State(app): State<Arc<App>>) -> Response {
    match app.ask(&["SELECT count(*) FROM users"]).await {
        Ok([count]) => {
            Json(json!({ "users": number(&count), "pod": app.config.backend_id })).into_response()
        }
        Err(answer) => answer,
    }
}

/// Adds one user, whose name is the body. In a transaction of its own as psycopg2 does it, each
/// statement waiting for the answer to the one before.
async fn add_user(State(app): State<Arc<App>>, name: String) -> Response {
    let insert = format!(
        "INSERT INTO users (name) VALUES ('{}') RETURNING id",
        name.replace('\'', "''")
    );
    let statements = ["BEGIN", &insert, "COMMIT"];
    let mut added = app.ask(&statements).await;
    if added.is_err() && app.host.planted.has("users-api/repeats-inserts") {
        added = app.ask(&statements).await;
    }
    match added {
        Ok([user]) => {
            let body = json!({ "id": number(&user), "pod": app.config.backend_id });
            (StatusCode::CREATED, Json(body)).into_response()
        }
        Err(answer) => answer,
    }
}

impl App {
    /// The database's first row, or the answer that says that there is none.
    async fn ask<const N: usize>(&self, statements: &[&str]) -> Result<[String; N], Response> {
        match database::ask(&self.host, &self.config.database, statements).await {
            Ok(row) => Ok(row),
            Err(error) => {
                let id = &self.config.backend_id;
                self.host.out.line(&format!("[{id}] ERROR -> {error}"));
                let status = match self.host.planted.has("users-api/errors-are-200") {
                    true => StatusCode::OK,
                    false => self.config.error_status,
                };
                Err((status, Json(json!({ "error": error.to_string() }))).into_response())
            }
        }
    }
}

fn number(text: &str) -> Value {
    text.parse::<i64>().map_or(Value::Null, Value::from)
}
