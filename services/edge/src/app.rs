//! What all connections share: the configuration at work.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use squall_host::Host;
use tokio::time::Instant;

use crate::clock::DateHeader;
use crate::config::Inner;
use crate::config::settings::ResolverConf;
use crate::error::Error;
use crate::resolver::{NEGATIVE, Resolver, Unresolved};
use crate::upstream::Upstream;

/// edge at work.
pub(crate) struct App {
    pub(crate) config: Arc<Inner>,
    pub(crate) host: Host,
    /// In the order of the configuration.
    pub(crate) upstreams: Vec<Arc<Upstream>>,
    resolvers: Vec<(Arc<ResolverConf>, Arc<Resolver>)>,
    pub(crate) date: DateHeader,
    pub(crate) counters: Counters,
}

/// What `stub_status` shows, and the bound on connections.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) accepted: AtomicU64,
    pub(crate) handled: AtomicU64,
    pub(crate) requests: AtomicU64,
    /// Client connections that are open.
    pub(crate) active: AtomicUsize,
    /// Of these, with part of a request's head.
    pub(crate) reading: AtomicUsize,
    /// Of these, with a request at work.
    pub(crate) writing: AtomicUsize,
    /// Connections to upstreams that are at work.
    pub(crate) upstream: AtomicUsize,
}

impl App {
    /// Resolves every name that must resolve at the start.
    pub(crate) async fn new(config: Arc<Inner>, host: Host) -> Result<Self, Error> {
        let mut app = Self {
            upstreams: config
                .upstreams
                .iter()
                .map(|conf| Arc::new(Upstream::new(conf, &host.planted)))
                .collect(),
            resolvers: Vec::new(),
            date: DateHeader::new(),
            counters: Counters::default(),
            config,
            host,
        };
        for (upstream, conf) in app.upstreams.iter().zip(&app.config.upstreams) {
            for (place, server) in conf.servers.iter().enumerate() {
                if server.resolve {
                    continue;
                }
                let resolved = app.addresses(&server.host).await;
                let addresses = resolved.map_err(|source| Error::HostNotFound {
                    name: server.text.to_string(),
                    origin: server.origin.clone(),
                    source,
                })?;
                upstream.group().set_addresses(place, server, &addresses);
            }
        }
        for conf in app.resolver_confs() {
            if app.resolver(&conf).is_none() {
                let resolver = Arc::new(app.start_resolver(&conf).await?);
                app.resolvers.push((conf, resolver));
            }
        }
        Ok(app)
    }

    /// The IPv4 addresses first, as nginx orders them.
    async fn addresses(&self, name: &str) -> io::Result<Vec<IpAddr>> {
        let mut addresses = self.host.net.resolve(name).await?;
        addresses.sort_by_key(IpAddr::is_ipv6);
        Ok(addresses)
    }

    fn resolver_confs(&self) -> Vec<Arc<ResolverConf>> {
        use crate::config::location::{Location, Locations};
        fn visit(location: &Location, out: &mut Vec<Arc<ResolverConf>>) {
            out.extend(location.settings.resolver.clone());
            search(&location.nested, out);
        }
        fn search(locations: &Locations, out: &mut Vec<Arc<ResolverConf>>) {
            let prefixes = locations.prefixes.iter().map(|prefix| &prefix.location);
            let patterns = locations.patterns.iter().map(|(_, location)| location);
            let all = locations.exact.values().chain(locations.named.values());
            for location in all.chain(prefixes).chain(patterns) {
                visit(location, out);
            }
        }
        let mut confs: Vec<_> = self
            .config
            .upstreams
            .iter()
            .filter_map(|u| u.resolver.clone())
            .collect();
        for server in &self.config.servers {
            visit(&server.fallback, &mut confs);
            search(&server.locations, &mut confs);
        }
        confs
    }

    async fn start_resolver(&self, conf: &ResolverConf) -> Result<Resolver, Error> {
        let mut servers = Vec::new();
        for (name, port) in &conf.servers {
            let resolved = self.addresses(name).await;
            let addresses = resolved.map_err(|source| Error::ResolverNotFound {
                name: name.clone(),
                origin: conf.origin.clone(),
                source,
            })?;
            servers.extend(addresses.into_iter().map(|ip| SocketAddr::new(ip, *port)));
        }
        Ok(Resolver::new(self.host.net.clone(), servers, conf.valid))
    }

    pub(crate) fn resolver(&self, conf: &Arc<ResolverConf>) -> Option<Arc<Resolver>> {
        let found = self
            .resolvers
            .iter()
            .find(|(known, _)| Arc::ptr_eq(known, conf));
        found.map(|(_, resolver)| resolver.clone())
    }

    /// Keeps the addresses of one `server … resolve` up to date. Never ends.
    ///
    /// Times are those of ngx_http_upstream_zone_module.c: after an answer, its validity and a
    /// second, but no more than `resolver_timeout`; after no answer, `resolver_timeout`.
    pub(crate) async fn keep_resolved(self: Arc<Self>, upstream: usize, place: usize) {
        let conf = &self.config.upstreams[upstream];
        let server = &conf.servers[place];
        let Some(resolver) = conf.resolver.as_ref().and_then(|conf| self.resolver(conf)) else {
            return;
        };
        let timeout = conf.resolver_timeout;
        loop {
            let outcome = resolver.resolve(&server.host, timeout).await;
            if let Err(error) = outcome {
                tracing::warn!("{} could not be resolved ({error})", server.host);
            }
            let (addresses, holds) = match outcome {
                Ok(resolved) => {
                    let holds = resolved.until.saturating_duration_since(Instant::now());
                    (Some(resolved.addresses), holds)
                }
                Err(Unresolved::NoSuchName) => {
                    (Some(Vec::new()), resolver.valid.unwrap_or(NEGATIVE))
                }
                Err(_) => (None, Duration::ZERO),
            };
            let rest = match addresses {
                None => timeout.max(Duration::from_secs(1)),
                Some(addresses) => {
                    let mut group = self.upstreams[upstream].group();
                    if group.set_addresses(place, server, &addresses) {
                        tracing::debug!("{} is now {addresses:?}", server.host);
                    }
                    (holds + Duration::from_secs(1)).min(timeout)
                }
            };
            tokio::time::sleep(rest).await;
        }
    }

    /// Counts one more connection to an upstream, if there is room for it.
    pub(crate) fn open_upstream(self: &Arc<Self>) -> Option<UpstreamSlot> {
        let counters = &self.counters;
        let open = counters.upstream.fetch_add(1, Ordering::Relaxed)
            + counters.active.load(Ordering::Relaxed);
        let slot = UpstreamSlot(self.clone());
        (open < self.config.worker_connections).then_some(slot)
    }
}

/// One connection to an upstream, counted.
pub(crate) struct UpstreamSlot(Arc<App>);

impl Drop for UpstreamSlot {
    fn drop(&mut self) {
        self.0.counters.upstream.fetch_sub(1, Ordering::Relaxed);
    }
}
