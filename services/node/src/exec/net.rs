//! `nc -z` and pg_isready: is somebody there?

use std::collections::BTreeMap;
use std::time::Duration;

use squall_host::Host;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Outcome, seconds};

/// `nc -z HOST PORT`: connect and say nothing.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    host: String,
    port: u16,
    timeout: Duration,
}

/// Without `-w`, nc waits as long as the kernel does (Linux, `tcp_syn_retries` 6).
const CONNECT_TIMEOUT: Duration = Duration::from_secs(127);

pub(super) fn nc(args: &[&str]) -> Result<Reach, String> {
    let mut timeout = CONNECT_TIMEOUT;
    let mut scan = false;
    let mut operands = Vec::new();
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let Some(letters) = arg.strip_prefix('-').filter(|letters| !letters.is_empty()) else {
            operands.push(*arg);
            continue;
        };
        for (at, letter) in letters.char_indices() {
            match letter {
                'z' => scan = true,
                'v' | 'n' | '4' => {}
                'w' => {
                    let attached = &letters[at + 1..];
                    let value = match attached {
                        "" => args.next().copied().unwrap_or_default(),
                        attached => attached,
                    };
                    timeout = seconds(value)?;
                    break;
                }
                _ => return Err(format!("nc: no option -{letter} here")),
            }
        }
    }
    match operands[..] {
        [host, port] if scan => Ok(Reach {
            host: host.to_owned(),
            port: port
                .parse()
                .map_err(|_| format!("nc: `{port}` is no port"))?,
            timeout,
        }),
        _ => Err("nc is known as `nc -z HOST PORT`".to_owned()),
    }
}

impl Reach {
    pub(super) async fn run(&self, host: &Host) -> Outcome {
        let connect = host.net.connect_name(&self.host, self.port);
        let reached = matches!(tokio::time::timeout(self.timeout, connect).await, Ok(Ok(_)));
        Outcome::truth(reached)
    }
}

/// pg_isready(1).
#[derive(Clone, Debug)]
pub(super) struct PgIsReady {
    host: Option<String>,
    port: Option<String>,
    timeout: Duration,
}

/// pg_isready's own default (PostgreSQL, `src/bin/scripts/pg_isready.c`).
const PG_TIMEOUT: Duration = Duration::from_secs(3);
const PG_PORT: u16 = 5432;

/// Its exit statuses (PostgreSQL manual, pg_isready, "Exit Status").
const ACCEPTING: i32 = 0;
const REJECTING: i32 = 1;
const NO_RESPONSE: i32 = 2;
const NO_ATTEMPT: i32 = 3;

pub(super) fn pg_isready(args: &[&str]) -> Result<PgIsReady, String> {
    let mut check = PgIsReady {
        host: None,
        port: None,
        timeout: PG_TIMEOUT,
    };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        let (name, attached) = match arg.strip_prefix("--") {
            Some(long) => match long.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (long, None),
            },
            None => match arg
                .strip_prefix('-')
                .and_then(|rest| rest.split_at_checked(1))
            {
                Some((letter, "")) => (letter, None),
                Some((letter, value)) => (letter, Some(value)),
                None => return Err(format!("pg_isready: `{arg}` is no option")),
            },
        };
        let mut value = || {
            attached
                .or_else(|| args.next().copied())
                .ok_or_else(|| format!("pg_isready: {arg} without a value"))
        };
        match name {
            "h" | "host" => check.host = Some(value()?.to_owned()),
            "p" | "port" => check.port = Some(value()?.to_owned()),
            "t" | "timeout" => check.timeout = seconds(value()?)?,
            // Whom and what it asks for changes nothing about the answer.
            "U" | "username" | "d" | "dbname" => drop(value()?),
            "q" | "quiet" => {}
            _ => return Err(format!("pg_isready: no option {arg} here")),
        }
    }
    Ok(check)
}

impl PgIsReady {
    pub(super) async fn run(&self, host: &Host, env: &BTreeMap<String, String>) -> Outcome {
        let given = |own: &Option<String>, variable: &str| {
            own.clone().or_else(|| env.get(variable).cloned())
        };
        // The real one goes to the socket in a folder; here that is the machine itself.
        let name = given(&self.host, "PGHOST").filter(|name| !name.starts_with('/'));
        let name = name.unwrap_or_else(|| "127.0.0.1".to_owned());
        let port = match given(&self.port, "PGPORT") {
            None => PG_PORT,
            Some(text) => match text.parse() {
                Ok(port) => port,
                Err(_) => return Outcome::status(NO_ATTEMPT),
            },
        };
        // Zero switches the deadline off there; nothing waits for ever here.
        let timeout = match self.timeout {
            Duration::ZERO => CONNECT_TIMEOUT,
            timeout => timeout,
        };
        let ask = ask(host, &name, port);
        let status = tokio::time::timeout(timeout, ask).await;
        let status = status.ok().and_then(Result::ok).unwrap_or(NO_RESPONSE);
        let word = match status {
            ACCEPTING => "accepting connections",
            REJECTING => "rejecting connections",
            _ => "no response",
        };
        Outcome {
            status,
            output: format!("{name}:{port} - {word}\n"),
        }
    }
}

/// Sends a start-up message and looks at the first answer, as libpq's PQping does.
async fn ask(host: &Host, name: &str, port: u16) -> std::io::Result<i32> {
    let mut stream = host.net.connect_name(name, port).await?;
    let mut message = Vec::new();
    message.extend(196_608_u32.to_be_bytes());
    message.extend(b"user\0postgres\0database\0postgres\0\0");
    let length = u32::try_from(message.len() + 4).map_err(std::io::Error::other)?;
    stream.write_all(&length.to_be_bytes()).await?;
    stream.write_all(&message).await?;
    let kind = stream.read_u8().await?;
    if kind != b'E' {
        // An authentication request: the server takes connections.
        return Ok(ACCEPTING);
    }
    const ERROR_MAX: u32 = 10_000;
    let length = stream.read_u32().await?.clamp(4, ERROR_MAX) - 4;
    let mut error = Vec::new();
    stream.take(length.into()).read_to_end(&mut error).await?;
    let sqlstate = error
        .split(|&byte| byte == 0)
        .find_map(|field| field.strip_prefix(b"C"));
    // Starting up, shutting down, recovering; any other error comes from a server that is there.
    let rejecting = [&b"57P03"[..], b"57P01", b"57P02"];
    Ok(match sqlstate {
        Some(code) if rejecting.contains(&code) => REJECTING,
        _ => ACCEPTING,
    })
}
