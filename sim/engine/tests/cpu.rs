//! What a processor does to a process: cost, queues, limits, stress; and what it leaves alone.
#![allow(clippy::unwrap_used, missing_docs, unreachable_pub)]

mod saturation;

use std::io::ErrorKind;
use std::net::IpAddr;
use std::time::Duration;

use saturation::{Measured, SERVICE, Setup, measure, theory};
use squall_engine::{Config, Control, HostId, HostSpec, run};
use squall_fault::cpu::{Cpu, Stressor};
use squall_host::Host;
use squall_host::net::TcpStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep, timeout};

const MS: Duration = Duration::from_millis(1);
/// There and back.
const ROUND_TRIP: Duration = Duration::from_micros(200);
const SERVER: &str = "10.0.0.2:80";

fn one_core() -> Cpu {
    Cpu {
        cores: 1,
        limit: None,
        poll: MS,
    }
}

/// A server on this processor that answers each byte with itself, and what a client saw of it that
/// costs nothing. The server has listened for a while when the client begins.
fn story<T, F, Fut>(cpu: Cpu, client: F) -> T
where
    T: Send + 'static,
    F: FnOnce(Host, Control, HostId) -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let outcome = run(Config::default(), async move |control: Control| {
        let add = |name: &str, last, cpu| {
            control.add_host(HostSpec {
                name: name.to_owned(),
                addresses: vec![IpAddr::from([10, 0, 0, last])],
                cpu,
                ..HostSpec::default()
            })
        };
        let (server, user) = (add("server", 2, Some(cpu)), add("client", 3, None));
        control.start(server, |host, _| Box::pin(echo(host)));
        control.start(user, |_, shutdown| {
            Box::pin(async move {
                shutdown.requested().await;
                Ok(())
            })
        });
        sleep(Duration::from_secs(1)).await;
        let handle = control.clone();
        let seen = control.run_beside(user, move |host| Box::pin(client(host, handle, server)));
        seen.await.expect("the client ends by itself")
    });
    outcome.unwrap().value
}

