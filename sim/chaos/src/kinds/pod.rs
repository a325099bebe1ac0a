//! PodChaos: a pod is deleted, emptied, or its container killed.

use std::time::Duration;

use crate::document::{Chaos, Context, Fault, lasts};
use crate::quantity::Typed;
use crate::select::{self, Who};
use crate::yaml::{Fields, Problems};

/// The longest grace period: an hour.
const GRACE_SECONDS_MAX: u64 = 3600;

pub(super) fn read(
    fields: &mut Fields<'_>,
    context: &Context,
    problems: &mut Problems,
) -> Option<Chaos> {
    const ACTIONS: [&str; 3] = ["pod-kill", "pod-failure", "container-kill"];
    let line = fields.line;
    let action = fields
        .require("action", "write `action: pod-kill`", problems)
        .and_then(|node| node.word("action", &ACTIONS, problems));
    let who = select::read(fields, context.namespace.as_ref(), true, problems);
    let grace_node = fields.take("gracePeriod");
    let grace =
        grace_node.and_then(|node| node.integer("gracePeriod", 0, GRACE_SECONDS_MAX, problems));
    let before = problems.count();
    let lasts = lasts(fields, context, problems);
    let (action, who) = (action?, who?);
    if let Some(node) = grace_node
        && action != "pod-kill"
    {
        let message = format!("`gracePeriod` means nothing with `action: {action}`");
        problems.add(node.line, message, "leave it out");
    }
    let fault = match action {
        "pod-kill" => Fault::Kill {
            grace: Duration::from_secs(grace.unwrap_or(0)),
        },
        "pod-failure" => Fault::Fail,
        _ => Fault::KillContainer,
    };
    if action == "container-kill" && who.containers.is_empty() {
        problems.add(
            line,
            "`action: container-kill` does not say which container",
            "write `containerNames: [NAME]`",
        );
    }
    if lasts.is_some() && fault.is_at_once() && problems.count() == before {
        let message = format!("`action: {action}` is over at once, so `duration` has no meaning");
        problems.add(
            line,
            message,
            "leave it out, or write `action: pod-failure`",
        );
    }
    Some(Chaos {
        kind: "PodChaos",
        who: Who::Selected(who),
        fault,
        lasts,
    })
}
