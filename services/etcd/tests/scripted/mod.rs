//! An etcd in memory that fails as it is told to: before or after the effect, late, or not at all. Several
//! members share one state, as if consensus took no time. Knows what the counter needs of etcd and no more.

#![allow(dead_code, clippy::unwrap_used)] // each test uses a part of it

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use etcd_client::proto::*;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::service::TowerToHyperService;
use squall_host::Host;
use tokio::sync::Semaphore;
use tokio::task::{AbortHandle, JoinSet};
use tonic::service::Routes;
use tonic::{Request, Response, Status};

/// What goes wrong with a call.
#[derive(Clone, Debug)]
pub(crate) enum Fault {
    None,
    /// Answered with this, and not done.
    Before(Status),
    /// Done, and answered with this.
    After(Status),
    /// Done when there is a permit for it.
    Gate(Arc<Semaphore>),
    /// Done, and its answer waits for a permit.
    GateAfter(Arc<Semaphore>),
    /// Neither done nor answered.
    Silent,
}

/// A call that has come.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) member: usize,
    pub(crate) what: &'static str,
    /// The how many-eth of its kind, from 1.
    pub(crate) nth: usize,
    /// Whether it puts the counter's key.
    pub(crate) counts: bool,
}

type Script = Box<dyn FnMut(&Call) -> Fault + Send>;

/// The group.
#[derive(Clone)]
pub(crate) struct Scripted(Arc<Shared>);

struct Shared {
    data: Mutex<Data>,
    script: Mutex<Script>,
}

#[derive(Default)]
pub(crate) struct Data {
    pub(crate) revision: i64,
    pub(crate) keys: BTreeMap<Vec<u8>, PbKeyValue>,
    pub(crate) leases: BTreeMap<i64, i64>,
    pub(crate) seen: BTreeMap<&'static str, usize>,
    /// Of each transaction that would put the counter's key, whether its compares held.
    pub(crate) counted: Vec<bool>,
    events: Vec<(i64, PbEvent)>,
}

#[derive(Clone)]
struct Member {
    shared: Arc<Shared>,
    at: usize,
}

impl Scripted {
    pub(crate) fn new(script: impl FnMut(&Call) -> Fault + Send + 'static) -> Self {
        Self(Arc::new(Shared {
            data: Mutex::new(Data {
                revision: 1,
                ..Data::default()
            }),
            script: Mutex::new(Box::new(script)),
        }))
    }

    /// From now on it fails like this.
    pub(crate) fn script(&self, script: impl FnMut(&Call) -> Fault + Send + 'static) {
        *self.0.script.lock().unwrap() = Box::new(script);
    }

    pub(crate) fn data<T>(&self, look: impl FnOnce(&mut Data) -> T) -> T {
        look(&mut self.0.data.lock().unwrap())
    }

    pub(crate) fn value(&self, key: &str) -> Option<String> {
        self.data(|data| {
            let key = data.keys.get(key.as_bytes())?;
            Some(String::from_utf8(key.value.clone()).unwrap())
        })
    }

    /// How many calls of a kind have come.
    pub(crate) fn seen(&self, what: &str) -> usize {
        self.data(|data| data.seen.get(what).copied().unwrap_or(0))
    }

    /// A member on a port of its own; all its connections end with the handle.
    pub(crate) async fn member(&self, host: &Host, at: usize) -> (SocketAddr, AbortHandle) {
        let any = "127.0.0.1:0".parse().unwrap();
        let listener = host.net.listen(any).unwrap();
        let address = listener.local_addr().unwrap();
        (address, self.serve(listener, at))
    }

    /// A member that listens there.
    pub(crate) fn serve(
        &self,
        mut listener: squall_host::net::TcpListener,
        at: usize,
    ) -> AbortHandle {
        let shared = self.0.clone();
        let member = Member { shared, at };
        let routes = Routes::new(PbKvServer::new(member.clone()))
            .add_service(PbLeaseServer::new(member.clone()))
            .add_service(PbWatchServer::new(member.clone()))
            .add_service(PbClusterServer::new(member));
        let app = routes.prepare().into_axum_router();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let service = TowerToHyperService::new(app.clone());
                connections.spawn(
                    hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        task.abort_handle()
    }
}

impl Member {
    async fn play<T>(
        &self,
        what: &'static str,
        counts: bool,
        effect: impl FnOnce(&mut Data) -> Result<T, Status>,
    ) -> Result<Response<T>, Status> {
        let nth = {
            let mut data = self.shared.data.lock().unwrap();
            let seen = data.seen.entry(what).or_default();
            *seen += 1;
            *seen
        };
        let call = Call {
            member: self.at,
            what,
            nth,
            counts,
        };
        let fault = (self.shared.script.lock().unwrap())(&call);
        match &fault {
            Fault::Before(status) => return Err(status.clone()),
            Fault::Silent => std::future::pending().await,
            Fault::Gate(gate) => gate.acquire().await.unwrap().forget(),
            Fault::None | Fault::After(_) | Fault::GateAfter(_) => {}
        }
        let done = effect(&mut self.shared.data.lock().unwrap());
        match fault {
            Fault::After(status) => Err(status),
            Fault::GateAfter(gate) => {
                gate.acquire().await.unwrap().forget();
                done.map(Response::new)
            }
            _ => done.map(Response::new),
        }
    }
}

impl Data {
    fn header(&self) -> Option<PbResponseHeader> {
        Some(PbResponseHeader {
            revision: self.revision,
            ..Default::default()
        })
    }

