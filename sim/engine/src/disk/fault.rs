//! What is wrong with an operation: the rules of [`squall_fault::disk`], drawn for each.

use std::time::Duration;

use squall_fault::disk::{Effect, Filling, Operation, Rule};
use squall_fault::pattern;

use crate::random::Random;

/// What becomes of one operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    None,
    Delay(Duration),
    Errno(i32),
    Mistake(Mistake),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mistake {
    filling: Filling,
    occurrences_max: u32,
    length_max: u32,
}

/// The first rule that concerns an operation on one of these paths and is drawn.
pub(super) fn draw(
    rules: &[Rule],
    operation: Operation,
    paths: &[&str],
    random: &mut Random,
) -> Fault {
    let concerned = |rule: &&Rule| {
        let has_bytes = matches!(operation, Operation::Read | Operation::Append);
        (rule.operations.is_empty() || rule.operations.contains(&operation))
            && (has_bytes || !matches!(rule.effect, Effect::Mistake { .. }))
            && rule.path.as_deref().is_none_or(|wanted| {
                let mut paths = paths.iter();
                paths.any(|path| pattern::path(wanted, path))
            })
    };
    let mut concerned = rules.iter().filter(concerned);
    match concerned.find(|rule| random.chance(rule.probability)) {
        None => Fault::None,
        Some(rule) => match rule.effect {
            Effect::Delay(delay) => Fault::Delay(delay),
            Effect::Errno(errno) => Fault::Errno(errno),
            Effect::Mistake {
                filling,
                occurrences_max,
                length_max,
            } => Fault::Mistake(Mistake {
                filling,
                occurrences_max,
                length_max,
            }),
        },
    }
}

impl Mistake {
    /// Replaces bytes at one to `occurrences_max` places, each one to `length_max` long and cut at
    /// the end, as Chaos Mesh's toda does (`mistake_injector.rs`).
    pub(super) fn make(self, data: &mut [u8], random: &mut Random) {
        if data.is_empty() || self.occurrences_max == 0 || self.length_max == 0 {
            return;
        }
        for _ in 0..=random.below(u64::from(self.occurrences_max)) {
            let start = random.below(data.len() as u64) as usize;
            let room = (data.len() - start).min(self.length_max as usize) as u64;
            for byte in &mut data[start..=start + random.below(room) as usize] {
                *byte = match self.filling {
                    Filling::Zero => 0,
                    Filling::Random => random.next() as u8,
                };
            }
        }
    }
}
