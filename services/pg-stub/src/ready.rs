//! `pg_isready`: whether a server accepts connections, as health checks ask it.

use std::time::Duration;

use squall_host::Host;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The server accepts connections.
pub const ACCEPTING: i32 = 0;
/// The server rejects connections, as it does while it starts.
pub const REJECTING: i32 = 1;
/// There was no answer.
pub const NO_RESPONSE: i32 = 2;
/// No attempt was made, as the arguments are wrong.
pub const NO_ATTEMPT: i32 = 3;

/// The longest answer that is read.
const ANSWER_BYTES_MAX: usize = 4096;

struct Arguments {
    host: String,
    port: u16,
    timeout: Option<Duration>,
    user: String,
    database: String,
    quiet: bool,
}

/// `pg_isready` with its arguments (`-h`, `-p`, `-U`, `-d`, `-t`, `-q`); gives its exit status.
/// Without `-h` it asks this machine at 127.0.0.1, as there is no local socket.
pub async fn pg_isready(host: &Host, args: &[String]) -> i32 {
    let Some(arguments) = parse(args) else {
        return NO_ATTEMPT;
    };
    let asked = ask(host, &arguments);
    let status = match arguments.timeout {
        None => asked.await,
        Some(limit) => tokio::time::timeout(limit, asked)
            .await
            .unwrap_or(NO_RESPONSE),
    };
    if !arguments.quiet {
        let word = match status {
            ACCEPTING => "accepting connections",
            REJECTING => "rejecting connections",
            _ => "no response",
        };
        host.out
            .line(&format!("{}:{} - {word}", arguments.host, arguments.port));
    }
    status
}

fn parse(args: &[String]) -> Option<Arguments> {
    let mut arguments = Arguments {
        host: "127.0.0.1".to_owned(),
        port: 5432,
        timeout: Some(Duration::from_secs(3)),
        user: "postgres".to_owned(),
        database: String::new(),
        quiet: false,
    };
    let mut words = args.iter().map(String::as_str);
    while let Some(word) = words.next() {
        let (name, inline) = match word.split_once('=') {
            Some((name, value)) if name.starts_with("--") => (name, Some(value)),
            _ if word.len() > 2 && word.starts_with('-') && !word.starts_with("--") => {
                (word.get(..2)?, word.get(2..))
            }
            _ => (word, None),
        };
        if matches!(name, "-q" | "--quiet") {
            arguments.quiet = true;
            continue;
        }
        let value = match inline {
            Some(value) => value,
            None => words.next()?,
        };
        match name {
            "-h" | "--host" => value.clone_into(&mut arguments.host),
            "-p" | "--port" => arguments.port = value.parse().ok().filter(|port| *port != 0)?,
            "-U" | "--username" => value.clone_into(&mut arguments.user),
            "-d" | "--dbname" => value.clone_into(&mut arguments.database),
            "-t" | "--timeout" => {
                let seconds: u64 = value.parse().ok()?;
                arguments.timeout = (seconds > 0).then(|| Duration::from_secs(seconds));
            }
            _ => return None,
        }
    }
    Some(arguments)
}

/// A start-up is begun and left as soon as the server has said which way it goes.
async fn ask(host: &Host, arguments: &Arguments) -> i32 {
    let Ok(mut stream) = host.net.connect_name(&arguments.host, arguments.port).await else {
        return NO_RESPONSE;
    };
    let database = if arguments.database.is_empty() {
        &arguments.user
    } else {
        &arguments.database
    };
    let mut packet = vec![0, 0, 0, 0, 0, 3, 0, 0];
    for word in ["user", &arguments.user, "database", database] {
        packet.extend(word.bytes().filter(|b| *b != 0));
        packet.push(0);
    }
    packet.push(0);
    let length = packet.len() as u32;
    packet[..4].copy_from_slice(&length.to_be_bytes());
    if stream.write_all(&packet).await.is_err() || stream.flush().await.is_err() {
        return NO_RESPONSE;
    }
    let mut answer = Vec::new();
    loop {
        if let Some(status) = judge(&answer) {
            return status;
        }
        if answer.len() >= ANSWER_BYTES_MAX {
            return NO_RESPONSE;
        }
        match stream.read_buf(&mut answer).await {
            Ok(0) | Err(_) => return NO_RESPONSE,
            Ok(_) => {}
        }
    }
}

/// An authentication request, or any error but 57P03, means that the server accepts connections.
fn judge(answer: &[u8]) -> Option<i32> {
    match answer.first()? {
        b'E' => {
            let length = u32::from_be_bytes(answer.get(1..5)?.try_into().ok()?) as usize;
            let body = answer.get(5..(length + 1).min(ANSWER_BYTES_MAX))?;
            let starting = body.split(|b| *b == 0).any(|field| field == b"C57P03");
            Some(if starting { REJECTING } else { ACCEPTING })
        }
        _ => Some(ACCEPTING),
    }
}
