//! HAProxy's statistics, asked for by a client inside the simulation.
#![allow(clippy::unwrap_used)]

mod common;

use common::{err, folder, out, squall};

/// As the published failover demo configures it: servers by name, and the page on a port of its own.
const HAPROXY: &str = "global
    log stdout format raw local0
resolvers k8s
    parse-resolv-conf
    hold valid 5s
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen pg_front
    bind *:5432
    option tcp-check
    server-template pg 5 postgres-replicas:5432 check resolvers k8s init-addr none
listen stats
    bind *:8404
    mode http
    stats enable
    stats uri /stats
";

const SCENARIO: &str = "scenario: stats
system: {compose: docker-compose.yml}
clients:
  - {name: csv, get: 'http://haproxy:8404/stats;csv', rate: 2/s, timeout: 1s}
  - {name: page, get: 'http://localhost:8404/stats', rate: 2/s, timeout: 1s}
  - {name: elsewhere, get: 'http://haproxy:8404/', rate: 2/s, timeout: 1s}
phases:
  - {phase: p, for: 5s}
";

#[test]
fn the_statistics_are_served_inside_the_simulation() {
    let folder = folder("stats");
    let write = |name: &str, text: &str| std::fs::write(folder.join(name), text).unwrap();
    write("haproxy.cfg", HAPROXY);
    write("scenario.yaml", SCENARIO);
    write(
        "docker-compose.yml",
        "services:\n  haproxy:\n    image: haproxy:2.9\n    container_name: haproxy\n    ports: ['8404:8404']\n    volumes: ['./haproxy.cfg:/usr/local/etc/haproxy/haproxy.cfg:ro']\n",
    );
    let run = squall(&folder, &["run", "scenario.yaml", "--record", "run.json"]);
    assert!(matches!(run.status.code(), Some(0..=2)), "{}", err(&run));
    for (client, status) in [("csv", 200), ("page", 200), ("elsewhere", 503)] {
        let load = squall(
            &folder,
            &["load", "--record", "run.json", "--client", client],
        );
        let wanted = format!("(status {status})");
        let lines = out(&load)
            .lines()
            .filter(|line| line.ends_with(&wanted))
            .count();
        assert_eq!(lines, 10, "{client}: {}", out(&load));
    }
}
