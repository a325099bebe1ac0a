//! The scenario file as a typed value: what it says, with the lines where it says it.
//!
//! Reading checks everything that can be seen in the file alone (keys, quantities, names of
//! clients, times that lie outside their phase). Whether a service exists is
//! [`crate::plan`]'s question.
//!
//! | part of the file | module |
//! |---|---|
//! | `scenario`, `about`, `system`, `fails` | here |
//! | `variants` | `variant` |
//! | `compose`, `kubernetes` and what belongs to them | [`manifests`] |
//! | `network`, `links` | [`link`] |
//! | `cpu` | [`cpu`] |
//! | `invariants` | `invariant` |
//! | `clients` | [`client`] |
//! | `draw`, `differ` of a client | [`draw`], [`template`] |
//! | `roles` | [`role`] |
//! | `phases` | [`phase`] |
//! | `for`, `requests`, `wait` of a phase | [`length`] |
//! | `load` of a phase or a step | [`load`] |
//! | `steps` of a phase | [`step`] |
//! | `expect` of a phase | [`expect`] |
//! | `explore` of a phase | [`explore`] |
//! | all of it, the other way round | [`mod@write`] |
//!
//! Everything that can be said, once:
//!
//! ```yaml
//! scenario: NAME                        # the first key, always
//! about: The failure, and what must happen.
//! system:
//!   compose: docker-compose.yml         # from the folder of this file
//!   environment: {VAR: value}           # for ${VAR} in it
//!   profiles: [extra]
//!   # In place of `compose`, `environment` and `profiles`:
//!   # kubernetes: [k8s/]                # files, folders, kustomizations
//!   # namespace: NAMESPACE              # where names of targets are looked up first
//!   # forward: {8081: svc/nginx:80}     # kubectl port-forward, for clients that ask localhost
//!   # cluster: {nodes: 3, dns_ttl: 5s, dns_cache: true, watch: 20ms, scheduling: 30ms,
//!   #   sandbox: 500ms, container_start: 500ms, endpoints_batch: 0, proxy_sync: 100ms,
//!   #   node_grace: 40s, eviction: 5m, node_boot: 30s, spread: 20%}  # `nodes` also by their names
//!   programs: {IMAGE or SERVICE: PROGRAM}
//!   up_within: 120s
//!   without: [SERVICE]                  # of the manifests, left out; nobody waits for it
//!   scale: {SERVICE: 1}                 # replicas, whatever the manifests say
//! seed: 7                               # unless `--seed` says another
//! verdict: failed                       # how it ends with that seed: passed, failed, unknown
//! fails: [no-failed-request]            # what does not hold then, and nothing else; `success in "NAME"`
//!                                       # is an expectation of a phase; implies `verdict: failed`
//! variants:                             # the same story with parts replaced, each a scenario of its own
//!   one-backend: {system: {scale: {SERVICE: 1}}, fails: []}   # maps are merged, all else is replaced
//! network: {latency: 200us, jitter: 0}  # when nothing is wrong; also rate, loss, mtu and the like
//! links:                                # normal, but different
//!   - {between: A, and: B, latency: 20ms, rate: 100mbit}
//! cpu: {poll: 10us, cores: 2}           # under each container; limits are the manifest's
//! clients:
//!   - name: load
//!     get: http://localhost:8080/data   # or post, put, delete, patch, head
//!     headers: {accept: application/json}
//!     body: '{"from":"${a}","to":"${b}"}' # ${NAME} here, in the path or in a header is what is drawn
//!     draw: {a: 1..20, b: [x, y]}       # for each request: a whole number, both ends included, or a text
//!     differ: [a, b]                    # and these are different from each other
//!     rate: 50/s                        # open loop; or a closed one: `every: 500ms`, `users: 3`
//!     timeout: 30s
//!     keep_alive: false
//!     keep_body: false                  # each answer up to 64 KiB, for `squall load --record` and judges
//!     backend: $.backend_id             # who answered; or {header: X-Upstream-Addr}
//!     database: $.postgres_ip           # an address becomes the name of its service; or what a proxy
//!                                       # logs: {log: haproxy, matches: 'pg_pool/(pg[0-9]+)'}
//!     value: $.users                    # a number, for no-lost-write and its siblings; or the sum of a
//!                                       # Prometheus metric over its labels: {metric: NAME}; or
//!                                       # the first group of a pattern: {matches: 'value = ([0-9]+)'}
//! roles:                                # names for whoever is it when a step comes, of containers or pods
//!   leader: {of: 'etcd*', last_said: became leader}   # the last of these to write a line with this
//!   follower: {of: 'etcd*', not: leader}  # the first of these that is not
//! phases:
//!   - phase: NAME
//!     for: 20s                          # or `requests: 20`, or `wait: {rollout: SERVICE, within: 60s}`
//!     load: off                         # or on, 100/s, 500ms; or by client: {load: off}
//!     explore: {}                       # faults that `--explore` draws; see `explore`
//!     steps:                            # `at` from the start of the phase; `for` undoes it
//!       - {at: 5s, kill: SERVICE, for: 3s}      # or a list, a container, SERVICE-NUMBER
//!       - stop: SERVICE                         # start, restart, pause, unpause
//!       - scale: {SERVICE: 3}
//!       - delete_pod: SERVICE                   # or a pod; a list; as rollout_restart
//!       - set_image: {SERVICE: IMAGE}
//!       - {drain: NODE, for: 10s}               # `for` undoes it by uncordon
//!       - isolate: SERVICE
//!       - partition: {between: A, and: [B, C]}  # or {from: A}, {towards: A}, {of: A}
//!       - loss: {percent: 25%, towards: A}
//!       - latency: {delay: 50ms, jitter: 5ms, of: A}
//!       - {duplicate: {percent: 1%, of: A}}     # corrupt, reorder
//!       - {rate: {rate: 10mbit, of: A}}         # also with burst, queue
//!       - {stress: {cpu: 2, load: 90%, of: A}}
//!       - {disk: {slow: 20ms, of: A}}           # or errors: EIO, full: true, with percent, path
//!       - {clock: {offset: -5m, drift: 100ppm, of: A}}
//!       - {http: {port: 80, delay: 1s, percent: 10%, of: A}}   # abort, answer, replace, patch
//!       - {dns: {answer: error, names: ['A*'], of: B}}
//!       - {chaos: FILE.yaml, for: 2s}           # Chaos Mesh, Istio; or the document itself
//!       - heal: all                             # all that is wrong, or one of its kinds
//!       - reset: {between: A, and: B}
//!       - power_off: SERVICE                    # power_on
//!       - load: 100/s                           # stop_load, resume_load
//!     expect:                           # of the requests that are sent in the phase
//!       success: 100%                   # comparisons: 100%, >= 99%, < 1%, 40%..60%
//!       status: [200]                   # nothing else; or shares: {200: '> 99%', timeout: 0%}
//!       values: [3]                     # the numbers of all successes (`value` of the client)
//!       backends: {A: 40%..60%}         # share of the successful answers that name one; `A*`
//!       databases: {A: '> 0%'}
//!       only_backends: [A, B]           # each of these and nobody else
//!       only_databases: [A]
//!       distinct_backends: 2            # how many different ones; distinct_databases
//!       sequence:                       # all requests in the order of sending
//!         - {requests: 6, database: A}
//!         - {requests: '>= 0', status: [200, timeout], backend: B, stall: < 1s}
//!       longest_stall: < 1s             # from sending a request to its answer or failure
//!       longest_outage: < 3s            # without a successful answer
//!       latency: {p50: < 5ms, p99: < 1s}        # p90, max
//!       requests: '>= 100'
//!       failed: 0
//! invariants:                           # of the whole run; see `squall_check`
//!   - no-failed-request
//!   - recovers: {within: 5s}
//! ```

