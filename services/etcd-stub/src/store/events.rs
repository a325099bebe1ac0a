//! What changed, for watches.
//!
//! Deliberately absent: who watches, and filters of watches.

use std::sync::Arc;

use etcd_client::EventType;
use etcd_client::proto::{PbEvent, PbKeyValue};
use prost::Message;

use super::Store;
use super::history::is_there;
use super::span::Span;
use crate::refusal::Refusal;

impl Store {
    /// What changed at the revisions `from..=revision()`, in order, of the keys in `[key, range_end)` (as
    /// in a range request), each with what was there before if `prev_kv`; at most about `bytes_max`,
    /// always whole revisions, at least one. And the revision up to which that is all.
    ///
    /// A deletion is an event whose `kv` has a key and a `mod_revision` alone. Before a key's first
    /// revision that is kept there is nothing, as in etcd. `from` may lie in the future: nothing changed yet.
    pub fn events(
        &self,
        from: i64,
        key: &[u8],
        range_end: &[u8],
        prev_kv: bool,
        bytes_max: usize,
    ) -> Result<(Vec<PbEvent>, i64), Refusal> {
        if from < self.compacted {
            return Err(Refusal::Compacted);
        }
        let span = Span::new(key, range_end);
        let mut events = Vec::new();
        let mut bytes = 0;
        let made = self.history.made_from(from);
        for of_one_revision in made.chunk_by(|a, b| a.mod_revision == b.mod_revision) {
            let already = events.len();
            let matching = of_one_revision.iter().filter(|kv| span.contains(&kv.key));
            events.extend(matching.map(|kv| self.event(kv, prev_kv)));
            bytes += events[already..]
                .iter()
                .map(Message::encoded_len)
                .sum::<usize>();
            if bytes >= bytes_max && !events.is_empty() {
                let upto = of_one_revision[0].mod_revision;
                return Ok((events, upto));
            }
        }
        Ok((events, self.revision))
    }

    fn event(&self, kv: &Arc<PbKeyValue>, prev_kv: bool) -> PbEvent {
        let kind = if is_there(kv) {
            EventType::Put
        } else {
            EventType::Delete
        };
        // What was there before the whole revision, and nothing for a key that is created: etcd too counts
        // one as new that the same txn deleted first.
        let has_before = prev_kv && kv.create_revision != kv.mod_revision;
        let before = has_before.then(|| self.history.at(&kv.key, kv.mod_revision - 1));
        PbEvent {
            r#type: kind as i32,
            kv: Some(PbKeyValue::clone(kv)),
            prev_kv: before.flatten().cloned(),
        }
    }
}
