//! Clients in Rust, and what they saw.
//!
//! The simulation runs a workload as a process on a machine; what it returns leaves the simulation
//! through a slot that belongs to one run alone. Deliberately absent: a value from a run in which
//! the workload came to no end.

use std::any::Any;
use std::convert::Infallible;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use squall_host::{Facts, Host, Loaded, Shutdown};

/// A workload of a test, by which [`crate::Run::saw`] finds what it returned.
pub struct Workload<T> {
    index: usize,
    value: PhantomData<fn() -> T>,
}

impl<T> Workload<T> {
    pub(crate) fn new(index: usize) -> Self {
        Self {
            index,
            value: PhantomData,
        }
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }
}

impl<T> Clone for Workload<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Workload<T> {}

/// What a workload returned, of a type that only the test knows.
pub(crate) type Value = Box<dyn Any + Send>;

/// A user's async function.
pub(crate) trait Work: Send + Sync {
    fn work(&self, host: Host) -> BoxFuture<'static, Value>;
}

impl<T, F, Fut> Work for F
where
    T: Send + 'static,
    F: Fn(Host) -> Fut + Send + Sync,
    Fut: Future<Output = T> + Send + 'static,
{
    fn work(&self, host: Host) -> BoxFuture<'static, Value> {
        let work = self(host);
        Box::pin(async move { Box::new(work.await) as Value })
    }
}

/// Where a workload leaves what it returns.
#[derive(Clone, Default)]
pub(crate) struct Slot(Arc<Mutex<Option<Value>>>);

impl Slot {
    /// The workload as a program that fills this slot.
    pub(crate) fn program(&self, work: &Arc<dyn Work>) -> Loaded {
        let (slot, work) = (self.clone(), work.clone());
        Loaded::new(Facts::default(), move |host: Host, _: Shutdown| {
            let (slot, work) = (slot.clone(), work.work(host));
            async move {
                let value = work.await;
                *slot.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
                Ok::<(), Infallible>(())
            }
        })
    }

    pub(crate) fn take(&self) -> Option<Value> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
