//! Probes and the turns of a container's life (core/v1 Probe, LifecycleHandler).

use std::time::Duration;

use k8s_openapi::api::core::v1 as api;

use super::Around;
use super::values;
use crate::kubernetes::notes::Notes;
use crate::kubernetes::place::Place;
use crate::kubernetes::plan::{Check, Hook, Probe};

/// Ports of a container, some with a name.
pub(super) type Ports<'a> = &'a [(Option<String>, u16)];

/// A probe. `once`: it counts after one success, as all but readiness must.
pub(super) fn probe(
    probe: Option<&api::Probe>,
    once: bool,
    place: &Place<'_>,
    ports: Ports<'_>,
    around: &Around<'_>,
    notes: &mut Notes,
) -> Option<Probe> {
    let probe = probe?;
    let check = check(probe, place, ports, around, notes)?;
    let period = |name, value, default, notes: &mut Notes| {
        values::at_least(1, value, default, &place.key(name), notes)
    };
    let period_s = period("periodSeconds", probe.period_seconds, 10, notes);
    let timeout_s = period("timeoutSeconds", probe.timeout_seconds, 1, notes);
    let successes = period("successThreshold", probe.success_threshold, 1, notes);
    let failures = period("failureThreshold", probe.failure_threshold, 3, notes);
    if once && successes != 1 {
        let message = "must be 1 for a liveness or startup probe";
        notes
            .problems
            .push(place.key("successThreshold").problem(message));
    }
    let delay = place.key("initialDelaySeconds");
    let initial_delay_s = values::count(probe.initial_delay_seconds, 0, &delay, notes);
    let seconds = |seconds: u32| Duration::from_secs(seconds.into());
    Some(Probe {
        check,
        initial_delay: seconds(initial_delay_s),
        period: seconds(period_s),
        timeout: seconds(timeout_s),
        successes,
        failures,
    })
}

fn check(
    probe: &api::Probe,
    place: &Place<'_>,
    ports: Ports<'_>,
    around: &Around<'_>,
    notes: &mut Notes,
) -> Option<Check> {
    match (&probe.http_get, &probe.tcp_socket, &probe.exec, &probe.grpc) {
        (Some(get), None, None, None) => {
            let (port, path) = http(get, &place.key("httpGet"), ports, notes)?;
            let headers = get.http_headers.iter().flatten();
            Some(Check::Http {
                port,
                path,
                headers: headers.map(|h| (h.name.clone(), h.value.clone())).collect(),
            })
        }
        (None, Some(socket), None, None) => {
            let place = place.at("tcpSocket.port");
            let port = values::own_port(&socket.port, ports, &place, notes)?;
            Some(Check::Tcp { port })
        }
        (None, None, Some(exec), None) => {
            command(exec, &place.key("exec"), around, notes).map(Check::Exec)
        }
        (None, None, None, Some(grpc)) => {
            let port = values::port(grpc.port, &place.at("grpc.port"), notes)?;
            let service = grpc.service.clone().unwrap_or_default();
            Some(Check::Grpc { port, service })
        }
        _ => {
            let message = "one of httpGet, tcpSocket, exec and grpc is wanted";
            notes.problems.push(place.problem(message));
            None
        }
    }
}

fn http(
    get: &api::HTTPGetAction,
    place: &Place<'_>,
    ports: Ports<'_>,
    notes: &mut Notes,
) -> Option<(u16, String)> {
    let port = values::own_port(&get.port, ports, &place.key("port"), notes)?;
    let path = get.path.as_deref().unwrap_or("/");
    let slash = if path.starts_with('/') { "" } else { "/" };
    Some((port, format!("{slash}{path}")))
}

/// A command that runs beside a program.
fn command(
    exec: &api::ExecAction,
    place: &Place<'_>,
    around: &Around<'_>,
    notes: &mut Notes,
) -> Option<Vec<String>> {
    let command = exec.command.clone().unwrap_or_default();
    let place = place.key("command");
    if command.is_empty() {
        notes.problems.push(place.problem("a command is required"));
        return None;
    }
    if !(around.surroundings.knows)(&command) {
        let message = format!("no program here can run `{}`", command.join(" "));
        let help = "curl, wget, nc and pg_isready are known, alone or in a line for the shell";
        notes.problems.push(place.problem(message).help(help));
        return None;
    }
    Some(command)
}

/// What is done at a turn of a container's life.
pub(super) fn hook(
    handler: Option<&api::LifecycleHandler>,
    place: &Place<'_>,
    ports: Ports<'_>,
    around: &Around<'_>,
    notes: &mut Notes,
) -> Option<Hook> {
    let handler = handler?;
    match (&handler.exec, &handler.http_get, &handler.sleep) {
        (Some(exec), None, None) => {
            command(exec, &place.key("exec"), around, notes).map(Hook::Exec)
        }
        (None, Some(get), None) => {
            let (port, path) = http(get, &place.key("httpGet"), ports, notes)?;
            Some(Hook::Http { port, path })
        }
        (None, None, Some(sleep)) => {
            let place = place.at("sleep.seconds");
            let time = values::seconds(Some(sleep.seconds), 0, &place, notes);
            Some(Hook::Sleep(time))
        }
        _ => {
            let message = "one of exec, httpGet and sleep is wanted";
            notes.problems.push(place.problem(message));
            None
        }
    }
}
