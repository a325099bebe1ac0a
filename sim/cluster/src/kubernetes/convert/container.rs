//! One container of a pod's template.

use k8s_openapi::api::core::v1 as api;

use super::template::Seen;
use super::volumes::Volumes;
use super::{Around, env, probes, program, values};
use crate::kubernetes::notes::Notes;
use crate::kubernetes::place::Place;
use crate::kubernetes::plan::Container;
use crate::kubernetes::quantity::Quantity;
use crate::kubernetes::{expand, names};

/// The plan of a container; `None` after a complaint.
pub(super) fn container(
    container: &api::Container,
    image: Option<&str>,
    place: &Place<'_>,
    volumes: &Volumes<'_>,
    seen: &Seen<'_>,
    around: &Around<'_>,
    notes: &mut Notes,
) -> Option<Container> {
    names::label(&container.name, &place.key("name"), notes);
    let Some(image) = image.or(container.image.as_deref()) else {
        notes.problems.push(place.problem("an image is required"));
        return None;
    };
    let ports = ports(container, place, notes);
    let lifecycle = container.lifecycle.as_ref();
    let mut probe = |name, probe, once| {
        let place = place.key(name);
        probes::probe(probe, once, &place, &ports, around, notes)
    };
    let mut startup = probe("startupProbe", container.startup_probe.as_ref(), true);
    let mut readiness = probe("readinessProbe", container.readiness_probe.as_ref(), false);
    let mut liveness = probe("livenessProbe", container.liveness_probe.as_ref(), true);
    let mut hook = |name, handler| {
        let place = place.key("lifecycle").key(name);
        probes::hook(handler, &place, &ports, around, notes)
    };
    let pre_stop = hook("preStop", lifecycle.and_then(|it| it.pre_stop.as_ref()));
    let post_start = hook("postStart", lifecycle.and_then(|it| it.post_start.as_ref()));
    let env = env::env(container, place, seen, around, notes);
    let (files, mounts) = volumes.mounts(container, place, seen, notes);
    let limit = |name: &str, notes: &mut Notes| {
        let limits = container.resources.as_ref()?.limits.as_ref()?;
        let text = limits.get(name)?.0.as_str();
        let read = Quantity::parse(text);
        if read.is_none() {
            let place = place.at("resources.limits").key(name);
            let message = format!("`{text}` is no quantity such as 500m, 0.5 or 64Mi");
            notes.problems.push(place.problem(message));
        }
        read
    };
    let cpu_limit = limit("cpu", notes).map(Quantity::cores);
    let memory_limit_bytes = limit("memory", notes).map(Quantity::whole);
    let (program, args) = program::program(container, image, place, seen, around, notes)?;
    let Some(load) = (around.surroundings.load)(&program) else {
        let message = format!("there is no program `{program}`");
        let help =
            "`squall-node list` names the programs; correct `programs:` in the scenario file";
        notes.problems.push(place.problem(message).help(help));
        return None;
    };
    for probe in [&mut startup, &mut readiness, &mut liveness]
        .into_iter()
        .flatten()
    {
        if let crate::kubernetes::plan::Check::Exec(command) = &mut probe.check {
            expand_static(command, container);
        }
    }
    Some(Container {
        name: container.name.clone(),
        origin: place.origin(),
        image: image.to_owned(),
        program,
        args,
        env,
        files,
        mounts,
        ports,
        cpu_limit,
        memory_limit_bytes,
        startup,
        readiness,
        liveness,
        pre_stop,
        post_start,
        sidecar: container.restart_policy.is_some(),
        load,
    })
}

/// The words of a probe see the values that stand in the manifest, and no others (kubelet,
/// `ExpandContainerCommandOnlyStatic`).
fn expand_static(command: &mut [String], container: &api::Container) {
    for word in command {
        *word = expand::expand(word, |name| {
            let mut variables = container.env.iter().flatten().rev();
            let found = variables.find(|variable| variable.name == name);
            found.map(|variable| variable.value.clone().unwrap_or_default())
        });
    }
}

fn ports(
    container: &api::Container,
    place: &Place<'_>,
    notes: &mut Notes,
) -> Vec<(Option<String>, u16)> {
    let mut ports: Vec<(Option<String>, u16)> = Vec::new();
    for (index, port) in container.ports.iter().flatten().enumerate() {
        let place = place.item_of("ports", index);
        let number = values::port(port.container_port, &place.key("containerPort"), notes);
        if let Some(name) = &port.name
            && ports.iter().any(|(other, _)| other.as_ref() == Some(name))
        {
            let message = format!("the port name `{name}` is there twice");
            notes.problems.push(place.key("name").problem(message));
        }
        ports.extend(number.map(|number| (port.name.clone(), number)));
    }
    ports
}
