//! What a cluster's control plane needs of machines: virtual addresses, search domains, volumes.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use squall_engine::{Config, Control, HostId, HostSpec, JoinSpec, run};
use squall_host::Host;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const VIRTUAL: &str = "10.43.0.11:80";

fn address(last: u8) -> IpAddr {
    IpAddr::from([10, 42, 0, last])
}

/// Plays a story, the first hosts being servers that say their last octet to whoever connects.
fn world<T, F, Fut>(seed: u64, servers: u8, story: F) -> T
where
    T: Send + 'static,
    F: FnOnce(Control) -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let config = Config {
        seed,
        ..Config::default()
    };
    let outcome = run(config, async move |control: Control| {
        for last in 1..=servers {
            let host = control.add_host(HostSpec {
                name: format!("server{last}"),
                addresses: vec![address(last)],
                ..HostSpec::default()
            });
            control.start(host, move |host, _| {
                Box::pin(async move {
                    let mut listener = host.net.listen("0.0.0.0:8000".parse()?)?;
                    loop {
                        let (mut stream, _) = listener.accept().await?;
                        stream.write_all(&[last]).await?;
                    }
                })
            });
        }
        story(control).await
    });
    outcome.unwrap().value
}

/// What `work` returns as the process of a new host.
async fn client<T, F, Fut>(control: &Control, spec: HostSpec, work: F) -> T
where
    T: Send + 'static,
    F: FnOnce(Host) -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let host = control.add_host(spec);
    process(control, host, work).await
}

async fn process<T, F, Fut>(control: &Control, host: HostId, work: F) -> T
where
    T: Send + 'static,
    F: FnOnce(Host) -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let value = Arc::new(Mutex::new(None));
    let slot = value.clone();
    control.start(host, move |host, _| {
        Box::pin(async move {
            *slot.lock().unwrap() = Some(work(host).await);
            Ok(())
        })
    });
    control.exit(host).await;
    let value = value.lock().unwrap().take();
    value.unwrap()
}

fn asker() -> HostSpec {
    HostSpec {
        name: "asker".to_owned(),
        addresses: vec![address(99)],
        ..HostSpec::default()
    }
}

/// How often each server answered.
async fn spread(host: Host, connections: u32) -> io::Result<BTreeMap<u8, u32>> {
    let mut seen = BTreeMap::new();
    for _ in 0..connections {
        let mut stream = host.net.connect(VIRTUAL.parse().unwrap()).await?;
        assert_eq!(stream.peer_addr()?, VIRTUAL.parse().unwrap());
        *seen.entry(stream.read_u8().await?).or_default() += 1;
    }
    Ok(seen)
}

#[test]
fn a_virtual_address_spreads_connections_by_chance() {
    let spread = |seed| {
        world(seed, 3, async |control| {
            let host = control.add_host(asker());
            let to: Vec<SocketAddr> = (1..=3).map(|n| SocketAddr::new(address(n), 8000)).collect();
            control.route(host, VIRTUAL.parse().unwrap(), Some(to));
            process(&control, host, |host| spread(host, 300)).await
        })
        .unwrap()
    };
    let seen = spread(7);
    assert_eq!(seen.len(), 3);
    assert!(
        seen.values().all(|count| (70..130).contains(count)),
        "{seen:?}"
    );
    assert_eq!(seen, spread(7));
    assert_ne!(seen, spread(8));
}

