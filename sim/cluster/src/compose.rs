//! Reads `docker-compose.yml` (the Compose Specification) into a typed [`Project`].
//!
//! Every key of the specification is either read, accepted and listed as without effect here, or
//! refused by name; nothing is skipped in silence. All complaints of a file come at once.
//! Deliberately absent: `extends`, `include`, several files on top of each other, and looking at
//! anything but the text: images, Dockerfiles and mounts are the plan's business.

mod deploy;
mod interpolate;
mod model;
mod parts;
pub(crate) mod reader;
mod service;
pub(crate) mod values;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::path::Path;

use squall_host::{Diagnostic, Diagnostics, Origin};

pub(crate) use interpolate::interpolate;
pub use model::*;
pub(crate) use parts::HEALTHCHECK_DEFAULT;
use reader::{Cursor, Fields, Reader};

use crate::files::Folder;
use crate::yaml;

/// What is decided outside the compose file.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Values for `${VAR}`; they win over `.env`. The process environment is never asked.
    pub variables: BTreeMap<String, String>,
    /// Active profiles; `*` for all.
    pub profiles: Vec<String>,
    /// The project's name, over all other sources.
    pub project_name: Option<String>,
}

/// Reads the compose file at `path`, with the `.env` beside it.
pub fn read(path: &str, options: &Options) -> Result<Project, Diagnostics> {
    let folder = Folder::of_file(path);
    let text =
        Folder::read_text(path).map_err(|message| Diagnostic::at(Origin::new(path, 0), message))?;
    let mut variables = BTreeMap::new();
    let dotenv = folder.shown(".env");
    if Path::new(&dotenv).is_file() {
        let text = Folder::read_text(&dotenv)
            .map_err(|message| Diagnostic::at(Origin::new(&*dotenv, 0), message))?;
        variables = values::env_file(&text, &options.variables)
            .map_err(|(line, message)| Diagnostic::at(Origin::new(&*dotenv, line), message))?;
    }
    variables.extend(options.variables.clone());
    read_text(path, &text, &variables, options)
}

/// Reads a compose file's text; `path` places it and names it in messages.
pub fn read_text(
    path: &str,
    text: &str,
    variables: &BTreeMap<String, String>,
    options: &Options,
) -> Result<Project, Diagnostics> {
    let root = yaml::parse(path, text)?;
    let reader = Reader::new(path, variables);
    let project = read_root(&reader, &reader.root(&root), path, options);
    let gathered = reader.finish();
    Diagnostics::check(gathered.problems)?;
    let mut project = project.map_err(Diagnostics::from)?;
    project.without_effect = gathered.without_effect;
    project.warnings = gathered.warnings;
    Ok(project)
}

fn read_root(
    reader: &Reader<'_>,
    root: &Cursor<'_>,
    path: &str,
    options: &Options,
) -> Result<Project, Diagnostic> {
    let folder = Folder::of_file(path);
    let mut fields = root.fields();
    fields.refuse(
        "include",
        "write what it names into this file; several files are not read together here",
    );
    fields.without_effect(&["version", "models"]);
    let name = project_name(&mut fields, reader.variables(), &folder, options);
    let networks = fields.take("networks").map_or_else(BTreeMap::new, networks);
    let mut sources = parts::Sources::default();
    if let Some(volumes) = fields.take("volumes") {
        sources.volumes = volumes_declared(&volumes);
    }
    sources.configs = fields
        .take("configs")
        .map(parts::declared)
        .unwrap_or_default();
    sources.secrets = fields
        .take("secrets")
        .map(parts::declared)
        .unwrap_or_default();
    let services = fields.take("services");
    fields.finish();
    let Some(services) = services else {
        return Err(Diagnostic::at(
            reader.origin(0),
            "no `services:` in this file",
        ));
    };
    let active = active_profiles(reader.variables(), options);
    let mut project = Project {
        name,
        file: path.into(),
        services: Vec::new(),
        inactive: Vec::new(),
        networks,
        without_effect: Vec::new(),
        warnings: Vec::new(),
    };
    for (name, cursor) in services.entries() {
        let read = service::read(&name, &cursor, &folder, &sources);
        let on = read.profiles.is_empty()
            || read
                .profiles
                .iter()
                .any(|p| active.iter().any(|a| a == p || a == "*"));
        if on {
            project.services.push(read.service);
        } else {
            project.inactive.push(name);
        }
    }
    check_references(reader, &project);
    if project.services.is_empty() {
        services.problem("no service is active; name a profile, or a service without `profiles:`");
    }
    Ok(project)
}

