//! `Lock` (etcd: `api/v3lock/lock.go`, `client/v3/concurrency/mutex.go`).

use etcd_client::proto::{PbDeleteRequest, PbRangeRequest};
use tonic::{Request, Response, Status};

use super::Node;
use super::concurrency::Waiting;
use super::kv::propose;
use super::lockpb::lock_server::Lock;
use super::lockpb::{LockRequest, LockResponse, UnlockRequest, UnlockResponse};
use crate::command::{Action, Reply};

#[tonic::async_trait]
impl Lock for Node {
    async fn lock(&self, request: Request<LockRequest>) -> Result<Response<LockResponse>, Status> {
        let LockRequest { name, lease } = request.into_inner();
        let lease = self.session(lease).await?;
        let (place, _, _) = self.enqueue(&name, lease, Vec::new()).await?;
        let waiting = Waiting::new(self, &place);
        self.turn(&name, &place).await?;
        // The lease may have run out while we waited.
        self.group.catch_up().await?;
        let get = PbRangeRequest {
            key: place.key.clone(),
            ..Default::default()
        };
        let (found, revision) = self
            .group
            .look(|store| (store.range(&get), store.revision()));
        if found?.kvs.is_empty() {
            return Err(Status::unknown("mutex: session is expired"));
        }
        waiting.done();
        Ok(Response::new(LockResponse {
            header: self.header(revision),
            key: place.key,
        }))
    }

    async fn unlock(
        &self,
        request: Request<UnlockRequest>,
    ) -> Result<Response<UnlockResponse>, Status> {
        let UnlockRequest { key } = request.into_inner();
        let delete = PbDeleteRequest {
            key,
            ..Default::default()
        };
        let header = propose!(self, DeleteRange, delete).header;
        Ok(Response::new(UnlockResponse { header }))
    }
}
