//! A realistic project, from its files to its plan.

#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

mod common;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use squall_cluster::compose::{self, Options, Restart};
use squall_cluster::plan::Plan;

const FILE: &str = "tests/fixtures/shop/docker-compose.yml";

fn plan(options: &Options) -> Plan {
    // Tests run in the folder of their package.
    let project = compose::read(FILE, options).unwrap_or_else(|d| panic!("{d}"));
    common::plan_project(&project, &[("debug", "worker")]).unwrap_or_else(|d| panic!("{d}"))
}

#[test]
fn the_start_order_follows_the_dependencies_and_then_the_file() {
    let plan = plan(&Options::default());
    let names: Vec<&str> = plan.containers.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "shop-db-1-1",
            "shop-db-2-1",
            "shop-db-proxy-1",
            "shop-migrate-1",
            "api-1",
            "api-2",
            "shop-web-1"
        ]
    );
    let programs: Vec<&str> = plan
        .containers
        .iter()
        .map(|c| c.service.program.as_str())
        .collect();
    assert_eq!(
        programs,
        [
            "pg-stub",
            "pg-stub",
            "pg-proxy",
            "users-api",
            "users-api",
            "users-api",
            "edge"
        ]
    );
}

#[test]
fn addresses_come_from_the_subnet_of_the_first_network() {
    let plan = plan(&Options::default());
    let addresses: Vec<String> = plan
        .containers
        .iter()
        .map(|c| c.address.to_string())
        .collect();
    assert_eq!(
        addresses,
        [
            "10.5.0.2",
            "10.5.0.3",
            "10.5.0.100",
            "10.5.0.4",
            "10.5.0.5",
            "10.5.0.6",
            "172.18.0.2"
        ]
    );
    assert_eq!(plan.hosts["legacy"], IpAddr::from([10, 9, 9, 9]));
    assert_eq!(
        plan.hosts["host.docker.internal"],
        IpAddr::from([10, 5, 0, 1])
    );
}

#[test]
fn a_container_gets_what_its_files_say() {
    let plan = plan(&Options::default());
    let by_name = |name: &str| plan.containers.iter().find(|c| c.name == name).unwrap();

    let db = by_name("shop-db-2-1");
    assert_eq!(db.launch.args, ["-c", "max_connections=200"]);
    assert_eq!(db.launch.env["POSTGRES_PASSWORD"], "hunter2");
    assert_eq!(db.launch.env["POSTGRES_INITDB_ARGS"], "--data-checksums");
    assert_eq!(db.service.restart, Restart::UnlessStopped);
    let check = &db.service.healthcheck.as_ref().unwrap().value;
    assert_eq!(
        check.test,
        [
            "sh",
            "-c",
            "pg_isready -U ${POSTGRES_USER} -d ${POSTGRES_DB} || exit 1"
        ]
    );
    assert_eq!(check.start_period, Duration::from_secs(10));
    assert_eq!(check.retries, 10);

    let proxy = by_name("shop-db-proxy-1");
    assert_eq!(
        proxy.launch.args,
        ["-f", "/usr/local/etc/haproxy/haproxy.cfg"]
    );
    assert_eq!(proxy.names, ["shop-db-proxy-1", "db-proxy", "database"]);
    assert_eq!(proxy.published[0].host, "127.0.0.1:15432".parse().unwrap());

    let api = by_name("api-1");
    assert_eq!(api.launch.args, ["--port", "5000"]);
    assert_eq!(api.launch.env["BACKEND_ID"], "api-1");
    assert_eq!(api.launch.env["RUST_LOG"], "info");
    assert_eq!(api.launch.env["DB_HOST"], "database");
    assert_eq!(api.launch.env["LOG_LEVEL"], "debug");
    assert_eq!(api.launch.env["FEATURES"], "");
    assert_eq!(api.launch.env["HOSTNAME"], "api-1");
    assert_eq!(api.service.cpu_limit, Some(0.5));
    assert_eq!(api.service.memory_limit_bytes, Some(256 << 20));
    assert_eq!(
        api.service.restart,
        Restart::OnFailure {
            retries_max: Some(5)
        }
    );
    assert_eq!(
        &*api
            .launch
            .files
            .read("/app/config/settings.toml")
            .unwrap()
            .content,
        "pool = 4\n"
    );
    let check = &api.service.healthcheck.as_ref().unwrap().value;
    assert_eq!(check.interval, Duration::from_secs(3));
    assert_eq!(by_name("shop-migrate-1").launch.args, ["--migrate"]);

    let web = by_name("shop-web-1");
    assert_eq!(web.published[0].host, "0.0.0.0:18080".parse().unwrap());
    assert_eq!(web.service.stop_grace, Duration::from_secs(90));
    let conf = web.launch.files.read("/etc/nginx/nginx.conf").unwrap();
    assert_eq!(&*conf.shown_as, "tests/fixtures/shop/nginx/nginx.conf");
    assert_eq!(
        web.launch.files.list("/etc/nginx/conf.d"),
        ["/etc/nginx/conf.d/extra.conf"]
    );
    assert_eq!(
        &*web.launch.files.read("/run/secrets/token").unwrap().content,
        "s3cret\n"
    );
    assert_eq!(
        &*web.launch.files.read("/etc/motd").unwrap().content,
        "welcome to the shop\n"
    );
    assert_eq!(web.address, Ipv4Addr::new(172, 18, 0, 2));
}

