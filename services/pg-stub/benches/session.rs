//! What a session costs: the work that each request of a service without a pool makes.

use std::collections::BTreeMap;

use divan::Bencher;
use squall_host::launch::Mounted;
use squall_host::output::{Output, OutputDriver};
use squall_host::{Files, Host, Launch, Shutdown};
use squall_pg_stub::{config, server};
use tokio_postgres::{Client, NoTls};

fn main() {
    divan::main();
}

struct Silence;

impl OutputDriver for Silence {
    fn line(&self, _: &str) {}
}

struct Stub {
    runtime: tokio::runtime::Runtime,
    host: Host,
    address: std::net::SocketAddr,
}

fn start() -> Stub {
    start_with("trust")
}

fn start_with(method: &str) -> Stub {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime for the benchmark");
    let folder = format!("squall-bench-{}-{method}", std::process::id());
    let data = std::env::temp_dir().join(folder);
    // Each benchmark begins with an empty folder.
    let _ = std::fs::remove_dir_all(&data);
    let env = BTreeMap::from([
        ("POSTGRES_PASSWORD".to_owned(), "secret".to_owned()),
        ("PGDATA".to_owned(), data.to_string_lossy().into_owned()),
    ]);
    let rules = Mounted {
        shown_as: "pg_hba.conf".into(),
        content: format!("host all all all {method}").into(),
    };
    let launch = Launch {
        args: vec!["-c".to_owned(), "hba_file=/hba".to_owned()],
        env,
        files: Files::mounted(BTreeMap::from([("/hba".to_owned(), rules)])),
    };
    let (config, _) = config::load(&launch).expect("the benchmark's launch is good");
    // The server's log would drown the benchmark's table.
    let real = Host::real();
    let host = Host::new(
        real.name(),
        real.net.clone(),
        real.disk.clone(),
        Output::new(Silence),
    );
    let address = runtime.block_on(async {
        let any = "127.0.0.1:0".parse().expect("an address");
        let listener = host.net.listen(any).expect("a port");
        let address = listener.local_addr().expect("its address");
        let run = server::run_on(config, host.clone(), vec![listener], Shutdown::never());
        tokio::spawn(run);
        address
    });
    Stub {
        runtime,
        host,
        address,
    }
}

impl Stub {
    async fn connect(&self) -> Client {
        let stream = self
            .host
            .net
            .connect(self.address)
            .await
            .expect("a connection");
        let (client, connection) = tokio_postgres::Config::new()
            .user("postgres")
            .password("secret")
            .connect_raw(stream, NoTls)
            .await
            .expect("a session");
        tokio::spawn(connection);
        client
    }
}

/// Connect, ask, close: client and server together, on loopback.
#[divan::bench]
fn session_with_one_query(bencher: Bencher) {
    let stub = start();
    bencher.bench_local(|| {
        stub.runtime.block_on(async {
            let client = stub.connect().await;
            let answer = client
                .simple_query("SELECT now(), inet_server_addr()")
                .await;
            answer.expect("an answer").len()
        })
    });
}

/// The same with SCRAM-SHA-256, whose 4096 rounds the client makes anew for each session.
#[divan::bench]
fn session_with_scram(bencher: Bencher) {
    let stub = start_with("scram-sha-256");
    bencher.bench_local(|| {
        stub.runtime.block_on(async {
            let client = stub.connect().await;
            let answer = client
                .simple_query("SELECT now(), inet_server_addr()")
                .await;
            answer.expect("an answer").len()
        })
    });
}

/// One query on an open session.
#[divan::bench]
fn query(bencher: Bencher) {
    let stub = start();
    let client = stub.runtime.block_on(stub.connect());
    bencher.bench_local(|| {
        stub.runtime.block_on(async {
            let answer = client
                .simple_query("SELECT now(), inet_server_addr()")
                .await;
            answer.expect("an answer").len()
        })
    });
}

/// One written row, committed.
#[divan::bench]
fn insert(bencher: Bencher) {
    let stub = start();
    let client = stub.runtime.block_on(async {
        let client = stub.connect().await;
        let table = client
            .batch_execute("CREATE TABLE t (id serial PRIMARY KEY, v text)")
            .await;
        table.expect("a table");
        client
    });
    bencher.bench_local(|| {
        stub.runtime.block_on(async {
            let answer = client.simple_query("INSERT INTO t (v) VALUES ('x')").await;
            answer.expect("an answer").len()
        })
    });
}
