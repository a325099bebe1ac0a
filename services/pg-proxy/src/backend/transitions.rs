//! Servers that go down, come up, enter and leave maintenance: what becomes of their sessions and
//! of those who wait, and the lines that HAProxy writes (`srv_update_status`, src/server.c).

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::time::Instant;

use super::{Backend, Inner};
use crate::balance::WEIGHT_SCALE;
use crate::check::status::Outcome;
use crate::config::Section;
use crate::config::logs::Level;
use crate::config::server::ServerOptions;
use crate::server::{Grant, State};
use crate::termination::Cause;

impl Backend {
    /// A check of server `index` begins; `None` when it is not to be checked now.
    pub(crate) fn check_begins(&self, index: usize) -> Option<SocketAddr> {
        let mut inner = self.lock();
        let server = &mut inner.servers[index];
        if server.in_maintenance() {
            return None;
        }
        if self.planted.has("pg-proxy/never-rechecks") && server.state == State::Stopped {
            return None;
        }
        let address = server.address?;
        if let Some(health) = &mut server.health {
            health.running = true;
        }
        Some(address)
    }

    /// Takes in a check; the time to the next one.
    pub(crate) fn check_ends(&self, index: usize, outcome: Outcome) -> Duration {
        let inner = &mut *self.lock();
        let server = &mut inner.servers[index];
        let config = server.config.clone();
        let maintenance = server.in_maintenance();
        let Some(health) = &mut server.health else {
            return config.options.inter;
        };
        health.running = false;
        if maintenance {
            return config.options.inter;
        }
        let taken = health.take(outcome);
        let (up, down) = (health.is_up(), health.is_settled_down());
        let log_checks = self.config.flags.log_health_checks;
        if taken.failed {
            server.counters.checks_failed += 1;
            inner.counters.checks_failed += 1;
        }
        if log_checks && taken.told {
            self.log_check(inner, index);
        }
        let reason = (!log_checks).then(|| inner.reason(index)).flatten();
        let stopped = inner.servers[index].state == State::Stopped;
        if up && stopped {
            self.goes_up(inner, index, reason.as_deref());
        } else if down && !stopped {
            self.goes_down(inner, index, reason.as_deref());
        }
        inner.interval(index, &config.options)
    }

    /// The time to the first check of a server that is not checked now.
    pub(crate) fn check_interval(&self, index: usize) -> Duration {
        let inner = self.lock();
        inner.interval(index, &inner.servers[index].config.options)
    }

    fn log_check(&self, inner: &Inner, index: usize) {
        let server = &inner.servers[index];
        let Some(health) = &server.health else { return };
        let backup = if server.config.options.backup {
            "backup "
        } else {
            ""
        };
        let passed = health.last.status.passed();
        let result = if passed { "succeeded" } else { "failed" };
        let (steps, of) = health.progress();
        let state = match (health.is_up(), server.config.options.weight) {
            (true, 0) => "DRAIN",
            (true, _) => "UP",
            (false, _) => "DOWN",
        };
        let text = format!(
            "Health check for {backup}server {}/{} {result}{}, status: {steps}/{of} {state}.",
            self.config.name,
            server.config.name,
            inner.reason(index).unwrap_or_default(),
        );
        self.log.event(Level::Notice, &text);
    }

    fn goes_down(&self, inner: &mut Inner, index: usize, reason: Option<&str>) {
        let had_servers = inner.usable_counts() != (0, 0);
        let requeued = self.stop(inner, index);
        let text = format!(
            "{} is DOWN{}{}.",
            self.shown(inner, index),
            reason.unwrap_or_default(),
            inner.left(index, requeued),
        );
        self.log.event(Level::Alert, &text);
        self.after_stop(inner, index, had_servers);
    }

    /// The state, the balancing and the sessions of a server that stops; sessions requeued.
    fn stop(&self, inner: &mut Inner, index: usize) -> usize {
        let server = &mut inner.servers[index];
        server.state = State::Stopped;
        server.changed = Instant::now();
        if server.config.options.shutdown_sessions_when_down {
            server.kill.fire(Cause::Down);
        }
        inner.reweigh(index);
        // Those queued for it choose again if they may.
        if self.config.redispatch == 0 {
            return 0;
        }
        let waiters = std::mem::take(&mut inner.servers[index].queue);
        inner.count_queue(index);
        waiters
            .into_iter()
            .map(|waiter| usize::from(waiter.grant.send(Grant::Again).is_ok()))
            .sum()
    }

