//! A key-value store as scenarios/splitdim/README.md has it, with idempotency keys, that fails as it is told: before or
//! after what it was asked, late, twice, with a status, or in silence.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use squall_host::net::TcpStream;
use squall_resilient::Random;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

use super::memory::Memory;

pub(crate) const PORT: u16 = 8_081;

/// The longest key in a transaction.
const KEY_BYTES_MAX: usize = 1_024;

/// What becomes of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It is done and answered.
    Done,
    /// The connection is closed, nothing is done.
    CutBefore,
    /// It is done, and the connection closed.
    CutAfter,
    /// It is not done, and answered with this status.
    StatusBefore(u16),
    /// It is done, and answered with this status.
    StatusAfter(u16),
    /// It is done so late that nobody waits any more.
    Late,
    /// It is done and answered, and done again later, as the network may repeat it.
    Twice,
}

/// The store; clones are the same one.
#[derive(Clone)]
pub(crate) struct FakeStore(Arc<Mutex<State>>);

pub(crate) struct State {
    pub(crate) entries: BTreeMap<String, (String, i64)>,
    keys: BTreeSet<String>,
    /// Requests that arrived, by path.
    pub(crate) requests: Vec<String>,
    /// Whether transactions take any version for an absent key, as the original does.
    pub(crate) lenient: bool,
    /// Whether a refused transaction says what there is.
    pub(crate) tells: bool,
    fate: Box<dyn FnMut(&str) -> Fate + Send>,
    random: Random,
}

struct Request {
    path: String,
    body: String,
    key: Option<String>,
}

impl FakeStore {
    /// Listens; nothing fails yet.
    pub(crate) fn start(net: &Memory) -> Self {
        let state = State {
            entries: BTreeMap::new(),
            keys: BTreeSet::new(),
            requests: Vec::new(),
            lenient: false,
            tells: true,
            fate: Box::new(|_| Fate::Done),
            random: Random::from_seed(1),
        };
        let store = Self(Arc::new(Mutex::new(state)));
        let address = std::net::SocketAddr::from(([127, 0, 0, 1], PORT));
        let mut listener = net.net().listen(address).unwrap();
        let serving = store.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serving.clone().connection(stream));
            }
        });
        store
    }

    pub(crate) fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// What becomes of requests from now on, by their path.
    pub(crate) fn fate(&self, fate: impl FnMut(&str) -> Fate + Send + 'static) {
        self.state().fate = Box::new(fate);
    }

    /// Each writing request fails with this probability, in any of the ways.
    pub(crate) fn trouble(&self, seed: u64, probability: f64) {
        let mut random = Random::from_seed(seed);
        self.fate(move |path| {
            if random.unit() >= probability || path.starts_with("/api/get") {
                return Fate::Done;
            }
            let all = [
                Fate::CutBefore,
                Fate::CutAfter,
                Fate::StatusBefore(500),
                Fate::StatusAfter(503),
                Fate::StatusAfter(500),
                Fate::Late,
                Fate::Twice,
            ];
            all[(random.bits() % all.len() as u64) as usize]
        });
    }

    pub(crate) fn balance(&self, key: &str) -> i64 {
        let state = self.state();
        let entry = state.entries.get(key);
        entry.map_or(0, |(value, _)| value.parse().unwrap())
    }

    pub(crate) fn sum(&self) -> i64 {
        let state = self.state();
        let values = state.entries.values();
        values.map(|(value, _)| value.parse::<i64>().unwrap()).sum()
    }

    async fn connection(self, mut stream: TcpStream) {
        while let Some(request) = read(&mut stream).await {
            let (fate, pause) = {
                let mut state = self.state();
                state.requests.push(request.path.clone());
                let fate = (state.fate)(&request.path);
                (fate, Duration::from_micros(state.random.bits() % 3_000))
            };
            sleep(pause).await;
            let (status, body) = match fate {
                Fate::CutBefore => return,
                Fate::CutAfter => {
                    self.state().apply(&request);
                    return;
                }
                Fate::StatusBefore(status) => (status, String::new()),
                Fate::StatusAfter(status) => {
                    self.state().apply(&request);
                    (status, String::new())
                }
                Fate::Late => {
                    // Beyond the client's patience; its next tries come before, or after.
                    sleep(Duration::from_millis(2_000) + pause * 2_000).await;
                    self.state().apply(&request)
                }
                Fate::Twice => {
                    let answer = self.state().apply(&request);
                    let again = self.clone();
                    tokio::spawn(async move {
                        sleep(pause * 500).await;
                        again.state().apply(&request);
                    });
                    answer
                }
                Fate::Done => self.state().apply(&request),
            };
            let length = body.len();
            let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\n\r\n{body}");
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    }
}

