//! One host as the event loop sees it: kernel, disk, process.

use std::cell::Cell;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use squall_host::disk::Disk;
use squall_host::net::Net;
use squall_host::output::Output;
use squall_host::{Host, Shutdown, Trigger};
use tokio::runtime::{Builder, RngSeed, Runtime};
use tokio::sync::oneshot;

use crate::boundary;
use crate::control::{Exit, HostId, HostSpec};
use crate::disk::SimulatedDisk;
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
    pub(crate) disk: SimulatedDisk,
    pub(crate) handle: Host,
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) process: Option<Process>,
    /// Counts processes, so that news of an old one is known.
    pub(crate) incarnation: u64,
    pub(crate) last_exit: Option<Exit>,
    pub(crate) exit_waiters: Vec<oneshot::Sender<Exit>>,
    pub(crate) is_powered: bool,
    pub(crate) is_plugged: bool,
    /// When the earliest wake-up under way arrives.
    pub(crate) wake_at_ns: Option<u64>,
    /// Tasks that packets have woken since the process last ran.
    pub(crate) wakers: Vec<Waker>,
}

pub(crate) struct Process {
    runtime: Runtime,
    eventfd: i32,
    pub(crate) trigger: Trigger,
    pub(crate) shutdown: Shutdown,
    pub(crate) is_paused: bool,
}

impl Machine {
    pub(crate) fn new(id: HostId, spec: HostSpec, random: u64, lines: SharedLines) -> Self {
        let kernel = Arc::new(Mutex::new(Kernel::new(spec.addresses.clone(), random)));
        let disk = SimulatedDisk::new(spec.disk, Random::new(random, "disk"));
        let net = SimulatedNet {
            kernel,
            owner: id.0,
            own_name: spec.name.as_str().into(),
            own_addresses: spec.addresses.clone().into(),
            nameservers: spec.nameservers.into(),
        };
        Self {
            addresses: spec.addresses,
            ..Self::with(spec.name, net, disk, lines)
        }
    }

    /// A machine without a network of its own: it has that of `host`.
    pub(crate) fn join(
        id: HostId,
        name: String,
        host: HostId,
        of: &mut Self,
        random: Random,
        lines: SharedLines,
    ) -> Self {
        of.is_shared = true;
        let disk = SimulatedDisk::new(None, random);
        Self {
            joined: Some(host),
            ..Self::with(name, of.net.joined(id.0), disk, lines)
        }
    }

    fn with(name: String, net: SimulatedNet, disk: SimulatedDisk, lines: SharedLines) -> Self {
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
            process: None,
            incarnation: 0,
            last_exit: None,
            exit_waiters: Vec::new(),
            is_powered: true,
            is_plugged: true,
            wake_at_ns: None,
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
    /// A runtime with nothing on it yet; its choices follow from the seed.
    pub(crate) fn new(seed: u64, host: HostId, incarnation: u64) -> std::io::Result<Self> {
        let words = [seed, u64::from(host.0), incarnation]
            .map(u64::to_le_bytes)
            .concat();
        let runtime = Builder::new_current_thread()
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

    /// Runs every task that can run, after waking `wakers`. Milliseconds to the next timer, if any.
    pub(crate) fn run(&self, wakers: &mut Vec<Waker>) -> Option<u64> {
        boundary::arm_park();
        let parked_ms =
            self.runtime
                .block_on(std::future::poll_fn(|cx| match boundary::parked() {
                    Some(ms) => Poll::Ready(ms),
                    None => {
                        // Inside the runtime a wake-up is a push to its own queue, without a system call.
                        for waker in wakers.drain(..) {
                            waker.wake();
                        }
                        ROOT.set(Some(cx.waker().clone()));
                        Poll::Pending
                    }
                }));
        u64::try_from(parked_ms).ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        boundary::release_eventfd(self.eventfd);
    }
}
