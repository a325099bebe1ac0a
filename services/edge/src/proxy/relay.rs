//! The body of an upstream's response on its way to the client.

use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Frame, SizeHint};

use super::{complain_plain, finish};
use crate::app::UpstreamSlot;
use crate::exchange::{Failure, Remainder};
use crate::request::Request;
use crate::upstream::Lease;

/// Streams a body and gives the connection back at its end.
pub(crate) struct Relay {
    /// `None` once it has ended.
    remainder: Option<Remainder>,
    lease: Lease,
    _slot: UpstreamSlot,
    has_length: bool,
    /// Told one poll later, so that hyper sends what it has before it hangs up.
    failure: Option<Failure>,
}

impl Relay {
    pub(super) fn new(
        remainder: Remainder,
        lease: Lease,
        slot: UpstreamSlot,
        has_length: bool,
    ) -> Self {
        Self {
            remainder: Some(remainder),
            lease,
            _slot: slot,
            has_length,
            failure: None,
        }
    }

    pub(crate) fn has_length(&self) -> bool {
        self.has_length
    }

    /// Whether all of it has been handed out.
    pub(crate) fn is_over(&self) -> bool {
        self.remainder.is_none() && self.failure.is_none()
    }

    pub(crate) fn size_hint(&self) -> SizeHint {
        self.remainder
            .as_ref()
            .map(Remainder::size_hint)
            .unwrap_or_default()
    }

    pub(crate) fn poll_frame(
        &mut self,
        request: &mut Request,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let Some(mut remainder) = self.remainder.take() else {
            return Poll::Ready(self.failure.take().map(Err));
        };
        let status = request.attempts.last().map_or(0, |attempt| attempt.status);
        loop {
            match remainder.poll_frame(cx) {
                Poll::Pending => {
                    self.remainder = Some(remainder);
                    return Poll::Pending;
                }
                Poll::Ready(Some(Ok(frame))) => {
                    // Trailers are not relayed.
                    let Some(data) = frame.data_ref() else {
                        continue;
                    };
                    if let Some(attempt) = request.attempts.last_mut() {
                        attempt.response_bytes += data.len() as u64;
                    }
                    // Whoever reads the log at the end of a body with a length sees these.
                    finish(request, status, Some(remainder.link()));
                    if remainder.is_end() {
                        self.give_back(remainder, cx);
                    } else {
                        self.remainder = Some(remainder);
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
                Poll::Ready(Some(Err(failure))) => {
                    let words = match &failure {
                        Failure::ReadTimeout => "upstream timed out (110: Connection timed out)",
                        _ => "upstream prematurely closed connection",
                    };
                    complain_plain(request, &format!("{words} while reading upstream"));
                    finish(request, status, Some(remainder.link()));
                    if self.lease.upstream().planted.has("edge/ends-cut-bodies") {
                        return Poll::Ready(None);
                    }
                    self.failure = Some(failure);
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(None) => {
                    finish(request, status, Some(remainder.link()));
                    self.give_back(remainder, cx);
                    return Poll::Ready(None);
                }
            }
        }
    }

    fn give_back(&mut self, remainder: Remainder, cx: &mut Context<'_>) {
        if let Some(pool) = &self.lease.upstream().pool {
            let mut link = remainder.into_link();
            // Lets the connection see that the response is over.
            link.drive(cx);
            pool.put(link);
        }
    }
}
