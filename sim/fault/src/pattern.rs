//! What the patterns in rules mean: for paths of files, and for text.
//!
//! `?` stands for one character, `*` for any number of them. In paths of files neither stands for
//! `/`, and `**` stands for any number of folders (Chaos Mesh's toda matches with the crate `glob`
//! and literal separators); in text nothing is special about `/` (its HTTP proxy matches with the
//! crate `wildmatch`). Deliberately absent: sets (`[a-z]`), alternatives, escapes.

/// Whether a file's path matches.
pub fn path(pattern: &str, path: &str) -> bool {
    matches(pattern.as_bytes(), path.as_bytes(), true)
}

/// Whether text matches: a URL's path, a name.
pub fn text(pattern: &str, text: &str) -> bool {
    matches(pattern.as_bytes(), text.as_bytes(), false)
}

/// Goes back to the last star only, so that the time is at most the product of the lengths; a `**`
/// before a `*` is gone back to when that one has failed.
fn matches(pattern: &[u8], text: &[u8], is_path: bool) -> bool {
    let (mut p, mut t) = (0, 0);
    // Where to take up again: the pattern after the star, and what the star has not eaten yet.
    let mut star: Option<(usize, usize)> = None;
    let mut stars: Option<(usize, usize)> = None;
    loop {
        if is_path && pattern[p..].starts_with(b"**") {
            p += 2;
            // `**/` stands for whole folders, and for none.
            if pattern.get(p) == Some(&b'/') && is_start(text, t) {
                p += 1;
            }
            (stars, star) = (Some((p, t)), None);
            continue;
        }
        match (pattern.get(p), text.get(t)) {
            (Some(b'*'), _) => {
                p += 1;
                star = Some((p, t));
                continue;
            }
            (Some(b'?'), Some(byte)) if !(is_path && *byte == b'/') => {
                p += 1;
                t = next_character(text, t);
                continue;
            }
            (Some(expected), Some(byte)) if expected == byte => {
                (p, t) = (p + 1, t + 1);
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        if let Some((after, eaten)) = star
            && let Some(byte) = text.get(eaten)
            && !(is_path && *byte == b'/')
        {
            star = Some((after, eaten + 1));
            (p, t) = (after, eaten + 1);
        } else if let Some((after, eaten)) = stars
            && let Some(next) = (eaten + 1..=text.len())
                .find(|next| !pattern[..after].ends_with(b"**/") || is_start(text, *next))
        {
            (stars, star) = (Some((after, next)), None);
            (p, t) = (after, next);
        } else {
            return false;
        }
    }
}

/// Whether a name begins here.
fn is_start(path: &[u8], at: usize) -> bool {
    at == 0 || path[at - 1] == b'/'
}

fn next_character(text: &[u8], from: usize) -> usize {
    let rest = text[from + 1..]
        .iter()
        .take_while(|byte| **byte & 0xc0 == 0x80);
    from + 1 + rest.count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        for (pattern, matching, other) in [
            ("/data/log", "/data/log", "/data/log2"),
            ("/data/*", "/data/log", "/data/a/log"),
            ("/data/*.log", "/data/a.log", "/data/a.logs"),
            ("/data/**", "/data/a/b/log", "/dat"),
            ("/data/**/*", "/data/log", "/other/log"),
            ("/data/**/*", "/data/a/b/log", "/data"),
            ("/**/log", "/log", "/a/log2"),
            ("/**/log", "/a/b/log", "/alog"),
            ("**/wal-*/?", "/x/wal-7/a", "/x/wal-7/ab"),
            ("/wal-?", "/wal-ü", "/wal-/"),
            ("", "", "/"),
        ] {
            assert!(path(pattern, matching), "{pattern} {matching}");
            assert!(!path(pattern, other), "{pattern} {other}");
        }
    }

    #[test]
    fn texts() {
        for (pattern, matching, other) in [
            ("/api/*", "/api/a/b", "/ap"),
            ("*", "/anything/at/all", ""),
            ("/a*b*c", "/a1b2b3c", "/a1b2b3"),
            ("db-?.example.*", "db-1.example.org", "db-.example.org"),
        ] {
            assert!(text(pattern, matching), "{pattern} {matching}");
            assert!(pattern == "*" || !text(pattern, other), "{pattern} {other}");
        }
        let hostile = "*a".repeat(60) + "b";
        assert!(!text(&hostile, &"a".repeat(5_000)), "and quickly");
    }
}
