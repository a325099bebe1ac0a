//! tokio's sockets behind the driver.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use futures::future::BoxFuture;

use socket2::{SockRef, TcpKeepalive};

use crate::net::{Keepalive, NetDriver, TcpListener, TcpStream, UdpSocket};

pub(super) struct RealNet;

/// Where a machine without `/etc/resolv.conf` asks, as glibc does (resolv.conf(5)).
const NAMESERVER_DEFAULT: &str = "127.0.0.1";
const DNS_PORT: u16 = 53;

impl NetDriver for RealNet {
    fn listen(&self, address: SocketAddr, backlog: u32) -> io::Result<TcpListener> {
        let socket = match address {
            SocketAddr::V4(_) => tokio::net::TcpSocket::new_v4(),
            SocketAddr::V6(_) => tokio::net::TcpSocket::new_v6(),
        }?;
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(socket.listen(backlog)?.into())
    }

    fn connect(&self, address: SocketAddr) -> BoxFuture<'static, io::Result<TcpStream>> {
        Box::pin(async move {
            let stream = tokio::net::TcpStream::connect(address).await?;
            stream.set_nodelay(true)?;
            Ok(stream.into())
        })
    }

    fn udp(&self, address: SocketAddr) -> io::Result<UdpSocket> {
        let socket = std::net::UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        Ok(tokio::net::UdpSocket::from_std(socket)?.into())
    }

    fn resolve(&self, name: &str) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let name = name.to_owned();
        Box::pin(async move {
            let mut addresses: Vec<IpAddr> = Vec::new();
            for address in tokio::net::lookup_host((name.as_str(), 0)).await? {
                if !addresses.contains(&address.ip()) {
                    addresses.push(address.ip());
                }
            }
            if addresses.is_empty() {
                return Err(io::Error::new(
                    io::ErrorKind::NotFound,
                    format!("{name}: no address for this name"),
                ));
            }
            Ok(addresses)
        })
    }

    fn nameservers(&self) -> Vec<SocketAddr> {
        let text = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        let mut servers = parse_resolv_conf(&text);
        if servers.is_empty() {
            let ip: IpAddr = NAMESERVER_DEFAULT.parse().expect("a literal address");
            servers.push(SocketAddr::new(ip, DNS_PORT));
        }
        servers
    }
}

pub(crate) fn set_keepalive(
    stream: &tokio::net::TcpStream,
    keepalive: Keepalive,
) -> io::Result<()> {
    let seconds = |duration: Duration| Duration::from_secs(duration.as_secs().max(1));
    let settings = TcpKeepalive::new()
        .with_time(seconds(keepalive.idle))
        .with_interval(seconds(keepalive.interval))
        .with_retries(keepalive.count);
    SockRef::from(stream).set_tcp_keepalive(&settings)
}

pub(crate) fn set_user_timeout(
    stream: &tokio::net::TcpStream,
    timeout: Duration,
) -> io::Result<()> {
    SockRef::from(stream).set_tcp_user_timeout(Some(timeout))
}

/// The `nameserver` lines of resolv.conf(5).
fn parse_resolv_conf(text: &str) -> Vec<SocketAddr> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("nameserver"))
        .filter_map(|rest| rest.split_whitespace().next()?.parse::<IpAddr>().ok())
        .map(|ip| SocketAddr::new(ip, DNS_PORT))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolv_conf_lists_name_servers_in_order() {
        let text = "# comment\nsearch lab\nnameserver 127.0.0.11\nnameserver\t10.0.0.2 # second\noptions ndots:0\n";
        let servers = parse_resolv_conf(text);
        assert_eq!(
            servers,
            [
                "127.0.0.11:53".parse().unwrap(),
                "10.0.0.2:53".parse().unwrap()
            ]
        );
    }
}
