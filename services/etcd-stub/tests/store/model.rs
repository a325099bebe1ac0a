//! etcd's store as one would write it who has all the memory in the world: every revision is a whole map.

use std::collections::{BTreeMap, BTreeSet};

use etcd_client::proto::{
    PbCompare, PbDeleteRequest, PbDeleteResponse, PbEvent, PbKeyValue, PbLeaseGrantResponse,
    PbPutRequest, PbPutResponse, PbRangeRequest, PbRangeResponse, PbResponseHeader, PbResponseOp,
    PbTargetUnion, PbTxnOpRequest, PbTxnOpResponse, PbTxnRequest, PbTxnResponse,
};
use squall_etcd_stub::command::{Action, Reply};
use squall_etcd_stub::refusal::Refusal;
use squall_etcd_stub::store;

pub(crate) type State = BTreeMap<Vec<u8>, PbKeyValue>;

pub(crate) struct Model {
    /// By revision.
    pub(crate) states: Vec<State>,
    pub(crate) events: Vec<PbEvent>,
    pub(crate) compacted: i64,
    pub(crate) leases: BTreeMap<i64, i64>,
    /// Of the entry that is being applied.
    draft: State,
    is_changed: bool,
}

impl Model {
    pub(crate) fn new() -> Self {
        Self {
            states: vec![State::new(), State::new()],
            events: Vec::new(),
            compacted: -1,
            leases: BTreeMap::new(),
            draft: State::new(),
            is_changed: false,
        }
    }

    pub(crate) fn revision(&self) -> i64 {
        self.states.len() as i64 - 1
    }

    fn now(&self) -> i64 {
        self.revision() + i64::from(self.is_changed)
    }

    pub(crate) fn keys_of(&self, lease: i64) -> BTreeSet<Vec<u8>> {
        let there = self.states.last().unwrap().values();
        there
            .filter(|kv| kv.lease == lease)
            .map(|kv| kv.key.clone())
            .collect()
    }

    pub(crate) fn apply(&mut self, action: &Action) -> Result<Reply, Refusal> {
        store::check(action)?;
        let reply = self.reply(action)?;
        if self.is_changed {
            self.states.push(self.draft.clone());
            self.is_changed = false;
        }
        Ok(reply)
    }

    fn reply(&mut self, action: &Action) -> Result<Reply, Refusal> {
        Ok(match action {
            Action::Put(put) => {
                if put.lease != 0 && !self.leases.contains_key(&put.lease) {
                    return Err(Refusal::LeaseNotFound);
                }
                if (put.ignore_value || put.ignore_lease) && !self.draft.contains_key(&put.key) {
                    return Err(Refusal::KeyNotFound);
                }
                Reply::Put(self.put(put))
            }
            Action::DeleteRange(delete) => Reply::DeleteRange(self.delete(delete)),
            Action::Txn(txn) => {
                let before = self.draft.clone();
                self.refuse_put(&before, txn)?;
                self.refuse_range(&before, txn)?;
                Reply::Txn(self.txn(&before, txn))
            }
            Action::Compact(request) => {
                if request.revision <= self.compacted {
                    return Err(Refusal::Compacted);
                }
                if request.revision > self.revision() {
                    return Err(Refusal::FutureRevision);
                }
                self.compacted = request.revision;
                Reply::Compact(Default::default())
            }
            Action::LeaseGrant(grant) => {
                if grant.ttl > 9_000_000_000 {
                    return Err(Refusal::LeaseTtlTooLarge);
                }
                if self.leases.contains_key(&grant.id) {
                    return Err(Refusal::LeaseExists);
                }
                self.leases.insert(grant.id, grant.ttl);
                Reply::LeaseGrant(PbLeaseGrantResponse {
                    id: grant.id,
                    ttl: grant.ttl,
                    ..Default::default()
                })
            }
            Action::LeaseRevoke(request) => {
                if self.leases.remove(&request.id).is_none() {
                    return Err(Refusal::LeaseNotFound);
                }
                for key in self.keys_of(request.id) {
                    self.delete(&PbDeleteRequest {
                        key,
                        ..Default::default()
                    });
                }
                Reply::LeaseRevoke(Default::default())
            }
        })
    }

