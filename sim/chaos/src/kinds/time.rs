//! TimeChaos: the wall clock is wrong.

use squall_fault::MachineFault;
use squall_fault::clock::Skew;

use crate::document::{Chaos, Context, Fault, lasts};
use crate::quantity::{named, signed_duration};
use crate::select::{self, Who};
use crate::yaml::{Fields, Problems};

pub(super) fn read(
    fields: &mut Fields<'_>,
    context: &Context,
    problems: &mut Problems,
) -> Option<Chaos> {
    let who = select::read(fields, context.namespace.as_ref(), true, problems);
    let lasts = lasts(fields, context, problems);
    let offset = fields
        .require("timeOffset", "say how wrong: `timeOffset: -10m`", problems)
        .and_then(|node| {
            let text = node.text().unwrap_or_default();
            let read = signed_duration(text).map_err(|bad| named("timeOffset", bad));
            let (negative, offset) = problems.quantity(node.line, read)?;
            if offset.is_zero() {
                problems.add(node.line, "timeOffset is nothing", "write for example -10m");
            }
            let nanos = i64::try_from(offset.as_nanos()).unwrap_or(i64::MAX);
            Some(if negative { -nanos } else { nanos })
        });
    for clock in select::texts(fields.take("clockIds"), "clockIds", problems) {
        if clock.value != "CLOCK_REALTIME" {
            let message = format!(
                "the clock `{}` is not honoured: only the wall clock jumps here",
                clock.value
            );
            problems.add(
                clock.line,
                message,
                "write `clockIds: [CLOCK_REALTIME]`, or nothing",
            );
        }
    }
    Some(Chaos {
        kind: "TimeChaos",
        who: Who::Selected(who?),
        fault: Fault::Machine(MachineFault::Clock(Skew {
            offset_ns: offset?,
            drift_ppm: 0.0,
        })),
        lasts,
    })
}
