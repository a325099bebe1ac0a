//! Ingresses: a controller for all of them, as the manifests that a user would write in their place.
//!
//! The controller is an nginx Deployment with a ClusterIP Service, `ingress-nginx-controller` in the
//! namespace `ingress-nginx`, and its configuration follows from the rules as that of the controller
//! ingress-nginx does (kubernetes.github.io/ingress-nginx, "Basic usage"; its defaults for timeouts and
//! headers). Deliberately absent: TLS, annotations, reloads, and choosing pods by itself: it sends to
//! the services' virtual addresses.

use std::collections::BTreeMap;
use std::fmt::Write;

use k8s_openapi::api::core::v1::ServiceSpec;
use k8s_openapi::api::networking::v1::{HTTPIngressPath, IngressBackend, IngressSpec};

use super::notes::Notes;
use super::objects::{Object, Typed};
use super::place::Place;

/// What the generated manifests are called in messages.
pub(super) const FILE: &str = "(the controller of all Ingresses)";

/// Where the controller is.
const NAMESPACE: &str = "ingress-nginx";
/// Annotations of these say what a controller does; none of it is played.
const ANNOTATED: [&str; 3] = ["ingress", "traefik", "haproxy"];
/// The old way to say `ingressClassName`.
const CLASS: &str = "kubernetes.io/ingress.class";

/// Locations of a host by their nginx patterns, and where each leads.
type Hosts = BTreeMap<String, BTreeMap<String, String>>;

/// The manifests of the controller; none without an Ingress, or after a complaint.
pub(super) fn controller(objects: &[Object], notes: &mut Notes) -> Option<String> {
    let mut hosts = Hosts::new();
    let before = notes.problems.len();
    let mut any = false;
    for object in objects {
        if let Typed::Ingress(ingress) = &object.typed {
            any = true;
            annotations(object, notes);
            let spec = ingress.spec.clone().unwrap_or_default();
            rules(&spec, object, objects, &mut hosts, notes);
        }
    }
    let is_there =
        |object: &Object| matches!(object.typed, Typed::Namespace) && object.name == NAMESPACE;
    let namespace = match objects.iter().any(is_there) {
        true => String::new(),
        false => format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {NAMESPACE}}}\n---\n"),
    };
    let is_good = any && notes.problems.len() == before;
    is_good.then(|| namespace + &manifests(&hosts))
}

fn annotations(object: &Object, notes: &mut Notes) {
    let place = object.place().at("metadata.annotations");
    let Some(node) = place.node() else {
        return;
    };
    if let crate::yaml::Value::Map(entries) = &node.value {
        for (key, _) in entries {
            let is_about = ANNOTATED.iter().any(|word| key.text.contains(word));
            if key.text != CLASS && is_about {
                let problem = place.key(&key.text).problem("is not played");
                let help = "put an nginx Deployment with the same rules in its place";
                notes.problems.push(problem.help(help));
            }
        }
    }
}

fn rules(
    spec: &IngressSpec,
    object: &Object,
    objects: &[Object],
    hosts: &mut Hosts,
    notes: &mut Notes,
) {
    let place = object.place().key("spec");
    if let Some(backend) = &spec.default_backend {
        let place = place.key("defaultBackend");
        if let Some(to) = target(backend, &place, object, objects, notes) {
            let locations = hosts.entry("_".to_owned()).or_default();
            locations.insert("/".to_owned(), to);
        }
    }
    for (index, rule) in spec.rules.iter().flatten().enumerate() {
        let place = place.item_of("rules", index);
        let host = rule.host.clone().filter(|host| !host.is_empty());
        let host = host.unwrap_or_else(|| "_".to_owned());
        if !host
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "*.-_".contains(c))
        {
            notes
                .problems
                .push(place.key("host").problem("is no host name"));
            continue;
        }
        let http = rule.http.iter().flat_map(|http| &http.paths).enumerate();
        for (index, path) in http {
            let place = place.key("http").item_of("paths", index);
            let patterns = patterns(path, &place, notes);
            let backend = place.key("backend");
            let Some(to) = target(&path.backend, &backend, object, objects, notes) else {
                continue;
            };
            for pattern in patterns {
                let locations = hosts.entry(host.clone()).or_default();
                // Of two that say the same the older one wins, as with the controller.
                locations.entry(pattern).or_insert_with(|| to.clone());
            }
        }
    }
}

