//! One host as the event loop sees it: kernel, disk, process.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use squall_host::disk::Disk;
use squall_host::net::Net;
use squall_host::output::Output;
use squall_host::{Host, Shutdown, Trigger};
use tokio::runtime::{Builder, RngSeed, Runtime, RuntimeMetrics};
use tokio::sync::oneshot;

use crate::boundary;
use crate::clock::Clock;
use squall_fault::cpu::Cpu;

use crate::control::{Exit, HostId, HostSpec, JoinSpec};
use crate::cpu::Processor;
use crate::disk::{Mounted, SimulatedDisk};
use crate::driver::{SharedKernel, SimulatedNet};
use crate::kernel::Kernel;
use crate::log::{CapturedOutput, SharedLines};
use crate::random::Random;

thread_local! {
    /// The waker of the `block_on` that drives a runtime now.
    static ROOT: Cell<Option<Waker>> = const { Cell::new(None) };
}

pub(crate) struct Machine {
    pub(crate) name: String,
    pub(crate) kernel: SharedKernel,
    net: SimulatedNet,
    /// The host whose network it has, if not its own.
    pub(crate) joined: Option<HostId>,
    /// Whether another host has this one's network.
    pub(crate) is_shared: bool,
    pub(crate) disk: Mounted,
    pub(crate) handle: Host,
    pub(crate) addresses: Vec<IpAddr>,
    /// `None` for one that takes no time.
    pub(crate) cpu: Option<Processor>,
    pub(crate) clock: Clock,
    pub(crate) process: Option<Process>,
    /// Counts processes, so that news of an old one is known.
    pub(crate) incarnation: u64,
    pub(crate) last_exit: Option<Exit>,
    pub(crate) exit_waiters: Vec<oneshot::Sender<Exit>>,
    pub(crate) is_powered: bool,
    pub(crate) is_plugged: bool,
    /// When the earliest wake-up under way arrives.
    pub(crate) wake_at_ns: Option<u64>,
    /// When the earliest timer of the kernel under way fires.
    pub(crate) timer_at_ns: Option<u64>,
    /// Tasks that packets have woken since the process last ran.
    pub(crate) wakers: Vec<Waker>,
}

pub(crate) struct Process {
    runtime: Runtime,
    metrics: RuntimeMetrics,
    eventfd: i32,
    pub(crate) trigger: Trigger,
    pub(crate) shutdown: Shutdown,
    pub(crate) is_paused: bool,
}

/// How many tasks a runtime may poll before it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Polls {
    None,
    One,
    All,
}

/// How a runtime came back.
pub(crate) enum Rest {
    /// Nothing is left to do until the timer, if there is one.
    Parked { timer_ms: Option<u64> },
    /// So many tasks wait to be polled.
    Ready(usize),
}

/// A processor, unless it takes no time.
fn processor(cpu: Option<Cpu>, random: u64) -> Option<Processor> {
    let cpu = cpu.filter(|cpu| !cpu.poll.is_zero());
    cpu.map(|cpu| Processor::new(cpu, random))
}

impl Machine {
    pub(crate) fn new(id: HostId, spec: HostSpec, random: u64, lines: SharedLines) -> Self {
        let kernel = Arc::new(Mutex::new(Kernel::new(spec.addresses.clone(), random)));
        let disk = Mounted::new(SimulatedDisk::new(spec.disk, Random::new(random, "disk")));
        let net = SimulatedNet {
            kernel,
            owner: id.0,
            own_name: spec.name.as_str().into(),
            own_addresses: spec.addresses.clone().into(),
            nameservers: spec.nameservers.into(),
            search: spec.search.into(),
            ndots: spec.ndots,
        };
        Self {
            addresses: spec.addresses,
            cpu: processor(spec.cpu, random),
            ..Self::with(spec.name, net, disk, lines)
        }
    }

    /// A machine without a network of its own: it has that of `host`.
    pub(crate) fn join(
        id: HostId,
        spec: JoinSpec,
        host: HostId,
        of: &mut Self,
        random: u64,
        lines: SharedLines,
    ) -> Self {
        of.is_shared = true;
        let disk = Mounted::new(SimulatedDisk::new(spec.disk, Random::new(random, "disk")));
        Self {
            joined: Some(host),
            cpu: processor(spec.cpu, random),
            ..Self::with(spec.name, of.net.joined(id.0), disk, lines)
        }
    }

