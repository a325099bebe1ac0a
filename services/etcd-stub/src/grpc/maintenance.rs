//! `Maintenance`: how this member is, and its whole store as a stream.

use etcd_client::proto::{
    PbAlarmRequest, PbAlarmResponse, PbDefragmentRequest, PbDefragmentResponse, PbDowngradeRequest,
    PbDowngradeResponse, PbHashKvRequest, PbHashKvResponse, PbHashRequest, PbHashResponse,
    PbMaintenanceService, PbMoveLeaderRequest, PbMoveLeaderResponse, PbSnapshotRequest,
    PbSnapshotResponse, PbStatusRequest, PbStatusResponse,
};
use futures::stream::iter;
use sha2::{Digest, Sha256};
use tonic::{Request, Response, Status};

use super::{Answers, Node, VERSION, guard};
use crate::refusal::Refusal;
use crate::snapshot;

/// `AlarmRequest.AlarmAction.GET`.
const ALARM_GET: i32 = 0;
/// What a message of a snapshot has (etcd: `snapshotSendBufferSize`).
const BLOB_BYTES: usize = 32 * 1_024;

#[tonic::async_trait]
impl PbMaintenanceService for Node {
    /// There is no quota and no check for corruption, so nothing to be alarmed of.
    async fn alarm(
        &self,
        request: Request<PbAlarmRequest>,
    ) -> Result<Response<PbAlarmResponse>, Status> {
        if request.into_inner().action != ALARM_GET {
            return Err(Status::unimplemented("etcd-stub has no alarms to set"));
        }
        Ok(Response::new(PbAlarmResponse {
            header: self.header_now(),
            alarms: Vec::new(),
        }))
    }

    async fn status(
        &self,
        _: Request<PbStatusRequest>,
    ) -> Result<Response<PbStatusResponse>, Status> {
        let standing = self.group.standing();
        let size = self.group.look(|store| store.size_bytes()) as i64;
        Ok(Response::new(PbStatusResponse {
            header: self.header_now(),
            version: VERSION.to_owned(),
            db_size: size,
            db_size_in_use: size,
            leader: standing.leader.unwrap_or(0),
            raft_index: standing.committed,
            raft_applied_index: standing.applied,
            raft_term: standing.term,
            errors: match standing.leader {
                Some(_) => Vec::new(),
                None => vec![Refusal::NoLeader.to_string()],
            },
            is_learner: standing.is_learner,
            ..Default::default()
        }))
    }

    /// There is no file that could have gaps.
    async fn defragment(
        &self,
        _: Request<PbDefragmentRequest>,
    ) -> Result<Response<PbDefragmentResponse>, Status> {
        Ok(Response::new(PbDefragmentResponse { header: None })) // as etcd
    }

    async fn hash(&self, _: Request<PbHashRequest>) -> Result<Response<PbHashResponse>, Status> {
        let (hash, revision) = self.group.look(|store| (store.hash(), store.revision()));
        Ok(Response::new(PbHashResponse {
            header: self.header(revision),
            hash,
        }))
    }

    async fn hash_kv(
        &self,
        request: Request<PbHashKvRequest>,
    ) -> Result<Response<PbHashKvResponse>, Status> {
        let wanted = request.into_inner().revision;
        let (found, revision) = self
            .group
            .look(|store| (store.hash_kv(wanted), store.revision()));
        let (hash, compact_revision) = found?;
        Ok(Response::new(PbHashKvResponse {
            header: self.header(revision),
            hash,
            compact_revision,
            ..Default::default()
        }))
    }

    type SnapshotStream = Answers<PbSnapshotResponse>;

    async fn snapshot(
        &self,
        request: Request<PbSnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        let file = self.group.look(snapshot::file);
        let digest = Sha256::digest(&file).to_vec();
        let ends = (0..file.len()).step_by(BLOB_BYTES).collect::<Vec<_>>();
        let blobs = ends.into_iter().map(move |start| {
            let end = file.len().min(start + BLOB_BYTES);
            Ok(PbSnapshotResponse {
                remaining_bytes: (file.len() - end) as u64,
                blob: file[start..end].to_vec(),
                ..Default::default()
            })
        });
        // What etcdctl takes off the end again, and checks.
        let last = Ok(PbSnapshotResponse {
            blob: digest,
            ..Default::default()
        });
        let answers = Box::pin(iter(blobs.chain([last])));
        Ok(Response::new(guard::stream(
            self,
            request.metadata(),
            answers,
        )))
    }

    async fn move_leader(
        &self,
        request: Request<PbMoveLeaderRequest>,
    ) -> Result<Response<PbMoveLeaderResponse>, Status> {
        let standing = self.group.standing();
        if standing.leader != Some(standing.member_id) {
            return Err(Refusal::NotLeader.into());
        }
        self.group
            .move_leader(request.into_inner().target_id)
            .await?;
        Ok(Response::new(PbMoveLeaderResponse { header: None })) // as etcd
    }

    /// Of etcd 3.6; the version that we play does not have it.
    async fn downgrade(
        &self,
        _: Request<PbDowngradeRequest>,
    ) -> Result<Response<PbDowngradeResponse>, Status> {
        Err(Status::unimplemented(
            "unknown method Downgrade for service etcdserverpb.Maintenance",
        ))
    }
}
