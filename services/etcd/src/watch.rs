//! Events of a key range, over lost connections and dead members: none twice, none left out.
//!
//! Deliberately absent: several ranges on one stream, and fragments.

use std::collections::VecDeque;

use etcd_client::{Client, Error as ClientError, Event, EventType, WatchOptions, WatchStream};
use squall_resilient::{Deadline, Late};
use tokio::time::sleep;

use crate::error::Error;
use crate::group::{Ask, Etcd};

/// A watch. It goes on at the next member, at the revision where it was, when its stream breaks.
pub struct Watch {
    etcd: Etcd,
    key: Vec<u8>,
    options: WatchOptions,
    /// From where events are still to come; 0 for now.
    next: i64,
    stream: Option<WatchStream>,
    arrived: VecDeque<Event>,
}

impl Watch {
    /// Events from this revision on; 0 for those after the watch is made, which is when [`Watch::next`] is
    /// first called. `options` say which keys; their start revision is not looked at.
    pub fn new(etcd: &Etcd, key: impl Into<Vec<u8>>, options: WatchOptions, revision: i64) -> Self {
        Self {
            etcd: etcd.clone(),
            key: key.into(),
            options,
            next: revision,
            stream: None,
            arrived: VecDeque::new(),
        }
    }

    /// The next event. Without one by the deadline it is [`Error::NotDone`], and nothing is lost: the next
    /// call waits on. Cancel safe.
    pub async fn next(&mut self, deadline: Deadline) -> Result<Event, Error> {
        loop {
            if let Some(event) = self.arrived.pop_front() {
                return Ok(event);
            }
            self.receive(deadline).await?;
        }
    }

    async fn receive(&mut self, deadline: Deadline) -> Result<(), Error> {
        let stream = match &mut self.stream {
            Some(stream) => stream,
            closed => closed
                .insert(open(&self.etcd, &self.key, &self.options, self.next, deadline).await?),
        };
        let response = match deadline.bound(stream.message()).await {
            Ok(Ok(Some(response))) => response,
            Ok(Ok(None) | Err(_)) => {
                self.stream = None;
                sleep(self.etcd.limits().pause.min(deadline.remaining())).await;
                return Ok(());
            }
            Err(Late) => return Err(Error::NotDone("no event in time".to_owned())),
        };
        if response.compact_revision() != 0 {
            self.stream = None;
            return Err(Error::Compacted(response.compact_revision()));
        }
        if response.canceled() {
            self.stream = None;
            let why = response.cancel_reason().to_owned();
            return Err(Error::Refused(ClientError::WatchError(why)));
        }
        let at = response.header().map_or(0, |header| header.revision());
        if response.created() {
            // A watch from now on has begun behind this revision.
            self.next = if self.next == 0 { at + 1 } else { self.next };
            return Ok(());
        }
        let last = response.events().iter().filter_map(Event::kv).next_back();
        match last {
            Some(last) => self.next = last.mod_revision() + 1,
            // A notice of progress: nothing is to come of revisions before it.
            None => self.next = self.next.max(at + 1),
        }
        self.arrived.extend(response.events().iter().cloned());
        Ok(())
    }
}

async fn open(
    etcd: &Etcd,
    key: &[u8],
    options: &WatchOptions,
    revision: i64,
    deadline: Deadline,
) -> Result<WatchStream, Error> {
    let options = options.clone().with_start_revision(revision);
    let open = |client: &Client| {
        let (mut watches, key) = (client.watch_client(), key.to_owned());
        let options = options.clone();
        async move { watches.watch(key, Some(options)).await }
    };
    etcd.call(Ask::Read, deadline, open).await
}

/// Whether an event is a key's deletion, by whomever or by its lease's end.
pub fn is_deletion(event: &Event) -> bool {
    event.event_type() == EventType::Delete
}
