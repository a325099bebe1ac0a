//! `KV.Txn`: all comparisons first, then the chosen operations, at one revision (etcd: `etcdserver/apply.go`).
//!
//! Comparisons of nested txns too see the store as it was before the txn. Deliberately absent: what can be
//! refused without looking at the store (`super::check`).

use std::cmp::Ordering;

use etcd_client::CompareOp;
use etcd_client::proto::{
    PbCompare, PbCompareTarget, PbKeyValue, PbPutRequest, PbRangeRequest, PbResponseHeader,
    PbResponseOp, PbTargetUnion, PbTxnOpRequest, PbTxnOpResponse, PbTxnRequest, PbTxnRequestOp,
    PbTxnResponse,
};

use super::Store;
use super::check::check_txn;
use super::span::Span;
use crate::refusal::Refusal;

/// Whether a txn only reads, so that it needs no entry of the log (etcd: `isTxnReadonly`; a nested txn
/// counts as a change).
pub fn is_read_only(txn: &PbTxnRequest) -> bool {
    all_ranges(txn, |_| true)
}

/// Whether a txn that only reads is content with this member's state (etcd: `isTxnSerializable`).
pub fn is_serializable(txn: &PbTxnRequest) -> bool {
    all_ranges(txn, |range| range.serializable)
}

fn all_ranges(txn: &PbTxnRequest, is_so: impl Fn(&PbRangeRequest) -> bool) -> bool {
    txn.success
        .iter()
        .chain(&txn.failure)
        .all(|op| matches!(&op.request, Some(PbTxnOpRequest::RequestRange(range)) if is_so(range)))
}

impl Store {
    /// A txn that only reads ([`is_read_only`]), at this member's present state; the header is `None`. One
    /// that does not is refused as an operation that does not exist.
    pub fn read_txn(&self, txn: &PbTxnRequest) -> Result<PbTxnResponse, Refusal> {
        check_txn(txn)?;
        if !is_read_only(txn) {
            return Err(Refusal::KeyNotFound);
        }
        let chosen = self.choose(txn);
        self.check_chosen(&chosen)?;
        run(&chosen, &mut |op| self.read(op))
    }

    pub(super) fn txn(&mut self, txn: &PbTxnRequest) -> Result<PbTxnResponse, Refusal> {
        let chosen = self.choose(txn);
        self.check_chosen(&chosen)?;
        run(&chosen, &mut |op| self.change(op))
    }

    fn read(&self, op: &PbTxnOpRequest) -> Result<PbTxnOpResponse, Refusal> {
        let PbTxnOpRequest::RequestRange(range) = op else {
            return Err(Refusal::KeyNotFound);
        };
        let mut response = self.range(range)?;
        response.header = at(self.now());
        Ok(PbTxnOpResponse::ResponseRange(response))
    }

    fn change(&mut self, op: &PbTxnOpRequest) -> Result<PbTxnOpResponse, Refusal> {
        Ok(match op {
            PbTxnOpRequest::RequestPut(put) => {
                let mut response = self.put(put);
                response.header = at(self.now());
                PbTxnOpResponse::ResponsePut(response)
            }
            PbTxnOpRequest::RequestDeleteRange(delete) => {
                let mut response = self.delete_range(delete);
                response.header = at(self.now());
                PbTxnOpResponse::ResponseDeleteRange(response)
            }
            other => self.read(other)?,
        })
    }

    fn choose<'a>(&self, txn: &'a PbTxnRequest) -> Chosen<'a> {
        let succeeded = txn.compare.iter().all(|compare| self.compares(compare));
        let ops = if succeeded {
            &txn.success
        } else {
            &txn.failure
        };
        let nested = ops
            .iter()
            .filter_map(|op| match &op.request {
                Some(PbTxnOpRequest::RequestTxn(txn)) => Some(self.choose(txn)),
                _ => None,
            })
            .collect();
        Chosen {
            succeeded,
            ops,
            nested,
        }
    }

    /// Every key of a range has to compare; where there is none, one of zeros does, but it has no value.
    fn compares(&self, compare: &PbCompare) -> bool {
        let span = Span::new(&compare.key, &compare.range_end);
        let mut any = false;
        for kv in self.history.all_at(span, self.now()) {
            any = true;
            if !holds(compare, kv) {
                return false;
            }
        }
        any || (compare.target != PbCompareTarget::Value as i32
            && holds(compare, &PbKeyValue::default()))
    }

    /// What the store alone can refuse, before anything is changed: puts first, then ranges.
    fn check_chosen(&self, chosen: &Chosen<'_>) -> Result<(), Refusal> {
        chosen.each(&mut |op| match op {
            PbTxnOpRequest::RequestPut(put) => self.check_txn_put(put),
            _ => Ok(()),
        })?;
        chosen.each(&mut |op| match op {
            PbTxnOpRequest::RequestRange(range) => self.check_txn_range(range.revision),
            _ => Ok(()),
        })
    }

    /// Unlike [`Store::readable`], a revision below 0 is not the present one but compacted.
    fn check_txn_range(&self, revision: i64) -> Result<(), Refusal> {
        if revision != 0 && revision < self.compacted {
            return Err(Refusal::Compacted);
        }
        self.readable(revision).map(|_| ())
    }

    fn check_txn_put(&self, put: &PbPutRequest) -> Result<(), Refusal> {
        self.check_kept(put)?;
        self.check_lease(put.lease)
    }
}