pub mod client;
pub mod cpu;
pub mod draw;
pub mod expect;
pub mod explore;
mod invariant;
pub mod length;
pub mod link;
pub mod load;
pub mod manifests;
pub mod phase;
pub mod role;
pub mod step;
pub mod template;
mod variant;
pub mod write;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use squall_check::Invariant;
use squall_fault::Link;
use squall_host::{Diagnostic, Diagnostics, Origin};
use squall_record::Verdict;

pub use client::{Client, Extract, Pace, Url};
pub use cpu::Cpu;
pub use draw::{Draws, Values, Variable};
pub use expect::{Expectation, Quantity, Run, Served};
pub use explore::Budget;
pub use length::Length;
pub use link::Normal;
pub use load::Load;
pub use manifests::{Forward, Kubernetes, Manifests};
pub use phase::Phase;
pub use role::{Role, Who};
pub use step::{Act, Applied, Healed, Links, Process, Source, Step};

use crate::units;
pub use crate::yaml::Located;
use crate::yaml::{self, Expect, Fields, Node, Problems, Value};

/// A scenario file.
#[derive(Clone, Debug, PartialEq)]
pub struct Scenario {
    /// The file, as the user would open it.
    pub file: Arc<str>,
    /// Its name.
    pub name: String,
    /// The story in a few sentences.
    pub about: Option<String>,
    /// What is put under test.
    pub system: System,
    /// Decides what the file leaves open, unless the command line says otherwise.
    pub seed: Option<u64>,
    /// How the run with that seed ends: a failure that is kept says so.
    pub verdict: Verdict,
    /// The names of the judgements that do not hold with that seed, and of no others, as a
    /// [`Breach`](squall_record::Breach) shows itself; empty when the file does not say.
    pub fails: Vec<Located<String>>,
    /// Any link when nothing is wrong with it.
    pub network: Link,
    /// Links that are normally different; of several entries for one link the last counts.
    pub links: Vec<Normal>,
    /// The processors of its containers.
    pub cpu: Cpu,
    /// Who sends requests.
    pub clients: Vec<Client>,
    /// Names for whoever is something when a step comes.
    pub roles: Vec<Role>,
    /// In order.
    pub phases: Vec<Phase>,
    /// What must hold over the whole run.
    pub invariants: Vec<Invariant>,
}

