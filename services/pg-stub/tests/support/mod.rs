//! A server on a real socket for tests, and what they ask it with.
// Each test binary uses its own part; a failure here is a failure of the test.
#![allow(dead_code, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::SocketAddr;

use squall_host::launch::Mounted;
use squall_host::{Files, Host, Launch, Shutdown, Trigger};
use squall_pg_stub::{config, server};
use tokio::task::JoinHandle;
use tokio_postgres::{Client, NoTls};

/// A running server.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) host: Host,
    pub(crate) stop: Trigger,
    pub(crate) ended: JoinHandle<Result<(), squall_pg_stub::Error>>,
}

/// Starts one that trusts this machine, as the official image does.
pub(crate) async fn start(args: &[&str]) -> Server {
    start_with(args, &[]).await
}

/// Starts one with files.
pub(crate) async fn start_with(args: &[&str], files: &[(&str, &str)]) -> Server {
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
    let launch = Launch {
        args: args.iter().map(|a| (*a).to_owned()).collect(),
        env: BTreeMap::from([("POSTGRES_PASSWORD".to_owned(), "secret".to_owned())]),
        files: Files::mounted(mounted),
    };
    let (config, _) = config::load(&launch).expect("the test's launch is good");
    let host = Host::real();
    let listener = host.net.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (stop, shutdown) = Shutdown::new();
    let ended = tokio::spawn(server::run_on(
        config,
        host.clone(),
        vec![listener],
        shutdown,
    ));
    Server {
        address,
        host,
        stop,
        ended,
    }
}

impl Server {
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
