//! The client of the service: hyper's, with its connections from the host.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use http_body_util::BodyExt;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use squall_host::Host;
use squall_host::connect::Connector;

use crate::Notes;

/// For a request and its answer; the backup's neighbour waits for no more.
const TIMEOUT: Duration = Duration::from_secs(1);

/// A client of one instance.
#[derive(Clone)]
pub struct Client {
    http: legacy::Client<Connector, Body>,
    address: String,
}

impl Client {
    /// A client of the instance at `address`, `HOST:PORT`.
    pub fn new(host: &Host, address: &str) -> Self {
        let connector = Connector::new(host.net.clone(), TIMEOUT);
        Self {
            http: legacy::Client::builder(TokioExecutor::new()).build(connector),
            address: address.to_owned(),
        }
    }

    /// Writes a note; it is safe once this returns `Ok`.
    pub async fn put(&self, id: &str, text: &str) -> io::Result<()> {
        let request = Request::put(format!("http://{}/notes/{id}", self.address));
        self.send(request.body(Body::from(text.to_owned()))).await?;
        Ok(())
    }

    /// All notes of this instance.
    pub async fn all(&self) -> io::Result<Notes> {
        let request = Request::get(format!("http://{}/notes", self.address));
        let answer = self.send(request.body(Body::empty())).await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    async fn send(&self, request: axum::http::Result<Request<Body>>) -> io::Result<bytes::Bytes> {
        let request = request.map_err(io::Error::other)?;
        let exchange = async {
            let answer = self.http.request(request).await.map_err(io::Error::other)?;
            if !answer.status().is_success() {
                return Err(io::Error::other(answer.status().to_string()));
            }
            let body = Response::into_body(answer).collect().await;
            Ok(body.map_err(io::Error::other)?.to_bytes())
        };
        tokio::time::timeout(TIMEOUT, exchange).await?
    }
}