/// The locations that stand for a path ("Ingress", path types).
fn patterns(path: &HTTPIngressPath, place: &Place<'_>, notes: &mut Notes) -> Vec<String> {
    let text = path.path.as_deref().unwrap_or("/");
    let is_plain = |c: char| c.is_ascii_graphic() && !"{};'\"\\$#".contains(c);
    if !text.starts_with('/') || !text.chars().all(is_plain) {
        let message = format!("`{text}` is no path that can be played");
        notes.problems.push(place.key("path").problem(message));
        return Vec::new();
    }
    match path.path_type.as_str() {
        "Exact" => vec![format!("= {text}")],
        "Prefix" | "ImplementationSpecific" => match text.trim_end_matches('/') {
            "" => vec!["/".to_owned()],
            // By whole elements: /foo and /foo/bar, not /foobar.
            prefix => vec![format!("= {prefix}"), format!("{prefix}/")],
        },
        other => {
            let message = format!("`{other}` is none of Exact, Prefix and ImplementationSpecific");
            notes.problems.push(place.key("pathType").problem(message));
            Vec::new()
        }
    }
}

/// `SERVICE.NAMESPACE.svc.cluster.local:PORT`
fn target(
    backend: &IngressBackend,
    place: &Place<'_>,
    object: &Object,
    objects: &[Object],
    notes: &mut Notes,
) -> Option<String> {
    let Some(wanted) = &backend.service else {
        notes.problems.push(place.problem("names no service"));
        return None;
    };
    let place = place.key("service");
    let service = objects.iter().find_map(|other| match &other.typed {
        Typed::Service(service)
            if other.name == wanted.name && other.namespace == object.namespace =>
        {
            service.spec.as_ref()
        }
        _ => None,
    });
    let Some(service) = service else {
        let message = format!("there is no Service `{}` in this namespace", wanted.name);
        notes.problems.push(place.key("name").problem(message));
        return None;
    };
    let port = wanted.port.as_ref();
    let number = port.and_then(|port| match &port.name {
        Some(name) => numbered(service, name),
        None => port.number,
    });
    let Some(number) = number else {
        notes
            .problems
            .push(place.key("port").problem("the Service has no such port"));
        return None;
    };
    let (name, namespace) = (&wanted.name, &object.namespace);
    Some(format!("{name}.{namespace}.svc.cluster.local:{number}"))
}

fn numbered(service: &ServiceSpec, name: &str) -> Option<i32> {
    let mut ports = service.ports.iter().flatten();
    let port = ports.find(|port| port.name.as_deref() == Some(name));
    port.map(|port| port.port)
}

fn manifests(hosts: &Hosts) -> String {
    let mut servers = String::new();
    let mut server = |host: &str, locations: &BTreeMap<String, String>| {
        let default = if host == "_" { " default_server" } else { "" };
        let _ = write!(
            servers,
            "        server {{\n            listen 80{default};\n            server_name {host};\n"
        );
        for (pattern, to) in locations {
            let _ = writeln!(
                servers,
                "            location {pattern} {{ proxy_pass http://{to}; }}"
            );
        }
        if !locations.contains_key("/") {
            servers.push_str("            location / { return 404; }\n");
        }
        servers.push_str("        }\n");
    };
    if !hosts.contains_key("_") {
        server("_", &BTreeMap::new());
    }
    for (host, locations) in hosts {
        server(host, locations);
    }
    TEMPLATE.replace("SERVERS\n", &servers)
}

/// The timeouts and headers are the controller's defaults ("ConfigMaps").
const TEMPLATE: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: ingress-nginx-controller, namespace: ingress-nginx}
data:
  nginx.conf: |
    events {}
    http {
        proxy_connect_timeout 5s;
        proxy_send_timeout 60s;
        proxy_read_timeout 60s;
        proxy_next_upstream error timeout;
        proxy_next_upstream_tries 3;
        proxy_http_version 1.1;
        proxy_set_header Host $http_host;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $remote_addr;
        proxy_set_header X-Forwarded-Proto $scheme;
        access_log /dev/stdout;
SERVERS
    }
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: ingress-nginx-controller, namespace: ingress-nginx}
spec:
  selector: {matchLabels: {app.kubernetes.io/name: ingress-nginx}}
  template:
    metadata: {labels: {app.kubernetes.io/name: ingress-nginx}}
    spec:
      containers:
        - name: controller
          image: nginx:1.27
          ports: [{name: http, containerPort: 80}]
          readinessProbe: {tcpSocket: {port: http}}
          volumeMounts: [{name: config, mountPath: /etc/nginx}]
      volumes:
        - name: config
          configMap: {name: ingress-nginx-controller}
---
apiVersion: v1
kind: Service
metadata: {name: ingress-nginx-controller, namespace: ingress-nginx}
spec:
  selector: {app.kubernetes.io/name: ingress-nginx}
  ports: [{name: http, port: 80, targetPort: http}]
";
