//! `Watch`: the store keeps what happened, so events are fetched as the client takes them, and a client
//! that takes none costs no memory. A client that falls behind a compaction is told so.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use etcd_client::proto::{
    PbEvent, PbWatchRequest, PbWatchRequestUnion, PbWatchResponse, PbWatchService,
};
use futures::FutureExt;
use futures::stream::unfold;
use prost::Message;
use tokio::time::{Instant, sleep_until};
use tonic::{Request, Response, Status, Streaming};

use super::{Answers, Node, guard};
use crate::refusal::Refusal;

/// About what one answer has of a long past.
const BATCH_BYTES: usize = 1_024 * 1_024;
/// How often a quiet watch that asked for it is told how far it is (etcd: `progressReportInterval`).
const PROGRESS_EVERY: Duration = Duration::from_secs(600);
/// On one stream.
const WATCHES_MAX: usize = 65_536;
/// What an answer has as its watch when it is about all of them, or about none that was made.
const NO_WATCH: i64 = -1;
/// `WatchCreateRequest.FilterType`, by number, which is that of the event type that is left out: 0 puts, 1
/// deletions.
type Filters = Vec<i32>;

#[tonic::async_trait]
impl PbWatchService for Node {
    type WatchStream = Answers<PbWatchResponse>;

    async fn watch(
        &self,
        request: Request<Streaming<PbWatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let (metadata, _, requests) = request.into_parts();
        let stream = Stream {
            node: self.clone(),
            requests: Some(requests),
            watches: BTreeMap::new(),
            next_id: 0,
            last_served: NO_WATCH,
            ready: VecDeque::new(),
            is_progress_wanted: false,
            progress_at: Instant::now() + PROGRESS_EVERY,
        };
        let answers = Box::pin(unfold(stream, Stream::next));
        Ok(Response::new(guard::stream(self, &metadata, answers)))
    }
}

/// One client's stream, with all its watches.
struct Stream {
    node: Node,
    /// Until the client has no more.
    requests: Option<Streaming<PbWatchRequest>>,
    watches: BTreeMap<i64, Watch>,
    next_id: i64,
    /// Watches are looked at in turn, from the one after this.
    last_served: i64,
    /// What is to be sent: the answer to one request, or the fragments of one.
    ready: VecDeque<PbWatchResponse>,
    is_progress_wanted: bool,
    progress_at: Instant,
}

struct Watch {
    key: Vec<u8>,
    range_end: Vec<u8>,
    filters: Filters,
    prev_kv: bool,
    fragment: bool,
    progress_notify: bool,
    /// The first revision that it has not seen.
    next: i64,
    /// Nothing was sent since the last report of progress.
    is_quiet: bool,
}

impl Stream {
    async fn next(mut self) -> Option<(Result<PbWatchResponse, Status>, Self)> {
        loop {
            if let Some(response) = self.ready.pop_front() {
                return Some((Ok(response), self));
            }
            // A request goes before events: a cancellation is not to wait for the end of a long past.
            if let Some(requests) = &mut self.requests
                && let Some(request) = requests.message().now_or_never()
            {
                self.take(request)?;
                continue;
            }
            self.fetch();
            if self.ready.is_empty() {
                self.wait().await?;
            }
        }
    }

    /// Waits for a request, an event, or the time for a report. `None` if the client is gone.
    async fn wait(&mut self) -> Option<()> {
        let seen = self.watches.values().map(|watch| watch.next - 1).min();
        let change = async {
            match seen {
                Some(seen) => self.node.group.beyond(seen).await,
                None => std::future::pending().await,
            }
        };
        let request = async {
            match &mut self.requests {
                Some(requests) => requests.message().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            request = request => return self.take(request),
            () = change => {}
            () = sleep_until(self.progress_at) => self.report(),
        }
        Some(())
    }

    /// `None` if the client is gone. One that only has no more requests goes on receiving.
    fn take(&mut self, request: Result<Option<PbWatchRequest>, Status>) -> Option<()> {
        match request.ok()? {
            Some(request) => self.answer(request),
            None => self.requests = None,
        }
        Some(())
    }

    fn answer(&mut self, request: PbWatchRequest) {
        let revision = self.revision();
        match request.request_union {
            Some(PbWatchRequestUnion::CreateRequest(create)) => {
                let watch = Watch {
                    // etcd: no key is the first one there can be.
                    key: match create.key.is_empty() {
                        true => vec![0],
                        false => create.key,
                    },
                    range_end: create.range_end,
                    filters: create.filters,
                    prev_kv: create.prev_kv,
                    fragment: create.fragment,
                    progress_notify: create.progress_notify,
                    next: match create.start_revision {
                        0 => revision + 1,
                        start => start,
                    },
                    is_quiet: true,
                };
                let made = self.create(create.watch_id, watch);
                self.ready.push_back(PbWatchResponse {
                    header: self.node.header(revision),
                    watch_id: *made.as_ref().unwrap_or(&NO_WATCH),
                    created: true,
                    canceled: made.is_err(),
                    cancel_reason: made.err().unwrap_or_default().to_owned(),
                    ..Default::default()
                });
            }
            Some(PbWatchRequestUnion::CancelRequest(cancel)) => {
                // Of one that there is not nothing is said, as in etcd.
                let removed = self.watches.remove(&cancel.watch_id);
                self.ready.extend(removed.map(|_| PbWatchResponse {
                    header: self.node.header(revision),
                    watch_id: cancel.watch_id,
                    canceled: true,
                    ..Default::default()
                }));
            }
            Some(PbWatchRequestUnion::ProgressRequest(_)) => self.is_progress_wanted = true,
            None => {}
        }
    }

    /// The number of the new watch, or why there is none (etcd: `mvcc/watcher.go`).
    fn create(&mut self, wanted_id: i64, watch: Watch) -> Result<i64, &'static str> {
        let is_bounded = !matches!(watch.range_end.as_slice(), [] | [0]);
        if is_bounded && watch.key >= watch.range_end {
            return Err("mvcc: watcher range is empty");
        }
        if self.watches.len() >= WATCHES_MAX {
            return Err("etcd-stub: 65536 watches on one stream are the most");
        }
        let id = if wanted_id == 0 {
            while self.watches.contains_key(&self.next_id) {
                self.next_id += 1;
            }
            self.next_id += 1;
            self.next_id - 1
        } else if self.watches.contains_key(&wanted_id) {
            return Err("mvcc: duplicate watch ID provided on the WatchStream");
        } else {
            wanted_id
        };
        self.watches.insert(id, watch);
        Ok(id)
    }