impl State {
    fn apply(&mut self, request: &Request) -> (u16, String) {
        let json = || serde_json::from_str::<Value>(&request.body).unwrap();
        match request.path.split('?').next().unwrap() {
            "/api/get" => {
                let id = request.path.split_once("?id=").unwrap().1;
                let id = id.replace("%20", " ").replace("%26", "&");
                let (value, version) = self.entries.get(&id).cloned().unwrap_or_default();
                (200, json!({"value": value, "version": version}).to_string())
            }
            "/api/put" => {
                let entry = json();
                match self.is_current(&entry, true) {
                    true => self.write(&entry),
                    false => return (428, String::new()),
                }
                (200, String::new())
            }
            "/api/list" => {
                let entry = |(key, (value, version)): (&String, &(String, i64))| json!({"key": key, "value": value, "version": version});
                let all: Vec<Value> = self.entries.iter().rev().map(entry).collect();
                (200, Value::from(all).to_string())
            }
            "/api/reset" => {
                self.entries.clear();
                (200, String::new())
            }
            "/api/transaction" => self.transaction(&json(), request.key.clone()),
            _ => (404, String::new()),
        }
    }

    fn transaction(&mut self, list: &Value, key: Option<String>) -> (u16, String) {
        if key.as_ref().is_some_and(|key| self.keys.contains(key)) {
            return (200, String::new());
        }
        let list = list.as_array().unwrap();
        let long = |entry: &Value| entry["key"].as_str().unwrap().len() > KEY_BYTES_MAX;
        if list.iter().any(long) {
            return (400, "a key is too long".to_owned());
        }
        let lenient = self.lenient;
        let stale: Vec<Value> = list
            .iter()
            .filter(|entry| !self.is_current(entry, lenient))
            .map(|entry| {
                let key = entry["key"].as_str().unwrap();
                let (value, version) = self.entries.get(key).cloned().unwrap_or_default();
                json!({"key": key, "value": value, "version": version})
            })
            .collect();
        if !stale.is_empty() {
            let body = match self.tells {
                true => Value::from(stale).to_string(),
                false => String::new(),
            };
            return (428, body);
        }
        for entry in list {
            self.write(entry);
        }
        self.keys.extend(key);
        (200, String::new())
    }

    fn is_current(&self, entry: &Value, lenient: bool) -> bool {
        match self.entries.get(entry["key"].as_str().unwrap()) {
            Some((_, version)) => entry["version"] == *version,
            None => lenient || entry["version"] == 0,
        }
    }

    fn write(&mut self, entry: &Value) {
        let key = entry["key"].as_str().unwrap().to_owned();
        let value = entry["value"].as_str().unwrap().to_owned();
        let version = self.entries.get(&key).map_or(1, |(_, version)| version + 1);
        self.entries.insert(key, (value, version));
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).unwrap();
    let header = |name: &str| {
        let mut lines = head.lines().filter_map(|line| line.split_once(": "));
        lines.find_map(|(n, value)| n.eq_ignore_ascii_case(name).then(|| value.to_owned()))
    };
    let length = header("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request {
        path: head.split(' ').nth(1).unwrap().to_owned(),
        body: String::from_utf8(body).unwrap(),
        key: header("idempotency-key"),
    })
}
