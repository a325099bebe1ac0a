//! One service of the plan: its program, and what the program is started with.

use std::collections::BTreeMap;

use squall_host::{Diagnostic, Files, Launch, Origin};

use super::{ServicePlan, Surroundings, mounts};
use crate::compose::{HealthcheckSetting, Located, MountSource, Project, Service};
use crate::dockerfile::{self, Image};
use crate::files::Folder;
use crate::images;

/// Where complaints and remarks go.
pub(super) struct Notes<'a> {
    pub(super) problems: &'a mut Vec<Diagnostic>,
    pub(super) warnings: &'a mut Vec<Diagnostic>,
    pub(super) without_effect: &'a mut Vec<(String, Origin)>,
}

/// The plan of a service; `None` after a complaint.
pub(super) fn plan(
    project: &Project,
    service: &Service,
    around: &Surroundings<'_>,
    notes: &mut Notes<'_>,
) -> Option<ServicePlan> {
    let folder = Folder::of_file(&project.file);
    let image = match built_image(&folder, service) {
        Ok(image) => image,
        Err(problem) => {
            notes.problems.push(problem);
            return None;
        }
    };
    let command = Command::of(service, image.as_ref().map(|(_, image)| image));
    let program = match program(service, image.as_ref().map(|(_, i)| i), &command, around) {
        Ok(program) => program,
        Err(problem) => {
            notes.problems.push(problem);
            return None;
        }
    };
    let by_scenario = around.programs.contains_key(&service.name);
    let program = match command.argv.is_empty() || by_scenario {
        false
            if images::arguments(&program, &command.argv).is_none()
                && images::known_program(&program).is_some()
                && (around.knows)(&command.argv) =>
        {
            images::COMMANDS.to_owned()
        }
        _ => program,
    };
    let Some(load) = (around.load)(&program) else {
        let message = format!("services.{}: there is no program `{program}`", service.name);
        notes
            .problems
            .push(Diagnostic::at(service.origin.clone(), message).help(
                "`squall-node list` names the programs; correct `programs:` in the scenario file",
            ));
        return None;
    };
    let args = arguments(service, &program, &command, around, notes)?;
    let mut env = BTreeMap::new();
    let mut files = mounts::Mounts::new();
    if let Some((context, image)) = &image {
        env.extend(image.env.clone());
        for copy in &image.copies {
            mounts::copy(&mut files, context, copy, notes);
        }
    }
    env.extend(service.environment.clone());
    let mut volumes = Vec::new();
    for mount in &service.mounts {
        let file = &project.file;
        if let MountSource::Volume(name) = &mount.value.source {
            if mounts::is_shared(project, name) {
                volumes.push((mount.value.target.clone(), name.clone()));
            } else {
                // Its files are on the machine's own disk, with the others that its program has.
                let text = format!("services.{}.volumes: {name}", service.name);
                notes.without_effect.push((text, mount.origin.clone()));
            }
            continue;
        }
        mounts::mount(
            &mut files,
            &folder,
            file,
            &mount.value,
            &mount.origin,
            notes,
        );
    }
    let image_check = image
        .as_ref()
        .and_then(|(_, image)| image.healthcheck.clone());
    let healthcheck = match &service.healthcheck {
        HealthcheckSetting::Given(check) => Some(check.clone()),
        HealthcheckSetting::Disabled => None,
        HealthcheckSetting::Image => image_check.flatten(),
    };
    let mut names = vec![service.name.clone()];
    for attachment in &service.networks {
        for alias in &attachment.value.aliases {
            if !names.contains(alias) {
                names.push(alias.clone());
            }
        }
    }
    let address = service.networks.first().and_then(|attachment| {
        Some(Located {
            value: attachment.value.address?,
            origin: attachment.origin.clone(),
        })
    });
    if service.host_network {
        remark_host_network(service, notes);
    }
    Some(ServicePlan {
        name: service.name.clone(),
        origin: service.origin.clone(),
        program,
        launch: Launch {
            args,
            env,
            files: Files::mounted(files),
        },
        labels: service.labels.clone(),
        restart: service.restart,
        healthcheck,
        volumes,
        depends_on: service.depends_on.clone(),
        cpu_limit: service.cpu_limit,
        memory_limit_bytes: service.memory_limit_bytes,
        stop_grace: service.stop_grace,
        stop_at_once: service.stop_at_once,
        host_network: service.host_network,
        networks: service
            .networks
            .iter()
            .map(|a| a.value.network.clone())
            .collect(),
        names,
        ports: if service.host_network {
            Vec::new()
        } else {
            service.ports.clone()
        },
        container_name: service.container_name.clone(),
        hostname: service.hostname.clone(),
        address,
        load,
    })
}

fn remark_host_network(service: &Service, notes: &mut Notes<'_>) {
    if let Some(port) = service.ports.first() {
        notes.without_effect.push((
            format!("services.{}.ports, on the host's network", service.name),
            port.origin.clone(),
        ));
    }
    notes.warnings.push(Diagnostic::at(
        service.origin.clone(),
        format!(
            "services.{}: on the host's network it has an address of its own here; its ports are the host's, other programs of the host are not on its `localhost`",
            service.name
        ),
    ));
}

