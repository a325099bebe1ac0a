//! The routes: `/healthz`, `/metrics`, `POST /stop`.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::{get, post};
use squall_host::Trigger;

use crate::app::App;

/// All routes.
pub(crate) fn router(app: &Arc<App>, stop: Trigger) -> Router {
    let app = app.clone();
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/metrics", get(async move || metrics(&app)))
        .route(
            "/stop",
            post(async move || {
                stop.request();
                (StatusCode::ACCEPTED, "stopping\n")
            }),
        )
}

/// Prometheus' text (exposition format 0.0.4).
fn metrics(app: &App) -> String {
    let counts = &app.counts;
    let ends = [
        ("done", &counts.done),
        ("refused", &counts.refused),
        ("unknown", &counts.unknown),
        ("skipped", &counts.skipped),
    ];
    let mut text = String::from("# TYPE witness_operations_total counter\n");
    for (end, count) in ends {
        let count = count.load(Ordering::Relaxed);
        let _ = writeln!(text, "witness_operations_total{{end=\"{end}\"}} {count}");
    }
    let finished = i32::from(counts.finished.load(Ordering::Relaxed));
    let _ = writeln!(text, "# TYPE witness_watch_revision gauge");
    let _ = writeln!(text, "witness_watch_revision {}", app.seen());
    let _ = writeln!(text, "# TYPE witness_finished gauge");
    let _ = writeln!(text, "witness_finished {finished}");
    text
}
