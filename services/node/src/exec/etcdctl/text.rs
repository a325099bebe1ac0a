//! JSON, sizes and times as Go writes them.

use std::fmt::Write as _;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use etcd_client::{KeyValue, ResponseHeader};

/// A JSON object in the order of its fields; empty ones are left out, as Go's `omitempty` does.
#[derive(Default)]
pub(super) struct Object(Vec<String>);

impl Object {
    pub(super) fn number(self, name: &str, number: impl Into<i128>) -> Self {
        let number = number.into();
        match number {
            0 => self,
            number => self.raw(name, number.to_string()),
        }
    }

    pub(super) fn flag(self, name: &str, flag: bool) -> Self {
        match flag {
            true => self.raw(name, "true"),
            false => self,
        }
    }

    pub(super) fn text(self, name: &str, text: &str) -> Self {
        match text {
            "" => self,
            text => self.raw(name, quoted(text)),
        }
    }

    pub(super) fn bytes(self, name: &str, bytes: &[u8]) -> Self {
        let text = STANDARD.encode(bytes);
        self.text(name, &text)
    }

    pub(super) fn list(self, name: &str, items: &[String]) -> Self {
        match items {
            [] => self,
            items => self.raw(name, format!("[{}]", items.join(","))),
        }
    }

    pub(super) fn header(self, header: Option<&ResponseHeader>) -> Self {
        let Some(header) = header else { return self };
        let object = Self::default()
            .number("cluster_id", header.cluster_id())
            .number("member_id", header.member_id())
            .number("revision", header.revision())
            .number("raft_term", header.raft_term());
        self.raw("header", object.done())
    }

    pub(super) fn keys(self, name: &str, kvs: &[KeyValue]) -> Self {
        let each = kvs.iter().map(|kv| {
            Self::default()
                .bytes("key", kv.key())
                .number("create_revision", kv.create_revision())
                .number("mod_revision", kv.mod_revision())
                .number("version", kv.version())
                .bytes("value", kv.value())
                .number("lease", kv.lease())
                .done()
        });
        self.list(name, &each.collect::<Vec<_>>())
    }

    /// A field with its value as it is.
    pub(super) fn raw(mut self, name: &str, value: impl std::fmt::Display) -> Self {
        self.0.push(format!("\"{name}\":{value}"));
        self
    }

    pub(super) fn done(self) -> String {
        format!("{{{}}}", self.0.join(","))
    }
}

pub(super) fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c < ' ' => _ = write!(quoted, "\\u{:04x}", c as u32),
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

/// 20 kB, 1.5 MB (dustin/go-humanize, `Bytes`).
pub(super) fn size(bytes: i64) -> String {
    let mut value = bytes.max(0) as f64;
    if value < 10.0 {
        return format!("{value:.0} B");
    }
    let mut units = ["B", "kB", "MB", "GB", "TB", "PB", "EB"].into_iter();
    let mut unit = units.next().unwrap_or_default();
    for next in units {
        if value < 1_000.0 {
            break;
        }
        value /= 1_000.0;
        unit = next;
    }
    let value = (value * 10.0 + 0.5).floor() / 10.0;
    match value < 10.0 {
        true => format!("{value:.1} {unit}"),
        false => format!("{value:.0} {unit}"),
    }
}

/// 1.284365ms, 2.5s, 1m2.5s (Go, `Duration.String`).
pub(super) fn time(time: Duration) -> String {
    let ns = time.as_nanos();
    let part = |unit: u128, name: &str| {
        let fraction = format!("{:09}", (ns % unit) * (1_000_000_000 / unit));
        let fraction = fraction.trim_end_matches('0');
        let dot = if fraction.is_empty() { "" } else { "." };
        format!("{}{dot}{fraction}{name}", ns / unit)
    };
    match ns {
        0 => "0s".to_owned(),
        1..1_000 => format!("{ns}ns"),
        1_000..1_000_000 => part(1_000, "µs"),
        1_000_000..1_000_000_000 => part(1_000_000, "ms"),
        1_000_000_000..60_000_000_000 => part(1_000_000_000, "s"),
        _ => {
            let minutes = time.as_secs() / 60;
            let rest = time - Duration::from_secs(minutes * 60);
            let rest = if rest.is_zero() {
                "0s".to_owned()
            } else {
                self::time(rest)
            };
            format!("{minutes}m{rest}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_written_as_go_writes_them() {
        for (bytes, text) in [
            (0, "0 B"),
            (9, "9 B"),
            (10, "10 B"),
            (20_480, "20 kB"),
            (1_500, "1.5 kB"),
            (9_990, "10 kB"),
            (25_000_000, "25 MB"),
        ] {
            assert_eq!(size(bytes), text, "{bytes}");
        }
        for (ns, text) in [
            (1_284_365, "1.284365ms"),
            (1_000_000, "1ms"),
            (12_000, "12µs"),
            (2_500_000_000, "2.5s"),
            (62_500_000_000, "1m2.5s"),
        ] {
            assert_eq!(time(Duration::from_nanos(ns)), text);
        }
    }

    #[test]
    fn json_has_its_fields_in_order_and_no_empty_ones() {
        let object = Object::default()
            .text("b", "x\"y")
            .number("zero", 0)
            .bytes("a", b"key");
        assert_eq!(object.done(), r#"{"b":"x\"y","a":"a2V5"}"#);
    }
}
