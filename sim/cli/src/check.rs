//! `squall check`: what is wrong with files, and which of their directives have no effect here.
//! Nothing is started.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use squall_cluster::compose;
use squall_cluster::kubernetes;
use squall_cluster::plan::{self, Surroundings};
use squall_host::{Diagnostic, Diagnostics, Files, Launch, Origin};
use squall_scenario::{Plan, Programs, file};

use crate::exit::{Exit, complain_all, say, written};
use crate::programs;

/// What a good file comes to.
struct Good {
    /// What it is, in a few words.
    what: String,
    /// Directives that do nothing here.
    without_effect: Vec<(String, Origin)>,
    /// What is probably not meant.
    warnings: Vec<Diagnostic>,
}

/// Does what `squall check` is asked for.
pub(crate) fn check(files: &[PathBuf]) -> Exit {
    let mut exit = Exit::Passed;
    // Scenarios share their Compose file, and with it what is wrong with it.
    let mut told: Vec<Diagnostic> = Vec::new();
    let mut told_effects: Vec<(String, Origin)> = Vec::new();
    for path in files {
        match programs::with(|programs| one(path, programs)) {
            Ok(mut good) => {
                good.without_effect
                    .retain(|entry| !told_effects.contains(entry));
                told_effects.extend_from_slice(&good.without_effect);
                for warning in &good.warnings {
                    say(format_args!("warning: {warning}"));
                }
                written(print(path, &good));
            }
            Err(diagnostics) => {
                let mut list = diagnostics.0;
                list.retain(|diagnostic| !told.contains(diagnostic));
                told.extend_from_slice(&list);
                complain_all(&Diagnostics(list));
                exit = Exit::BadInput;
            }
        }
    }
    exit
}

fn print(path: &Path, good: &Good) -> io::Result<()> {
    let mut out = anstream::stdout().lock();
    writeln!(out, "{}: {}", path.display(), good.what)?;
    for (directive, origin) in &good.without_effect {
        writeln!(out, "{origin}: `{directive}` has no effect here")?;
    }
    out.flush()
}

fn one(path: &Path, programs: &Programs<'_>) -> Result<Good, Diagnostics> {
    let shown = path.display().to_string();
    if path.is_dir() {
        return manifests(&shown);
    }
    let text = std::fs::read_to_string(path).map_err(|error| {
        Diagnostic::at(
            Origin::new(shown.as_str(), 0),
            format!("cannot read: {error}"),
        )
    })?;
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("yaml" | "yml") if file::is_scenario(&text) => {
            let title = file::title(&shown.as_str().into(), &text)?;
            scenario(path, &title.variants, programs)
        }
        Some("yaml" | "yml") if squall_chaos::is_chaos(&text) => chaos(&shown, &text),
        Some("yaml" | "yml") if is_kubernetes(&text) => manifests(&shown),
        Some("yaml" | "yml") => compose_file(&shown, programs),
        Some("conf") => config(&shown, "edge", "-c", "a configuration of nginx", programs),
        Some("cfg") => config(&shown, "pg-proxy", "-f", "a configuration of HAProxy", programs),
        _ => Err(Diagnostic::at(Origin::new(shown, 0), "not known what this is")
            .help("scenarios, Compose files, manifests and faults end in .yaml or .yml, nginx's in .conf, HAProxy's in .cfg")
            .into()),
    }
}

fn scenario(
    path: &Path,
    variants: &[String],
    programs: &Programs<'_>,
) -> Result<Good, Diagnostics> {
    let plan = Plan::open(path, programs)?;
    let scenario = &plan.scenario;
    let mut good = Good {
        what: format!(
            "the scenario {}: {} containers, {} phases, {:?}",
            scenario.name,
            plan.outline.members.len(),
            scenario.phases.len(),
            plan.timeline.end
        ),
        without_effect: Vec::new(),
        warnings: Vec::new(),
    };
    if !variants.is_empty() {
        good.what
            .push_str(&format!(", variants: {}", variants.join(", ")));
    }
    good.add(&plan);
    let mut problems: Vec<Diagnostic> = Vec::new();
    for variant in variants {
        match Plan::open_as(path, Some(variant), programs) {
            Ok(plan) => good.add(&plan),
            Err(Diagnostics(mut found)) => {
                found.retain(|problem| !problems.contains(problem));
                problems.extend(found);
            }
        }
    }
    match problems.is_empty() {
        true => Ok(good),
        false => Err(Diagnostics(problems)),
    }
}

