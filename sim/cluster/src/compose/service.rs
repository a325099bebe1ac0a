//! One entry of `services:`.

use std::collections::BTreeMap;
use std::time::Duration;

use squall_host::{Diagnostic, Origin};

use super::model::*;
use super::parts::{self, Sources};
use super::reader::{Cursor, Fields};
use super::{deploy, values};
use crate::files::Folder;

/// A service and the profiles that it is in.
pub(super) struct Read {
    pub(super) service: Service,
    pub(super) profiles: Vec<String>,
}

/// `docker stop` waits so long (docs.docker.com, "docker container stop").
const STOP_GRACE: Duration = Duration::from_secs(10);
/// More containers of one service than this is a slip of the pen.
pub(super) const REPLICAS_MAX: u32 = 1000;

/// Accepted, and nothing to do here: they tune the real kernel, the real daemon or tools.
const WITHOUT_EFFECT: &[&str] = &[
    "annotations",
    "attach",
    "blkio_config",
    "cap_add",
    "cap_drop",
    "cgroup",
    "cgroup_parent",
    "cpu_count",
    "cpu_percent",
    "cpu_period",
    "cpu_quota",
    "cpu_rt_period",
    "cpu_rt_runtime",
    "cpu_shares",
    "cpuset",
    "develop",
    "device_cgroup_rules",
    "devices",
    "dns",
    "dns_opt",
    "dns_search",
    "domainname",
    "expose",
    "gpus",
    "group_add",
    "init",
    "ipc",
    "isolation",
    "label_file",
    "logging",
    "mac_address",
    "mem_reservation",
    "mem_swappiness",
    "memswap_limit",
    "oom_kill_disable",
    "oom_score_adj",
    "pid",
    "pids_limit",
    "platform",
    "privileged",
    "pull_policy",
    "read_only",
    "runtime",
    "security_opt",
    "shm_size",
    "stdin_open",
    "storage_opt",
    "sysctls",
    "tmpfs",
    "tty",
    "ulimits",
    "user",
    "userns_mode",
    "uts",
];

/// Known to Compose, with an effect that is not played here.
const REFUSED: &[(&str, &str)] = &[
    (
        "extends",
        "write the keys of the other service here, or share them with an anchor and `<<:`",
    ),
    (
        "links",
        "use the service's own name, or an alias under `networks:`",
    ),
    ("external_links", "every service must be in this file"),
    ("volumes_from", "name the volumes of the other service here"),
    ("credential_spec", "this is for Windows containers"),
    ("provider", "every service must be a container"),
    ("post_start", "start the command from the program itself"),
    ("pre_stop", "stop on SIGTERM in the program itself"),
];

pub(super) fn read(name: &str, cursor: &Cursor<'_>, folder: &Folder, sources: &Sources) -> Read {
    let mut fields = cursor.fields();
    for (key, help) in REFUSED {
        fields.refuse(key, help);
    }
    if !fields.has("image") && !fields.has("build") {
        cursor.problem("neither `image:` nor `build:` says what it runs");
    }
    let profiles = fields
        .take("profiles")
        .map(|c| c.texts().into_iter().map(|p| p.value).collect())
        .unwrap_or_default();
    let deploy = fields.take("deploy").map(deploy::read).unwrap_or_default();
    let (networks, host_network) = attachments(&mut fields, cursor);
    let stop_at_once = fields.take("stop_signal").is_some_and(stop_signal);
    let service = Service {
        name: name.to_owned(),
        origin: cursor.origin(),
        image: located_text(&mut fields, "image"),
        build: fields
            .take("build")
            .and_then(|c| Some(c.located(build(&c)?))),
        command: command(&mut fields, "command"),
        entrypoint: command(&mut fields, "entrypoint"),
        environment: environment(&mut fields, folder),
        labels: labels(&mut fields),
        ports: fields.take("ports").map(parts::ports).unwrap_or_default(),
        depends_on: fields
            .take("depends_on")
            .map(parts::depends_on)
            .unwrap_or_default(),
        healthcheck: fields
            .take("healthcheck")
            .map_or(HealthcheckSetting::Image, parts::healthcheck),
        restart: fields
            .take("restart")
            .and_then(restart)
            .or(deploy.restart)
            .unwrap_or(Restart::No),
        networks,
        host_network,
        mounts: parts::mounts(&mut fields, sources),
        cpu_limit: fields
            .take("cpus")
            .and_then(|c| deploy::cpus(&c))
            .or(deploy.cpu_limit),
        memory_limit_bytes: fields
            .take("mem_limit")
            .and_then(|c| c.size_bytes())
            .or(deploy.memory_limit_bytes),
        replicas: replicas(&mut fields, cursor, deploy.replicas),
        container_name: located_text(&mut fields, "container_name"),
        hostname: fields.take("hostname").and_then(|c| c.text()),
        stop_grace: fields
            .take("stop_grace_period")
            .and_then(|c| c.duration())
            .unwrap_or(STOP_GRACE),
        stop_at_once,
        extra_hosts: fields
            .take("extra_hosts")
            .map(parts::extra_hosts)
            .unwrap_or_default(),
        working_dir: fields.take("working_dir").and_then(|c| c.text()),
    };
    if service.memory_limit_bytes.is_some() {
        // Read for its syntax; no program here can run out of memory.
        cursor.without_effect_at("memory limit");
    }
    fields.without_effect(WITHOUT_EFFECT);
    fields.finish();
    if service.replicas.value > 1
        && let Some(container_name) = &service.container_name
    {
        cursor.problem(format!(
            "{} containers cannot share `container_name: {}`",
            service.replicas.value, container_name.value
        ));
    }
    Read { service, profiles }
}

