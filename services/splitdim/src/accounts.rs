//! Balances: what they are, how they are written, and how they change.

use std::sync::Arc;

use serde::Serialize;

use crate::error::TransferError;
use crate::transfer::Transfer;

/// One user and what the others owe him.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Account {
    /// The user.
    #[serde(serialize_with = "as_text")]
    pub(crate) holder: Arc<str>,
    /// What the others owe him; below 0, what he owes.
    pub(crate) balance: i64,
}

fn as_text<S: serde::Serializer>(text: &Arc<str>, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(text)
}

/// What becomes of a balance that does not fit into 64 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Overflow {
    /// The transfer is refused.
    Refuse,
    /// The balance wraps, as the original's does.
    Wrap,
}

impl Overflow {
    /// The balance of `holder` after `amount` is added.
    pub(crate) fn add(self, holder: &str, balance: i64, amount: i64) -> Result<i64, TransferError> {
        self.done(holder, balance.overflowing_add(amount))
    }

    /// The balance of `holder` after `amount` is taken away. Not an addition of the opposite: the least
    /// amount has none.
    pub(crate) fn sub(self, holder: &str, balance: i64, amount: i64) -> Result<i64, TransferError> {
        self.done(holder, balance.overflowing_sub(amount))
    }

    /// Both balances after a transfer: the sender's, the receiver's.
    pub(crate) fn apply(
        self,
        transfer: &Transfer,
        sender: i64,
        receiver: i64,
    ) -> Result<(i64, i64), TransferError> {
        Ok((
            self.add(&transfer.sender, sender, transfer.amount)?,
            self.sub(&transfer.receiver, receiver, transfer.amount)?,
        ))
    }

    fn done(self, holder: &str, (balance, over): (i64, bool)) -> Result<i64, TransferError> {
        match self {
            Self::Refuse if over => Err(TransferError::Overflow(holder.to_owned())),
            _ => Ok(balance),
        }
    }
}

/// The balance that a stored value says; nothing for an absent account. The error names the holder.
pub(crate) fn balance_of(holder: &str, value: &str) -> Result<i64, String> {
    match value {
        "" => Ok(0),
        value => value
            .parse()
            .map_err(|_| format!("the store has {value:?} for {holder:?}, which is no balance")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_balance_stays_within_64_bits_or_wraps() {
        let of = |amount| Transfer {
            sender: "a".into(),
            receiver: "b".into(),
            amount,
        };
        let refused = |over, s, r| Overflow::Refuse.apply(&of(over), s, r).is_err();
        assert_eq!(Overflow::Refuse.apply(&of(2), 1, 1), Ok((3, -1)));
        assert!(refused(1, i64::MAX, 0));
        assert!(refused(1, 0, i64::MIN));
        assert!(refused(i64::MIN, 0, 0));
        assert_eq!(
            Overflow::Refuse.apply(&of(i64::MIN), 0, -1),
            Ok((i64::MIN, i64::MAX))
        );
        assert_eq!(
            Overflow::Wrap.apply(&of(1), i64::MAX, 0),
            Ok((i64::MIN, -1))
        );
    }

    #[test]
    fn a_value_is_a_balance_or_an_error() {
        assert_eq!(balance_of("a", ""), Ok(0));
        assert_eq!(balance_of("a", "-12"), Ok(-12));
        assert!(balance_of("a", "1.5").unwrap_err().contains("\"a\""));
    }
}
