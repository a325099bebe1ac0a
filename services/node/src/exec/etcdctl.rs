//! etcdctl 3.4 over the machine's own network: what probes, hooks and init containers ask of etcd.
//!
//! Commands, options, texts and statuses are those of etcdctl 3.4.23 (`etcdctl help`, and what it printed
//! beside a real etcd). Deliberately absent: TLS, users, the v2 API (`cluster-health`), the formats `table`,
//! `fields` and `protobuf`, the warnings in JSON that the real client logs.
//!
//! | module | idea |
//! |---|---|
//! | `client` | which member is asked, and for how long |
//! | `keys` | `get`, `put`, `del` |
//! | `members` | `endpoint health`, `endpoint status`, `member list` |
//! | `snapshot` | `snapshot save` and `snapshot restore` |
//! | `text` | JSON, sizes and times as Go writes them |

mod client;
mod keys;
mod members;
mod snapshot;
mod text;

use std::collections::BTreeMap;
use std::time::Duration;

use squall_host::Host;

use self::client::Asked;
use super::grpc::go_duration;

/// What it ends with when the cluster did not do what it was asked (etcdctl/ctlv3/command/error.go).
const FAILED: i32 = 1;
/// The same for files.
const IO_FAILED: i32 = 5;

/// A command with its options.
#[derive(Clone, Debug)]
pub(super) struct Etcdctl {
    options: Options,
    action: Action,
}

/// Options that every command has; what is not given is the environment's or the default.
#[derive(Clone, Debug, Default)]
struct Options {
    endpoints: Option<String>,
    command_timeout: Option<Duration>,
    dial_timeout: Option<Duration>,
    json: bool,
}

#[derive(Clone, Debug)]
enum Action {
    Version,
    Get(keys::Get),
    Put(keys::Put),
    Delete(keys::Delete),
    Health(members::Which),
    Status(members::Which),
    Members,
    Save(String),
    Restore(snapshot::Restore),
}

/// What it printed, to either output, and its status.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) status: i32,
    pub(super) output: String,
    pub(super) errors: String,
}

impl Said {
    fn output(output: String) -> Self {
        Self {
            output,
            ..Self::default()
        }
    }

    fn failed(status: i32, reason: impl std::fmt::Display) -> Self {
        Self {
            status,
            errors: format!("Error: {reason}\n"),
            ..Self::default()
        }
    }
}

/// Understands its arguments.
pub(super) fn etcdctl(args: &[&str]) -> Result<Etcdctl, String> {
    let mut flags = Flags::default();
    let mut rest = args.iter().copied();
    while let Some(arg) = rest.next() {
        if arg == "--" {
            flags.operands.extend(rest.by_ref());
        } else if arg.len() < 2 || !arg.starts_with('-') {
            flags.operands.push(arg);
        } else {
            let (name, attached) = match arg.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (arg, None),
            };
            let value = match (SWITCHES.contains(&name), attached) {
                (true, None) => "true",
                (_, Some(value)) => value,
                (false, None) => rest
                    .next()
                    .ok_or_else(|| format!("etcdctl: {name} without a value"))?,
            };
            flags.values.insert(name, value);
        }
    }
    let options = options(&mut flags)?;
    let action = action(&mut flags)?;
    match flags.values.keys().next() {
        Some(name) => Err(format!("etcdctl: no option {name} here")),
        None => Ok(Etcdctl { options, action }),
    }
}

/// Options that need no value.
const SWITCHES: &[&str] = &[
    "--cluster",
    "--from-key",
    "--insecure-transport",
    "--keys-only",
    "--prefix",
    "--prev-kv",
    "--print-value-only",
    "--skip-hash-check",
];

/// Options by their names, and operands; who understands one takes it out.
#[derive(Default)]
struct Flags<'a> {
    values: BTreeMap<&'a str, &'a str>,
    operands: Vec<&'a str>,
}

impl<'a> Flags<'a> {
    fn take(&mut self, name: &str) -> Option<&'a str> {
        self.values.remove(name)
    }

    fn text(&mut self, name: &str) -> Option<String> {
        self.take(name).map(str::to_owned)
    }

    fn is_set(&mut self, name: &str) -> Result<bool, String> {
        match self.take(name) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(value) => Err(format!(
                "etcdctl: {name} is true or false, and not `{value}`"
            )),
        }
    }

    fn number(&mut self, name: &str) -> Result<i64, String> {
        match self.take(name) {
            None => Ok(0),
            Some(value) => value
                .parse()
                .map_err(|_| format!("etcdctl: {name}: `{value}` is no number")),
        }
    }

    fn time(&mut self, name: &str) -> Result<Option<Duration>, String> {
        self.take(name).map(go_duration).transpose()
    }
}

fn options(flags: &mut Flags<'_>) -> Result<Options, String> {
    let json = match flags.take("-w").or_else(|| flags.take("--write-out")) {
        None | Some("simple") => false,
        Some("json") => true,
        Some(format) => return Err(format!("etcdctl: no format `{format}` here")),
    };
    let endpoints = flags.text("--endpoints");
    if let Some(endpoints) = &endpoints {
        client::addresses(endpoints)?;
    }
    // All that there is here.
    flags.take("--insecure-transport");
    Ok(Options {
        endpoints,
        command_timeout: flags.time("--command-timeout")?,
        dial_timeout: flags.time("--dial-timeout")?,
        json,
    })
}

fn action(flags: &mut Flags<'_>) -> Result<Action, String> {
    let operands = std::mem::take(&mut flags.operands);
    Ok(match operands[..] {
        ["version"] => Action::Version,
        ["get", ref operands @ ..] => Action::Get(keys::get(flags, operands)?),
        ["put", ref operands @ ..] => Action::Put(keys::put(flags, operands)?),
        ["del", ref operands @ ..] => Action::Delete(keys::delete(flags, operands)?),
        ["endpoint", "health"] => Action::Health(members::which(flags)?),
        ["endpoint", "status"] => Action::Status(members::which(flags)?),
        ["member", "list"] => Action::Members,
        ["snapshot", "restore", file] => Action::Restore(snapshot::restore(flags, file)?),
        ["snapshot", "save", file] => Action::Save(file.to_owned()),
        _ => return Err(format!("no `etcdctl {}` here", operands.join(" "))),
    })
}

impl Etcdctl {
    /// Runs it with a container's environment; `input` is what a pipe brings.
    pub(super) async fn run(
        &self,
        host: &Host,
        env: &BTreeMap<String, String>,
        input: &str,
    ) -> Said {
        let asked = match Asked::new(host, &self.options, env) {
            Ok(asked) => asked,
            Err(reason) => return Said::failed(FAILED, reason),
        };
        let json = self.options.json;
        let said = match &self.action {
            Action::Version => Ok(Said::output(
                "etcdctl version: 3.4.23\nAPI version: 3.4\n".to_owned(),
            )),
            Action::Get(get) => get.run(&asked, json).await,
            Action::Put(put) => put.run(&asked, json, input).await,
            Action::Delete(delete) => delete.run(&asked, json).await,
            Action::Health(which) => members::health(&asked, *which, json).await,
            Action::Status(which) => members::status(&asked, *which, json).await,
            Action::Members => members::list(&asked, json).await,
            Action::Restore(restore) => restore.run(host).await,
            Action::Save(file) => snapshot::save(&asked, host, file).await,
        };
        said.unwrap_or_else(|reason| Said::failed(FAILED, reason))
    }
}
