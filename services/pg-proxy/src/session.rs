//! One proxied session from accept to log line.

use std::net::SocketAddr;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::SystemTime;

use squall_host::net::{Keepalive, TcpStream};
use tokio::time::Instant;

use crate::backend::Backend;
use crate::config::logs::Level;
use crate::connect::{self, Client, Connected, Journey};
use crate::counters::Counters;
use crate::frontend::{Frontend, Process};
use crate::log::Record;
use crate::relay::{Flow, Relay};
use crate::termination::{Cause, Phase, Termination};

/// The client while its server is not there yet: what it sends is taken in, a buffer of it.
struct Early<'a> {
    stream: &'a mut TcpStream,
    up: &'a mut Flow,
    abort_on_close: bool,
}

impl Client for Early<'_> {
    fn poll_gone(&mut self, connecting: bool, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.up.poll_fill(self.stream, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Ready(Ok(false)) => {
                    let closed = self.up.has_ended();
                    let nothing_to_say = self.up.is_empty() && !connecting;
                    return match closed && (nothing_to_say || self.abort_on_close) {
                        true => Poll::Ready(()),
                        false => Poll::Pending,
                    };
                }
            }
        }
    }
}

/// `option clitcpka`, `option srvtcpka`. A socket that refuses is dead, and its next read says so.
fn keep_alive(is_wanted: bool, stream: &TcpStream) {
    if is_wanted {
        let _ = stream.set_keepalive(Keepalive::default());
    }
}

/// Serves one client of `frontend` to the end.
pub(crate) async fn serve(
    process: Arc<Process>,
    frontend: Arc<Frontend>,
    mut client: TcpStream,
    peer: SocketAddr,
) {
    let begun = Instant::now();
    let accepted = SystemTime::now();
    let number = process.next_number();
    let local = client.local_addr().ok();
    let backend = frontend.backend.clone();
    let presence = Presence::begin(&process, &frontend, backend.as_ref(), begun);
    announce(&frontend, peer, local);
    keep_alive(frontend.config.flags.client_keepalive, &client);

    let mut up = Flow::new(&process.pool);
    let mut down = Flow::new(&process.pool);
    let mut journey = Journey::default();
    let mut server_local = None;
    let mut reset_client = false;
    let connected = match &backend {
        Some(backend) => {
            let mut early = Early {
                stream: &mut client,
                up: &mut up,
                abort_on_close: backend.config.flags.abortonclose,
            };
            let from = peer.ip();
            connect::connect(backend, &process.net, &mut early, from, begun, &mut journey).await
        }
        None => {
            journey.termination = Termination::new(Cause::ServerAbort, Phase::Connect);
            None
        }
    };
    if let (Some(connected), Some(backend)) = (connected, &backend) {
        let Connected {
            lease,
            stream: mut server,
            kill,
        } = connected;
        server_local = server.local_addr().ok();
        keep_alive(backend.config.flags.server_keepalive, &server);
        let relay = Relay {
            client: &mut client,
            server: &mut server,
            up: &mut up,
            down: &mut down,
            timeouts_client: &frontend.config.timeouts,
            timeouts_server: &backend.config.timeouts,
        };
        let ended = relay.run(&kill).await;
        journey.termination = ended.termination;
        reset_client = ended.reset_client;
        if ended.reset_server {
            server.reset();
        }
        // The place at the server is free before the line is written.
        drop(lease);
    }
    if reset_client {
        client.reset();
    } else {
        drop(client);
    }
    let totals = (up.total, down.total);
    let times = Times {
        closed: begun.elapsed(),
    };
    presence.count(&journey, totals, &times);
    drop(up);
    drop(down);

    let backend_name = backend
        .as_ref()
        .map_or(&frontend.config.name, |b| &b.config.name);
    let server_name = match (&backend, journey.server) {
        (Some(backend), Some(index)) => backend.config.servers[index].name.clone(),
        _ => "<NOSRV>".into(),
    };
    let connections = presence.end(journey.server);
    let Some(format) = frontend.config.log_format.as_ref() else {
        return;
    };
    let flags = &frontend.config.flags;
    let uneventful = journey.termination.is_normal() && journey.retries == 0;
    if (flags.dontlognull && totals.0 == 0)
        || (flags.dontlog_normal && uneventful)
        || !frontend.log.is_on()
    {
        return;
    }
    let record = Record {
        number,
        client: peer,
        local,
        server: journey.address,
        server_local,
        accepted,
        frontend: &frontend.config.name,
        backend: backend_name,
        server_name: &server_name,
        queued: journey.queued,
        connected: journey.connected,
        closed: times.closed,
        bytes_in: totals.0,
        bytes_out: totals.1,
        termination: journey.termination,
        connections,
        retries: journey.retries,
        redispatched: journey.redispatched,
        server_queue: journey.server_queue,
        backend_queue: journey.backend_queue,
        host: &process.host_name,
    };
    frontend.log.line(Level::Info, &record.render(format));
}

