//! What a client sends next: its request, with everything drawn that it draws.
//!
//! The generator is the program's own, seeded once from the operating system, which the engine plays: a run's
//! seed decides what is sent. Clients that draw nothing have none, so that they take nothing from the seed.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use rand::rngs::{StdRng, SysRng};
use rand::{RngExt as _, SeedableRng as _};
use squall_record::Name;

use crate::file::draw::Values;
use crate::file::{Client, template};

/// A request that is not sent yet.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) path: String,
    pub(super) headers: Vec<(HeaderName, HeaderValue)>,
    pub(super) body: Bytes,
    /// What the record keeps of it.
    pub(super) kept: Option<Name>,
}

/// Makes one draft after the other.
pub(super) struct Drafts {
    client: Arc<Client>,
    random: Option<Mutex<StdRng>>,
}

impl Drafts {
    /// Of a program that starts now, on the host where this is called.
    ///
    /// # Panics
    ///
    /// When the operating system has no entropy to give, which ends a process anyway.
    pub(super) fn new(client: Arc<Client>) -> Self {
        let random = (!client.draws.is_empty()).then(|| {
            let seeded = StdRng::try_from_rng(&mut SysRng);
            Mutex::new(seeded.unwrap_or_else(|error| panic!("no entropy: {error}")))
        });
        Self { client, random }
    }

    /// The next request.
    pub(super) fn next(&self) -> Draft {
        let client = &self.client;
        let Some(random) = &self.random else {
            return Draft {
                path: client.url.value.path.clone(),
                headers: client.headers.clone(),
                body: Bytes::from(client.body.clone()),
                kept: None,
            };
        };
        let drawn = draw(
            client,
            &mut random.lock().unwrap_or_else(PoisonError::into_inner),
        );
        let value_of = |name: &str| {
            let mut all = drawn.iter();
            all.find_map(|(other, value)| (*other == name).then_some(value.as_str()))
        };
        let header = |(name, value): &(HeaderName, HeaderValue)| {
            let text = std::str::from_utf8(value.as_bytes()).ok();
            let filled = text.map(|text| HeaderValue::try_from(template::fill(text, value_of)));
            // The scenario's reader has seen that every value can stand here.
            let filled = filled.and_then(Result::ok);
            (name.clone(), filled.unwrap_or_else(|| value.clone()))
        };
        let path = template::fill(&client.url.value.path, value_of);
        let body = template::fill(&client.body, value_of);
        let kept = if body.is_empty() { &path } else { &body };
        Draft {
            kept: Some(Name::from(kept.as_str())),
            headers: client.headers.iter().map(header).collect(),
            path,
            body: Bytes::from(body),
        }
    }
}

/// A value for each variable, evenly among all that `differ` allows: what it does not allow is drawn again.
fn draw<'a>(client: &'a Client, random: &mut StdRng) -> Vec<(&'a str, String)> {
    let draws = &client.draws;
    loop {
        let drawn: Vec<(&str, String)> = draws
            .variables
            .iter()
            .map(|variable| {
                let value = match &variable.values {
                    Values::Range(low, high) => random.random_range(*low..=*high).to_string(),
                    Values::Texts(texts) => texts[random.random_range(0..texts.len())].clone(),
                };
                (variable.name.as_str(), value)
            })
            .collect();
        let must_differ = |name: &str| draws.differ.iter().any(|other| other == name);
        let chosen = drawn.iter().filter(|(name, _)| must_differ(name));
        let chosen: Vec<&String> = chosen.map(|(_, value)| value).collect();
        let differ = chosen
            .iter()
            .enumerate()
            .all(|(at, value)| !chosen[..at].contains(value));
        if differ {
            return drawn;
        }
    }
}
