//! The key-value store's own calls (scenarios/splitdim/README.md, "The store"): get, put, list, reset, transaction.
//!
//! Deliberately absent: retries. What may be repeated depends on who asks.

use std::borrow::Cow;
use std::fmt::Write as _;

use hyper::StatusCode;
use hyper::header::HeaderValue;
use serde::{Deserialize, Serialize};

use crate::client::{Answer, Call, CallError, Client};

/// A key's value, and how often it was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entry<'a> {
    pub(crate) key: Cow<'a, str>,
    pub(crate) value: Cow<'a, str>,
    /// 0 for a key that is not there.
    pub(crate) version: i64,
}

/// What `GET /api/get` answers.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Versioned {
    pub(crate) value: String,
    pub(crate) version: i64,
}

/// Why the store did not do it, or is not known to have.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// There is no answer.
    #[error("HTTP error: {0}")]
    Call(#[from] CallError),
    /// The answer is not 200.
    #[error("HTTP status {0}")]
    Status(StatusCode),
    /// The answer is 200 and makes no sense.
    #[error("cannot read the answer: {0}")]
    Answer(String),
}

/// The store.
pub(crate) struct Store {
    pub(crate) client: Client,
}

impl Store {
    /// The value of a key; an absent one has an empty value and version 0.
    pub(crate) async fn get(&self, key: &str) -> Result<Versioned, StoreError> {
        let call = Call::get(format!("/api/get?id={}", encoded(key)));
        read(&ok(self.client.call(&call).await?)?)
    }

    /// Writes one key if its version is the given one.
    pub(crate) async fn put(&self, entry: &Entry<'_>) -> Result<(), StoreError> {
        let call = Call::post("/api/put", json(entry)?);
        ok(self.client.call(&call).await?).map(drop)
    }

    /// Every key, in no order.
    pub(crate) async fn list(&self) -> Result<Vec<Entry<'static>>, StoreError> {
        read(&ok(self.client.call(&Call::get("/api/list")).await?)?)
    }

    /// Forgets every key.
    pub(crate) async fn reset(&self) -> Result<(), StoreError> {
        ok(self.client.call(&Call::get("/api/reset")).await?).map(drop)
    }
}

/// The call of a transaction: all entries are written, or, if a version is not the given one, none.
pub(crate) fn transaction(
    entries: &[Entry<'_>],
    idempotency_key: HeaderValue,
) -> Result<Call, StoreError> {
    let mut call = Call::post("/api/transaction", json(entries)?);
    call.idempotency_key = Some(idempotency_key);
    Ok(call)
}

fn ok(answer: Answer) -> Result<Answer, StoreError> {
    match answer.status {
        StatusCode::OK => Ok(answer),
        status => Err(StoreError::Status(status)),
    }
}

fn read<T: for<'de> Deserialize<'de>>(answer: &Answer) -> Result<T, StoreError> {
    serde_json::from_slice(&answer.body).map_err(|error| StoreError::Answer(error.to_string()))
}

fn json<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, StoreError> {
    // Strings and numbers are always JSON; serde cannot know.
    serde_json::to_vec(value).map_err(|error| StoreError::Answer(error.to_string()))
}

/// A key as part of a query (RFC 3986, 2.3).
fn encoded(key: &str) -> String {
    let mut text = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                text.push(byte.into());
            }
            // Writing to a string does not fail.
            byte => drop(write!(text, "%{byte:02X}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_goes_into_a_query_whatever_it_is() {
        assert_eq!(encoded("a-Z_0.~"), "a-Z_0.~");
        assert_eq!(encoded("a b&c=/é"), "a%20b%26c%3D%2F%C3%A9");
    }
}