fn located_text(fields: &mut Fields<'_>, key: &'static str) -> Option<Located<String>> {
    let cursor = fields.take(key)?;
    Some(cursor.located(cursor.text()?))
}

/// `command:` and `entrypoint:`: a list as it is, a string split into words, `[]` to drop.
fn command(fields: &mut Fields<'_>, key: &'static str) -> Option<Located<Vec<String>>> {
    let cursor = fields.take(key)?;
    let words = match cursor.value() {
        crate::yaml::Value::List(_) => cursor.texts().into_iter().map(|t| t.value).collect(),
        _ => {
            let text = cursor.text()?;
            cursor.ok(values::words(&text))?
        }
    };
    Some(cursor.located(words))
}

fn build(cursor: &Cursor<'_>) -> Option<Build> {
    let mut build = Build {
        context: ".".to_owned(),
        dockerfile: "Dockerfile".to_owned(),
        args: BTreeMap::new(),
        target: None,
    };
    if !matches!(cursor.value(), crate::yaml::Value::Map(_)) {
        build.context = cursor.text()?;
        return Some(build);
    }
    let mut fields = cursor.fields();
    if let Some(context) = fields.take("context").and_then(|c| c.text()) {
        build.context = context;
    }
    if let Some(dockerfile) = fields.take("dockerfile").and_then(|c| c.text()) {
        build.dockerfile = dockerfile;
    }
    for (key, value, cursor) in fields.take("args").iter().flat_map(Cursor::pairs) {
        let value = value.or_else(|| cursor.variable(&key));
        build.args.extend(value.map(|value| (key, value)));
    }
    build.target = fields.take("target").and_then(|c| c.text());
    fields.refuse("dockerfile_inline", "write it to a file beside this one");
    fields.without_effect(&[
        "additional_contexts",
        "cache_from",
        "cache_to",
        "entitlements",
        "extra_hosts",
        "isolation",
        "labels",
        "network",
        "no_cache",
        "platforms",
        "privileged",
        "provenance",
        "pull",
        "sbom",
        "secrets",
        "shm_size",
        "ssh",
        "tags",
        "ulimits",
    ]);
    fields.finish();
    Some(build)
}

fn environment(fields: &mut Fields<'_>, folder: &Folder) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    if let Some(cursor) = fields.take("env_file") {
        let items = match cursor.value() {
            crate::yaml::Value::List(_) => cursor.list(),
            _ => vec![cursor],
        };
        for item in items {
            env_file(&item, folder, &mut environment);
        }
    }
    for (key, value, cursor) in fields.take("environment").iter().flat_map(Cursor::pairs) {
        if key.is_empty() {
            cursor.problem("a variable without a name");
            continue;
        }
        // A key without a value takes the outer one, and is absent without it.
        match value.or_else(|| cursor.variable(&key)) {
            Some(value) => {
                environment.insert(key, value);
            }
            None => {
                environment.remove(&key);
            }
        }
    }
    environment
}

