//! Spellings of the Compose Specification and what they come to in the plan.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod common;

use std::time::Duration;

use squall_cluster::compose::{Condition, Restart};
use squall_cluster::plan::{Container, Plan};

fn plan(text: &str) -> Plan {
    let programs = [("app*", "worker")];
    common::plan_text(text, &programs).unwrap_or_else(|d| panic!("{d}\n{text}"))
}

/// The first container of a project with one service, from the service's keys.
fn one(keys: &str) -> Container {
    let keys: String = keys.lines().map(|line| format!("    {line}\n")).collect();
    plan(&format!("services:\n  s:\n{keys}"))
        .containers
        .remove(0)
}

fn args(keys: &str) -> Vec<String> {
    one(keys).launch.args
}

#[test]
fn a_command_follows_its_entry_point() {
    assert_eq!(args("image: postgres"), [""; 0]);
    assert_eq!(
        args("image: haproxy"),
        ["-f", "/usr/local/etc/haproxy/haproxy.cfg"]
    );
    assert_eq!(
        args("image: nginx\ncommand: nginx -c /x.conf"),
        ["-c", "/x.conf"]
    );
    assert_eq!(
        args("image: nginx\ncommand: [nginx, -g, 'daemon off;']"),
        ["-g", "daemon off;"]
    );
    assert_eq!(
        args("image: postgres\ncommand: [-c, max_connections=5]"),
        ["-c", "max_connections=5"]
    );
    assert_eq!(
        args("image: nginx\nentrypoint: /docker-entrypoint.sh nginx\ncommand: [-c, /x]"),
        ["-c", "/x"]
    );
    assert_eq!(
        args("image: app\nentrypoint: [squall-node, worker]\ncommand: -v"),
        ["-v"]
    );
    assert_eq!(args("image: app\nentrypoint: []\ncommand: []"), [""; 0]);
    // A command for another program is none for the one that plays it.
    let text = "services:\n  s:\n    image: app:1\n    command: python app.py\n";
    let plan = plan(text);
    assert_eq!(plan.containers[0].launch.args, [""; 0]);
    let (what, origin) = &plan.without_effect[0];
    assert_eq!(origin.line, 4);
    assert!(
        what.contains("the command `python app.py`, since worker plays it"),
        "{what}"
    );
}

#[test]
fn a_script_that_becomes_the_images_program_is_run_as_it_is() {
    let service = |command: &str| one(&format!("image: nginx\ncommand: {command}")).service;
    let script = "[sh, -c, 'probe && exec nginx']";
    let service_of_script = service(script);
    assert_eq!(service_of_script.program, "shell");
    assert_eq!(
        service_of_script.launch.args,
        ["sh", "-c", "probe && exec nginx"]
    );
    assert_eq!(service("[nginx, -c, /x]").program, "edge");
}

#[test]
fn the_environment_has_two_spellings() {
    let keys =
        "image: nginx\nenvironment:\n  A: 1\n  B: true\n  C: 1.50\n  D: text\n  E:\n  x-F: 1\n";
    let map = one(keys).launch.env;
    let list = one("image: nginx\nenvironment: [A=1, B=true, C=1.5, D=text, E, x-F=1]")
        .launch
        .env;
    assert_eq!(map, list);
    assert_eq!((map["A"].as_str(), map["C"].as_str()), ("1", "1.5"));
    assert!(!map.contains_key("E"));
    assert_eq!(map["x-F"], "1");
}

#[test]
fn restart_policies() {
    for (keys, restart) in [
        ("", Restart::No),
        ("restart: \"no\"", Restart::No),
        ("restart: no", Restart::No),
        ("restart: always", Restart::Always),
        ("restart: unless-stopped", Restart::UnlessStopped),
        (
            "restart: on-failure",
            Restart::OnFailure { retries_max: None },
        ),
        (
            "restart: on-failure:3",
            Restart::OnFailure {
                retries_max: Some(3),
            },
        ),
        (
            "deploy: {restart_policy: {condition: any, delay: 5s}}",
            Restart::Always,
        ),
        ("deploy: {restart_policy: {condition: none}}", Restart::No),
        (
            "deploy: {restart_policy: {condition: on-failure, max_attempts: 2}}",
            Restart::OnFailure {
                retries_max: Some(2),
            },
        ),
        (
            "restart: always\ndeploy: {restart_policy: {condition: none}}",
            Restart::Always,
        ),
    ] {
        let container = one(&format!("image: nginx\n{keys}"));
        assert_eq!(container.service.restart, restart, "{keys}");
    }
}

#[test]
fn healthchecks() {
    let test = |keys: &str| {
        let container = one(&format!("image: nginx\nhealthcheck: {{{keys}}}"));
        container
            .service
            .healthcheck
            .clone()
            .map(|check| check.value)
    };
    let check = test("test: [CMD, curl, x]").unwrap();
    assert_eq!(check.test, ["curl", "x"]);
    assert_eq!(
        (
            check.interval,
            check.timeout,
            check.retries,
            check.start_period,
            check.start_interval
        ),
        (
            Duration::from_secs(30),
            Duration::from_secs(30),
            3,
            Duration::ZERO,
            Duration::from_secs(5)
        )
    );
    assert_eq!(
        test("test: curl x || exit 1").unwrap().test,
        ["sh", "-c", "curl x || exit 1"]
    );
    assert_eq!(
        test("test: [CMD-SHELL, curl x]").unwrap().test,
        ["sh", "-c", "curl x"]
    );
    assert_eq!(test("test: [NONE]"), None);
    assert_eq!(test("disable: true"), None);
    let check = test("test: curl, interval: 1m30s, retries: '5', start_interval: 1s").unwrap();
    assert_eq!(
        (check.interval, check.retries),
        (Duration::from_secs(90), 5)
    );
}

