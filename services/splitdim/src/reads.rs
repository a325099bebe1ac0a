//! What is the same in every mode with a store: all balances, and forgetting them.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use squall_resilient::{Backoff, Deadline, Random, retry};

use crate::accounts::{Account, balance_of};
use crate::client::CallError;
use crate::error::ReadError;
use crate::store::{Store, StoreError};

/// Both calls may be repeated: the second time does no more than the first.
const BACKOFF: Backoff = Backoff {
    base: Duration::from_millis(50),
    cap: Duration::from_secs(1),
    jitter: 1.0,
    tries: 6,
};

/// The store's balances.
pub(crate) struct Reads {
    store: Arc<Store>,
    random: Mutex<Random>,
}

impl Reads {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            random: Mutex::new(Random::from_os()),
        }
    }

    /// All accounts, sorted by holder.
    pub(crate) async fn accounts(&self, deadline: Deadline) -> Result<Vec<Account>, ReadError> {
        let store = self.store.clone();
        let entries = self.repeat(deadline, move || {
            let store = store.clone();
            async move { store.list().await }
        });
        let account = |entry: crate::store::Entry<'static>| {
            let balance = balance_of(&entry.key, &entry.value).map_err(ReadError::BadAnswer)?;
            let holder = entry.key.as_ref().into();
            Ok(Account { holder, balance })
        };
        let mut accounts = entries
            .await?
            .into_iter()
            .map(account)
            .collect::<Result<Vec<_>, _>>()?;
        accounts.sort_unstable_by(|a, b| a.holder.cmp(&b.holder));
        Ok(accounts)
    }

    /// Forgets all accounts.
    pub(crate) async fn reset(&self, deadline: Deadline) -> Result<(), ReadError> {
        let store = self.store.clone();
        let reset = move || {
            let store = store.clone();
            async move { store.reset().await }
        };
        self.repeat(deadline, reset).await
    }

    async fn repeat<T>(
        &self,
        deadline: Deadline,
        ask: impl AsyncFnMut() -> Result<T, StoreError>,
    ) -> Result<T, ReadError> {
        let mut random = {
            let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
            Random::from_seed(random.bits())
        };
        let asked = retry(&BACKOFF, deadline, &mut random, |_| true, ask);
        match deadline.bound(asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(failed)) => Err(told(&failed.last)),
            Err(late) => Err(ReadError::Late(format!("the store: {late}"))),
        }
    }
}

fn told(error: &StoreError) -> ReadError {
    let text = error.to_string();
    match error {
        StoreError::Call(CallError::NotSent(_)) => ReadError::Unreachable(text),
        StoreError::Call(CallError::Unknown(_)) => ReadError::Late(text),
        StoreError::Status(_) | StoreError::Answer(_) => ReadError::BadAnswer(text),
    }
}
