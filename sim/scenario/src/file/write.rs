//! A scenario as the text of a scenario file: what [`Scenario::read`] turns into the same scenario
//! again, lines aside.
//!
//! There is one text for each scenario: keys in the order of the documentation, short forms,
//! quantities in their largest units, nothing that is so anyway.
//!
//! | part | module |
//! |---|---|
//! | layout, quotes | `tree` |
//! | what happens in a step | `act` |
//! | where the system is described | `manifests` |
//! | what must hold over the run | `invariant` |
//! | durations, percentages, rates | [`quantity`] |

mod act;
mod fault;
mod invariant;
mod manifests;
pub mod quantity;
mod tree;

use std::collections::BTreeMap;
use std::time::Duration;

use squall_record::Verdict;

use super::client::{self, Client, Extract, Pace};
use super::draw::{Draws, Values};
use super::explore::{self, Budget, Kind};
use super::link::network;
use super::{
    Cpu, Expectation, Length, Load, Located, Phase, Quantity, Role, Run, Scenario, Served, Step,
    System, UP_WITHIN, Who,
};
use crate::units::Comparison;
use quantity::{duration, percent, rate};
use tree::Tree;

/// The text of a scenario file. `comment` stands above it, with `# ` before each of its lines.
pub fn write(scenario: &Scenario, comment: &str) -> String {
    let mut out = String::new();
    for line in comment.lines() {
        out.push_str(format!("# {line}").trim_end());
        out.push('\n');
    }
    if !comment.is_empty() {
        out.push('\n');
    }
    // The parts that take several lines stand apart.
    for part in parts(scenario) {
        let mut text = String::new();
        let is_head = part.0 == "about";
        Tree::Fields(vec![part]).write(0, &mut text);
        let is_short = text.lines().count() == 1;
        if !is_short && !is_head && !out.ends_with("\n\n") {
            out.push('\n');
        }
        out.push_str(&text);
        if !is_short {
            out.push('\n');
        }
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

type Field = (&'static str, Tree);

fn parts(scenario: &Scenario) -> Vec<Field> {
    let mut parts = vec![("scenario", Tree::text(&scenario.name))];
    if let Some(about) = &scenario.about {
        parts.push(("about", Tree::text(about)));
    }
    if let Some(seed) = scenario.seed {
        parts.push(("seed", Tree::text(seed.to_string())));
    }
    if !scenario.fails.is_empty() {
        let fails = scenario.fails.iter().map(|name| Tree::text(&name.value));
        parts.push(("fails", Tree::List(fails.collect())));
    } else if scenario.verdict != Verdict::Passed {
        parts.push(("verdict", Tree::text(scenario.verdict.as_str())));
    }
    parts.push(("system", system(&scenario.system)));
    let network = fault::parts(&scenario.network, &network());
    if !network.is_empty() {
        parts.push(("network", Tree::Map(network)));
    }
    if !scenario.links.is_empty() {
        let links = scenario.links.iter().map(|normal| {
            let mut fields = act::ends(&normal.links);
            fields.extend(fault::parts(&normal.link, &scenario.network));
            Tree::Map(fields)
        });
        parts.push(("links", Tree::Block(links.collect())));
    }
    let (cpu, usual) = (scenario.cpu, Cpu::default());
    let mut parameters = Vec::new();
    if cpu.poll != usual.poll {
        parameters.push(("poll".to_owned(), time(cpu.poll)));
    }
    if cpu.cores != usual.cores {
        parameters.push(("cores".to_owned(), Tree::text(cpu.cores.to_string())));
    }
    if !parameters.is_empty() {
        parts.push(("cpu", Tree::Map(parameters)));
    }
    if !scenario.clients.is_empty() {
        let clients = scenario.clients.iter().map(write_client);
        parts.push(("clients", Tree::Block(clients.collect())));
    }
    if !scenario.roles.is_empty() {
        let roles = scenario.roles.iter().map(role);
        parts.push(("roles", Tree::Map(roles.collect())));
    }
    let phases = scenario
        .phases
        .iter()
        .map(|one| phase(one, &scenario.clients));
    parts.push(("phases", Tree::Block(phases.collect())));
    if !scenario.invariants.is_empty() {
        let invariants = scenario.invariants.iter().map(invariant::invariant);
        parts.push(("invariants", Tree::Block(invariants.collect())));
    }
    parts
}

fn role(role: &Role) -> (String, Tree) {
    let who = match &role.who {
        Who::LastSaid(text) => ("last_said".to_owned(), Tree::text(text)),
        Who::Not(other) => ("not".to_owned(), Tree::text(&other.value)),
    };
    let fields = vec![("of".to_owned(), names(&role.of)), who];
    (role.name.value.clone(), Tree::Map(fields))
}

fn time(time: Duration) -> Tree {
    Tree::text(duration(time))
}

/// The texts of several names: one alone, or a list.
fn names(names: &[Located<String>]) -> Tree {
    Tree::texts(names.iter().map(|name| name.value.as_str()))
}

fn system(system: &System) -> Tree {
    let mut fields = manifests::write(&system.manifests);
    let mut map = |key, entries: Vec<(String, Tree)>| {
        if !entries.is_empty() {
            fields.push((key, Tree::Map(entries)));
        }
    };
    let texts = |map: &BTreeMap<String, String>| -> Vec<(String, Tree)> {
        map.iter()
            .map(|(k, v)| (k.clone(), Tree::text(v)))
            .collect()
    };
    map("environment", texts(&system.environment));
    let programs = system.programs.iter();
    map(
        "programs",
        programs
            .map(|(k, v)| (k.clone(), Tree::text(&v.value)))
            .collect(),
    );
    let scale = system.scale.iter();
    map(
        "scale",
        scale
            .map(|(k, v)| (k.clone(), Tree::text(v.value.to_string())))
            .collect(),
    );
    if !system.without.is_empty() {
        fields.push(("without", names(&system.without)));
    }
    if !system.profiles.is_empty() {
        fields.push((
            "profiles",
            Tree::texts(system.profiles.iter().map(String::as_str)),
        ));
    }
    if system.up_within != UP_WITHIN {
        fields.push(("up_within", time(system.up_within)));
    }
    Tree::Fields(fields)
}

fn write_client(client: &Client) -> Tree {
    let url = &client.url.value;
    let host = if url.host.contains(':') {
        format!("[{}]", url.host)
    } else {
        url.host.clone()
    };
    let port = if url.port == 80 {
        String::new()
    } else {
        format!(":{}", url.port)
    };
    let method = client::METHODS
        .iter()
        .find(|(_, method)| *method == client.method);
    // Every method of a client is in that table, since it was read with it.
    let method = method.map_or("get", |(key, _)| *key);
    let mut fields = vec![
        ("name", Tree::text(&client.name.value)),
        (
            method,
            Tree::text(format!("http://{host}{port}{}", url.path)),
        ),
    ];
    let headers = client.headers.iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), Tree::Text(value))
    });
    let headers: Vec<(String, Tree)> = headers.collect();
    if !headers.is_empty() {
        fields.push(("headers", Tree::Map(headers)));
    }
    if !client.body.is_empty() {
        fields.push(("body", Tree::text(&client.body)));
    }
    fields.extend(draws(&client.draws));
    fields.push(match client.pace {
        Pace::Open { period } => ("rate", Tree::text(rate(period))),
        Pace::Closed { pause } => ("every", time(pause)),
    });
    if client.users != 1 {
        fields.push(("users", Tree::text(client.users.to_string())));
    }
    if client.timeout != client::TIMEOUT {
        fields.push(("timeout", time(client.timeout)));
    }
    if client.keep_alive {
        fields.push(("keep_alive", Tree::text("true")));
    }
    if client.keep_body {
        fields.push(("keep_body", Tree::text("true")));
    }
    for (key, place) in [
        ("backend", &client.backend),
        ("database", &client.database),
        ("value", &client.value),
    ] {
        if let Some(place) = place {
            fields.push((key, extract(place)));
        }
    }
    Tree::Fields(fields)
}

