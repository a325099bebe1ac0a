//! The name server of a system: Docker's embedded one, as real UDP messages.
//!
//! It answers for the names of a [`Zone`] alone and forwards nothing: an unknown name does not
//! exist. Several addresses of a name rotate by one with each question, where Docker shuffles. A
//! machine's questions can be made to fail (`faults`), by the address that they come from.
//! Deliberately absent: TCP, reverse look-up, names by network.

mod faults;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use simple_dns::rdata::{A, AAAA, RData};
use simple_dns::{
    CLASS, OPCODE, Packet, PacketFlag, QCLASS, QTYPE, Question, RCODE, ResourceRecord, TYPE,
};
use squall_fault::dns::Rule;
use squall_host::net::UdpSocket;
use squall_host::{Host, Shutdown};
use tokio::time::Instant;

pub use faults::Draw;
use faults::{Fault, Faults};

/// For how long answers may be kept, and whether the name server does so itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// The time to live of every answer, in seconds.
    pub ttl_s: u32,
    /// The name server asks its source again only after this time, as CoreDNS with the plugin
    /// `cache` in front of `kubernetes` does: what has changed meanwhile is not seen.
    pub caches: bool,
}

impl Default for Keeping {
    /// Docker's (moby, libnetwork `resolver.go`: `respTTL`).
    fn default() -> Self {
        Self {
            ttl_s: 600,
            caches: false,
        }
    }
}

/// The most answers that the name server keeps (CoreDNS's `cache` keeps 9,984 of each kind).
const CACHED_MAX: usize = 9_984;
/// The longest question that is read; longer ones are cut and then refused.
const QUESTION_MAX: usize = 4096;
/// The longest answer without EDNS (RFC 1035, 4.2.1).
const ANSWER_MAX: usize = 512;
/// The longest answer with EDNS (RFC 6891 recommends it against fragments).
const ANSWER_MAX_EDNS: usize = 1232;
/// The shortest record: a pointer to the name, type, class, time to live, length, address.
const RECORD_MIN: usize = 16;
/// A rest after an error of the socket, which could otherwise come back at once.
const ERROR_REST: Duration = Duration::from_millis(10);
/// A header without sections.
const HEADER: usize = 12;

/// What names resolve to.
#[derive(Default)]
pub struct Zone {
    keeping: Keeping,
    entries: Mutex<BTreeMap<String, Entry>>,
    cache: Mutex<BTreeMap<String, Cached>>,
    faults: Faults,
}

/// An answer that the name server keeps, also that there is no such name.
#[derive(Debug)]
struct Cached {
    until: Instant,
    addresses: Option<Vec<IpAddr>>,
}

#[derive(Debug, Default)]
struct Entry {
    addresses: Vec<IpAddr>,
    /// Where the next answer begins.
    turn: usize,
}

impl Zone {
    /// Without names.
    pub fn new(keeping: Keeping) -> Self {
        Self {
            keeping,
            ..Self::default()
        }
    }

    /// Sets what a name resolves to; an empty list takes it away. Case does not matter.
    pub fn set(&self, name: &str, addresses: Vec<IpAddr>) {
        let name = canonical(name);
        let mut entries = self.lock();
        if addresses.is_empty() {
            entries.remove(&name);
        } else {
            entries.entry(name).or_default().addresses = addresses;
        }
    }

    /// What a name resolves to, without a turn.
    pub fn get(&self, name: &str) -> Vec<IpAddr> {
        self.lock()
            .get(&canonical(name))
            .map(|entry| entry.addresses.clone())
            .unwrap_or_default()
    }

    /// What a name resolves to as the name server knows it; `None` for one that does not exist.
    fn found(&self, name: &str) -> Option<Vec<IpAddr>> {
        if !self.keeping.caches {
            return self.turn(name);
        }
        let now = Instant::now();
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if cache.len() >= CACHED_MAX {
            cache.retain(|_, cached| cached.until > now);
        }
        match cache.get_mut(name) {
            Some(cached) if cached.until > now => {
                if let Some(addresses) = &mut cached.addresses {
                    let turn = 1 % addresses.len().max(1);
                    addresses.rotate_left(turn);
                }
                cached.addresses.clone()
            }
            _ => {
                let addresses = self.turn(name);
                let cached = Cached {
                    until: now + Duration::from_secs(self.keeping.ttl_s.into()),
                    addresses: addresses.clone(),
                };
                if cache.len() < CACHED_MAX {
                    cache.insert(name.to_owned(), cached);
                }
                addresses
            }
        }
    }

