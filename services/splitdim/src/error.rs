//! What can go wrong: with a transfer, with a read.
//!
//! The difference that matters is what a client may believe afterwards: that nothing was applied, or
//! nothing at all. Which status says it is `api`'s business.

/// Why a transfer was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TransferError {
    /// It makes no sense, today or tomorrow.
    #[error("{0}")]
    Invalid(String),
    /// It would take a balance out of 64 bits.
    #[error("the balance of {0:?} would not fit into 64 bits")]
    Overflow(String),
    /// Nothing of it was applied, and another try may succeed.
    #[error("{0}")]
    NotApplied(String),
    /// It was or will be applied once, or not at all; nobody knows which.
    #[error("{0}")]
    Unknown(String),
    /// It was applied by half, and the half could not be undone.
    #[error("{0}")]
    Halfway(String),
}

/// Why balances could not be read or forgotten.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ReadError {
    /// The store answered what makes no sense.
    #[error("{0}")]
    BadAnswer(String),
    /// The store could not be asked.
    #[error("{0}")]
    Unreachable(String),
    /// The store did not answer in time.
    #[error("{0}")]
    Late(String),
    /// The balances do not add up to zero.
    #[error("balances sum to {0}, not to 0: a transfer was applied by half, or lost")]
    Inconsistent(i128),
}
