//! The small values of the language: times with units, numbers, addresses (configuration.txt 2.5).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

/// The longest time that HAProxy takes (its millisecond counter's half range).
const TIME_MS_MAX: u64 = i32::MAX as u64;

/// `10s`, `500ms`, `1m`, `2h`, `1d`, `100us`; a bare number is in milliseconds.
pub fn time(word: &str) -> Result<Duration, String> {
    let end = word
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(word.len());
    let (digits, unit) = word.split_at(end);
    let bad = || format!("'{word}' is not a time; write a number with us, ms, s, m, h or d");
    let number: u64 = digits.parse().map_err(|_| bad())?;
    let micros = match unit {
        "us" => Some(number),
        "" | "ms" => number.checked_mul(1_000),
        "s" => number.checked_mul(1_000_000),
        "m" => number.checked_mul(60_000_000),
        "h" => number.checked_mul(3_600_000_000),
        "d" => number.checked_mul(86_400_000_000),
        _ => return Err(bad()),
    };
    match micros {
        // Part of a millisecond counts as a whole one, as in HAProxy.
        Some(micros) if micros.div_ceil(1_000) <= TIME_MS_MAX => {
            Ok(Duration::from_millis(micros.div_ceil(1_000)))
        }
        _ => Err(format!("'{word}' is too long a time (24 days at most)")),
    }
}

/// A number in `range`.
pub fn number(what: &str, word: &str, range: std::ops::RangeInclusive<u32>) -> Result<u32, String> {
    match word.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(format!(
            "'{what}' wants a number from {} to {}, got '{word}'",
            range.start(),
            range.end()
        )),
    }
}

/// Where a server is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An address.
    Ip(IpAddr),
    /// A name to be resolved.
    Name(String),
}

/// `host[:port]` of a `server` line.
pub fn place(word: &str) -> Result<(Place, Option<u16>), String> {
    let word = ["ipv4@", "ipv6@"]
        .iter()
        .find_map(|prefix| word.strip_prefix(prefix))
        .unwrap_or(word);
    if word.contains('@') || word.starts_with('/') {
        return Err(format!(
            "'{word}': only IP addresses and names are supported by squall"
        ));
    }
    if let Some(rest) = word.strip_prefix('[') {
        let (ip, rest) = rest
            .split_once(']')
            .ok_or(format!("'{word}' lacks a ']'"))?;
        let ip: Ipv6Addr = ip
            .parse()
            .map_err(|_| format!("'{ip}' is no IPv6 address"))?;
        let port = match rest {
            "" => None,
            rest => Some(port(rest.strip_prefix(':').unwrap_or(rest))?),
        };
        return Ok((Place::Ip(ip.into()), port));
    }
    if let Ok(ip) = word.parse::<IpAddr>() {
        return Ok((Place::Ip(ip), None));
    }
    let (host, port) = match word.rsplit_once(':') {
        Some((host, digits)) => (host, Some(port(digits)?)),
        None => (word, None),
    };
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok((Place::Ip(ip), port));
    }
    let sound = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if host.is_empty() || host.len() > 255 || !host.chars().all(sound) {
        return Err(format!("'{host}' is neither an address nor a name"));
    }
    Ok((Place::Name(host.to_owned()), port))
}

/// `address:port` of a `bind` line: `*:80`, `:80`, `1.2.3.4:80`, `[::]:80`, `:::80`.
pub fn listen_address(word: &str) -> Result<SocketAddr, String> {
    if word.contains('@') && !word.starts_with("ipv4@") && !word.starts_with("ipv6@")
        || word.starts_with('/')
    {
        return Err(format!(
            "'{word}': only IP addresses are supported by squall"
        ));
    }
    let bare = word.trim_start_matches("ipv4@").trim_start_matches("ipv6@");
    let (host, digits) = bare
        .rsplit_once(':')
        .ok_or(format!("'{word}' has no port; write address:port"))?;
    if digits.contains('-') {
        return Err(format!("'{word}': port ranges are not supported by squall"));
    }
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let ip: IpAddr = match host {
        "" | "*" => Ipv4Addr::UNSPECIFIED.into(),
        "localhost" => Ipv4Addr::LOCALHOST.into(),
        host => host.parse().map_err(|_| {
            format!("'{host}' is no address to listen on; write an IP address or *")
        })?,
    };
    Ok(SocketAddr::new(ip, port(digits)?))
}

/// A TCP or UDP port.
pub fn port(word: &str) -> Result<u16, String> {
    word.parse()
        .map_err(|_| format!("'{word}' is not a port (0 to 65535)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        let cases = [
            ("10s", 10_000),
            ("2000", 2_000),
            ("1m", 60_000),
            ("100us", 1),
            ("0", 0),
        ];
        for (word, ms) in cases {
            assert_eq!(time(word), Ok(Duration::from_millis(ms)), "{word}");
        }
        for word in ["", "s", "1.5s", "-1", "1w", "99999999999d"] {
            assert!(time(word).is_err(), "{word}");
        }
    }

    #[test]
    fn addresses() {
        assert_eq!(
            listen_address("*:5432"),
            Ok("0.0.0.0:5432".parse().unwrap())
        );
        assert_eq!(listen_address(":80"), Ok("0.0.0.0:80".parse().unwrap()));
        assert_eq!(listen_address(":::80"), Ok("[::]:80".parse().unwrap()));
        assert_eq!(listen_address("[::1]:80"), Ok("[::1]:80".parse().unwrap()));
        assert!(listen_address("80").is_err());
        assert!(listen_address("/run/s.sock").is_err());
        assert_eq!(place("db:5432"), Ok((Place::Name("db".into()), Some(5432))));
        assert_eq!(
            place("10.0.0.1"),
            Ok((Place::Ip([10, 0, 0, 1].into()), None))
        );
        assert!(place("db:99999").is_err());
        assert!(place("a b").is_err());
    }
}
