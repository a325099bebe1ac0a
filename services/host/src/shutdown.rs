//! The request to stop gracefully (SIGTERM), as a value that a service waits on.

use tokio_util::sync::CancellationToken;

/// Waits for the request to stop. Clones see the same request.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

/// Makes the request.
#[derive(Clone, Debug)]
pub struct Trigger(CancellationToken);

impl Shutdown {
    /// A request not yet made, and the means to make it.
    pub fn new() -> (Trigger, Self) {
        let token = CancellationToken::new();
        (Trigger(token.clone()), Self(token))
    }

    /// One that is never asked for.
    pub fn never() -> Self {
        Self::default()
    }

    /// Returns once the request is made. Cancel safe.
    pub async fn requested(&self) {
        self.0.cancelled().await;
    }

    /// Whether the request is made.
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }
}

impl Trigger {
    /// Asks for a graceful stop.
    pub fn request(&self) {
        self.0.cancel();
    }
}