    fn put(&mut self, put: &PbPutRequest) -> PbPutResponse {
        let revision = self.revision() + 1;
        let before = self.draft.get(&put.key).cloned();
        let kept = before.clone().unwrap_or_default();
        let kv = PbKeyValue {
            key: put.key.clone(),
            value: match put.ignore_value {
                true => kept.value,
                false => put.value.clone(),
            },
            lease: if put.ignore_lease {
                kept.lease
            } else {
                put.lease
            },
            version: kept.version + 1,
            create_revision: match before {
                Some(_) => kept.create_revision,
                None => revision,
            },
            mod_revision: revision,
        };
        self.happened(0, kv.clone());
        self.draft.insert(put.key.clone(), kv);
        PbPutResponse {
            header: None,
            prev_kv: before.filter(|_| put.prev_kv),
        }
    }

    fn delete(&mut self, delete: &PbDeleteRequest) -> PbDeleteResponse {
        let gone: Vec<_> = within(&self.draft, &delete.key, &delete.range_end);
        for kv in &gone {
            self.draft.remove(&kv.key);
            self.happened(
                1,
                PbKeyValue {
                    key: kv.key.clone(),
                    mod_revision: self.revision() + 1,
                    ..Default::default()
                },
            );
        }
        PbDeleteResponse {
            header: None,
            deleted: gone.len() as i64,
            prev_kvs: if delete.prev_kv { gone } else { Vec::new() },
        }
    }

    fn happened(&mut self, kind: i32, kv: PbKeyValue) {
        self.is_changed = true;
        let prev_kv = self.states.last().unwrap().get(&kv.key).cloned();
        self.events.push(PbEvent {
            r#type: kind,
            kv: Some(kv),
            prev_kv,
        });
    }

    pub(crate) fn range(&self, request: &PbRangeRequest) -> Result<PbRangeResponse, Refusal> {
        store::check_range(request)?;
        if request.revision > self.now() {
            return Err(Refusal::FutureRevision);
        }
        if request.revision > 0 && request.revision < self.compacted {
            return Err(Refusal::Compacted);
        }
        let state = match request.revision {
            ..=0 => &self.draft,
            revision if revision > self.revision() => &self.draft,
            revision => &self.states[revision as usize],
        };
        let mut kvs = within(state, &request.key, &request.range_end);
        let count = kvs.len() as i64;
        if request.count_only {
            kvs.clear();
        }
        let limit = request.limit as usize;
        let filters = [
            request.min_mod_revision,
            request.max_mod_revision,
            request.min_create_revision,
            request.max_create_revision,
        ];
        if limit > 0 && request.sort_order == 0 && filters == [0; 4] {
            kvs.truncate(limit + 1);
        }
        let or_all = |max: i64| if max == 0 { i64::MAX } else { max };
        kvs.retain(|kv| {
            (request.min_mod_revision..=or_all(request.max_mod_revision)).contains(&kv.mod_revision)
        });
        kvs.retain(|kv| {
            (request.min_create_revision..=or_all(request.max_create_revision))
                .contains(&kv.create_revision)
        });
        match request.sort_target {
            1 => kvs.sort_by_key(|kv| kv.version),
            2 => kvs.sort_by_key(|kv| kv.create_revision),
            3 => kvs.sort_by_key(|kv| kv.mod_revision),
            4 => kvs.sort_by_key(|kv| kv.value.clone()),
            _ => {}
        }
        if request.sort_order == 2 {
            // Backwards, but equal ones as they were.
            kvs.reverse();
            match request.sort_target {
                1 => kvs
                    .chunk_by_mut(|a, b| a.version == b.version)
                    .for_each(<[_]>::reverse),
                2 => kvs
                    .chunk_by_mut(|a, b| a.create_revision == b.create_revision)
                    .for_each(<[_]>::reverse),
                3 => kvs
                    .chunk_by_mut(|a, b| a.mod_revision == b.mod_revision)
                    .for_each(<[_]>::reverse),
                4 => kvs
                    .chunk_by_mut(|a, b| a.value == b.value)
                    .for_each(<[_]>::reverse),
                _ => {}
            }
        }
        let more = limit > 0 && kvs.len() > limit;
        if more {
            kvs.truncate(limit);
        }
        if request.keys_only {
            kvs.iter_mut().for_each(|kv| kv.value.clear());
        }
        Ok(PbRangeResponse {
            header: None,
            kvs,
            more,
            count,
        })
    }

    pub(crate) fn read_txn(&mut self, txn: &PbTxnRequest) -> Result<PbTxnResponse, Refusal> {
        store::check_txn(txn)?;
        let before = self.draft.clone();
        self.refuse_range(&before, txn)?;
        Ok(self.txn(&before, txn))
    }