    /// Fetches the next events of the next watch that has any.
    fn fetch(&mut self) {
        let last = self.last_served;
        let in_turn = (self.watches.range(last + 1..).map(|(id, _)| *id))
            .chain(self.watches.range(..=last).map(|(id, _)| *id))
            .collect::<Vec<_>>();
        for id in in_turn {
            self.fetch_of(id);
            if !self.ready.is_empty() {
                self.last_served = id;
                return;
            }
        }
        if self.is_progress_wanted {
            // Every watch has seen all there is.
            self.is_progress_wanted = false;
            let progress = self.progress(NO_WATCH);
            self.ready.push_back(progress);
        }
    }

    fn fetch_of(&mut self, id: i64) {
        let Some(watch) = self.watches.get_mut(&id) else {
            return;
        };
        loop {
            let (found, revision, compacted) = self.node.group.look(|store| {
                let found = (watch.next <= store.revision()).then(|| {
                    let (key, end) = (&watch.key, &watch.range_end);
                    store.events(watch.next, key, end, watch.prev_kv, BATCH_BYTES)
                });
                (found, store.revision(), store.compacted())
            });
            match found {
                None => return,
                Some(Ok((mut events, seen))) => {
                    watch.next = seen + 1;
                    events.retain(|event| !watch.filters.contains(&event.r#type));
                    if events.is_empty() {
                        continue;
                    }
                    watch.is_quiet = false;
                    let bytes_max = match watch.fragment {
                        true => self.node.message_bytes_max(),
                        false => usize::MAX,
                    };
                    let mut fragments = fragments(events, bytes_max).into_iter().peekable();
                    while let Some(events) = fragments.next() {
                        self.ready.push_back(PbWatchResponse {
                            header: self.node.header(revision),
                            watch_id: id,
                            fragment: fragments.peek().is_some(),
                            events,
                            ..Default::default()
                        });
                    }
                }
                Some(Err(refusal)) => {
                    let compact_revision = match refusal {
                        Refusal::Compacted => compacted,
                        _ => 0,
                    };
                    self.ready.push_back(PbWatchResponse {
                        header: self.node.header(0), // as etcd
                        watch_id: id,
                        canceled: true,
                        compact_revision,
                        ..Default::default()
                    });
                    self.watches.remove(&id);
                }
            }
            return;
        }
    }

    /// Tells the quiet watches that want it how far they are.
    fn report(&mut self) {
        self.progress_at = Instant::now() + PROGRESS_EVERY;
        let mut quiet = Vec::new();
        for (id, watch) in &mut self.watches {
            if watch.progress_notify && watch.is_quiet {
                quiet.push(*id);
            }
            watch.is_quiet = true;
        }
        for id in quiet {
            let progress = self.progress(id);
            self.ready.push_back(progress);
        }
    }

    fn progress(&self, watch_id: i64) -> PbWatchResponse {
        PbWatchResponse {
            header: self.node.header(self.revision()),
            watch_id,
            ..Default::default()
        }
    }

    fn revision(&self) -> i64 {
        self.node.group.look(|store| store.revision())
    }
}

/// Cuts events into messages of at most about `bytes_max`, at least one event each.
fn fragments(events: Vec<PbEvent>, bytes_max: usize) -> Vec<Vec<PbEvent>> {
    let mut fragments = vec![Vec::new()];
    let mut bytes = 0;
    for event in events {
        let size = event.encoded_len();
        if bytes > 0 && bytes + size > bytes_max {
            fragments.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(last) = fragments.last_mut() {
            last.push(event);
        }
    }
    fragments
}
