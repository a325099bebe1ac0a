//! The `global` section (configuration.txt 3).

use std::time::Duration;

use super::Notes;
use super::logs::{self, LogTarget, Logs};
use super::value;
use crate::syntax::Line;

/// Connections of the process when `maxconn` is not set; HAProxy derives it from `ulimit -n`.
pub const MAXCONN_DEFAULT: u32 = 10_000;
/// The size of a buffer when `tune.bufsize` is not set, in bytes.
pub const BUFSIZE_DEFAULT: usize = 16_384;

/// The `global` section.
#[derive(Clone, Debug)]
pub struct Global {
    /// Connections of the process.
    pub maxconn: u32,
    /// How long a graceful stop may take.
    pub hard_stop_after: Option<Duration>,
    /// Where `log global` goes.
    pub log_targets: Vec<LogTarget>,
    /// `log-tag`
    pub log_tag: String,
    /// The longest time over which the first checks are spread.
    pub max_spread_checks: Option<Duration>,
    /// The size of a buffer, in bytes.
    pub bufsize: usize,
}

impl Default for Global {
    fn default() -> Self {
        Self {
            maxconn: MAXCONN_DEFAULT,
            hard_stop_after: None,
            log_targets: Vec::new(),
            log_tag: "haproxy".to_owned(),
            max_spread_checks: None,
            bufsize: BUFSIZE_DEFAULT,
        }
    }
}

/// Keywords that only tune the real program.
const WITHOUT_EFFECT: &[&str] = &[
    "busy-polling",
    "ca-base",
    "chroot",
    "cpu-map",
    "crt-base",
    "daemon",
    "default-path",
    "description",
    "expose-experimental-directives",
    "external-check",
    "fd-hard-limit",
    "gid",
    "grace",
    "group",
    "h1-case-adjust",
    "insecure-fork-wanted",
    "insecure-setuid-wanted",
    "localpeer",
    "log-send-hostname",
    "master-worker",
    "maxcomprate",
    "maxcompcpuusage",
    "maxconnrate",
    "maxpipes",
    "maxsessrate",
    "maxsslconn",
    "maxsslrate",
    "nbproc",
    "nbthread",
    "no",
    "node",
    "noepoll",
    "nogetaddrinfo",
    "nopoll",
    "noreuseport",
    "nosplice",
    "numa-cpu-mapping",
    "pidfile",
    "presetenv",
    "profiling.tasks",
    "quiet",
    "resetenv",
    "server-state-base",
    "server-state-file",
    "set-dumpable",
    "setenv",
    "ssl-default-bind-ciphers",
    "ssl-default-bind-ciphersuites",
    "ssl-default-bind-options",
    "ssl-default-server-ciphers",
    "ssl-default-server-ciphersuites",
    "ssl-default-server-options",
    "ssl-dh-param-file",
    "ssl-server-verify",
    "stats",
    "strict-limits",
    "thread-groups",
    "uid",
    "ulimit-n",
    "unix-bind",
    "unsetenv",
    "user",
    "zero-warning",
];

/// Keywords with an effect that this proxy does not have.
const UNSUPPORTED: &[&str] = &[
    "lua-load",
    "lua-load-per-thread",
    "spread-checks",
    "wurfl-data-file",
];

/// Reads one line.
pub(crate) fn read(line: &Line, global: &mut Global, notes: &mut Notes) {
    let origin = &line.origin;
    let keyword = line.words[0].as_str();
    let argument = line.words.get(1).map(String::as_str).unwrap_or_default();
    match keyword {
        "maxconn" => {
            let number = value::number(keyword, argument, 1..=10_000_000);
            global.maxconn = notes.take(origin, number).unwrap_or(global.maxconn);
        }
        "hard-stop-after" => global.hard_stop_after = notes.take(origin, value::time(argument)),
        "max-spread-checks" => {
            global.max_spread_checks = notes.take(origin, value::time(argument));
        }
        "log" => {
            let mut lines = Logs::default();
            logs::read(&line.words[1..], origin, &mut lines, notes);
            global.log_targets.extend(lines.targets);
        }
        "log-tag" => argument.clone_into(&mut global.log_tag),
        "tune.bufsize" => {
            let number = value::number(keyword, argument, 1_024..=1_048_576);
            if let Some(number) = notes.take(origin, number) {
                global.bufsize = number as usize;
            }
        }
        // Spreading by chance would be drawn from the seed; none is the default of HAProxy.
        "spread-checks" if argument == "0" => {}
        known if known.starts_with("tune.") || WITHOUT_EFFECT.contains(&known) => {
            let shown = match known {
                "stats" => format!("stats {argument}"),
                known => known.to_owned(),
            };
            notes.without_effect(origin, shown);
        }
        known if UNSUPPORTED.contains(&known) => notes.unsupported(origin, known, ""),
        unknown => notes.wrong(
            origin,
            format!("unknown keyword '{unknown}' in 'global' section"),
        ),
    }
}
