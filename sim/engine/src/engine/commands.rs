//! What the story asks for, carried out between events.

use squall_host::launch::chain;

use super::{Engine, STORY};
use crate::broken::Broken;
use crate::control::{Command, Exit, HostId, HostSpec};
use crate::disk::Share;
use crate::driver::lock;
use crate::host::{Machine, Process};
use crate::log;
use crate::random::Random;
use crate::trace::Kind;

/// Hosts of a world.
const HOSTS_MAX: usize = 65_536;

impl Engine {
    /// Carries out what was asked for during the last event.
    pub(super) fn obey(&mut self) -> Result<(), Broken> {
        while let Some(command) = self.control.pop() {
            let id = command.host();
            let name = self
                .hosts
                .get(id.0 as usize)
                .map_or("", |host| host.name.as_str());
            let hash = xxhash_rust::xxh3::xxh3_64(command.to_string().as_bytes());
            self.trace
                .event(self.now_ns, Kind::Command, (id.0, name), hash, &command);
            self.carry_out(command)?;
            self.note_lines();
            self.wake_woken();
        }
        Ok(())
    }

    fn carry_out(&mut self, command: Command) -> Result<(), Broken> {
        match command {
            Command::AddHost(id, spec) => self.add_host(id, spec)?,
            Command::Join(id, host, spec) => {
                self.progress.add_host(&spec.name);
                let random = self.random.next();
                let of = &mut self.hosts[host.0 as usize];
                let machine = Machine::join(id, spec, host, of, random, self.lines.clone());
                self.hosts.push(machine);
            }
            Command::Start(id, main) => {
                let control = self.control.clone();
                let handle = self.hosts[id.0 as usize].handle.clone();
                let incarnation = self.hosts[id.0 as usize].incarnation + 1;
                self.start(id, |process| {
                    let shutdown = process.shutdown.clone();
                    process.spawn(async move {
                        let result = main(handle, shutdown).await.map_err(|error| chain(&*error));
                        control.push(Command::Ended {
                            host: id,
                            incarnation,
                            result,
                        });
                    });
                })?;
            }
            Command::Beside(id, task) => {
                let host = &self.hosts[id.0 as usize];
                if let Some(process) = &host.process {
                    let handle = host.handle.clone();
                    process.spawn(async move { task(handle).await });
                }
            }
            Command::Ended {
                host,
                incarnation,
                result,
            } => {
                if self.hosts[host.0 as usize].incarnation == incarnation {
                    self.end(host, &Exit::Returned(result))?;
                }
            }
            Command::Terminate(id) => {
                if let Some(process) = &self.hosts[id.0 as usize].process {
                    process.trigger.request();
                }
            }
            Command::Kill(id) => self.end(id, &Exit::Killed)?,
            Command::Pause(id) => self.set_paused(id, true),
            Command::Resume(id) => self.set_paused(id, false),
            Command::PowerOff(id) => {
                let host = &mut self.hosts[id.0 as usize];
                host.is_powered = false;
                host.disk.lose_power();
                self.end(id, &Exit::Killed)?;
                self.end_joined(id)?;
                let joined = self.hosts.iter().filter(|host| host.joined == Some(id));
                joined.for_each(|host| host.disk.lose_power());
                let host = &mut self.hosts[id.0 as usize];
                lock(&host.kernel).wipe();
                host.wakers.clear();
            }
            Command::PowerOn(id) => self.hosts[id.0 as usize].is_powered = true,
            Command::Unplug(id) => {
                let host = &mut self.hosts[id.0 as usize];
                host.is_plugged = false;
                if host.process.is_none() {
                    self.end_joined(id)?;
                    lock(&self.hosts[id.0 as usize].kernel).wipe();
                }
            }
            Command::Plug(id) => self.hosts[id.0 as usize].is_plugged = true,
            Command::Route(id, from, to) => {
                lock(&self.hosts[id.0 as usize].kernel).set_route(from, to)
            }
            Command::Mount(id, mount) => {
                let random = Random::new(self.random.next(), "volume");
                let new = || Share::new(mount.speed);
                let share = self.volumes.entry(mount.volume).or_insert_with(new);
                let disk = &self.hosts[id.0 as usize].disk;
                disk.mount(&mount.folder, share, &mount.inside, mount.speed, random);
            }
            Command::KeepOnDisk(id, folders) => self.hosts[id.0 as usize].disk.keep(&folders),
            Command::SetLink(from, to, link) => self.network.set(from, to, link),
            Command::SetDisk(id, rules) => self.hosts[id.0 as usize].disk.set_rules(&rules),
            Command::Redirect(id, port, to) => {
                lock(&self.hosts[id.0 as usize].kernel).set_redirect(port, to)
            }
            Command::SetStress(id, stressors) => {
                if let Some(cpu) = &mut self.hosts[id.0 as usize].cpu {
                    cpu.set_stress(self.now_ns, &stressors);
                }
            }
            Command::SetClock(id, skew) => {
                self.hosts[id.0 as usize].clock.set(self.now_ns, skew);
                self.wake(id, self.now_ns); // its timers fire at another time now
            }
            Command::Reset(one, other) => {
                self.reset(one, other)?;
                self.reset(other, one)?;
            }
            Command::AwaitExit(id, sender) => {
                let host = &mut self.hosts[id.0 as usize];
                match (&host.process, &host.last_exit) {
                    (None, Some(exit)) => drop(sender.send(exit.clone())),
                    _ => host.exit_waiters.push(sender),
                }
            }
            Command::StoryEnded => self.is_story_over = true,
        }
        Ok(())
    }

