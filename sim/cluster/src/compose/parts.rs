//! The parts of a service that have a short and a long spelling.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::model::*;
use super::reader::{Cursor, Fields};
use crate::yaml::Value;

mod ports;

pub(super) use ports::ports;

/// What the top level declares for services to mount.
#[derive(Debug, Default)]
pub(super) struct Sources {
    pub(super) volumes: Vec<String>,
    pub(super) configs: BTreeMap<String, Declared>,
    pub(super) secrets: BTreeMap<String, Declared>,
}

/// One of the top level's `configs:` or `secrets:`.
#[derive(Clone, Debug)]
pub(super) struct Declared(Option<MountSource>);

/// Reads `configs:` or `secrets:` of the top level.
pub(super) fn declared(cursor: Cursor<'_>) -> BTreeMap<String, Declared> {
    let mut all = BTreeMap::new();
    for (name, cursor) in cursor.entries() {
        let mut fields = cursor.fields();
        let file = fields.take("file").and_then(|c| c.text());
        let content = fields.take("content").and_then(|c| c.text());
        let environment = fields.take("environment").and_then(|c| {
            let name = c.text()?;
            let value = c.variable(&name);
            if value.is_none() {
                c.problem(format!("the variable {name} has no value"));
            }
            value
        });
        fields.refuse("external", "give its `file:` or `content:`");
        fields.without_effect(&["name", "labels", "driver", "driver_opts", "template_driver"]);
        fields.finish();
        let source = match (file, content.or(environment)) {
            (Some(file), None) => Some(MountSource::Path(file)),
            (None, Some(content)) => Some(MountSource::Content(content)),
            _ => {
                cursor.problem("needs exactly one of `file`, `content`, `environment`");
                None
            }
        };
        all.insert(name, Declared(source));
    }
    all
}

/// `volumes:`, `configs:` and `secrets:` of a service.
pub(super) fn mounts(fields: &mut Fields<'_>, sources: &Sources) -> Vec<Located<Mount>> {
    let mut mounts = Vec::new();
    for item in fields.take("volumes").iter().flat_map(Cursor::list) {
        let mount = match item.value() {
            Value::Map(_) => long_volume(&item, sources),
            _ => short_volume(&item, sources),
        };
        mounts.extend(mount.map(|mount| item.located(mount)));
    }
    let kinds = [
        ("configs", &sources.configs, "/"),
        ("secrets", &sources.secrets, "/run/secrets/"),
    ];
    for (key, declared, folder) in kinds {
        for item in fields.take(key).iter().flat_map(Cursor::list) {
            let (source, target) = match item.value() {
                Value::Map(_) => {
                    let mut fields = item.fields();
                    let source = fields.take("source").and_then(|c| c.text());
                    let target = fields.take("target").and_then(|c| c.text());
                    fields.without_effect(&["uid", "gid", "mode"]);
                    fields.finish();
                    (source, target)
                }
                _ => (item.text(), None),
            };
            let Some(source) = source else { continue };
            let target = match target {
                Some(target) if target.starts_with('/') => target,
                Some(target) => format!("{folder}{target}"),
                None => format!("{folder}{source}"),
            };
            match declared.get(&source) {
                Some(Declared(Some(found))) => mounts.push(item.located(Mount {
                    source: found.clone(),
                    target,
                    create: false,
                })),
                Some(Declared(None)) => {}
                None => item.problem(format!(
                    "`{source}` is not declared under the top level `{key}:`"
                )),
            }
        }
    }
    mounts
}

fn named_volume(item: &Cursor<'_>, name: &str, target: &str, sources: &Sources) -> Option<Mount> {
    if !sources.volumes.iter().any(|v| v == name) {
        item.problem(format!(
            "no volume `{name}`: declare it under the top level `volumes:`, or write a path as `./{name}`"
        ));
        return None;
    }
    Some(Mount {
        source: MountSource::Volume(name.to_owned()),
        target: target.to_owned(),
        create: false,
    })
}

fn is_path(source: &str) -> bool {
    source.starts_with(['.', '/', '~'])
}

