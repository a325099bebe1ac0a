//! Whom a fault befalls, chosen at the moment when it begins.
//!
//! Each fault draws from a stream of its own, made of the run's seed and the fault's name, so that a
//! fault more or less in a story does not change whom the others befall.

use std::collections::BTreeMap;

use squall_chaos::{Selection, Who};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::world::{Pod, System};

/// Tells this stream from all others that are made of the seed.
const LABEL: &[u8] = b"whom faults befall";

/// Chooses, with chance from the run's seed.
pub(super) struct Chooser {
    seed: u64,
    /// How often each name has chosen.
    turns: BTreeMap<String, u64>,
}

impl Chooser {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed: xxh3_64_with_seed(LABEL, seed),
            turns: BTreeMap::new(),
        }
    }

    /// The stream of draws for the next fault of this name.
    pub(super) fn stream(&mut self, name: &str) -> Stream {
        let turn = self.turns.entry(name.to_owned()).or_default();
        *turn += 1;
        let seed = xxh3_64_with_seed(name.as_bytes(), self.seed ^ *turn);
        Stream { seed, drawn: 0 }
    }
}

/// Draws of one fault.
pub(super) struct Stream {
    seed: u64,
    drawn: u64,
}

impl Stream {
    /// A number below `below`.
    fn draw(&mut self, below: u64) -> u64 {
        self.drawn += 1;
        let draw = xxh3_64_with_seed(&self.drawn.to_le_bytes(), self.seed);
        // Lemire's reduction: no draw is favoured by more than `below` in 2^64.
        ((u128::from(draw) * u128::from(below.max(1))) >> 64) as u64
    }

    /// Those who are chosen now. Names are taken as they are.
    pub(super) fn choose(&mut self, who: &Who, system: &dyn System) -> Vec<Pod> {
        match who {
            Who::Selected(selection) => self.select(selection, system.members()),
            Who::Named(names) => {
                let nodes: Vec<_> = names
                    .iter()
                    .flat_map(|name| system.nodes(&name.value))
                    .collect();
                let members = system.members().into_iter();
                members.filter(|pod| nodes.contains(&pod.node)).collect()
            }
        }
    }

    fn select(&mut self, selection: &Selection, all: Vec<Pod>) -> Vec<Pod> {
        let mut matching: Vec<Option<Pod>> = all
            .into_iter()
            .filter(|pod| selection.selector.matches(&pod.member))
            .map(Some)
            .collect();
        let places = selection
            .mode
            .choose(matching.len(), &mut |below| self.draw(below));
        places
            .into_iter()
            .filter_map(|place| matching[place].take())
            .collect()
    }
}
