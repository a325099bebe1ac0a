//! The text of `haproxy.cfg` as lines of words: quotes, escapes, comments and environment variables
//! are resolved here (configuration.txt 2.2 and 2.3), and every line keeps its place.
//!
//! Deliberately absent: `.if` blocks and macros, which [`crate::config`] refuses by name.

use std::collections::BTreeMap;

use squall_host::diagnostic::{Diagnostic, Origin};
use squall_host::launch::Text;

/// Words that one line may have (HAProxy's `MAX_LINE_ARGS`).
pub const WORDS_MAX: usize = 64;

/// One line that is neither empty nor a comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Its place.
    pub origin: Origin,
    /// Never empty.
    pub words: Vec<String>,
}

/// Splits a file; complaints go to `diagnostics` and their lines are left out.
pub fn lines(
    text: &Text,
    env: &BTreeMap<String, String>,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<Line> {
    let mut lines = Vec::new();
    for (index, line) in text.content.lines().enumerate() {
        let number = u32::try_from(index).unwrap_or(u32::MAX - 1) + 1;
        let origin = Origin::new(text.shown_as.clone(), number);
        match words(line, env) {
            Ok(words) if words.is_empty() => {}
            Ok(words) if words.len() > WORDS_MAX => diagnostics.push(Diagnostic::at(
                origin,
                format!("line too long: more than {WORDS_MAX} words"),
            )),
            Ok(words) => lines.push(Line { origin, words }),
            Err(message) => diagnostics.push(Diagnostic::at(origin, message)),
        }
    }
    lines
}

/// The words of one line.
fn words(line: &str, env: &BTreeMap<String, String>) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut chars = line.chars().peekable();
    let mut quote: Option<char> = None;
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some('\''), '\'') | (Some('"'), '"') => quote = None,
            (Some('\''), c) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') => break,
            (None, c) if c.is_ascii_whitespace() => words.extend(word.take()),
            (_, '\\') => {
                let word = word.get_or_insert_default();
                escape(&mut chars, word, quote.is_some())?;
            }
            (Some(_), '$') => {
                let name = variable(&mut chars)?;
                let value = env.get(&name).map_or("", String::as_str);
                word.get_or_insert_default().push_str(value);
            }
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    if let Some(quote) = quote {
        return Err(format!("unmatched quote {quote}"));
    }
    words.extend(word);
    Ok(words)
}

type Chars<'a> = std::iter::Peekable<std::str::Chars<'a>>;

fn escape(chars: &mut Chars<'_>, word: &mut String, quoted: bool) -> Result<(), String> {
    match chars.next() {
        Some(c @ (' ' | '#' | '\\' | '\'' | '"' | '$')) => word.push(c),
        Some('n') => word.push('\n'),
        Some('r') => word.push('\r'),
        Some('t') => word.push('\t'),
        Some('x') if !quoted => {
            let mut code = 0;
            for _ in 0..2 {
                let digit = chars.next().and_then(|c| c.to_digit(16));
                code = code * 16 + digit.ok_or("\\x wants two hexadecimal digits")?;
            }
            word.push(char::from_u32(code).ok_or("\\x: no such character")?);
        }
        Some(c) => {
            word.push('\\');
            word.push(c);
        }
        None => return Err("a line cannot end with a backslash".to_owned()),
    }
    Ok(())
}

fn variable(chars: &mut Chars<'_>) -> Result<String, String> {
    let braced = chars.next_if_eq(&'{').is_some();
    let mut name = String::new();
    while let Some(c) = chars.next_if(|c| c.is_ascii_alphanumeric() || *c == '_') {
        name.push(c);
    }
    if braced && chars.next().is_none_or(|c| c != '}') {
        return Err(format!("'${{{name}' is not closed by '}}'"));
    }
    if name.is_empty() {
        return Err("'$' without the name of a variable; write \\$ for the character".to_owned());
    }
    Ok(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn split(line: &str) -> Result<Vec<String>, String> {
        let env = BTreeMap::from([("PORT".to_owned(), "5432".to_owned())]);
        words(line, &env)
    }

    #[test]
    fn quotes_escapes_comments_and_variables() {
        let cases: &[(&str, &[&str])] = &[
            ("  bind *:5432  # comment", &["bind", "*:5432"]),
            ("a\\ b \\#c", &["a b", "#c"]),
            ("'a $PORT' \"b ${PORT} $PORT\"", &["a $PORT", "b 5432 5432"]),
            ("x '' y", &["x", "", "y"]),
            ("send \\x41\\r\\n", &["send", "A\r\n"]),
            ("$PORT", &["$PORT"]),
        ];
        for (line, expected) in cases {
            assert_eq!(
                split(line).as_deref(),
                Ok(*expected)
                    .map(|w| w.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>())
                    .as_deref(),
                "{line}"
            );
        }
    }

    #[test]
    fn open_quotes_and_braces_are_refused() {
        for line in ["a 'b", "a \"b", "\"${PORT\"", "a\\", "\\x4", "\"$\""] {
            assert!(split(line).is_err(), "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_line_panics(line in "\\PC*") {
            let _ = split(&line);
        }
    }
}
