//! The interceptor: an HTTP/1.1 proxy between a machine's ports and whoever comes to them.
//!
//! Each connection has one of its own to the service, over loopback, and it is opened at once: where
//! nobody listens, the client is connected and then reset, which is the nearest that an interceptor
//! can come to "connection refused". When the service closes, the client's connection is closed. The
//! service sees connections from its own machine.
//!
//! Rules are looked up for each message, so an intercepted connection that outlives them sees no
//! more faults. Waits have the deadline [`WAIT_MAX`], bodies that a rule changes the bound
//! [`BODY_BYTES_MAX`]; what a rule leaves alone is passed on as it comes.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use squall_engine::{Control, HostId, Random};
use squall_fault::http::{Effect, Rule, Side};
use squall_host::Host;
use squall_host::launch::BoxError;
use squall_host::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use super::rules::{self, Asked};

/// For a connection to the service, a request's head, a response's head, a body that a rule changes.
/// Longer than any client waits, so that it shows only where nobody would wait for ever.
const WAIT_MAX: Duration = Duration::from_secs(600);
/// Of a body that a rule changes; a longer one ends its connection.
const BODY_BYTES_MAX: usize = 16 << 20;
/// How long accepting rests after an error, which would otherwise come back at once.
const ACCEPT_REST: Duration = Duration::from_millis(100);
/// What Envoy answers with (`fault_filter.cc`), whose abort [`Effect::answer`] is.
const ANSWER_BODY: &str = "fault filter abort";

type Body = BoxBody<Bytes, hyper::Error>;

#[derive(Clone)]
pub(super) struct Interceptor {
    pub(super) control: Control,
    pub(super) machine: HostId,
    pub(super) rules: watch::Receiver<Arc<Vec<Rule>>>,
    /// One stream for each machine.
    pub(super) random: Arc<Mutex<Random>>,
}

/// A message that ends its connection.
#[derive(Debug, thiserror::Error)]
enum Cut {
    #[error("a rule ends the connection")]
    Abort,
    #[error("the service did not answer in time")]
    Late,
    #[error("the service: {0}")]
    Service(#[from] hyper::Error),
    #[error("a body: {0}")]
    Body(BoxError),
}

impl Interceptor {
    /// Keeps the redirects as the rules want them, until the network goes.
    pub(super) async fn run(mut self, host: Host) -> Result<(), BoxError> {
        let mut ports: BTreeMap<u16, u16> = BTreeMap::new();
        let mut redirected = BTreeSet::new();
        loop {
            let rules = self.rules.borrow_and_update().clone();
            let wanted: BTreeSet<u16> = rules.iter().filter_map(|rule| rule.port).collect();
            for port in wanted.difference(&redirected) {
                let to = match ports.get(port) {
                    Some(to) => *to,
                    None => {
                        let any = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
                        let listener = host.net.listen(any)?;
                        let to = listener.local_addr()?.port();
                        tokio::spawn(self.clone().serve(host.clone(), listener, *port));
                        *ports.entry(*port).or_insert(to)
                    }
                };
                self.control.redirect(self.machine, *port, Some(to));
            }
            for port in redirected.difference(&wanted) {
                self.control.redirect(self.machine, *port, None);
            }
            redirected = wanted;
            if self.rules.changed().await.is_err() {
                return Ok(()); // the world is gone
            }
        }
    }

    async fn serve(self, host: Host, mut listener: TcpListener, port: u16) {
        loop {
            match listener.accept().await {
                Ok((stream, _)) => {
                    let (interceptor, host) = (self.clone(), host.clone());
                    tokio::spawn(async move { interceptor.connection(host, stream, port).await });
                }
                Err(_) => sleep(ACCEPT_REST).await,
            }
        }
    }