async fn echo(host: Host) -> Result<(), squall_host::launch::BoxError> {
    let mut listener = host.net.listen("0.0.0.0:80".parse()?)?;
    loop {
        let (mut stream, _) = listener.accept().await?;
        host.out.line("accepted");
        tokio::spawn(async move {
            let mut buf = [0; 1024];
            while let Ok(length @ 1..) = stream.read(&mut buf).await {
                if stream.write_all(&buf[..length]).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// Connections that the server has accepted, and then rests.
async fn connections(host: &Host, count: usize) -> Vec<TcpStream> {
    let mut open = Vec::new();
    for _ in 0..count {
        let mut stream = host.net.connect(SERVER.parse().unwrap()).await.unwrap();
        stream.write_all(b"x").await.unwrap();
        stream.read_u8().await.unwrap();
        open.push(stream);
    }
    sleep(Duration::from_secs(1)).await;
    open
}

/// When each of these answers, all asked at once; in milliseconds, rounded down.
async fn answers_ms(streams: Vec<TcpStream>) -> Vec<u128> {
    let begun = Instant::now();
    let asking = streams.into_iter().map(async |mut stream| {
        stream.write_all(b"x").await.unwrap();
        stream.read_u8().await.unwrap();
        (begun.elapsed() - ROUND_TRIP).as_millis()
    });
    futures::future::join_all(asking).await
}

#[test]
fn an_answer_takes_as_long_as_its_poll_more() {
    let took = story(one_core(), async |host, _, _| {
        let mut streams = connections(&host, 1).await;
        let begun = Instant::now();
        streams[0].write_all(b"x").await.unwrap();
        streams[0].read_u8().await.unwrap();
        begun.elapsed()
    });
    assert_eq!(took, ROUND_TRIP + MS);
}

#[test]
fn polls_queue_for_the_cores() {
    let burst = async |host: Host, _, _| answers_ms(connections(&host, 6).await).await;
    assert_eq!(story(one_core(), burst), [1, 2, 3, 4, 5, 6]);
    let two = Cpu {
        cores: 2,
        ..one_core()
    };
    assert_eq!(story(two, burst), [1, 1, 2, 2, 3, 3]);
}

#[test]
fn a_limit_stalls_a_burst_until_the_next_period() {
    let limited = Cpu {
        limit: Some(0.1),
        ..one_core()
    };
    let answers = story(limited, async |host, _, _| {
        answers_ms(connections(&host, 25).await).await
    });
    let gaps: Vec<u128> = answers.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let stalls = gaps.iter().filter(|gap| **gap >= 60).count();
    let steady = gaps.iter().filter(|gap| **gap == 1).count();
    assert_eq!((stalls, stalls + steady), (2, gaps.len()), "{answers:?}");
}

#[test]
fn stress_takes_its_share() {
    let answers = story(one_core(), async |host, control, server| {
        let streams = connections(&host, 3).await;
        let busy = Stressor {
            workers: 2,
            load: 0.5,
        };
        control.set_stress(server, vec![busy]);
        answers_ms(streams).await
    });
    assert_eq!(
        answers,
        [2, 4, 6],
        "one thread and one busy loop share the core"
    );
}

#[test]
fn a_busy_process_does_not_keep_its_kernel_from_answering() {
    let took = story(one_core(), async |host, _, _| {
        let _asked = tokio::spawn(answers_ms(connections(&host, 50).await));
        sleep(5 * MS).await;
        let begun = Instant::now();
        let mut stream = host.net.connect(SERVER.parse().unwrap()).await.unwrap();
        let connected = begun.elapsed();
        stream.write_all(b"x").await.unwrap();
        stream.read_u8().await.unwrap();
        (connected, begun.elapsed())
    });
    assert_eq!(took.0, ROUND_TRIP, "a handshake is the kernel's");
    assert!(took.1 > 40 * MS, "but an answer has to queue: {:?}", took.1);
}

#[test]
fn time_passes_from_poll_to_poll_and_never_goes_back() {
    let three = Cpu {
        cores: 3,
        ..one_core()
    };
    let seen = story(three, async |_, control, server| {
        let looks = control.run_beside(server, |_| {
            let look = || async {
                let begun = Instant::now();
                tokio::task::yield_now().await;
                (begun, Instant::now())
            };
            Box::pin(async move {
                let looks: Vec<_> = (0..10).map(|_| tokio::spawn(look())).collect();
                futures::future::try_join_all(looks).await.unwrap()
            })
        });
        looks.await.unwrap()
    });
    for pair in seen.windows(2) {
        assert!(pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1, "{seen:?}");
    }
    // Ten polls on three cores, and then the same again.
    let all = seen[9].1 - seen[0].0;
    assert_eq!(
        all,
        6 * MS,
        "20 polls end within 7 ms, the first in the first: {seen:?}"
    );
}

#[test]
fn a_task_that_never_rests_does_not_stop_the_world() {
    let (polls, answered) = story(one_core(), async |host, control, server| {
        let spun = control.run_beside(server, |_| {
            Box::pin(async {
                let (begun, mut polls) = (Instant::now(), 0);
                while begun.elapsed() < 100 * MS {
                    tokio::task::yield_now().await;
                    polls += 1;
                }
                polls
            })
        });
        sleep(10 * MS).await;
        let answered = timeout(20 * MS, connections(&host, 0)).await.is_err();
        (spun.await.unwrap(), answered)
    });
    assert_eq!(polls, 100);
    assert!(answered, "the others' time passes as well");
}

#[test]
fn what_a_killed_or_paused_process_had_begun_does_not_happen() {
    let slow = Cpu {
        poll: 10 * MS,
        ..one_core()
    };
    let (paused_ms, killed) = story(slow, async |host, control, server| {
        let mut streams = connections(&host, 2).await;
        let begun = Instant::now();
        streams[0].write_all(b"x").await.unwrap();
        sleep(5 * MS).await; // half of the poll
        control.pause(server);
        sleep(50 * MS).await;
        control.resume(server);
        streams[0].read_u8().await.unwrap();
        let paused_ms = begun.elapsed().as_millis();
        streams[1].write_all(b"x").await.unwrap();
        sleep(5 * MS).await;
        control.kill(server);
        (paused_ms, streams[1].read_u8().await.unwrap_err().kind())
    });
    assert!((65..=68).contains(&paused_ms), "{paused_ms} ms");
    assert!(matches!(
        killed,
        ErrorKind::UnexpectedEof | ErrorKind::ConnectionReset
    ));
}

#[test]
fn a_full_backlog_lets_clients_try_again() {
    let took = story(one_core(), async |host, control, server| {
        let _serving = control.run_beside(server, |host| {
            Box::pin(async move {
                let address = "0.0.0.0:81".parse().unwrap();
                let mut listener = host.net.listen_with_backlog(address, 2).unwrap();
                sleep(Duration::from_millis(1_500)).await;
                let mut open = Vec::new();
                loop {
                    open.push(listener.accept().await.unwrap());
                }
            })
        });
        sleep(10 * MS).await;
        let connecting = (0..5).map(async |_| {
            let begun = Instant::now();
            let stream = host.net.connect("10.0.0.2:81".parse().unwrap()).await;
            stream.map(|stream| (stream, begun.elapsed().as_millis()))
        });
        let connected = futures::future::join_all(connecting).await;
        let took = connected.into_iter().map(|stream| stream.unwrap().1);
        took.collect::<Vec<_>>()
    });
    // Linux takes one more than the backlog (`sk_acceptq_is_full`). The others' SYNs are ignored, and
    // sent again after 1 s and 2 s; the process accepts after 1.5 s.
    let at_once = took.iter().filter(|ms| **ms == 0).count();
    let later = took.iter().filter(|ms| **ms / 100 == 20).count();
    assert_eq!((at_once, later), (3, 2), "{took:?}");
}

fn curve(cores: u32, stress: f64, load: f64) -> Measured {
    let capacity = f64::from(cores) / (SERVICE.as_secs_f64() * (1.0 + stress));
    measure(Setup {
        seed: 7,
        cpu: Cpu {
            cores,
            limit: None,
            poll: SERVICE,
        },
        stress: vec![Stressor {
            workers: 1,
            load: stress,
        }],
        per_second: load * capacity,
        requests: 10_000,
        timeout: Duration::from_millis(500),
    })
}

/// Of the theory's value: 10,000 requests say no more about a mean near saturation.
const TOLERANCE: f64 = 0.1;

#[test]
fn requests_wait_as_long_as_queueing_theory_says() {
    for (cores, stress, load) in [(1, 0.0, 0.5), (1, 0.0, 0.8), (2, 0.0, 0.8), (1, 1.0, 0.7)] {
        let service = SERVICE.mul_f64(1.0 + stress);
        let wait = curve(cores, stress, load).wait - SERVICE.mul_f64(stress);
        let expected = theory(cores, load, service);
        let ratio = wait.as_secs_f64() / expected.as_secs_f64();
        assert!(
            (ratio - 1.0).abs() <= TOLERANCE,
            "{cores} cores, stress {stress}, load {load}: waited {wait:?}, not {expected:?}"
        );
    }
}

#[test]
fn beyond_saturation_the_work_is_done_for_clients_that_have_left() {
    let full = 1.0 / SERVICE.as_secs_f64();
    let below = curve(1, 0.0, 0.9).goodput;
    assert!((below / (0.9 * full) - 1.0).abs() < 0.05, "{below}/s");
    let above = curve(1, 0.0, 1.5);
    assert!(above.goodput < 0.5 * full, "{}/s", above.goodput);
    assert!(above.p99 > Duration::from_millis(400), "{:?}", above.p99);
}
