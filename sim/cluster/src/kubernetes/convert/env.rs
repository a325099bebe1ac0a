//! The environment of a container, `$(VAR)` not yet replaced.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvVarSource, ObjectFieldSelector};

use super::Around;
use super::sources::Kind;
use super::template::Seen;
use crate::kubernetes::notes::Notes;
use crate::kubernetes::place::Place;
use crate::kubernetes::plan::{EnvValue, Field};
use crate::kubernetes::quantity::Quantity;

/// What tells of services, then `envFrom`, then `env`; the later wins (kubelet,
/// `makeEnvironmentVariables`).
pub(super) fn env(
    container: &Container,
    place: &Place<'_>,
    seen: &Seen<'_>,
    around: &Around<'_>,
    notes: &mut Notes,
) -> Vec<(String, EnvValue)> {
    let services = seen.service_env.iter();
    let mut env: Vec<(String, EnvValue)> = services
        .map(|(name, value)| (name.clone(), EnvValue::Literal(value.clone())))
        .collect();
    for (index, from) in container.env_from.iter().flatten().enumerate() {
        let place = place.item_of("envFrom", index);
        let (kind, name, optional, place) = match (&from.config_map_ref, &from.secret_ref) {
            (Some(map), None) => (
                Kind::ConfigMap,
                &map.name,
                map.optional,
                place.key("configMapRef"),
            ),
            (None, Some(secret)) => (
                Kind::Secret,
                &secret.name,
                secret.optional,
                place.key("secretRef"),
            ),
            _ => {
                notes
                    .problems
                    .push(place.problem("one of configMapRef and secretRef is wanted"));
                continue;
            }
        };
        let optional = optional.unwrap_or(false);
        let found = around
            .sources
            .find(kind, seen.namespace, name, optional, &place, notes);
        let prefix = from.prefix.as_deref().unwrap_or("");
        for (key, text) in found.iter().flat_map(|source| &source.entries) {
            env.push((
                format!("{prefix}{key}"),
                EnvValue::Literal(text.to_string()),
            ));
        }
    }
    for (index, variable) in container.env.iter().flatten().enumerate() {
        let place = place.item_of("env", index);
        let name = &variable.name;
        if name.is_empty() || name.contains('=') {
            let message = format!("`{name}` is no name of a variable");
            notes.problems.push(place.key("name").problem(message));
        }
        let value = match (&variable.value, &variable.value_from) {
            (Some(_), Some(_)) => {
                notes
                    .problems
                    .push(place.problem("one of value and valueFrom is wanted"));
                None
            }
            (text, None) => Some(EnvValue::Text(text.clone().unwrap_or_default())),
            (None, Some(from)) => value_from(from, &place.key("valueFrom"), seen, around, notes),
        };
        env.extend(value.map(|value| (name.clone(), value)));
    }
    env
}

/// `None` after a complaint, or when it is optional and not there.
fn value_from(
    from: &EnvVarSource,
    place: &Place<'_>,
    seen: &Seen<'_>,
    around: &Around<'_>,
    notes: &mut Notes,
) -> Option<EnvValue> {
    let (kind, name, key, optional, place) = match (
        &from.config_map_key_ref,
        &from.secret_key_ref,
        &from.field_ref,
        &from.resource_field_ref,
    ) {
        (Some(map), None, None, None) => (
            Kind::ConfigMap,
            &map.name,
            &map.key,
            map.optional,
            place.key("configMapKeyRef"),
        ),
        (None, Some(secret), None, None) => (
            Kind::Secret,
            &secret.name,
            &secret.key,
            secret.optional,
            place.key("secretKeyRef"),
        ),
        (None, None, Some(selector), None) => {
            return field(selector, &place.key("fieldRef"), seen, false, notes);
        }
        (None, None, None, Some(resource)) => {
            let place = place.key("resourceFieldRef");
            let divisor = resource.divisor.as_ref().map(|divisor| divisor.0.as_str());
            let limits = seen.limits(resource.container_name.as_deref());
            return limit(&resource.resource, divisor, limits, &place, notes)
                .map(EnvValue::Literal);
        }
        _ => {
            let message =
                "one of configMapKeyRef, secretKeyRef, fieldRef and resourceFieldRef is wanted";
            notes.problems.push(place.problem(message));
            return None;
        }
    };
    let optional = optional.unwrap_or(false);
    let source = around
        .sources
        .find(kind, seen.namespace, name, optional, &place, notes)?;
    let found = source.entries.get(key);
    if found.is_none() && !optional {
        let keys: Vec<&str> = source.entries.keys().map(String::as_str).collect();
        let message = format!("{} `{name}` has no key `{key}`", kind.name());
        let help = format!("its keys are {}", keys.join(", "));
        notes
            .problems
            .push(place.key("key").problem(message).help(help));
    }
    found.map(|text| EnvValue::Literal(text.to_string()))
}

/// What a `fieldRef` names; all labels at once are for files alone.
pub(super) fn field(
    selector: &ObjectFieldSelector,
    place: &Place<'_>,
    seen: &Seen<'_>,
    file: bool,
    notes: &mut Notes,
) -> Option<EnvValue> {
    let path = selector.field_path.as_str();
    let keyed = |prefix: &str| {
        let key = path.strip_prefix(prefix)?.strip_suffix("']")?;
        Some(key.to_owned())
    };
    let field = match path {
        "metadata.name" => Field::PodName,
        "metadata.namespace" => Field::Namespace,
        "metadata.uid" => Field::Uid,
        "metadata.labels" if file => Field::Labels,
        "metadata.annotations" if file => Field::Annotations,
        "spec.nodeName" if !file => Field::NodeName,
        "spec.serviceAccountName" if !file => {
            return Some(EnvValue::Literal(seen.service_account.to_owned()));
        }
        "status.podIP" | "status.podIPs" if !file => Field::PodIp,
        "status.hostIP" | "status.hostIPs" if !file => Field::HostIp,
        _ => match (keyed("metadata.labels['"), keyed("metadata.annotations['")) {
            (Some(key), _) => Field::Label(key),
            (_, Some(key)) => Field::Annotation(key),
            _ => {
                let message = format!("`{path}` is no field that the downward API tells here");
                notes.problems.push(place.key("fieldPath").problem(message));
                return None;
            }
        },
    };
    Some(EnvValue::Field(field))
}

/// What a `resourceFieldRef` names (component-helpers, `resource/helpers.go`: rounded up).
pub(super) fn limit(
    resource: &str,
    divisor: Option<&str>,
    limits: Option<BTreeMap<&str, &str>>,
    place: &Place<'_>,
    notes: &mut Notes,
) -> Option<String> {
    let known = resource
        .strip_prefix("limits.")
        .filter(|name| matches!(*name, "cpu" | "memory"));
    let Some(known) = known else {
        let message = format!("`{resource}` is not known here");
        let help = "limits.cpu and limits.memory are";
        notes
            .problems
            .push(place.key("resource").problem(message).help(help));
        return None;
    };
    let limit = limits.and_then(|limits| limits.get(known).copied());
    let Some(limit) = limit.and_then(Quantity::parse) else {
        let message = format!("there is no {resource}, and nodes have no sizes here");
        let help = format!("give the container `resources.{resource}`");
        notes.problems.push(place.problem(message).help(help));
        return None;
    };
    let divisor = divisor
        .and_then(Quantity::parse)
        .filter(|divisor| !divisor.is_zero())
        .unwrap_or(Quantity::ONE);
    Some(limit.over(divisor).to_string())
}
