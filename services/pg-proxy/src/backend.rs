//! A backend at run time: its servers, who may go to which, and who must wait.
//!
//! | module | idea |
//! |---|---|
//! | here | places: taken, queued for, given back |
//! | [`transitions`] | servers that go down, come up, enter and leave maintenance |

mod transitions;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use squall_host::planted::Planted;
use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;

use crate::balance::{Balancer, Group, Slot};
use crate::config::ProxyConfig;
use crate::counters::Counters;
use crate::log::Logger;
use crate::server::{Grant, Kill, Server, State, Waiter};

/// Sessions that may wait in one queue without a limit of their own.
const QUEUE_MAX: usize = 65_536;

/// One backend.
pub(crate) struct Backend {
    pub(crate) config: Arc<ProxyConfig>,
    pub(crate) log: Logger,
    pub(crate) fullconn: u32,
    /// Told when a server starts slowly.
    pub(crate) warming: Notify,
    pub(crate) planted: Planted,
    inner: Mutex<Inner>,
}

/// What changes.
pub(crate) struct Inner {
    pub(crate) servers: Vec<Server>,
    pub(crate) slots: Vec<Slot>,
    pub(crate) balancer: Balancer,
    pub(crate) queue: VecDeque<Waiter>,
    /// Sessions that got a place from the queue.
    queue_served: u32,
    pub(crate) counters: Counters,
    pub(crate) changed: Instant,
    pub(crate) down_time: Duration,
    ticket_next: u64,
}

/// What a session that wants a server gets.
pub(crate) enum Assigned {
    /// A place.
    Place(Lease),
    /// A place in a queue.
    Queued(Ticket),
    /// The server's queue is full.
    QueueFull(usize),
    /// No server is up.
    Nobody,
}

impl Backend {
    pub(crate) fn new(
        config: Arc<ProxyConfig>,
        log: Logger,
        fullconn: u32,
        planted: &Planted,
    ) -> Arc<Self> {
        let server = |config| Server::new(config, planted);
        let servers: Vec<Server> = config.servers.iter().cloned().map(server).collect();
        let mut slots: Vec<Slot> = servers
            .iter()
            .map(|server| Slot {
                usable: server.state != State::Stopped && server.config.options.weight > 0,
                backup: server.config.options.backup,
                weight: server.config.options.weight,
                room: server.config.options.maxconn,
                maxqueue: server.config.options.maxqueue,
                ..Slot::default()
            })
            .collect();
        let balancer = Balancer::new(config.balance, config.flags.allbackups, &mut slots);
        Arc::new(Self {
            log,
            fullconn,
            warming: Notify::new(),
            planted: planted.clone(),
            inner: Mutex::new(Inner {
                servers,
                slots,
                balancer,
                queue: VecDeque::new(),
                queue_served: 0,
                counters: Counters::default(),
                changed: Instant::now(),
                down_time: Duration::ZERO,
                ticket_next: 0,
            }),
            config,
        })
    }

