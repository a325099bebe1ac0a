//! The routes and their answers.

use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use serde_json::{Value, json};
use squall_host::{Host, Shutdown};

use crate::config::{Config, Database, HealthFormat};
use crate::database;
use crate::readiness::Readiness;

/// The longest name of a user.
const BODY_BYTES_MAX: usize = 1_024;

struct App {
    config: Config,
    host: Host,
    readiness: Readiness,
}

/// The routes; from the request to stop on, they say that they are not ready.
pub(crate) fn router(config: Config, host: Host, shutdown: Shutdown) -> Router {
    let readiness = Readiness::new(host.clone(), &config, shutdown);
    Router::new()
        .route("/data", get(data))
        .route("/users", get(count_users).post(add_user))
        .route("/health", get(health))
        .route("/ready", get(ready))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(App {
            config,
            host,
            readiness,
        }))
}

/// That the process lives.
async fn health(State(app): State<Arc<App>>) -> Response {
    match app.config.health_format {
        HealthFormat::Text => "OK".into_response(),
        HealthFormat::Json => {
            Json(json!({ "status": "OK", "pod": app.config.backend_id })).into_response()
        }
    }
}

/// Whether a request would be served.
async fn ready(State(app): State<Arc<App>>) -> Response {
    let pod = &app.config.backend_id;
    match app.readiness.look().await {
        Ok(()) => Json(json!({ "ready": true, "pod": pod })).into_response(),
        Err(reason) => {
            let body = json!({ "ready": false, "reason": reason, "pod": pod });
            (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
        }
    }
}

/// The keys are in the original's order, which is the alphabet's.
async fn data(State(app): State<Arc<App>>) -> Response {
    let id = &app.config.backend_id;
    let question = ["SELECT now(), inet_server_addr()"];
    let [timestamp, address] = match app.ask(&app.config.database, &question).await {
        Ok(row) => row,
        Err(reason) => return app.failed(json!({ "error": reason })),
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
    let pod = &app.config.backend_id;
    let question = ["SELECT count(*) FROM users"];
    match app.ask(&app.config.database, &question).await {
        Ok([count]) => Json(json!({ "users": number(&count), "pod": pod })).into_response(),
        Err(reason) => app.failed(json!({ "error": reason, "pod": pod })),
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
    let database = &app.config.write_database;
    let mut added = app.ask(database, &statements).await;
    if added.is_err() && app.host.planted.has("users-api/repeats-inserts") {
        added = app.ask(database, &statements).await;
    }
    let pod = &app.config.backend_id;
    match added {
        Ok([user]) => {
            let body = json!({ "id": number(&user), "pod": pod });
            (StatusCode::CREATED, Json(body)).into_response()
        }
        Err(reason) => app.failed(json!({ "error": reason, "pod": pod })),
    }
}

impl App {
    /// The database's first row, or why there is none, which is logged.
    async fn ask<const N: usize>(
        &self,
        database: &Database,
        statements: &[&str],
    ) -> Result<[String; N], String> {
        let answer = database::ask(&self.host, database, statements).await;
        answer.map_err(|error| {
            let id = &self.config.backend_id;
            self.host.out.line(&format!("[{id}] ERROR -> {error}"));
            error.to_string()
        })
    }

    /// The answer when the database failed.
    fn failed(&self, body: Value) -> Response {
        let status = match self.host.planted.has("users-api/errors-are-200") {
            true => StatusCode::OK,
            false => self.config.error_status,
        };
        (status, Json(body)).into_response()
    }
}

fn number(text: &str) -> Value {
    text.parse::<i64>().map_or(Value::Null, Value::from)
}
