//! etcd's mutex (client v3, `concurrency/mutex.go`): a key for each who wants it, the oldest one owns it.
//!
//! The mutex alone excludes nobody for sure, see [`crate::lock`].

use squall_etcd::client::{
    Compare, CompareOp, GetOptions, PutOptions, SortOrder, SortTarget, Txn, TxnOp, WatchOptions,
};
use squall_etcd::watch::is_deletion;
use squall_etcd::{Ask, Error, Etcd, Watch};
use squall_resilient::Deadline;

use crate::store::{KEY, Store, gets, revision};

/// The original's prefix, to which etcd's client adds another slash.
const PREFIX: &str = "/distributed-lock//";

/// The key by which a lease's owner wants the mutex.
pub(crate) fn key(lease: i64) -> String {
    format!("{PREFIX}{lease:x}")
}

/// Makes this lease's key, if it is not there, and reads the counter: the key's creation revision.
pub(crate) async fn want(
    store: &Store,
    key: &str,
    lease: i64,
    deadline: Deadline,
) -> Result<i64, Error> {
    let missing = Compare::create_revision(key, CompareOp::Equal, 0);
    let put = TxnOp::put(key, "", Some(PutOptions::new().with_lease(lease)));
    let reads = [TxnOp::get(key, None), TxnOp::get(KEY, None)];
    let [mine, counter] = reads.clone();
    let txn = Txn::new()
        .when([missing])
        .and_then([mine, counter, put])
        .or_else(reads);
    // Twice is as good as once: the second finds the key of the first.
    let response = store.etcd.txn(&txn, Ask::Read, deadline).await?;
    let [mine, counter] = gets(&response);
    store.heard(counter.as_ref(), revision(&response));
    Ok(mine.map_or(revision(&response), |mine| mine.create_revision()))
}

/// Waits until no older key is there; whether there was one.
pub(crate) async fn wait(etcd: &Etcd, mine: i64, deadline: Deadline) -> Result<bool, Error> {
    let older = GetOptions::new()
        .with_prefix()
        .with_sort(SortTarget::Create, SortOrder::Descend)
        .with_max_create_revision(mine - 1)
        .with_limit(1);
    let mut waited = false;
    loop {
        let response = etcd.get(PREFIX, Some(older.clone()), deadline).await?;
        let Some(last) = response.kvs().first() else {
            return Ok(waited);
        };
        waited = true;
        let at = response.header().map_or(0, |header| header.revision());
        let mut watch = Watch::new(etcd, last.key(), WatchOptions::new(), at + 1);
        while !is_deletion(&watch.next(deadline).await?) {}
    }
}
