//! HTTP requests and responses that are held up, altered or broken on their way into a machine
//! (Chaos Mesh's HTTPChaos, Istio's fault injection).

use std::time::Duration;

/// What happens to some of the messages at one port. The order is abort, delay, replace, patch.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// The port that the machine listens on; `None` for each that its program does, as in a mesh, where a
    /// fault is a service's and not a port's.
    pub port: Option<u16>,
    /// Which of the two messages is acted on.
    pub side: Side,
    /// Which exchanges are concerned.
    pub matches: Matches,
    /// How many of these, from 0 to 1.
    pub probability: f64,
    /// What becomes of them.
    pub effect: Effect,
}

/// The message that a rule acts on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// On its way to the service.
    Request,
    /// On its way back; the service has done its work.
    Response,
}

/// Which exchanges a rule concerns; all that is said must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Matches {
    /// The path, a pattern as [`crate::pattern::text`] reads it.
    pub path: Option<String>,
    /// The method.
    pub method: Option<String>,
    /// The response's status; for rules on responses.
    pub status: Option<u16>,
    /// Headers that the request has with exactly these values.
    pub request_headers: Vec<(String, String)>,
    /// Headers that the response has with exactly these values; for rules on responses.
    pub response_headers: Vec<(String, String)>,
}

/// What becomes of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effect {
    /// The connection is closed instead.
    pub abort: bool,
    /// It is held up for so long first.
    pub delay: Option<Duration>,
    /// The request is answered with this status instead of by the service (Istio's abort).
    pub answer: Option<u16>,
    /// Parts that take the place of what was there.
    pub replace: Parts,
    /// Parts that are added to what was there.
    pub patch: Parts,
}

/// Parts of a message; which of them a request or a response has is known when it is read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// A request's path.
    pub path: Option<String>,
    /// A request's method.
    pub method: Option<String>,
    /// A response's status.
    pub status: Option<u16>,
    /// The body; a patch merges a JSON object into it.
    pub body: Option<Vec<u8>>,
    /// A request's query parameters.
    pub queries: Vec<(String, String)>,
    /// Headers.
    pub headers: Vec<(String, String)>,
}
