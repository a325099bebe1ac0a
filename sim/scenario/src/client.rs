//! The load client: a program like any other, started on a machine of its own outside the system.
//!
//! It knows from the beginning when to send ([`Stretch`]), so nobody has to talk to it. What it
//! sends and how it reads the answers is in `call`. Deliberately absent: redirects, cookies,
//! retries. A request that fails is a failed request.

mod call;

use std::sync::Arc;

use squall_host::{Facts, Host, Loaded, Shutdown};
use squall_record::{Failure, Name, Outcome};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::sleep_until;

use crate::client::call::Caller;
use crate::file::{Client, Pace};
use crate::recorder::{Recorder, Servers};
use crate::timeline::Stretch;

/// The most requests of one client that are in flight at a time. A stalled system would otherwise
/// be buried under what an open loop goes on to send; more are recorded as [`Failure::Overload`].
const IN_FLIGHT_MAX: usize = 4096;

/// A client as a program that can be started on a machine. It ends by itself after its last
/// stretch, when everything that it sent has its outcome.
pub fn program(client: &Client, stretches: &[Stretch], recorder: &Recorder) -> Loaded {
    let (client, recorder) = (Arc::new(client.clone()), recorder.clone());
    let stretches: Arc<[Stretch]> = stretches.into();
    Loaded::new(Facts::default(), move |host: Host, shutdown: Shutdown| {
        let user = User {
            name: Name::from(client.name.value.as_str()),
            caller: Arc::new(Caller::new(host, client.clone())),
            recorder: recorder.clone(),
            in_flight: Arc::new(Semaphore::new(IN_FLIGHT_MAX)),
        };
        let (client, stretches) = (client.clone(), stretches.clone());
        async move {
            let mut users = JoinSet::new();
            for number in 0..client.users {
                users.spawn(user.clone().play(stretches.clone(), number == 0));
            }
            tokio::select! {
                () = async { while users.join_next().await.is_some() {} } => {}
                () = shutdown.requested() => {}
            }
            Ok::<(), std::convert::Infallible>(())
        }
    })
}

/// One of the users that a client plays; an open loop has one.
#[derive(Clone)]
struct User {
    name: Name,
    caller: Arc<Caller>,
    recorder: Recorder,
    in_flight: Arc<Semaphore>,
}

impl User {
    async fn play(self, stretches: Arc<[Stretch]>, is_first: bool) {
        let mut sent = JoinSet::new();
        for stretch in stretches.iter() {
            match stretch.pace {
                Pace::Open { period } if is_first => {
                    let began = self.recorder.story_began();
                    let mut at = stretch.from;
                    while at < stretch.to {
                        sleep_until(began + at).await;
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
                    let began = self.recorder.story_began();
                    sleep_until(began + stretch.from).await;
                    while began.elapsed() < stretch.to {
                        self.request().await;
                        if began.elapsed() + pause >= stretch.to {
                            break;
                        }
                        tokio::time::sleep(pause).await;
                    }
                }
            }
        }
        while sent.join_next().await.is_some() {}
    }

    /// Sends one request and does not wait for it.
    fn send(&self, sent: &mut JoinSet<()>) {
        while sent.try_join_next().is_some() {}
        let Ok(permit) = self.in_flight.clone().try_acquire_owned() else {
            let ticket = self.recorder.sent(&self.name);
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
        let ticket = self.recorder.sent(&self.name);
        let (outcome, servers) = self.caller.call().await;
        self.recorder.ended(ticket, outcome, &servers);
    }
}
