//! One question to one name server over UDP, for programs that resolve by themselves
//! (nginx's `resolver`, HAProxy's `resolvers`, and the simulator's `getaddrinfo`).
//!
//! Deliberately absent: caching, retries, search lists and TCP fallback; each caller has its own
//! rules for those. Messages are RFC 1035's.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use simple_dns::rdata::RData;
use simple_dns::{CLASS, Name, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, TYPE};

use crate::net::Net;

/// What a name server said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Addresses with the shortest time to live among them, in the server's order.
    Addresses {
        /// Never empty.
        addresses: Vec<IpAddr>,
        /// Seconds.
        ttl_s: u32,
    },
    /// The name exists and has no address of this kind, or does not exist (NXDOMAIN).
    NoSuchName,
    /// The server failed (SERVFAIL) or refused.
    Failed(String),
}

/// The biggest answer that is read; RFC 6891 recommends 1232 for UDP without fragments.
const MESSAGE_MAX: usize = 1232;

/// Asks `server` for the A records of `name`. An answer that does not fit the question is not
/// taken for one. Errors: `TimedOut` after `timeout`, `InvalidInput` for what is no name, and what
/// the socket says.
pub async fn query(
    net: &Net,
    server: SocketAddr,
    name: &str,
    timeout: Duration,
) -> io::Result<Answer> {
    let any: IpAddr = match server {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = net.udp(SocketAddr::new(any, 0))?;
    // The port is fresh for each question, as with glibc, so the id need not be random as well.
    let id = socket.local_addr()?.port();
    let question = encode_question(id, name)?;
    let exchange = async {
        socket.send_to(&question, server).await?;
        let mut buffer = [0; MESSAGE_MAX];
        loop {
            let (length, from) = socket.recv_from(&mut buffer).await?;
            if from != server {
                continue;
            }
            if let Some(answer) = decode_answer(id, &buffer[..length]) {
                return Ok(answer);
            }
        }
    };
    match tokio::time::timeout(timeout, exchange).await {
        Ok(answer) => answer,
        Err(_) => Err(io::Error::new(
            io::ErrorKind::TimedOut,
            format!("{server}: no answer for {name}"),
        )),
    }
}

fn encode_question(id: u16, name: &str) -> io::Result<Vec<u8>> {
    let invalid = |error| io::Error::new(io::ErrorKind::InvalidInput, format!("{name}: {error}"));
    let mut packet = Packet::new_query(id);
    packet.set_flags(PacketFlag::RECURSION_DESIRED);
    let qname = Name::new(name).map_err(invalid)?;
    packet.questions.push(Question::new(
        qname,
        QTYPE::TYPE(TYPE::A),
        QCLASS::CLASS(CLASS::IN),
        false,
    ));
    packet.build_bytes_vec().map_err(invalid)
}

fn decode_answer(id: u16, message: &[u8]) -> Option<Answer> {
    let packet = Packet::parse(message).ok()?;
    if packet.id() != id || !packet.has_flags(PacketFlag::RESPONSE) {
        return None;
    }
    match packet.rcode() {
        RCODE::NoError => {}
        RCODE::NameError => return Some(Answer::NoSuchName),
        other => return Some(Answer::Failed(format!("{other:?}"))),
    }
    let mut ttl_s = u32::MAX;
    let mut addresses = Vec::new();
    for record in &packet.answers {
        if let RData::A(a) = &record.rdata {
            addresses.push(IpAddr::from(Ipv4Addr::from(a.address)));
            ttl_s = ttl_s.min(record.ttl);
        }
    }
    Some(if addresses.is_empty() {
        Answer::NoSuchName
    } else {
        Answer::Addresses { addresses, ttl_s }
    })
}
