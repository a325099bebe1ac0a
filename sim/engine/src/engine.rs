//! The event loop.
//!
//! Pop the earliest event, set the clock, run the one host that it concerns until its runtime parks,
//! collect the packets that it sent, note its next timer. Idle time costs nothing.

mod commands;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

use futures::future::BoxFuture;
use rustc_hash::FxHashMap;
use slab::Slab;

use crate::broken::{self, Broken};
use crate::control::{Command, Control, HostId, HostSpec};
use crate::disk::Share;
use crate::driver::lock;
use crate::host::{Machine, Polls, Rest};
use crate::kernel::packet::Packet;
use crate::log::{self, Reader, SharedLines};
use crate::network::{Fate, Network};
use crate::random::Random;
use crate::time::MS;
use crate::trace::{Kind, Trace};
use crate::{boundary, current};

/// Events at one instant; more is a run that goes round in circles.
const EVENTS_AT_ONE_INSTANT_MAX: u64 = 1_000_000;

/// The story's own host.
pub(crate) const STORY: HostId = HostId(0);

enum Happening {
    Wake(HostId),
    Deliver(HostId, Packet),
    /// Something in the host's kernel is due.
    Timer(HostId),
    /// A poll of this incarnation has had its time on a core.
    Polled(HostId, u64),
    Disk(HostId),
}

/// What the watchdog looks at from its own thread.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) events: AtomicU64,
    pub(crate) now_ns: AtomicU64,
    pub(crate) host: AtomicU64,
    /// The name of each host, by its number.
    pub(crate) names: Mutex<Vec<String>>,
}

impl Progress {
    fn add_host(&self, name: &str) {
        self.names
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(name.to_owned());
    }

    pub(crate) fn host_name(&self) -> String {
        let index = self.host.load(Ordering::Relaxed) as usize;
        let names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.get(index).cloned().unwrap_or_default()
    }
}

pub(crate) struct Engine {
    seed: u64,
    start_ns: u64,
    now_ns: u64,
    virtual_limit_ns: u64,
    /// Earliest first; then in the order in which they were scheduled.
    queue: BinaryHeap<Reverse<(u64, u64, usize)>>,
    happenings: Slab<Happening>,
    next_sequence: u64,
    hosts: Vec<Machine>,
    /// Looked up, never iterated.
    by_address: FxHashMap<IpAddr, HostId>,
    /// Volumes that hosts share, by name; looked up, never walked.
    volumes: FxHashMap<String, Share>,
    network: Network,
    control: Control,
    random: Random,
    lines: SharedLines,
    reader: Reader,
    trace: Trace,
    progress: Arc<Progress>,
    events: u64,
    events_at_this_instant: u64,
    is_story_over: bool,
    // Reused from event to event.
    packets: Vec<Packet>,
    woken: Vec<u32>,
}

pub(crate) struct Parts {
    pub(crate) seed: u64,
    pub(crate) start_ns: u64,
    pub(crate) virtual_limit_ns: u64,
    pub(crate) network: Network,
    pub(crate) control: Control,
    pub(crate) lines: SharedLines,
    pub(crate) reader: Reader,
    pub(crate) trace: Trace,
    pub(crate) progress: Arc<Progress>,
}

impl Engine {
    pub(crate) fn new(parts: Parts) -> Self {
        let story = HostSpec {
            name: "story".to_owned(),
            ..HostSpec::default()
        };
        parts.progress.add_host(&story.name);
        Self {
            seed: parts.seed,
            start_ns: parts.start_ns,
            now_ns: parts.start_ns,
            virtual_limit_ns: parts.virtual_limit_ns,
            queue: BinaryHeap::new(),
            happenings: Slab::new(),
            next_sequence: 0,
            hosts: vec![Machine::new(STORY, story, 0, parts.lines.clone())],
            by_address: FxHashMap::default(),
            volumes: FxHashMap::default(),
            network: parts.network,
            control: parts.control,
            random: Random::new(parts.seed, "hosts"),
            lines: parts.lines,
            reader: parts.reader,
            trace: parts.trace,
            progress: parts.progress,
            events: 0,
            events_at_this_instant: 0,
            is_story_over: false,
            packets: Vec::new(),
            woken: Vec::new(),
        }
    }

