//! One axum service under Poisson arrivals, and what queueing theory says of it. Shared by the test
//! and by the example that prints the curve.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http_body_util::BodyExt;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use squall_engine::{Config, Control, HostSpec, Link, run};
use squall_fault::cpu::{Cpu, Stressor};
use squall_host::Host;
use tokio::time::{Instant, sleep, sleep_until, timeout};

/// What a request costs: hyper reads it, calls the handler and writes the answer within one poll.
pub const SERVICE: Duration = Duration::from_millis(1);
const LATENCY: Duration = Duration::from_micros(100);
/// tokio's timers fire on whole milliseconds. A way that takes up to one more, evenly, makes
/// arrivals Poisson again, as long as hardly two packets share a link: so there are many clients.
const JITTER: Duration = Duration::from_millis(1);
const CLIENTS: u8 = 40;
/// Of each client, open when the load begins.
const CONNECTIONS: usize = 8;

pub struct Setup {
    pub seed: u64,
    pub cpu: Cpu,
    pub stress: Vec<Stressor>,
    pub per_second: f64,
    pub requests: u32,
    /// After which the client gives up.
    pub timeout: Duration,
}

pub struct Measured {
    /// Of the requests that were answered in time: how long they took beyond the way there and back
    /// and [`SERVICE`].
    pub wait: Duration,
    /// From sending to the answer, of these.
    pub p99: Duration,
    /// Answers in time in each second of load.
    pub goodput: f64,
}

pub fn measure(setup: Setup) -> Measured {
    let config = Config {
        seed: setup.seed,
        ..Config::default()
    };
    run(config, async move |control: Control| {
        let add = |name: &str, last, cpu| {
            control.add_host(HostSpec {
                name: name.to_owned(),
                addresses: vec![IpAddr::from([10, 0, 0, last])],
                cpu,
                ..HostSpec::default()
            })
        };
        let server = add("server", 1, Some(setup.cpu));
        let link = |jitter| Link {
            latency: LATENCY,
            jitter,
            ..Link::default()
        };
        control.set_stress(server, setup.stress.clone());
        control.start(server, |host, _| {
            Box::pin(async move {
                let listener = host.net.listen("0.0.0.0:80".parse()?)?;
                Ok(axum::serve(listener, Router::new().route("/", get(async || "ok"))).await?)
            })
        });
        let setup = Arc::new(setup);
        let loads = (0..CLIENTS).map(|number| {
            let client = add("client", number + 2, None);
            control.set_link(client, server, link(JITTER));
            control.set_link(server, client, link(Duration::ZERO));
            control.start(client, |_, shutdown| {
                Box::pin(async move {
                    shutdown.requested().await;
                    Ok(())
                })
            });
            let setup = setup.clone();
            control.run_beside(client, move |host| Box::pin(load(host, setup)))
        });
        let loads = futures::future::join_all(loads).await;
        summary(loads.into_iter().map(Option::unwrap).collect())
    })
    .unwrap()
    .value
}

#[derive(Clone)]
struct Pool {
    host: Host,
    idle: Arc<Mutex<Vec<SendRequest<Body>>>>,
}

impl Pool {
    async fn connection(&self) -> Option<SendRequest<Body>> {
        loop {
            let idle = self.idle.lock().unwrap().pop();
            match idle {
                Some(sender) if sender.is_closed() => {}
                Some(sender) => return Some(sender),
                None => break,
            }
        }
        let server = SocketAddr::from(([10, 0, 0, 1], 80));
        let stream = self.host.net.connect(server).await.ok()?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await.ok()?;
        tokio::spawn(connection);
        Some(sender)
    }

    async fn ask(&self) -> Option<()> {
        let mut sender = self.connection().await?;
        sender.ready().await.ok()?;
        let request = hyper::Request::get("/").header("host", "server");
        let answer = sender.send_request(request.body(Body::empty()).unwrap());
        answer.await.ok()?.into_body().collect().await.ok()?;
        self.idle.lock().unwrap().push(sender);
        Some(())
    }
}

/// One client's part: how long the load lasted, and what each answer took that came in time.
async fn load(host: Host, setup: Arc<Setup>) -> (Duration, Vec<Duration>) {
    sleep(Duration::from_secs(1)).await; // the server listens
    let pool = Pool {
        host,
        idle: Arc::default(),
    };
    let mut open = Vec::new();
    for _ in 0..CONNECTIONS {
        open.push(pool.connection().await.unwrap());
    }
    pool.idle.lock().unwrap().extend(open);
    sleep(Duration::from_secs(1)).await; // the server has accepted all, and rests

    let took = Arc::new(Mutex::new(Vec::new()));
    let mut asking = tokio::task::JoinSet::new();
    let begun = Instant::now();
    let mut at = begun;
    for _ in 0..setup.requests / u32::from(CLIENTS) {
        let uniform: f64 = rand::random();
        at +=
            Duration::from_secs_f64(-(1.0 - uniform).ln() * f64::from(CLIENTS) / setup.per_second);
        sleep_until(at).await;
        let (pool, took, limit) = (pool.clone(), took.clone(), setup.timeout);
        asking.spawn(async move {
            let sent = Instant::now();
            if let Ok(Some(())) = timeout(limit, pool.ask()).await {
                took.lock().unwrap().push(sent.elapsed());
            }
        });
    }
    let lasted = at - begun;
    asking.join_all().await;
    (lasted, std::mem::take(&mut *took.lock().unwrap()))
}

fn summary(loads: Vec<(Duration, Vec<Duration>)>) -> Measured {
    let lasted = loads.iter().map(|load| load.0).sum::<Duration>() / u32::from(CLIENTS);
    let mut took: Vec<Duration> = loads.into_iter().flat_map(|load| load.1).collect();
    took.sort_unstable();
    let answered = u32::try_from(took.len()).unwrap();
    let mean = took.iter().sum::<Duration>() / answered.max(1);
    Measured {
        wait: mean.saturating_sub(2 * LATENCY + JITTER / 2 + SERVICE),
        p99: took.get(took.len() * 99 / 100).copied().unwrap_or_default(),
        goodput: f64::from(answered) / lasted.as_secs_f64(),
    }
}

/// The mean time that a request waits before its service in M/D/c, where all of `cores` together are
/// used to `utilisation`: exact for one core (Pollaczek-Khinchine), within about 1 % for more
/// (Cosmetatos 1976, on M/M/c).
pub fn theory(cores: u32, utilisation: f64, service: Duration) -> Duration {
    let c = f64::from(cores);
    let offered = c * utilisation;
    // Erlang's C: an arrival finds all cores busy in M/M/c.
    let mut term = 1.0;
    let mut others = 1.0;
    for n in 1..cores {
        term *= offered / f64::from(n);
        others += term;
    }
    let busy = term * offered / c / (1.0 - utilisation);
    let exponential = busy / (others + busy) / (c * (1.0 - utilisation));
    let correction =
        (1.0 - utilisation) * (c - 1.0) * ((4.0 + 5.0 * c).sqrt() - 2.0) / (16.0 * utilisation * c);
    service.mul_f64(exponential / 2.0 * (1.0 + correction))
}
