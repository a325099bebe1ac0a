//! etcd's mutex (client v3, `concurrency/mutex.go`): a key for each who wants it, the oldest one owns it.
//!
//! The mutex alone excludes nobody for sure: an owner whose lease has run out does not notice at once. What
//! it protects must compare the key's creation revision in the same transaction (see [`crate::lock`]).

use squall_etcd::client::{
    Compare, CompareOp, GetOptions, PutOptions, SortOrder, SortTarget, Txn, TxnOp, WatchOptions,
};
use squall_etcd::watch::is_deletion;
use squall_etcd::{Ask, Error, Etcd, Watch};
use squall_resilient::Deadline;

use crate::store::{gets, revision};

/// The original's prefix, to which etcd's client adds another slash.
const PREFIX: &str = "/distributed-lock//";

/// The key by which a lease's owner wants the mutex.
pub(crate) fn key(lease: i64) -> String {
    format!("{PREFIX}{lease:x}")
}

/// Waits until the mutex is this lease's. Its key remains when this fails: see [`key`].
pub(crate) async fn lock(etcd: &Etcd, lease: i64, deadline: Deadline) -> Result<String, Error> {
    let key = key(lease);
    let (mine, at) = want(etcd, &key, lease, deadline).await?;
    wait(etcd, mine, at, deadline).await?;
    Ok(key)
}

/// Makes this lease's key, if it is not there: its creation revision, and the group's revision then.
pub(crate) async fn want(
    etcd: &Etcd,
    key: &str,
    lease: i64,
    deadline: Deadline,
) -> Result<(i64, i64), Error> {
    let missing = Compare::create_revision(key, CompareOp::Equal, 0);
    let put = TxnOp::put(key, "", Some(PutOptions::new().with_lease(lease)));
    let txn = Txn::new()
        .when([missing])
        .and_then([put])
        .or_else([TxnOp::get(key, None)]);
    // Twice is as good as once: the second finds the key of the first.
    let response = etcd.txn(&txn, Ask::Read, deadline).await?;
    let at = revision(&response);
    let [found] = gets(&response);
    Ok((found.map_or(at, |found| found.create_revision()), at))
}

/// Waits until no older key is there.
pub(crate) async fn wait(
    etcd: &Etcd,
    mine: i64,
    mut at: i64,
    deadline: Deadline,
) -> Result<(), Error> {
    let older = GetOptions::new()
        .with_prefix()
        .with_sort(SortTarget::Create, SortOrder::Descend)
        .with_max_create_revision(mine - 1)
        .with_limit(1);
    loop {
        let response = etcd.get(PREFIX, Some(older.clone()), deadline).await?;
        let Some(last) = response.kvs().first() else {
            return Ok(());
        };
        at = response.header().map_or(at, |header| header.revision());
        let mut watch = Watch::new(etcd, last.key(), WatchOptions::new(), at + 1);
        while !is_deletion(&watch.next(deadline).await?) {}
    }
}
