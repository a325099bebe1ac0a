//! Puts a configuration to work, and stops it gracefully: no more sessions, those that are there
//! to their end, or to the deadline.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use squall_host::{Host, Shutdown};
use tokio::task::JoinSet;

use crate::backend::Backend;
use crate::check::probe::{NetProbe, first_interval};
use crate::check::schedule;
use crate::config::logs::Level;
use crate::config::{Config, ProxyConfig};
use crate::error::Error;
use crate::frontend::{self, Frontend, Gate, Process};
use crate::log::Logger;
use crate::resolve::{self, Wanted, Watch};
use crate::stats::{Page, Proxy};

/// How long a graceful stop may take when `hard-stop-after` does not say. HAProxy has no limit of
/// its own; its container is killed after ten seconds, a pod after thirty.
const HARD_STOP_AFTER: Duration = Duration::from_secs(30);
/// The part of all frontends' sessions at which a backend counts as full (`fullconn`).
const FULLCONN_PART: u32 = 10;

/// See [`crate::run`].
pub(crate) async fn run(config: Config, host: Host, shutdown: Shutdown) -> Result<(), Error> {
    let global = &config.global;
    let process = Process::new(
        host.net.clone(),
        host.name(),
        global.maxconn,
        global.bufsize,
    );
    let page = Page::new(&process);
    let proxies = build(&config, &host);
    for backend in proxies.iter().filter_map(|proxy| proxy.backend.as_ref()) {
        resolve::initial(backend, &host.net).await?;
    }
    let mut listeners = JoinSet::new();
    for frontend in proxies.iter().filter_map(|proxy| proxy.frontend.as_ref()) {
        listen(&mut listeners, &process, frontend, &page, &shutdown)?;
    }
    // Dropping it ends what runs beside.
    let mut beside = JoinSet::new();
    check(&mut beside, &proxies, &config, &host);
    watch(&mut beside, &proxies, &config, &host);
    let proxies = page.proxies.get_or_init(|| proxies);
    tracing::info!(proxies = proxies.len(), "pg-proxy started");

    shutdown.requested().await;
    announce_stop(proxies);
    let limit = global.hard_stop_after.unwrap_or(HARD_STOP_AFTER);
    let ended = tokio::time::timeout(limit, async {
        while listeners.join_next().await.is_some() {}
    });
    if ended.await.is_err() {
        tracing::info!(?limit, "soft stop took too long, ending sessions");
    }
    Ok(())
}

/// Every section, at run time.
fn build(config: &Config, host: &Host) -> Vec<Proxy> {
    let global = &config.global;
    let live: Vec<Arc<ProxyConfig>> = config
        .proxies
        .iter()
        .filter(|proxy| !proxy.disabled)
        .cloned()
        .map(Arc::new)
        .collect();
    let logger = |proxy: &ProxyConfig| {
        let mut targets = proxy.logs.targets.clone();
        if proxy.logs.global {
            targets.extend(global.log_targets.iter().cloned());
        }
        Logger::new(host.out.clone(), targets, &global.log_tag)
    };
    let leads_to = |from: &ProxyConfig, to: &ProxyConfig| match &from.backend {
        Some((name, _)) => **name == *to.name && to.section.has_servers(),
        None => from.id == to.id,
    };
    let planted = &host.planted;
    let backends: Vec<Option<Arc<Backend>>> = live
        .iter()
        .map(|proxy| {
            let sessions: u32 = live
                .iter()
                .filter(|from| from.section.accepts() && leads_to(from, proxy))
                .map(|from| from.maxconn.unwrap_or(global.maxconn))
                .fold(0, u32::saturating_add);
            let derived = sessions.div_ceil(FULLCONN_PART).max(1);
            let fullconn = proxy.fullconn.unwrap_or(derived);
            proxy
                .section
                .has_servers()
                .then(|| Backend::new(proxy.clone(), logger(proxy), fullconn, planted))
        })
        .collect();
    live.iter()
        .zip(&backends)
        .map(|(proxy, own)| Proxy {
            frontend: proxy.section.accepts().then(|| {
                let backend = live
                    .iter()
                    .zip(&backends)
                    .find(|(other, backend)| backend.is_some() && leads_to(proxy, other))
                    .and_then(|(_, backend)| backend.clone());
                Frontend::new(proxy.clone(), logger(proxy), backend, global.maxconn)
            }),
            backend: own.clone(),
        })
        .collect()
}

