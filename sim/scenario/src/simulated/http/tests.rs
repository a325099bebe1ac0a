//! Faults on HTTP and on names in a simulated world, as clients and services see them.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::Request as AxumRequest;
use axum::routing::any;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::Request;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use squall_cluster::Machine;
use squall_cluster::machine::{NodeId, NodeSpec, Resolver, Signal};
use squall_engine::{Config, Control, HostId, run};
use squall_fault::dns;
use squall_fault::http::{Effect, Matches, Parts, Rule, Side};
use squall_host::{Facts, Host, Launch, Loaded};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep};

use crate::journal::Journal;
use crate::simulated::world::{Names, SimulatedWorld};
use crate::world::World;

/// Says what came: method, target, headers, body.
async fn told(request: AxumRequest) -> axum::Json<Value> {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let headers: BTreeMap<String, String> = head
        .headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    axum::Json(json!({
        "method": head.method.as_str(),
        "target": head.uri.to_string(),
        "headers": headers,
        "body": String::from_utf8_lossy(&body),
    }))
}

fn start_service(world: &SimulatedWorld, node: NodeId) {
    let program = Loaded::new(Facts::default(), |host: Host, _| async move {
        let listener = host.net.listen("0.0.0.0:80".parse().unwrap())?;
        axum::serve(listener, Router::new().fallback(any(told))).await
    });
    world.start(node, &program, &Launch::default());
}

fn exec(_: Host, _: BTreeMap<String, String>, _: Vec<String>) -> BoxFuture<'static, i32> {
    Box::pin(async { 0 })
}

struct Stage {
    world: SimulatedWorld,
    control: Control,
    service: NodeId,
    client: NodeId,
}

const SERVICE: SocketAddr = SocketAddr::new(IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), 80);

/// Plays `story` with a service and a client.
fn play<T, F, Fut>(seed: u64, story: F) -> T
where
    T: Send + 'static,
    F: FnOnce(Stage) -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let config = Config {
        seed,
        ..Config::default()
    };
    let outcome = run(config, async move |control: Control| {
        let journal = Arc::new(Journal::new());
        let world = SimulatedWorld::new(
            control.clone(),
            exec,
            journal,
            crate::file::Cpu::default(),
            Names::default(),
            seed,
        );
        let service = world.add_node(NodeSpec {
            name: "service".to_owned(),
            address: "10.0.0.1".parse().unwrap(),
            cpu_limit: None,
            resolver: Resolver::default(),
            volumes: None,
        });
        start_service(&world, service);
        let client = world.add_client("client");
        control.start(HostId(client.0), |_, _| Box::pin(std::future::pending()));
        sleep(Duration::from_millis(1)).await;
        story(Stage {
            world,
            control,
            service,
            client,
        })
        .await
    });
    outcome.unwrap().value
}

impl Stage {
    /// Does something on the client's machine.
    async fn client<T: Send + 'static>(
        &self,
        task: impl FnOnce(Host) -> BoxFuture<'static, T> + Send + 'static,
    ) -> T {
        let done = self.control.run_beside(HostId(self.client.0), task);
        done.await.unwrap()
    }

    /// A new connection.
    async fn open(&self) -> Connection {
        let opened = self.client(|host| Box::pin(async move { open(&host).await.unwrap() }));
        Connection(opened.await)
    }

    /// The error of a connection over which nothing is sent: where it is made, and what it is.
    async fn fails(&self) -> (&'static str, Option<i32>) {
        let task = |host: Host| -> BoxFuture<'static, _> {
            Box::pin(async move {
                let mut stream = match host.net.connect(SERVICE).await {
                    Ok(stream) => stream,
                    Err(error) => return ("connect", error.raw_os_error()),
                };
                let read = stream.read_u8().await;
                ("read", read.err().and_then(|error| error.raw_os_error()))
            })
        };
        self.client(task).await
    }

    /// One request over a connection of its own.
    async fn get(&self, target: &str) -> Result<Answer, String> {
        let request = Request::get(target).body(String::new()).unwrap();
        self.open().await.send(request).await
    }

    fn set(&self, rules: Vec<Rule>) {
        self.world.set_http(self.service, rules);
    }
}

