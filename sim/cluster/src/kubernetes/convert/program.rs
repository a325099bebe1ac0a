//! Which program plays a container, and with which arguments.

use std::borrow::Cow;

use k8s_openapi::api::core::v1::Container;

use super::Around;
use super::template::Seen;
use crate::images;
use crate::kubernetes::notes::Notes;
use crate::kubernetes::place::Place;

/// A program with its arguments; `None` after a complaint.
pub(super) fn program(
    container: &Container,
    image: &str,
    place: &Place<'_>,
    seen: &Seen<'_>,
    around: &Around<'_>,
    notes: &mut Notes,
) -> Option<(String, Vec<String>)> {
    // `command` takes the place of the entry point, `args` that of the image's command
    // (kubernetes.io, "Define a Command and Arguments for a Container").
    let command = container.command.clone().unwrap_or_default();
    let args = container.args.clone().unwrap_or_default();
    let written = [command.clone(), args.clone()].concat();
    let argv = images::unwrapped(&written);
    let named = named(&container.name, image, seen, around);
    let known = named
        .clone()
        .or_else(|| images::known(image).map(|known| known.program.into()))
        .or_else(|| images::known_executable(&argv).map(|known| known.program.into()))
        .or_else(|| images::node_program(&argv).map(Into::into));
    if let Some(program) = &known
        && let Some(args) = arguments(program, &argv, command.is_empty())
    {
        return Some((program.clone().into_owned(), args));
    }
    if !command.is_empty() && (around.surroundings.knows)(&written) {
        return Some((images::COMMANDS.to_owned(), written));
    }
    let line = argv.join(" ");
    let at = match command.is_empty() {
        true => place.key("args"),
        false => place.key("command"),
    };
    match (named, known) {
        (Some(program), _) => {
            let text = format!("{}: `{line}`, since {program} plays it", at.shown());
            notes.without_effect.push((text, at.origin()));
            Some((program.into_owned(), Vec::new()))
        }
        (None, Some(program)) => {
            let message = format!("`{line}` is no command that {program} can play");
            let help = "run the program itself, without a script around it";
            notes.problems.push(at.problem(message).help(help));
            None
        }
        (None, None) => {
            let message = format!("no program is known for the image {image}");
            let help = images::advice(image).map_or_else(
                || {
                    format!(
                        "name the program that plays it in the scenario file: `programs: {{\"{}\": PROGRAM}}`",
                        images::plain(image)
                    )
                },
                str::to_owned,
            );
            notes
                .problems
                .push(place.key("image").problem(message).help(help));
            None
        }
    }
}

/// What the scenario says: by the container, by the workload for its own containers, by the image.
fn named<'a>(
    container: &str,
    image: &str,
    seen: &Seen<'_>,
    around: &Around<'a>,
) -> Option<Cow<'a, str>> {
    let programs = around.surroundings.programs;
    let by_name = programs.get(container);
    let by_workload = || {
        let only = seen.main == Some(container);
        programs.get(seen.workload).filter(|_| only)
    };
    by_name
        .or_else(by_workload)
        .map(String::as_str)
        .or_else(|| images::named(programs, image))
        .map(Cow::Borrowed)
}

/// The arguments for a program, when this command line is its own.
fn arguments(program: &str, argv: &[String], entry_point: bool) -> Option<Vec<String>> {
    let Some(first) = argv.first() else {
        let defaults = images::known_program(program).map_or(&[][..], |known| known.default_args);
        return Some(defaults.iter().map(|arg| (*arg).to_owned()).collect());
    };
    let own = images::arguments(program, argv);
    // Options without a command are for what the image starts by itself.
    let starts = images::known_program(program).is_none_or(|known| known.takes_options);
    own.or_else(|| (entry_point && starts && first.starts_with('-')).then(|| argv.to_vec()))
}
