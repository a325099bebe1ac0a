//! Many transfers as one transaction: one new balance for each account that they touch.
//!
//! Pure: what is sent and what is answered is `transactional`'s.

use std::borrow::Cow;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use crate::accounts::{Overflow, balance_of};
use crate::error::TransferError;
use crate::queue::Pending;
use crate::store::Entry;
use crate::transfer::Transfer;

/// Accounts that are remembered; beyond, all are forgotten, which costs one refusal for each.
const CACHE_MAX: usize = 100_000;

/// What the store is believed to have. Wrong beliefs are harmless: the store compares versions.
#[derive(Default)]
pub(crate) struct Cache(FxHashMap<Arc<str>, Known>);

/// An account as the store is believed to have it.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// Or why its value is no balance.
    balance: Result<i64, String>,
    version: i64,
}

/// Transfers whose balances go into one transaction.
pub(crate) struct Batch {
    pub(crate) transfers: Vec<Pending>,
    /// The accounts that they touch, with their new balances and old versions, in the order of their
    /// first transfer.
    accounts: Vec<(Arc<str>, i64, i64)>,
}

impl Cache {
    /// Nothing is known any more.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    /// What the store said that it has.
    pub(crate) fn learn(&mut self, entries: &[Entry<'_>]) {
        if entries.iter().any(|entry| entry.version == 0) {
            // An account that was there is gone: the store was told to forget all of them.
            self.clear();
        }
        for entry in entries {
            let known = Known {
                balance: balance_of(&entry.key, &entry.value),
                version: entry.version,
            };
            self.remember(entry.key.as_ref().into(), known);
        }
    }

    /// The batch was applied: each version is one more (an absent key's is 1).
    pub(crate) fn applied(&mut self, batch: &Batch) {
        for (holder, balance, version) in &batch.accounts {
            let known = Known {
                balance: Ok(*balance),
                version: version + 1,
            };
            self.remember(holder.clone(), known);
        }
    }

    fn remember(&mut self, holder: Arc<str>, known: Known) {
        if self.0.len() >= CACHE_MAX {
            self.clear();
        }
        self.0.insert(holder, known);
    }

    fn of(&self, holder: &str) -> Known {
        let absent = Known {
            balance: Ok(0),
            version: 0,
        };
        self.0.get(holder).cloned().unwrap_or(absent)
    }
}

impl Batch {
    /// Folds transfers in their order. One that cannot be is answered here, alone.
    pub(crate) fn fold(transfers: Vec<Pending>, cache: &Cache, overflow: Overflow) -> Self {
        let mut batch = Self {
            transfers: Vec::with_capacity(transfers.len()),
            accounts: Vec::with_capacity(transfers.len() * 2),
        };
        let mut places = FxHashMap::default();
        for pending in transfers {
            match batch.add(&pending.transfer, &mut places, cache, overflow) {
                Ok(()) => batch.transfers.push(pending),
                Err(error) => pending.answer(Err(error)),
            }
        }
        batch
    }

    fn add(
        &mut self,
        transfer: &Transfer,
        places: &mut FxHashMap<Arc<str>, usize>,
        cache: &Cache,
        overflow: Overflow,
    ) -> Result<(), TransferError> {
        let holders = [&transfer.sender, &transfer.receiver];
        let mut known = holders.map(|holder| match places.get(holder) {
            Some(place) => Known {
                balance: Ok(self.accounts[*place].1),
                version: self.accounts[*place].2,
            },
            None => cache.of(holder),
        });
        let [sender, receiver] = known.each_mut().map(|known| &mut known.balance);
        let not_applied = |why: &mut String| TransferError::NotApplied(std::mem::take(why));
        let sender = sender.as_mut().map_err(not_applied)?;
        let receiver = receiver.as_mut().map_err(not_applied)?;
        let (up, down) = overflow.apply(transfer, *sender, *receiver)?;
        for ((holder, known), balance) in holders.into_iter().zip(known).zip([up, down]) {
            let place = *places.entry(holder.clone()).or_insert_with(|| {
                self.accounts.push((holder.clone(), 0, known.version));
                self.accounts.len() - 1
            });
            self.accounts[place].1 = balance;
        }
        Ok(())
    }

    /// As the store reads it.
    pub(crate) fn entries(&self) -> Vec<Entry<'_>> {
        let accounts = self.accounts.iter();
        accounts
            .map(|(holder, balance, version)| Entry {
                key: Cow::Borrowed(&**holder),
                value: balance.to_string().into(),
                version: *version,
            })
            .collect()
    }
}
