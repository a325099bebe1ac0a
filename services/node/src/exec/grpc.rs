//! grpc_health_probe: gRPC's health protocol (grpc/grpc, `doc/health-checking.md`) over HTTP/2 without
//! TLS. Its two messages have one field each, so they are written by hand.

use std::time::Duration;

use ::http::{HeaderMap, Request};
use bytes::{BufMut, Bytes, BytesMut};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::rt::{TokioExecutor, TokioIo};
use squall_host::Host;

use super::{OUTPUT_MAX, Outcome, seconds};

/// Its exit statuses (grpc-ecosystem/grpc-health-probe, README, "Exit codes").
const CONNECTION_FAILED: i32 = 2;
const CALL_FAILED: i32 = 3;
const UNHEALTHY: i32 = 4;
/// Its own default for each of the two times.
const TIMEOUT: Duration = Duration::from_secs(1);

/// One question: is this service serving?
#[derive(Clone, Debug)]
pub(super) struct HealthProbe {
    host: String,
    port: u16,
    service: String,
    connect_timeout: Duration,
    rpc_timeout: Duration,
}

pub(super) fn health_probe(args: &[&str]) -> Result<HealthProbe, String> {
    let mut address = None;
    let mut probe = HealthProbe {
        host: String::new(),
        port: 0,
        service: String::new(),
        connect_timeout: TIMEOUT,
        rpc_timeout: TIMEOUT,
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        // Go's flags have one dash or two, and their value behind `=` or a blank.
        let flag = arg
            .strip_prefix("--")
            .or_else(|| arg.strip_prefix('-'))
            .ok_or_else(|| format!("grpc_health_probe: `{arg}` is no option"))?;
        let (name, attached) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (flag, None),
        };
        let mut value = || {
            attached
                .or_else(|| args.next().copied())
                .ok_or_else(|| format!("grpc_health_probe: {arg} without a value"))
        };
        match name {
            "addr" => address = Some(value()?),
            "service" => probe.service = value()?.to_owned(),
            "connect-timeout" => probe.connect_timeout = go_duration(value()?)?,
            "rpc-timeout" => probe.rpc_timeout = go_duration(value()?)?,
            "user-agent" => drop(value()?),
            "v" => {}
            _ => return Err(format!("grpc_health_probe: no option {arg} here")),
        }
    }
    let address = address.ok_or("grpc_health_probe without -addr")?;
    let (host, port) = address
        .rsplit_once(':')
        .ok_or_else(|| format!("`{address}` is no HOST:PORT"))?;
    probe.port = port.parse().map_err(|_| format!("`{port}` is no port"))?;
    // Go dials the machine itself when there is no host.
    probe.host = match host {
        "" => "127.0.0.1".to_owned(),
        host => host.to_owned(),
    };
    Ok(probe)
}

pub(super) fn go_duration(text: &str) -> Result<Duration, String> {
    match text.strip_suffix("ms") {
        Some(number) => seconds(number).map(|time| time / 1_000),
        None => seconds(text),
    }
}

impl HealthProbe {
    pub(super) async fn run(&self, host: &Host) -> Outcome {
        let connecting = async {
            let stream = host.net.connect_name(&self.host, self.port).await.ok()?;
            let (io, executor) = (TokioIo::new(stream), TokioExecutor::new());
            hyper::client::conn::http2::handshake(executor, io)
                .await
                .ok()
        };
        let connected = tokio::time::timeout(self.connect_timeout, connecting).await;
        let Ok(Some((mut sender, connection))) = connected else {
            return Outcome::status(CONNECTION_FAILED);
        };
        let asking = async {
            let request = self.request()?;
            let response = sender.send_request(request).await.ok()?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, OUTPUT_MAX).collect().await.ok()?;
            // An error without a message has its status in the headers.
            let trailers = body.trailers().unwrap_or(&head.headers);
            is_ok(trailers).then(|| serving(&body.to_bytes()))?
        };
        tokio::pin!(connection, asking);
        // The connection is driven beside the question and dropped with it.
        let answer = tokio::time::timeout(self.rpc_timeout, async {
            tokio::select! {
                biased;
                answer = &mut asking => answer,
                _ = &mut connection => asking.await,
            }
        });
        match answer.await {
            Ok(Some(true)) => Outcome {
                status: 0,
                output: "status: SERVING\n".to_owned(),
            },
            Ok(Some(false)) => Outcome::status(UNHEALTHY),
            Ok(None) | Err(_) => Outcome::status(CALL_FAILED),
        }
    }

    fn request(&self) -> Option<Request<Full<Bytes>>> {
        let mut message = BytesMut::new();
        if !self.service.is_empty() {
            message.put_u8(0x0a); // field 1, with a length
            varint(&mut message, self.service.len());
            message.put_slice(self.service.as_bytes());
        }
        let mut body = BytesMut::new();
        body.put_u8(0); // not compressed
        body.put_u32(u32::try_from(message.len()).ok()?);
        body.extend(message);
        Request::post(format!(
            "http://{}:{}/grpc.health.v1.Health/Check",
            self.host, self.port
        ))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(Full::new(body.freeze()))
        .ok()
    }
}

fn varint(to: &mut BytesMut, mut number: usize) {
    while number >= 0x80 {
        to.put_u8((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    to.put_u8(number as u8);
}

fn is_ok(trailers: &HeaderMap) -> bool {
    trailers
        .get("grpc-status")
        .is_some_and(|status| status == "0")
}

/// Whether the answer's field 1, a varint, is 1 (SERVING). A field that is 0 is not sent.
fn serving(body: &[u8]) -> Option<bool> {
    let (head, message) = body.split_at_checked(5)?;
    let length = u32::from_be_bytes(head[1..].try_into().ok()?);
    let message = message.get(..usize::try_from(length).ok()?)?;
    match message {
        [] => Some(false),
        [0x08, status, ..] if *status < 0x80 => Some(*status == 1),
        _ => None,
    }
}
