//! Numbers with units, as nginx writes them (`ngx_parse.c`), and `on`/`off`.

use std::time::Duration;

/// A time such as `500ms`, `10s`, `1m`, `1h 30m`; a bare number is seconds.
pub(crate) fn time(text: &str) -> Option<Duration> {
    // From the largest to the smallest; each unit at most once, as nginx demands.
    const UNITS: [(&str, u64); 8] = [
        ("y", 365 * 86_400_000),
        ("M", 30 * 86_400_000),
        ("w", 7 * 86_400_000),
        ("d", 86_400_000),
        ("h", 3_600_000),
        ("m", 60_000),
        ("s", 1_000),
        ("ms", 1),
    ];
    let mut rest = text;
    let mut allowed = &UNITS[..];
    let mut total_ms: u64 = 0;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let value: u64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let unit = if letters == 0 { "s" } else { &rest[..letters] };
        let at = allowed.iter().position(|(name, _)| *name == unit)?;
        total_ms = total_ms.checked_add(value.checked_mul(allowed[at].1)?)?;
        allowed = &allowed[at + 1..];
        rest = rest[letters..].trim_start_matches(' ');
    }
    (total_ms <= i64::MAX as u64).then(|| Duration::from_millis(total_ms))
}

/// A size such as `1024`, `8k`, `1m`, `1g`, in bytes.
pub(crate) fn size_bytes(text: &str) -> Option<u64> {
    let (digits, factor) = match text.as_bytes().last()? {
        b'k' | b'K' => (&text[..text.len() - 1], 1 << 10),
        b'm' | b'M' => (&text[..text.len() - 1], 1 << 20),
        b'g' | b'G' => (&text[..text.len() - 1], 1 << 30),
        _ => (text, 1),
    };
    number(digits)?.checked_mul(factor)
}

/// A number without sign.
pub(crate) fn number(text: &str) -> Option<u64> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        assert_eq!(time("10"), Some(Duration::from_secs(10)));
        assert_eq!(time("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(time("1h 30m"), Some(Duration::from_secs(5400)));
        assert_eq!(time("1m30s"), Some(Duration::from_secs(90)));
        for bad in [
            "",
            "s",
            "-1",
            "1x",
            "1s1h",
            "1s 1s",
            "99999999999999999999",
            "1.5s",
        ] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(size_bytes("8k"), Some(8192));
        assert_eq!(size_bytes("1M"), Some(1 << 20));
        assert_eq!(size_bytes("0"), Some(0));
        for bad in ["", "k", "-1", "1kb", "99999999999999999999g"] {
            assert_eq!(size_bytes(bad), None, "{bad}");
        }
    }
}
