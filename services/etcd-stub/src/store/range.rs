//! `KV.Range`: revision, filters, order, limit, in the order in which etcd does them (`etcdserver/apply.go`).
//!
//! Deliberately absent: linearizability; a range reads what this member has.

use std::cmp::Ordering;

use etcd_client::proto::{PbKeyValue, PbRangeRequest, PbRangeResponse};
use etcd_client::{SortOrder, SortTarget};

use super::Store;
use super::check::check_range;
use super::span::Span;
use crate::refusal::Refusal;

type Order = fn(&PbKeyValue, &PbKeyValue) -> Ordering;

impl Store {
    /// `KV.Range` at this member's present state, or at a revision that is kept; the header is `None`.
    ///
    /// Where several keys are equal in what they are sorted by, they stay in the order of keys; etcd
    /// leaves that open for more than twelve.
    pub fn range(&self, request: &PbRangeRequest) -> Result<PbRangeResponse, Refusal> {
        check_range(request)?;
        let revision = self.readable(request.revision)?;
        let span = Span::new(&request.key, &request.range_end);
        if span.is_one_key() {
            let kv = self.history.at(&request.key, revision);
            return Ok(answer(request, kv.into_iter()));
        }
        Ok(answer(request, self.history.all_at(span, revision)))
    }

    /// The revision that a request for `revision` reads; 0 is the present one.
    pub(super) fn readable(&self, revision: i64) -> Result<i64, Refusal> {
        match revision {
            ..=0 => Ok(self.now()),
            _ if revision > self.now() => Err(Refusal::FutureRevision),
            _ if revision < self.compacted => Err(Refusal::Compacted),
            _ => Ok(revision),
        }
    }
}

fn answer<'a>(
    request: &PbRangeRequest,
    mut there: impl Iterator<Item = &'a PbKeyValue>,
) -> PbRangeResponse {
    if request.count_only {
        return PbRangeResponse {
            count: there.count() as i64,
            ..Default::default()
        };
    }
    let limit = usize::try_from(request.limit).unwrap_or(0);
    // One more than the limit tells whether there are more. A sort target without an order sorts only what
    // was taken, as in etcd.
    let taken = if limit == 0 || request.sort_order != 0 || is_filtered(request) {
        usize::MAX
    } else {
        limit.saturating_add(1)
    };
    let mut kvs: Vec<_> = there.by_ref().take(taken).collect();
    let count = kvs.len() + there.count();

    kvs.retain(|kv| passes(request, kv));
    if request.sort_order != 0 || request.sort_target != 0 {
        let order = order(request.sort_target);
        if request.sort_order == SortOrder::Descend as i32 {
            kvs.sort_by(|a, b| order(b, a));
        } else {
            kvs.sort_by(|a, b| order(a, b));
        }
    }
    let more = limit > 0 && kvs.len() > limit;
    if more {
        kvs.truncate(limit);
    }
    PbRangeResponse {
        header: None,
        kvs: kvs
            .into_iter()
            .map(|kv| copy(kv, request.keys_only))
            .collect(),
        more,
        count: count as i64,
    }
}

fn order(target: i32) -> Order {
    match SortTarget::try_from(target) {
        Ok(SortTarget::Version) => |a, b| a.version.cmp(&b.version),
        Ok(SortTarget::Create) => |a, b| a.create_revision.cmp(&b.create_revision),
        Ok(SortTarget::Mod) => |a, b| a.mod_revision.cmp(&b.mod_revision),
        Ok(SortTarget::Value) => |a, b| a.value.cmp(&b.value),
        Ok(SortTarget::Key) | Err(_) => |a, b| a.key.cmp(&b.key),
    }
}

fn is_filtered(request: &PbRangeRequest) -> bool {
    request.min_mod_revision != 0
        || request.max_mod_revision != 0
        || request.min_create_revision != 0
        || request.max_create_revision != 0
}

fn passes(request: &PbRangeRequest, kv: &PbKeyValue) -> bool {
    let within = |revision, min, max| revision >= min && (max == 0 || revision <= max);
    within(
        kv.mod_revision,
        request.min_mod_revision,
        request.max_mod_revision,
    ) && within(
        kv.create_revision,
        request.min_create_revision,
        request.max_create_revision,
    )
}

fn copy(kv: &PbKeyValue, keys_only: bool) -> PbKeyValue {
    PbKeyValue {
        key: kv.key.clone(),
        value: if keys_only {
            Vec::new()
        } else {
            kv.value.clone()
        },
        ..*kv
    }
}