/// What is put under test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct System {
    /// Where it is described.
    pub manifests: Manifests,
    /// Values for `${VAR}` in the Compose file.
    pub environment: BTreeMap<String, String>,
    /// Compose profiles that are switched on.
    pub profiles: Vec<String>,
    /// Which program plays an image or a service, beyond the well-known ones.
    pub programs: BTreeMap<String, Located<String>>,
    /// How long the system may take until all of it has started.
    pub up_within: Duration,
    /// Services or workloads that are left out. Nobody waits for them; who needs their names cannot
    /// start.
    pub without: Vec<Located<String>>,
    /// How many containers of a service or pods of a workload there are, whatever the manifests say.
    pub scale: BTreeMap<String, Located<u32>>,
}

/// How long `up` may take unless said otherwise.
pub const UP_WITHIN: Duration = Duration::from_secs(120);

/// The first key of every scenario file, by which `squall list` knows one.
pub const FIRST_KEY: &str = "scenario";

/// Whether a text is a scenario file: YAML whose first key is `scenario`.
pub fn is_scenario(text: &str) -> bool {
    text.lines()
        .map(str::trim_end)
        .find(|line| !line.is_empty() && !line.starts_with('#') && *line != "---")
        .and_then(|line| line.strip_prefix(FIRST_KEY))
        .is_some_and(|rest| rest.trim_start().starts_with(':'))
}

/// What a list shows of a scenario file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Title {
    /// Its name.
    pub name: String,
    /// The story.
    pub about: Option<String>,
    /// The names of its variants, in the order of the file.
    pub variants: Vec<String>,
}

/// The title of a scenario file, read leniently for a list.
pub fn title(file: &Arc<str>, text: &str) -> Result<Title, Diagnostics> {
    let root = yaml::parse(file, text)?;
    let text_of = |wanted: &str| match &root.value {
        Value::Map(entries) => entries
            .iter()
            .find(|(key, _)| key.text == wanted)
            .and_then(|(_, node)| Some(node.text()?.trim().to_owned())),
        _ => None,
    };
    Ok(Title {
        name: text_of(FIRST_KEY).unwrap_or_default(),
        about: text_of("about").filter(|about| !about.is_empty()),
        variants: variant::names(&root),
    })
}

impl Scenario {
    /// The longest that each phase can last: as long as the file says, or, where a phase ends with its
    /// requests, when each of them takes all of its time.
    pub fn at_most(&self) -> Vec<Duration> {
        length::at_most(&self.clients, &self.phases)
    }

    /// Reads the file at `path`, as it stands.
    pub fn open(path: &Path) -> Result<Self, Diagnostics> {
        Self::open_as(path, None)
    }

