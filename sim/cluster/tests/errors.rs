//! Every mistake in a compose file is named with its line and key.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod common;

/// A compose file, and `LINE: part of the message` for each complaint.
fn complaints(text: &str, expected: &[(u32, &str)]) {
    complaints_with(text, &[], expected);
}

fn complaints_with(text: &str, programs: &[(&str, &str)], expected: &[(u32, &str)]) {
    let Err(diagnostics) = common::plan_text(text, programs) else {
        panic!("no complaint about\n{text}");
    };
    let list = &diagnostics.0;
    for (line, part) in expected {
        let found = list.iter().any(|diagnostic| {
            let origin = diagnostic.origin.as_ref();
            origin.is_some_and(|o| o.line == *line && &*o.file == "lab/docker-compose.yml")
                && diagnostic.to_string().contains(part)
        });
        assert!(
            found,
            "line {line}: {part}\nin\n{diagnostics}\nabout\n{text}"
        );
    }
    assert_eq!(list.len(), expected.len(), "{diagnostics}\nabout\n{text}");
}

#[test]
fn unknown_keys() {
    complaints(
        "services:\n  nginx:\n    image: nginx\n    foo: 1\n    prots: []\nserivces: {}\n",
        &[
            (4, "services.nginx.foo: unknown key"),
            (
                5,
                "services.nginx.prots: unknown key\n    help: did you mean `ports`?",
            ),
            (
                6,
                "serivces: unknown key\n    help: did you mean `services`?",
            ),
        ],
    );
    complaints(
        "services:\n  a:\n    image: nginx\n    deploy:\n      resources:\n        limits: {cpu: 1}\n    healthcheck:\n      test: [NONE]\n      every: 1s\n    build:\n      foo: 1\n    depends_on: {b: {when: x}}\n  b: {image: nginx}\nnetworks:\n  n: {foo: 1}\n",
        &[
            (6, "services.a.deploy.resources.limits.cpu: unknown key"),
            (9, "services.a.healthcheck.every: unknown key"),
            (11, "services.a.build.foo: unknown key"),
            (12, "services.a.depends_on.b.when: unknown key"),
            (15, "networks.n.foo: unknown key"),
        ],
    );
}

#[test]
fn refused_keys() {
    complaints(
        "include: [x.yml]\nservices:\n  a:\n    image: nginx\n    extends: {service: b}\n    links: [b]\n    network_mode: none\n",
        &[
            (1, "include: not supported here"),
            (5, "services.a.extends: not supported here"),
            (6, "services.a.links: not supported here"),
            (
                7,
                "services.a.network_mode: `none` is not played here; `host` is",
            ),
        ],
    );
}

#[test]
fn bad_values() {
    complaints(
        "services:\n  a:\n    image: nginx\n    ports: [\"x:80\"]\n    restart: sometimes\n    stop_grace_period: 5\n    stop_signal: SIGUSR1\n    cpus: many\n    mem_limit: big\n    environment: [=1]\n    healthcheck: {test: [curl], interval: 1}\n    deploy: {replicas: -1, mode: global, restart_policy: {condition: never}}\n    extra_hosts: [a]\n    networks: {n: {ipv4_address: 1.2.3}}\n    depends_on: {a: {condition: ready}}\n    command: \"a 'b\"\n    volumes: [\"rel:ative\", {type: bind, target: /x}]\nnetworks: {n: {driver: macvlan, ipam: {config: [{subnet: x}]}}}\n",
        &[
            (4, "services.a.ports[0]: `x:80`: `x` is no port"),
            (5, "services.a.restart: `sometimes` is none of"),
            (6, "services.a.stop_grace_period: `5` is no duration"),
            (7, "services.a.stop_signal: `SIGUSR1`"),
            (8, "services.a.cpus: `many` is not a number of cores"),
            (9, "services.a.mem_limit: `big` is no size"),
            (10, "a variable without a name"),
            (11, "services.a.healthcheck.test: must be"),
            (11, "services.a.healthcheck.interval: `1` is no duration"),
            (12, "services.a.deploy.replicas: `-1` is not a number"),
            (12, "services.a.deploy.mode: `global`"),
            (12, "condition: `never` is none of"),
            (13, "services.a.extra_hosts[0]: `a` is not NAME:ADDRESS"),
            (14, "ipv4_address: `1.2.3` is not an IPv4 address"),
            (15, "condition: `ready` is none of"),
            (16, "services.a.command: `a 'b`: a quote"),
            (17, "services.a.volumes[0]: `rel:ative` is no volume"),
            (17, "services.a.volumes[1]: a bind mount without `source:`"),
            (18, "networks.n.driver: the driver `macvlan`"),
            (18, "`x` is no IPv4 subnet"),
        ],
    );
}

