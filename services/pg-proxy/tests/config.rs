//! What is read, what is accepted without effect, what is refused and how.

mod common;

use proptest::prelude::*;
use squall_pg_proxy::load;

const GOOD: &str = r#"
global
    log stdout format raw local0 info
    maxconn 256
    daemon
    tune.ssl.default-dh-param 2048
    stats socket /run/haproxy.sock mode 600 level admin
defaults tcp
    mode tcp
    log global
    option tcplog
    option dontlognull
    option clitcpka
    retries 3
    timeout connect 10s
    timeout client 1m
    timeout server 1m
    default-server inter 3s fastinter 1s fall 3 rise 2 on-marked-down shutdown-sessions
resolvers k8s
    parse-resolv-conf
    hold valid 5s
frontend front from tcp
    bind *:5432 name pg
    default_backend pool
backend pool
    balance roundrobin
    option pgsql-check user postgres
    option redispatch
    server-template pg 5 replicas.local:5432 check resolvers k8s init-addr none
backend strict from tcp
    option httpchk HEAD /primary
    http-check send meth GET uri /primary hdr Host db
    http-check expect status 200,300-399
    server one "one.local:5432" check port 8008 backup weight 10 slowstart 30s
listen stats
    bind 0.0.0.0:8404
    mode http
    stats enable
    stats uri /stats
    stats refresh 5s
"#;

fn complaint(text: &str) -> String {
    match load(&common::launch(text)) {
        Ok(_) => panic!("accepted: {text}"),
        Err(diagnostics) => diagnostics.to_string(),
    }
}

#[test]
fn a_common_file_is_read_and_its_facts_are_known() {
    let loaded = match load(&common::launch(GOOD)) {
        Ok(loaded) => loaded,
        Err(diagnostics) => panic!("{diagnostics}"),
    };
    let listens: Vec<String> = loaded
        .facts
        .listens
        .iter()
        .map(|(a, _)| a.to_string())
        .collect();
    assert_eq!(listens, ["0.0.0.0:5432", "0.0.0.0:8404"]);
    let names: Vec<&str> = loaded
        .facts
        .names_required
        .iter()
        .map(|(n, _)| n.as_str())
        .collect();
    assert_eq!(names, ["one.local"]);
    let without: Vec<String> = loaded
        .facts
        .without_effect
        .iter()
        .map(|(what, origin)| format!("{origin} {what}"))
        .collect();
    assert_eq!(
        without,
        [
            "haproxy.cfg:5 daemon",
            "haproxy.cfg:6 tune.ssl.default-dh-param",
            "haproxy.cfg:7 stats socket",
            "haproxy.cfg:21 hold valid",
            "haproxy.cfg:23 bind name",
        ]
    );
}

