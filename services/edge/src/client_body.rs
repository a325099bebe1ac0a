//! The body of a client's request, read whole before anything is sent on, as nginx does by default;
//! only so can it be sent twice.

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};

use crate::config::settings::Settings;
use crate::reply::Answer;
use crate::request::Request;

/// Reads the body, within `client_max_body_size` and with `client_body_timeout` between two pieces.
pub(crate) async fn read(
    request: &Request,
    incoming: &mut Option<Incoming>,
) -> Result<Bytes, Answer> {
    let settings = &request.location.settings;
    let bytes_max = bytes_max(settings);
    check_announced(request, incoming.as_ref(), settings).map_err(Answer::Error)?;
    let Some(mut body) = incoming.take() else {
        return Ok(Bytes::new());
    };
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    loop {
        let frame = match tokio::time::timeout(settings.client_body_timeout, body.frame()).await {
            Err(_) => return Err(Answer::HangUp(408)),
            Ok(None) => break,
            Ok(Some(Err(error))) if error.is_parse() => return Err(Answer::Error(400)),
            // The client left in the middle.
            Ok(Some(Err(_))) => return Err(Answer::HangUp(400)),
            Ok(Some(Ok(frame))) => frame,
        };
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if (first.len() + rest.len() + data.len()) as u64 > bytes_max {
            *incoming = Some(body);
            too_large(request, first.len() + rest.len() + data.len());
            return Err(Answer::Error(413));
        }
        // Most bodies come in one piece, which is then not copied.
        if first.is_empty() && rest.is_empty() {
            first = data;
        } else {
            rest.extend_from_slice(&std::mem::take(&mut first));
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() {
        first
    } else {
        rest.freeze()
    })
}

/// nginx refuses what announces too much before it chooses what to do with it.
pub(crate) fn check_announced(
    request: &Request,
    incoming: Option<&Incoming>,
    settings: &Settings,
) -> Result<(), u16> {
    let announced = incoming
        .and_then(|body| body.size_hint().exact())
        .unwrap_or(0);
    if announced > bytes_max(settings) {
        too_large(request, announced as usize);
        return Err(413);
    }
    Ok(())
}

/// 0 is unlimited.
fn bytes_max(settings: &Settings) -> u64 {
    match settings.client_max_body_size_bytes {
        0 => u64::MAX,
        bytes => bytes,
    }
}

fn too_large(request: &Request, bytes: usize) {
    tracing::warn!(
        "client intended to send too large body: {bytes} bytes, client: {}",
        request.client.peer.ip()
    );
}

/// Whether the client sent a body or said that it has none.
pub(crate) fn is_announced(request: &Request) -> bool {
    request.headers.contains_key(CONTENT_LENGTH)
        || request
            .headers
            .contains_key(http::header::TRANSFER_ENCODING)
}