    fn after_stop(&self, inner: &mut Inner, index: usize, had_servers: bool) {
        if had_servers && inner.usable_counts() == (0, 0) {
            let kind = match self.config.section {
                Section::Listen => "proxy",
                _ => "backend",
            };
            let name = &self.config.name;
            self.log.warn(
                "ALERT",
                &format!("{kind} '{name}' has no server available!"),
            );
            self.log.line(
                Level::Emerg,
                &format!("{kind} {name} has no server available!"),
            );
            inner.changed = Instant::now();
            inner.counters.downs += 1;
        }
        inner.servers[index].counters.downs += 1;
    }

    fn goes_up(&self, inner: &mut Inner, index: usize, reason: Option<&str>) {
        let requeued = self.start(inner, index);
        let text = format!(
            "{} is UP{}{}.",
            self.shown(inner, index),
            reason.unwrap_or_default(),
            inner.online(index, requeued),
        );
        self.log.event(Level::Notice, &text);
    }

    /// The state, the balancing and the sessions of a server that comes up; sessions taken over.
    fn start(&self, inner: &mut Inner, index: usize) -> u32 {
        let now = Instant::now();
        if inner.usable_counts() == (0, 0) {
            inner.down_time += now - inner.changed;
            inner.changed = now;
        }
        let server = &mut inner.servers[index];
        server.down_time = server.down_time(now);
        server.changed = now;
        let slow = server.config.options.slowstart.is_some();
        server.state = if slow {
            State::Starting
        } else {
            State::Running
        };
        let ends_backups =
            server.config.options.shutdown_backup_sessions_when_up && !inner.slots[index].backup;
        if !self.planted.has("pg-proxy/keeps-weight-of-down") {
            inner.reweigh(index);
        }
        if slow {
            self.warming.notify_one();
        }
        if ends_backups && inner.slots[index].effective > 0 {
            for (server, slot) in inner.servers.iter_mut().zip(&inner.slots) {
                if slot.backup {
                    server.kill.fire(Cause::Up);
                }
            }
        }
        inner.serve_queues(index)
    }

    /// Moves servers that start slowly one step on; whether any is still on its way.
    pub(crate) fn warm_up(&self) -> bool {
        let inner = &mut *self.lock();
        let now = Instant::now();
        let mut on_the_way = false;
        for index in 0..inner.servers.len() {
            let server = &mut inner.servers[index];
            if server.state != State::Starting {
                continue;
            }
            let whole = server.config.options.slowstart.unwrap_or_default();
            if now - server.changed >= whole {
                server.state = State::Running;
            } else {
                on_the_way = true;
            }
            inner.reweigh(index);
            inner.serve_queues(index);
        }
        on_the_way
    }

    /// A name look-up gave server `index` this address, or none because of `cause`.
    pub(crate) fn set_address(&self, index: usize, ip: Option<IpAddr>, cause: &str, by: &str) {
        let inner = &mut *self.lock();
        let server = &mut inner.servers[index];
        let name = server.config.name.clone();
        let backend = &self.config.name;
        let Some(ip) = ip else {
            server.address = None;
            if !server.unresolved {
                server.unresolved = true;
                if !server.forced_maintenance {
                    self.enters_maintenance(inner, index, cause);
                }
            }
            return;
        };
        let address = SocketAddr::new(ip, server.config.port);
        if server.address != Some(address) {
            let before = server
                .address
                .map_or_else(|| "(none)".to_owned(), |address| address.ip().to_string());
            server.address = Some(address);
            let text = format!("{backend}/{name} changed its IP from {before} to {ip} by {by}.");
            self.log.event(Level::Notice, &text);
        }
        if inner.servers[index].unresolved {
            inner.servers[index].unresolved = false;
            if !inner.servers[index].forced_maintenance {
                self.leaves_maintenance(inner, index);
            }
            let text = format!(
                "Server {backend}/{name} administratively READY thanks to valid DNS answer."
            );
            self.log.event(Level::Notice, &text);
        }
    }

    /// At start: a server without an address is in maintenance, without a line.
    pub(crate) fn start_unresolved(&self, index: usize) {
        let inner = &mut *self.lock();
        let had_servers = inner.usable_counts() != (0, 0);
        let server = &mut inner.servers[index];
        server.unresolved = true;
        server.state = State::Stopped;
        // HAProxy counts this as going down, though nobody is told.
        server.counters.downs += 1;
        if let Some(health) = &mut server.health {
            health.set_in_maintenance(true);
        }
        inner.reweigh(index);
        if had_servers && inner.usable_counts() == (0, 0) {
            inner.counters.downs += 1;
        }
    }

    /// At start: the address of a server.
    pub(crate) fn start_address(&self, index: usize, ip: IpAddr) {
        let mut inner = self.lock();
        let server = &mut inner.servers[index];
        server.address = Some(SocketAddr::new(ip, server.config.port));
    }

