//! What is read, and what is refused.

use super::*;

fn read(args: &[&str], env: &[(&str, &str)]) -> Result<Config, String> {
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let launch = Launch {
        args: args.iter().map(|arg| (*arg).to_owned()).collect(),
        env: env.iter().map(pair).collect(),
        ..Launch::default()
    };
    Config::read(&launch).map_err(|problems| problems.to_string())
}

#[test]
fn without_flags_it_is_as_etcd() {
    let config = read(
        &[],
        &[("ETCD_PORT", "tcp://10.0.0.1:2379"), ("ETCD_NAME", "")],
    )
    .unwrap();
    assert_eq!(config.name, "default");
    assert_eq!(config.data_dir, "/default.etcd");
    assert_eq!(config.listen_client, ["127.0.0.1:2379".parse().unwrap()]);
    assert_eq!(config.initial_cluster["default"], [PEER_URL]);
    assert!(config.pre_vote && config.strict_reconfig_check);
    assert_eq!(config.request_timeout(), Duration::from_secs(7));
}

#[test]
fn flags_come_in_every_form_and_go_before_variables() {
    let args = [
        "-name",
        "b",
        "--data-dir=/var/lib/etcd/",
        "--listen-client-urls",
        "http://0.0.0.0:2379,http://[::1]:2379",
        "--advertise-client-urls=http://b.etcd:2379",
        "--initial-advertise-peer-urls=http://b.etcd:2380",
        "--initial-cluster",
        "a=http://a.etcd:2380,b=http://b.etcd:2380",
        "--pre-vote=false",
        "--strict-reconfig-check",
        "--auto-compaction-retention=5m",
        "--client-cert-auth=false",
    ];
    let env = [
        ("ETCD_NAME", "a"),
        ("ETCD_INITIAL_CLUSTER_STATE", "existing"),
    ];
    let config = read(&args, &env).unwrap();
    assert_eq!(
        (&config.name[..], &config.data_dir[..]),
        ("b", "/var/lib/etcd")
    );
    assert_eq!(config.listen_client.len(), 2);
    assert_eq!(config.initial_cluster_state, ClusterState::Existing);
    assert_eq!(config.initial_cluster.len(), 2);
    assert!(!config.pre_vote && config.strict_reconfig_check);
    let kept = AutoCompaction::Periodic(Duration::from_secs(300));
    assert_eq!(config.auto_compaction, Some(kept));
}

/// The messages are those of etcd 3.4.23, which was tried with the same flags.
#[test]
fn what_etcd_refuses_is_refused() {
    let cases: [(&[&str], &str); 12] = [
        (
            &["--initial-cluster", "a=http://x:1"],
            "couldn't find local name \"default\"",
        ),
        (
            &[
                "--initial-advertise-peer-urls",
                "http://127.0.0.1:1",
                "--initial-cluster=default=http://127.0.0.1:2",
            ],
            "missing from --initial-advertise-peer-urls",
        ),
        (
            &["--listen-client-urls", "http://127.0.0.1:1"],
            "--advertise-client-urls is required",
        ),
        (
            &["--listen-peer-urls=http://example.com:1"],
            "expected IP in URL for binding",
        ),
        (&["--listen-peer-urls=https://127.0.0.1:1"], "no TLS"),
        (&["--listen-peer-urls=http://127.0.0.1"], "host:port"),
        (&["--election-timeout", "300"], "at least as 5 times"),
        (&["--election-timeout", "60000"], "too long"),
        (&["--lissten-peer-urls", "x"], "--listen-peer-urls"),
        (&["--cert-file=/a"], "--cert-file=`/a` is not supported"),
        (&["foo"], "'foo' is not a valid flag"),
        (
            &["--snapshot-count=x", "--name"],
            "flag needs an argument: --name",
        ),
    ];
    for (args, part) in cases {
        let problems = read(args, &[]).unwrap_err();
        assert!(problems.contains(part), "{args:?}: {problems}");
        assert!(problems.contains("help: "), "{args:?}: {problems}");
    }
}