    /// Reads the file at `path`, as one of its variants or as it stands.
    pub fn open_as(path: &Path, variant: Option<&str>) -> Result<Self, Diagnostics> {
        let shown: Arc<str> = path.display().to_string().into();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::read_as(shown, &text, variant),
            Err(error) => {
                let message = format!("cannot read the scenario: {error}");
                Err(Diagnostic::at(Origin::new(shown, 0), message)
                    .help("`squall list` shows the scenarios in a folder")
                    .into())
            }
        }
    }

    /// Reads the text of a scenario file; every mistake in it is reported, not only the first.
    pub fn read(file: Arc<str>, text: &str) -> Result<Self, Diagnostics> {
        Self::read_as(file, text, None)
    }

    /// Reads the text of a scenario file as one of its variants, or as it stands. A variant's name
    /// follows that of the scenario: `store-killed (kvstore)`.
    pub fn read_as(file: Arc<str>, text: &str, variant: Option<&str>) -> Result<Self, Diagnostics> {
        let mut root = yaml::parse(&file, text)?;
        let mut problems = Problems::new(file.clone());
        variant::apply(&mut root, variant, &mut problems);
        let mut scenario = read_root(file, &root, &mut problems);
        if let (Some(scenario), Some(variant)) = (&mut scenario, variant) {
            scenario.name = format!("{} ({variant})", scenario.name);
        }
        problems.finish(scenario)
    }
}

fn read_root(file: Arc<str>, root: &Node, problems: &mut Problems) -> Option<Scenario> {
    let mut fields = root.fields("the scenario", problems)?;
    if let Value::Map(entries) = &root.value
        && let Some((key, _)) = entries.first()
        && key.text != FIRST_KEY
    {
        problems.add(
            key.line,
            format!(
                "a scenario file begins with `{FIRST_KEY}:`, not with `{}:`",
                key.text
            ),
            format!("begin it with `{FIRST_KEY}: NAME`"),
        );
    }
    let name = fields
        .require(
            FIRST_KEY,
            "give it a name: `scenario: kill-follower`",
            problems,
        )
        .and_then(|node| node.expect_text(FIRST_KEY, problems));
    let about = fields
        .take("about")
        .and_then(|node| node.expect_text("about", problems));
    let system = fields
        .require(
            "system",
            "say what is tested: `system: {compose: docker-compose.yml}`",
            problems,
        )
        .and_then(|node| read_system(node, problems));
    let seed = fields
        .take("seed")
        .and_then(|node| read_seed(node, problems));
    let verdict = fields
        .take("verdict")
        .and_then(|node| read_verdict(node, problems));
    let fails = read_fails(fields.take("fails"), verdict, problems);
    fields.take(variant::KEY); // has been applied
    let network = link::read_network(fields.take("network"), problems);
    let links = link::read_links(fields.take("links"), network, problems);
    let cpu = cpu::read(fields.take("cpu"), problems);
    let clients = client::read_all(fields.take("clients"), problems);
    let roles = role::read_all(fields.take("roles"), problems);
    let phases = fields
        .require(
            "phases",
            "a story has at least one phase: `phases: [{phase: NAME, for: 20s}]`",
            problems,
        )
        .map(|node| phase::read_all(node, &clients, problems));
    let invariants = invariant::read_all(fields.take("invariants"), &clients, problems);
    fields.finish(problems);
    Some(Scenario {
        file,
        name: name?.trim().to_owned(),
        about: about.map(|about| about.trim().to_owned()),
        system: system?,
        seed,
        verdict: match fails.is_empty() {
            true => verdict.unwrap_or(Verdict::Passed),
            false => Verdict::Failed,
        },
        fails,
        network,
        links,
        cpu,
        clients,
        roles,
        phases: phases?,
        invariants,
    })
}

