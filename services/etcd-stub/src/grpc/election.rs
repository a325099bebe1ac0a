//! `Election` (etcd: `api/v3election/election.go`, `client/v3/concurrency/election.go`).

use std::collections::VecDeque;

use etcd_client::proto::{PbKeyValue, PbPutRequest, PbTxnOpRequest};
use futures::stream::unfold;
use tonic::{Request, Response, Status};

use super::concurrency::{Place, Waiting};
use super::electionpb::election_server::Election;
use super::electionpb::{
    CampaignRequest, CampaignResponse, LeaderKey, LeaderRequest, LeaderResponse, ProclaimRequest,
    ProclaimResponse, ResignRequest, ResignResponse,
};
use super::{Answers, Node, guard};
use crate::refusal::Refusal;

/// The event type of a deletion.
const DELETE: i32 = 1;
/// What an observer takes at once of a long past.
const BATCH_BYTES: usize = 64 * 1_024;

#[tonic::async_trait]
impl Election for Node {
    async fn campaign(
        &self,
        request: Request<CampaignRequest>,
    ) -> Result<Response<CampaignResponse>, Status> {
        let CampaignRequest { name, lease, value } = request.into_inner();
        let lease = self.session(lease).await?;
        let (place, old, header) = self.enqueue(&name, lease, value.clone()).await?;
        let waiting = Waiting::new(self, &place);
        if old.is_some_and(|old| old.value != value) {
            self.proclaim_at(&place, value).await?;
        }
        self.turn(&name, &place).await?;
        waiting.done();
        Ok(Response::new(CampaignResponse {
            header,
            leader: Some(LeaderKey {
                name,
                key: place.key,
                rev: place.created,
                lease,
            }),
        }))
    }

    async fn proclaim(
        &self,
        request: Request<ProclaimRequest>,
    ) -> Result<Response<ProclaimResponse>, Status> {
        let ProclaimRequest { leader, value } = request.into_inner();
        let header = self.proclaim_at(&place_of(leader)?, value).await?;
        Ok(Response::new(ProclaimResponse { header }))
    }

    async fn leader(
        &self,
        request: Request<LeaderRequest>,
    ) -> Result<Response<LeaderResponse>, Status> {
        self.group.catch_up().await?;
        match self.first(&request.into_inner().name)? {
            (Some(kv), revision) => Ok(Response::new(LeaderResponse {
                header: self.header(revision),
                kv: Some(kv),
            })),
            (None, _) => Err(Status::unknown("election: no leader")),
        }
    }

    type ObserveStream = Answers<LeaderResponse>;

    async fn observe(
        &self,
        request: Request<LeaderRequest>,
    ) -> Result<Response<Self::ObserveStream>, Status> {
        let (metadata, _, LeaderRequest { name }) = request.into_parts();
        self.group.catch_up().await?;
        let observer = Observer {
            node: self.clone(),
            name,
            leader: None,
            seen: VecDeque::new(),
        };
        let answers = unfold(Some(observer), async |observer| {
            let mut observer = observer?;
            match observer.next().await {
                Ok(answer) => Some((Ok(answer), Some(observer))),
                Err(refusal) => Some((Err(refusal.status()), None)),
            }
        });
        Ok(Response::new(guard::stream(
            self,
            &metadata,
            Box::pin(answers),
        )))
    }

    async fn resign(
        &self,
        request: Request<ResignRequest>,
    ) -> Result<Response<ResignResponse>, Status> {
        let header = self.leave(&place_of(request.into_inner().leader)?).await?;
        Ok(Response::new(ResignResponse { header }))
    }
}

impl Node {
    async fn proclaim_at(
        &self,
        place: &Place,
        value: Vec<u8>,
    ) -> Result<Option<etcd_client::proto::PbResponseHeader>, Status> {
        let put = PbTxnOpRequest::RequestPut(PbPutRequest {
            key: place.key.clone(),
            value,
            lease: place.lease,
            ..Default::default()
        });
        let txn = self.if_created(&place.key, place.created, put, None);
        let txn = txn.await?;
        if !txn.succeeded {
            return Err(Status::unknown("election: not leader"));
        }
        Ok(txn.header)
    }
}

fn place_of(leader: Option<LeaderKey>) -> Result<Place, Status> {
    let leader = leader.ok_or_else(|| Status::unknown("\"leader\" field must be provided"))?;
    Ok(Place {
        key: leader.key,
        created: leader.rev,
        lease: leader.lease,
    })
}

/// Tells who leads, and every value that the leader proclaims.
struct Observer {
    node: Node,
    name: Vec<u8>,
    /// Its key, and the first revision of it that has not been looked at.
    leader: Option<(Vec<u8>, i64)>,
    seen: VecDeque<PbKeyValue>,
}

impl Observer {
    async fn next(&mut self) -> Result<LeaderResponse, Refusal> {
        loop {
            if let Some(kv) = self.seen.pop_front() {
                return Ok(LeaderResponse {
                    header: self.node.header(kv.mod_revision),
                    kv: Some(kv),
                });
            }
            let revision = match &mut self.leader {
                None => {
                    let (first, revision) = self.node.first(&self.name)?;
                    if let Some(kv) = first {
                        self.leader = Some((kv.key.clone(), revision + 1));
                        self.seen.push_back(kv);
                        continue;
                    }
                    revision
                }
                Some((key, next)) => {
                    let events = self.node.group.look(|store| match *next {
                        next if next > store.revision() => Ok((Vec::new(), next - 1)),
                        next => store.events(next, key, &[], false, BATCH_BYTES),
                    });
                    let (events, seen) = match events {
                        // What was proclaimed meanwhile is gone; who leads now is not.
                        Err(Refusal::Compacted) => {
                            self.leader = None;
                            continue;
                        }
                        events => events?,
                    };
                    let is_news = !events.is_empty();
                    *next = seen + 1;
                    for event in events {
                        if event.r#type == DELETE {
                            self.leader = None;
                            break;
                        }
                        self.seen.extend(event.kv);
                    }
                    if is_news {
                        continue;
                    }
                    seen
                }
            };
            self.node.group.beyond(revision).await;
        }
    }
}
