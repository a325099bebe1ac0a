//! Idle connections to upstreams that are kept for the next request (`keepalive`).

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use squall_host::planted::Planted;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::config::upstream::Keepalive;
use crate::exchange::Link;

/// The idle connections of one upstream.
pub(crate) struct Pool {
    limits: Keepalive,
    /// The most recently used last.
    idle: Mutex<Vec<Idle>>,
    changed: Notify,
    planted: Planted,
}

struct Idle {
    link: Link,
    until: Instant,
}

impl Pool {
    pub(crate) fn new(limits: Keepalive, planted: &Planted) -> Self {
        Self {
            limits,
            idle: Mutex::default(),
            changed: Notify::new(),
            planted: planted.clone(),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection to `address` that is still good.
    pub(crate) async fn take(&self, address: SocketAddr) -> Option<Link> {
        poll_fn(|cx| {
            let mut idle = self.idle();
            while let Some(at) = idle.iter().rposition(|idle| idle.link.address == address) {
                let mut link = idle.remove(at).link;
                if self.planted.has("edge/pool-returns-broken") {
                    return Poll::Ready(Some(link));
                }
                // Sees what has arrived since, a FIN above all.
                if !link.drive(cx) && link.is_reusable() {
                    return Poll::Ready(Some(link));
                }
            }
            Poll::Ready(None)
        })
        .await
    }

    /// Keeps a connection, closing the least recently used one for it if need be.
    pub(crate) fn put(&self, link: Link) {
        let now = Instant::now();
        let worn = link.requests >= self.limits.requests_max
            || now.duration_since(link.opened) >= self.limits.age_max;
        if worn || self.limits.idle_timeout.is_zero() || !link.is_reusable() {
            return;
        }
        let mut idle = self.idle();
        if idle.len() >= self.limits.connections_max {
            idle.remove(0);
        }
        idle.push(Idle {
            link,
            until: now + self.limits.idle_timeout,
        });
        drop(idle);
        self.changed.notify_one();
    }

    /// Closes what the other side has closed and what has been idle for too long. Never ends.
    pub(crate) async fn watch(self: Arc<Self>) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            let next = self.idle().iter().map(|idle| idle.until).min();
            let far = || Instant::now() + self.limits.idle_timeout;
            let mut timer = std::pin::pin!(tokio::time::sleep_until(next.unwrap_or_else(far)));
            poll_fn(|cx| {
                // Driving an idle connection also asks to be woken when it is closed.
                self.sweep(cx);
                let news = changed.as_mut().poll(cx).is_ready();
                let late = timer.as_mut().poll(cx).is_ready();
                if news || late {
                    Poll::Ready(())
                } else {
                    Poll::Pending
                }
            })
            .await;
        }
    }

    fn sweep(&self, cx: &mut Context<'_>) {
        let now = Instant::now();
        let mut idle = self.idle();
        if self.planted.has("edge/pool-returns-broken") {
            return idle.retain(|idle| idle.until > now);
        }
        idle.retain_mut(|idle| idle.until > now && !idle.link.drive(cx));
    }
}
