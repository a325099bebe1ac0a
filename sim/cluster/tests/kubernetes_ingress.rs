//! Ingresses: the controller that follows from them, and what of them is refused.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod common;

use std::collections::BTreeMap;

use common::kubernetes::plan_text;
use squall_cluster::kubernetes::plan::{self, FileValue, Plan};
use squall_cluster::kubernetes::read_text;
use squall_cluster::plan::Surroundings;
use squall_host::{Facts, Launch, Loaded};

/// Two services and an Ingress with this in its metadata and its spec, the latter from line 10 on.
fn ingress(metadata: &str, spec: &str) -> String {
    let service = |name: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: shop}}\n\
             spec: {{selector: {{app: {name}}}, ports: [{{name: http, port: 8080}}]}}\n---\n"
        )
    };
    format!(
        "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata:\n  name: all\n  namespace: shop\n  \
         annotations: {{{metadata}}}\nspec:\n{spec}---\n\
         apiVersion: v1\nkind: Namespace\nmetadata: {{name: shop}}\n---\n{}{}",
        service("web"),
        service("api")
    )
}

/// The plan, with programs that read nothing.
fn plan_of(text: &str) -> Plan {
    let load = |_: &Launch| {
        let run = |_, _| std::future::pending::<Result<(), std::io::Error>>();
        Ok(Loaded::new(Facts::default(), run))
    };
    let around = Surroundings {
        programs: &BTreeMap::new(),
        load: &|_| Some(load.into()),
        knows: &|_| true,
    };
    let manifests = read_text("lab/all.yaml", text).unwrap();
    plan::plan(&manifests, &around, &[]).unwrap()
}

/// The controller's configuration.
fn configuration(text: &str) -> String {
    let plan = plan_of(text);
    let mut workloads = plan.workloads.iter();
    let controller = workloads
        .find(|w| w.name == "ingress-nginx-controller")
        .unwrap();
    assert_eq!(controller.namespace, "ingress-nginx");
    let container = &controller.template.containers[0];
    assert_eq!(container.program, "edge");
    assert!(
        plan.services
            .iter()
            .any(|service| service.name == controller.name)
    );
    match &container.files["/etc/nginx/nginx.conf"] {
        FileValue::Text(file) => file.content.to_string(),
        FileValue::Field(_) => unreachable!(),
    }
}

#[test]
fn rules_become_locations() {
    let conf = configuration(&ingress(
        "",
        "  rules:\n  - host: shop.example\n    http:\n      paths:\n      \
         - {path: /api, pathType: Prefix, backend: {service: {name: api, port: {name: http}}}}\n      \
         - {path: /api/, pathType: Prefix, backend: {service: {name: web, port: {name: http}}}}\n      \
         - {path: /health, pathType: Exact, backend: {service: {name: web, port: {number: 8080}}}}\n      \
         - {path: /, pathType: Prefix, backend: {service: {name: web, port: {number: 8080}}}}\n",
    ));
    for line in [
        "listen 80 default_server;",
        "location / { return 404; }",
        "server_name shop.example;",
        "location = /api { proxy_pass http://api.shop.svc.cluster.local:8080; }",
        "location /api/ { proxy_pass http://api.shop.svc.cluster.local:8080; }",
        "location = /health { proxy_pass http://web.shop.svc.cluster.local:8080; }",
        "location / { proxy_pass http://web.shop.svc.cluster.local:8080; }",
    ] {
        assert!(conf.contains(line), "{line}\nin\n{conf}");
    }
    assert_eq!(
        conf.matches("/api/ {").count(),
        1,
        "the older rule wins: {conf}"
    );
}

#[test]
fn whoever_no_rule_is_for_gets_the_default_backend() {
    let conf = configuration(&ingress(
        "",
        "  defaultBackend: {service: {name: web, port: {number: 8080}}}\n",
    ));
    let server =
        "listen 80 default_server;\n        server_name _;\n        location / { proxy_pass";
    assert!(conf.contains(server), "{conf}");
}

#[test]
fn what_would_be_another_system_is_refused_where_it_stands() {
    let path = |rest: &str| format!("  rules:\n  - http:\n      paths:\n      - {{{rest}}}\n");
    let to = |service: &str| format!("backend: {{service: {service}}}");
    let web = to("{name: web, port: {number: 8080}}");
    for (metadata, spec, line, complaint) in [
        (
            "nginx.ingress.kubernetes.io/rewrite-target: /",
            path(&format!("path: /, pathType: Prefix, {web}")),
            6,
            "rewrite-target: is not played",
        ),
        (
            "",
            format!(
                "  tls: [{{hosts: [a]}}]\n{}",
                path(&format!("path: /, pathType: Prefix, {web}"))
            ),
            8,
            "spec.tls: not played here",
        ),
        (
            "",
            path(&format!(
                "path: /, pathType: Prefix, {}",
                to("{name: wep, port: {number: 1}}")
            )),
            11,
            "there is no Service `wep` in this namespace",
        ),
        (
            "",
            path(&format!(
                "path: /, pathType: Prefix, {}",
                to("{name: web, port: {name: grpc}}")
            )),
            11,
            "the Service has no such port",
        ),
        (
            "",
            path(&format!("path: /, pathType: Regex, {web}")),
            11,
            "`Regex` is none of",
        ),
        (
            "",
            path(&format!("path: 'a b', pathType: Exact, {web}")),
            11,
            "`a b` is no path",
        ),
    ] {
        let text = ingress(metadata, &spec);
        let problems = plan_text(&text, &[]).unwrap_err().to_string();
        let place = format!("lab/all.yaml:{line}: ");
        let is_it = |said: &str| said.contains(&place) && said.contains(complaint);
        assert!(
            problems.lines().any(is_it),
            "{complaint} in line {line}\nin\n{problems}"
        );
    }
}