/// `SOURCE:TARGET[:MODE]`, `NAME:TARGET`, `TARGET`.
fn short_volume(item: &Cursor<'_>, sources: &Sources) -> Option<Mount> {
    let text = item.text()?;
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target) = match parts[..] {
        [target] if target.starts_with('/') => {
            item.without_effect();
            return None;
        }
        [source, target] | [source, target, _] if target.starts_with('/') => (source, target),
        _ => {
            item.problem(format!(
                "`{text}` is no volume; write one as `./FILE:/PATH/IN/CONTAINER:ro`"
            ));
            return None;
        }
    };
    if !is_path(source) {
        return named_volume(item, source, target, sources);
    }
    Some(Mount {
        source: MountSource::Path(source.to_owned()),
        target: target.to_owned(),
        create: true,
    })
}

fn long_volume(item: &Cursor<'_>, sources: &Sources) -> Option<Mount> {
    let mut fields = item.fields();
    let kind = fields.take("type").and_then(|c| c.text());
    let source = fields.take("source").and_then(|c| c.text());
    let target = fields.take("target").and_then(|c| c.text());
    let mut create = false;
    if let Some(bind) = fields.take("bind") {
        let mut bind = bind.fields();
        create = bind
            .take("create_host_path")
            .and_then(|c| c.boolean())
            .unwrap_or(true);
        bind.without_effect(&["propagation", "selinux", "recursive"]);
        bind.finish();
    }
    fields.without_effect(&["read_only", "volume", "tmpfs", "image", "consistency"]);
    fields.finish();
    let Some(target) = target else {
        item.problem("a volume without `target:`");
        return None;
    };
    match (kind.as_deref(), source) {
        (Some("bind"), Some(source)) => Some(Mount {
            source: MountSource::Path(source),
            target,
            create,
        }),
        (Some("volume"), Some(source)) => named_volume(item, &source, &target, sources),
        (Some("volume" | "tmpfs"), None) => {
            item.without_effect();
            None
        }
        (Some("bind"), None) => {
            item.problem("a bind mount without `source:`");
            None
        }
        (kind, _) => {
            item.problem(format!(
                "the type `{}` is none of bind, volume, tmpfs",
                kind.unwrap_or_default()
            ));
            None
        }
    }
}

/// `depends_on:` as a list of names or a mapping with conditions.
pub(super) fn depends_on(cursor: Cursor<'_>) -> Vec<Located<Dependency>> {
    if matches!(cursor.value(), Value::List(_)) {
        return cursor
            .list()
            .iter()
            .filter_map(|item| {
                Some(item.located(Dependency {
                    service: item.text()?,
                    condition: Condition::Started,
                    required: true,
                }))
            })
            .collect();
    }
    let mut all = Vec::new();
    for (service, cursor) in cursor.entries() {
        let mut fields = cursor.fields();
        let mut dependency = Dependency {
            service,
            condition: Condition::Started,
            required: true,
        };
        if let Some(condition) = fields.take("condition")
            && let Some(text) = condition.text()
        {
            match text.as_str() {
                "service_started" => {}
                "service_healthy" => dependency.condition = Condition::Healthy,
                "service_completed_successfully" => {
                    dependency.condition = Condition::CompletedSuccessfully;
                }
                _ => condition.problem(format!(
                    "`{text}` is none of service_started, service_healthy, service_completed_successfully"
                )),
            }
        }
        if let Some(required) = fields.take("required").and_then(|c| c.boolean()) {
            dependency.required = required;
        }
        // Only `docker compose restart` follows it; a scenario names what it restarts.
        fields.without_effect(&["restart"]);
        fields.finish();
        all.push(cursor.located(dependency));
    }
    all
}

/// Docker's defaults (docs.docker.com, "Dockerfile reference", HEALTHCHECK).
pub(crate) const HEALTHCHECK_DEFAULT: Healthcheck = Healthcheck {
    test: Vec::new(),
    interval: Duration::from_secs(30),
    timeout: Duration::from_secs(30),
    retries: 3,
    start_period: Duration::ZERO,
    start_interval: Duration::from_secs(5),
};

