//! One server of a backend at run time: its state, its address, its sessions.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use squall_host::planted::Planted;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::ServerConfig;
use crate::config::value::Place;
use crate::counters::Counters;
use crate::health::Health;
use crate::termination::Cause;

/// Whether a server serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// Down, or in maintenance.
    Stopped,
    /// Up, on its way to its full share (`slowstart`).
    Starting,
    /// Up.
    Running,
}

/// One server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) config: Arc<ServerConfig>,
    pub(crate) address: Option<SocketAddr>,
    pub(crate) state: State,
    /// `disabled` in the configuration.
    pub(crate) forced_maintenance: bool,
    /// Its name has no address.
    pub(crate) unresolved: bool,
    pub(crate) health: Option<Health>,
    pub(crate) queue: VecDeque<Waiter>,
    /// Sessions that got a place from the queue.
    pub(crate) queue_served: u32,
    pub(crate) counters: Counters,
    pub(crate) kill: Kill,
    pub(crate) changed: Instant,
    pub(crate) down_time: Duration,
}

/// A session in a queue.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) ticket: u64,
    pub(crate) grant: oneshot::Sender<Grant>,
}

/// What a queued session is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grant {
    /// A server has a place, which is taken already.
    Server {
        /// Its number.
        index: usize,
        /// What `queue_served` was.
        served: u32,
    },
    /// Choose again: the server went down.
    Again,
}

impl Server {
    pub(crate) fn new(config: ServerConfig, planted: &Planted) -> Self {
        let options = &config.options;
        let address = match config.place {
            Place::Ip(ip) => Some(SocketAddr::new(ip, config.port)),
            Place::Name(_) => None,
        };
        Self {
            address,
            state: if options.disabled {
                State::Stopped
            } else {
                State::Running
            },
            forced_maintenance: options.disabled,
            unresolved: false,
            health: options.check.then(|| Health::new(options, planted)),
            queue: VecDeque::new(),
            queue_served: 0,
            counters: Counters::default(),
            kill: Kill::default(),
            changed: Instant::now(),
            down_time: Duration::ZERO,
            config: Arc::new(config),
        }
    }

    pub(crate) fn in_maintenance(&self) -> bool {
        self.forced_maintenance || self.unresolved
    }

    /// The share of its weight that a server has after `elapsed` of its slow start: `scale` parts.
    pub(crate) fn slow_share(&self, elapsed: Duration, scale: u32) -> u32 {
        let slow_s = self
            .config
            .options
            .slowstart
            .map_or(0, |time| time.as_millis().div_ceil(1_000) as u64);
        if self.state != State::Starting || slow_s == 0 {
            return scale;
        }
        let share = (u64::from(scale) * elapsed.as_secs() + slow_s) / slow_s;
        u32::try_from(share).unwrap_or(scale).clamp(1, scale)
    }

    /// Time spent down, the present one included.
    pub(crate) fn down_time(&self, now: Instant) -> Duration {
        match self.state {
            State::Stopped => self.down_time + (now - self.changed),
            _ => self.down_time,
        }
    }
}

/// The means to end all sessions of a server at once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Kill {
    token: CancellationToken,
    up: Arc<AtomicBool>,
}

impl Kill {
    /// Ends the sessions that hold this; new ones get a fresh one.
    pub(crate) fn fire(&mut self, cause: Cause) {
        self.up.store(cause == Cause::Up, Ordering::Relaxed);
        self.token.cancel();
        *self = Self::default();
    }

    /// Returns when the sessions are to end. Cancel safe.
    pub(crate) fn fired(&self) -> tokio_util::sync::WaitForCancellationFuture<'_> {
        self.token.cancelled()
    }

    /// Whether the sessions are to end.
    pub(crate) fn has_fired(&self) -> bool {
        self.token.is_cancelled()
    }

    /// Why, once fired.
    pub(crate) fn cause(&self) -> Cause {
        if self.up.load(Ordering::Relaxed) {
            Cause::Up
        } else {
            Cause::Down
        }
    }
}