#[test]
fn wrong_kinds_of_values() {
    complaints(
        "services:\n  a:\n    image: [nginx]\n    ports: 80\n    deploy: x\n    build: .\n  b: nginx\n",
        &[
            (3, "services.a.image: a list where a string belongs"),
            (4, "services.a.ports: a number where a list belongs"),
            (5, "services.a.deploy: a string where a mapping belongs"),
            (7, "services.b: a string where a mapping belongs"),
            (7, "services.b: neither `image:` nor `build:`"),
        ],
    );
    complaints("services: {}\n", &[(1, "services: no service is active")]);
    complaints("networks: {}\n", &[(0, "no `services:`")]);
    complaints("services:\n  a: {image: x\n", &[(2, "not good YAML")]);
}

#[test]
fn variables() {
    complaints(
        "services:\n  a:\n    image: ${IMAGE:?name one}\n    command: cost $5\n    hostname: ${A\n",
        &[
            (
                3,
                "services.a.image: the variable IMAGE is required: name one\n    help: give the variable",
            ),
            (4, "write `$$`"),
            (5, "services.a.hostname: `${A` is followed by"),
        ],
    );
}

#[test]
fn references_to_nothing() {
    complaints(
        "services:\n  a:\n    image: nginx\n    depends_on: [b, c]\n    networks: [n]\n    volumes: [\"data:/data\"]\n    configs: [conf]\n    env_file: none.env\n  c:\n    image: nginx\n    profiles: [p]\n",
        &[
            (4, "services.a.depends_on: no service `b`"),
            (4, "the service `c` is in a profile that is not active"),
            (5, "services.a.networks: no network `n`"),
            (6, "no volume `data`"),
            (7, "`conf` is not declared"),
            (8, "lab/none.env: no such file"),
        ],
    );
}

#[test]
fn programs_that_are_not_known() {
    complaints(
        "services:\n  a:\n    image: redis:7\n  b:\n    image: nginx\n    command: [sh, -c, 'envsubst < a > b; nginx']\n",
        &[
            (
                3,
                "service a runs the image redis:7, and no program is known for it\n    help: name the program that plays it in the scenario file: `programs: {a: PROGRAM}`",
            ),
            (6, "is no command that edge can play"),
        ],
    );
    complaints_with(
        "services:\n  a:\n    image: redis:7\n",
        &[("a", "nothing")],
        &[(2, "services.a: there is no program `nothing`")],
    );
    complaints(
        "services:\n  a:\n    build: ./missing\n",
        &[(3, "services.a.build: lab/missing/Dockerfile: no such file")],
    );
}

#[test]
fn the_file_of_a_mount_that_is_not_there() {
    complaints(
        "services:\n  a:\n    image: nginx\n    volumes:\n      - ./nginx.conf:/etc/nginx/nginx.conf:ro\n      - {type: bind, source: ./conf, target: /conf}\n      - ~/x.conf:/x.conf\n",
        &[
            (
                5,
                "lab/nginx.conf: no such file\n    help: it is mounted at /etc/nginx/nginx.conf",
            ),
            (6, "lab/conf: no such file"),
            (7, "`~/x.conf`: a home folder"),
        ],
    );
}

#[test]
fn clashes_between_services() {
    complaints(
        "services:\n  a:\n    image: nginx\n    container_name: x\n    ports: [\"8080:80\"]\n  b:\n    image: nginx\n    container_name: x\n    ports:\n      - \"127.0.0.1:8080:81\"\n  c:\n    image: nginx\n    ports: [\"8080:80/udp\", \"127.0.0.2:8081:80\", \"127.0.0.1:8081:80\"]\n",
        &[
            (
                8,
                "the container name `x` is that of service a already, at lab/docker-compose.yml:4",
            ),
            (
                10,
                "port 8080 of the host is published twice; first for x at lab/docker-compose.yml:5",
            ),
        ],
    );
    complaints(
        "services:\n  a: {image: nginx, networks: {n: {ipv4_address: 10.0.0.5}}}\n  b: {image: nginx, networks: {n: {ipv4_address: 10.0.0.5}}}\n  c: {image: nginx, networks: {n: {ipv4_address: 10.0.1.5}}}\nnetworks:\n  n: {ipam: {config: [{subnet: 10.0.0.0/24}]}}\n",
        &[
            (
                3,
                "the address 10.0.0.5 is that of `a` already, at lab/docker-compose.yml:2",
            ),
            (4, "10.0.1.5 is no free address of the network `n`"),
        ],
    );
    complaints(
        "services:\n  a:\n    image: nginx\n    ports: [\"80:80\"]\n    deploy:\n      replicas: 2\n",
        &[(4, "port 80 of the host is published twice")],
    );
    complaints(
        "services:\n  a: {image: nginx, scale: 2, container_name: x}\n",
        &[(2, "2 containers cannot share `container_name: x`")],
    );
}

