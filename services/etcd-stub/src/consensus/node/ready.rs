//! One `Ready` of Raft: made durable, sent, applied; and snapshots, which take the place of the log.

use prost_raft::Message as _;
use raft::eraftpb::{ConfChange, ConfChangeType, ConfState, Entry, Message, Snapshot};
use tokio::time::Instant;

use super::Node;
use crate::consensus::error::Error;
use crate::consensus::record::Head;
use crate::consensus::snapshot;

impl Node {
    pub(super) async fn advance(&mut self) -> Result<(), Error> {
        let mut ready = self.raw.ready();
        // A leader's messages promise nothing of its own disk.
        self.send(ready.take_messages());
        for read in ready.take_read_states() {
            self.reads.answered(&read.request_ctx, read.index);
        }
        if !ready.snapshot().is_empty() {
            self.install(ready.snapshot().clone()).await?;
        }
        self.apply(ready.take_committed_entries())?;
        let entries = ready.take_entries();
        // Without it only the commit index is another one, which the others know as well.
        if ready.must_sync() {
            let state = self.raw.raft.hard_state();
            self.log.append(&entries, &state).await?;
            self.raw.mut_store().append(entries);
        }
        self.send(ready.take_persisted_messages());
        let mut light = self.raw.advance(ready);
        self.send(light.take_messages());
        self.apply(light.take_committed_entries())?;
        self.raw.advance_apply();
        Ok(())
    }

    fn send(&mut self, messages: Vec<Message>) {
        for message in messages {
            if let Err(unsent) = self.peers.send(message) {
                self.unsent.push(unsent);
            }
        }
    }

    fn apply(&mut self, entries: Vec<Entry>) -> Result<(), Error> {
        if entries.is_empty() {
            return Ok(());
        }
        let now = Instant::now();
        for entry in &entries {
            let outcome = self.shared.apply(entry, now).map_err(Error::Raft)?;
            let Some(outcome) = outcome else { continue };
            let is_farewell = |change: &ConfChange| {
                change.node_id == self.raw.raft.id
                    && change.change_type == ConfChangeType::RemoveNode as i32
            };
            if outcome.conf_change.as_ref().is_some_and(is_farewell) {
                // Raft as it is panics as a leader without itself. It is told nothing, and takes nothing
                // in any more; as a leader it goes on saying what is committed.
                self.removed = Some(now);
            } else if let Some(change) = &outcome.conf_change {
                let applied = self.raw.apply_conf_change(change);
                applied.map_err(|error| Error::Raft(error.to_string()))?;
                // A new member does not take a snapshot that does not know it.
                self.raw.mut_store().set_image(None);
                self.peers.keep(&self.group.members());
            }
            self.waiters.applied(outcome.request, outcome.result);
        }
        Ok(())
    }

    fn conf_state(&self) -> ConfState {
        self.raw.raft.prs().conf().to_conf_state()
    }

    /// The state as it is now, for a follower that is too far behind.
    pub(super) fn image(&self) -> Snapshot {
        let ((index, term), data) = self.shared.image();
        let mut image = Snapshot {
            data,
            ..Snapshot::default()
        };
        let metadata = image.mut_metadata();
        (metadata.index, metadata.term) = (index, term);
        metadata.set_conf_state(self.conf_state());
        image
    }

    /// Takes a snapshot from the leader instead of what it has.
    async fn install(&mut self, image: Snapshot) -> Result<(), Error> {
        let metadata = image.get_metadata();
        let (index, term) = (metadata.index, metadata.term);
        let broken = |error| {
            Error::Raft(format!(
                "the leader's snapshot after entry {index}: {error}"
            ))
        };
        let (store, members) = snapshot::decode(&image.data).map_err(broken)?;
        self.head = Head {
            index,
            term,
            conf_state: metadata.get_conf_state().encode_to_vec(),
            before_index: index,
            before_term: term,
            ..self.head
        };
        self.keep_snapshot(&image.data, &[]).await?;
        self.raw.mut_store().replace(index, term);
        let mut shared = self.shared.lock();
        shared.machine.replace(store, members, (index, term));
        drop(shared);
        self.peers.keep(&self.group.members());
        Ok(())
    }

    /// Replaces what is applied in the log by a snapshot; keeps some for followers that are slow.
    pub(super) async fn compact(&mut self) -> Result<(), Error> {
        let image = self.image();
        let metadata = image.get_metadata();
        let kept = metadata
            .index
            .saturating_sub(self.settings.catch_up_entries);
        self.raw.mut_store().compact(kept);
        let (before_index, before_term) = self.raw.store().before();
        self.head = Head {
            index: metadata.index,
            term: metadata.term,
            conf_state: metadata.get_conf_state().encode_to_vec(),
            before_index,
            before_term,
            ..self.head
        };
        let entries = self.raw.store().after(before_index);
        self.keep_snapshot(&image.data, &entries).await
    }

    /// First the snapshot, then the log that names it, then the old ones go.
    async fn keep_snapshot(&mut self, image: &[u8], entries: &[Entry]) -> Result<(), Error> {
        let folder = &self.settings.folder;
        snapshot::write(&self.disk, folder, self.head.index, image).await?;
        let state = self.raw.raft.hard_state();
        self.log.renew(self.head.clone(), entries, &state).await?;
        snapshot::remove_others(&self.disk, folder, self.head.index).await
    }
}