fn draws(draws: &Draws) -> Vec<Field> {
    let mut fields = Vec::new();
    if !draws.is_empty() {
        let variables = draws.variables.iter().map(|variable| {
            let values = match &variable.values {
                Values::Range(low, high) => Tree::text(format!("{low}..{high}")),
                Values::Texts(texts) => Tree::List(texts.iter().map(Tree::text).collect()),
            };
            (variable.name.clone(), values)
        });
        fields.push(("draw", Tree::Map(variables.collect())));
    }
    if !draws.differ.is_empty() {
        let names = draws.differ.iter().map(String::as_str);
        fields.push(("differ", Tree::texts(names)));
    }
    fields
}

fn extract(place: &Extract) -> Tree {
    match place {
        Extract::Header(name) => Tree::one("header", Tree::text(name.as_str())),
        Extract::Metric(name) => Tree::one("metric", Tree::text(name)),
        Extract::Text(matches) => Tree::one("matches", Tree::text(matches)),
        Extract::Log { of, matches } => Tree::Map(vec![
            ("log".to_owned(), Tree::text(of)),
            ("matches".to_owned(), Tree::text(matches)),
        ]),
        Extract::Json(steps) => {
            let mut text = "$".to_owned();
            for step in steps {
                // A number is an index, and reads the same as a key.
                if step.parse::<u32>().is_ok() {
                    text.push_str(&format!("[{step}]"));
                } else {
                    text.push_str(&format!(".{step}"));
                }
            }
            Tree::Text(text)
        }
    }
}

