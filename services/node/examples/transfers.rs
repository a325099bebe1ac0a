//! Load for SplitDim on real sockets, and whether the books are right afterwards.
//!
//!     cargo run --release -p squall-node --example transfers -- \
//!         --to 127.0.0.1:8080,127.0.0.1:8082 --connections 32 --users 1000 --for-s 6
//!
//! Each connection sends a transfer, waits for its answer and sends the next: `POST /api/transfer` of 1
//! between two users, always the same two with `--users 2`. Afterwards each account must be what the
//! acknowledged transfers make it; one whose answer never came may have happened or not, and a refused
//! one may not. Exit status 1 if an account is wrong. Deliberately not: a benchmark of anything else; wrk
//! and hey are better at that, and know nothing about money.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::Duration;

use bytes::Bytes;
use clap::Parser;
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use squall_host::Host;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

/// The longest that an answer is waited for.
const ANSWER_MAX: Duration = Duration::from_secs(30);

#[derive(Clone, Debug, Parser)]
struct Arguments {
    /// HOST:PORT of each instance; connections are spread over them
    #[arg(long, value_delimiter = ',', default_value = "127.0.0.1:8080")]
    to: Vec<String>,
    #[arg(long, default_value_t = 32)]
    connections: u64,
    /// 2 for one pair
    #[arg(long, default_value_t = 1000)]
    users: u64,
    #[arg(long, default_value_t = 6)]
    for_s: u64,
    /// From the last answer to the look at the books
    #[arg(long, default_value_t = 0)]
    settle_s: u64,
}

/// What the senders know of the transfers of one account, or of all of them.
#[derive(Clone, Copy, Debug, Default)]
struct Effect {
    /// What the acknowledged ones come to.
    certain: i64,
    /// What those without an answer can take away and add.
    less: i64,
    more: i64,
}

#[derive(Debug, Default)]
struct Tally {
    accounts: BTreeMap<String, Effect>,
    acknowledged: u64,
    refused: u64,
    unknown: u64,
    latencies_us: Vec<u64>,
}

#[derive(Debug, Deserialize)]
struct Account {
    holder: String,
    balance: i64,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let Some(before) = accounts(&arguments).await else {
        eprintln!("no answer to GET /api/accounts at {:?}", arguments.to);
        return ExitCode::from(254);
    };
    let began = Instant::now();
    let until = began + Duration::from_secs(arguments.for_s);
    let mut senders = JoinSet::new();
    for number in 0..arguments.connections {
        senders.spawn(send(arguments.clone(), number, until));
    }
    let mut all = Tally::default();
    for tally in senders.join_all().await {
        all.add(tally);
    }
    let took = began.elapsed();
    sleep(Duration::from_secs(arguments.settle_s)).await;
    let Some(after) = accounts(&arguments).await else {
        eprintln!("no answer to GET /api/accounts after the load");
        return ExitCode::FAILURE;
    };
    let sum: i64 = after.values().sum();
    let wrong = all.wrong(&before, &after);
    all.latencies_us.sort_unstable();
    println!(
        "connections {:>3}  users {:>5}  {:>7.0}/s  acknowledged {}  refused {}  unknown {}  p50 {:.1} ms  p99 {:.1} ms  longest {:.1} ms  sum {sum}  wrong accounts {}",
        arguments.connections,
        arguments.users,
        all.acknowledged as f64 / took.as_secs_f64(),
        all.acknowledged,
        all.refused,
        all.unknown,
        all.percentile_ms(0.5),
        all.percentile_ms(0.99),
        all.percentile_ms(1.0),
        wrong.len(),
    );
    for account in wrong.iter().take(5) {
        println!("  {account}");
    }
    match wrong.is_empty() && sum == 0 {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    }
}

