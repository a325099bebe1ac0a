//! Where `proxy_pass` sends a request: a group of the configuration, or one made for this request
//! from a name that is resolved now.

use std::sync::Arc;

use squall_host::Origin;

use crate::app::App;
use crate::config::proxy::{self, ProxyPass, Target, UrlProblem};
use crate::config::upstream::{Method, ServerConf, UpstreamConf};
use crate::random;
use crate::request::Request;
use crate::upstream::{Lease, Upstream};

/// The parts of `proxy_pass` for one request.
pub(super) struct Resolved {
    /// What replaces the location's prefix, or the whole URI if `is_whole`.
    pub(super) uri: Option<Arc<str>>,
    pub(super) is_whole: bool,
    /// For `proxy_redirect default`.
    pub(super) url: Arc<str>,
}

impl App {
    /// The target, and the lease on its group; or the status that the request ends with.
    pub(super) async fn target(
        &self,
        pass: &ProxyPass,
        request: &mut Request,
    ) -> Result<(Resolved, Lease), u16> {
        match &pass.target {
            Target::Fixed {
                upstream,
                host,
                port,
                uri,
                url,
            } => {
                request.proxy_host = host.clone();
                request.proxy_port = *port;
                let resolved = Resolved {
                    uri: uri.clone(),
                    is_whole: false,
                    url: url.clone(),
                };
                Ok((resolved, self.lease(*upstream, request)))
            }
            Target::Variable(template) => {
                let url = self.text(template, request);
                self.variable_target(&url, request).await
            }
        }
    }

    fn lease(&self, upstream: usize, request: &Request) -> Lease {
        let key = match &self.config.upstreams[upstream].method {
            Method::Hash { key, .. } => self.text(key, request),
            _ => String::new(),
        };
        let tries_max = request.location.settings.proxy_next_upstream_tries;
        let group = self.upstreams[upstream].clone();
        Lease::new(group, request.client.peer.ip(), key, tries_max)
    }

    async fn variable_target(
        &self,
        text: &str,
        request: &mut Request,
    ) -> Result<(Resolved, Lease), u16> {
        let url = proxy::split_url(text).map_err(|problem| {
            let words = match problem {
                UrlProblem::Prefix => "invalid URL prefix",
                UrlProblem::Unsupported(what) => what,
                UrlProblem::Port => "invalid port",
                UrlProblem::Host => "no host",
            };
            tracing::warn!(
                "{words} in \"{text}\", client: {}",
                request.client.peer.ip()
            );
            500_u16
        })?;
        let host = url.host.to_ascii_lowercase();
        let port = url.port.unwrap_or(80);
        request.proxy_host = match url.port {
            None | Some(80) => host.as_str().into(),
            Some(port) => format!("{host}:{port}").into(),
        };
        request.proxy_port = port;
        let resolved = Resolved {
            uri: url.uri.map(Into::into),
            is_whole: true,
            url: text.into(),
        };
        let known = self
            .config
            .upstreams
            .iter()
            .position(|conf| conf.answers_to(&host, url.port));
        if let Some(upstream) = known {
            return Ok((resolved, self.lease(upstream, request)));
        }
        let group = self.made_for(&host, port, request).await?;
        let tries_max = request.location.settings.proxy_next_upstream_tries;
        let lease = Lease::new(group, request.client.peer.ip(), String::new(), tries_max);
        Ok((resolved, lease))
    }

    /// A group of all addresses of a name, for one request. nginx starts at a random one.
    async fn made_for(
        &self,
        host: &str,
        port: u16,
        request: &Request,
    ) -> Result<Arc<Upstream>, u16> {
        let origin = Origin::new("proxy_pass", 0);
        let addresses = match host.parse() {
            Ok(ip) => vec![ip],
            Err(_) => {
                let settings = &request.location.settings;
                let resolver = settings
                    .resolver
                    .as_ref()
                    .and_then(|conf| self.resolver(conf));
                let Some(resolver) = resolver else {
                    tracing::warn!("no resolver defined to resolve {host}");
                    return Err(502);
                };
                let outcome = resolver.resolve(host, settings.resolver_timeout).await;
                let mut addresses = outcome
                    .map_err(|error| {
                        tracing::warn!("{host} could not be resolved ({error})");
                        502_u16
                    })?
                    .addresses;
                let start = random::below(addresses.len().max(1));
                addresses.rotate_left(start);
                addresses
            }
        };
        let upstream = Upstream::new(&UpstreamConf::new(host, &origin), &self.host.planted);
        let server = ServerConf::new(host, port, &origin);
        upstream.group().set_addresses(0, &server, &addresses);
        Ok(Arc::new(upstream))
    }
}
