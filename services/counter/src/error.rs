//! Why an increment was not acknowledged, as far as its caller is concerned.

/// An increment that is not acknowledged. What a client may believe is in the variant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Undone {
    /// It certainly was not applied and never will be.
    #[error("not applied: {0}")]
    NotApplied(String),
    /// It may be applied, or be applied yet.
    #[error("unknown whether it was applied: {0}")]
    Unknown(String),
    /// It was not applied, as the value does not fit into 64 bits.
    #[error("not applied: the counter's value would not fit into 64 bits")]
    Overflow,
}

impl From<squall_etcd::Error> for Undone {
    fn from(error: squall_etcd::Error) -> Self {
        match error {
            squall_etcd::Error::Unknown(why) => Self::Unknown(why),
            other => Self::NotApplied(other.to_string()),
        }
    }
}