    /// The state; never held across an await.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Inner> {
        // Every change is complete before a panic could come: the state is as good as any.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Chooses a server for a session, other than `previous` if it can be (HAProxy's
    /// `assign_server_and_queue`, src/backend.c).
    pub(crate) fn assign(self: &Arc<Self>, previous: Option<usize>, client: IpAddr) -> Assigned {
        let inner = &mut *self.lock();
        let queued = inner.queue.len();
        // Everyone of this backend in its queue means that a slot has just come free.
        let full = queued > 0
            && queued != inner.counters.sessions as usize
            && inner.balancer.queue_means_full();
        let chosen = if inner.balancer.group(&inner.slots) == Group::Nobody {
            inner.counters.connections_failed += 1;
            if let Some(previous) = previous {
                inner.servers[previous].counters.redispatches += 1;
                inner.counters.redispatches += 1;
            }
            return Assigned::Nobody;
        } else if full {
            None
        } else {
            inner.balancer.pick(&inner.slots, previous, client)
        };
        if let Some(previous) = previous {
            let counters = &mut inner.servers[previous].counters;
            if chosen == Some(previous) {
                counters.retries += 1;
                inner.counters.retries += 1;
            } else {
                counters.redispatches += 1;
                inner.counters.redispatches += 1;
            }
        }
        let Some(index) = chosen else {
            return match inner.wait_in(None) {
                Some((id, grant, base)) => Assigned::Queued(self.ticket(id, grant, None, base)),
                None => Assigned::Nobody,
            };
        };
        if Some(index) != previous {
            inner.servers[index].counters.chosen += 1;
            inner.counters.chosen += 1;
        }
        let slot = &inner.slots[index];
        if !slot.has_room() {
            if slot.maxqueue > 0 && slot.queued >= slot.maxqueue {
                inner.servers[index].counters.connections_failed += 1;
                inner.counters.connections_failed += 1;
                return Assigned::QueueFull(index);
            }
            return match inner.wait_in(Some(index)) {
                Some((id, grant, base)) => {
                    Assigned::Queued(self.ticket(id, grant, Some(index), base))
                }
                None => Assigned::QueueFull(index),
            };
        }
        inner.take_place(index);
        Assigned::Place(self.lease(index))
    }

    fn lease(self: &Arc<Self>, server: usize) -> Lease {
        Lease {
            backend: self.clone(),
            server,
            connected: false,
        }
    }

    fn ticket(
        self: &Arc<Self>,
        id: u64,
        grant: oneshot::Receiver<Grant>,
        server: Option<usize>,
        base: u32,
    ) -> Ticket {
        Ticket {
            backend: self.clone(),
            id,
            grant,
            server,
            base,
            last: None,
            settled: false,
        }
    }
}

impl Inner {
    /// Joins the queue of a server or of the backend; `None` when it is full.
    fn wait_in(&mut self, server: Option<usize>) -> Option<(u64, oneshot::Receiver<Grant>, u32)> {
        // The ticket, what it is told by, and how many were served before it.
        let (queue, base) = match server {
            Some(index) => {
                let server = &mut self.servers[index];
                (&mut server.queue, server.queue_served)
            }
            None => (&mut self.queue, self.queue_served),
        };
        if queue.len() >= QUEUE_MAX {
            return None;
        }
        let length = u32::try_from(queue.len()).unwrap_or(u32::MAX) + 1;
        let ticket = self.ticket_next;
        self.ticket_next += 1;
        let (grant, granted) = oneshot::channel();
        queue.push_back(Waiter { ticket, grant });
        match server {
            Some(index) => {
                let counters = &mut self.servers[index].counters;
                counters.queue_max = counters.queue_max.max(length);
                self.count_queue(index);
            }
            None => self.counters.queue_max = self.counters.queue_max.max(length),
        }
        Some((ticket, granted, base))
    }

    fn take_place(&mut self, index: usize) {
        self.slots[index].served += 1;
        self.balancer.load_changed(index, &self.slots);
    }

    fn count_queue(&mut self, index: usize) {
        self.slots[index].queued =
            u32::try_from(self.servers[index].queue.len()).unwrap_or(u32::MAX);
        self.balancer.load_changed(index, &self.slots);
    }

    /// Gives free places of a server to those who wait, the longest waiting first; how many.
    pub(crate) fn serve_queues(&mut self, index: usize) -> u32 {
        let mut served = 0;
        loop {
            let slot = &self.slots[index];
            if slot.room.is_some_and(|room| slot.served >= room) {
                return served;
            }
            let may_take_any = match self.balancer.group(&self.slots) {
                Group::Active => slot.usable && !slot.backup,
                Group::OneBackup(first) => first == index,
                Group::Backup => slot.usable && slot.backup,
                Group::Nobody => false,
            };
            let own = self.servers[index]
                .queue
                .front()
                .map(|waiter| waiter.ticket);
            let any = match may_take_any {
                true => self.queue.front().map(|waiter| waiter.ticket),
                false => None,
            };
            let from_any = match (own, any) {
                (None, None) => return served,
                (Some(own), Some(any)) => any < own,
                (own, _) => own.is_none(),
            };
            let server = &mut self.servers[index];
            let (queue, count) = match from_any {
                true => (&mut self.queue, &mut self.queue_served),
                false => (&mut server.queue, &mut server.queue_served),
            };
            let waiter = queue.pop_front();
            let grant = Grant::Server {
                index,
                served: *count,
            };
            let taken = waiter.is_some_and(|waiter| waiter.grant.send(grant).is_ok());
            *count = count.wrapping_add(1);
            self.count_queue(index);
            if taken {
                self.take_place(index);
                served += 1;
            }
        }
    }