async fn open(host: &Host) -> std::io::Result<SendRequest<Full<Bytes>>> {
    let stream = host.net.connect(SERVICE).await?;
    let handshake = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
    let (sender, link) = handshake.map_err(std::io::Error::other)?;
    tokio::spawn(link);
    Ok(sender)
}

struct Connection(SendRequest<Full<Bytes>>);

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: http::HeaderMap,
    body: String,
    took: Duration,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Connection {
    async fn send(&mut self, request: Request<String>) -> Result<Answer, String> {
        let start = Instant::now();
        let request = request.map(|body| Full::new(Bytes::from(body)));
        let sent = async {
            self.0.ready().await?;
            let response = self.0.send_request(request).await?;
            let (head, body) = response.into_parts();
            let body = body.collect().await?.to_bytes();
            Ok::<_, hyper::Error>(Answer {
                status: head.status.as_u16(),
                headers: head.headers,
                body: String::from_utf8_lossy(&body).into_owned(),
                took: start.elapsed(),
            })
        };
        sent.await.map_err(|error| format!("{error:?}"))
    }

    async fn get(&mut self, target: &str) -> Result<Answer, String> {
        let request = Request::get(target).body(String::new()).unwrap();
        self.send(request).await
    }
}

fn rule(side: Side, effect: Effect) -> Rule {
    Rule {
        port: Some(80),
        side,
        matches: Matches::default(),
        probability: 1.0,
        effect,
    }
}

fn answer(status: u16) -> Effect {
    Effect {
        answer: Some(status),
        ..Effect::default()
    }
}

fn delay(delay: Duration) -> Effect {
    Effect {
        delay: Some(delay),
        ..Effect::default()
    }
}

#[test]
fn messages_are_answered_held_up_and_cut_off() {
    play(1, async |stage: Stage| {
        assert_eq!(stage.get("/").await.unwrap().status, 200);
        let mut not_found = rule(Side::Request, answer(503));
        not_found.matches.path = Some("/down/*".to_owned());
        let mut slow = rule(Side::Response, delay(Duration::from_secs(3)));
        slow.matches.path = Some("/slow".to_owned());
        let mut cut = rule(Side::Request, Effect::default());
        cut.effect.abort = true;
        cut.matches.method = Some("DELETE".to_owned());
        stage.set(vec![not_found, slow, cut]);

        let down = stage.get("/down/x").await.unwrap();
        assert_eq!(
            (down.status, down.body.as_str()),
            (503, "fault filter abort")
        );
        let quick = stage.get("/quick").await.unwrap();
        assert_eq!(quick.json()["target"], "/quick");
        assert!(quick.took < Duration::from_millis(5), "{:?}", quick.took);
        let slow = stage.get("/slow").await.unwrap();
        assert_eq!(slow.took.as_secs(), 3);
        let delete = Request::delete("/").body(String::new()).unwrap();
        let error = stage.open().await.send(delete).await.unwrap_err();
        assert!(error.contains("IncompleteMessage"), "{error}");
    });
}

#[test]
fn connections_of_before_are_spared_and_those_that_outlive_the_rules_too() {
    play(1, async |stage: Stage| {
        let mut before = stage.open().await;
        assert_eq!(before.get("/").await.unwrap().status, 200);
        stage.set(vec![rule(Side::Request, answer(503))]);
        assert_eq!(before.get("/").await.unwrap().status, 200);
        let mut during = stage.open().await;
        assert_eq!(during.get("/").await.unwrap().status, 503);
        stage.set(vec![]);
        assert_eq!(during.get("/").await.unwrap().status, 200);
        assert_eq!(before.get("/").await.unwrap().status, 200);
        assert_eq!(stage.get("/").await.unwrap().status, 200);
        stage.set(vec![rule(Side::Request, answer(418))]);
        assert_eq!(stage.get("/").await.unwrap().status, 418);
        assert_eq!(before.get("/").await.unwrap().status, 200);
    });
}

