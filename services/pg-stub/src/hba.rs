//! Who may come in and how: `pg_hba.conf` (manual, 21.1).
//!
//! Deliberately absent: TLS, GSSAPI, ident, LDAP and their kin, regular expressions, included files.

use std::net::{IpAddr, SocketAddr};

use squall_host::launch::Text;
use squall_host::{Diagnostic, Origin};

/// How a client proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// It need not.
    Trust,
    /// It cannot.
    Reject,
    /// SCRAM-SHA-256; also what `md5` means, as passwords are kept only so.
    Scram,
    /// The password in clear.
    Password,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Network {
    All,
    Net(IpAddr, u8),
    SameHost,
}

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rule {
    databases: Vec<String>,
    users: Vec<String>,
    network: Network,
    method: Method,
}

/// The lines in order; the first that fits decides.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hba(Vec<Rule>);

impl Hba {
    /// The text that `initdb` and the official image write: trust on the machine itself, `method` for
    /// all others; and what scripts append.
    pub fn text_of_image(method: Method, appended: &str) -> String {
        let method = match method {
            Method::Trust => "trust",
            Method::Reject => "reject",
            Method::Scram => "scram-sha-256",
            Method::Password => "password",
        };
        format!(
            "# TYPE  DATABASE        USER            ADDRESS                 METHOD\n\
             local   all             all                                     trust\n\
             host    all             all             127.0.0.1/32            trust\n\
             host    all             all             ::1/128                 trust\n\
             local   replication     all                                     trust\n\
             host    replication     all             127.0.0.1/32            trust\n\
             host    replication     all             ::1/128                 trust\n\n\
             host all all all {method}\n{appended}"
        )
    }

    /// The rules of that text.
    pub fn of_image(method: Method, appended: &str) -> Self {
        let text = Text {
            shown_as: "pg_hba.conf".into(),
            content: Self::text_of_image(method, appended).into(),
        };
        // What is appended was checked before; without it the text is ours.
        Self::parse(&text).unwrap_or(Self(Vec::new()))
    }

    /// Reads a file.
    pub fn parse(text: &Text) -> Result<Self, Vec<Diagnostic>> {
        let mut rules = Vec::new();
        let mut wrong = Vec::new();
        for (i, line) in text.content.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default();
            let words: Vec<&str> = line.split_whitespace().collect();
            if words.is_empty() {
                continue;
            }
            match rule(&words) {
                Ok(Some(rule)) => rules.push(rule),
                Ok(None) => {}
                Err(message) => {
                    let origin = Origin::new(text.shown_as.clone(), i as u32 + 1);
                    wrong.push(Diagnostic::at(origin, message));
                }
            }
        }
        if wrong.is_empty() {
            Ok(Self(rules))
        } else {
            Err(wrong)
        }
    }

    /// What applies to a client; `None` when no line fits. `database` is `None` for one that follows
    /// the log: only `replication` means it, not `all` (manual, 21.1).
    pub fn method(
        &self,
        peer: SocketAddr,
        local: SocketAddr,
        database: Option<&str>,
        user: &str,
    ) -> Option<Method> {
        let ip = peer.ip().to_canonical();
        self.0
            .iter()
            .find(|rule| {
                rule.databases.iter().any(|d| match database {
                    None => d == "replication",
                    Some(database) => {
                        d == "all"
                            || (d == database && d != "replication")
                            || (d == "sameuser" && user == database)
                    }
                }) && rule.users.iter().any(|u| u == "all" || u == user)
                    && match &rule.network {
                        Network::All => true,
                        Network::Net(net, bits) => contains(*net, *bits, ip),
                        Network::SameHost => ip.is_loopback() || ip == local.ip().to_canonical(),
                    }
            })
            .map(|rule| rule.method)
    }
}

