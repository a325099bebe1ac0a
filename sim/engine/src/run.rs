//! One run: a fresh thread that simulates, and a watchdog beside it.

use std::future::Future;
use std::io::Write;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing::level_filters::LevelFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt};

use crate::boundary;
use crate::broken::{self, Broken};
use crate::control::Control;
use crate::engine::{Engine, Parts, Progress};
use crate::log::{Capture, Lines, Reader};
use squall_fault::Link;

use crate::network::Network;
use crate::time::ns;
use crate::trace::Trace;

/// What a run is made with.
pub struct Config {
    /// Decides everything that the story leaves open.
    pub seed: u64,
    /// Virtual time at the start, since 1970.
    pub epoch: Duration,
    /// Between any two hosts, in each direction, unless the story sets it apart.
    pub link: Link,
    /// Virtual time after which a story that goes on is broken.
    pub virtual_limit: Duration,
    /// Real time without an event after which a host is held to block.
    pub stall_limit: Duration,
    /// What `tracing` events are kept.
    pub log_level: LevelFilter,
    /// Who is given what processes say, in order.
    pub reader: Reader,
    /// Where the trace is written as text.
    pub trace: Option<Box<dyn Write + Send>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 0,
            epoch: Duration::from_secs(1_735_689_600), // 2025-01-01 00:00:00 UTC
            link: Link::default(),
            virtual_limit: Duration::from_secs(24 * 3_600),
            stall_limit: Duration::from_secs(20),
            log_level: LevelFilter::INFO,
            reader: Box::new(|_, _| ()),
            trace: None,
        }
    }
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome<T> {
    /// What the story returned.
    pub value: T,
    /// Events that happened.
    pub events: u64,
    /// Virtual time that passed.
    pub elapsed: Duration,
    /// The same for two runs that are the same.
    pub trace_hash: u64,
}

/// Runs a story to its end on a thread of its own.
///
/// # Errors
///
/// [`Broken`] if a simulated task panicked, opened a real socket, started a thread or blocked, or
/// if nothing can happen any more while the story waits. After a host has blocked, its thread is
/// left behind: the process should end.
pub fn run<T, F, Fut>(config: Config, story: F) -> Result<Outcome<T>, Broken>
where
    T: Send + 'static,
    F: FnOnce(Control) -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    broken::catch_panics();
    boundary::warm();
    let progress = Arc::new(Progress::default());
    let stall_limit = config.stall_limit;
    let (sender, receiver) = sync_channel(1);
    let seen = progress.clone();
    #[allow(clippy::disallowed_methods)] // this is the thread that simulates
    std::thread::spawn(move || {
        // Whoever waits may have given up on a blocked host.
        let _ = sender.send(simulate(config, story, seen));
    });
    let mut events = 0;
    let mut since = Instant::now();
    loop {
        match receiver.recv_timeout(stall_limit / 10) {
            Ok(result) => return result,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(stuck(&progress, "the engine itself panicked"));
            }
            Err(RecvTimeoutError::Timeout) => {
                let now = progress.events.load(Ordering::Relaxed);
                if now != events {
                    (events, since) = (now, Instant::now());
                } else if since.elapsed() >= stall_limit {
                    let what = format!("blocked the simulation for {stall_limit:?} of real time");
                    return Err(stuck(&progress, &what));
                }
            }
        }
    }
}

fn stuck(progress: &Progress, what: &str) -> Broken {
    Broken {
        host: progress.host_name(),
        at_ns: progress.now_ns.load(Ordering::Relaxed),
        what: what.to_owned(),
    }
}

fn simulate<T, F, Fut>(
    config: Config,
    story: F,
    progress: Arc<Progress>,
) -> Result<Outcome<T>, Broken>
where
    T: Send + 'static,
    F: FnOnce(Control) -> Fut,
    Fut: Future<Output = T> + Send + 'static,
{
    let start_ns = ns(config.epoch).max(1);
    let lines = Lines::new(start_ns);
    let capture = Capture(lines.clone()).with_filter(config.log_level);
    let subscriber = tracing_subscriber::registry().with(capture);
    let control = Control::new(start_ns);
    let mut engine = Engine::new(Parts {
        seed: config.seed,
        start_ns,
        virtual_limit_ns: ns(config.virtual_limit),
        network: Network::new(config.seed, config.link),
        control: control.clone(),
        lines,
        reader: config.reader,
        trace: Trace::new(start_ns, config.trace),
        progress,
    });
    let value = Arc::new(Mutex::new(None));
    let result = tracing::subscriber::with_default(subscriber, || {
        boundary::enter(config.seed, start_ns);
        let story = story(control);
        let slot = value.clone();
        let result = engine.run(Box::pin(async move {
            let value = story.await;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(value);
        }));
        engine.stop();
        boundary::leave();
        result
    });
    result?;
    let flushed = engine.trace().finish();
    let value = value.lock().unwrap_or_else(PoisonError::into_inner).take();
    let broken = |what: String| Broken {
        host: "story".to_owned(),
        at_ns: engine.elapsed_ns(),
        what,
    };
    flushed.map_err(|error| broken(format!("cannot write the trace: {error}")))?;
    Ok(Outcome {
        value: value.ok_or_else(|| broken("ended without a result".to_owned()))?,
        events: engine.events(),
        elapsed: Duration::from_nanos(engine.elapsed_ns()),
        trace_hash: engine.trace().hash(),
    })
}