fn listen(
    listeners: &mut JoinSet<()>,
    process: &Arc<Process>,
    frontend: &Arc<Frontend>,
    page: &Arc<Page>,
    shutdown: &Shutdown,
) -> Result<(), Error> {
    let config = &frontend.config;
    for bind in &config.binds {
        let backlog = bind
            .backlog
            .or(config.backlog)
            .unwrap_or(frontend.gate.max());
        let backlog = backlog.min(squall_host::net::BACKLOG);
        let listener = process
            .net
            .listen_with_backlog(bind.address, backlog)
            .map_err(|error| Error::Bind {
                address: error.address,
                origin: bind.origin.clone(),
                source: error.source,
            })?;
        let local = listener.local_addr().unwrap_or(bind.address);
        tracing::info!(frontend = %config.name, %local, "listening");
        listeners.spawn(frontend::listen(
            process.clone(),
            frontend.clone(),
            page.clone(),
            listener,
            bind.maxconn.map(Gate::new),
            shutdown.clone(),
        ));
    }
    Ok(())
}

/// Starts the checks and the slow starts.
fn check(beside: &mut JoinSet<()>, proxies: &[Proxy], config: &Config, host: &Host) {
    let backends = || proxies.iter().filter_map(|proxy| proxy.backend.as_ref());
    let checked: Vec<(&Arc<Backend>, usize)> = backends()
        .flat_map(|backend| {
            let servers = backend.config.servers.iter().enumerate();
            let checked = servers.filter(|(_, server)| server.options.check);
            checked.map(move |(index, _)| (backend, index))
        })
        .collect();
    let options =
        |(backend, index): &(&Arc<Backend>, usize)| backend.config.servers[*index].options.clone();
    let intervals: Vec<Duration> = checked
        .iter()
        .map(|of| first_interval(&options(of)))
        .collect();
    let starts = schedule::first_checks(&intervals, config.global.max_spread_checks);
    for (of, start) in checked.iter().zip(starts) {
        let probe = NetProbe {
            net: host.net.clone(),
            proxy: of.0.config.clone(),
            options: options(of),
            planted: host.planted.clone(),
        };
        beside.spawn(schedule::run(of.0.clone(), of.1, start, probe));
    }
    for backend in backends() {
        let slow = backend
            .config
            .servers
            .iter()
            .filter_map(|server| server.options.slowstart);
        if let Some(shortest) = slow.min() {
            beside.spawn(warm_up(backend.clone(), shortest));
        }
    }
}

/// Moves servers that start slowly on, a twentieth at a time, a second at least (`server_warmup`).
async fn warm_up(backend: Arc<Backend>, shortest: Duration) {
    let step = (shortest / 20).max(Duration::from_secs(1));
    loop {
        backend.warming.notified().await;
        while backend.warm_up() {
            tokio::time::sleep(step).await;
        }
    }
}

/// Starts the look-ups of names.
fn watch(beside: &mut JoinSet<()>, proxies: &[Proxy], config: &Config, host: &Host) {
    for section in &config.resolvers {
        let mut names: BTreeMap<String, Vec<Wanted>> = BTreeMap::new();
        for backend in proxies.iter().filter_map(|proxy| proxy.backend.as_ref()) {
            for (name, servers) in names_of(backend, &section.name) {
                names
                    .entry(name)
                    .or_default()
                    .push((backend.clone(), servers));
            }
        }
        let resolvers = Arc::new(section.clone());
        for (name, wanted) in names {
            let watch = Watch {
                net: host.net.clone(),
                resolvers: resolvers.clone(),
                name,
                wanted,
            };
            beside.spawn(watch.run());
        }
    }
}

/// The names that a backend has looked up by a section, and for which servers.
fn names_of(backend: &Backend, section: &str) -> BTreeMap<String, Vec<usize>> {
    let mut names: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (index, server) in backend.config.servers.iter().enumerate() {
        if let crate::config::value::Place::Name(name) = &server.place
            && server.options.resolvers.as_deref() == Some(section)
        {
            names.entry(name.clone()).or_default().push(index);
        }
    }
    names
}

/// HAProxy's last words on each proxy: those that accept first.
fn announce_stop(proxies: &[Proxy]) {
    for frontends in [true, false] {
        for Proxy { frontend, backend } in proxies {
            if frontend.is_some() != frontends {
                continue;
            }
            let fe = frontend.as_ref().map(|f| f.counters().sessions_total);
            let be = backend.as_ref().map(|b| b.lock().counters.sessions_total);
            let (name, log) = match (frontend, backend) {
                (Some(frontend), _) => (&frontend.config.name, &frontend.log),
                (None, Some(backend)) => (&backend.config.name, &backend.log),
                (None, None) => continue,
            };
            let text = format!(
                "Proxy {name} stopped (cumulated conns: FE: {}, BE: {}).",
                fe.unwrap_or(0),
                be.unwrap_or(0)
            );
            log.event(Level::Warning, &text);
        }
    }
}
