//! `deploy:` of a service: what of it one machine can do.

use super::model::{Located, Restart};
use super::reader::Cursor;

/// What `deploy:` says.
#[derive(Debug, Default)]
pub(super) struct Deploy {
    pub(super) replicas: Option<Located<u32>>,
    pub(super) cpu_limit: Option<f64>,
    pub(super) memory_limit_bytes: Option<u64>,
    pub(super) restart: Option<Restart>,
}

pub(super) fn read(cursor: Cursor<'_>) -> Deploy {
    let mut deploy = Deploy::default();
    let mut fields = cursor.fields();
    deploy.replicas = fields.take("replicas").and_then(|c| {
        let n: u32 = c.parsed("a number of containers")?;
        Some(c.located(n))
    });
    if let Some(mode) = fields.take("mode")
        && let Some(text) = mode.text()
        && text != "replicated"
    {
        mode.problem(format!("`{text}` is not played here; `replicated` is"));
    }
    if let Some(resources) = fields.take("resources") {
        let mut resources = resources.fields();
        if let Some(limits) = resources.take("limits") {
            let mut limits = limits.fields();
            deploy.cpu_limit = limits.take("cpus").and_then(|c| cpus(&c));
            deploy.memory_limit_bytes = limits.take("memory").and_then(|c| c.size_bytes());
            limits.without_effect(&["pids", "devices"]);
            limits.finish();
        }
        if let Some(reservations) = resources.take("reservations") {
            let mut fields = reservations.fields();
            fields.without_effect(&["cpus", "memory", "pids", "devices", "generic_resources"]);
            fields.finish();
        }
        resources.finish();
    }
    if let Some(policy) = fields.take("restart_policy") {
        deploy.restart = restart_policy(&policy);
    }
    fields.without_effect(&[
        "endpoint_mode",
        "labels",
        "placement",
        "rollback_config",
        "update_config",
    ]);
    fields.finish();
    deploy
}

/// `condition` and `max_attempts`; Compose gives the rest to Swarm alone.
fn restart_policy(cursor: &Cursor<'_>) -> Option<Restart> {
    let mut fields = cursor.fields();
    let condition = fields.take("condition").and_then(|c| Some((c.text()?, c)));
    let retries_max = fields
        .take("max_attempts")
        .and_then(|c| c.parsed::<u32>("a number of attempts"))
        .filter(|&n| n > 0);
    fields.without_effect(&["delay", "window"]);
    fields.finish();
    match condition {
        None => Some(Restart::Always),
        Some((text, cursor)) => match text.as_str() {
            "none" => Some(Restart::No),
            "any" => Some(Restart::Always),
            "on-failure" => Some(Restart::OnFailure { retries_max }),
            other => {
                cursor.problem(format!("`{other}` is none of none, on-failure, any"));
                None
            }
        },
    }
}

/// A number of cores; more than none.
pub(super) fn cpus(cursor: &Cursor<'_>) -> Option<f64> {
    let cpus: f64 = cursor.parsed("a number of cores")?;
    if cpus.is_finite() && cpus > 0.0 {
        Some(cpus)
    } else if cpus == 0.0 {
        // Docker's spelling of "no limit".
        None
    } else {
        cursor.problem(format!("{cpus} cores are no limit"));
        None
    }
}
