//! One member: one HTTP/2 connection, dialled when it is needed, and whether a request was sent on it.
//!
//! Deliberately absent: which member is asked, and what is asked again.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use http::uri::{Authority, PathAndQuery, Scheme};
use http::{Request, Response, Uri};
use hyper::client::conn::http2::{Builder, SendRequest};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use squall_host::net::{Keepalive, Net, TcpStream};
use tokio::time::{Instant, timeout};
use tonic::body::Body;
use tower::BoxError;

use crate::endpoint::Endpoint;

/// A quiet connection with calls under way is asked whether its peer lives after this. Not more often:
/// etcd hangs up on whom it finds impatient (`--grpc-keepalive-min-time`, 5 s by default), and on
/// whoever asks without a call under way.
const PING_EVERY: Duration = Duration::from_secs(6);

/// For the answer to that.
const PING_TIMEOUT: Duration = Duration::from_secs(2);

/// For how long sent bytes may stay unacknowledged. It finds a dead host; the ping finds a dead process.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_secs(5);

/// A member and the connection to it. Clones share both.
#[derive(Clone)]
pub(crate) struct Member(Arc<Shared>);

struct Shared {
    endpoint: Endpoint,
    authority: Authority,
    net: Net,
    connect_timeout: Duration,
    open: Mutex<Option<Open>>,
    /// Held while somebody dials; remembers when dialling last failed, and why.
    dialling: tokio::sync::Mutex<Option<(Instant, String)>>,
}

struct Open {
    sender: SendRequest<Body>,
    opened: Instant,
}

/// The request was not sent: it is certainly not done.
#[derive(Clone, Debug, thiserror::Error)]
#[error("not sent: {0}")]
pub(crate) struct NotSent(pub(crate) String);

impl Member {
    pub(crate) fn new(net: Net, endpoint: &Endpoint, connect_timeout: Duration) -> Self {
        let authority = endpoint.to_string().parse();
        Self(Arc::new(Shared {
            endpoint: endpoint.clone(),
            // An endpoint holds nothing that an authority may not.
            authority: authority.unwrap_or_else(|_| Authority::from_static("etcd")),
            net,
            connect_timeout,
            open: Mutex::new(None),
            dialling: tokio::sync::Mutex::new(None),
        }))
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    /// Sees to it that there is a connection. Of many at the same time one dials, and all learn how it went.
    pub(crate) async fn connect(&self) -> Result<(), NotSent> {
        if self.sender().is_some() {
            return Ok(());
        }
        let began = Instant::now();
        let mut failed = self.0.dialling.lock().await;
        if self.sender().is_some() {
            return Ok(());
        }
        if let Some((when, why)) = failed.as_ref()
            && *when >= began
        {
            return Err(NotSent(why.clone()));
        }
        match self.dial().await {
            Ok(sender) => {
                *failed = None;
                let opened = Instant::now();
                *self.open() = Some(Open { sender, opened });
                Ok(())
            }
            Err(why) => {
                *failed = Some((Instant::now(), why.clone()));
                Err(NotSent(why))
            }
        }
    }

    /// Does not use a connection again on which a call that began at `asked` got no answer in time, so that
    /// the next one dials: a silent peer may be gone. What still runs on it is not cut off.
    pub(crate) fn give_up_on(&self, asked: Instant) {
        let mut open = self.open();
        if open.as_ref().is_some_and(|open| open.opened <= asked) {
            *open = None;
        }
    }

    fn sender(&self) -> Option<SendRequest<Body>> {
        let mut open = self.open();
        if open.as_ref().is_some_and(|open| open.sender.is_closed()) {
            *open = None;
        }
        open.as_ref().map(|open| open.sender.clone())
    }

    fn open(&self) -> std::sync::MutexGuard<'_, Option<Open>> {
        self.0.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn dial(&self) -> Result<SendRequest<Body>, String> {
        let Endpoint { host, port } = &self.0.endpoint;
        let within = self.0.connect_timeout;
        let connected = timeout(within, self.0.net.connect_name(host, *port)).await;
        let stream = connected
            .map_err(|_| format!("no connection within {within:?}"))?
            .map_err(|error| error.to_string())?;
        watched(&stream).map_err(|error| error.to_string())?;
        let (sender, connection) = Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .keep_alive_interval(PING_EVERY)
            .keep_alive_timeout(PING_TIMEOUT)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        // Ends with the last sender and the last call; its error is told to each call.
        tokio::spawn(connection);
        Ok(sender)
    }
}

/// A dead peer is found out in seconds, also by who only listens.
fn watched(stream: &TcpStream) -> std::io::Result<()> {
    stream.set_user_timeout(UNACKNOWLEDGED_MAX)?;
    stream.set_keepalive(Keepalive {
        idle: PING_EVERY,
        interval: PING_TIMEOUT,
        count: 2,
    })
}

impl tower::Service<Request<Body>> for Member {
    type Response = Response<Body>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    /// Sends on the open connection. Never dials: whoever calls has seen to it, and knows then that
    /// until now nothing was sent.
    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let sender = self.sender();
        let authority = self.0.authority.clone();
        Box::pin(async move {
            let mut sender = sender.ok_or_else(|| NotSent("the connection is gone".to_owned()))?;
            *request.uri_mut() = absolute(request.uri(), authority)?;
            match sender.try_send_request(request).await {
                Ok(response) => Ok(response.map(Body::new)),
                Err(mut error) => match error.take_message() {
                    Some(_) => Err(NotSent(error.into_error().to_string()).into()),
                    None => Err(error.into_error().into()),
                },
            }
        })
    }
}

/// HTTP/2 wants scheme and authority (RFC 9113, 8.3.1); tonic writes paths.
fn absolute(path: &Uri, authority: Authority) -> Result<Uri, http::Error> {
    let path = path.path_and_query().cloned();
    Uri::builder()
        .scheme(Scheme::HTTP)
        .authority(authority)
        .path_and_query(path.unwrap_or_else(|| PathAndQuery::from_static("/")))
        .build()
}