/// The image that a `build:` would make, and the folder that it is made from.
fn built_image(folder: &Folder, service: &Service) -> Result<Option<(Folder, Image)>, Diagnostic> {
    let Some(build) = &service.build else {
        return Ok(None);
    };
    let context = folder.inner(&build.value.context);
    let path = context.shown(&build.value.dockerfile);
    let text = Folder::read_text(&path).map_err(|message| {
        Diagnostic::at(
            build.origin.clone(),
            format!("services.{}.build: {path}: {message}", service.name),
        )
    })?;
    Ok(Some((
        context,
        dockerfile::parse(&path, &text, &build.value)?,
    )))
}

/// The command line of a container, as far as it is written down.
struct Command {
    argv: Vec<String>,
    origin: Option<Origin>,
}

impl Command {
    /// An entry point drops the image's command (docs.docker.com, "Compose file", entrypoint).
    fn of(service: &Service, image: Option<&Image>) -> Self {
        let image_origin = image.and_then(|image| image.origin.clone());
        let located = |part: &Located<Vec<String>>| (part.value.clone(), Some(part.origin.clone()));
        let (entrypoint, entrypoint_origin) = match &service.entrypoint {
            Some(entrypoint) => located(entrypoint),
            None => (
                image.and_then(|i| i.entrypoint.clone()).unwrap_or_default(),
                image_origin.clone(),
            ),
        };
        let (command, command_origin) = match (&service.command, &service.entrypoint) {
            (Some(command), _) => located(command),
            (None, Some(_)) => (Vec::new(), None),
            (None, None) => (
                image.and_then(|i| i.cmd.clone()).unwrap_or_default(),
                image_origin,
            ),
        };
        Self {
            argv: images::unwrapped(&[entrypoint, command].concat()),
            origin: command_origin.or(entrypoint_origin),
        }
    }
}

fn program(
    service: &Service,
    image: Option<&Image>,
    command: &Command,
    around: &Surroundings<'_>,
) -> Result<String, Diagnostic> {
    let name = &service.name;
    if let Some(program) = around.programs.get(name) {
        return Ok(program.clone());
    }
    let tag = service.image.as_ref().map(|image| image.value.as_str());
    let base = image.map(|image| image.base.as_str());
    let named = [tag, base]
        .into_iter()
        .flatten()
        .find_map(|i| images::named(around.programs, i));
    if let Some(program) = named {
        return Ok(program.to_owned());
    }
    let known = [tag, base].into_iter().flatten().find_map(images::known);
    if let Some(known) = known.or_else(|| images::known_executable(&command.argv)) {
        return Ok(known.program.to_owned());
    }
    if let Some(program) = images::node_program(&command.argv) {
        return Ok(program.to_owned());
    }
    let help = tag.or(base).and_then(images::advice).map_or_else(
        || format!("name the program that plays it in the scenario file: `programs: {{{name}: PROGRAM}}`"),
        str::to_owned,
    );
    Err(match (&service.build, &service.image) {
        (Some(build), _) => Diagnostic::at(
            build.origin.clone(),
            format!(
                "service {name} is built from {}, and no program is known for it",
                build.value.context
            ),
        ),
        (None, Some(image)) => Diagnostic::at(
            image.origin.clone(),
            format!(
                "service {name} runs the image {}, and no program is known for it",
                image.value
            ),
        ),
        (None, None) => Diagnostic::at(
            service.origin.clone(),
            format!("service {name} has neither image nor build"),
        ),
    }
    .help(help))
}

/// The arguments for the program; a command line for another program is none of its own.
fn arguments(
    service: &Service,
    program: &str,
    command: &Command,
    around: &Surroundings<'_>,
    notes: &mut Notes<'_>,
) -> Option<Vec<String>> {
    if command.argv.is_empty() {
        let defaults = images::known_program(program).map_or(&[][..], |known| known.default_args);
        return Some(defaults.iter().map(|arg| (*arg).to_owned()).collect());
    }
    if let Some(args) = images::arguments(program, &command.argv) {
        return Some(args);
    }
    let origin = command
        .origin
        .clone()
        .unwrap_or_else(|| service.origin.clone());
    let line = command.argv.join(" ");
    let by_scenario =
        around.programs.contains_key(&service.name) || images::known_program(program).is_none();
    if by_scenario {
        notes.without_effect.push((
            format!(
                "services.{}: the command `{line}`, since {program} plays it",
                service.name
            ),
            origin,
        ));
        return Some(Vec::new());
    }
    notes.problems.push(
        Diagnostic::at(
            origin,
            format!(
                "services.{}: `{line}` is no command that {program} can play",
                service.name
            ),
        )
        .help("run the program itself, without a script around it"),
    );
    None
}