fn phase(phase: &Phase, clients: &[Client]) -> Tree {
    let length = match &phase.length {
        Length::For(lasts) => ("for", time(*lasts)),
        Length::Requests(count) => ("requests", Tree::text(count.to_string())),
        Length::Rollout { of, within } => {
            let rollout = ("rollout".to_owned(), Tree::text(&of.value));
            let within = ("within".to_owned(), time(*within));
            ("wait", Tree::Map(vec![rollout, within]))
        }
    };
    let mut fields = vec![("phase", Tree::text(&phase.name.value)), length];
    if !phase.load.is_empty() {
        fields.push(("load", loads(&phase.load, clients)));
    }
    if let Some(budget) = &phase.explore {
        fields.push(("explore", write_budget(budget)));
    }
    if !phase.steps.is_empty() {
        let steps = phase.steps.iter().map(|one| step(one, clients));
        fields.push(("steps", Tree::Block(steps.collect())));
    }
    let expect = expectations(&phase.expect);
    if !expect.is_empty() {
        fields.push(("expect", Tree::Fields(expect)));
    }
    Tree::Fields(fields)
}

fn step(step: &Step, clients: &[Client]) -> Tree {
    let mut fields = Vec::new();
    if !step.at.is_zero() {
        fields.push(("at".to_owned(), time(step.at)));
    }
    let (key, what) = act::write(&step.act, clients);
    fields.push((key.to_owned(), what));
    if let Some(lasts) = step.lasts {
        fields.push(("for".to_owned(), time(lasts)));
    }
    Tree::Map(fields)
}

/// One word when all clients do the same.
fn loads(loads: &[(String, Load)], clients: &[Client]) -> Tree {
    let word = |load: &Load| match load {
        Load::Off => "off".to_owned(),
        Load::On => "on".to_owned(),
        Load::Pace(Pace::Open { period }) => rate(*period),
        Load::Pace(Pace::Closed { pause }) => duration(*pause),
    };
    let all = loads.iter().map(|(name, _)| name);
    if let Some((_, first)) = loads.first()
        && loads.iter().all(|(_, load)| load == first)
        && all.eq(clients.iter().map(|client| &client.name.value))
    {
        return Tree::Text(word(first));
    }
    let mut entries: Vec<(String, Tree)> = Vec::new();
    for (name, load) in loads {
        // The last word counts; a map cannot say two.
        entries.retain(|(other, _)| other != name);
        entries.push((name.clone(), Tree::Text(word(load))));
    }
    Tree::Map(entries)
}