    fn txn(&mut self, before: &State, txn: &PbTxnRequest) -> PbTxnResponse {
        let (succeeded, ops) = chosen(before, txn);
        let mut responses = Vec::new();
        for op in ops {
            let response = match op {
                PbTxnOpRequest::RequestPut(put) => {
                    let mut response = self.put(put);
                    response.header = header(self.now());
                    PbTxnOpResponse::ResponsePut(response)
                }
                PbTxnOpRequest::RequestDeleteRange(delete) => {
                    let mut response = self.delete(delete);
                    response.header = header(self.now());
                    PbTxnOpResponse::ResponseDeleteRange(response)
                }
                PbTxnOpRequest::RequestRange(range) => {
                    let mut response = self.range(range).unwrap();
                    response.header = header(self.now());
                    PbTxnOpResponse::ResponseRange(response)
                }
                PbTxnOpRequest::RequestTxn(txn) => {
                    let mut response = self.txn(before, txn);
                    response.header = header(0);
                    PbTxnOpResponse::ResponseTxn(response)
                }
            };
            responses.push(PbResponseOp {
                response: Some(response),
            });
        }
        PbTxnResponse {
            header: None,
            succeeded,
            responses,
        }
    }

    fn refuse_put(&self, before: &State, txn: &PbTxnRequest) -> Result<(), Refusal> {
        let (_, ops) = chosen(before, txn);
        for op in &ops {
            if let PbTxnOpRequest::RequestPut(put) = op {
                if (put.ignore_value || put.ignore_lease) && !before.contains_key(&put.key) {
                    return Err(Refusal::KeyNotFound);
                }
                if put.lease != 0 && !self.leases.contains_key(&put.lease) {
                    return Err(Refusal::LeaseNotFound);
                }
            }
        }
        nested(&ops).try_for_each(|txn| self.refuse_put(before, txn))
    }

    fn refuse_range(&self, before: &State, txn: &PbTxnRequest) -> Result<(), Refusal> {
        let (_, ops) = chosen(before, txn);
        for op in &ops {
            if let PbTxnOpRequest::RequestRange(range) = op {
                if range.revision < 0 && range.revision < self.compacted {
                    return Err(Refusal::Compacted);
                }
                self.range(range)?;
            }
        }
        nested(&ops).try_for_each(|txn| self.refuse_range(before, txn))
    }
}

fn nested<'a>(ops: &[&'a PbTxnOpRequest]) -> impl Iterator<Item = &'a PbTxnRequest> {
    ops.iter().filter_map(|op| match op {
        PbTxnOpRequest::RequestTxn(txn) => Some(txn),
        _ => None,
    })
}

fn chosen<'a>(before: &State, txn: &'a PbTxnRequest) -> (bool, Vec<&'a PbTxnOpRequest>) {
    let succeeded = txn.compare.iter().all(|compare| compares(before, compare));
    let ops = if succeeded {
        &txn.success
    } else {
        &txn.failure
    };
    let ops = ops.iter().map(|op| op.request.as_ref().unwrap()).collect();
    (succeeded, ops)
}

fn compares(state: &State, compare: &PbCompare) -> bool {
    let mut kvs = within(state, &compare.key, &compare.range_end);
    if kvs.is_empty() {
        if compare.target == 3 {
            return false;
        }
        kvs.push(PbKeyValue::default());
    }
    kvs.iter().all(|kv| {
        let given = match compare.target_union {
            Some(
                PbTargetUnion::Version(given)
                | PbTargetUnion::CreateRevision(given)
                | PbTargetUnion::ModRevision(given)
                | PbTargetUnion::Lease(given),
            ) => given,
            _ => 0,
        };
        let order = match compare.target {
            0 => kv.version.cmp(&given),
            1 => kv.create_revision.cmp(&given),
            2 => kv.mod_revision.cmp(&given),
            3 => match &compare.target_union {
                Some(PbTargetUnion::Value(given)) => kv.value.cmp(given),
                _ => kv.value.cmp(&Vec::new()),
            },
            _ => kv.lease.cmp(&given),
        };
        [order.is_eq(), order.is_gt(), order.is_lt(), order.is_ne()][compare.result as usize]
    })
}

pub(crate) fn within(state: &State, key: &[u8], range_end: &[u8]) -> Vec<PbKeyValue> {
    state
        .values()
        .filter(|kv| is_within(&kv.key, key, range_end))
        .cloned()
        .collect()
}

pub(crate) fn is_within(key: &[u8], from: &[u8], range_end: &[u8]) -> bool {
    match range_end {
        [] => key == from,
        [0] => key >= from,
        end => key >= from && key < end,
    }
}

fn header(revision: i64) -> Option<PbResponseHeader> {
    Some(PbResponseHeader {
        revision,
        ..Default::default()
    })
}
