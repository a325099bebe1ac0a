//! URLs in flags: where to listen, and what to tell others.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// A list of URLs as etcd takes them: `http`, a host and a port, and nothing else; sorted, as etcd keeps
/// them.
pub(super) fn list(text: &str) -> Result<Vec<String>, String> {
    let mut urls = Vec::new();
    for url in text.split(',') {
        let url = url.trim();
        parse(url)?;
        urls.push(url.to_owned());
    }
    urls.sort();
    Ok(urls)
}

/// Where to listen: IP addresses, and `localhost`, which is 127.0.0.1 as with etcd 3.4.23.
pub(super) fn addresses(text: &str) -> Result<Vec<SocketAddr>, String> {
    let address = |url: &str| {
        let (host, port) = parse(url.trim())?;
        let ip: IpAddr = match host {
            "localhost" => Ipv4Addr::LOCALHOST.into(),
            host => {
                let bound = || format!("expected IP in URL for binding ({url})");
                host.parse().map_err(|_| bound())?
            }
        };
        Ok(SocketAddr::new(ip, port))
    };
    text.split(',').map(address).collect()
}

fn parse(url: &str) -> Result<(&str, u16), String> {
    let Some((scheme, rest)) = url.split_once("://") else {
        return Err(format!("URL scheme must be http: {url}"));
    };
    match scheme {
        "http" => {}
        "https" => return Err(format!("there is no TLS here, use http: {url}")),
        _ => return Err(format!("URL scheme must be http: {url}")),
    }
    if rest.contains('/') {
        return Err(format!("URL must not contain a path: {url}"));
    }
    let missing = || format!("URL address does not have the form \"host:port\": {url}");
    let (host, port) = rest.rsplit_once(':').ok_or_else(missing)?;
    let host = host
        .strip_prefix('[')
        .map_or(Some(host), |host| host.strip_suffix(']'));
    match (host, port.parse()) {
        (Some(host), Ok(port)) if !host.is_empty() => Ok((host, port)),
        _ => Err(missing()),
    }
}