/// The operations of a txn whose turn it is.
struct Chosen<'a> {
    succeeded: bool,
    ops: &'a [PbTxnRequestOp],
    /// Of the txns among them, in order.
    nested: Vec<Chosen<'a>>,
}

impl Chosen<'_> {
    fn each(
        &self,
        look: &mut impl FnMut(&PbTxnOpRequest) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        for op in self.ops.iter().filter_map(|op| op.request.as_ref()) {
            look(op)?;
        }
        self.nested.iter().try_for_each(|nested| nested.each(look))
    }
}

fn run(
    chosen: &Chosen<'_>,
    one: &mut dyn FnMut(&PbTxnOpRequest) -> Result<PbTxnOpResponse, Refusal>,
) -> Result<PbTxnResponse, Refusal> {
    let mut nested = chosen.nested.iter().peekable();
    let mut responses = Vec::with_capacity(chosen.ops.len());
    for op in chosen.ops.iter().filter_map(|op| op.request.as_ref()) {
        let is_txn = matches!(op, PbTxnOpRequest::RequestTxn(_));
        let response = match nested.next_if(|_| is_txn) {
            Some(chosen) => {
                let mut response = run(chosen, one)?;
                response.header = Some(PbResponseHeader::default());
                PbTxnOpResponse::ResponseTxn(response)
            }
            None => one(op)?,
        };
        responses.push(PbResponseOp {
            response: Some(response),
        });
    }
    Ok(PbTxnResponse {
        header: None,
        succeeded: chosen.succeeded,
        responses,
    })
}

/// Whether what a comparison says is so. A target without a value of its kind is compared with 0 or
/// nothing; a result of a number that is none holds.
fn holds(compare: &PbCompare, kv: &PbKeyValue) -> bool {
    use PbCompareTarget as Target;
    use PbTargetUnion::{CreateRevision, Lease, ModRevision, Value, Version};
    let order = match (
        PbCompareTarget::try_from(compare.target),
        &compare.target_union,
    ) {
        (Ok(Target::Version), Some(Version(given))) => kv.version.cmp(given),
        (Ok(Target::Version), _) => kv.version.cmp(&0),
        (Ok(Target::Create), Some(CreateRevision(given))) => kv.create_revision.cmp(given),
        (Ok(Target::Create), _) => kv.create_revision.cmp(&0),
        (Ok(Target::Mod), Some(ModRevision(given))) => kv.mod_revision.cmp(given),
        (Ok(Target::Mod), _) => kv.mod_revision.cmp(&0),
        (Ok(Target::Value), Some(Value(given))) => kv.value.cmp(given),
        (Ok(Target::Value), _) => kv.value.as_slice().cmp(b""),
        (Ok(Target::Lease), Some(Lease(given))) => kv.lease.cmp(given),
        (Ok(Target::Lease), _) => kv.lease.cmp(&0),
        (Err(_), _) => Ordering::Equal,
    };
    match CompareOp::try_from(compare.result) {
        Ok(CompareOp::Equal) => order.is_eq(),
        Ok(CompareOp::Greater) => order.is_gt(),
        Ok(CompareOp::Less) => order.is_lt(),
        Ok(CompareOp::NotEqual) => order.is_ne(),
        Err(_) => true,
    }
}

/// The header within a txn: the revision alone, as of then.
fn at(revision: i64) -> Option<PbResponseHeader> {
    Some(PbResponseHeader {
        revision,
        ..Default::default()
    })
}
