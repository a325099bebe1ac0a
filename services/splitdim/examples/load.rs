//! Transfers a second: `load CONNECTIONS SECONDS USERS [SPLITDIM'S ARGUMENTS]...` starts an instance and
//! its clients on one thread, and prints what was acknowledged. Two users are one pair.
//!
//!     cargo run --release -p squall-splitdim --example load -- 32 5 1000 -mode=local
//!
//! Deliberately not a benchmark of the store: start one, and name it with `-addr`.

use std::error::Error;
use std::net::SocketAddr;
use std::time::Duration;

use squall_host::{Host, Launch, Shutdown};
use squall_resilient::Random;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Outcome<()> {
    let mut args = std::env::args().skip(1);
    let mut number =
        || -> Outcome<u64> { Ok(args.next().ok_or("CONNECTIONS SECONDS USERS")?.parse()?) };
    let (connections, seconds, users) = (number()?, number()?, number()?.max(2));
    let host = Host::real();
    let address = host.net.listen(([127, 0, 0, 1], 0).into())?.local_addr()?;
    let mut env: std::collections::BTreeMap<String, String> = std::env::vars().collect();
    env.insert("LISTEN".to_owned(), address.to_string());
    let launch = Launch {
        args: args.collect(),
        env,
        ..Launch::default()
    };
    let service = squall_splitdim::load(&launch)?;
    tokio::spawn(service.start(host.clone(), Shutdown::never()));
    sleep(Duration::from_millis(100)).await;
    let began = Instant::now();
    let until = began + Duration::from_secs(seconds);
    let mut clients = JoinSet::new();
    for seed in 0..connections {
        clients.spawn(client(host.clone(), address, seed, users, until));
    }
    let mut sum = (0, 0);
    while let Some(done) = clients.join_next().await {
        let (acknowledged, others) = done??;
        sum = (sum.0 + acknowledged, sum.1 + others);
    }
    let per_second = sum.0 as f64 / began.elapsed().as_secs_f64();
    let (acknowledged, others) = sum;
    host.out.line(&format!(
        "{acknowledged} acknowledged, {others} not; {per_second:.0} a second"
    ));
    Ok(())
}

/// Acknowledged transfers, and others.
async fn client(
    host: Host,
    address: SocketAddr,
    seed: u64,
    users: u64,
    until: Instant,
) -> Outcome<(u64, u64)> {
    let mut random = Random::from_seed(seed);
    let mut stream = host.net.connect(address).await?;
    let mut answer = [0; 4_096];
    let (mut acknowledged, mut others) = (0, 0);
    while Instant::now() < until {
        let sender = random.bits() % users;
        let receiver = (sender + 1 + random.bits() % (users - 1)) % users;
        let body = format!(r#"{{"sender":"u{sender}","receiver":"u{receiver}","amount":1}}"#);
        let length = body.len();
        let request = format!(
            "POST /api/transfer HTTP/1.1\r\nhost: splitdim\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await?;
        // An answer is small, and there is one at a time.
        let got = stream.read(&mut answer).await?;
        match answer[..got].starts_with(b"HTTP/1.1 200") {
            true => acknowledged += 1,
            false => others += 1,
        }
    }
    Ok((acknowledged, others))
}
