//! A member on a real socket, and a client of it.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use etcd_client::{Client, ConnectOptions, Error};
use squall_etcd_stub::Config;
use squall_host::{Host, Launch, Shutdown, Trigger};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tonic::Code;

/// Real time that a step may take before a test gives up; nothing is measured by it.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Member {
    pub address: SocketAddr,
    stop: Trigger,
    running: JoinHandle<()>,
    data: std::path::PathBuf,
}

impl Drop for Member {
    fn drop(&mut self) {
        self.running.abort();
        let _ = std::fs::remove_dir_all(&self.data);
    }
}

fn free_address(host: &Host) -> SocketAddr {
    let listener = host.net.listen((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    listener.local_addr().unwrap()
}

impl Member {
    /// A group of one, ready to be used.
    pub async fn start() -> Self {
        let member = Self::start_of(&[]).await;
        let healthy = async {
            while !member.ask("GET /health").await.starts_with("HTTP/1.1 200") {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        soon(healthy).await;
        member
    }

    /// A member of a group to which others belong, who never start; it answers.
    pub async fn start_of(others: &[&str]) -> Self {
        let host = Host::real();
        let address = free_address(&host);
        let peer = free_address(&host);
        let data = std::env::temp_dir().join(format!(
            "squall-etcd-stub-{}-{}",
            std::process::id(),
            address.port()
        ));
        let peer_urls = vec![format!("http://{peer}")];
        let mut initial_cluster = BTreeMap::from([("m1".to_owned(), peer_urls.clone())]);
        for name in others {
            let url = format!("http://{}", free_address(&host));
            initial_cluster.insert((*name).to_owned(), vec![url]);
        }
        let config = Config {
            name: "m1".to_owned(),
            data_dir: data.to_str().unwrap().to_owned(),
            listen_client: vec![address],
            listen_peer: vec![peer],
            advertise_client: vec![format!("http://{address}")],
            advertise_peer: peer_urls,
            initial_cluster,
            ..Config::read(&Launch::default()).unwrap()
        };
        let (stop, shutdown) = Shutdown::new();
        let running = tokio::spawn(async move {
            squall_etcd_stub::run(config, host, shutdown).await.unwrap();
        });
        let member = Self {
            address,
            stop,
            running,
            data,
        };
        let up = async {
            while !member.ask("GET /version").await.starts_with("HTTP/1.1 200") {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        soon(up).await;
        member
    }

    pub async fn client(&self) -> Client {
        self.client_with(ConnectOptions::new()).await
    }

    pub async fn client_with(&self, options: ConnectOptions) -> Client {
        Client::connect([self.address.to_string()], Some(options))
            .await
            .unwrap()
    }

    /// One HTTP/1.1 request on a connection of its own: the whole answer, empty if there is none.
    pub async fn ask(&self, line: &str) -> String {
        let Ok(mut stream) = Host::real().net.connect(self.address).await else {
            return String::new();
        };
        let request = format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer).await;
        answer
    }

    /// Asks it to stop.
    pub fn stop(&self) {
        self.stop.request();
    }

    /// Returns when it has stopped.
    pub async fn stopped(mut self) {
        let running = &mut self.running;
        tokio::time::timeout(PATIENCE, running)
            .await
            .unwrap()
            .unwrap();
    }
}

/// What etcd says no with.
pub fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> (Code, String) {
    match result {
        Err(Error::GRpcStatus(status)) => (status.code(), status.message().to_owned()),
        other => panic!("not refused: {other:?}"),
    }
}

/// Gives up on what does not come.
pub async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}