fn rule(words: &[&str]) -> Result<Option<Rule>, String> {
    let names = |word: &str| {
        word.split(',')
            .map(|w| w.trim_matches('"').to_owned())
            .collect::<Vec<_>>()
    };
    match words[0] {
        // There is no local socket, no TLS and no GSSAPI here, so these lines never fit.
        "local" | "hostssl" | "hostgssenc" => return Ok(None),
        "host" | "hostnossl" | "hostnogssenc" => {}
        other => return Err(format!("invalid connection type \"{other}\"")),
    }
    let [_, databases, users, address, rest @ ..] = words else {
        return Err("a line has a type, databases, users, an address and a method".to_owned());
    };
    let (network, rest) = match *address {
        "all" => (Network::All, rest),
        "samehost" => (Network::SameHost, rest),
        address => match address.split_once('/') {
            Some((ip, bits)) => {
                let ip: IpAddr = ip
                    .parse()
                    .map_err(|_| format!("invalid IP address \"{ip}\""))?;
                let most = if ip.is_ipv4() { 32 } else { 128 };
                let bits: u8 = bits
                    .parse()
                    .ok()
                    .filter(|bits| *bits <= most)
                    .ok_or_else(|| format!("invalid CIDR mask in address \"{address}\""))?;
                (Network::Net(ip, bits), rest)
            }
            None => {
                let ip: IpAddr = address.parse().map_err(|_| {
                    format!("the address \"{address}\" is not supported by pg-stub")
                })?;
                let (mask, rest) = rest
                    .split_first()
                    .ok_or("end-of-line before netmask specification")?;
                let mask: IpAddr = mask
                    .parse()
                    .map_err(|_| format!("invalid IP mask \"{mask}\""))?;
                let bits = match mask {
                    IpAddr::V4(mask) => u32::from(mask).leading_ones(),
                    IpAddr::V6(mask) => u128::from(mask).leading_ones(),
                };
                (Network::Net(ip, bits as u8), rest)
            }
        },
    };
    let method = match rest.first().copied() {
        Some("trust") => Method::Trust,
        Some("reject") => Method::Reject,
        Some("scram-sha-256" | "md5") => Method::Scram,
        Some("password") => Method::Password,
        Some(other) => {
            return Err(format!(
                "the authentication method \"{other}\" is not supported by pg-stub"
            ));
        }
        None => return Err("end-of-line before authentication method".to_owned()),
    };
    Ok(Some(Rule {
        databases: names(databases),
        users: names(users),
        network,
        method,
    }))
}

fn contains(net: IpAddr, bits: u8, ip: IpAddr) -> bool {
    match (net, ip) {
        (IpAddr::V4(net), IpAddr::V4(ip)) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            u32::from(net) & mask == u32::from(ip) & mask
        }
        (IpAddr::V6(net), IpAddr::V6(ip)) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            u128::from(net) & mask == u128::from(ip) & mask
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(content: &str) -> Result<Hba, Vec<Diagnostic>> {
        Hba::parse(&Text {
            shown_as: "pg_hba.conf".into(),
            content: content.into(),
        })
    }

    #[test]
    fn the_first_line_that_fits_decides() {
        let hba = parse("# comment\nlocal all all trust\nhost appdb app 10.42.0.0/16 scram-sha-256\nhost all all 0.0.0.0/0 reject\n").unwrap();
        let local = "10.0.0.1:5432".parse().unwrap();
        let ask = |peer: &str, db, user| hba.method(peer.parse().unwrap(), local, Some(db), user);
        assert_eq!(ask("10.42.1.1:1", "appdb", "app"), Some(Method::Scram));
        assert_eq!(ask("10.43.1.1:1", "appdb", "app"), Some(Method::Reject));
        assert_eq!(ask("[::1]:1", "appdb", "app"), None);
    }

    #[test]
    fn following_the_log_has_lines_of_its_own() {
        let line = "host replication repl 10.42.0.0/16 scram-sha-256\n";
        let hba = Hba::of_image(Method::Trust, line);
        let (here, local) = (
            "10.42.0.7:1".parse().unwrap(),
            "10.0.0.1:5432".parse().unwrap(),
        );
        assert_eq!(hba.method(here, local, None, "repl"), Some(Method::Scram));
        assert_eq!(hba.method(here, local, None, "app"), None);
        assert_eq!(
            hba.method(here, local, Some("x"), "app"),
            Some(Method::Trust)
        );
    }

    #[test]
    fn bad_lines_have_their_place() {
        let wrong = parse("host all all 10.0.0.0/99 trust\nhost all all all ldap\n").unwrap_err();
        assert_eq!(wrong.len(), 2);
        assert_eq!(wrong[1].origin.as_ref().unwrap().line, 2);
    }
}