    /// The addresses for one answer; `None` for a name that does not exist.
    fn turn(&self, name: &str) -> Option<Vec<IpAddr>> {
        let mut entries = self.lock();
        let entry = entries.get_mut(&canonical(name))?;
        let mut addresses = entry.addresses.clone();
        let start = entry.turn % addresses.len().max(1);
        addresses.rotate_left(start);
        entry.turn = start + 1;
        Some(addresses)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets all that befalls the questions of one machine. `draw` gives the bytes of addresses.
    pub fn set_faults(&self, asker: IpAddr, rules: Vec<Rule>, draw: Draw) {
        self.faults.set(asker, rules, draw);
    }

    /// The answer to a message; `None` for what is no question at all.
    pub fn answer(&self, asker: IpAddr, message: &[u8]) -> Option<Vec<u8>> {
        let header = message.get(..HEADER)?;
        let id = u16::from_be_bytes([header[0], header[1]]);
        if header[2] & 0x80 != 0 {
            // An answer; to answer it could go on for ever.
            return None;
        }
        let Ok(packet) = Packet::parse(message) else {
            return refusal(id, RCODE::FormatError);
        };
        if packet.opcode() != OPCODE::StandardQuery {
            return refusal(id, RCODE::NotImplemented);
        }
        let [question] = &packet.questions[..] else {
            return refusal(id, RCODE::FormatError);
        };
        let size_max = match packet.opt() {
            Some(opt) => usize::from(opt.udp_packet_size).clamp(ANSWER_MAX, ANSWER_MAX_EDNS),
            None => ANSWER_MAX,
        };
        let recursion = packet.has_flags(PacketFlag::RECURSION_DESIRED);
        self.reply(asker, id, question, recursion, size_max)
    }

    fn reply(
        &self,
        asker: IpAddr,
        id: u16,
        question: &Question<'_>,
        recursion: bool,
        size_max: usize,
    ) -> Option<Vec<u8>> {
        let mut reply = Packet::new_reply(id);
        reply.set_flags(PacketFlag::RESPONSE | PacketFlag::RECURSION_AVAILABLE);
        if recursion {
            reply.set_flags(PacketFlag::RECURSION_DESIRED);
        }
        reply.questions.push(question.clone());
        if !matches!(question.qclass, QCLASS::CLASS(CLASS::IN) | QCLASS::ANY) {
            *reply.rcode_mut() = RCODE::Refused;
            return reply.build_bytes_vec_compressed().ok();
        }
        let name = canonical(&question.qname.to_string());
        let (found, ttl_s) = match self.faults.of(asker, &name) {
            None => (self.found(&name), self.keeping.ttl_s),
            Some(Fault::Error) => {
                *reply.rcode_mut() = RCODE::ServerFailure;
                return reply.build_bytes_vec_compressed().ok();
            }
            Some(Fault::Addresses(addresses)) => (Some(addresses), faults::TTL_S),
        };
        match found {
            None => *reply.rcode_mut() = RCODE::NameError,
            Some(addresses) => {
                // A record takes sixteen bytes at least; building more is in vain.
                let room = size_max / RECORD_MIN;
                if addresses.len() > room {
                    reply.set_flags(PacketFlag::TRUNCATION);
                }
                for rdata in addresses
                    .iter()
                    .take(room)
                    .filter_map(|ip| fits(*ip, question.qtype))
                {
                    let name = question.qname.clone();
                    let record = ResourceRecord::new(name, CLASS::IN, ttl_s, rdata);
                    reply.answers.push(record);
                }
            }
        }
        loop {
            let bytes = reply.build_bytes_vec_compressed().ok()?;
            if bytes.len() <= size_max || reply.answers.pop().is_none() {
                return Some(bytes);
            }
            reply.set_flags(PacketFlag::TRUNCATION);
        }
    }
}

/// The record of an address, when the question asks for its kind.
fn fits(ip: IpAddr, qtype: QTYPE) -> Option<RData<'static>> {
    match (ip, qtype) {
        (IpAddr::V4(ip), QTYPE::TYPE(TYPE::A) | QTYPE::ANY) => Some(RData::A(A::from(ip))),
        (IpAddr::V6(ip), QTYPE::TYPE(TYPE::AAAA) | QTYPE::ANY) => Some(RData::AAAA(AAAA::from(ip))),
        _ => None,
    }
}

fn refusal(id: u16, rcode: RCODE) -> Option<Vec<u8>> {
    let mut reply = Packet::new_reply(id);
    reply.set_flags(PacketFlag::RESPONSE | PacketFlag::RECURSION_AVAILABLE);
    *reply.rcode_mut() = rcode;
    reply.build_bytes_vec().ok()
}

