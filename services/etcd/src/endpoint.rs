//! Where the members are, read from a list such as `http://etcd0:2379,http://etcd1:2379`.
//!
//! Deliberately absent: `https://` and `unix://`, which are refused; SRV records.

use std::fmt;
use std::str::FromStr;

/// The port of a member whose endpoint names none (etcd: `--listen-client-urls`).
const PORT: u16 = 2379;

/// One member's address for clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or an address, the latter without brackets.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// The members of a group, one at least, in the order in which they were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints(Vec<Endpoint>);

/// A list of endpoints that is none. `Display` says which part and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadEndpoints {
    /// Nothing is listed.
    #[error("no endpoint: expected `http://HOST:PORT`, several with commas between them")]
    Empty,
    /// A scheme that this client does not speak.
    #[error("`{0}`: this scheme is not supported, only `http://`")]
    Scheme(String),
    /// Not a host and a port.
    #[error("`{0}`: expected `http://HOST:PORT`")]
    Form(String),
}

impl Endpoints {
    /// One member on this machine, etcd's own default.
    pub fn localhost() -> Self {
        Self(vec![Endpoint {
            host: "localhost".to_owned(),
            port: PORT,
        }])
    }

    /// The members, one at least.
    pub fn list(&self) -> &[Endpoint] {
        &self.0
    }
}

impl FromStr for Endpoints {
    type Err = BadEndpoints;

    fn from_str(text: &str) -> Result<Self, BadEndpoints> {
        let parts = text.split(',').map(str::trim);
        let parts = parts.filter(|part| !part.is_empty());
        let list: Vec<Endpoint> = parts.map(str::parse).collect::<Result<_, _>>()?;
        match list.is_empty() {
            true => Err(BadEndpoints::Empty),
            false => Ok(Self(list)),
        }
    }
}

impl FromStr for Endpoint {
    type Err = BadEndpoints;

    fn from_str(text: &str) -> Result<Self, BadEndpoints> {
        let bad = || BadEndpoints::Form(text.to_owned());
        let rest = match text.split_once("://") {
            Some(("http", rest)) => rest.strip_suffix('/').unwrap_or(rest),
            Some(_) => return Err(BadEndpoints::Scheme(text.to_owned())),
            None => text,
        };
        let (host, port) = match rest.rsplit_once(':') {
            Some((host, port)) if !port.contains(']') => (host, port.parse().map_err(|_| bad())?),
            _ => (rest, PORT),
        };
        let bare = host.strip_prefix('[').and_then(|h| h.strip_suffix(']'));
        let odd = |c: char| !(c.is_ascii_alphanumeric() || "-._".contains(c));
        let is_good = match bare {
            Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
            None => !host.is_empty() && !host.contains(odd),
        };
        match is_good && port != 0 {
            true => Ok(Self {
                host: bare.unwrap_or(host).to_owned(),
                port,
            }),
            false => Err(bad()),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Display for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, endpoint) in self.0.iter().enumerate() {
            let comma = if i == 0 { "" } else { "," };
            write!(f, "{comma}http://{endpoint}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_is_read_as_the_lab_writes_it() {
        let text = "http://etcd0:2379,http://etcd1:2379, etcd2 ,http://[::1]:1/";
        let endpoints: Endpoints = text.parse().unwrap();
        let shown = "http://etcd0:2379,http://etcd1:2379,http://etcd2:2379,http://[::1]:1";
        assert_eq!(endpoints.to_string(), shown);
    }

    #[test]
    fn what_is_no_endpoint_is_named() {
        for (text, why) in [
            ("", "no endpoint"),
            (" , ", "no endpoint"),
            ("https://etcd0:2379", "not supported"),
            ("http://etcd0:2379,unix://x", "`unix://x`"),
            ("http://:2379", "`http://:2379`"),
            ("http://etcd0:0", "expected"),
            ("http://etcd0:70000", "expected"),
            ("http://::1:2379", "expected"),
            ("http://etcd0:2379/v3", "expected"),
            ("a b:1", "expected"),
        ] {
            let error = text.parse::<Endpoints>().unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read_again(text in "[a-z0-9:,./\\[\\]]{0,24}") {
            if let Ok(endpoints) = text.parse::<Endpoints>() {
                prop_assert_eq!(endpoints.to_string().parse::<Endpoints>(), Ok(endpoints));
            }
        }
    }
}
