//! Mode `local`: balances in this process, gone with it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::accounts::{Account, Overflow};
use crate::error::TransferError;
use crate::transfer::Transfer;

/// The balances.
pub(crate) struct Local {
    balances: Mutex<BTreeMap<Arc<str>, i64>>,
    overflow: Overflow,
}

impl Local {
    pub(crate) fn new(overflow: Overflow) -> Self {
        Self {
            balances: Mutex::default(),
            overflow,
        }
    }

    /// Both balances or neither.
    pub(crate) fn transfer(&self, transfer: Transfer) -> Result<(), TransferError> {
        let mut balances = self.balances();
        let of = |name| balances.get(name).copied().unwrap_or(0);
        let (sender, receiver) = (of(&transfer.sender), of(&transfer.receiver));
        let (sender, receiver) = self.overflow.apply(&transfer, sender, receiver)?;
        balances.insert(transfer.sender, sender);
        balances.insert(transfer.receiver, receiver);
        Ok(())
    }

    /// All accounts, sorted by holder.
    pub(crate) fn accounts(&self) -> Vec<Account> {
        let account = |(holder, balance): (&Arc<str>, &i64)| Account {
            holder: holder.clone(),
            balance: *balance,
        };
        self.balances().iter().map(account).collect()
    }

    /// Forgets all accounts.
    pub(crate) fn reset(&self) {
        self.balances().clear();
    }

    fn balances(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, i64>> {
        self.balances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
