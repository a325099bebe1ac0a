use super::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

struct Ends {
    client: DuplexStream,
    server: DuplexStream,
    relay: tokio::task::JoinHandle<(Ended, u64, u64)>,
    kill: Kill,
}

fn start(timeouts: Timeouts) -> Ends {
    let (client, mut to_client) = duplex(1_024);
    let (server, mut to_server) = duplex(1_024);
    let pool = Pool::new(512);
    let kill = Kill::default();
    let killed = kill.clone();
    let relay = tokio::spawn(async move {
        let (mut up, mut down) = (Flow::new(&pool), Flow::new(&pool));
        let relay = Relay {
            client: &mut to_client,
            server: &mut to_server,
            up: &mut up,
            down: &mut down,
            timeouts_client: &timeouts,
            timeouts_server: &timeouts,
        };
        let ended = relay.run(&killed).await;
        let totals = (up.total, down.total);
        drop((up, down));
        assert!(pool.free.lock().unwrap().len() <= 2);
        (ended, totals.0, totals.1)
    });
    Ends {
        client,
        server,
        relay,
        kill,
    }
}

fn seconds(client: u64, server: u64) -> Timeouts {
    Timeouts {
        client: Some(Duration::from_secs(client)),
        server: Some(Duration::from_secs(server)),
        ..Timeouts::default()
    }
}

async fn ended(ends: Ends) -> (String, u64, u64) {
    let (ended, up, down) = ends.relay.await.unwrap();
    (ended.termination.to_string(), up, down)
}

#[tokio::test(start_paused = true)]
async fn bytes_and_ends_pass_in_both_directions() {
    let mut ends = start(seconds(60, 60));
    let big: Vec<u8> = (0..50_000_u32).map(|i| i as u8).collect();
    let (mut from_client, to_send) = (vec![0; big.len()], big.clone());
    let sent = async {
        ends.client.write_all(&to_send).await.unwrap();
        ends.client.shutdown().await.unwrap();
    };
    let received = async {
        ends.server.read_exact(&mut from_client).await.unwrap();
        assert_eq!(ends.server.read(&mut [0; 1]).await.unwrap(), 0);
    };
    tokio::join!(sent, received);
    assert_eq!(from_client, big);
    // Half closed: the server may still speak.
    ends.server.write_all(b"bye").await.unwrap();
    let mut answer = [0; 3];
    ends.client.read_exact(&mut answer).await.unwrap();
    ends.server.shutdown().await.unwrap();
    assert_eq!(ended(ends).await, ("--".to_owned(), 50_000, 3));
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_told_apart_from_a_silent_server() {
    for (timeouts, expected) in [
        (seconds(5, 50), "cD"),
        (seconds(50, 5), "sD"),
        (seconds(5, 5), "cD"),
    ] {
        let begun = Instant::now();
        let ends = start(timeouts);
        assert_eq!(ended(ends).await, (expected.to_owned(), 0, 0));
        assert!(begun.elapsed() >= Duration::from_secs(5));
    }
}

#[tokio::test(start_paused = true)]
async fn traffic_keeps_a_session_alive() {
    let mut ends = start(seconds(5, 5));
    for _ in 0..10 {
        tokio::time::sleep(Duration::from_secs(4)).await;
        ends.client.write_all(b"x").await.unwrap();
        ends.server.read_exact(&mut [0]).await.unwrap();
    }
    ends.client.shutdown().await.unwrap();
    ends.server.shutdown().await.unwrap();
    assert_eq!(ended(ends).await, ("--".to_owned(), 10, 0));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_cut_off() {
    let mut ends = start(seconds(5, 500));
    let begun = Instant::now();
    let pushing = tokio::spawn(async move {
        // It speaks all the time, so only its not reading tells.
        let sending = async {
            while ends.client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        let flooding = async { while ends.server.write_all(&[0; 512]).await.is_ok() {} };
        tokio::join!(sending, flooding);
    });
    let (ended, ..) = ends.relay.await.unwrap();
    assert_eq!(ended.termination.to_string(), "cD");
    assert!(ended.reset_client);
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "{:?}",
        begun.elapsed()
    );
    pushing.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_session_is_ended_when_its_server_goes_down() {
    let mut ends = start(seconds(60, 60));
    ends.client.write_all(b"x").await.unwrap();
    ends.server.read_exact(&mut [0]).await.unwrap();
    ends.kill.fire(Cause::Down);
    let (ended, ..) = ends.relay.await.unwrap();
    assert_eq!(ended.termination.to_string(), "D-");
    assert_eq!(ends.client.read(&mut [0]).await.unwrap(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_gone_ends_the_session() {
    let Ends {
        mut client,
        server,
        relay,
        kill: _kill,
    } = start(seconds(60, 60));
    drop(server);
    tokio::task::yield_now().await;
    // The end was passed on; what the client says now goes nowhere.
    assert_eq!(client.read(&mut [0]).await.unwrap(), 0);
    client.write_all(b"x").await.unwrap();
    let (ended, ..) = relay.await.unwrap();
    assert_eq!(ended.termination.to_string(), "SD");
}

#[tokio::test(start_paused = true)]
async fn a_tunnel_timeout_replaces_both() {
    let timeouts = Timeouts {
        tunnel: Some(Duration::from_secs(100)),
        ..seconds(5, 5)
    };
    let begun = Instant::now();
    let ends = start(timeouts);
    assert_eq!(ended(ends).await.0, "cD");
    assert_eq!(begun.elapsed().as_secs(), 100);
}
