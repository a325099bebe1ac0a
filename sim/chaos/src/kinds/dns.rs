//! DNSChaos: names that do not resolve, or resolve to nonsense.

use squall_fault::MachineFault;
use squall_fault::dns::{Effect, Rule};

use crate::document::{Chaos, Context, Fault, lasts};
use crate::quantity::Typed;
use crate::select::{self, Who};
use crate::yaml::{Fields, Problems};

pub(super) fn read(
    fields: &mut Fields<'_>,
    context: &Context,
    problems: &mut Problems,
) -> Option<Chaos> {
    let action = fields
        .require("action", "write `action: error` or `random`", problems)
        .and_then(|node| node.word("action", &["error", "random"], problems));
    let who = select::read(fields, context.namespace.as_ref(), true, problems);
    let lasts = lasts(fields, context, problems);
    let mut patterns = Vec::new();
    for pattern in select::texts(fields.take("patterns"), "patterns", problems) {
        let star = pattern.value.find('*');
        if star.is_some_and(|at| at + 1 < pattern.value.len()) {
            let message = format!("`{}` has a * that is not its last character", pattern.value);
            problems.add(pattern.line, message, "write for example `chaos-mesh.*`");
        }
        patterns.push(pattern.value);
    }
    Some(Chaos {
        kind: "DNSChaos",
        who: Who::Selected(who?),
        fault: Fault::Machine(MachineFault::Dns(vec![Rule {
            patterns,
            effect: match action? {
                "error" => Effect::Error,
                _ => Effect::Random,
            },
        }])),
        lasts,
    })
}
