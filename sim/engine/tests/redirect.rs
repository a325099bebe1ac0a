//! Ports that lead to other ports, and hosts that share a network, as seen on the wire.
#![allow(clippy::unwrap_used)]

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use squall_engine::{Config, Control, Exit, HostId, HostSpec, JoinSpec, run};
use squall_host::Host;
use squall_host::launch::BoxError;
use squall_host::net::TcpStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

const SERVER: HostId = HostId(1);

/// Says to each connection which port it came to, from where, and then echoes.
async fn serve(host: Host, port: u16) -> Result<(), BoxError> {
    let mut listener = host.net.listen(SocketAddr::from(([0, 0, 0, 0], port)))?;
    loop {
        let (mut stream, peer) = listener.accept().await?;
        let here = stream.local_addr()?;
        assert_eq!(peer, stream.peer_addr()?);
        tokio::spawn(async move {
            let greeting = format!("{} {}\n", here.port(), peer.ip());
            stream.write_all(greeting.as_bytes()).await?;
            let mut buf = [0; 64];
            loop {
                let length = stream.read(&mut buf).await?;
                if length == 0 {
                    return Ok::<_, io::Error>(());
                }
                stream.write_all(&buf[..length]).await?;
            }
        });
    }
}

async fn idle() -> Result<(), BoxError> {
    std::future::pending().await
}

/// A connection to the server's port, and what it said first.
async fn greet(host: &Host, port: u16) -> Result<(TcpStream, String), i32> {
    greet_at(host, SocketAddr::from(([10, 0, 0, 1], port))).await
}

async fn greet_at(host: &Host, to: SocketAddr) -> Result<(TcpStream, String), i32> {
    let errno = |error: io::Error| error.raw_os_error().unwrap_or(-1);
    let mut stream = host.net.connect(to).await.map_err(errno)?;
    assert_eq!(stream.peer_addr().unwrap(), to, "what was asked for");
    let mut greeting = String::new();
    loop {
        match stream.read_u8().await.map_err(errno)? {
            b'\n' => return Ok((stream, greeting)),
            byte => greeting.push(byte.into()),
        }
    }
}

async fn echo(stream: &mut TcpStream) -> io::Result<u8> {
    stream.write_all(b"x").await?;
    stream.read_u8().await
}

/// A server on ports 80 and 81, and a client that runs `story`.
fn world<T, F, Fut>(story: F) -> T
where
    T: Send + 'static,
    F: FnOnce(Control, Host) -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let outcome = run(Config::default(), async |control: Control| {
        let host = |name: &str, last| {
            control.add_host(HostSpec {
                name: name.to_owned(),
                addresses: vec![IpAddr::from([10, 0, 0, last])],
                ..HostSpec::default()
            })
        };
        let (server, client) = (host("server", 1), host("client", 2));
        assert_eq!(server, SERVER);
        start(&control, server);
        control.start(client, |_, _| Box::pin(idle()));
        let handle = control.clone();
        let told = control.run_beside(client, move |host| Box::pin(story(handle, host)));
        told.await.unwrap()
    });
    outcome.unwrap().value
}

fn start(control: &Control, server: HostId) {
    control.start(server, |host, _| {
        Box::pin(async move {
            tokio::try_join!(serve(host.clone(), 80), serve(host, 81))?;
            Ok(())
        })
    });
}

#[test]
fn new_connections_lead_to_the_other_port_and_old_ones_stay() {
    world(async |control, client| {
        let (mut before, greeting) = greet(&client, 80).await.unwrap();
        assert_eq!(greeting, "80 10.0.0.2");
        control.redirect(SERVER, 80, Some(81));
        let (mut during, greeting) = greet(&client, 80).await.unwrap();
        assert_eq!(greeting, "81 10.0.0.2");
        assert_eq!(greet(&client, 81).await.unwrap().1, "81 10.0.0.2");
        assert_eq!(echo(&mut before).await.unwrap(), b'x');
        control.redirect(SERVER, 80, None);
        assert_eq!(greet(&client, 80).await.unwrap().1, "80 10.0.0.2");
        assert_eq!(echo(&mut before).await.unwrap(), b'x');
        assert_eq!(echo(&mut during).await.unwrap(), b'x');
    });
}

