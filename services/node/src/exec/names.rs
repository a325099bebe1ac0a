//! nslookup and getent: has this name an address?

use std::net::IpAddr;

use squall_host::Host;

use super::Outcome;

/// A look-up through the operating system's resolver.
#[derive(Clone, Debug)]
pub(super) struct LookUp {
    kind: Kind,
    name: String,
}

/// Whose exit statuses and words it has.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Nslookup,
    Getent,
}

/// getent(1): "one or more supplied key could not be found in the database".
const GETENT_NOT_FOUND: i32 = 2;

pub(super) fn nslookup(args: &[&str]) -> Result<LookUp, String> {
    match args {
        // Which records are asked for: A alone is known here, and is what an address is.
        ["-type=a" | "-type=A" | "-query=A", name] | [name] if !name.starts_with('-') => {
            Ok(LookUp {
                kind: Kind::Nslookup,
                name: (*name).to_owned(),
            })
        }
        [_, server] if !server.starts_with('-') => {
            Err("nslookup asks the machine's own name server here, no other one".to_owned())
        }
        _ => Err("nslookup is known as `nslookup NAME`".to_owned()),
    }
}

pub(super) fn getent(args: &[&str]) -> Result<LookUp, String> {
    match args {
        ["hosts" | "ahosts" | "ahostsv4", name] if !name.starts_with('-') => Ok(LookUp {
            kind: Kind::Getent,
            name: (*name).to_owned(),
        }),
        _ => Err("getent is known as `getent hosts NAME`".to_owned()),
    }
}

impl LookUp {
    pub(super) async fn run(&self, host: &Host) -> Outcome {
        let name = &self.name;
        match (host.net.resolve(name).await, self.kind) {
            (Ok(addresses), kind) if !addresses.is_empty() => Outcome {
                status: 0,
                output: addresses.iter().map(|ip| self.line(kind, *ip)).collect(),
            },
            (_, Kind::Nslookup) => Outcome {
                status: 1,
                output: format!("** server can't find {name}: NXDOMAIN\n"),
            },
            (_, Kind::Getent) => Outcome::status(GETENT_NOT_FOUND),
        }
    }

    fn line(&self, kind: Kind, ip: IpAddr) -> String {
        match kind {
            Kind::Nslookup => format!("Name:\t{}\nAddress: {ip}\n", self.name),
            Kind::Getent => format!("{ip:<15} {}\n", self.name),
        }
    }
}