    pub(crate) fn events(&self) -> u64 {
        self.events
    }

    pub(crate) fn elapsed_ns(&self) -> u64 {
        self.now_ns - self.start_ns
    }

    pub(crate) fn trace(&mut self) -> &mut Trace {
        &mut self.trace
    }

    /// Runs the story, and the world with it, until the story is over.
    pub(crate) fn run(&mut self, story: BoxFuture<'static, ()>) -> Result<(), Broken> {
        let control = self.control.clone();
        self.start(STORY, |process| {
            process.spawn(async move {
                story.await;
                control.push(Command::StoryEnded);
            });
        })?;
        while !self.is_story_over {
            let Some(Reverse((at_ns, _, index))) = self.queue.pop() else {
                return Err(self.broken(
                    STORY,
                    "the story waits for something that can no longer happen",
                ));
            };
            self.advance(at_ns)?;
            let happening = self.happenings.remove(index);
            self.happen(happening)?;
            self.obey()?;
        }
        Ok(())
    }

    /// Ends every process, so that nothing is left to run when the world is gone.
    pub(crate) fn stop(&mut self) {
        for index in 0..self.hosts.len() {
            self.enter(HostId(index as u32));
            self.hosts[index].process = None;
        }
    }

    fn advance(&mut self, at_ns: u64) -> Result<(), Broken> {
        self.events += 1;
        self.events_at_this_instant += 1;
        self.progress.events.store(self.events, Ordering::Relaxed);
        if at_ns == self.now_ns {
            if self.events_at_this_instant > EVENTS_AT_ONE_INSTANT_MAX {
                let what = format!(
                    "no progress: {EVENTS_AT_ONE_INSTANT_MAX} events without virtual time passing"
                );
                return Err(self.broken(current::host(), &what));
            }
            return Ok(());
        }
        self.now_ns = at_ns;
        self.events_at_this_instant = 0;
        boundary::set_now_ns(at_ns);
        self.progress
            .now_ns
            .store(at_ns - self.start_ns, Ordering::Relaxed);
        if at_ns - self.start_ns > self.virtual_limit_ns {
            let what = format!(
                "no end: the story goes on after {} s of virtual time",
                self.elapsed_ns() / 1_000 / MS
            );
            return Err(self.broken(STORY, &what));
        }
        Ok(())
    }

    fn happen(&mut self, happening: Happening) -> Result<(), Broken> {
        match happening {
            Happening::Wake(id) => {
                let host = &mut self.hosts[id.0 as usize];
                if host.wake_at_ns == Some(self.now_ns) {
                    host.wake_at_ns = None;
                    self.run_host(id)?;
                }
            }
            Happening::Deliver(id, packet) => {
                let host = &self.hosts[id.0 as usize];
                if !host.is_on_the_wire() {
                    self.trace
                        .packet(self.now_ns, Kind::Lost, (id.0, &host.name), &packet);
                    return self.run_if_woken(id); // by an arrival before this one
                }
                self.trace
                    .packet(self.now_ns, Kind::Deliver, (id.0, &host.name), &packet);
                lock(&host.kernel).deliver(packet);
                self.run_if_woken(id)?;
            }
            Happening::Timer(id) => {
                let host = &mut self.hosts[id.0 as usize];
                if host.timer_at_ns != Some(self.now_ns) {
                    return Ok(()); // an earlier one took its place
                }
                host.timer_at_ns = None;
                self.trace
                    .event(self.now_ns, Kind::Timer, (id.0, &host.name), 0, &"");
                lock(&host.kernel).on_timers();
                self.run_if_woken(id)?;
            }
            Happening::Polled(id, incarnation) => {
                let host = &mut self.hosts[id.0 as usize];
                if host.process.is_some()
                    && host.incarnation == incarnation
                    && let Some(cpu) = &mut host.cpu
                {
                    cpu.finish(self.now_ns);
                    self.drive(id, Polls::One)?;
                }
            }
            Happening::Disk(id) => {
                let host = &self.hosts[id.0 as usize];
                self.trace
                    .event(self.now_ns, Kind::Disk, (id.0, &host.name), 0, &"");
                host.disk.remind();
                self.settle(id);
                self.wake_woken(); // whoever waited for the disk
            }
        }
        Ok(())
    }

