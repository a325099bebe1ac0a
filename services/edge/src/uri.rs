//! Request paths as nginx sees them: decoded, dots resolved, slashes merged; and encoded again for
//! an upstream.

use std::borrow::Cow;
use std::fmt::Write;

/// The path that locations are matched against; `None` if it is no path at all (`400`).
pub(crate) fn normalize(raw: &str, merge_slashes: bool) -> Option<Cow<'_, str>> {
    if !raw.starts_with('/') {
        return None;
    }
    let unusual = raw.contains('%') || raw.contains("/.") || (merge_slashes && raw.contains("//"));
    if !unusual {
        return Some(Cow::Borrowed(raw));
    }
    let bytes = raw.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] == b'%' {
            let digits = raw.get(at + 1..at + 3)?;
            if !digits.bytes().all(|b| b.is_ascii_hexdigit()) {
                return None;
            }
            let byte = u8::from_str_radix(digits, 16).ok()?;
            if byte == 0 {
                return None;
            }
            decoded.push(byte);
            at += 3;
        } else {
            decoded.push(bytes[at]);
            at += 1;
        }
    }
    let mut out: Vec<u8> = Vec::with_capacity(decoded.len());
    let mut segments = decoded[1..].split(|b| *b == b'/').peekable();
    while let Some(segment) = segments.next() {
        let last = segments.peek().is_none();
        match segment {
            b"" if merge_slashes && !last => {}
            b"." if last => out.push(b'/'),
            b"." => {}
            b".." => {
                // Above the root there is nothing.
                let parent = out.iter().rposition(|b| *b == b'/')?;
                out.truncate(parent);
                if last {
                    out.push(b'/');
                }
            }
            segment => {
                if !(segment.is_empty() && merge_slashes && out.ends_with(b"/")) {
                    out.push(b'/');
                }
                out.extend_from_slice(segment);
            }
        }
    }
    if out.is_empty() {
        out.push(b'/');
    }
    // What is no UTF-8 cannot name a location of the configuration, which is text.
    Some(Cow::Owned(String::from_utf8_lossy(&out).into_owned()))
}

/// Encodes a decoded path for a request line (nginx's `NGX_ESCAPE_URI`).
pub(crate) fn escape(path: &str, out: &mut String) {
    for byte in path.bytes() {
        match byte {
            0..=b' '
            | b'"'
            | b'#'
            | b'%'
            | b'<'
            | b'>'
            | b'?'
            | b'\\'
            | b'^'
            | b'`'
            | b'{'
            | b'|'
            | b'}'
            | 0x7f.. => {
                let _ = write!(out, "%{byte:02X}");
            }
            byte => out.push(char::from(byte)),
        }
    }
}

/// The value of one argument of a query string, as it stands there.
pub(crate) fn argument<'a>(args: &'a str, name: &str) -> Option<&'a str> {
    args.split('&').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.eq_ignore_ascii_case(name).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn normal(raw: &str) -> Option<String> {
        normalize(raw, true).map(Cow::into_owned)
    }

    #[test]
    fn paths_are_resolved() {
        for (raw, expected) in [
            ("/", "/"),
            ("/a/b", "/a/b"),
            ("/a//b///c", "/a/b/c"),
            ("//", "/"),
            ("/a/", "/a/"),
            ("/a//", "/a/"),
            ("/a/./b/.", "/a/b/"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a/..", "/"),
            ("/a%20b%2Fc", "/a b/c"),
            ("/%2e%2e", ""),
            ("/..", ""),
            ("/a%2", ""),
            ("/a%zz", ""),
            ("/%00", ""),
            ("a", ""),
            ("*", ""),
        ] {
            let expected = (!expected.is_empty()).then(|| expected.to_owned());
            assert_eq!(normal(raw), expected, "{raw}");
        }
        assert_eq!(normalize("/a//b", false).as_deref(), Some("/a//b"));
    }

    #[test]
    fn escaping() {
        let mut out = String::new();
        escape("/a b/é?#%", &mut out);
        assert_eq!(out, "/a%20b/%C3%A9%3F%23%25");
    }

    #[test]
    fn arguments() {
        assert_eq!(argument("a=1&B=2&c", "b"), Some("2"));
        assert_eq!(argument("a=1&b=2&c", "c"), None);
        assert_eq!(argument("", "c"), None);
    }

    proptest::proptest! {
        #[test]
        fn no_path_leaves_the_root(raw in "[/.%a2eE0f]{0,30}") {
            if let Some(path) = normal(&raw) {
                proptest::prop_assert!(path.starts_with('/'));
                proptest::prop_assert!(!path.split('/').any(|s| s == ".."), "{}", path);
            }
        }
    }
}