    fn enters_maintenance(&self, inner: &mut Inner, index: usize, cause: &str) {
        let had_servers = inner.usable_counts() != (0, 0);
        let was_down = inner.servers[index].state == State::Stopped;
        if let Some(health) = &mut inner.servers[index].health {
            health.set_in_maintenance(true);
        }
        let shown = self.shown(inner, index);
        if was_down {
            let text = format!("{shown} was DOWN and now enters maintenance ({cause}).");
            self.log.event(Level::Notice, &text);
            return;
        }
        let requeued = self.stop(inner, index);
        let left = inner.left(index, requeued);
        let text = format!("{shown} is going DOWN for maintenance ({cause}){left}.");
        self.log.event(Level::Alert, &text);
        self.after_stop(inner, index, had_servers);
    }

    fn leaves_maintenance(&self, inner: &mut Inner, index: usize) {
        if let Some(health) = &mut inner.servers[index].health {
            health.set_in_maintenance(false);
        }
        let host = match &inner.servers[index].config.place {
            crate::config::value::Place::Name(name) => name.clone(),
            crate::config::value::Place::Ip(ip) => ip.to_string(),
        };
        let shown = self.shown(inner, index);
        let text = format!("{shown} ('{host}') is UP/READY (resolves again).");
        self.log.event(Level::Notice, &text);
        self.start(inner, index);
    }

    /// `Server backend/name`
    fn shown(&self, inner: &Inner, index: usize) -> String {
        let server = &inner.servers[index];
        let backup = if server.config.options.backup {
            "Backup "
        } else {
            ""
        };
        format!("{backup}Server {}/{}", self.config.name, server.config.name)
    }
}

impl Inner {
    /// Servers in use: active ones and backups.
    pub(crate) fn usable_counts(&self) -> (usize, usize) {
        let count = |backup: bool| {
            let usable = |slot: &&crate::balance::Slot| slot.usable && slot.backup == backup;
            self.slots.iter().filter(usable).count()
        };
        (count(false), count(true))
    }

    fn interval(&self, index: usize, options: &ServerOptions) -> Duration {
        let server = &self.servers[index];
        match &server.health {
            Some(health) => health.interval(options, server.state == State::Stopped),
            None => options.inter,
        }
    }

    /// Brings a slot up to date with its server's state, and tells the balancing.
    fn reweigh(&mut self, index: usize) {
        let server = &self.servers[index];
        let before = self.slots[index].clone();
        let slot = &mut self.slots[index];
        if self.balancer.is_dynamic() {
            let elapsed = Instant::now() - server.changed;
            slot.effective = slot.weight * server.slow_share(elapsed, WEIGHT_SCALE);
        }
        slot.usable = server.state != State::Stopped && slot.effective > 0;
        slot.room = server
            .config
            .options
            .maxconn
            .map(|maxconn| match server.state {
                State::Starting => {
                    let percent = server.slow_share(Instant::now() - server.changed, 100);
                    (maxconn * percent / 100).max(1)
                }
                _ => maxconn,
            });
        if before.usable != slot.usable || before.effective != slot.effective {
            self.balancer.changed(index, &before, &self.slots);
        }
    }

    /// `, reason: …` of the last check.
    fn reason(&self, index: usize) -> Option<String> {
        let last = &self.servers[index].health.as_ref()?.last;
        let mut text = format!(", reason: {}", last.status.description());
        // Writing to a string cannot fail.
        if last.status.has_code() {
            let _ = write!(text, ", code: {}", last.code);
        }
        if !last.info.is_empty() {
            let _ = write!(text, ", info: \"{}\"", escaped(&last.info));
        }
        let _ = write!(text, ", check duration: {}ms", last.duration.as_millis());
        Some(text)
    }

    fn left(&self, index: usize, requeued: usize) -> String {
        let (active, backup) = self.usable_counts();
        let server = &self.servers[index];
        format!(
            ". {active} active and {backup} backup servers left.{} {} sessions active, {requeued} \
             requeued, {} remaining in queue",
            on_backup(active, backup),
            server.counters.sessions,
            server.queue.len()
        )
    }

    fn online(&self, index: usize, requeued: u32) -> String {
        let (active, backup) = self.usable_counts();
        format!(
            ". {active} active and {backup} backup servers online.{} {requeued} sessions \
             requeued, {} total in queue",
            on_backup(active, backup),
            self.servers[index].queue.len()
        )
    }
}

fn on_backup(active: usize, backup: usize) -> &'static str {
    if active == 0 && backup > 0 {
        " Running on backup."
    } else {
        ""
    }
}

/// Bytes that a log line cannot carry, as `<0A>` (`chunk_asciiencode`).
fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() && !c.is_ascii_control() && !matches!(c, '"' | '<' | '>') {
            escaped.push(c);
        } else {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                let _ = write!(escaped, "<{byte:02X}>");
            }
        }
    }
    escaped
}
