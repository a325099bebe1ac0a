//! `bind` lines (configuration.txt 5.1).

use std::net::SocketAddr;

use squall_host::diagnostic::Origin;

use super::Notes;
use super::value;

/// One address to listen on.
#[derive(Clone, Debug)]
pub struct Bind {
    /// The address; port 0 takes a free one.
    pub address: SocketAddr,
    /// Connections that this address may have at once.
    pub maxconn: Option<u32>,
    /// Room for connections not yet accepted.
    pub backlog: Option<u32>,
    /// The line.
    pub origin: Origin,
}

/// Keywords that are accepted and have no effect here, with the number of their arguments.
const WITHOUT_EFFECT: &[(&str, usize)] = &[
    ("defer-accept", 0),
    ("gid", 1),
    ("group", 1),
    ("id", 1),
    ("level", 1),
    ("mode", 1),
    ("mss", 1),
    ("name", 1),
    ("nice", 1),
    ("process", 1),
    ("severity-output", 1),
    ("shards", 1),
    ("tcp-ut", 1),
    ("tfo", 0),
    ("thread", 1),
    ("uid", 1),
    ("user", 1),
    ("v4v6", 0),
    ("v6only", 0),
];

/// Reads the words after `bind`.
pub(crate) fn read(words: &[String], origin: &Origin, notes: &mut Notes) -> Vec<Bind> {
    let Some((addresses, options)) = words.split_first() else {
        notes.wrong(origin, "'bind' wants [address]:port");
        return Vec::new();
    };
    let mut binds: Vec<Bind> = addresses
        .split(',')
        .filter_map(|word| notes.take(origin, value::listen_address(word)))
        .map(|address| Bind {
            address,
            maxconn: None,
            backlog: None,
            origin: origin.clone(),
        })
        .collect();
    let mut options = options.iter();
    while let Some(option) = options.next() {
        match option.as_str() {
            "maxconn" | "backlog" => {
                let Some(word) = options.next() else {
                    notes.wrong(origin, format!("'{option}' wants a number"));
                    break;
                };
                let Some(number) = notes.take(origin, value::number(option, word, 1..=1_000_000))
                else {
                    break;
                };
                for bind in &mut binds {
                    match option.as_str() {
                        "maxconn" => bind.maxconn = Some(number),
                        _ => bind.backlog = Some(number),
                    }
                }
            }
            known => match WITHOUT_EFFECT.iter().find(|(name, _)| *name == known) {
                Some((_, arguments)) => {
                    notes.without_effect(origin, format!("bind {known}"));
                    options.by_ref().take(*arguments).for_each(drop);
                }
                None => {
                    let help = match known {
                        "ssl" | "crt" | "ca-file" => "squall plays HAProxy without TLS",
                        "accept-proxy" => "the PROXY protocol is not played",
                        _ => "",
                    };
                    notes.unsupported(origin, &format!("bind … {known}"), help);
                    break;
                }
            },
        }
    }
    binds
}
