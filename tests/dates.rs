//! Every service's `Date` header shows its own host's clock, whoever answered on the same thread
//! before.
//!
//! hyper's own header comes from a cache for each thread, and one thread runs every host.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use squall_engine::{Config, Control, HostId, HostSpec, run};
use squall_fault::clock::Skew;
use squall_host::launch::{Files, Mounted};
use squall_host::{Host, Launch};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;

const PORT: u16 = 5_000;

fn host(control: &Control, last: u8) -> (HostId, SocketAddr) {
    let address = IpAddr::from([10, 0, 0, last]);
    let spec = HostSpec {
        name: format!("host{last}"),
        addresses: vec![address],
        ..HostSpec::default()
    };
    (control.add_host(spec), SocketAddr::new(address, PORT))
}

fn start(control: &Control, host: HostId, program: &str) {
    let conf = Mounted {
        shown_as: "nginx.conf".into(),
        content: "events {} http { server { listen 5000; return 200 yes; } }".into(),
    };
    let urls = |flag| format!("--{flag}-client-urls=http://0.0.0.0:{PORT}");
    let launch = Launch {
        args: match program {
            "etcd-stub" => vec![urls("listen"), urls("advertise")],
            _ => Vec::new(),
        },
        files: Files::mounted(BTreeMap::from([("/etc/nginx/nginx.conf".to_owned(), conf)])),
        ..Launch::default()
    };
    let loaded = (squall_node::programs()[program].load)(&launch).unwrap();
    control.start(host, move |host, shutdown| loaded.start(host, shutdown));
}

async fn date(host: &Host, server: SocketAddr) -> String {
    let mut stream = host.net.connect(server).await.unwrap();
    let request = b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let dates: Vec<&str> = answer
        .lines()
        .filter(|line| line.to_ascii_lowercase().starts_with("date: "))
        .collect();
    assert_eq!(dates.len(), 1, "{answer}");
    dates[0]["date: ".len()..].to_owned()
}

/// What the same program says on a host whose clock is right and on one that is a day behind, in turn.
fn dates(program: &'static str) -> Vec<String> {
    let outcome = run(Config::default(), async move |control: Control| {
        let (right, right_address) = host(&control, 1);
        let (behind, behind_address) = host(&control, 2);
        let (client, _) = host(&control, 3);
        let day = Skew {
            offset_ns: -86_400_000_000_000,
            drift_ppm: 0.0,
        };
        control.set_clock(behind, day);
        start(&control, right, program);
        start(&control, behind, program);
        control.start(client, |_, shutdown| {
            Box::pin(async move {
                shutdown.requested().await;
                Ok(())
            })
        });
        let asking = control.run_beside(client, move |host| {
            Box::pin(async move {
                sleep(Duration::from_secs(10)).await;
                let mut dates = Vec::new();
                for server in [right_address, behind_address, right_address] {
                    dates.push(date(&host, server).await);
                }
                dates
            })
        });
        asking.await.unwrap()
    });
    outcome.unwrap().value
}

#[test]
fn a_date_is_that_of_the_host_that_answers() {
    let expected = [
        "Wed, 01 Jan 2025 00:00:10 GMT",
        "Tue, 31 Dec 2024 00:00:10 GMT",
        "Wed, 01 Jan 2025 00:00:10 GMT",
    ];
    for program in ["users-api", "edge", "etcd-stub"] {
        assert_eq!(dates(program), expected, "{program}");
    }
}
