//! A server on a real socket for tests, and what they ask it with.
// Each test binary uses its own part; a failure here is a failure of the test.
#![allow(dead_code, clippy::unwrap_used)]

pub(crate) mod disk;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use disk::MemoryDisk;
use squall_host::output::{Output, OutputDriver};

use squall_host::launch::Mounted;
use squall_host::{Files, Host, Launch, Shutdown, Trigger};
use squall_pg_stub::{config, server};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) host: Host,
    pub(crate) disk: MemoryDisk,
    pub(crate) log: Lines,
    pub(crate) stop: Trigger,
    pub(crate) ended: JoinHandle<Result<(), squall_pg_stub::Error>>,
}

/// Starts one that trusts this machine, as the official image does.
pub(crate) async fn start(args: &[&str]) -> Server {
    start_with(args, &[]).await
}

/// Starts one with files.
pub(crate) async fn start_with(args: &[&str], files: &[(&str, &str)]) -> Server {
    start_on(&MemoryDisk::default(), args, files).await
}

/// Lines of a server's log.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl OutputDriver for Lines {
    fn line(&self, line: &str) {
        self.0.lock().unwrap().push(line.to_owned());
    }
}

impl Lines {
    /// Whether a line has this in it.
    pub(crate) fn has(&self, part: &str) -> bool {
        self.0
            .lock()
            .unwrap()
            .iter()
            .any(|line| line.contains(part))
    }

    /// All of it.
    pub(crate) fn all(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }
}

/// What a server is started with.
pub(crate) fn load(args: &[&str], env: &[(&str, &str)], files: &[(&str, &str)]) -> config::Config {
    let mounted: BTreeMap<String, Mounted> = files
        .iter()
        .map(|(path, content)| {
            let file = Mounted {
                shown_as: (*path).into(),
                content: (*content).into(),
            };
            ((*path).to_owned(), file)
        })
        .collect();
    let mut env: BTreeMap<String, String> = env
        .iter()
        .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
        .collect();
    env.entry("POSTGRES_PASSWORD".to_owned())
        .or_insert("secret".to_owned());
    let launch = Launch {
        args: args.iter().map(|a| (*a).to_owned()).collect(),
        env,
        files: Files::mounted(mounted),
    };
    config::load(&launch).expect("the test's launch is good").0
}

/// A machine with this disk, and its log.
pub(crate) fn machine(disk: &MemoryDisk) -> (Host, Lines) {
    let (real, log) = (Host::real(), Lines::default());
    let disk = squall_host::disk::Disk::new(disk.clone());
    let host = Host::new("test", real.net.clone(), disk, Output::new(log.clone()));
    (host, log)
}

/// Starts one on a disk that may have something.
pub(crate) async fn start_on(disk: &MemoryDisk, args: &[&str], files: &[(&str, &str)]) -> Server {
    let config = load(args, &[], files);
    let (host, log) = machine(disk);
    let listener = host.net.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, shutdown) = Shutdown::new();
    let ended = tokio::spawn(server::run_on(
        config,
        host.clone(),
        vec![listener],
        shutdown,
    ));
    let server = Server {
        address,
        host,
        disk: disk.clone(),
        log,
        stop,
        ended,
    };
    server
        .until(|s| s.log.has("ready to accept") || s.ended.is_finished())
        .await;
    server
}

impl Server {
    /// Waits until something is so.
    pub(crate) async fn until(&self, mut done: impl FnMut(&Self) -> bool) {
        for _ in 0..3000 {
            if done(self) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("it never came to that:\n{}", self.log.all());
    }

    /// Ends it as SIGKILL does; its disk stays.
    pub(crate) async fn kill(self) -> MemoryDisk {
        self.ended.abort();
        let _ = self.ended.await;
        self.disk
    }

    /// Ends it as SIGTERM does.
    pub(crate) async fn shut_down(self) -> MemoryDisk {
        self.stop.request();
        self.ended.await.unwrap().unwrap();
        self.disk
    }

    /// A session of the superuser.
    pub(crate) async fn connect(&self) -> Client {
        self.try_connect("postgres", "secret", "postgres")
            .await
            .unwrap()
    }

    pub(crate) async fn try_connect(
        &self,
        user: &str,
        password: &str,
        database: &str,
    ) -> Result<Client, tokio_postgres::Error> {
        let stream = self.host.net.connect(self.address).await.unwrap();
        let (client, connection) = tokio_postgres::Config::new()
            .user(user)
            .password(password)
            .dbname(database)
            .connect_raw(stream, NoTls)
            .await?;
        tokio::spawn(connection);
        Ok(client)
    }

    pub(crate) async fn stream(&self) -> squall_host::net::TcpStream {
        self.host.net.connect(self.address).await.unwrap()
    }
}

/// The SQLSTATE of a failure.
pub(crate) fn code(error: &tokio_postgres::Error) -> String {
    match error.as_db_error() {
        Some(error) => error.code().code().to_owned(),
        None => panic!("no answer of the server: {error}"),
    }
}

/// The rows of a simple query, as texts.
pub(crate) async fn rows(client: &Client, sql: &str) -> Vec<Vec<Option<String>>> {
    client
        .simple_query(sql)
        .await
        .unwrap()
        .into_iter()
        .filter_map(|message| match message {
            tokio_postgres::SimpleQueryMessage::Row(row) => Some(
                (0..row.len())
                    .map(|i| row.get(i).map(str::to_owned))
                    .collect(),
            ),
            _ => None,
        })
        .collect()
}

/// The first value of a simple query.
pub(crate) async fn value(client: &Client, sql: &str) -> String {
    rows(client, sql).await[0][0]
        .clone()
        .unwrap_or_else(|| "NULL".to_owned())
}
