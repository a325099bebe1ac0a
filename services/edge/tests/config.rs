//! What `load` refuses, with its place and its words, and what it tells of what it takes.
#![allow(clippy::unwrap_used)]

mod common;

use common::load;

/// The complaints about an `http` block.
fn complaints(http: &str) -> String {
    match load(&format!("events {{}}\nhttp {{\n{http}\n}}\n")) {
        Ok(_) => String::new(),
        Err(diagnostics) => diagnostics.to_string(),
    }
}

#[test]
fn each_mistake_is_named_with_its_line() {
    for (http, expected) in [
        (
            "prox_pass x;",
            "nginx.conf:3: unknown directive \"prox_pass\"",
        ),
        (
            "server { listen 80 ssl; }",
            "\"ssl\" in \"listen\" is not supported by squall",
        ),
        (
            "fastcgi_pass x;",
            "\"fastcgi_pass\" is not supported by squall",
        ),
        (
            "proxy_pass http://a;",
            "\"proxy_pass\" directive is not allowed here",
        ),
        (
            "server { listen; }",
            "invalid number of arguments in \"listen\" directive",
        ),
        (
            "proxy_read_timeout 1x;",
            "invalid value \"1x\" in \"proxy_read_timeout\" directive",
        ),
        (
            "proxy_read_timeout 1s; proxy_read_timeout 2s;",
            "\"proxy_read_timeout\" directive is duplicate",
        ),
        (
            "server { location / { } location / { } }",
            "duplicate location \"/\"",
        ),
        (
            "upstream a { server b:80; } upstream a { server b:80; }",
            "duplicate upstream \"a\"",
        ),
        ("upstream a { }", "no servers are inside upstream \"a\""),
        (
            "upstream a { server b:0; }",
            "invalid port in upstream \"b:0\"",
        ),
        (
            "upstream a { server unix:/x; }",
            "\"unix:/x\" in \"server\" is not supported by squall",
        ),
        (
            "upstream a { server b wieght=2; }",
            "invalid parameter \"wieght=2\"",
        ),
        (
            "upstream a { server b; keepalive 2; least_conn; }",
            "load balancing method redefined",
        ),
        ("upstream a { server b resolve; }", "to be in shared memory"),
        (
            "upstream a { zone z 1m; server b resolve; }",
            "no resolver defined to resolve b",
        ),
        (
            "upstream a { server 1.2.3.4; } server { location / { proxy_pass http://a:81; } }",
            "upstream \"a\" may not have port 81",
        ),
        (
            "server { location ~ x { proxy_pass http://a/b; } }",
            "cannot have URI part",
        ),
        (
            "server { location / { proxy_pass ftp://a; } }",
            "invalid URL prefix",
        ),
        (
            "server { location / { proxy_pass https://a; } }",
            "\"https://\" in \"proxy_pass\" is not supported",
        ),
        ("server { location ~ (?!a)b { } }", "look-around"),
        (
            "server { return 200 $nowhere; }",
            "unknown \"nowhere\" variable",
        ),
        (
            "access_log /dev/stdout later; log_format later x;",
            "unknown log format \"later\"",
        ),
        (
            "server { listen 80; listen 80; }",
            "a duplicate listen 0.0.0.0:80",
        ),
        (
            "server { listen 80 default_server; } server { listen 80 default_server; }",
            "a duplicate default server for 0.0.0.0:80",
        ),
        (
            "server { if (-f x) { return 200; } }",
            "\"-f\" in \"if\" is not supported",
        ),
        (
            "server { location / { if ($uri) { proxy_pass http://a; } } }",
            "\"proxy_pass\" directive is not allowed here",
        ),
        (
            "include /etc/nginx/none.conf;",
            "nginx.conf:3: cannot include \"/etc/nginx/none.conf\"",
        ),
        ("server { set $host x; }", "the duplicate \"host\" variable"),
        ("server { location / {", "unexpected end of file"),
        (
            "resolver 127.0.0.1 ipv6=on;",
            "\"ipv6=on\" in \"resolver\" is not supported",
        ),
        (
            "server { proxy_request_buffering off; }",
            "\"off\" in \"proxy_request_buffering\" is not supported",
        ),
    ] {
        let found = complaints(http);
        assert!(found.contains(expected), "{http}\n  said: {found}");
        assert!(found.contains("nginx.conf:"), "{found}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let found = complaints("foo 1;\nserver {\n  bar;\n  listen 80 baz;\n}");
    for place in ["nginx.conf:3: ", "nginx.conf:5: ", "nginx.conf:6: "] {
        assert!(found.contains(place), "{found}");
    }
}

#[test]
fn sections_and_files_must_be_there() {
    let missing = load("").unwrap_err().to_string();
    assert!(
        missing.contains("no \"events\" section in configuration"),
        "{missing}"
    );
    assert!(
        missing.contains("no \"http\" section in configuration"),
        "{missing}"
    );
    let mut launch = common::launch("events {} http {}");
    launch.args = vec!["-c".to_owned(), "/other.conf".to_owned()];
    let absent = squall_edge::load(&launch).unwrap_err().to_string();
    assert!(absent.contains("/other.conf"), "{absent}");
    launch.args = vec!["--wrong".to_owned()];
    let wrong = squall_edge::load(&launch).unwrap_err().to_string();
    assert!(wrong.contains("invalid option: \"--wrong\""), "{wrong}");
}

#[test]
fn facts_tell_addresses_names_and_what_has_no_effect() {
    let loaded = load(
        "user nginx;\nworker_processes auto;\nevents { multi_accept on; }\nhttp {\n sendfile on;\n \
         upstream up { server backend1:5000; server 10.0.0.7; server backend2:5000 backup; }\n \
         server { listen 80; listen [::]:80; location / { proxy_pass http://up; } }\n \
         server { listen 127.0.0.1:8080; location / { proxy_pass http://other; } }\n}",
    )
    .unwrap();
    let facts = loaded.facts;
    let listens: Vec<String> = facts
        .listens
        .iter()
        .map(|(address, _)| address.to_string())
        .collect();
    assert_eq!(listens, ["0.0.0.0:80", "127.0.0.1:8080"]);
    let names: Vec<String> = facts
        .names_required
        .iter()
        .map(|(name, origin)| format!("{name} {}", origin.as_ref().unwrap()))
        .collect();
    assert_eq!(
        names,
        [
            "backend1 nginx.conf:6",
            "backend2 nginx.conf:6",
            "other nginx.conf:8"
        ]
    );
    let without: Vec<String> = facts
        .without_effect
        .iter()
        .map(|(name, origin)| format!("{name} {}", origin.line))
        .collect();
    assert_eq!(
        without,
        [
            "user 1",
            "worker_processes 2",
            "multi_accept 3",
            "sendfile 5",
            "listen 7",
            "daemon 1"
        ]
    );
}

#[tokio::test]
async fn a_name_that_does_not_resolve_ends_the_start() {
    let conf = "events {} http { upstream up {\nserver no-such-name.invalid:5000; } }";
    let loaded = load(conf).unwrap();
    let running = loaded.start(squall_host::Host::real(), squall_host::Shutdown::never());
    let error = tokio::time::timeout(common::LONG, running)
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "host not found in upstream \"no-such-name.invalid:5000\" in nginx.conf:2"
    );
}

#[tokio::test]
async fn an_address_in_use_ends_the_start() {
    let port = common::free_port().await;
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port));
    let _taken = squall_host::Host::real().net.listen(address).unwrap();
    let loaded = load(&format!(
        "events {{}} http {{ server {{ listen {address}; }} }}"
    ))
    .unwrap();
    let running = loaded.start(squall_host::Host::real(), squall_host::Shutdown::never());
    let error = tokio::time::timeout(common::LONG, running)
        .await
        .unwrap()
        .unwrap_err();
    assert_eq!(error.to_string(), format!("bind() to {address} failed"));
}

