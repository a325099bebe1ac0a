//! Numbers of the API as the plan has them, with the complaints of the API server.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::kubernetes::notes::Notes;
use crate::kubernetes::place::Place;
use crate::kubernetes::plan::{Amount, Target};

/// A whole number, `default` without one.
pub(super) fn count(value: Option<i32>, default: u32, place: &Place<'_>, notes: &mut Notes) -> u32 {
    at_least(0, value, default, place, notes)
}

/// A whole number of at least `least`, `default` without one.
pub(super) fn at_least(
    least: u32,
    value: Option<i32>,
    default: u32,
    place: &Place<'_>,
    notes: &mut Notes,
) -> u32 {
    match value.map(u32::try_from) {
        None => default,
        Some(Ok(value)) if value >= least => value,
        Some(_) => {
            let message = format!("{} is less than {least}", value.unwrap_or_default());
            notes.problems.push(place.problem(message));
            default
        }
    }
}

/// Whole seconds.
pub(super) fn seconds(
    value: Option<i64>,
    default_s: u64,
    place: &Place<'_>,
    notes: &mut Notes,
) -> Duration {
    let seconds = match value.map(u64::try_from) {
        None => default_s,
        Some(Ok(seconds)) => seconds,
        Some(Err(_)) => {
            let message = format!("{} is less than 0", value.unwrap_or_default());
            notes.problems.push(place.problem(message));
            default_s
        }
    };
    Duration::from_secs(seconds)
}

/// A number, or a share of something: `1`, `25%`.
pub(super) fn amount(
    value: Option<&IntOrString>,
    default: Amount,
    place: &Place<'_>,
    notes: &mut Notes,
) -> Amount {
    let read = match value {
        None => return default,
        Some(IntOrString::Int(count)) => u32::try_from(*count).ok().map(Amount::Count),
        Some(IntOrString::String(text)) => text
            .strip_suffix('%')
            .and_then(|percent| percent.parse().ok())
            .map(Amount::Percent),
    };
    read.unwrap_or_else(|| {
        notes
            .problems
            .push(place.problem("neither a whole number nor a percentage such as 25%"));
        default
    })
}

/// A port from 1 to 65535.
pub(super) fn port(value: i32, place: &Place<'_>, notes: &mut Notes) -> Option<u16> {
    match u16::try_from(value) {
        Ok(port) if port > 0 => Some(port),
        _ => {
            let message = format!("{value} is no port: they go from 1 to 65535");
            notes.problems.push(place.problem(message));
            None
        }
    }
}

/// A port's number, or its name.
pub(super) fn target(value: &IntOrString, place: &Place<'_>, notes: &mut Notes) -> Option<Target> {
    match value {
        IntOrString::Int(number) => port(*number, place, notes).map(Target::Number),
        IntOrString::String(name) => Some(Target::Name(name.clone())),
    }
}

/// A port of a container by its number or its name.
pub(super) fn own_port(
    value: &IntOrString,
    ports: &[(Option<String>, u16)],
    place: &Place<'_>,
    notes: &mut Notes,
) -> Option<u16> {
    match target(value, place, notes)? {
        Target::Number(number) => Some(number),
        Target::Name(name) => {
            let found = ports.iter().find(|(n, _)| n.as_ref() == Some(&name));
            if found.is_none() {
                let message = format!("the container has no port of the name `{name}`");
                notes
                    .problems
                    .push(place.problem(message).help("name it under `ports`"));
            }
            found.map(|(_, number)| *number)
        }
    }
}
