//! When nothing can change a balance: no transfer is on its way, and those of which nobody knows what
//! became have had the time that the service may still need.

use squall_record::{Fate, RunRecord, Sample};

use crate::Accounts;

/// From when to when no transfer can change anything, in microseconds since the run began.
pub(crate) struct Stretch {
    from_us: u64,
    to_us: u64,
}

/// The quiet stretches after the first transfer; none when there was no transfer.
pub(crate) fn stretches(record: &RunRecord, accounts: &Accounts) -> Vec<Stretch> {
    let settle_us = u64::try_from(accounts.settle.as_micros()).unwrap_or(u64::MAX);
    let mut stretches = Vec::new();
    let mut from_us = None;
    for transfer in crate::of(record, &accounts.transfers) {
        if let Some(from_us) = from_us.filter(|from_us| *from_us < transfer.sent_us) {
            let to_us = transfer.sent_us;
            stretches.push(Stretch { from_us, to_us });
        }
        let over_us = match transfer.fate() {
            Fate::Unknown => transfer.ended_us().saturating_add(settle_us),
            Fate::Acknowledged | Fate::Refused => transfer.ended_us(),
        };
        from_us = from_us.max(Some(over_us));
    }
    stretches.extend(from_us.map(|from_us| Stretch {
        from_us,
        to_us: u64::MAX,
    }));
    stretches
}

/// The stretch within which a read was sent and answered, by its place among all.
pub(crate) fn at(stretches: &[Stretch], read: &Sample) -> Option<usize> {
    let after = stretches.partition_point(|stretch| stretch.from_us <= read.sent_us);
    let last = after.checked_sub(1)?;
    (read.ended_us() <= stretches[last].to_us).then_some(last)
}