#[test]
fn loopback_is_not_redirected() {
    let greetings = world(async |control, _| {
        control.redirect(SERVER, 80, Some(81));
        let beside = control.run_beside(SERVER, |host| {
            Box::pin(async move {
                let mut greetings = Vec::new();
                for address in ["127.0.0.1:80", "10.0.0.1:80"] {
                    let to = address.parse().unwrap();
                    greetings.push(greet_at(&host, to).await.unwrap().1);
                }
                greetings
            })
        });
        beside.await.unwrap()
    });
    assert_eq!(greetings, ["80 127.0.0.1", "80 10.0.0.1"]);
}

#[test]
fn a_port_that_leads_nowhere_refuses_and_a_killed_process_closes() {
    world(async |control, client| {
        control.redirect(SERVER, 80, Some(82));
        assert_eq!(greet(&client, 80).await.map(drop), Err(libc::ECONNREFUSED));
        control.redirect(SERVER, 80, Some(81));
        let (mut open, _) = greet(&client, 80).await.unwrap();
        control.kill(SERVER);
        assert_eq!(
            open.read(&mut [0; 8]).await.unwrap(),
            0,
            "FIN finds its way"
        );
        open.write_all(b"x").await.unwrap();
        sleep(Duration::from_millis(5)).await;
        let error = open.write_all(b"x").await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EPIPE), "and so does RST");
    });
}

#[test]
fn many_connections_with_the_same_ports_again_and_again() {
    world(async |control, client| {
        for round in 0..50 {
            let to = (round % 2 == 0).then_some(81);
            control.redirect(SERVER, 80, to);
            let expected = if to.is_some() { "81" } else { "80" };
            for _ in 0..5 {
                let (mut stream, greeting) = greet(&client, 80).await.unwrap();
                assert!(
                    greeting.starts_with(expected),
                    "{greeting} in round {round}"
                );
                assert_eq!(echo(&mut stream).await.unwrap(), b'x');
            }
        }
    });
}

#[test]
fn a_joined_host_has_the_same_network_and_a_life_of_its_own() {
    world(async |control, client| {
        let spec = JoinSpec {
            name: "sidecar".to_owned(),
            ..JoinSpec::default()
        };
        let beside = control.join(SERVER, spec);
        control.start(beside, |host, _| Box::pin(serve(host, 90)));
        sleep(Duration::from_millis(1)).await;
        let (mut main, _) = greet(&client, 80).await.unwrap();
        let (mut side, greeting) = greet(&client, 90).await.unwrap();
        assert_eq!(greeting, "90 10.0.0.2");

        // They reach each other over loopback, and share the ports.
        let reached = control.run_beside(beside, |host| {
            Box::pin(async move {
                let taken = host.net.listen("0.0.0.0:80".parse().unwrap());
                let to = "127.0.0.1:80".parse().unwrap();
                let greeting = greet_at(&host, to).await.unwrap().1;
                (
                    taken.err().and_then(|error| error.source.raw_os_error()),
                    greeting,
                )
            })
        });
        let (taken, greeting) = reached.await.unwrap();
        assert_eq!(taken, Some(libc::EADDRINUSE));
        assert_eq!(greeting, "80 127.0.0.1");

        // One pauses, the other goes on.
        control.pause(SERVER);
        assert_eq!(echo(&mut side).await.unwrap(), b'x');
        let waiting = tokio::spawn(async move {
            let echoed = echo(&mut main).await;
            (main, echoed)
        });
        sleep(Duration::from_secs(1)).await;
        assert!(!waiting.is_finished());
        control.resume(SERVER);
        let (mut main, echoed) = waiting.await.unwrap();
        assert_eq!(echoed.unwrap(), b'x');

        // One dies, the other goes on, both ways.
        control.kill(SERVER);
        assert_eq!(main.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(echo(&mut side).await.unwrap(), b'x');
        assert_eq!(greet(&client, 80).await.map(drop), Err(libc::ECONNREFUSED));
        start(&control, SERVER);
        sleep(Duration::from_millis(1)).await;
        let (mut main, _) = greet(&client, 80).await.unwrap();
        control.kill(beside);
        assert_eq!(side.read(&mut [0; 8]).await.unwrap(), 0);
        assert_eq!(echo(&mut main).await.unwrap(), b'x');

        // Power is common.
        control.start(beside, |host, _| Box::pin(serve(host, 90)));
        control.power_off(SERVER);
        assert_eq!(control.exit(SERVER).await, Exit::Killed);
        assert_eq!(control.exit(beside).await, Exit::Killed);
    });
}