async fn send(arguments: Arguments, number: u64, until: Instant) -> Tally {
    let to = &arguments.to[number as usize % arguments.to.len()];
    let mut tally = Tally::default();
    let mut connection = None;
    let mut state = number;
    while Instant::now() < until {
        let (sender, receiver) = pair(&mut state, arguments.users);
        let body = format!(r#"{{"sender":"{sender}","receiver":"{receiver}","amount":1}}"#);
        let sent = Instant::now();
        let answer = timeout(
            ANSWER_MAX,
            call(&mut connection, to, Method::POST, "/api/transfer", body),
        )
        .await;
        tally.latencies_us.push(sent.elapsed().as_micros() as u64);
        match answer {
            Ok(Answer::Of(status, _)) if status.is_success() => {
                tally.acknowledged += 1;
                tally.account(sender).certain += 1;
                tally.account(receiver).certain -= 1;
            }
            Ok(Answer::Of(status, _))
                if status.is_client_error() || status == StatusCode::SERVICE_UNAVAILABLE =>
            {
                tally.refused += 1;
                sleep(Duration::from_millis(10)).await;
            }
            Ok(Answer::NotSent) => {
                tally.refused += 1;
                sleep(Duration::from_millis(10)).await;
            }
            Ok(_) | Err(_) => {
                connection = None;
                tally.unknown += 1;
                tally.account(sender).more += 1;
                tally.account(receiver).less += 1;
                sleep(Duration::from_millis(10)).await;
            }
        }
    }
    tally
}

/// Two different users, by SplitMix64.
fn pair(state: &mut u64, users: u64) -> (String, String) {
    if users == 2 {
        return ("u0".to_owned(), "u1".to_owned());
    }
    let mut next = || {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (*state ^ (*state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let sender = next() % users;
    let receiver = (sender + 1 + next() % (users - 1)) % users;
    (format!("u{sender}"), format!("u{receiver}"))
}

enum Answer {
    Of(StatusCode, Bytes),
    NotSent,
    None,
}

async fn call(
    connection: &mut Option<SendRequest<Full<Bytes>>>,
    to: &str,
    method: Method,
    path: &str,
    body: String,
) -> Answer {
    if connection.as_ref().is_none_or(SendRequest::is_closed) {
        *connection = connect(to).await;
    }
    let Some(sender) = connection else {
        return Answer::NotSent;
    };
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", to)
        .body(Full::from(body));
    let Ok(request) = request else {
        return Answer::NotSent;
    };
    let answer = match sender.try_send_request(request).await {
        Ok(answer) => answer,
        Err(error) if error.message().is_some() => return Answer::NotSent,
        Err(_) => return Answer::None,
    };
    let status = answer.status();
    match answer.into_body().collect().await {
        Ok(body) => Answer::Of(status, body.to_bytes()),
        Err(_) => Answer::None,
    }
}

async fn connect(to: &str) -> Option<SendRequest<Full<Bytes>>> {
    let (host, port) = to.rsplit_once(':')?;
    let net = Host::real().net;
    let stream = net.connect_name(host, port.parse().ok()?).await.ok()?;
    let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.ok()?;
    tokio::spawn(connection);
    Some(sender)
}

async fn accounts(arguments: &Arguments) -> Option<BTreeMap<String, i64>> {
    let to = arguments.to.first()?;
    let mut connection = None;
    let path = "/api/accounts";
    let answer = call(&mut connection, to, Method::GET, path, String::new());
    let Ok(Answer::Of(StatusCode::OK, body)) = timeout(ANSWER_MAX, answer).await else {
        return None;
    };
    let accounts: Vec<Account> = serde_json::from_slice(&body).ok()?;
    let accounts = accounts.into_iter();
    Some(
        accounts
            .map(|account| (account.holder, account.balance))
            .collect(),
    )
}

impl Tally {
    fn account(&mut self, holder: String) -> &mut Effect {
        self.accounts.entry(holder).or_default()
    }

    fn add(&mut self, other: Self) {
        for (holder, effect) in other.accounts {
            let sum = self.account(holder);
            sum.certain += effect.certain;
            sum.less += effect.less;
            sum.more += effect.more;
        }
        self.acknowledged += other.acknowledged;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.latencies_us.extend(other.latencies_us);
    }

    /// The accounts that are not what the transfers made them, each with what it should be.
    fn wrong(&self, before: &BTreeMap<String, i64>, after: &BTreeMap<String, i64>) -> Vec<String> {
        let balance = |books: &BTreeMap<String, i64>, holder| *books.get(holder).unwrap_or(&0);
        let mut holders: Vec<&String> = self.accounts.keys().chain(after.keys()).collect();
        holders.sort_unstable();
        holders.dedup();
        let wrong = holders.into_iter().filter_map(|holder| {
            let effect = self.accounts.get(holder).copied().unwrap_or_default();
            let wanted = balance(before, holder) + effect.certain;
            let (least, most) = (wanted - effect.less, wanted + effect.more);
            let is = balance(after, holder);
            (is < least || is > most)
                .then(|| format!("{holder}: {is}, and not from {least} to {most}"))
        });
        wrong.collect()
    }

    fn percentile_ms(&self, part: f64) -> f64 {
        let last = self.latencies_us.len().saturating_sub(1);
        let at = (last as f64 * part) as usize;
        self.latencies_us.get(at).map_or(0.0, |us| *us as f64 / 1e3)
    }
}