#[test]
fn what_does_nothing_here_is_listed_with_its_place() {
    let plan = plan(&Options::default());
    let listed: Vec<String> = plan
        .without_effect
        .iter()
        .map(|(what, origin)| format!("{origin}: {what}"))
        .collect();
    for part in [
        "docker-compose.yml:2: version",
        "docker-compose.yml:13: services.db-1.logging",
        "docker-compose.yml:82: services.db-proxy.ulimits",
        "docker-compose.yml:84: services.db-proxy.cap_add",
        "nginx/nginx.conf:6: workers",
        "cache: an empty folder, mounted at /var/cache/nginx",
    ] {
        assert!(
            listed.iter().any(|line| line.contains(part)),
            "{part}: {listed:#?}"
        );
    }
}

#[test]
fn a_profile_adds_its_services() {
    let options = Options {
        profiles: vec!["debug".into()],
        ..Options::default()
    };
    let plan = plan(&options);
    let debug = plan.containers.last().unwrap();
    assert_eq!(debug.service.name, "debug");
    assert!(debug.service.host_network);
    assert!(debug.names.is_empty());
}

#[test]
fn values_of_the_caller_win_over_the_env_file() {
    let options = Options {
        variables: [("WEB_PORT".to_owned(), "9999".to_owned())].into(),
        project_name: Some("Other Name!".into()),
        ..Options::default()
    };
    let plan = plan_other(&options);
    assert_eq!(plan.project, "othername");
    let web = plan.containers.last().unwrap();
    assert_eq!(web.name, "othername-web-1");
    assert_eq!(web.published[0].host.port(), 9999);
}

/// The proxy of the fixture names a network by its project's name.
fn plan_other(options: &Options) -> Plan {
    let mut project = compose::read(FILE, options).unwrap();
    project
        .services
        .retain(|service| service.name != "db-proxy");
    for service in &mut project.services {
        service.depends_on.retain(|d| d.value.service != "db-proxy");
    }
    common::plan_project(&project, &[]).unwrap_or_else(|d| panic!("{d}"))
}

#[test]
fn the_lab_of_this_repository_can_be_planned() {
    let file = "../../scenarios/postgres-compose/docker-compose.yml";
    let project = compose::read(file, &Options::default()).unwrap_or_else(|d| panic!("{d}"));
    let mut programs = Vec::new();
    for service in &project.services {
        let around = squall_cluster::plan::Surroundings {
            programs: &Default::default(),
            load: &|name| {
                let known = ["edge", "pg-proxy", "pg-stub", "users-api"].contains(&name);
                known.then(|| (|_: &_| Ok(nothing())).into())
            },
            knows: &common::knows,
        };
        let plan = squall_cluster::plan::plan(&project, &around).unwrap_or_else(|d| panic!("{d}"));
        let container = plan
            .containers
            .iter()
            .find(|c| c.service.name == service.name);
        programs.push(container.unwrap().service.program.clone());
    }
    programs.sort();
    assert_eq!(
        programs,
        [
            "edge",
            "pg-proxy",
            "pg-stub",
            "pg-stub",
            "users-api",
            "users-api"
        ]
    );
}

fn nothing() -> squall_host::Loaded {
    squall_host::Loaded::new(squall_host::Facts::default(), |_, _| async {
        Ok::<(), std::io::Error>(())
    })
}