    /// Errors end the connection, and that is all that a client is to see of them.
    async fn connection(self, host: Host, client: TcpStream, port: u16) {
        let Ok(local) = client.local_addr() else {
            return;
        };
        let service = host.net.connect(SocketAddr::new(local.ip(), port));
        let Ok(Ok(service)) = timeout(WAIT_MAX, service).await else {
            return client.reset();
        };
        let handshake = hyper::client::conn::http1::Builder::new()
            .preserve_header_case(true)
            .handshake(TokioIo::new(service));
        let Ok((sender, link)) = handshake.await else {
            return;
        };
        let sender = Arc::new(tokio::sync::Mutex::new(sender));
        let exchange = service_fn(|request| {
            let (interceptor, sender) = (self.clone(), sender.clone());
            interceptor.exchange(request, sender, port).boxed()
        });
        let served = hyper::server::conn::http1::Builder::new()
            .preserve_header_case(true)
            .auto_date_header(false)
            .timer(TokioTimer::new())
            .header_read_timeout(WAIT_MAX)
            .serve_connection(TokioIo::new(client), exchange);
        tokio::pin!(served, link);
        tokio::select! {
            biased;
            _ = served.as_mut() => return,
            _ = link.as_mut() => served.as_mut().graceful_shutdown(),
        }
        // The service has closed: so has the client's connection once the last answer is through.
        let _ = timeout(WAIT_MAX, served).await;
    }

    async fn exchange(
        self,
        request: Request<Incoming>,
        sender: Arc<tokio::sync::Mutex<SendRequest<Body>>>,
        port: u16,
    ) -> Result<Response<Body>, Cut> {
        let (mut head, body) = request.into_parts();
        let asked = Asked::of(&head);
        let mut body: Body = body.boxed();
        for rule in self.rules_for(port, Side::Request) {
            let (matches, effect) = (&rule.matches, &rule.effect);
            if !(asked.is_meant(matches) && self.is_drawn(&rule)) {
                continue;
            }
            interrupt(effect).await?;
            if let Some(status) = effect.answer {
                return Ok(answer(status));
            }
            rules::replace_in_request(&mut head, &effect.replace);
            rules::patch_request(&mut head, &effect.patch);
            body = change(body, &mut head.headers, effect).await?;
        }
        let mut sender = sender.lock().await;
        let answered = async {
            sender.ready().await?;
            sender.send_request(Request::from_parts(head, body)).await
        };
        let response = timeout(WAIT_MAX, answered).await.map_err(|_| Cut::Late)??;
        drop(sender);
        let (mut head, body) = response.into_parts();
        let mut body: Body = body.boxed();
        for rule in self.rules_for(port, Side::Response) {
            let (matches, effect) = (&rule.matches, &rule.effect);
            if !(asked.is_response_meant(matches, &head) && self.is_drawn(&rule)) {
                continue;
            }
            interrupt(effect).await?;
            rules::replace_in_response(&mut head, &effect.replace);
            rules::patch_response(&mut head, &effect.patch);
            body = change(body, &mut head.headers, effect).await?;
        }
        Ok(Response::from_parts(head, body))
    }

    fn rules_for(&self, port: u16, side: Side) -> Vec<Rule> {
        let rules = self.rules.borrow();
        let concerned = |rule: &&Rule| rule.port == Some(port) && rule.side == side;
        rules.iter().filter(concerned).cloned().collect()
    }

    fn is_drawn(&self, rule: &Rule) -> bool {
        let mut random = self.random.lock().unwrap_or_else(PoisonError::into_inner);
        random.chance(rule.probability)
    }
}

async fn interrupt(effect: &Effect) -> Result<(), Cut> {
    if effect.abort {
        return Err(Cut::Abort);
    }
    if let Some(delay) = effect.delay {
        sleep(delay).await;
    }
    Ok(())
}

fn answer(status: u16) -> Response<Body> {
    let body = Full::new(Bytes::from_static(ANSWER_BODY.as_bytes()));
    let mut response = Response::new(body.map_err(|never| match never {}).boxed());
    // Who reads the rules refuses what is no status.
    let status = StatusCode::from_u16(status);
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

/// The body after a rule. One that is to be merged with JSON and is none stays as it is.
async fn change(body: Body, headers: &mut HeaderMap, effect: &Effect) -> Result<Body, Cut> {
    if effect.replace.body.is_none() && effect.patch.body.is_none() {
        return Ok(body);
    }
    let read = timeout(WAIT_MAX, Limited::new(body, BODY_BYTES_MAX).collect());
    let read = read.await.map_err(|_| Cut::Late)?;
    let before = read.map_err(Cut::Body)?.to_bytes();
    let after = match rules::changed_body(&before, &effect.replace, &effect.patch) {
        Some(after) => Bytes::from(after),
        None => {
            tracing::warn!("a body that is no JSON was not patched");
            before
        }
    };
    rules::set_length(headers, after.len());
    Ok(Full::new(after).map_err(|never| match never {}).boxed())
}