#[test]
fn circles() {
    complaints(
        "services:\n  a: {image: nginx, depends_on: [b]}\n  b: {image: nginx, depends_on: [c]}\n  c:\n    image: nginx\n    depends_on: [b]\n",
        &[(6, "services wait for each other: b -> c -> b")],
    );
}

#[test]
fn healthchecks_that_cannot_be_waited_for() {
    complaints(
        "services:\n  a:\n    image: nginx\n    healthcheck:\n      test: [CMD, redis-cli, ping]\n  b:\n    image: nginx\n    depends_on:\n      c: {condition: service_healthy}\n  c: {image: nginx}\n",
        &[
            (
                5,
                "services.a.healthcheck: no program here can run `redis-cli ping`",
            ),
            (
                9,
                "services.b.depends_on: `c` has no healthcheck to wait for",
            ),
        ],
    );
}

const WITH_CONF: &str = "services:\n  a:\n    image: nginx\n    networks: [x]\n    ports: [\"80:80\"]\n    configs: [{source: conf, target: /etc/nginx/nginx.conf}]\n  b: {image: nginx, networks: [y]}\nnetworks: {x: , y: }\nconfigs:\n  conf:\n    content: |\n";

/// The complaints of a program about its own file.
fn about_conf(conf: &[&str]) -> String {
    let lines: String = conf.iter().map(|line| format!("      {line}\n")).collect();
    match common::plan_text(&format!("{WITH_CONF}{lines}"), &[]) {
        Err(diagnostics) => diagnostics.to_string(),
        Ok(plan) => plan.warnings.iter().map(ToString::to_string).collect(),
    }
}

#[test]
fn facts_of_programs_are_checked_against_the_system() {
    let place = "lab/docker-compose.yml (/etc/nginx/nginx.conf)";
    for (conf, expected) in [
        (
            &["listen 80", "server nowhere"][..],
            ":2: host not found: `nowhere`",
        ),
        (
            &["listen 80", "server b"],
            "service b has this name and shares no network with a",
        ),
        (
            &["listen 80", "listen 80"],
            ":2: a: listens on 0.0.0.0:80 twice; first at",
        ),
        (&["wrong line"], ":1: unknown `wrong`"),
    ] {
        let text = about_conf(conf);
        assert!(
            text.starts_with(place) && text.contains(expected),
            "{expected}: {text}"
        );
    }
    assert_eq!(
        about_conf(&["listen 80", "server a", "server lab-a-1", "server 10.0.0.1"]),
        ""
    );
    let warning = about_conf(&["listen 81"]);
    assert!(
        warning.contains(
            "docker-compose.yml:5: services.a: port 80 is published, and nothing listens"
        ),
        "{warning}"
    );
    complaints(
        "services:\n  a:\n    image: nginx\n    environment: {BROKEN: 1}\n",
        &[(2, "services.a: BROKEN is set")],
    );
}

/// The fixture with one of its lines taken out, cut short, or with a character changed.
#[test]
fn no_mutilated_file_panics() {
    let whole = include_str!("fixtures/shop/docker-compose.yml");
    let variables = [("POSTGRES_PASSWORD".to_owned(), "x".to_owned())].into();
    let lines: Vec<&str> = whole.lines().collect();
    let (mut good, mut bad) = (0, 0);
    let mut attempt = |text: &str| {
        let options = squall_cluster::compose::Options::default();
        let file = "tests/fixtures/shop/docker-compose.yml";
        let project = squall_cluster::compose::read_text(file, text, &variables, &options);
        match project.and_then(|project| common::plan_project(&project, &[])) {
            Ok(_) => good += 1,
            Err(diagnostics) => {
                bad += 1;
                for diagnostic in diagnostics.0 {
                    assert!(diagnostic.origin.is_some(), "{diagnostic}\n{text}");
                }
            }
        }
    };
    for index in 0..lines.len() {
        let mut without = lines.clone();
        without.remove(index);
        attempt(&without.join("\n"));
        attempt(&lines[..index].join("\n"));
        for change in [(':', ' '), (' ', '-'), ('$', '{'), ('[', '{'), ('"', ' ')] {
            let mut changed = lines.clone();
            let line = changed[index].replacen(change.0, &change.1.to_string(), 1);
            changed[index] = &line;
            attempt(&changed.join("\n"));
        }
    }
    assert!(good > 50 && bad > 200, "{good} good, {bad} bad");
}
