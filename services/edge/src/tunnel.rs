//! What a connection becomes after `101 Switching Protocols`: bytes both ways until one side ends,
//! or the upstream is silent for `proxy_read_timeout` (nginx's WebSocket proxying).

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::Instant;

use crate::app::UpstreamSlot;
use crate::exchange::Link;
use crate::flight::Flight;
use crate::upstream::Lease;

const BUFFER_BYTES: usize = 16 << 10;

/// An upstream that has switched protocols.
pub(crate) struct Tunnel {
    pub(crate) link: Link,
    pub(crate) read_timeout: Duration,
    pub(crate) send_timeout: Duration,
    pub(crate) _lease: Lease,
    pub(crate) _slot: UpstreamSlot,
    /// Set once the reply is on its way.
    pub(crate) flight: Option<Flight>,
}

impl Tunnel {
    /// Relays until the end. `early` is what the client sent behind its request.
    pub(crate) async fn run(
        mut self,
        mut client: impl AsyncRead + AsyncWrite + Unpin,
        early: Bytes,
    ) {
        let Some((mut upstream, first)) = self.link.into_stream() else {
            return;
        };
        let mut flight = self.flight.take();
        let begun = async {
            upstream.write_all(&early).await?;
            client.write_all(&first).await
        };
        if !matches!(
            tokio::time::timeout(self.send_timeout, begun).await,
            Ok(Ok(()))
        ) {
            return;
        }
        let mut sent = first.len() as u64;
        let (mut from_client, mut from_upstream) = ([0; BUFFER_BYTES], [0; BUFFER_BYTES]);
        let mut deadline = Instant::now() + self.read_timeout;
        loop {
            let (read, to_client) = tokio::select! {
                read = client.read(&mut from_client) => (read, false),
                read = upstream.read(&mut from_upstream) => (read, true),
                () = tokio::time::sleep_until(deadline) => {
                    tracing::warn!("upstream timed out (110: Connection timed out) while proxying upgraded connection");
                    break;
                }
            };
            let Ok(count @ 1..) = read else {
                break;
            };
            let written = async {
                if to_client {
                    client.write_all(&from_upstream[..count]).await
                } else {
                    upstream.write_all(&from_client[..count]).await
                }
            };
            if !matches!(
                tokio::time::timeout(self.send_timeout, written).await,
                Ok(Ok(()))
            ) {
                break;
            }
            if to_client {
                sent += count as u64;
                deadline = Instant::now() + self.read_timeout;
            }
        }
        if let Some(flight) = &mut flight {
            let request = flight.request();
            request.body_bytes_sent = sent;
            request.completed = true;
            if let Some(attempt) = request.attempts.last_mut() {
                attempt.response_time = Some(attempt.started.elapsed());
            }
        }
    }
}