    fn selected(&self, key: &[u8], end: &[u8]) -> Vec<PbKeyValue> {
        let is_in = |k: &[u8]| match end {
            [] => k == key,
            [0] => k >= key,
            end => k >= key && k < end,
        };
        let selected = self.keys.values().filter(|kv| is_in(&kv.key));
        selected.cloned().collect()
    }

    fn range(&self, request: &PbRangeRequest) -> PbRangeResponse {
        let mut kvs = self.selected(&request.key, &request.range_end);
        if request.max_create_revision > 0 {
            kvs.retain(|kv| kv.create_revision <= request.max_create_revision);
            kvs.sort_by_key(|kv| -kv.create_revision); // the only order that is asked for
        }
        let count = kvs.len() as i64;
        if request.limit > 0 {
            kvs.truncate(request.limit as usize);
        }
        PbRangeResponse {
            header: self.header(),
            count,
            kvs,
            ..Default::default()
        }
    }

    pub(crate) fn put(&mut self, key: &[u8], value: &[u8], lease: i64, at: i64) {
        let old = self.keys.get(key);
        let kv = PbKeyValue {
            key: key.to_vec(),
            value: value.to_vec(),
            create_revision: old.map_or(at, |old| old.create_revision),
            mod_revision: at,
            version: old.map_or(1, |old| old.version + 1),
            lease,
        };
        self.keys.insert(key.to_vec(), kv.clone());
        let mut event = PbEvent {
            kv: Some(kv),
            ..Default::default()
        };
        event.set_type(etcd_client::EventType::Put);
        self.events.push((at, event));
    }

    pub(crate) fn delete(&mut self, key: &[u8], end: &[u8], at: i64) -> i64 {
        let gone = self.selected(key, end);
        for kv in &gone {
            self.keys.remove(&kv.key);
            let mut event = PbEvent {
                kv: Some(PbKeyValue {
                    key: kv.key.clone(),
                    mod_revision: at,
                    ..Default::default()
                }),
                ..Default::default()
            };
            event.set_type(etcd_client::EventType::Delete);
            self.events.push((at, event));
        }
        gone.len() as i64
    }

    /// A lease ends, and its keys with it.
    pub(crate) fn revoke(&mut self, lease: i64) -> bool {
        let was = self.leases.remove(&lease).is_some();
        let keys = self.keys.values().filter(|kv| kv.lease == lease);
        let keys: Vec<_> = keys.map(|kv| kv.key.clone()).collect();
        if !keys.is_empty() {
            self.revision += 1;
        }
        for key in keys {
            self.delete(&key, &[], self.revision);
        }
        was
    }

    fn holds(&self, compare: &PbCompare) -> bool {
        let key = self.keys.get(&compare.key);
        let (left, right) = match &compare.target_union {
            Some(PbTargetUnion::ModRevision(right)) => (key.map_or(0, |k| k.mod_revision), right),
            Some(PbTargetUnion::CreateRevision(right)) => {
                (key.map_or(0, |k| k.create_revision), right)
            }
            other => panic!("not played: {other:?}"),
        };
        assert_eq!(compare.result, etcd_client::CompareOp::Equal as i32);
        left == *right
    }

