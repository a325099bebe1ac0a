//! `ports:`: `[[IP:]HOST:]CONTAINER[/PROTOCOL]` with ranges, and the long spelling.

use std::net::IpAddr;

use crate::compose::model::{Located, Port};
use crate::compose::reader::Cursor;
use crate::yaml::Value;

pub(in crate::compose) fn ports(cursor: Cursor<'_>) -> Vec<Located<Port>> {
    let mut ports = Vec::new();
    for item in cursor.list() {
        let read = match item.value() {
            Value::Map(_) => long(&item),
            _ => item.text().and_then(|text| item.ok(short(&text))),
        };
        ports.extend(read.into_iter().flatten().map(|port| item.located(port)));
    }
    ports
}

fn long(item: &Cursor<'_>) -> Option<Vec<Port>> {
    let mut fields = item.fields();
    let target = fields.take("target").and_then(|c| c.text());
    let published = fields.take("published").and_then(|c| c.text());
    let host_ip = fields
        .take("host_ip")
        .and_then(|c| c.parsed::<IpAddr>("an address"));
    let protocol = fields.take("protocol").and_then(|c| c.text());
    fields.without_effect(&["mode", "name", "app_protocol"]);
    fields.finish();
    let Some(target) = target else {
        item.problem("a port without `target:`");
        return None;
    };
    item.ok(combine(
        host_ip,
        published.as_deref(),
        &target,
        protocol.as_deref(),
    ))
}

fn short(text: &str) -> Result<Vec<Port>, String> {
    let (rest, protocol) = match text.split_once('/') {
        Some((rest, protocol)) => (rest, Some(protocol)),
        None => (text, None),
    };
    let (host, container) = match rest.rsplit_once(':') {
        Some((host, container)) => (Some(host), container),
        None => (None, rest),
    };
    let (ip, published) = match host.and_then(|host| host.rsplit_once(':')) {
        Some((ip, published)) => (Some(ip), Some(published)),
        None => (None, host),
    };
    let ip = match ip {
        None => None,
        Some(ip) => Some(
            ip.trim_matches(['[', ']'])
                .parse()
                .map_err(|_| format!("`{text}`: `{ip}` is no address"))?,
        ),
    };
    combine(ip, published.filter(|p| !p.is_empty()), container, protocol)
        .map_err(|message| format!("`{text}`: {message}"))
}

fn combine(
    host_ip: Option<IpAddr>,
    published: Option<&str>,
    target: &str,
    protocol: Option<&str>,
) -> Result<Vec<Port>, String> {
    let udp = match protocol.map(str::to_ascii_lowercase).as_deref() {
        None | Some("tcp") => false,
        Some("udp") => true,
        Some(other) => return Err(format!("`{other}` is neither tcp nor udp")),
    };
    let targets = range(target)?;
    let published = match published {
        None => None,
        Some(text) => {
            let ports = range(text)?;
            // A range for one container port: Docker takes the first that is free.
            if ports.len() != targets.len() && targets.len() != 1 {
                return Err(format!("{text} and {target} are not equally many ports"));
            }
            Some(ports)
        }
    };
    Ok(targets
        .into_iter()
        .enumerate()
        .map(|(index, target)| Port {
            host_ip,
            published: published.as_ref().map(|ports| ports[index]),
            target,
            udp,
        })
        .collect())
}

fn range(text: &str) -> Result<Vec<u16>, String> {
    let one = |text: &str| {
        text.trim()
            .parse::<u16>()
            .ok()
            .filter(|&port| port > 0)
            .ok_or_else(|| format!("`{text}` is no port"))
    };
    match text.split_once('-') {
        None => Ok(vec![one(text)?]),
        Some((first, last)) => {
            let (first, last) = (one(first)?, one(last)?);
            if first > last {
                return Err(format!("the range {text} runs backwards"));
            }
            Ok((first..=last).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn port(host_ip: Option<&str>, published: Option<u16>, target: u16) -> Port {
        Port {
            host_ip: host_ip.map(|ip| ip.parse().unwrap()),
            published,
            target,
            udp: false,
        }
    }

    #[test]
    fn short_spellings() {
        assert_eq!(short("80"), Ok(vec![port(None, None, 80)]));
        assert_eq!(short("8080:80"), Ok(vec![port(None, Some(8080), 80)]));
        assert_eq!(
            short("127.0.0.1:8080:80/tcp"),
            Ok(vec![port(Some("127.0.0.1"), Some(8080), 80)])
        );
        assert_eq!(
            short("127.0.0.1::80"),
            Ok(vec![port(Some("127.0.0.1"), None, 80)])
        );
        assert_eq!(
            short("[::1]:8080:80"),
            Ok(vec![port(Some("::1"), Some(8080), 80)])
        );
        assert_eq!(
            short("8080-8081:80-81"),
            Ok(vec![port(None, Some(8080), 80), port(None, Some(8081), 81)])
        );
        assert!(short("53:53/udp").unwrap()[0].udp);
        for text in [
            "", "x", "80:x", "0:80", "70000:80", "1-2:3-5", "9-8:1-2", "a:1:2", "80/sctp",
        ] {
            assert!(short(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[0-9:/\\-a-z.\\[\\]]{0,24}") {
            let _ = short(&text);
        }
    }
}