pub(super) fn healthcheck(cursor: Cursor<'_>) -> HealthcheckSetting {
    let mut fields = cursor.fields();
    let mut check = HEALTHCHECK_DEFAULT;
    let disabled = fields
        .take("disable")
        .and_then(|c| c.boolean())
        .unwrap_or(false);
    let test = fields.take("test");
    let durations = [
        ("interval", &mut check.interval),
        ("timeout", &mut check.timeout),
        ("start_period", &mut check.start_period),
        ("start_interval", &mut check.start_interval),
    ];
    for (key, place) in durations {
        let Some(cursor) = fields.take(key) else {
            continue;
        };
        if let Some(duration) = cursor.duration() {
            // Zero stands for the default; Docker refuses what is shorter than 1 ms.
            if duration.is_zero() {
                continue;
            }
            if duration < Duration::from_millis(1) {
                cursor.problem("shorter than 1 ms");
            }
            *place = duration;
        }
    }
    if let Some(retries) = fields
        .take("retries")
        .and_then(|c| c.parsed::<u32>("a number"))
    {
        check.retries = retries.max(1);
    }
    fields.finish();
    if disabled {
        return HealthcheckSetting::Disabled;
    }
    let Some(test) = test else {
        cursor.problem("without `test:` there is nothing to run");
        return HealthcheckSetting::Disabled;
    };
    let words: Vec<String> = match test.value() {
        Value::List(_) => test.texts().into_iter().map(|t| t.value).collect(),
        _ => ["CMD-SHELL".to_owned()]
            .into_iter()
            .chain(test.text())
            .collect(),
    };
    match words.split_first() {
        Some((kind, _)) if kind == "NONE" => HealthcheckSetting::Disabled,
        Some((kind, rest)) if kind == "CMD" && !rest.is_empty() => {
            check.test = rest.to_vec();
            HealthcheckSetting::Given(test.located(check))
        }
        Some((kind, [line])) if kind == "CMD-SHELL" => {
            check.test = ["sh", "-c", line].map(str::to_owned).into();
            HealthcheckSetting::Given(test.located(check))
        }
        _ => {
            test.problem("must be a string, or a list that starts with CMD, CMD-SHELL or NONE");
            HealthcheckSetting::Disabled
        }
    }
}

/// `networks:` of a service as a list of names or a mapping.
pub(super) fn attachments(cursor: Cursor<'_>) -> Vec<Located<Attachment>> {
    let mut all = Vec::new();
    if matches!(cursor.value(), Value::List(_)) {
        for name in cursor.texts() {
            all.push(Located {
                value: Attachment {
                    network: name.value,
                    aliases: Vec::new(),
                    address: None,
                },
                origin: name.origin,
            });
        }
        return all;
    }
    for (network, cursor) in cursor.entries() {
        let mut fields = cursor.fields();
        let aliases = fields
            .take("aliases")
            .map(|c| c.texts())
            .unwrap_or_default();
        let address = fields
            .take("ipv4_address")
            .and_then(|c| c.parsed::<Ipv4Addr>("an IPv4 address"));
        fields.refuse("ipv6_address", "this network is IPv4 alone");
        fields.without_effect(&[
            "driver_opts",
            "gw_priority",
            "interface_name",
            "link_local_ips",
            "mac_address",
            "priority",
        ]);
        fields.finish();
        all.push(cursor.located(Attachment {
            network,
            aliases: aliases.into_iter().map(|alias| alias.value).collect(),
            address,
        }));
    }
    all
}

/// `extra_hosts:` as `NAME:IP`, `NAME=IP` or a mapping.
pub(super) fn extra_hosts(cursor: Cursor<'_>) -> Vec<Located<(String, Option<IpAddr>)>> {
    let pairs: Vec<(String, String, Cursor<'_>)> = match cursor.value() {
        Value::List(_) => cursor
            .list()
            .into_iter()
            .filter_map(|item| {
                let text = item.text()?;
                match text.split_once('=').or_else(|| text.split_once(':')) {
                    Some((name, ip)) => Some((name.to_owned(), ip.to_owned(), item)),
                    None => {
                        item.problem(format!("`{text}` is not NAME:ADDRESS"));
                        None
                    }
                }
            })
            .collect(),
        _ => cursor
            .entries()
            .into_iter()
            .filter_map(|(name, item)| Some((name, item.text()?, item)))
            .collect(),
    };
    let mut all = Vec::new();
    for (name, ip, item) in pairs {
        let ip = ip.trim_matches(['[', ']']);
        match (ip, ip.parse::<IpAddr>()) {
            ("host-gateway", _) => all.push(item.located((name, None))),
            (_, Ok(ip)) => all.push(item.located((name, Some(ip)))),
            _ => item.problem(format!("`{ip}` is neither an address nor `host-gateway`")),
        }
    }
    all
}