#[test]
fn another_port_and_the_machine_itself_are_spared() {
    play(1, async |stage: Stage| {
        let mut other = rule(Side::Request, answer(503));
        other.port = Some(81);
        stage.set(vec![other, rule(Side::Response, Effect::default())]);
        assert_eq!(stage.get("/").await.unwrap().status, 200);
        stage.set(vec![rule(Side::Request, answer(503))]);
        let inside = stage.control.run_beside(HostId(stage.service.0), |host| {
            Box::pin(async move { Connection(open(&host).await.unwrap()).get("/").await })
        });
        assert_eq!(inside.await.unwrap().unwrap().status, 200);
    });
}

#[test]
fn messages_are_rewritten_on_both_ways() {
    play(1, async |stage: Stage| {
        let owned = |name: &str, value: &str| vec![(name.to_owned(), value.to_owned())];
        let mut request = rule(Side::Request, Effect::default());
        request.effect.replace.path = Some("/b".to_owned());
        request.effect.replace.method = Some("PUT".to_owned());
        request.effect.replace.body = Some(b"{\"a\":1,\"b\":2}".to_vec());
        request.effect.patch = Parts {
            queries: owned("q", "7"),
            headers: owned("x-added", "yes"),
            body: Some(b"{\"b\":null,\"c\":3}".to_vec()),
            ..Parts::default()
        };
        let mut response = rule(Side::Response, Effect::default());
        response.matches.status = Some(200);
        response.effect.replace.status = Some(203);
        response.effect.patch = Parts {
            headers: owned("x-back", "too"),
            body: Some(b"{\"headers\":null,\"more\":true}".to_vec()),
            ..Parts::default()
        };
        stage.set(vec![request, response]);
        let mut connection = stage.open().await;
        for _ in 0..2 {
            let sent = Request::post("/a?p=1").header("host", "service");
            let sent = sent.body("ignored".to_owned()).unwrap();
            let answer = connection.send(sent).await.unwrap();
            assert_eq!(answer.status, 203);
            assert_eq!(answer.headers["x-back"], "too");
            let expected = json!({
                "method": "PUT", "target": "/b?p=1&q=7", "body": "{\"a\":1,\"c\":3}", "more": true,
            });
            assert_eq!(answer.json(), expected);
        }
    });
}

#[test]
fn a_dead_service_resets_at_once_and_a_new_one_has_the_rules_again() {
    play(1, async |stage: Stage| {
        stage.set(vec![rule(Side::Response, delay(Duration::from_secs(1)))]);
        let mut open = stage.open().await;
        assert_eq!(open.get("/").await.unwrap().took.as_secs(), 1);
        let mut idle = stage.open().await;
        idle.get("/").await.unwrap();
        let waiting = tokio::spawn(async move {
            let start = Instant::now();
            (open.get("/").await, start.elapsed())
        });
        sleep(Duration::from_millis(500)).await;
        stage.world.signal(stage.service, Signal::Kill);
        sleep(Duration::from_millis(2)).await;
        assert!(idle.0.is_closed(), "at once");
        // The service has answered already; the answer is on its way through the delay.
        assert_eq!(waiting.await.unwrap().0.unwrap().status, 200);

        let start = Instant::now();
        let error = stage.get("/").await.unwrap_err();
        assert!(
            error.contains("ConnectionReset") || error.contains("reset"),
            "{error}"
        );
        assert!(start.elapsed() < Duration::from_millis(5));
        assert_eq!(stage.fails().await, ("read", Some(104)), "reset");
        let rules = vec![rule(Side::Response, delay(Duration::from_secs(1)))];
        stage.set(vec![]);
        assert_eq!(stage.fails().await, ("connect", Some(111)), "refused");
        stage.set(rules);

        start_service(&stage.world, stage.service);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(stage.get("/").await.unwrap().took.as_secs(), 1);

        // A paused service is silent, not gone.
        stage.world.signal(stage.service, Signal::Stop);
        let paused = tokio::time::timeout(Duration::from_secs(20), stage.get("/")).await;
        assert!(paused.is_err(), "{paused:?}");
        stage.world.signal(stage.service, Signal::Continue);

        // The container goes, and its network with it; both come back, and so does the power.
        stage.world.signal(stage.service, Signal::Kill);
        sleep(Duration::from_millis(1)).await;
        stage.world.plug(stage.service, false);
        sleep(Duration::from_millis(1)).await;
        stage.world.plug(stage.service, true);
        start_service(&stage.world, stage.service);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(stage.get("/").await.unwrap().took.as_secs(), 1);
        stage.world.set_power(stage.service, false);
        sleep(Duration::from_millis(1)).await;
        stage.world.set_power(stage.service, true);
        start_service(&stage.world, stage.service);
        sleep(Duration::from_millis(1)).await;
        assert_eq!(stage.get("/").await.unwrap().took.as_secs(), 1);
    });
}

