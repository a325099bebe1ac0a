//! What edge answers by itself: files, error pages, rewrites, `add_header`, several servers.
#![allow(clippy::unwrap_used)]

mod common;

use std::io::Write;

use common::{Edge, Reply, free_port};

#[tokio::test]
async fn files_indexes_and_try_files() {
    let folder = std::env::temp_dir().join(format!("squall-edge-{}", std::process::id()));
    let root = folder.to_str().unwrap();
    for (name, text) in [
        ("a.txt", "text"),
        ("sub/index.html", "<p>"),
        ("50x.html", "sorry"),
        ("x.css", "c"),
    ] {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::File::create(path)
            .unwrap()
            .write_all(text.as_bytes())
            .unwrap();
    }
    let dead = free_port().await;
    let edge = Edge::start(&format!(
        "include mime.types; server {{ listen PORT; root {root}; error_page 500 502 503 504 /50x.html; \
         location /dead {{ proxy_pass http://127.0.0.1:{dead}; }} \
         location /try {{ try_files $uri /a.txt =404; }} location /no {{ try_files $uri $uri/ =404; }} \
         location /app {{ try_files $uri @app; }} location @app {{ return 200 \"app $uri\"; }} \
         location /al/ {{ alias {root}/sub/; }} }}"
    ))
    .await;
    for (path, status, content_type, body) in [
        ("/a.txt", 200, "text/plain", "text"),
        ("/x.css", 200, "text/css", "c"),
        ("/sub/", 200, "text/html", "<p>"),
        ("/sub", 301, "text/html", ""),
        ("/none", 404, "text/html", ""),
        ("/", 403, "text/html", ""),
        ("/dead", 502, "text/html", "sorry"),
        ("/try/x", 200, "text/plain", "text"),
        ("/no/x", 404, "text/html", ""),
        ("/app/x", 200, "text/plain", "app /app/x"),
        ("/al/index.html", 200, "text/html", "<p>"),
        ("/al/%2e%2e/a.txt", 200, "text/plain", "text"),
    ] {
        let reply = edge.get(path).await;
        assert_eq!(
            (reply.status, reply.header("content-type")),
            (status, Some(content_type)),
            "{path}"
        );
        assert!(
            body.is_empty() || reply.body == body,
            "{path}: {}",
            reply.body
        );
    }
    let address = edge.address;
    let moved = format!("http://test:{}/sub/", address.port());
    assert_eq!(
        edge.get("/sub").await.header("location"),
        Some(moved.as_str())
    );
    assert_eq!(edge.post("/a.txt", "x").await.status, 405);
    std::fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn headers_are_added_as_asked() {
    let edge = Edge::start(
        "add_header A $request_method; server { listen PORT; add_header B \"$host $scheme\" always; \
         location /in { return 204; } location /own { add_header C ''; add_header D 1; return 404; } \
         location / { return 404; } }",
    )
    .await;
    let reply = edge.get("/").await;
    assert_eq!(
        (reply.header("a"), reply.header("b")),
        (None, Some("test http"))
    );
    let reply = edge.get("/own").await;
    assert_eq!(
        (reply.header("b"), reply.header("c"), reply.header("d")),
        (None, None, None)
    );
    assert_eq!(edge.get("/in").await.header("b"), Some("test http"));
}

#[tokio::test]
async fn the_host_chooses_the_server() {
    let edge = Edge::start(
        "server { listen PORT; server_name a.lab; return 200 a; } \
         server { listen PORT default_server; return 200 default; } \
         server { listen PORT; server_name *.lab; return 200 wild; } \
         server { listen PORT; server_name ~^n(?<number>\\d+)$; return 200 \"number $number\"; }",
    )
    .await;
    for (host, body) in [
        ("a.lab", "a"),
        ("A.LAB:80", "a"),
        ("b.lab", "wild"),
        ("zz", "default"),
        ("n42", "number 42"),
    ] {
        let raw = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        assert_eq!(Reply::parse(&edge.exchange(raw).await).body, body, "{host}");
    }
}

#[tokio::test]
async fn rewrites_conditions_and_maps() {
    let edge = Edge::start(
        "map $arg_kind $colour { default none; red warm; ~^b cold; } \
         server { listen PORT; set $seen \"$colour\"; if ($arg_kind = stop) { return 418 stopped; } \
         location /old/ { rewrite ^/old/(.*)$ /new/$1?from=old last; } \
         location /new/ { return 200 \"$uri $args $seen\"; } \
         location /gone { rewrite ^ /new/x permanent; } location /loop { rewrite ^ /loop last; } }",
    )
    .await;
    assert_eq!(
        edge.get("/old/a?kind=red").await.body,
        "/new/a from=old&kind=red warm"
    );
    assert_eq!(
        edge.get("/new/?kind=blue").await.body,
        "/new/ kind=blue cold"
    );
    assert_eq!(edge.get("/?kind=stop").await.status, 418);
    let moved = edge.get("/gone?a=1").await;
    assert!(
        moved.header("location").unwrap().ends_with("/new/x?a=1"),
        "{}",
        moved.head
    );
    assert_eq!((moved.status, edge.get("/loop").await.status), (301, 500));
}

#[tokio::test]
async fn formats_conditions_and_escapes_of_the_log() {
    let edge = Edge::start(
        "log_format j escape=json '{\"u\":\"$http_user_agent\",\"a\":\"$arg_a\"}'; \
         log_format p '$remote_addr $host $request_method $uri $args $status $bytes_sent'; \
         map $status $loud { ~^2 0; default 1; } \
         server { listen PORT; location /j { access_log /dev/stdout j; return 200; } \
         location /quiet { access_log off; return 200; } \
         location /if { access_log /dev/stdout p if=$loud; return 200; } \
         location /p { access_log /var/log/x.log p; return 404; } }",
    )
    .await;
    edge.get("/quiet").await;
    edge.get("/if").await;
    edge.exchange(
        "GET /j?a=b HTTP/1.1\r\nHost: a\r\nUser-Agent: a\"\\\t\r\nConnection: close\r\n\r\n",
    )
    .await;
    edge.get("/p?q").await;
    let log = edge.log(2).await;
    assert_eq!(log.len(), 2);
    assert!(log[0].starts_with("{\"u\":\"a\\\"\\\\"), "{}", log[0]);
    assert!(
        log[1].starts_with("127.0.0.1 test GET /p q 404 "),
        "{}",
        log[1]
    );
}
