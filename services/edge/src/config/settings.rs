//! What `http`, `server` and `location` inherit from each other: every value as read (`Raw`, each
//! perhaps absent) and as it holds (`Settings`, each with nginx's default).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, Method};
use squall_host::Origin;

use super::log::AccessLog;
use super::proxy::{NextUpstream, Redirect};
use crate::template::Template;

macro_rules! settings {
    ($($(#[$doc:meta])* $name:ident: $type:ty = $default:expr;)*) => {
        /// The values of one block, before inheritance.
        #[derive(Clone, Debug, Default)]
        pub(crate) struct Raw {
            $(pub(crate) $name: Option<$type>,)*
            /// `proxy_hide_header`; with the next, finished as `proxy_hide_headers`.
            pub(crate) proxy_hide: Option<Vec<HeaderName>>,
            /// `proxy_pass_header`.
            pub(crate) proxy_show: Option<Vec<HeaderName>>,
        }

        impl Raw {
            /// Takes from `outer` what this block does not say.
            pub(crate) fn inherit(&mut self, outer: &Raw) {
                $(if self.$name.is_none() {
                    self.$name.clone_from(&outer.$name);
                })*
                if self.proxy_hide.is_none() {
                    self.proxy_hide.clone_from(&outer.proxy_hide);
                }
                if self.proxy_show.is_none() {
                    self.proxy_show.clone_from(&outer.proxy_show);
                }
            }

            /// Fills in the defaults.
            pub(crate) fn finish(self) -> Settings {
                Settings {
                    $($name: self.$name.unwrap_or_else(|| $default),)*
                }
            }
        }

        /// The values that hold in one block.
        #[derive(Clone, Debug)]
        pub(crate) struct Settings {
            $($(#[$doc])* pub(crate) $name: $type,)*
        }
    };
}

const fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

settings! {
    root: Template = Template::text("/etc/nginx/html");
    index: Arc<[String]> = Arc::new(["index.html".to_owned()]);
    types: Arc<[(String, String)]> = super::types::default();
    default_type: Arc<str> = "text/plain".into();
    error_pages: Arc<Vec<ErrorPage>> = Arc::default();
    recursive_error_pages: bool = false;
    add_headers: Arc<Vec<AddHeader>> = Arc::default();
    access_logs: Arc<Vec<AccessLog>> = Arc::default();
    access_rules: Arc<Vec<AccessRule>> = Arc::default();
    resolver: Option<Arc<ResolverConf>> = None;
    resolver_timeout: Duration = seconds(30);
    /// 0 is unlimited.
    client_max_body_size_bytes: u64 = 1 << 20;
    client_body_timeout: Duration = seconds(60);
    client_header_timeout: Duration = seconds(60);
    client_header_buffer_bytes: usize = 1 << 10;
    /// How many, and how big each.
    large_client_header_buffers: (usize, usize) = (4, 8 << 10);
    keepalive_timeout: Duration = seconds(75);
    keepalive_requests: u64 = 1000;
    send_timeout: Duration = seconds(60);
    underscores_in_headers: bool = false;
    merge_slashes: bool = true;
    absolute_redirect: bool = true;
    port_in_redirect: bool = true;
    proxy_http_1_1: bool = false;
    proxy_set_headers: Arc<Vec<SetHeader>> = super::proxy::default_headers();
    proxy_connect_timeout: Duration = seconds(60);
    proxy_read_timeout: Duration = seconds(60);
    proxy_send_timeout: Duration = seconds(60);
    proxy_next_upstream: NextUpstream = NextUpstream::default();
    /// 0 is unlimited.
    proxy_next_upstream_tries: u32 = 0;
    /// Zero is unlimited.
    proxy_next_upstream_timeout: Duration = Duration::ZERO;
    proxy_buffer_bytes: usize = 4 << 10;
    proxy_intercept_errors: bool = false;
    proxy_hide_headers: Arc<Vec<HeaderName>> = super::proxy::default_hidden(&[], &[]);
    proxy_pass_request_headers: bool = true;
    proxy_pass_request_body: bool = true;
    proxy_redirect: Redirect = Redirect::Default;
    proxy_method: Option<Method> = None;
}

/// `error_page 502 504 =200 /sorry.html`.
#[derive(Clone, Debug)]
pub(crate) struct ErrorPage {
    pub(crate) codes: Vec<u16>,
    pub(crate) answer: ErrorAnswer,
    pub(crate) target: Template,
}

/// The status that an error page is sent with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ErrorAnswer {
    /// That of the error.
    Same,
    /// `=`: that of the page.
    OfPage,
    /// `=200`.
    Fixed(u16),
}

/// `add_header NAME VALUE [always]`.
#[derive(Clone, Debug)]
pub(crate) struct AddHeader {
    pub(crate) name: HeaderName,
    pub(crate) value: Template,
    pub(crate) always: bool,
}

/// `proxy_set_header NAME VALUE`.
#[derive(Clone, Debug)]
pub(crate) struct SetHeader {
    pub(crate) name: HeaderName,
    pub(crate) value: Template,
}

/// `allow` or `deny`.
#[derive(Clone, Debug)]
pub(crate) struct AccessRule {
    pub(crate) allow: bool,
    /// `None` is `all`.
    pub(crate) network: Option<(IpAddr, u8)>,
}

impl AccessRule {
    pub(crate) fn matches(&self, ip: IpAddr) -> bool {
        match (self.network, ip) {
            (None, _) => true,
            (Some((IpAddr::V4(net), bits)), IpAddr::V4(ip)) => {
                let shift = 32 - u32::from(bits.min(32));
                let cut = |ip: u32| ip.checked_shr(shift).unwrap_or(0);
                cut(net.to_bits()) == cut(ip.to_bits())
            }
            (Some((IpAddr::V6(net), bits)), IpAddr::V6(ip)) => {
                let shift = 128 - u32::from(bits.min(128));
                let cut = |ip: u128| ip.checked_shr(shift).unwrap_or(0);
                cut(net.to_bits()) == cut(ip.to_bits())
            }
            _ => false,
        }
    }
}

/// `resolver ADDRESS… [valid=TIME]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ResolverConf {
    /// Addresses, or names that are resolved at the start.
    pub(crate) servers: Vec<(String, u16)>,
    pub(crate) valid: Option<Duration>,
    pub(crate) origin: Origin,
}