fn project_name(
    fields: &mut Fields<'_>,
    variables: &BTreeMap<String, String>,
    folder: &Folder,
    options: &Options,
) -> String {
    let given = fields.take("name").and_then(|cursor| cursor.text());
    let name = options
        .project_name
        .clone()
        .or_else(|| variables.get("COMPOSE_PROJECT_NAME").cloned())
        .or(given)
        .unwrap_or_else(|| folder.name());
    let name: String = name
        .to_lowercase()
        .chars()
        .filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(*c))
        .collect();
    match name.trim_start_matches(['_', '-']) {
        "" => "compose".to_owned(),
        name => name.to_owned(),
    }
}

fn active_profiles(variables: &BTreeMap<String, String>, options: &Options) -> Vec<String> {
    let mut active = options.profiles.clone();
    if let Some(list) = variables.get("COMPOSE_PROFILES") {
        active.extend(list.split(',').map(|p| p.trim().to_owned()));
    }
    active
}

fn networks(cursor: Cursor<'_>) -> BTreeMap<String, Network> {
    let mut networks = BTreeMap::new();
    for (name, cursor) in cursor.entries() {
        let mut fields = cursor.fields();
        let mut subnet = None;
        if let Some(driver) = fields.take("driver")
            && let Some(text) = driver.text()
            && !["bridge", "overlay", "default"].contains(&text.as_str())
        {
            driver.problem(format!(
                "the driver `{text}` is not played here; `bridge` is"
            ));
        }
        if let Some(ipam) = fields.take("ipam") {
            let mut ipam = ipam.fields();
            for (index, config) in ipam
                .take("config")
                .iter()
                .flat_map(Cursor::list)
                .enumerate()
            {
                let mut fields = config.fields();
                let given = fields.take("subnet").and_then(|cursor| {
                    let text = cursor.text()?;
                    cursor.ok(parse_subnet(&text))
                });
                if index == 0 {
                    subnet = given;
                }
                fields.without_effect(&["gateway", "ip_range", "aux_addresses"]);
                fields.finish();
            }
            ipam.without_effect(&["driver", "options"]);
            ipam.finish();
        }
        fields.without_effect(&[
            "driver_opts",
            "labels",
            "attachable",
            "enable_ipv4",
            "enable_ipv6",
            "external",
            "internal",
            "name",
        ]);
        fields.finish();
        let origin = cursor.origin();
        networks.insert(name, Network { origin, subnet });
    }
    networks
}

fn parse_subnet(text: &str) -> Result<(Ipv4Addr, u8), String> {
    text.split_once('/')
        .and_then(|(address, length)| {
            let address: Ipv4Addr = address.parse().ok()?;
            let length: u8 = length.parse().ok()?;
            (8..=30).contains(&length).then_some((address, length))
        })
        .ok_or_else(|| format!("`{text}` is no IPv4 subnet; write one as `172.18.0.0/16`"))
}

fn volumes_declared(cursor: &Cursor<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for (name, cursor) in cursor.entries() {
        let mut fields = cursor.fields();
        fields.without_effect(&["driver", "driver_opts", "external", "labels", "name"]);
        fields.finish();
        names.push(name);
    }
    names
}

/// Networks and services that are named and not there.
fn check_references(reader: &Reader<'_>, project: &Project) {
    for service in &project.services {
        for attachment in &service.networks {
            let name = &attachment.value.network;
            if name != "default" && !project.networks.contains_key(name) {
                reader.problem(
                    Diagnostic::at(
                        attachment.origin.clone(),
                        format!("services.{}.networks: no network `{name}`", service.name),
                    )
                    .help(format!(
                        "declare it: a top level `networks:` with `{name}:`"
                    )),
                );
            }
        }
        for dependency in &service.depends_on {
            let wanted = &dependency.value.service;
            let there = project.services.iter().any(|s| s.name == *wanted);
            if there || !dependency.value.required {
                continue;
            }
            let path = format!("services.{}.depends_on", service.name);
            let origin = dependency.origin.clone();
            reader.problem(if project.inactive.contains(wanted) {
                Diagnostic::at(
                    origin,
                    format!("{path}: the service `{wanted}` is in a profile that is not active"),
                )
                .help("activate one of its profiles, or say `required: false`")
            } else {
                Diagnostic::at(origin, format!("{path}: no service `{wanted}`"))
            });
        }
    }
}
