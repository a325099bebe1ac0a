//! etcd's flags: which there are, and what of them is understood here (`etcd --help`, 3.4).

/// What becomes of a flag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// It is read.
    Read,
    /// It is read, and takes no value beside `=`.
    Switch,
    /// It is accepted and has no effect here.
    NoEffect,
    /// Only this value, which is etcd's default, is accepted; and what to do instead.
    Only(&'static str, &'static str),
}

use Use::{NoEffect, Only, Read, Switch};

const TLS: &str = "there is no TLS here: use http:// URLs and leave the certificates out";
const DISCOVERY: &str = "there is no discovery here: name all members in --initial-cluster";
const AUTH: &str = "there are no users and passwords here";

/// All flags of etcd 3.4, and those of 3.5 that manifests have.
pub(super) const FLAGS: &[(&str, Use)] = &[
    ("advertise-client-urls", Read),
    ("auth-token", Only("simple", AUTH)),
    ("auth-token-ttl", NoEffect),
    ("auto-compaction-mode", Read),
    ("auto-compaction-retention", Read),
    ("auto-tls", Only("false", TLS)),
    ("backend-batch-interval", NoEffect),
    ("backend-batch-limit", NoEffect),
    ("bcrypt-cost", NoEffect),
    ("cert-file", Only("", TLS)),
    ("cipher-suites", NoEffect),
    ("client-cert-allowed-hostname", Only("", TLS)),
    ("client-cert-auth", Only("false", TLS)),
    ("client-crl-file", Only("", TLS)),
    (
        "config-file",
        Only("", "give the flags themselves, or ETCD_* variables"),
    ),
    ("cors", NoEffect),
    ("data-dir", Read),
    ("debug", NoEffect),
    ("discovery", Only("", DISCOVERY)),
    ("discovery-fallback", NoEffect),
    ("discovery-proxy", Only("", DISCOVERY)),
    ("discovery-srv", Only("", DISCOVERY)),
    ("discovery-srv-name", Only("", DISCOVERY)),
    ("election-timeout", Read),
    ("enable-pprof", NoEffect),
    (
        "enable-v2",
        Only("false", "there is no v2 API here: use v3"),
    ),
    ("experimental-snapshot-catchup-entries", Read),
    (
        "force-new-cluster",
        Only(
            "false",
            "it is not understood here: begin a new group in an empty --data-dir",
        ),
    ),
    ("grpc-keepalive-interval", NoEffect),
    ("grpc-keepalive-min-time", NoEffect),
    ("grpc-keepalive-timeout", NoEffect),
    ("heartbeat-interval", Read),
    ("host-whitelist", NoEffect),
    ("initial-advertise-peer-urls", Read),
    ("initial-cluster", Read),
    ("initial-cluster-state", Read),
    ("initial-cluster-token", Read),
    ("initial-election-tick-advance", Switch),
    ("key-file", Only("", TLS)),
    ("listen-client-urls", Read),
    (
        "listen-metrics-urls",
        Only("", "/metrics and /health are at --listen-client-urls"),
    ),
    ("listen-peer-urls", Read),
    ("log-level", NoEffect),
    ("log-output", NoEffect),
    ("log-outputs", NoEffect),
    ("log-package-levels", NoEffect),
    ("logger", NoEffect),
    ("max-concurrent-streams", NoEffect),
    ("max-request-bytes", Read),
    ("max-snapshots", NoEffect),
    ("max-txn-ops", Read),
    ("max-wals", NoEffect),
    ("metrics", NoEffect),
    ("name", Read),
    ("peer-auto-tls", Only("false", TLS)),
    ("peer-cert-allowed-cn", Only("", TLS)),
    ("peer-cert-allowed-hostname", Only("", TLS)),
    ("peer-cert-file", Only("", TLS)),
    ("peer-client-cert-auth", Only("false", TLS)),
    ("peer-crl-file", Only("", TLS)),
    ("peer-key-file", Only("", TLS)),
    ("peer-trusted-ca-file", Only("", TLS)),
    ("pre-vote", Switch),
    ("proxy", Only("off", "only members are played here")),
    ("quota-backend-bytes", Read),
    ("snapshot-count", Read),
    ("strict-reconfig-check", Switch),
    ("trusted-ca-file", Only("", TLS)),
    (
        "unsafe-no-fsync",
        Only("false", "what is acknowledged is durable here"),
    ),
    ("wal-dir", Only("", "the log is in --data-dir")),
];

/// Flags whose value may only be given beside `=`, as Go's package `flag` reads them.
pub(super) fn is_switch(name: &str) -> bool {
    const SWITCHES: [&str; 8] = [
        "auto-tls",
        "client-cert-auth",
        "debug",
        "enable-pprof",
        "enable-v2",
        "force-new-cluster",
        "peer-auto-tls",
        "peer-client-cert-auth",
    ];
    name == "unsafe-no-fsync" || SWITCHES.contains(&name) || usage(name) == Some(Switch)
}

/// What becomes of a flag, if there is such a one.
pub(super) fn usage(name: &str) -> Option<Use> {
    let found = FLAGS.iter().find(|(flag, _)| *flag == name);
    found.map(|(_, usage)| *usage)
}

/// The flag whose name is most like this one.
pub(super) fn nearest(name: &str) -> Option<&'static str> {
    let names = FLAGS.iter().map(|(flag, _)| *flag);
    let near = names.map(|flag| (strsim::damerau_levenshtein(flag, name), flag));
    let nearest = near.min()?;
    (nearest.0 <= name.len() / 3).then_some(nearest.1)
}
