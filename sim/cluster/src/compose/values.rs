//! The small languages inside Compose's values: durations, sizes, command lines, env files.

use std::collections::BTreeMap;
use std::time::Duration;

/// A Go duration: `1m30s`, `1.5s`, `500ms`. The error says what was expected.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || format!("`{text}` is no duration; write one as `10s`, `1m30s`, `500ms`");
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err(bad());
    }
    let mut total_s = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(bad)?;
        let number: f64 = rest[..digits].parse().map_err(|_| bad())?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(rest.len());
        total_s += number
            * match &rest[..letters] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 1e-3,
                "us" | "µs" => 1e-6,
                "ns" => 1e-9,
                _ => return Err(bad()),
            };
        rest = &rest[letters..];
    }
    // A float holds no nanosecond of an hour exactly; microseconds it does.
    Duration::try_from_secs_f64((total_s * 1e6).round() / 1e6).map_err(|_| bad())
}

/// A size in bytes: `512m`, `1gb`, `64k`, `1024`.
pub(crate) fn size_bytes(text: &str) -> Result<u64, String> {
    let bad = || format!("`{text}` is no size; write one as `512m`, `1g` or a number of bytes");
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(lower.len());
    let number: f64 = lower[..digits].parse().map_err(|_| bad())?;
    let factor: f64 = match lower[digits..].trim() {
        "" | "b" => 1.0,
        "k" | "kb" | "kib" => 1024.0,
        "m" | "mb" | "mib" => 1024.0 * 1024.0,
        "g" | "gb" | "gib" => 1024.0 * 1024.0 * 1024.0,
        "t" | "tb" | "tib" => 1024.0 * 1024.0 * 1024.0 * 1024.0,
        _ => return Err(bad()),
    };
    let bytes = number * factor;
    if !bytes.is_finite() || bytes > 9e18 {
        return Err(bad());
    }
    // Checked above: finite, not negative, below 2^63.
    Ok(bytes as u64)
}

/// Splits a command line at blanks, honouring quotes and backslashes, running nothing.
pub(crate) fn words(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('\'') => break,
                        Some(c) => word.push(c),
                        None => return Err(format!("`{text}`: a quote ' is not closed")),
                    }
                }
            }
            '"' => {
                let word = word.get_or_insert_default();
                loop {
                    match chars.next() {
                        Some('"') => break,
                        Some('\\') => match chars.next() {
                            Some(c @ ('"' | '\\' | '$' | '`')) => word.push(c),
                            Some('\n') => {}
                            Some(c) => word.extend(['\\', c]),
                            None => return Err(format!("`{text}` ends with a backslash")),
                        },
                        Some(c) => word.push(c),
                        None => return Err(format!("`{text}`: a quote \" is not closed")),
                    }
                }
            }
            '\\' => match chars.next() {
                Some('\n') => {}
                Some(c) => word.get_or_insert_default().push(c),
                None => return Err(format!("`{text}` ends with a backslash")),
            },
            c if c.is_whitespace() => words.extend(word.take()),
            c => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    Ok(words)
}

/// One line of an env file that is not good, from 1, and why.
pub(crate) type BadLine = (u32, String);

/// Reads a `.env` file or an `env_file:`. A key without `=` gets its value from `outer`.
/// Single quotes take text as it is, double quotes know `\n` and its kin, `#` after a blank starts
/// a comment. Values may name variables that are above them or in `outer`.
pub(crate) fn env_file(
    text: &str,
    outer: &BTreeMap<String, String>,
) -> Result<BTreeMap<String, String>, BadLine> {
    let mut values = BTreeMap::new();
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line).trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((key, value)) = line.split_once('=') else {
            if let Some(value) = outer.get(line) {
                values.insert(line.to_owned(), value.clone());
            }
            continue;
        };
        let key = key.trim_end();
        if key.is_empty() || key.contains(char::is_whitespace) {
            return Err((number, format!("`{key}` is no name of a variable")));
        }
        let mut visible = values.clone();
        visible.extend(outer.iter().map(|(k, v)| (k.clone(), v.clone())));
        let value = env_value(value.trim(), &visible).map_err(|message| (number, message))?;
        values.insert(key.to_owned(), value);
    }
    Ok(values)
}