#[test]
fn some_are_drawn_from_the_seed() {
    let drawn = |seed| {
        play(seed, async |stage: Stage| {
            let mut some = rule(Side::Request, answer(503));
            some.probability = 0.3;
            stage.set(vec![some]);
            let mut connection = stage.open().await;
            let mut failed = Vec::new();
            for number in 0..200 {
                if connection.get("/").await.unwrap().status == 503 {
                    failed.push(number);
                }
            }
            failed
        })
    };
    let failed = drawn(7);
    assert!((40..80).contains(&failed.len()), "{}", failed.len());
    assert_eq!(failed, drawn(7));
    assert_ne!(failed, drawn(8));
}

#[test]
fn a_body_that_is_too_long_to_change_ends_the_connection() {
    play(1, async |stage: Stage| {
        let mut patched = rule(Side::Request, Effect::default());
        patched.effect.patch.body = Some(b"{}".to_vec());
        stage.set(vec![patched]);
        let body = "x".repeat((16 << 20) + 1);
        let sent = Request::post("/").body(body).unwrap();
        stage.open().await.send(sent).await.unwrap_err();
        let no_json = Request::post("/").body("no JSON".to_owned()).unwrap();
        let answer = stage.open().await.send(no_json).await.unwrap();
        assert_eq!(answer.json()["body"], "no JSON");
    });
}

#[test]
fn names_fail_for_one_machine_alone() {
    let (error, random, again, other, healed) = play(1, async |stage: Stage| {
        stage.world.set_name("db", vec![[10, 0, 0, 9].into()]);
        let other = stage.world.add_client("other");
        let handle = HostId(other.0);
        stage
            .control
            .start(handle, |_, _| Box::pin(std::future::pending()));
        let resolve = async || {
            let task = |host: Host| -> BoxFuture<'static, _> {
                Box::pin(async move {
                    host.net
                        .resolve("db")
                        .await
                        .map_err(|error| error.to_string())
                })
            };
            stage.client(task).await
        };
        let rules = |effect| {
            vec![dns::Rule {
                patterns: vec!["d*".to_owned()],
                effect,
            }]
        };
        stage.world.set_dns(stage.client, rules(dns::Effect::Error));
        let error = resolve().await.unwrap_err();
        stage
            .world
            .set_dns(stage.client, rules(dns::Effect::Random));
        let random = (resolve().await.unwrap(), resolve().await.unwrap());
        stage
            .world
            .set_dns(stage.client, rules(dns::Effect::Random));
        let again = (resolve().await.unwrap(), resolve().await.unwrap());
        let task = |host: Host| -> BoxFuture<'static, _> {
            Box::pin(async move { host.net.resolve("db").await.unwrap() })
        };
        let other = stage.control.run_beside(handle, task).await.unwrap();
        stage.world.set_dns(stage.client, vec![]);
        (error, random, again, other, resolve().await.unwrap())
    });
    assert!(error.contains("Temporary failure"), "{error}");
    assert_eq!((random.0.len(), random.1.len()), (1, 1));
    assert_ne!(random.0, random.1);
    assert_eq!(random, again, "the same rule, the same draws");
    let truth: Vec<IpAddr> = vec![[10, 0, 0, 9].into()];
    assert_eq!((other, healed), (truth.clone(), truth));
}