    /// After something happened to a host's kernel: runs its process if that woke a task. Packets
    /// that arrive together are all there before it runs, as after one interrupt.
    fn run_if_woken(&mut self, id: HostId) -> Result<(), Broken> {
        self.settle(id);
        let is_done = self.hosts[id.0 as usize].wakers.is_empty() || self.brings_more(id);
        match is_done {
            true => Ok(()),
            false => self.run_host(id),
        }
    }

    /// The next event is another arrival at this host, at this instant.
    fn brings_more(&self, id: HostId) -> bool {
        let Some(Reverse((at_ns, _, index))) = self.queue.peek() else {
            return false;
        };
        *at_ns == self.now_ns
            && matches!(self.happenings[*index], Happening::Deliver(to, _) if to == id)
    }

    /// Runs a host's process until its runtime parks. Where a poll takes time, nothing is polled
    /// yet: what is ready begins, and is polled when its time is over.
    fn run_host(&mut self, id: HostId) -> Result<(), Broken> {
        match &self.hosts[id.0 as usize].cpu {
            None => self.drive(id, Polls::All),
            Some(cpu) if cpu.has_free_core() => self.drive(id, Polls::None),
            Some(_) => Ok(()), // it looks again at the end of the next poll
        }
    }

    fn drive(&mut self, id: HostId, polls: Polls) -> Result<(), Broken> {
        let index = id.0 as usize;
        if !self.hosts[index].is_runnable() {
            return Ok(()); // what woke it is kept for when it runs again
        }
        self.trace.event(
            self.now_ns,
            Kind::Run,
            (id.0, &self.hosts[index].name),
            0,
            &"",
        );
        self.progress.host.store(u64::from(id.0), Ordering::Relaxed);
        self.enter(id);
        let host = &mut self.hosts[index];
        let Some(process) = &host.process else {
            return Ok(());
        };
        let rest = process.run(&mut host.wakers, polls);
        self.check(id)?;
        match rest {
            Rest::Parked { timer_ms: None } => {}
            Rest::Parked { timer_ms: Some(ms) } => {
                let at_ns = self.hosts[index].clock.after(self.now_ns, ms * MS);
                self.wake(id, at_ns);
            }
            Rest::Ready(tasks) => self.begin_polls(id, tasks),
        }
        self.settle(id);
        self.note_lines();
        self.wake_woken();
        Ok(())
    }

    /// Puts tasks on the cores that are free; each is polled when it has had its time.
    fn begin_polls(&mut self, id: HostId, ready: usize) {
        let incarnation = self.hosts[id.0 as usize].incarnation;
        while let Some(cpu) = &mut self.hosts[id.0 as usize].cpu
            && let Some(at_ns) = cpu.begin(self.now_ns, ready)
        {
            self.schedule(at_ns, Happening::Polled(id, incarnation));
        }
    }

    /// From here on what runs, speaks and asks for the time is this host.
    fn enter(&self, id: HostId) {
        current::set(id);
        boundary::set_clock(self.hosts[id.0 as usize].clock);
    }

    /// Fails the run for what a simulated task must not do.
    fn check(&self, id: HostId) -> Result<(), Broken> {
        let violation = boundary::take_violation();
        let panic = broken::take_panic();
        match violation.map(str::to_owned).or(panic) {
            Some(what) => Err(self.broken(id, &what)),
            None => Ok(()),
        }
    }

    /// Takes what a host's kernel has to send, to be reminded of and to wake.
    fn settle(&mut self, id: HostId) {
        let id = self.network_of(id);
        let host = &mut self.hosts[id.0 as usize];
        let mut kernel = lock(&host.kernel);
        kernel.flush(&mut self.packets);
        host.wakers.append(&mut kernel.io.wakers);
        // As with wake-ups: one at most is under way that is not later than the next one needed.
        let timer_ns = kernel.io.timers.next_ns();
        let timer_ns = timer_ns.filter(|at_ns| host.timer_at_ns.is_none_or(|then| then > *at_ns));
        drop(kernel);
        host.timer_at_ns = timer_ns.or(host.timer_at_ns);
        let is_shared = host.is_shared;
        if is_shared {
            // Whose they are is known to them alone: each wakes its own host.
            host.wakers.drain(..).for_each(Waker::wake);
        }
        if let Some(at_ns) = timer_ns {
            self.schedule(at_ns, Happening::Timer(id));
        }
        while let Some(at_ns) = self.hosts[id.0 as usize].disk.take_reminder() {
            self.schedule(at_ns, Happening::Disk(id));
        }
        let mut packets = std::mem::take(&mut self.packets);
        let mut is_too_big = false;
        for packet in packets.drain(..) {
            is_too_big |= self.send(id, packet);
        }
        self.packets = packets;
        if is_too_big {
            self.settle(id); // the kernel knows now how much passes
        }
        if is_shared {
            self.wake_woken();
        }
    }