/// Without a log format a session's line is written when it begins.
fn announce(frontend: &Frontend, peer: SocketAddr, local: Option<SocketAddr>) {
    if frontend.config.log_format.is_some() || !frontend.log.is_on() {
        return;
    }
    let local = local.map_or_else(String::new, |local| {
        format!("{}:{}", local.ip(), local.port())
    });
    let text = format!(
        "Connect from {}:{} to {local} ({}/TCP)",
        peer.ip(),
        peer.port(),
        frontend.config.name
    );
    frontend.log.line(Level::Info, &text);
}

struct Times {
    closed: std::time::Duration,
}

/// A session's place in the numbers of its frontend, its backend and the process.
struct Presence {
    process: Arc<Process>,
    frontend: Arc<Frontend>,
    backend: Option<Arc<Backend>>,
    over: bool,
}

impl Presence {
    fn begin(
        process: &Arc<Process>,
        frontend: &Arc<Frontend>,
        backend: Option<&Arc<Backend>>,
        now: Instant,
    ) -> Self {
        if let Some(backend) = backend {
            let counters = &mut backend.lock().counters;
            counters.session_begins();
            counters.sessions_total += 1;
            counters.rate.add(now);
        }
        Self {
            process: process.clone(),
            frontend: frontend.clone(),
            backend: backend.cloned(),
            over: false,
        }
    }

    /// Adds what the session did.
    fn count(&self, journey: &Journey, (bytes_in, bytes_out): (u64, u64), times: &Times) {
        let add = |counters: &mut Counters| {
            counters.bytes_in += bytes_in;
            counters.bytes_out += bytes_out;
            match journey.termination.cause {
                Some(Cause::ClientAbort | Cause::ClientTimeout)
                    if journey.termination.phase == Some(Phase::Data) =>
                {
                    counters.client_aborts += 1;
                }
                Some(Cause::ServerAbort | Cause::ServerTimeout)
                    if journey.termination.phase == Some(Phase::Data) =>
                {
                    counters.server_aborts += 1;
                    if journey.termination.cause == Some(Cause::ServerAbort) {
                        counters.responses_failed += 1;
                    }
                }
                _ => {}
            }
            let queued = journey.queued.unwrap_or_default();
            if let Some(connected) = journey.connected {
                counters.queue_time.add(queued);
                counters.connect_time.add(connected.saturating_sub(queued));
                counters.total_time.add(times.closed);
            }
        };
        add(&mut self.frontend.counters());
        if let Some(backend) = &self.backend {
            let inner = &mut *backend.lock();
            add(&mut inner.counters);
            if let Some(index) = journey.server {
                add(&mut inner.servers[index].counters);
            }
        }
    }

    /// Leaves; the connections of the process and the frontend with this one, of the backend and
    /// the server without it, as a log line has them.
    fn end(mut self, server: Option<usize>) -> [u32; 4] {
        let (active, of_frontend) = (self.process.gate.count(), self.frontend.gate.count());
        self.leave();
        let (of_backend, of_server) = match &self.backend {
            Some(backend) => {
                let inner = backend.lock();
                let of = |index: usize| inner.servers[index].counters.sessions;
                (inner.counters.sessions, server.map_or(0, of))
            }
            None => (0, 0),
        };
        [active, of_frontend, of_backend, of_server]
    }

    fn leave(&mut self) {
        if !std::mem::replace(&mut self.over, true)
            && let Some(backend) = &self.backend
        {
            backend.lock().counters.session_ends();
        }
    }
}

impl Drop for Presence {
    fn drop(&mut self) {
        self.leave();
    }
}
