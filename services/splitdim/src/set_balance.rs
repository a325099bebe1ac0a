//! The seed's little helper: `get` one balance, `put` the new one with the same version.
//!
//! It is not idempotent: when the answer to the `put` is lost, doing it again changes the balance twice.

use crate::accounts::{Overflow, balance_of};
use crate::error::TransferError;
use crate::store::{Entry, Store, StoreError};

/// What happens to a balance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It grows, the sender's.
    Up(i64),
    /// It shrinks, the receiver's.
    Down(i64),
}

/// Why a balance is not known to be set.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SetError {
    #[error("get: {0}")]
    Get(StoreError),
    #[error("put: {0}")]
    Put(StoreError),
    #[error("{0}")]
    Value(String),
    #[error("{0}")]
    Overflow(TransferError),
}

/// Changes one balance.
pub(crate) async fn set_balance(
    store: &Store,
    overflow: Overflow,
    holder: &str,
    change: Change,
) -> Result<(), SetError> {
    let now = store.get(holder).await.map_err(SetError::Get)?;
    let balance = balance_of(holder, &now.value).map_err(SetError::Value)?;
    let balance = match change {
        Change::Up(amount) => overflow.add(holder, balance, amount),
        Change::Down(amount) => overflow.sub(holder, balance, amount),
    };
    let entry = Entry {
        key: holder.into(),
        value: balance.map_err(SetError::Overflow)?.to_string().into(),
        version: now.version,
    };
    store.put(&entry).await.map_err(SetError::Put)
}