    /// The host whose network a host has: its own, but for those that have joined another.
    fn network_of(&self, id: HostId) -> HostId {
        self.hosts[id.0 as usize].joined.unwrap_or(id)
    }

    /// True if the packet did not fit, and the kernel was told.
    fn send(&mut self, from: HostId, packet: Packet) -> bool {
        let sender = &self.hosts[from.0 as usize];
        let target = packet.target.ip();
        let to = match target.is_loopback() || sender.addresses.contains(&target) {
            true => Some(from),
            false => self
                .by_address
                .get(&target)
                .copied()
                .filter(|_| sender.is_on_the_wire()),
        };
        let fate = to.map_or(Fate::Lost, |to| {
            self.network.fate(from, to, &packet, self.now_ns)
        });
        let kind = match fate {
            Fate::Arrives { .. } | Fate::Twice { .. } => Kind::Send,
            Fate::Lost | Fate::TooBig { .. } => Kind::Lost,
        };
        self.trace
            .packet(self.now_ns, kind, (from.0, &sender.name), &packet);
        match (to, fate) {
            (Some(to), Fate::Arrives { at_ns }) => {
                self.schedule(at_ns, Happening::Deliver(to, packet));
            }
            (Some(to), Fate::Twice { at_ns, again_ns }) => {
                self.schedule(at_ns, Happening::Deliver(to, packet.clone()));
                self.schedule(again_ns, Happening::Deliver(to, packet));
            }
            (_, Fate::TooBig { mtu }) => {
                lock(&sender.kernel).on_too_big(packet.source, packet.target, mtu);
                return true;
            }
            (_, Fate::Lost) | (None, _) => {}
        }
        false
    }

    /// One wake-up of a host at most is under way that is not later than the next one needed.
    fn wake(&mut self, id: HostId, at_ns: u64) {
        let host = &mut self.hosts[id.0 as usize];
        if host
            .wake_at_ns
            .is_none_or(|under_way_ns| under_way_ns > at_ns)
        {
            host.wake_at_ns = Some(at_ns);
            self.schedule(at_ns, Happening::Wake(id));
        }
    }

    /// Hosts that another host's task woke, through a channel between them, run at this instant.
    fn wake_woken(&mut self) {
        boundary::take_woken(&mut self.woken);
        let mut woken = std::mem::take(&mut self.woken);
        for host in woken.drain(..) {
            self.wake(HostId(host), self.now_ns);
        }
        self.woken = woken;
    }

    fn schedule(&mut self, at_ns: u64, happening: Happening) {
        let index = self.happenings.insert(happening);
        self.queue.push(Reverse((at_ns, self.next_sequence, index)));
        self.next_sequence += 1;
    }

    fn note_lines(&mut self) {
        let mut fresh = log::with(&self.lines, |lines| std::mem::take(&mut lines.fresh));
        for line in fresh.drain(..) {
            let hash = xxhash_rust::xxh3::xxh3_64(line.text.as_bytes());
            let name = &self.hosts[line.host.0 as usize].name;
            self.trace.event(
                self.now_ns,
                Kind::Log,
                (line.host.0, name),
                hash,
                &line.text,
            );
            (self.reader)(name, line);
        }
        log::with(&self.lines, |lines| lines.fresh = fresh);
    }

    fn broken(&self, host: HostId, what: &str) -> Broken {
        let name = self
            .hosts
            .get(host.0 as usize)
            .map_or("?", |host| host.name.as_str());
        Broken {
            host: name.to_owned(),
            at_ns: self.elapsed_ns(),
            what: what.to_owned(),
        }
    }
}