#[test]
fn a_virtual_address_without_anybody_refuses() {
    let error = world(1, 0, async |control| {
        let host = control.add_host(asker());
        control.route(host, VIRTUAL.parse().unwrap(), Some(vec![]));
        process(&control, host, |host| spread(host, 1)).await
    });
    assert_eq!(error.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
}

#[test]
fn names_are_completed_as_resolv_conf_says() {
    let asked = world(1, 0, async |control| {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = asked.clone();
        let server = control.add_host(HostSpec {
            name: "dns".to_owned(),
            addresses: vec![address(53)],
            ..HostSpec::default()
        });
        // Knows `db.shop.svc` alone.
        control.start(server, move |host, _| {
            Box::pin(async move {
                let socket = host.net.udp("0.0.0.0:53".parse()?)?;
                let mut buffer = [0; 512];
                loop {
                    let (length, from) = socket.recv_from(&mut buffer).await?;
                    let packet = simple_dns::Packet::parse(&buffer[..length])?;
                    let question = packet.questions[0].clone().into_owned();
                    let name = question.qname.to_string();
                    let mut reply = simple_dns::Packet::new_reply(packet.id());
                    reply.set_flags(simple_dns::PacketFlag::RESPONSE);
                    if name == "db.shop.svc" {
                        let data = simple_dns::rdata::A {
                            address: 0x0a2a_0001,
                        };
                        reply.answers.push(simple_dns::ResourceRecord::new(
                            question.qname.clone(),
                            simple_dns::CLASS::IN,
                            5,
                            simple_dns::rdata::RData::A(data),
                        ));
                    } else {
                        *reply.rcode_mut() = simple_dns::RCODE::NameError;
                    }
                    reply.questions.push(question);
                    log.lock().unwrap().push(name);
                    socket.send_to(&reply.build_bytes_vec()?, from).await?;
                }
            })
        });
        let spec = HostSpec {
            nameservers: vec![SocketAddr::new(address(53), 53)],
            search: ["shop.svc", "svc"].map(str::to_owned).into(),
            ndots: 2,
            ..asker()
        };
        client(&control, spec, async |host| {
            assert_eq!(host.net.resolve("db").await.unwrap(), [address(1)]);
            assert_eq!(host.net.resolve("db.shop.svc").await.unwrap(), [address(1)]);
            let error = host.net.resolve("x.y.").await.unwrap_err().to_string();
            assert!(error.contains("Name or service not known"), "{error}");
            host.net.resolve("no").await.unwrap_err();
        })
        .await;
        asked.lock().unwrap().clone()
    });
    let wanted = [
        "db.shop.svc",
        "db.shop.svc",
        "x.y",
        "no.shop.svc",
        "no.svc",
        "no",
    ];
    assert_eq!(asked, wanted);
}

async fn write(host: &Host, path: &str) {
    host.disk
        .append(path, Bytes::from_static(b"x"))
        .await
        .unwrap();
}

#[test]
fn volumes_move_to_another_machine_and_the_rest_stays_behind() {
    let found = world(1, 0, async |control| {
        let old = control.add_host(asker());
        process(&control, old, async |host| {
            for path in ["/data/db/log", "/database/log", "/tmp/x", "/etc/y"] {
                write(&host, path).await;
            }
        })
        .await;
        control.keep_on_disk(old, vec!["/data".to_owned(), "/tmp/".to_owned()]);
        let left = process(&control, old, async |host| {
            host.disk.list("/etc").await.unwrap()
        })
        .await;
        assert!(left.is_empty(), "{left:?}");
        let spec = HostSpec {
            addresses: vec![address(98)],
            disk_of: Some((old, vec!["/data".to_owned()])),
            ..asker()
        };
        let found = client(&control, spec, async |host| {
            let kept = host.disk.list("/data/db").await.unwrap();
            (kept, host.disk.list("/tmp").await.unwrap())
        })
        .await;
        let gone = process(&control, old, async |host| {
            host.disk.read("/data/db/log").await
        })
        .await;
        assert_eq!(gone.unwrap_err().kind(), io::ErrorKind::NotFound);
        found
    });
    assert_eq!(found, (vec!["log".to_owned()], vec![]));
}

#[test]
fn a_joined_host_loses_what_it_did_not_sync_with_the_power() {
    let lost = (0..40).any(|seed| {
        world(seed, 0, async |control| {
            let host = control.add_host(asker());
            let spec = JoinSpec {
                name: "sidecar".to_owned(),
                ..JoinSpec::default()
            };
            let sidecar = control.join(host, spec);
            process(&control, sidecar, async |host| write(&host, "/log").await).await;
            control.power_off(host);
            control.power_on(host);
            process(&control, sidecar, async |host| {
                host.disk.read("/log").await.is_err()
            })
            .await
        })
    });
    assert!(lost);
}