fn canonical(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// Answers questions at `address` until the request to stop. Errors: the address cannot be bound.
pub async fn serve(
    host: Host,
    address: SocketAddr,
    zone: Arc<Zone>,
    shutdown: Shutdown,
) -> io::Result<()> {
    let socket = host.net.udp(address)?;
    serve_on(socket, zone, shutdown).await;
    Ok(())
}

/// Answers questions on a socket until the request to stop.
pub async fn serve_on(socket: UdpSocket, zone: Arc<Zone>, shutdown: Shutdown) {
    let mut buffer = vec![0; QUESTION_MAX];
    loop {
        let received = tokio::select! {
            biased;
            () = shutdown.requested() => return,
            received = socket.recv_from(&mut buffer) => received,
        };
        // Linux reports a client's closed port at the next call; the next client is not to blame.
        let Ok((length, from)) = received else {
            tokio::time::sleep(ERROR_REST).await;
            continue;
        };
        if let Some(answer) = zone.answer(from.ip(), &buffer[..length])
            && let Err(error) = socket.send_to(&answer, from).await
        {
            tracing::debug!(%from, %error, "answer not sent");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use simple_dns::Name;
    use squall_host::dns::{Answer, query};

    fn ip(last: u8) -> IpAddr {
        [172, 18, 0, last].into()
    }

    fn question(name: &str, qtype: TYPE) -> Vec<u8> {
        let mut packet = Packet::new_query(7);
        packet.questions.push(Question::new(
            Name::new(name).unwrap().into_owned(),
            QTYPE::TYPE(qtype),
            QCLASS::CLASS(CLASS::IN),
            false,
        ));
        packet.build_bytes_vec().unwrap()
    }

    #[tokio::test]
    async fn answers_over_real_sockets() {
        let host = Host::real();
        let socket = host.net.udp("127.0.0.1:0".parse().unwrap()).unwrap();
        let server = socket.local_addr().unwrap();
        let zone = Arc::new(Zone::default());
        zone.set("Backend", vec![ip(2), ip(3), ip(4)]);
        let (trigger, shutdown) = Shutdown::new();
        let task = tokio::spawn(serve_on(socket, zone.clone(), shutdown));
        let wait = Duration::from_secs(10);
        let mut firsts = Vec::new();
        for name in ["backend", "BACKEND.", "backend", "backend"] {
            match query(&host.net, server, name, wait).await.unwrap() {
                Answer::Addresses { addresses, ttl_s } => {
                    assert_eq!(ttl_s, 600);
                    assert_eq!(addresses.len(), 3);
                    firsts.push(addresses[0]);
                }
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(firsts, [ip(2), ip(3), ip(4), ip(2)]);
        zone.set("backend", Vec::new());
        let gone = query(&host.net, server, "backend", wait).await.unwrap();
        assert_eq!(gone, Answer::NoSuchName);
        // Garbage does not stop it.
        let noise = host.net.udp("127.0.0.1:0".parse().unwrap()).unwrap();
        for garbage in [
            &b"x"[..],
            &[0; 12],
            &[255; 600],
            &[0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 5],
        ] {
            noise.send_to(garbage, server).await.unwrap();
        }
        zone.set("db", vec![ip(9)]);
        let found = query(&host.net, server, "db", wait).await.unwrap();
        assert!(matches!(found, Answer::Addresses { .. }), "{found:?}");
        trigger.request();
        tokio::time::timeout(wait, task).await.unwrap().unwrap();
    }

    #[test]
    fn only_the_asked_kind_is_answered() {
        let zone = Zone::default();
        zone.set("db", vec![ip(9)]);
        for (name, qtype, rcode, answers) in [
            ("db", TYPE::A, RCODE::NoError, 1),
            ("db", TYPE::AAAA, RCODE::NoError, 0),
            ("db", TYPE::TXT, RCODE::NoError, 0),
            ("other", TYPE::A, RCODE::NameError, 0),
            ("other", TYPE::AAAA, RCODE::NameError, 0),
        ] {
            let answer = zone.answer(ip(1), &question(name, qtype)).unwrap();
            let packet = Packet::parse(&answer).unwrap();
            assert_eq!(
                (packet.id(), packet.rcode()),
                (7, rcode),
                "{name} {qtype:?}"
            );
            assert_eq!(packet.answers.len(), answers, "{name} {qtype:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_server_that_caches_does_not_see_changes_before_their_time() {
        let zone = Zone::new(Keeping {
            ttl_s: 5,
            caches: true,
        });
        let names = |zone: &Zone| {
            let answer = zone.answer(ip(1), &question("db", TYPE::A)).unwrap();
            let packet = Packet::parse(&answer).unwrap();
            (packet.rcode(), packet.answers.len())
        };
        assert_eq!(names(&zone), (RCODE::NameError, 0));
        zone.set("db", vec![ip(9)]);
        assert_eq!(names(&zone), (RCODE::NameError, 0), "kept");
        tokio::time::advance(Duration::from_secs(5)).await;
        assert_eq!(names(&zone), (RCODE::NoError, 1));
        zone.set("db", vec![ip(9), ip(8)]);
        assert_eq!(names(&zone), (RCODE::NoError, 1), "kept");
        tokio::time::advance(Duration::from_secs(6)).await;
        assert_eq!(names(&zone), (RCODE::NoError, 2));
    }

    #[test]
    fn a_long_list_is_cut_to_the_size_that_the_asker_can_read() {
        let zone = Zone::default();
        zone.set("many", (0..=255).map(ip).collect());
        let answer = zone.answer(ip(1), &question("many", TYPE::A)).unwrap();
        assert!(answer.len() <= ANSWER_MAX);
        let packet = Packet::parse(&answer).unwrap();
        assert!(packet.has_flags(PacketFlag::TRUNCATION));
        assert!(packet.answers.len() > 20, "{}", packet.answers.len());
    }

    #[test]
    fn what_cannot_be_answered_is_refused_or_ignored() {
        let zone = Zone::default();
        let rcode = |message: &[u8]| {
            let answer = zone.answer(ip(1), message).unwrap();
            Packet::parse(&answer).unwrap().rcode()
        };
        assert_eq!(rcode(&[0; 12]), RCODE::FormatError);
        assert_eq!(
            rcode(&[0, 1, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 5]),
            RCODE::FormatError
        );
        assert_eq!(
            rcode(&[0, 1, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            RCODE::NotImplemented
        );
        assert_eq!(zone.answer(ip(1), b"short"), None);
        let mut answer = question("db", TYPE::A);
        answer[2] |= 0x80;
        assert_eq!(zone.answer(ip(1), &answer), None);
    }

    #[test]
    fn faults_befall_the_machine_that_they_are_set_for() {
        use squall_fault::dns::Effect;
        let zone = Zone::default();
        zone.set("db", vec![ip(9)]);
        let rule = |pattern: &str, effect| Rule {
            patterns: vec![pattern.to_owned()],
            effect,
        };
        let rules = vec![rule("d?", Effect::Error), rule("ran*", Effect::Random)];
        let mut next = 0;
        let draw = move || {
            next += 1;
            next
        };
        zone.set_faults(ip(5), rules, Box::new(draw));
        let ask = |asker, name: &str, qtype| {
            let answer = zone.answer(asker, &question(name, qtype)).unwrap();
            let packet = Packet::parse(&answer).unwrap();
            let addresses = packet.answers.iter().map(|record| match &record.rdata {
                RData::A(a) => (IpAddr::from(a.address.to_be_bytes()), record.ttl),
                RData::AAAA(aaaa) => (IpAddr::from(aaaa.address.to_be_bytes()), record.ttl),
                other => panic!("{other:?}"),
            });
            (packet.rcode(), addresses.collect::<Vec<_>>())
        };
        let found = (RCODE::NoError, vec![(ip(9), 600)]);
        let failed = (RCODE::ServerFailure, vec![]);
        assert_eq!(ask(ip(1), "db", TYPE::A), found, "another machine");
        assert_eq!(ask(ip(5), "DB", TYPE::A), failed);
        assert_eq!(ask(ip(5), "dbs", TYPE::A).0, RCODE::NameError);
        let (rcode, drawn) = ask(ip(5), "random.example", TYPE::A);
        assert_eq!((rcode, drawn.len(), drawn[0].1), (RCODE::NoError, 1, 10));
        assert_ne!(ask(ip(5), "random.example", TYPE::A).1, drawn, "drawn anew");
        let (_, v6) = ask(ip(5), "random.example", TYPE::AAAA);
        assert!(v6[0].0.is_ipv6());
        // No pattern stands for all names; no rule for none.
        let all = vec![Rule {
            patterns: vec![],
            effect: Effect::Error,
        }];
        zone.set_faults(ip(5), all, Box::new(|| 0));
        assert_eq!(ask(ip(5), "nothing", TYPE::A), failed);
        zone.set_faults(ip(5), vec![], Box::new(|| 0));
        assert_eq!(ask(ip(5), "db", TYPE::A), found);
    }

    proptest! {
        #[test]
        fn nothing_panics(message in proptest::collection::vec(any::<u8>(), 0..600)) {
            let zone = Zone::default();
            if let Some(answer) = zone.answer(ip(1), &message) {
                prop_assert!(answer.len() <= ANSWER_MAX_EDNS.max(message.len() + HEADER));
            }
        }
    }
}