fn labels(fields: &mut Fields<'_>) -> BTreeMap<String, String> {
    let labels = fields.take("labels");
    let pairs = labels.iter().flat_map(Cursor::pairs);
    pairs
        .map(|(key, value, _)| (key, value.unwrap_or_default()))
        .collect()
}

fn env_file(item: &Cursor<'_>, folder: &Folder, environment: &mut BTreeMap<String, String>) {
    let mut required = true;
    let path = if matches!(item.value(), crate::yaml::Value::Map(_)) {
        let mut fields = item.fields();
        let path = fields.take("path").and_then(|c| c.text());
        if let Some(given) = fields.take("required").and_then(|c| c.boolean()) {
            required = given;
        }
        fields.refuse("format", "`raw` is not read here");
        fields.finish();
        path
    } else {
        item.text()
    };
    let Some(path) = path else { return };
    let shown = folder.shown(&path);
    match Folder::read_text(&shown) {
        Ok(text) => match values::env_file(&text, item.variables()) {
            Ok(values) => environment.extend(values),
            Err((line, message)) => {
                item.report(Diagnostic::at(Origin::new(shown, line), message));
            }
        },
        Err(_) if !required => {}
        Err(message) => item.problem(format!("{shown}: {message}")),
    }
}

fn replicas(
    fields: &mut Fields<'_>,
    service: &Cursor<'_>,
    deploy: Option<Located<u32>>,
) -> Located<u32> {
    let scale = fields.take("scale").and_then(|c| {
        let n: u32 = c.parsed("a number of containers")?;
        Some(c.located(n))
    });
    let replicas = scale.or(deploy).unwrap_or_else(|| service.located(1));
    if replicas.value > REPLICAS_MAX {
        service.problem(format!(
            "{} containers of one service are more than {REPLICAS_MAX}",
            replicas.value
        ));
        return service.located(1);
    }
    replicas
}

fn restart(cursor: Cursor<'_>) -> Option<Restart> {
    let text = cursor.text()?;
    let restart = match text.split_once(':') {
        None => match text.as_str() {
            "no" | "false" => Some(Restart::No),
            "always" => Some(Restart::Always),
            "on-failure" => Some(Restart::OnFailure { retries_max: None }),
            "unless-stopped" => Some(Restart::UnlessStopped),
            _ => None,
        },
        Some(("on-failure", n)) => n.parse().ok().map(|n| Restart::OnFailure {
            retries_max: (n > 0).then_some(n),
        }),
        Some(_) => None,
    };
    if restart.is_none() {
        cursor.problem(format!(
            "`{text}` is none of no, always, on-failure, on-failure:N, unless-stopped"
        ));
    }
    restart
}

/// Whether the signal leaves no time to stop gracefully.
fn stop_signal(cursor: Cursor<'_>) -> bool {
    let Some(text) = cursor.text() else {
        return false;
    };
    let upper = text.to_ascii_uppercase();
    match upper.strip_prefix("SIG").unwrap_or(&upper) {
        // Each is a request to stop; programs here know one such request.
        "TERM" | "15" | "QUIT" | "3" | "INT" | "2" => false,
        "KILL" | "9" => true,
        _ => {
            cursor.problem(format!(
                "`{text}` is not played here; SIGTERM, SIGQUIT, SIGINT and SIGKILL are"
            ));
            false
        }
    }
}

fn attachments(fields: &mut Fields<'_>, service: &Cursor<'_>) -> (Vec<Located<Attachment>>, bool) {
    let networks = fields.take("networks");
    if let Some(mode) = fields.take("network_mode")
        && let Some(text) = mode.text()
    {
        if text == "host" {
            if networks.is_some() {
                mode.problem("`network_mode` and `networks` exclude each other");
            }
            return (Vec::new(), true);
        }
        mode.problem(format!("`{text}` is not played here; `host` is"));
    }
    let attached = networks.map(parts::attachments).unwrap_or_default();
    if attached.is_empty() {
        let default = Attachment {
            network: "default".to_owned(),
            aliases: Vec::new(),
            address: None,
        };
        return (vec![service.located(default)], false);
    }
    (attached, false)
}
