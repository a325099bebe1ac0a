//! `Lease`: granted and revoked through the log; the leader knows how long each has.

use etcd_client::proto::{
    PbLeaseGrantRequest, PbLeaseGrantResponse, PbLeaseKeepAliveRequest, PbLeaseKeepAliveResponse,
    PbLeaseLeasesRequest, PbLeaseLeasesResponse, PbLeaseRevokeRequest, PbLeaseRevokeResponse,
    PbLeaseService, PbLeaseStatus, PbLeaseTimeToLiveRequest, PbLeaseTimeToLiveResponse,
};
use futures::stream::unfold;
use tonic::{Request, Response, Status, Streaming};

use super::kv::propose;
use super::{Answers, Node, guard};
use crate::command::{Action, Reply};
use crate::lessor::ttl_min_s;
use crate::refusal::Refusal;

impl Node {
    /// Grants a lease; without a number it gets one that nobody has.
    pub(super) async fn grant(
        &self,
        mut request: PbLeaseGrantRequest,
    ) -> Result<PbLeaseGrantResponse, Status> {
        while request.id == 0 {
            let random = getrandom::u64().map_err(|error| {
                Status::internal(format!("no entropy for a lease's number: {error}"))
            })?;
            request.id = (random >> 1) as i64;
        }
        request.ttl = request.ttl.max(ttl_min_s(self.election_timeout));
        Ok(propose!(self, LeaseGrant, request))
    }

    /// The TTL that a lease has again, 0 if there is none.
    async fn keep_alive(
        &self,
        request: PbLeaseKeepAliveRequest,
    ) -> Result<PbLeaseKeepAliveResponse, Status> {
        // Before it is renewed: the revision is not to be later than the renewal.
        let header = self.header_now();
        let ttl = match self.group.renew(request.id).await {
            Err(Refusal::LeaseNotFound) => 0,
            renewed => renewed?,
        };
        Ok(PbLeaseKeepAliveResponse {
            header,
            id: request.id,
            ttl,
        })
    }
}

#[tonic::async_trait]
impl PbLeaseService for Node {
    async fn lease_grant(
        &self,
        request: Request<PbLeaseGrantRequest>,
    ) -> Result<Response<PbLeaseGrantResponse>, Status> {
        Ok(Response::new(self.grant(request.into_inner()).await?))
    }

    async fn lease_revoke(
        &self,
        request: Request<PbLeaseRevokeRequest>,
    ) -> Result<Response<PbLeaseRevokeResponse>, Status> {
        let request = request.into_inner();
        Ok(Response::new(propose!(self, LeaseRevoke, request)))
    }

    type LeaseKeepAliveStream = Answers<PbLeaseKeepAliveResponse>;

    async fn lease_keep_alive(
        &self,
        request: Request<Streaming<PbLeaseKeepAliveRequest>>,
    ) -> Result<Response<Self::LeaseKeepAliveStream>, Status> {
        let (metadata, _, requests) = request.into_parts();
        let state = Some((self.clone(), requests));
        let answers = unfold(state, async |state| {
            let (node, mut requests) = state?;
            let request = requests.message().await.ok()??;
            let answer = node.keep_alive(request).await;
            let next = answer.is_ok().then_some((node, requests));
            Some((answer, next))
        });
        Ok(Response::new(guard::stream(
            self,
            &metadata,
            Box::pin(answers),
        )))
    }

    async fn lease_time_to_live(
        &self,
        request: Request<PbLeaseTimeToLiveRequest>,
    ) -> Result<Response<PbLeaseTimeToLiveResponse>, Status> {
        let request = request.into_inner();
        let time = match self.group.lease_time(request.id).await {
            Err(Refusal::LeaseNotFound) => None,
            time => time?,
        };
        let mut response = PbLeaseTimeToLiveResponse {
            header: self.header_now(),
            id: request.id,
            ttl: -1,
            ..Default::default()
        };
        if let Some(time) = time {
            response.ttl = time.left_s;
            response.granted_ttl = time.granted_s;
            if request.keys {
                self.group.catch_up().await?;
                response.keys = self.group.look(|store| {
                    let lease = store.lease(request.id);
                    lease.map_or_else(Vec::new, |lease| lease.keys.iter().cloned().collect())
                });
            }
        }
        Ok(Response::new(response))
    }

    async fn lease_leases(
        &self,
        _: Request<PbLeaseLeasesRequest>,
    ) -> Result<Response<PbLeaseLeasesResponse>, Status> {
        let leases = self.group.look(|store| {
            let leases = store.leases();
            leases.map(|(id, _)| PbLeaseStatus { id }).collect()
        });
        Ok(Response::new(PbLeaseLeasesResponse {
            header: self.header_now(),
            leases,
        }))
    }
}
