//! Names that are resolved while edge runs, by a name server on a real socket.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_types,
    clippy::disallowed_methods
)]

mod common;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::{Does, Edge, Upstream};
use tokio::net::UdpSocket;

/// A name server whose one answer can be changed; an empty one is NXDOMAIN.
struct Dns {
    port: u16,
    addresses: Arc<Mutex<Vec<Ipv4Addr>>>,
    questions: Arc<Mutex<usize>>,
}

impl Dns {
    async fn start(addresses: &[Ipv4Addr], ttl_s: u32) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let addresses = Arc::new(Mutex::new(addresses.to_vec()));
        let questions = Arc::new(Mutex::new(0));
        let (current, count) = (addresses.clone(), questions.clone());
        tokio::spawn(async move {
            let mut buffer = [0; 512];
            loop {
                let (length, from) = socket.recv_from(&mut buffer).await.unwrap();
                *count.lock().unwrap() += 1;
                let reply = answer(&buffer[..length], &current.lock().unwrap(), ttl_s);
                socket.send_to(&reply, from).await.unwrap();
            }
        });
        Self {
            port,
            addresses,
            questions,
        }
    }
}

/// RFC 1035: the question again, then an A record for each address, named by a pointer to it.
fn answer(question: &[u8], addresses: &[Ipv4Addr], ttl_s: u32) -> Vec<u8> {
    let mut reply = question.to_vec();
    let rcode = if addresses.is_empty() { 3 } else { 0 };
    reply[2..4].copy_from_slice(&[0x81, 0x80 | rcode]);
    reply[6..8].copy_from_slice(&(addresses.len() as u16).to_be_bytes());
    for address in addresses {
        reply.extend([0xc0, 12, 0, 1, 0, 1]);
        reply.extend(ttl_s.to_be_bytes());
        reply.extend([0, 4]);
        reply.extend(address.octets());
    }
    reply
}

const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 1);
const TWO: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// Two upstreams on one port of two addresses.
async fn pair() -> (Upstream, Upstream) {
    let one = Upstream::start(Does::Answer("one")).await;
    let two = Upstream::start_on(SocketAddr::from((TWO, one.port)), Does::Answer("two")).await;
    (one, two)
}

/// Asks until the bodies of four requests in a row are `expected`, in any order.
async fn until(edge: &Edge, expected: &[&str]) {
    let begun = std::time::Instant::now();
    loop {
        let mut bodies = Vec::new();
        for _ in 0..4 {
            let reply = edge.get("/").await;
            bodies.push(if reply.status == 200 {
                reply.body
            } else {
                reply.status.to_string()
            });
        }
        bodies.sort();
        bodies.dedup();
        if bodies == expected {
            return;
        }
        assert!(
            begun.elapsed() < common::LONG,
            "{bodies:?} and not {expected:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn servers_marked_resolve_follow_the_name() {
    let (one, _two) = pair().await;
    let dns = Dns::start(&[ONE], 0).await;
    let edge = Edge::start(&format!(
        "resolver 127.0.0.1:{} valid=0s; resolver_timeout 2s; \
         upstream up {{ zone up 64k; server backend.lab:{} resolve; }} \
         server {{ listen PORT; location / {{ proxy_pass http://up; }} }}",
        dns.port, one.port
    ))
    .await;
    until(&edge, &["one"]).await;
    *dns.addresses.lock().unwrap() = vec![ONE, TWO];
    until(&edge, &["one", "two"]).await;
    *dns.addresses.lock().unwrap() = vec![TWO];
    until(&edge, &["two"]).await;
    dns.addresses.lock().unwrap().clear();
    until(&edge, &["502"]).await;
}

#[tokio::test]
async fn a_variable_is_resolved_when_it_is_met_and_remembered() {
    let (one, _two) = pair().await;
    let dns = Dns::start(&[ONE], 300).await;
    let edge = Edge::start(&format!(
        "resolver 127.0.0.1:{}; log_format t '$upstream_addr $proxy_host'; access_log /dev/stdout t; \
         server {{ listen PORT; set $name backend.lab; location / {{ proxy_pass http://$name:{}; }} }}",
        dns.port, one.port
    ))
    .await;
    for _ in 0..3 {
        assert_eq!(edge.get("/").await.body, "one");
    }
    assert_eq!(*dns.questions.lock().unwrap(), 1, "300 s are not over");
    let expected = format!("127.0.0.1:{} backend.lab:{0}", one.port);
    assert_eq!(edge.log(1).await[0], expected);
}

#[tokio::test]
async fn a_variable_that_does_not_resolve_is_502() {
    let dns = Dns::start(&[], 0).await;
    let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let silent = nobody.local_addr().unwrap().port();
    let edge = Edge::start(&format!(
        "server {{ listen PORT; set $name backend.lab; \
         location / {{ resolver 127.0.0.1:{}; proxy_pass http://$name; }} \
         location /silent {{ resolver 127.0.0.1:{silent}; resolver_timeout 200ms; proxy_pass http://$name; }} \
         location /none {{ proxy_pass http://$name; }} }}",
        dns.port
    ))
    .await;
    for path in ["/", "/silent", "/none"] {
        assert_eq!(edge.get(path).await.status, 502, "{path}");
    }
}
