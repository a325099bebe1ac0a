//! StressChaos: others work on the same machine.

use squall_fault::MachineFault;
use squall_fault::cpu::Stressor;

use crate::document::{Chaos, Context, Fault, lasts};
use crate::quantity::Typed;
use crate::select::{self, Who};
use crate::yaml::{Expect, Fields, Node, Problems};

/// More loops than this are a slip of the pen.
const WORKERS_MAX: u64 = 1_000;

pub(super) fn read(
    fields: &mut Fields<'_>,
    context: &Context,
    problems: &mut Problems,
) -> Option<Chaos> {
    let who = select::read(fields, context.namespace.as_ref(), true, problems);
    let lasts = lasts(fields, context, problems);
    fields.refuse(
        "stressngStressors",
        "stress-ng's other stressors are not modelled",
        "write `stressors: {cpu: {workers: 1, load: 100}}`",
        problems,
    );
    let stressors = fields
        .require(
            "stressors",
            "write `stressors: {cpu: {workers: 1}}`",
            problems,
        )
        .and_then(|node| read_stressors(node, problems));
    Some(Chaos {
        kind: "StressChaos",
        who: Who::Selected(who?),
        fault: Fault::Machine(MachineFault::Stress(vec![stressors?])),
        lasts,
    })
}

fn read_stressors(node: &Node, problems: &mut Problems) -> Option<Stressor> {
    let mut fields = node.fields("spec.stressors", problems)?;
    let memory = fields.take("memory");
    if let Some(node) = memory {
        problems.add(
            node.line,
            "`memory` in spec.stressors is not honoured: no memory is modelled",
            "leave it out; `kill` is what running out of memory comes to",
        );
    }
    let cpu = match memory {
        Some(_) => fields.take("cpu"),
        None => fields.require("cpu", "write `cpu: {workers: 1, load: 100}`", problems),
    };
    fields.finish(problems);
    let mut fields = cpu?.fields("spec.stressors.cpu", problems)?;
    let workers = fields
        .require("workers", "say how many loops: `workers: 1`", problems)
        .and_then(|node| node.integer("workers", 1, WORKERS_MAX, problems));
    let load = fields
        .take("load")
        .map(|node| node.integer("load", 0, 100, problems));
    fields.refuse(
        "options",
        "there is no stress-ng to hand them to",
        "say it with `workers` and `load`",
        problems,
    );
    fields.finish(problems);
    Some(Stressor {
        workers: workers? as u32,
        // stress-ng's own default is the full load.
        load: load.unwrap_or(Some(100))? as f64 / 100.0,
    })
}