fn env_value(value: &str, visible: &BTreeMap<String, String>) -> Result<String, String> {
    if let Some(inner) = value.strip_prefix('\'') {
        return match inner.find('\'') {
            Some(end) => Ok(inner[..end].to_owned()),
            None => Err("a quote ' is not closed on its line".to_owned()),
        };
    }
    let interpolated = |text: &str| super::interpolate::interpolate(text, visible).map(|r| r.text);
    if let Some(inner) = value.strip_prefix('"') {
        let mut text = String::new();
        let mut chars = inner.chars();
        loop {
            match chars.next() {
                Some('"') => return interpolated(&text),
                Some('\\') => match chars.next() {
                    Some('n') => text.push('\n'),
                    Some('r') => text.push('\r'),
                    Some('t') => text.push('\t'),
                    Some('$') => text.push_str("$$"),
                    Some(c) => text.push(c),
                    None => break,
                },
                Some(c) => text.push(c),
                None => break,
            }
        }
        return Err("a quote \" is not closed on its line".to_owned());
    }
    let bare = match value.find(" #") {
        Some(comment) => value[..comment].trim_end(),
        None => value,
    };
    interpolated(bare)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_gos() {
        for (text, ms) in [
            ("10s", 10_000),
            ("1m30s", 90_000),
            ("1.5s", 1500),
            ("500ms", 500),
            ("2h", 7_200_000),
            ("0", 0),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in [
            "",
            "10",
            "s",
            "1x",
            "-1s",
            "1..5s",
            "1s5",
            "99999999999999999999h",
        ] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_binary() {
        for (text, bytes) in [
            ("512m", 512 << 20),
            ("1.5G", 3 << 29),
            ("64kb", 64 << 10),
            ("1024", 1024),
        ] {
            assert_eq!(size_bytes(text), Ok(bytes), "{text}");
        }
        for text in ["", "m", "-1", "1x", "9e99", "99999999999999999999t"] {
            assert!(size_bytes(text).is_err(), "{text}");
        }
    }

    #[test]
    fn command_lines_split_as_a_shell_splits_them() {
        for (text, expected) in [
            ("nginx -g 'daemon off;'", vec!["nginx", "-g", "daemon off;"]),
            ("a \"b \\\" c\"d e\\ f ''", vec!["a", "b \" cd", "e f", ""]),
            ("  ", vec![]),
        ] {
            assert_eq!(words(text).unwrap(), expected, "{text}");
        }
        for text in ["'a", "\"a", "a\\"] {
            assert!(words(text).is_err(), "{text}");
        }
    }

    #[test]
    fn env_files_are_read() {
        let outer = BTreeMap::from([("HOME".to_owned(), "/h".to_owned())]);
        let text = "# c\nA=1\nexport B = two words # c\nC='a $A # b'\nD=\"x\\n$A\"\nE=${A}-${HOME}\nHOME\nNONE\nF=\nG=a#b\n";
        let values = env_file(text, &outer).unwrap();
        let expected = [
            ("A", "1"),
            ("B", "two words"),
            ("C", "a $A # b"),
            ("D", "x\n1"),
            ("E", "1-/h"),
            ("F", ""),
            ("G", "a#b"),
            ("HOME", "/h"),
        ];
        let expected: BTreeMap<String, String> =
            expected.map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        assert_eq!(values, expected);
        assert_eq!(env_file("A=1\nB='x\n", &outer).unwrap_err().0, 2);
        assert_eq!(env_file("a b=1\n", &outer).unwrap_err().0, 1);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in ".{0,40}") {
            let _ = duration(&text);
            let _ = size_bytes(&text);
            let _ = words(&text);
            let _ = env_file(&text, &BTreeMap::new());
        }
    }
}
