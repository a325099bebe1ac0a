//! etcd's client package `concurrency` (3.4) as far as the server uses it for Lock and Election: each who
//! wants a turn puts a key NAME/LEASE under a lease, and has it when no key there is older.

use etcd_client::proto::{
    PbCompare, PbDeleteRequest, PbKeyValue, PbLeaseGrantRequest, PbPutRequest, PbRangeRequest,
    PbResponseHeader, PbTargetUnion, PbTxnOpRequest, PbTxnOpResponse, PbTxnRequest, PbTxnRequestOp,
    PbTxnResponse,
};
use tonic::Status;

use super::Node;
use super::kv::propose;
use crate::command::{Action, Reply};
use crate::refusal::Refusal;

/// The TTL of a session that the server makes because the client named none.
const SESSION_TTL_S: i64 = 60;
/// `RangeRequest`'s order and targets, by number.
const ASCEND: i32 = 1;
const DESCEND: i32 = 2;
const BY_CREATION: i32 = 2;

/// A place in the queue for a turn: a key and the revision at which it came to be.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Place {
    pub(super) key: Vec<u8>,
    pub(super) created: i64,
    pub(super) lease: i64,
}

impl Node {
    /// The lease of a session: the client's, or a new one.
    pub(super) async fn session(&self, lease: i64) -> Result<i64, Status> {
        if lease != 0 {
            return Ok(lease);
        }
        let request = PbLeaseGrantRequest {
            ttl: SESSION_TTL_S,
            id: 0,
        };
        Ok(self.grant(request).await?.id)
    }

    /// Takes a place in the queue `name`, or finds the session's old one. Answers it, and the value that was
    /// there, if it is an old one.
    pub(super) async fn enqueue(
        &self,
        name: &[u8],
        lease: i64,
        value: Vec<u8>,
    ) -> Result<(Place, Option<PbKeyValue>, Option<PbResponseHeader>), Status> {
        let mut key = prefix(name);
        key.extend(format!("{lease:x}").bytes());
        let put = PbPutRequest {
            key: key.clone(),
            value,
            lease,
            ..Default::default()
        };
        let get = PbRangeRequest {
            key: key.clone(),
            ..Default::default()
        };
        let txn = self
            .if_created(
                &key,
                0,
                PbTxnOpRequest::RequestPut(put),
                Some(PbTxnOpRequest::RequestRange(get)),
            )
            .await?;
        let revision = txn.header.as_ref().map_or(0, |header| header.revision);
        let old = match txn.succeeded {
            true => None,
            false => first_kv(&txn),
        };
        let place = Place {
            key,
            created: old.as_ref().map_or(revision, |old| old.create_revision),
            lease,
        };
        Ok((place, old, txn.header))
    }

    /// Returns when nobody in the queue is before `place`. The store of this member has it already.
    pub(super) async fn turn(&self, name: &[u8], place: &Place) -> Result<(), Refusal> {
        let prefix = prefix(name);
        let before = PbRangeRequest {
            range_end: prefix_end(&prefix),
            key: prefix,
            limit: 1,
            sort_order: DESCEND,
            sort_target: BY_CREATION,
            max_create_revision: place.created - 1,
            ..Default::default()
        };
        while let Some(last) = self.group.look(|store| store.range(&before))?.kvs.pop() {
            self.gone(&last).await?;
        }
        Ok(())
    }

    /// Returns when this very key, not one made later in its place, is gone.
    async fn gone(&self, key: &PbKeyValue) -> Result<(), Refusal> {
        let get = PbRangeRequest {
            key: key.key.clone(),
            keys_only: true,
            ..Default::default()
        };
        loop {
            let (found, revision) = self
                .group
                .look(|store| (store.range(&get), store.revision()));
            let is_there = |kv: &PbKeyValue| kv.create_revision == key.create_revision;
            if !found?.kvs.iter().any(is_there) {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = self.shutdown.requested() => return Err(Refusal::Stopped),
                () = self.group.beyond(revision) => {}
            }
        }
    }

    /// Who is first in the queue, at this member's present state, and the revision of that state.
    pub(super) fn first(&self, name: &[u8]) -> Result<(Option<PbKeyValue>, i64), Refusal> {
        let prefix = prefix(name);
        let first = PbRangeRequest {
            range_end: prefix_end(&prefix),
            key: prefix,
            limit: 1,
            sort_order: ASCEND,
            sort_target: BY_CREATION,
            ..Default::default()
        };
        let (found, revision) = self
            .group
            .look(|store| (store.range(&first), store.revision()));
        Ok((found?.kvs.pop(), revision))
    }

    /// A transaction: if `key` was created at `created` (0: is not there), then this, else that.
    pub(super) async fn if_created(
        &self,
        key: &[u8],
        created: i64,
        then: PbTxnOpRequest,
        or_else: Option<PbTxnOpRequest>,
    ) -> Result<PbTxnResponse, Status> {
        let op = |request| PbTxnRequestOp {
            request: Some(request),
        };
        let request = PbTxnRequest {
            compare: vec![PbCompare {
                result: 0, // equal
                target: 1, // create revision
                key: key.to_vec(),
                target_union: Some(PbTargetUnion::CreateRevision(created)),
                ..Default::default()
            }],
            success: vec![op(then)],
            failure: or_else.map(op).into_iter().collect(),
        };
        Ok(propose!(self, Txn, request))
    }

    /// Gives a place up.
    pub(super) async fn leave(&self, place: &Place) -> Result<Option<PbResponseHeader>, Status> {
        let delete = PbDeleteRequest {
            key: place.key.clone(),
            ..Default::default()
        };
        let delete = PbTxnOpRequest::RequestDeleteRange(delete);
        let txn = self.if_created(&place.key, place.created, delete, None);
        Ok(txn.await?.header)
    }
}

/// Gives a place up when it is dropped before [`Waiting::done`]: the client went away, its deadline is over,
/// or waiting failed.
pub(super) struct Waiting {
    node: Node,
    place: Option<Place>,
}

impl Waiting {
    pub(super) fn new(node: &Node, place: &Place) -> Self {
        Self {
            node: node.clone(),
            place: Some(place.clone()),
        }
    }

    pub(super) fn done(mut self) {
        self.place = None;
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            let node = self.node.clone();
            // If this fails, the lease ends it. A proposal has a deadline.
            tokio::spawn(async move { drop(node.leave(&place).await) });
        }
    }
}

/// The key-value of the first operation's answer, which is a range.
pub(super) fn first_kv(txn: &PbTxnResponse) -> Option<PbKeyValue> {
    match txn.responses.first()?.response.as_ref()? {
        PbTxnOpResponse::ResponseRange(range) => range.kvs.first().cloned(),
        _ => None,
    }
}

fn prefix(name: &[u8]) -> Vec<u8> {
    [name, b"/"].concat()
}

/// The first key after all that begin so; a prefix from [`prefix`] ends with `/`.
fn prefix_end(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}