#[test]
fn resources_and_stops() {
    let container =
        one("image: nginx\ncpus: 1.5\nmem_limit: 64m\nstop_grace_period: 2m\nhostname: h");
    assert_eq!(container.service.cpu_limit, Some(1.5));
    assert_eq!(container.service.memory_limit_bytes, Some(64 << 20));
    assert_eq!(container.service.stop_grace, Duration::from_secs(120));
    assert_eq!(
        (
            container.hostname.as_str(),
            container.launch.env["HOSTNAME"].as_str()
        ),
        ("h", "h")
    );
    let container = one("image: nginx\ndeploy: {resources: {limits: {cpus: '0.25'}}}");
    assert_eq!(container.service.cpu_limit, Some(0.25));
    assert_eq!(container.service.stop_grace, Duration::from_secs(10));
}

#[test]
fn dependencies_have_two_spellings() {
    let plan = plan(
        "services:\n  a: {image: nginx, depends_on: [c]}\n  b: {image: nginx, depends_on: {c: {condition: service_completed_successfully, restart: true}, gone: {condition: service_started, required: false}}}\n  c: {image: nginx}\n",
    );
    let names: Vec<&str> = plan
        .containers
        .iter()
        .map(|c| c.service.name.as_str())
        .collect();
    assert_eq!(names, ["c", "a", "b"]);
    assert_eq!(
        plan.services[0].depends_on[0].value.condition,
        Condition::Started
    );
    assert_eq!(
        plan.services[1].depends_on[0].value.condition,
        Condition::CompletedSuccessfully
    );
}

#[test]
fn networks_give_names_and_addresses() {
    let plan = plan(
        "name: p\nservices:\n  a: {image: nginx, networks: [front, back]}\n  b:\n    image: nginx\n    networks:\n      back: {aliases: [bee, b], ipv4_address: 192.168.7.9}\n  c: {image: nginx, deploy: {replicas: 2}}\n  d: {image: nginx, network_mode: host}\nnetworks:\n  front:\n  back: {ipam: {config: [{subnet: 192.168.7.0/28}]}}\n",
    );
    let seen: Vec<(String, Vec<String>)> = plan
        .containers
        .iter()
        .map(|c| (c.address.to_string(), c.names.clone()))
        .collect();
    let names = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        seen,
        [
            ("172.18.0.2".to_owned(), names(&["p-a-1", "a"])),
            ("192.168.7.9".to_owned(), names(&["p-b-1", "b", "bee"])),
            ("172.19.0.2".to_owned(), names(&["p-c-1", "c"])),
            ("172.19.0.3".to_owned(), names(&["p-c-2", "c"])),
            ("172.19.0.4".to_owned(), names(&[])),
        ]
    );
}

#[test]
fn open_host_ports_are_given_out() {
    let container =
        one("image: nginx\nports: ['80', '127.0.0.1::81', 9000-9001:90-91, '53:53/udp']");
    let ports: Vec<String> = container
        .published
        .iter()
        .map(|p| format!("{} {} {}", p.host, p.port, p.udp))
        .collect();
    assert_eq!(
        ports,
        [
            "0.0.0.0:32768 80 false",
            "127.0.0.1:32769 81 false",
            "0.0.0.0:9000 90 false",
            "0.0.0.0:9001 91 false",
            "0.0.0.0:53 53 true"
        ]
    );
}

#[test]
fn what_has_no_effect_is_accepted_everywhere() {
    let plan = plan(
        "services:\n  s:\n    image: nginx\n    labels: [a=b]\n    logging: {driver: none}\n    user: root\n    ulimits: {nofile: 1}\n    cap_add: [ALL]\n    dns: 1.1.1.1\n    expose: ['80']\n    init: true\n    x-anything: {a: [b]}\nx-top: 1\n",
    );
    let keys: Vec<&str> = plan
        .without_effect
        .iter()
        .map(|(what, _)| what.strip_prefix("services.s.").unwrap())
        .collect();
    assert_eq!(
        keys,
        [
            "cap_add", "dns", "expose", "init", "logging", "ulimits", "user"
        ]
    );
    assert!(
        plan.without_effect
            .iter()
            .all(|(_, origin)| origin.line > 3)
    );
}

#[test]
fn a_variable_without_a_value_is_a_warning() {
    let plan = plan("services:\n  s:\n    image: nginx\n    hostname: h${NONE}\n");
    assert_eq!(
        plan.warnings[0].to_string(),
        "lab/docker-compose.yml:4: services.s.hostname: the variable NONE has no value; it becomes an empty string"
    );
    assert_eq!(plan.containers[0].hostname, "h");
}
