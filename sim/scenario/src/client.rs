//! The load client: a program like any other, started on a machine of its own outside the system.
//!
//! It is started anew for each part of the story and knows from the beginning what to send in it
//! ([`Turn`]), so nobody has to talk to it. Told to stop (SIGTERM), it sends nothing more and ends when
//! everything that it has sent has its outcome. What it sends is in `draft`, how it
//! reads the answers in `call` and `metric`.
//! Deliberately absent: redirects, cookies, retries. A request that fails is a failed request.

mod call;
mod draft;
mod metric;

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use squall_host::{Facts, Host, Loaded, Shutdown};
use squall_record::{Failure, Name, Outcome};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::client::call::Caller;
use crate::client::draft::Drafts;
use crate::file::{Client, Pace};
use crate::recorder::{Recorder, Servers};
use crate::timeline::{Stretch, Turn};

/// The most requests of one client that are in flight at a time. A stalled system would otherwise
/// be buried under what an open loop goes on to send; more are recorded as [`Failure::Overload`].
const IN_FLIGHT_MAX: usize = 4096;

/// A client as a program that can be started on a machine, for a part of the story that `began` then.
/// It ends by itself after its turn, when everything that it sent has its outcome.
pub fn program(client: &Client, turn: &Turn, began: Instant, recorder: &Recorder) -> Loaded {
    let (client, recorder) = (Arc::new(client.clone()), recorder.clone());
    let turn = Arc::new(turn.clone());
    Loaded::new(Facts::default(), move |host: Host, shutdown: Shutdown| {
        let (client, turn, recorder) = (client.clone(), turn.clone(), recorder.clone());
        async move {
            let user = User {
                name: Name::from(client.name.value.as_str()),
                drafts: Arc::new(Drafts::new(client.clone())),
                caller: Arc::new(Caller::new(host, client.clone())),
                recorder,
                in_flight: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
                sent: Arc::default(),
                began,
                shutdown,
            };
            let mut users = JoinSet::new();
            for number in 0..client.users {
                users.spawn(user.clone().play(turn.clone(), number == 0));
            }
            while users.join_next().await.is_some() {}
            Ok::<(), std::convert::Infallible>(())
        }
    })
}

/// One of the users that a client plays; an open loop has one.
#[derive(Clone)]
struct User {
    name: Name,
    drafts: Arc<Drafts>,
    caller: Arc<Caller>,
    recorder: Recorder,
    in_flight: Arc<Semaphore>,
    /// How many requests of a counted turn all users together have begun.
    sent: Arc<AtomicU32>,
    began: Instant,
    shutdown: Shutdown,
}

impl User {
    async fn play(self, turn: Arc<Turn>, is_first: bool) {
        match &*turn {
            Turn::Stretches(stretches) => self.keep_pace(stretches, is_first).await,
            Turn::Requests { count, pause } => self.send_all(*count, *pause).await,
        }
    }

    /// Sends a number of requests together with the other users: who is free takes the next.
    async fn send_all(&self, count: u32, pause: Duration) {
        while self.sent.fetch_add(1, Ordering::Relaxed) < count {
            self.request().await;
            if !self.sleep_until(Instant::now() + pause).await {
                break;
            }
        }
    }

    async fn keep_pace(&self, stretches: &[Stretch], is_first: bool) {
        let mut sent = JoinSet::new();
        let began = self.began;
        'turn: for stretch in stretches {
            match stretch.pace {
                Pace::Open { period } if is_first => {
                    let mut at = stretch.from;
                    while at < stretch.to {
                        if !self.sleep_until(began + at).await {
                            break 'turn;
                        }
                        // A timer comes up to a millisecond late, which may be after the end.
                        if began.elapsed() >= stretch.to {
                            break;
                        }
                        self.send(&mut sent);
                        at += period;
                    }
                }
                Pace::Open { .. } => {}
                Pace::Closed { pause } => {
                    if !self.sleep_until(began + stretch.from).await {
                        break 'turn;
                    }
                    while began.elapsed() < stretch.to {
                        self.request().await;
                        if began.elapsed() + pause >= stretch.to {
                            break;
                        }
                        if !self.sleep_until(Instant::now() + pause).await {
                            break 'turn;
                        }
                    }
                }
            }
        }
        while sent.join_next().await.is_some() {}
    }

    /// Whether it is time and nobody has told it to stop.
    async fn sleep_until(&self, at: Instant) -> bool {
        tokio::select! {
            biased;
            () = self.shutdown.requested() => false,
            () = sleep_until(at) => true,
        }
    }

    /// Sends one request and does not wait for it.
    fn send(&self, sent: &mut JoinSet<()>) {
        while sent.try_join_next().is_some() {}
        let Ok(permit) = self.in_flight.clone().try_acquire_owned() else {
            let ticket = self.recorder.sent(&self.name, self.drafts.next().kept);
            let outcome = Outcome::Failure(Failure::Overload);
            self.recorder.ended(ticket, outcome, &Servers::default());
            return;
        };
        let user = self.clone();
        sent.spawn(async move {
            user.request().await;
            drop(permit);
        });
    }

    async fn request(&self) {
        let mut draft = self.drafts.next();
        let ticket = self.recorder.sent(&self.name, draft.kept.take());
        let (outcome, servers) = self.caller.call(draft).await;
        self.recorder.ended(ticket, outcome, &servers);
    }
}