#[test]
fn included_files_keep_their_own_lines() {
    let mut files = std::collections::BTreeMap::new();
    for (path, shown_as, content) in [
        (
            "/etc/nginx/nginx.conf",
            "nginx.conf",
            "events {} http { include mime.types; include conf.d/*.conf; }",
        ),
        (
            "/etc/nginx/conf.d/a.conf",
            "a.conf",
            "\nserver { listen 81; }",
        ),
        ("/etc/nginx/conf.d/b.conf", "b.conf", "\n\nwrong;"),
        ("/etc/nginx/conf.d/c.txt", "c.txt", "not read"),
    ] {
        let file = squall_host::launch::Mounted {
            shown_as: shown_as.into(),
            content: content.into(),
        };
        files.insert(path.to_owned(), file);
    }
    let mut launch = common::launch("");
    launch.files = squall_host::Files::mounted(files.clone());
    let error = squall_edge::load(&launch).unwrap_err().to_string();
    assert!(
        error.starts_with("b.conf:3: unknown directive \"wrong\""),
        "{error}"
    );
    files.remove("/etc/nginx/conf.d/b.conf");
    launch.files = squall_host::Files::mounted(files.clone());
    assert_eq!(squall_edge::load(&launch).unwrap().facts.listens.len(), 1);
    // As in the official image, where only files of conf.d are mounted.
    files.remove("/etc/nginx/nginx.conf");
    launch.files = squall_host::Files::mounted(files);
    assert_eq!(squall_edge::load(&launch).unwrap().facts.listens.len(), 1);
}
