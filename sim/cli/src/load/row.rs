//! The line of a request: `[01] 12:00:00 | backend=… | db=… | body=…`.

use std::io::{self, Write};
use std::time::{SystemTime, UNIX_EPOCH};

/// The longest body that is shown, in bytes.
const BODY_BYTES_MAX: usize = 4096;

/// What is known of a request.
pub(super) struct Row<'a> {
    /// From 1.
    pub(super) number: u64,
    /// When it was sent.
    pub(super) at: SystemTime,
    pub(super) backend: Option<&'a str>,
    pub(super) database: Option<&'a str>,
    pub(super) body: &'a str,
}

impl Row<'_> {
    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let seconds = self.at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let of_day = seconds.as_secs() % 86_400;
        writeln!(
            out,
            "[{:02}] {:02}:{:02}:{:02} | backend={} | db={} | body={}",
            self.number,
            of_day / 3600,
            of_day / 60 % 60,
            of_day % 60,
            self.backend.unwrap_or("unknown"),
            self.database.unwrap_or("unknown"),
            on_one_line(self.body)
        )
    }
}

/// The body without line ends, without what would move a terminal's cursor, and not too long.
fn on_one_line(body: &str) -> String {
    let body = &body[..body.floor_char_boundary(BODY_BYTES_MAX)];
    let lines: Vec<&str> = body
        .split(['\r', '\n'])
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect();
    lines.join(" ").replace(char::is_control, "")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn line(row: &Row<'_>) -> String {
        let mut out = Vec::new();
        row.write(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_is_the_script_s_to_the_byte() {
        let row = Row {
            number: 1,
            at: UNIX_EPOCH + Duration::from_secs(86_400 + 3_723),
            backend: Some("10.42.2.8:8000, 10.42.0.11:8000"),
            database: Some("pg2"),
            body: "{\"users\":3,\"pod\":\"backend-1\"}\n",
        };
        assert_eq!(
            line(&row),
            "[01] 01:02:03 | backend=10.42.2.8:8000, 10.42.0.11:8000 | db=pg2 | body={\"users\":3,\"pod\":\"backend-1\"}\n"
        );
    }

    #[test]
    fn a_page_becomes_one_line_and_moves_no_cursor() {
        let row = Row {
            number: 112,
            at: UNIX_EPOCH,
            backend: None,
            database: None,
            body: "<html>\r\n  <h1>502 Bad Gateway</h1>\r\n\u{1b}[2J</html>",
        };
        assert_eq!(
            line(&row),
            "[112] 00:00:00 | backend=unknown | db=unknown | body=<html> <h1>502 Bad Gateway</h1> [2J</html>\n"
        );
    }
}
