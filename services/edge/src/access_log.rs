//! Lines of `access_log`: one for each request, to standard output.

use std::fmt::Write;

use crate::app::App;
use crate::config::log::Escape;
use crate::request::Request;
use crate::template::Part;

impl App {
    /// Writes the lines that the request's location asks for.
    pub(crate) fn log(&self, request: &Request) {
        for log in request.location.settings.access_logs.iter() {
            if let Some(condition) = &log.condition
                && !self.holds(condition, request)
            {
                continue;
            }
            let mut line = String::with_capacity(160);
            let mut value = String::new();
            for part in log.format.template.parts() {
                match part {
                    Part::Text(text) => line.push_str(text),
                    Part::Variable(variable) => {
                        value.clear();
                        let found = self.value(variable, request, &mut value, 0);
                        match log.format.escape {
                            Escape::Default if !found => line.push('-'),
                            Escape::Default => escape(&value, &mut line),
                            Escape::Json => escape_json(&value, &mut line),
                            Escape::None => line.push_str(&value),
                        }
                    }
                }
            }
            self.host.out.line(&line);
        }
    }
}

fn escape(value: &str, line: &mut String) {
    let plain = |b: u8| (0x20..0x7f).contains(&b) && b != b'"' && b != b'\\';
    if value.bytes().all(plain) {
        return line.push_str(value);
    }
    for byte in value.bytes() {
        if plain(byte) {
            line.push(char::from(byte));
        } else {
            let _ = write!(line, "\\x{byte:02X}");
        }
    }
}

fn escape_json(value: &str, line: &mut String) {
    for c in value.chars() {
        match c {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            '\u{8}' => line.push_str("\\b"),
            '\u{c}' => line.push_str("\\f"),
            c if c < ' ' => {
                let _ = write!(line, "\\u{:04X}", c as u32);
            }
            c => line.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_breaks_out_of_a_line() {
        let mut line = String::new();
        escape("a\"b\\c\nd\u{e9}", &mut line);
        assert_eq!(line, "a\\x22b\\x5Cc\\x0Ad\\xC3\\xA9");
        line.clear();
        escape_json("a\"\n\u{1}", &mut line);
        assert_eq!(line, "a\\\"\\n\\u0001");
    }
}