fn write_budget(budget: &Budget) -> Tree {
    let range = |low: String, high: String| {
        Tree::Text(if low == high {
            low
        } else {
            format!("{low}..{high}")
        })
    };
    let mut fields = Vec::new();
    if budget.faults != explore::KINDS {
        let kinds = budget.faults.iter().map(|kind| match *kind {
            kind if explore::KINDS.contains(&kind) => Tree::text(kind.name()),
            Kind::Loss(low, high) => Tree::one("loss", range(percent(low), percent(high))),
            Kind::Latency(low, high) => Tree::one("latency", range(duration(low), duration(high))),
            kind => Tree::text(kind.name()),
        });
        fields.push(("faults", Tree::List(kinds.collect())));
    }
    if !budget.services.is_empty() {
        fields.push(("services", names(&budget.services)));
    }
    if budget.at_once != explore::AT_ONCE {
        fields.push(("at_once", Tree::text(budget.at_once.to_string())));
    }
    if budget.last != explore::LAST {
        fields.push((
            "last",
            range(duration(budget.last.0), duration(budget.last.1)),
        ));
    }
    if !budget.alive.is_empty() {
        let alive = budget.alive.iter();
        let alive = alive.map(|(name, n)| (name.value.clone(), Tree::text(n.to_string())));
        fields.push(("alive", Tree::Map(alive.collect())));
    }
    if budget.rest != explore::REST {
        fields.push(("rest", time(budget.rest)));
    }
    match fields.is_empty() {
        true => Tree::Map(Vec::new()),
        false => Tree::Fields(fields),
    }
}

/// By key; what one key says of several names stands together, where the first of them stood.
fn expectations(expect: &[Expectation]) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    for expectation in expect {
        let text = |comparison: &Comparison| Tree::text(comparison.to_string());
        let (key, of, value) = match &expectation.of {
            Quantity::Success(wanted) => ("success", None, text(wanted)),
            Quantity::LongestStall(wanted) => ("longest_stall", None, text(wanted)),
            Quantity::LongestOutage(wanted) => ("longest_outage", None, text(wanted)),
            Quantity::Requests(wanted) => ("requests", None, text(wanted)),
            Quantity::Failed(wanted) => ("failed", None, text(wanted)),
            Quantity::OnlyStatus(statuses) => {
                let statuses = statuses.iter().map(|status| Tree::text(status.to_string()));
                ("status", None, Tree::List(statuses.collect()))
            }
            Quantity::Values(values) => {
                let values = values.iter().map(|value| Tree::text(value.to_string()));
                ("values", None, Tree::List(values.collect()))
            }
            Quantity::StatusShare(status, wanted) => {
                ("status", Some(status.as_str()), text(wanted))
            }
            Quantity::Share(served, name, wanted) => {
                let key = match served {
                    Served::Backend => "backends",
                    Served::Database => "databases",
                };
                (key, Some(name.value.as_str()), text(wanted))
            }
            Quantity::Only(served, all) => {
                let key = match served {
                    Served::Backend => "only_backends",
                    Served::Database => "only_databases",
                };
                (key, None, names(all))
            }
            Quantity::Distinct(served, wanted) => {
                let key = match served {
                    Served::Backend => "distinct_backends",
                    Served::Database => "distinct_databases",
                };
                (key, None, text(wanted))
            }
            Quantity::Sequence(runs) => {
                let runs = runs.iter().map(sequence_item);
                ("sequence", None, Tree::Block(runs.collect()))
            }
            Quantity::Latency(which, wanted) => ("latency", Some(*which), text(wanted)),
        };
        let there = fields.iter_mut().find(|(other, _)| *other == key);
        match (of, there) {
            (None, _) => fields.push((key, value)),
            (Some(of), Some((_, Tree::Map(entries)))) => entries.push((of.to_owned(), value)),
            (Some(of), _) => fields.push((key, Tree::one(of, value))),
        }
    }
    fields
}

fn sequence_item(run: &Run) -> Tree {
    let mut fields = vec![("requests".to_owned(), Tree::text(run.requests.to_string()))];
    let mut add = |key: &str, value| fields.push((key.to_owned(), value));
    if !run.status.is_empty() {
        add("status", Tree::texts(run.status.iter().map(String::as_str)));
    }
    if !run.backend.is_empty() {
        add("backend", names(&run.backend));
    }
    if !run.database.is_empty() {
        add("database", names(&run.database));
    }
    if let Some(stall) = &run.stall {
        add("stall", Tree::text(stall.to_string()));
    }
    Tree::Map(fields)
}
