//! grpc_health_probe and psql against servers that speak their protocols.
#![allow(clippy::unwrap_used)] // Helpers of tests are tests.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use squall_host::{Host, Launch, Shutdown};
use squall_node::exec;

async fn run(line: &str) -> i32 {
    let env = BTreeMap::from([("PGPASSWORD".to_owned(), "secret".to_owned())]);
    let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
    exec(&Host::real(), &env, &words).await
}

/// A gRPC server: `users` serves, `""` does not, `broken` is garbage, others are unknown (status 5).
async fn grpc_server() -> SocketAddr {
    let mut listener = Host::real()
        .net
        .listen("127.0.0.1:0".parse().unwrap())
        .unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = hyper::service::service_fn(health);
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    address
}

async fn health(
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, Infallible>>, Infallible> {
    assert_eq!(request.uri().path(), "/grpc.health.v1.Health/Check");
    assert_eq!(request.headers()["content-type"], "application/grpc");
    let message = request.into_body().collect().await.unwrap().to_bytes();
    let (answer, status): (&[u8], _) = match &message[5..] {
        b"\x0a\x05users" => (b"\0\0\0\0\x02\x08\x01", "0"),
        b"" => (b"\0\0\0\0\x02\x08\x02", "0"),
        b"\x0a\x06broken" => (b"\0\0\0\0\xff\x08\x01", "0"),
        _ => (b"", "5"),
    };
    let trailers = HeaderMap::from_iter([(
        http::HeaderName::from_static("grpc-status"),
        status.parse().unwrap(),
    )]);
    let body = Full::new(Bytes::copy_from_slice(answer))
        .with_trailers(std::future::ready(Some(Ok(trailers))));
    Ok(Response::new(body.boxed()))
}

#[tokio::test]
async fn grpc_health_probe_has_the_statuses_of_the_real_one() {
    let server = grpc_server().await;
    let closed = Host::real()
        .net
        .listen("127.0.0.1:0".parse().unwrap())
        .unwrap()
        .local_addr()
        .unwrap();
    for (arguments, status) in [
        (format!("-addr={server} -service=users"), 0),
        (format!("--addr {server} --service users -v"), 0),
        (format!("-addr=:{} -service=users", server.port()), 0),
        (format!("-addr={server}"), 4),
        (format!("-addr={server} -service=broken"), 3),
        (format!("-addr={server} -service=nobody"), 3),
        (format!("-addr={closed}"), 2),
    ] {
        let line = format!("grpc_health_probe {arguments} -rpc-timeout=30s");
        assert_eq!(run(&line).await, status, "{line}");
    }
}

#[tokio::test]
async fn psql_asks_the_database() {
    let host = Host::real();
    let data = concat!(env!("CARGO_TARGET_TMPDIR"), "/answers-pg-data");
    let _ = std::fs::remove_dir_all(data);
    let env = [
        ("PGDATA", data),
        ("POSTGRES_PASSWORD", "secret"),
        ("POSTGRES_USER", "app"),
        ("POSTGRES_DB", "appdb"),
    ];
    let launch = Launch {
        env: env.map(|(k, v)| (k.to_owned(), v.to_owned())).into(),
        ..Launch::default()
    };
    let (config, _) = squall_pg_stub::config::load(&launch).unwrap();
    let listener = host.net.listen("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = listener.local_addr().unwrap();
    let (_stop, shutdown) = Shutdown::new();
    tokio::spawn(squall_pg_stub::server::run_on(
        config,
        host.clone(),
        vec![listener],
        shutdown,
    ));
    let to = format!("-h {} -p {}", address.ip(), address.port());
    while run(&format!("pg_isready {to}")).await != 0 {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    for (arguments, status) in [
        (format!("{to} -U app -d appdb -tAc SELECT/**/1"), 0),
        (format!("{to} -U app appdb -c SELECT/**/1"), 127),
        (format!("{to} -U app -d appdb -tA -c SELECT/**/1"), 0),
        (format!("{to} -U app --dbname=appdb -c \\q"), 0),
        (format!("{to} -U app -d appdb -c SELEKT"), 1),
        (format!("{to} -U app -d nowhere -c SELECT/**/1"), 2),
        (format!("{to} -U nobody -d appdb -c SELECT/**/1"), 2),
        ("-h 127.0.0.1 -p 1 -U app -c SELECT/**/1".to_owned(), 2),
    ] {
        let line = format!("psql {arguments}");
        assert_eq!(run(&line).await, status, "{line}");
    }
}