#[test]
fn complaints_name_file_line_and_keyword() {
    let head = "defaults\n mode tcp\n";
    for (text, expected) in [
        (
            "backend b\n foo bar\n",
            "haproxy.cfg:4: unknown keyword 'foo' in 'backend' section",
        ),
        (
            "backend b\n server s 1.2.3.4:1 ssl\n",
            "haproxy.cfg:4: 'server … ssl' is not supported by squall",
        ),
        (
            "backend b\n server s 1.2.3.4:1 chekc\n",
            "haproxy.cfg:4: unknown keyword 'chekc' on a 'server' line",
        ),
        (
            "backend b\n balance uri\n",
            "haproxy.cfg:4: 'balance uri' is not supported by squall",
        ),
        (
            "backend b\n timeout connect 10x\n",
            "haproxy.cfg:4: '10x' is not a time",
        ),
        (
            "backend b\n server s 1.2.3.4:99999\n",
            "haproxy.cfg:4: '99999' is not a port",
        ),
        (
            "backend b\n server s 1.2.3.4:1\n server s 1.2.3.4:2\n",
            "haproxy.cfg:5: server 's' is there already, at haproxy.cfg:4",
        ),
        (
            "backend b\n server s db:1 resolvers r\n",
            "haproxy.cfg:4: no resolvers section is called 'r'",
        ),
        (
            "backend b\n bind :1\n",
            "haproxy.cfg:4: 'bind' is not allowed in a 'backend' section",
        ),
        (
            "backend b\n server s 1.2.3.4:1 track x/y\n",
            "'server … track' is not supported by squall",
        ),
        (
            "frontend f\n bind :1\n default_backend nope\n",
            "haproxy.cfg:5: no backend is called 'nope'",
        ),
        (
            "frontend f\n bind :1\n acl a src 10.0.0.0/8\n",
            "haproxy.cfg:5: 'acl' is not supported by squall",
        ),
        (
            "frontend f\n bind :1\n use_backend b if x\n",
            "haproxy.cfg:5: 'use_backend … if' is not supported",
        ),
        (
            "frontend f\n default_backend f\n",
            "frontend 'f' has no 'bind' line",
        ),
        (
            "frontend f\n bind :1 ssl crt x\n",
            "haproxy.cfg:4: 'bind … ssl' is not supported by squall",
        ),
        (
            "listen a\n bind :1\nlisten b\n bind :1\n",
            "haproxy.cfg:6: 0.0.0.0:1 is bound already, at haproxy.cfg:4",
        ),
        (
            "listen a\n bind :1\nlisten a\n bind :2\n",
            "haproxy.cfg:5: 'a' is there already",
        ),
        (
            "listen a\n bind :1\n mode http\n server s 1.2.3.4:1\n",
            "'traffic in mode http' is not supported by squall",
        ),
        (
            "listen a\n bind :1\n server s 'x\n",
            "haproxy.cfg:5: unmatched quote '",
        ),
        (
            "peers p\n peer a 1.2.3.4:1\n",
            "haproxy.cfg:3: 'section peers' is not supported by squall",
        ),
        (
            "listen a\n bind :1\n option frob\n",
            "haproxy.cfg:5: unknown option 'frob'",
        ),
        (
            "listen a\n bind :1\n option httpchk\n http-check expect rstatus (\n",
            "haproxy.cfg:6: '(' is no regular expression",
        ),
    ] {
        let said = complaint(&format!("{head}{text}"));
        assert!(
            said.contains(expected),
            "{text}\n  said: {said}\n  wanted: {expected}"
        );
    }
}

#[test]
fn all_complaints_come_at_once() {
    let said = complaint("listen a\n bind :1\n foo\n bar\nglobal\n baz\n");
    assert_eq!(said.lines().count(), 3, "{said}");
}

#[test]
fn nothing_and_no_file_are_errors() {
    assert!(complaint("").contains("nothing to do"));
    let mut launch = common::launch("");
    launch.args = vec!["-f".into(), "/missing.cfg".into()];
    let said = load(&launch).unwrap_err().to_string();
    assert!(said.contains("no such file"), "{said}");
    launch.args = Vec::new();
    let said = load(&launch).unwrap_err().to_string();
    assert!(
        said.contains("/usr/local/etc/haproxy/haproxy.cfg"),
        "{said}"
    );
}

proptest! {
    #[test]
    fn no_file_panics(text in "\\PC{0,200}") {
        let _ = load(&common::launch(&text));
    }

    /// Words of the language in any order.
    #[test]
    fn no_sequence_of_keywords_panics(
        words in prop::collection::vec(prop::sample::select(WORDS), 0..60),
    ) {
        let _ = load(&common::launch(&words.join(" ")));
    }
}

const WORDS: &[&str] = &[
    "\n",
    "\n",
    "\n",
    "global",
    "defaults",
    "frontend",
    "backend",
    "listen",
    "resolvers",
    "from",
    "a",
    "b",
    "1",
    "0",
    "-1",
    "99999999999",
    "10s",
    "*:1",
    "[::1]:2",
    "1.2.3.4:5",
    "db:1",
    "\"$X\"",
    "bind",
    "server",
    "server-template",
    "default-server",
    "check",
    "inter",
    "fall",
    "weight",
    "maxconn",
    "init-addr",
    "none",
    "option",
    "no",
    "httpchk",
    "tcp-check",
    "pgsql-check",
    "user",
    "http-check",
    "expect",
    "!",
    "status",
    "rstring",
    "(",
    "binary",
    "4",
    "send",
    "connect",
    "comment",
    "timeout",
    "balance",
    "source",
    "hash-type",
    "map-based",
    "log",
    "stdout",
    "format",
    "raw",
    "local0",
    "log-format",
    "%ci",
    "%",
    "stats",
    "enable",
    "refresh",
    "use_backend",
    "nameserver",
    "hold",
    "mode",
    "http",
    "tcp",
    "redispatch",
    "retries",
    "1-3",
    "3-1",
];