    fn txn(&mut self, request: PbTxnRequest) -> Result<PbTxnResponse, Status> {
        let succeeded = request.compare.iter().all(|compare| self.holds(compare));
        if counts(&request) {
            self.counted.push(succeeded);
        }
        let ops = if succeeded {
            request.success
        } else {
            request.failure
        };
        let ops: Vec<_> = ops.into_iter().filter_map(|op| op.request).collect();
        let writes = ops
            .iter()
            .any(|op| !matches!(op, PbTxnOpRequest::RequestRange(_)));
        let at = self.revision + i64::from(writes);
        let mut responses = Vec::new();
        for op in &ops {
            if let PbTxnOpRequest::RequestPut(put) = op
                && put.lease != 0
                && !self.leases.contains_key(&put.lease)
            {
                return Err(lease_not_found());
            }
        }
        for op in ops {
            let response = match op {
                PbTxnOpRequest::RequestRange(range) => {
                    PbTxnOpResponse::ResponseRange(self.range(&range))
                }
                PbTxnOpRequest::RequestPut(put) => {
                    self.put(&put.key, &put.value, put.lease, at);
                    PbTxnOpResponse::ResponsePut(PbPutResponse::default())
                }
                PbTxnOpRequest::RequestDeleteRange(delete) => {
                    let deleted = self.delete(&delete.key, &delete.range_end, at);
                    PbTxnOpResponse::ResponseDeleteRange(PbDeleteResponse {
                        deleted,
                        ..Default::default()
                    })
                }
                other => panic!("not played: {other:?}"),
            };
            responses.push(PbResponseOp {
                response: Some(response),
            });
        }
        self.revision = at;
        Ok(PbTxnResponse {
            header: self.header(),
            succeeded,
            responses,
        })
    }
}

fn counts(request: &PbTxnRequest) -> bool {
    let mut ops = request.success.iter();
    ops.any(|op| matches!(&op.request, Some(PbTxnOpRequest::RequestPut(put)) if put.key == b"key"))
}

pub(crate) fn lease_not_found() -> Status {
    Status::not_found("etcdserver: requested lease not found")
}

pub(crate) fn timed_out() -> Status {
    Status::unavailable("etcdserver: request timed out")
}

pub(crate) fn no_leader() -> Status {
    Status::unavailable("etcdserver: no leader")
}

#[tonic::async_trait]
impl PbKvService for Member {
    type RangeStreamStream = BoxStream<'static, Result<PbRangeStreamResponse, Status>>;

    async fn range(
        &self,
        request: Request<PbRangeRequest>,
    ) -> Result<Response<PbRangeResponse>, Status> {
        let request = request.into_inner();
        let what = if request.key == b"key" {
            "read"
        } else {
            "range"
        };
        self.play(what, false, |data| Ok(data.range(&request)))
            .await
    }

    async fn range_stream(
        &self,
        _: Request<PbRangeRequest>,
    ) -> Result<Response<Self::RangeStreamStream>, Status> {
        Err(Status::unimplemented("not played"))
    }

    async fn put(&self, request: Request<PbPutRequest>) -> Result<Response<PbPutResponse>, Status> {
        let put = request.into_inner();
        let effect = |data: &mut Data| {
            data.revision += 1;
            data.put(&put.key, &put.value, put.lease, data.revision);
            Ok(PbPutResponse {
                header: data.header(),
                ..Default::default()
            })
        };
        self.play("put", put.key == b"key", effect).await
    }

    async fn delete_range(
        &self,
        request: Request<PbDeleteRequest>,
    ) -> Result<Response<PbDeleteResponse>, Status> {
        let delete = request.into_inner();
        let effect = |data: &mut Data| {
            let at = data.revision + 1;
            let deleted = data.delete(&delete.key, &delete.range_end, at);
            data.revision += i64::from(deleted > 0);
            Ok(PbDeleteResponse {
                header: data.header(),
                deleted,
                ..Default::default()
            })
        };
        self.play("delete", false, effect).await
    }

    async fn txn(&self, request: Request<PbTxnRequest>) -> Result<Response<PbTxnResponse>, Status> {
        let request = request.into_inner();
        let counts = counts(&request);
        self.play("txn", counts, |data| data.txn(request)).await
    }

    async fn compact(
        &self,
        _: Request<PbCompactionRequest>,
    ) -> Result<Response<PbCompactionResponse>, Status> {
        Err(Status::unimplemented("not played"))
    }
}

#[tonic::async_trait]
impl PbLeaseService for Member {
    type LeaseKeepAliveStream = BoxStream<'static, Result<PbLeaseKeepAliveResponse, Status>>;

    async fn lease_grant(
        &self,
        request: Request<PbLeaseGrantRequest>,
    ) -> Result<Response<PbLeaseGrantResponse>, Status> {
        let ttl = request.into_inner().ttl;
        let effect = |data: &mut Data| {
            let id = 1_000 + data.seen["grant"] as i64;
            data.leases.insert(id, ttl);
            Ok(PbLeaseGrantResponse {
                header: data.header(),
                id,
                ttl,
                ..Default::default()
            })
        };
        self.play("grant", false, effect).await
    }