    fn give_back(&mut self, index: usize, planted: &Planted) {
        let slot = &mut self.slots[index];
        slot.served = slot.served.saturating_sub(1);
        self.balancer.load_changed(index, &self.slots);
        if planted.has("pg-proxy/loses-wake-ups") {
            return;
        }
        self.serve_queues(index);
    }
}

/// A place at a server; given back when dropped.
pub(crate) struct Lease {
    backend: Arc<Backend>,
    pub(crate) server: usize,
    connected: bool,
}

impl Lease {
    /// The server's address of now, and the means by which its sessions are ended. Counts an
    /// attempt to connect.
    pub(crate) fn begin_attempt(&mut self) -> (Option<SocketAddr>, Kill) {
        let now = Instant::now();
        let inner = &mut *self.backend.lock();
        inner.counters.connects += 1;
        inner.counters.session_last = Some(now);
        let server = &mut inner.servers[self.server];
        let counters = &mut server.counters;
        counters.connects += 1;
        counters.sessions_total += 1;
        counters.rate.add(now);
        counters.session_last = Some(now);
        if !self.connected {
            counters.session_begins();
            self.connected = true;
        }
        (server.address, server.kill.clone())
    }

    /// The attempt failed; whether the server is up.
    pub(crate) fn attempt_failed(&mut self) -> bool {
        let mut inner = self.backend.lock();
        let server = &mut inner.servers[self.server];
        if self.connected {
            server.counters.session_ends();
            self.connected = false;
        }
        server.state == State::Running
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut inner = self.backend.lock();
        if self.connected {
            inner.servers[self.server].counters.session_ends();
        }
        inner.give_back(self.server, &self.backend.planted);
    }
}

/// A place in a queue; left when dropped.
pub(crate) struct Ticket {
    backend: Arc<Backend>,
    id: u64,
    grant: oneshot::Receiver<Grant>,
    /// Whose queue; the backend's if none.
    pub(crate) server: Option<usize>,
    /// What `queue_served` was at the start, and at the end.
    base: u32,
    last: Option<u32>,
    settled: bool,
}

impl Ticket {
    /// The place at a server, or `None` when the choice is to be made again. Cancel safe.
    pub(crate) async fn granted(&mut self) -> Option<Lease> {
        let grant = (&mut self.grant).await;
        self.settled = true;
        match grant {
            Ok(Grant::Server { index, served }) => {
                self.last = Some(served);
                Some(self.backend.lease(index))
            }
            Ok(Grant::Again) | Err(_) => None,
        }
    }

    /// The place in the queue as a log line has it: sessions that were served meanwhile, and one.
    pub(crate) fn place(&self) -> u32 {
        let last = self.last.unwrap_or_else(|| {
            let inner = self.backend.lock();
            match self.server {
                Some(index) => inner.servers[index].queue_served,
                None => inner.queue_served,
            }
        });
        last.wrapping_sub(self.base) + 1
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        // A grant that nobody took up is given back; nobody sends another one after this.
        self.grant.close();
        if let Ok(Grant::Server { index, .. }) = self.grant.try_recv() {
            drop(self.backend.lease(index));
            return;
        }
        let mut inner = self.backend.lock();
        match self.server {
            Some(index) => {
                inner.servers[index]
                    .queue
                    .retain(|waiter| waiter.ticket != self.id);
                inner.count_queue(index);
            }
            None => inner.queue.retain(|waiter| waiter.ticket != self.id),
        }
    }
}

#[cfg(test)]
mod tests;