impl Good {
    /// Notes what is to be said of a plan, once.
    fn add(&mut self, plan: &Plan) {
        let warnings = plan.outline.warnings.iter().chain(&plan.warnings);
        for warning in warnings {
            if !self.warnings.contains(warning) {
                self.warnings.push(warning.clone());
            }
        }
        for directive in &plan.outline.without_effect {
            if !self.without_effect.contains(directive) {
                self.without_effect.push(directive.clone());
            }
        }
    }
}

/// Chaos Mesh's and Istio's documents, without a system to select from.
fn chaos(path: &str, text: &str) -> Result<Good, Diagnostics> {
    let documents = squall_chaos::read(&path.into(), text)?;
    let names: Vec<String> = documents
        .iter()
        .map(|document| format!("{} {}", document.kind, document.name))
        .collect();
    let warnings = documents.into_iter().flat_map(|document| document.warnings);
    Ok(Good {
        what: format!("faults: {}", names.join(", ")),
        without_effect: Vec::new(),
        warnings: warnings.collect(),
    })
}

/// Whether a text has Kubernetes' objects: each says its version and kind at its top level.
fn is_kubernetes(text: &str) -> bool {
    let has = |key| text.lines().any(|line: &str| line.starts_with(key));
    has("apiVersion:") && has("kind:")
}

/// Kubernetes' manifests, each field of them. Their images have programs only in a scenario.
fn manifests(path: &str) -> Result<Good, Diagnostics> {
    let manifests = kubernetes::read(&[path.to_owned()])?;
    Ok(Good {
        what: format!("Kubernetes' manifests: {} objects", manifests.len()),
        without_effect: manifests.without_effect,
        warnings: manifests.warnings,
    })
}

fn compose_file(path: &str, programs: &Programs<'_>) -> Result<Good, Diagnostics> {
    let project = compose::read(path, &compose::Options::default())?;
    let around = Surroundings {
        programs: &BTreeMap::new(),
        load: programs.load,
        knows: programs.knows,
    };
    let cluster = plan::plan(&project, &around)?;
    let what = format!("a Compose file: {} containers", cluster.containers.len());
    Ok(Good {
        what,
        without_effect: cluster.without_effect,
        warnings: cluster.warnings,
    })
}

fn config(
    path: &str,
    program: &str,
    flag: &str,
    what: &str,
    programs: &Programs<'_>,
) -> Result<Good, Diagnostics> {
    let Some(load) = (programs.load)(program) else {
        return Err(Diagnostic::new(format!("no program `{program}` to read {path}")).into());
    };
    // Absolute, since nginx takes a relative path from its own folder and not from here.
    let folder = std::env::current_dir().unwrap_or_default();
    let absolute = folder.join(path).display().to_string();
    let launch = Launch {
        args: vec![flag.to_owned(), absolute],
        env: BTreeMap::new(),
        files: Files::real(),
    };
    let prefix = format!("{}/", folder.display());
    let as_named = |origin: &mut Origin| {
        if let Some(relative) = origin.file.strip_prefix(&prefix) {
            origin.file = relative.into();
        }
    };
    let mut facts = match load.load(&launch) {
        Ok(loaded) => loaded.facts,
        Err(Diagnostics(mut list)) => {
            list.iter_mut()
                .filter_map(|one| one.origin.as_mut())
                .for_each(as_named);
            return Err(Diagnostics(list));
        }
    };
    facts
        .without_effect
        .iter_mut()
        .for_each(|(_, origin)| as_named(origin));
    let mut what = what.to_owned();
    let names: Vec<&str> = facts
        .names_required
        .iter()
        .map(|(name, _)| name.as_str())
        .collect();
    if !names.is_empty() {
        what = format!(
            "{what}; these names must resolve when it starts: {}",
            names.join(", ")
        );
    }
    Ok(Good {
        what,
        without_effect: facts.without_effect,
        warnings: Vec::new(),
    })
}