    async fn lease_revoke(
        &self,
        request: Request<PbLeaseRevokeRequest>,
    ) -> Result<Response<PbLeaseRevokeResponse>, Status> {
        let id = request.into_inner().id;
        let effect = |data: &mut Data| match data.revoke(id) {
            true => Ok(PbLeaseRevokeResponse::default()),
            false => Err(lease_not_found()),
        };
        self.play("revoke", false, effect).await
    }

    async fn lease_keep_alive(
        &self,
        request: Request<tonic::Streaming<PbLeaseKeepAliveRequest>>,
    ) -> Result<Response<Self::LeaseKeepAliveStream>, Status> {
        let member = self.clone();
        let answers = request.into_inner().then(move |request| {
            let member = member.clone();
            async move {
                let id = request?.id;
                let effect = |data: &mut Data| {
                    Ok(PbLeaseKeepAliveResponse {
                        header: data.header(),
                        id,
                        ttl: data.leases.get(&id).copied().unwrap_or(0),
                    })
                };
                let answer = member.play("keep", false, effect).await?;
                Ok(answer.into_inner())
            }
        });
        Ok(Response::new(answers.boxed()))
    }

    async fn lease_time_to_live(
        &self,
        _: Request<PbLeaseTimeToLiveRequest>,
    ) -> Result<Response<PbLeaseTimeToLiveResponse>, Status> {
        Err(Status::unimplemented("not played"))
    }

    async fn lease_leases(
        &self,
        _: Request<PbLeaseLeasesRequest>,
    ) -> Result<Response<PbLeaseLeasesResponse>, Status> {
        Err(Status::unimplemented("not played"))
    }
}

#[tonic::async_trait]
impl PbWatchService for Member {
    type WatchStream = BoxStream<'static, Result<PbWatchResponse, Status>>;

    async fn watch(
        &self,
        request: Request<tonic::Streaming<PbWatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let mut requests = request.into_inner();
        let first = requests.message().await?.and_then(|r| r.request_union);
        let Some(PbWatchRequestUnion::CreateRequest(create)) = first else {
            return Err(Status::unimplemented("not played"));
        };
        let created = |data: &mut Data| Ok((data.header(), data.revision));
        let (header, now) = self.play("watch", false, created).await?.into_inner();
        let start = match create.start_revision {
            0 => now + 1,
            start => start,
        };
        let created = PbWatchResponse {
            header,
            created: true,
            ..Default::default()
        };
        let shared = self.shared.clone();
        let events = futures::stream::unfold((start, requests), move |(next, requests)| {
            let (shared, key) = (shared.clone(), create.key.clone());
            async move {
                loop {
                    let answer = {
                        let data = shared.data.lock().unwrap();
                        let is_new = |event: &&(i64, PbEvent)| {
                            event.0 >= next && event.1.kv.as_ref().unwrap().key == key
                        };
                        let found: Vec<_> = data.events.iter().filter(is_new).cloned().collect();
                        found.last().map(|last| last.0).map(|last| {
                            let answer = PbWatchResponse {
                                header: data.header(),
                                events: found.iter().map(|(_, event)| event.clone()).collect(),
                                ..Default::default()
                            };
                            (Ok(answer), (last + 1, last))
                        })
                    };
                    match answer {
                        Some((answer, (next, _))) => return Some((answer, (next, requests))),
                        None => tokio::time::sleep(Duration::from_millis(2)).await,
                    }
                }
            }
        });
        let created = futures::stream::once(async { Ok(created) });
        Ok(Response::new(created.chain(events).boxed()))
    }
}

#[tonic::async_trait]
impl PbClusterService for Member {
    async fn member_add(
        &self,
        _: Request<PbMemberAddRequest>,
    ) -> Result<Response<PbMemberAddResponse>, Status> {
        Err(Status::unimplemented("not played"))
    }

    async fn member_remove(
        &self,
        _: Request<PbMemberRemoveRequest>,
    ) -> Result<Response<PbMemberRemoveResponse>, Status> {
        Err(Status::unimplemented("not played"))
    }

    async fn member_update(
        &self,
        _: Request<PbMemberUpdateRequest>,
    ) -> Result<Response<PbMemberUpdateResponse>, Status> {
        Err(Status::unimplemented("not played"))
    }

    async fn member_list(
        &self,
        _: Request<PbMemberListRequest>,
    ) -> Result<Response<PbMemberListResponse>, Status> {
        let effect = |data: &mut Data| {
            Ok(PbMemberListResponse {
                header: data.header(),
                members: vec![PbMember::default(); 3],
            })
        };
        self.play("members", false, effect).await
    }

    async fn member_promote(
        &self,
        _: Request<PbMemberPromoteRequest>,
    ) -> Result<Response<PbMemberPromoteResponse>, Status> {
        Err(Status::unimplemented("not played"))
    }
}