fn read_system(node: &Node, problems: &mut Problems) -> Option<System> {
    let mut fields = node.fields("system", problems)?;
    let manifests = manifests::read(&mut fields, problems);
    let mut environment = BTreeMap::new();
    let mut programs = BTreeMap::new();
    for (key, node) in entries(&mut fields, "environment", problems) {
        if let Some(value) = node.expect_text(&key, problems) {
            environment.insert(key, value.to_owned());
        }
    }
    for (key, node) in entries(&mut fields, "programs", problems) {
        if let Some(value) = node.expect_text(&key, problems) {
            let value = value.to_owned();
            programs.insert(
                key,
                Located {
                    line: node.line,
                    value,
                },
            );
        }
    }
    let profiles = fields
        .take("profiles")
        .map(|node| node.expect_texts("profiles", problems))
        .unwrap_or_default();
    let up_within = duration_or(&mut fields, "up_within", UP_WITHIN, problems);
    let without = fields
        .take("without")
        .map(|node| node.expect_texts("without", problems))
        .unwrap_or_default();
    let mut scale = BTreeMap::new();
    for (key, node) in entries(&mut fields, "scale", problems) {
        if let Some(value) = read_replicas(node, problems) {
            let line = node.line;
            scale.insert(key, Located { line, value });
        }
    }
    fields.finish(problems);
    Some(System {
        manifests: manifests?,
        environment,
        profiles: profiles.into_iter().map(|(_, profile)| profile).collect(),
        programs,
        up_within,
        without: without
            .into_iter()
            .map(|(line, value)| Located { line, value })
            .collect(),
        scale,
    })
}

fn read_replicas(node: &Node, problems: &mut Problems) -> Option<u32> {
    let text = node.expect_text("scale", problems)?;
    let replicas = text.parse().ok().filter(|replicas| *replicas > 0);
    if replicas.is_none() {
        let message = format!("`{text}` is no number of containers to start with");
        problems.add(
            node.line,
            message,
            "write `scale: {backend: 1}`, or `without: [backend]`",
        );
    }
    replicas
}

fn read_seed(node: &Node, problems: &mut Problems) -> Option<u64> {
    let text = node.expect_text("seed", problems)?;
    let seed = text.parse().ok();
    if seed.is_none() {
        let message = format!("`{text}` is no seed");
        problems.add(node.line, message, "write a whole number, as in `seed: 7`");
    }
    seed
}

fn read_verdict(node: &Node, problems: &mut Problems) -> Option<Verdict> {
    let all = [Verdict::Passed, Verdict::Failed, Verdict::Unknown];
    let text = node.expect_text("verdict", problems)?;
    let verdict = all.into_iter().find(|verdict| verdict.as_str() == text);
    if verdict.is_none() {
        let message = format!("`{text}` is no verdict");
        let known = all.map(Verdict::as_str);
        problems.add(node.line, message, yaml::suggestion(text, &known));
    }
    verdict
}

fn read_fails(
    node: Option<&Node>,
    verdict: Option<Verdict>,
    problems: &mut Problems,
) -> Vec<Located<String>> {
    let Some(node) = node else {
        return Vec::new();
    };
    // An empty list takes back what the file says, for a variant.
    let texts = match &node.value {
        Value::List(items) if items.is_empty() => Vec::new(),
        _ => node.expect_texts("fails", problems),
    };
    if let Some(verdict) = verdict.filter(|verdict| *verdict != Verdict::Failed)
        && !texts.is_empty()
    {
        let message = format!("`fails` beside `verdict: {}`", verdict.as_str());
        let help = "what fails makes the verdict failed: leave one of them out";
        problems.add(node.line, message, help);
    }
    let located = texts.into_iter();
    located
        .map(|(line, value)| Located { line, value })
        .collect()
}

fn entries<'a>(
    fields: &mut Fields<'a>,
    key: &'static str,
    problems: &mut Problems,
) -> Vec<(String, &'a Node)> {
    fields
        .take(key)
        .map(|node| node.expect_map(key, problems))
        .unwrap_or_default()
        .iter()
        .map(|(key, node)| (key.text.clone(), node))
        .collect()
}

/// The duration under a key, or what stands in for it.
fn duration_or(
    fields: &mut Fields<'_>,
    key: &'static str,
    default: Duration,
    problems: &mut Problems,
) -> Duration {
    duration(fields, key, problems).unwrap_or(default)
}

/// The duration under a key, if it is there and good.
fn duration(
    fields: &mut Fields<'_>,
    key: &'static str,
    problems: &mut Problems,
) -> Option<Duration> {
    duration_of(fields.take(key)?, key, problems)
}

fn duration_of(node: &Node, what: &str, problems: &mut Problems) -> Option<Duration> {
    let text = node.expect_text(what, problems)?;
    problems.quantity(node.line, units::duration(text))
}
