//! `KV`: reads at this member, changes through the log.

use etcd_client::proto::{
    PbCompactionRequest, PbCompactionResponse, PbDeleteRequest, PbDeleteResponse, PbKvService,
    PbPutRequest, PbPutResponse, PbRangeRequest, PbRangeResponse, PbRangeStreamResponse,
    PbTxnRequest, PbTxnResponse,
};
use tonic::{Request, Response, Status};

use super::{Answers, Node};
use crate::command::{Action, Reply};
use crate::consensus::Done;
use crate::refusal::Refusal;
use crate::store;

/// Puts an action into the log, if it can be done at all, and takes the reply that belongs to it.
macro_rules! propose {
    ($node:expr, $kind:ident, $request:expr) => {{
        let done = $node.propose(Action::$kind($request)).await?;
        let Reply::$kind(mut reply) = done.reply else {
            panic!("the reply to another action: {:?}", done.reply);
        };
        reply.header = $node.header(done.revision);
        reply
    }};
}
pub(super) use propose;

impl Node {
    /// Puts an action into the log, if it can be done at all.
    pub(super) async fn propose(&self, action: Action) -> Result<Done, Refusal> {
        store::check(&action)?;
        self.group.propose(action).await
    }

    /// Returns when this member may answer a read.
    async fn ready_to_read(&self, is_serializable: bool) -> Result<(), Refusal> {
        if is_serializable {
            return Ok(());
        }
        self.group.catch_up().await
    }
}

#[tonic::async_trait]
impl PbKvService for Node {
    async fn range(
        &self,
        request: Request<PbRangeRequest>,
    ) -> Result<Response<PbRangeResponse>, Status> {
        let request = request.into_inner();
        store::check_range(&request)?;
        if self.group.standing().is_learner && !request.serializable {
            return Err(Refusal::NotSupportedForLearner.into());
        }
        self.ready_to_read(request.serializable).await?;
        let (range, revision) = self
            .group
            .look(|store| (store.range(&request), store.revision()));
        let mut range = range?;
        range.header = self.header(revision);
        Ok(Response::new(range))
    }

    type RangeStreamStream = Answers<PbRangeStreamResponse>;

    /// Of etcd 3.7; the version that we play does not have it.
    async fn range_stream(
        &self,
        _: Request<PbRangeRequest>,
    ) -> Result<Response<Self::RangeStreamStream>, Status> {
        Err(Status::unimplemented(
            "unknown method RangeStream for service etcdserverpb.KV",
        ))
    }

    async fn put(&self, request: Request<PbPutRequest>) -> Result<Response<PbPutResponse>, Status> {
        let request = request.into_inner();
        Ok(Response::new(propose!(self, Put, request)))
    }

    async fn delete_range(
        &self,
        request: Request<PbDeleteRequest>,
    ) -> Result<Response<PbDeleteResponse>, Status> {
        let request = request.into_inner();
        Ok(Response::new(propose!(self, DeleteRange, request)))
    }

    async fn txn(&self, request: Request<PbTxnRequest>) -> Result<Response<PbTxnResponse>, Status> {
        let request = request.into_inner();
        store::check_txn(&request)?;
        if store::is_read_only(&request) {
            let is_serializable = store::is_serializable(&request);
            self.ready_to_read(is_serializable).await?;
            let (txn, revision) = self
                .group
                .look(|store| (store.read_txn(&request), store.revision()));
            let mut txn = txn?;
            txn.header = self.header(revision);
            return Ok(Response::new(txn));
        }
        Ok(Response::new(propose!(self, Txn, request)))
    }

    async fn compact(
        &self,
        request: Request<PbCompactionRequest>,
    ) -> Result<Response<PbCompactionResponse>, Status> {
        let request = request.into_inner();
        Ok(Response::new(propose!(self, Compact, request)))
    }
}