    fn with(name: String, net: SimulatedNet, disk: Mounted, lines: SharedLines) -> Self {
        let output = Output::new(CapturedOutput(lines));
        let handle = Host::new(
            &name,
            Net::new(net.clone()),
            Disk::new(disk.clone()),
            output,
        );
        Self {
            name,
            kernel: net.kernel.clone(),
            net,
            joined: None,
            is_shared: false,
            disk,
            handle,
            addresses: Vec::new(),
            cpu: None,
            clock: Clock::TRUE,
            process: None,
            incarnation: 0,
            last_exit: None,
            exit_waiters: Vec::new(),
            is_powered: true,
            is_plugged: true,
            wake_at_ns: None,
            timer_at_ns: None,
            wakers: Vec::new(),
        }
    }

    pub(crate) fn is_on_the_wire(&self) -> bool {
        self.is_powered && self.is_plugged
    }

    /// A process that can run now.
    pub(crate) fn is_runnable(&self) -> bool {
        self.process
            .as_ref()
            .is_some_and(|process| !process.is_paused)
    }

    pub(crate) fn set_exit(&mut self, exit: &Exit) {
        self.last_exit = Some(exit.clone());
        for waiter in self.exit_waiters.drain(..) {
            let _ = waiter.send(exit.clone()); // whoever asked may have gone
        }
    }
}

impl Process {
    /// A runtime with nothing on it yet; its choices follow from the seed. One whose polls cost time
    /// `is_metered`: it looks at its timers and at the network after each.
    pub(crate) fn new(
        seed: u64,
        host: HostId,
        incarnation: u64,
        is_metered: bool,
    ) -> std::io::Result<Self> {
        let words = [seed, u64::from(host.0), incarnation]
            .map(u64::to_le_bytes)
            .concat();
        let mut builder = Builder::new_current_thread();
        if is_metered {
            builder.event_interval(1);
        }
        let runtime = builder
            .enable_all()
            .rng_seed(RngSeed::from_bytes(&words)) // the branch order of select!
            .on_thread_unpark(|| {
                if let Some(root) = ROOT.take() {
                    // So that block_on comes back instead of parking again.
                    boundary::quietly(|| root.wake());
                }
            })
            .build()?;
        let eventfd = boundary::claim_eventfd(host.0);
        let (trigger, shutdown) = Shutdown::new();
        Ok(Self {
            metrics: runtime.metrics(),
            runtime,
            eventfd,
            trigger,
            shutdown,
            is_paused: false,
        })
    }

    pub(crate) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.runtime.spawn(task);
    }

    /// Wakes `wakers`, and polls as many of the tasks that are ready as it may.
    pub(crate) fn run(&self, wakers: &mut Vec<Waker>, polls: Polls) -> Rest {
        boundary::arm_park();
        let mut is_first = true;
        self.runtime.block_on(std::future::poll_fn(|cx| {
            if let Some(ms) = boundary::parked() {
                return Poll::Ready(Rest::Parked {
                    timer_ms: u64::try_from(ms).ok(),
                });
            }
            // Inside the runtime a wake-up is a push to its own queue, without a system call.
            for waker in wakers.drain(..) {
                waker.wake();
            }
            let is_turn = is_first && polls == Polls::One;
            is_first = false;
            if is_turn {
                cx.waker().wake_by_ref(); // so that this comes back after one poll
            } else if polls != Polls::All
                && let ready @ 1.. = self.ready()
            {
                return Poll::Ready(Rest::Ready(ready));
            }
            ROOT.set(Some(cx.waker().clone()));
            Poll::Pending
        }))
    }

    /// Tasks that wait to be polled. Those that were woken from outside the runtime wait behind all
    /// others, as in tokio.
    fn ready(&self) -> usize {
        self.metrics.worker_local_queue_depth(0) + self.metrics.global_queue_depth()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        boundary::release_eventfd(self.eventfd);
    }
}
