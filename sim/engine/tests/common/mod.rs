//! A server that echoes and a client, for tests of what happens on the wire between them.
#![allow(dead_code)] // each test uses some of it

use std::io;
use std::net::IpAddr;

use squall_engine::{Config, Control, HostId, HostSpec, Link, run};
use squall_host::net::TcpStream;
use squall_host::{Host, Shutdown};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

pub(crate) const SERVER: HostId = HostId(1);
pub(crate) const CLIENT: HostId = HostId(2);

pub(crate) fn host(control: &Control, name: &str, last: u8) -> HostId {
    control.add_host(HostSpec {
        name: name.to_owned(),
        addresses: vec![IpAddr::from([10, 0, 0, last])],
        ..HostSpec::default()
    })
}

/// Answers each byte with itself.
pub(crate) async fn echo(
    host: Host,
    shutdown: Shutdown,
) -> Result<(), squall_host::launch::BoxError> {
    let mut listener = host.net.listen("0.0.0.0:80".parse()?)?;
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted?,
            () = shutdown.requested() => return Ok(()),
        };
        tokio::spawn(async move {
            let (mut reader, mut writer) = tokio::io::split(stream);
            let _ = tokio::io::copy(&mut reader, &mut writer).await;
        });
    }
}

pub(crate) async fn connect(host: &Host) -> io::Result<TcpStream> {
    host.net.connect("10.0.0.2:80".parse().unwrap()).await
}

pub(crate) async fn ask(stream: &mut TcpStream) -> io::Result<u8> {
    stream.write_all(b"x").await?;
    stream.read_u8().await
}

pub(crate) fn cut() -> Link {
    Link {
        is_cut: true,
        ..Link::default()
    }
}

pub(crate) fn both_ways(control: &Control, link: Link) {
    control.set_link(CLIENT, SERVER, link);
    control.set_link(SERVER, CLIENT, link);
}

/// What the client returned.
pub(crate) fn story<T, F, Fut>(seed: u64, client: F) -> T
where
    T: Send + 'static,
    F: FnOnce(Host, Control) -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    traced(seed, client).0
}

/// What the client returned, and the trace: one line for each packet sent, lost and delivered.
pub(crate) fn traced<T, F, Fut>(seed: u64, client: F) -> (T, String)
where
    T: Send + 'static,
    F: FnOnce(Host, Control) -> Fut + Send + 'static,
    Fut: Future<Output = T> + Send + 'static,
{
    let trace = Buffer::default();
    let config = Config {
        seed,
        trace: Some(Box::new(trace.clone())),
        ..Config::default()
    };
    let outcome = run(config, async move |control: Control| {
        let server = host(&control, "server", 2);
        let user = host(&control, "client", 3);
        control.start(server, |host, shutdown| Box::pin(echo(host, shutdown)));
        control.start(user, |_, shutdown| {
            Box::pin(async move {
                shutdown.requested().await;
                Ok(())
            })
        });
        let handle = control.clone();
        let task = control.run_beside(user, move |host| Box::pin(client(host, handle)));
        task.await.expect("the client ends by itself")
    });
    let value = outcome.unwrap().value;
    let bytes = std::mem::take(&mut *trace.0.lock().unwrap());
    (value, String::from_utf8(bytes).unwrap())
}

#[derive(Clone, Default)]
struct Buffer(std::sync::Arc<std::sync::Mutex<Vec<u8>>>);

impl io::Write for Buffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// When the client sent TCP data, in milliseconds since the start, with sequence number and length.
pub(crate) fn data_sent(trace: &str) -> Vec<(f64, u64, u64)> {
    let number = |line: &str, key: &str| -> Option<u64> {
        let mut words = line.split_whitespace();
        words.find(|word| *word == key)?;
        words.next()?.parse().ok()
    };
    trace
        .lines()
        .filter(|line| {
            let mut words = line.split_whitespace().skip(1);
            words.next() == Some("client")
                && matches!(words.next(), Some("send" | "lost"))
                && words.next() == Some("tcp")
        })
        .filter_map(|line| {
            let at = line.split_whitespace().next()?.parse().ok()?;
            let (sequence, length) = (number(line, "seq")?, number(line, "len")?);
            (length > 0).then_some((at, sequence, length))
        })
        .collect()
}
