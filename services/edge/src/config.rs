//! A configuration as edge runs it: typed, inherited, every name resolved.
//!
//! | module | idea |
//! |---|---|
//! | [`directives`] | which directives exist, and where |
//! | [`build`] | the tree of directives into a [`Config`] |
//! | [`settings`] | what `http`, `server` and `location` inherit from each other |
//! | [`server`], [`location`], [`upstream`], [`map`], [`rewrite`], [`log`], [`proxy`] | one block or family each |
//! | [`units`] | times and sizes |
//! | [`arguments`] | the command line |
//!
//! Deliberately absent: anything that changes while edge runs.

pub(crate) mod arguments;
pub(crate) mod build;
mod directives;
pub(crate) mod listen;
pub(crate) mod location;
pub(crate) mod log;
pub(crate) mod map;
pub(crate) mod names;
pub(crate) mod pattern;
pub(crate) mod proxy;
pub(crate) mod rewrite;
pub(crate) mod server;
pub(crate) mod settings;
mod simple;
mod types;
pub(crate) mod units;
pub(crate) mod upstream;

use std::sync::Arc;

pub(crate) use types::MIME_TYPES;

use listen::Listen;
use map::Map;
use names::Slot;
use server::Server;
use upstream::UpstreamConf;

/// All that `nginx.conf` and the command line say.
#[derive(Clone, Debug)]
pub struct Config(pub(crate) Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) listens: Vec<Listen>,
    pub(crate) servers: Vec<Arc<Server>>,
    pub(crate) upstreams: Vec<UpstreamConf>,
    pub(crate) maps: Vec<Map>,
    pub(crate) slots: Vec<Slot>,
    /// Client and upstream connections together, as nginx counts them.
    pub(crate) worker_connections: usize,
    /// Whether any `$upstream_http_…` or `$sent_http_…` is used, so headers must be kept.
    pub(crate) keeps_reply_headers: bool,
}

impl Inner {
    /// The listen that a connection to `local` came in on: the very address, or that of all
    /// addresses.
    pub(crate) fn listen_of(&self, local: std::net::SocketAddr) -> Option<&Listen> {
        let same_port = || {
            self.listens
                .iter()
                .filter(|l| l.address.port() == local.port())
        };
        let exact = same_port().find(|listen| listen.address == local);
        exact.or_else(|| same_port().find(|listen| listen.address.ip().is_unspecified()))
    }
}