    fn add_host(&mut self, id: HostId, spec: HostSpec) -> Result<(), Broken> {
        debug_assert_eq!(id.0 as usize, self.hosts.len(), "hosts are added in order");
        if self.hosts.len() == HOSTS_MAX {
            return Err(self.broken(STORY, &format!("more than {HOSTS_MAX} hosts")));
        }
        for address in &spec.addresses {
            if let Some(owner) = self.by_address.insert(*address, id) {
                let owner = self.hosts[owner.0 as usize].name.clone();
                return Err(self.broken(
                    STORY,
                    &format!("{address} belongs to {owner} and to {}", spec.name),
                ));
            }
        }
        self.progress.add_host(&spec.name);
        let random = self.random.next();
        let disk_of = spec.disk_of.clone();
        let host = Machine::new(id, spec, random, self.lines.clone());
        if let Some((other, folders)) = disk_of {
            host.disk.take_over(&self.hosts[other.0 as usize].disk);
            host.disk.keep(&folders);
        }
        self.hosts.push(host);
        Ok(())
    }

    pub(super) fn start(&mut self, id: HostId, spawn: impl FnOnce(&Process)) -> Result<(), Broken> {
        self.enter(id);
        let is_powered = self.hosts[self.network_of(id).0 as usize].is_powered;
        let host = &mut self.hosts[id.0 as usize];
        if host.process.is_some() || !is_powered {
            return Err(self.broken(id, "started on a host that has a process or no power"));
        }
        host.incarnation += 1;
        let process = match Process::new(self.seed, id, host.incarnation, host.cpu.is_some()) {
            Ok(process) => process,
            Err(error) => return Err(self.broken(id, &format!("no runtime: {error}"))),
        };
        spawn(&process);
        host.process = Some(process);
        self.wake(id, self.now_ns);
        Ok(())
    }

    /// The process is gone: every task is dropped, and the kernel closes its sockets.
    fn end(&mut self, id: HostId, exit: &Exit) -> Result<(), Broken> {
        self.enter(id);
        let host = &mut self.hosts[id.0 as usize];
        let Some(process) = host.process.take() else {
            return Ok(());
        };
        if let Some(cpu) = &mut host.cpu {
            cpu.abandon(self.now_ns);
        }
        lock(&host.kernel).close_all(id.0);
        host.disk.abandon();
        drop(process);
        // A dead process says nothing, whatever its destructors think.
        log::with(&self.lines, |lines| lines.fresh.clear());
        host.wakers.clear();
        host.set_exit(exit);
        self.check(id)?;
        let text = match exit {
            Exit::Returned(Ok(())) => "status 0",
            Exit::Returned(Err(error)) => error,
            Exit::Killed => "killed",
        };
        let hash = xxhash_rust::xxh3::xxh3_64(text.as_bytes());
        self.trace.event(
            self.now_ns,
            Kind::Exit,
            (id.0, &self.hosts[id.0 as usize].name),
            hash,
            &text,
        );
        self.settle(id);
        Ok(())
    }

    /// The network of a host is gone, and all who share it with it.
    fn end_joined(&mut self, id: HostId) -> Result<(), Broken> {
        for other in 0..self.hosts.len() {
            if self.hosts[other].joined == Some(id) {
                self.end(HostId(other as u32), &Exit::Killed)?;
            }
        }
        Ok(())
    }

    fn set_paused(&mut self, id: HostId, is_paused: bool) {
        if let Some(process) = &mut self.hosts[id.0 as usize].process {
            process.is_paused = is_paused;
            if !is_paused {
                self.wake(id, self.now_ns);
            }
        }
    }

    fn reset(&mut self, on: HostId, peer: HostId) -> Result<(), Broken> {
        let host = &self.hosts[on.0 as usize];
        lock(&host.kernel).reset_connections(&self.hosts[peer.0 as usize].addresses);
        self.run_if_woken(on)
    }
}
