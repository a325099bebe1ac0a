//! A line's words and operators: quotes, `$VAR`, and redirections, of which those to `/dev/null` are
//! known.

use std::collections::BTreeMap;

/// A word before its variables are replaced.
#[derive(Clone, Debug, Default)]
pub(in super::super) struct Word(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Variable { name: String, default: String },
}

impl Word {
    /// The word with a digit for each variable, to see whether a command is understood.
    pub(in super::super) fn stand_in(&self) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.as_str(),
            Part::Variable { .. } => "1",
        });
        parts.collect()
    }

    pub(in super::super) fn replaced(&self, env: &BTreeMap<String, String>) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.as_str(),
            Part::Variable { name, default } => match env.get(name) {
                Some(value) if !value.is_empty() => value,
                _ => default,
            },
        });
        parts.collect()
    }

    /// `NAME=VALUE` taken apart.
    pub(super) fn assignment(&self) -> Option<(String, Self)> {
        let [Part::Text(first), rest @ ..] = &self.0[..] else {
            return None;
        };
        let (name, value) = first.split_once('=')?;
        let begins = name.starts_with(|c: char| c == '_' || c.is_ascii_alphabetic());
        let is_name = begins && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
        let value = std::iter::once(Part::Text(value.to_owned()));
        is_name.then(|| {
            (
                name.to_owned(),
                Self(value.chain(rest.iter().cloned()).collect()),
            )
        })
    }

    /// Whether it is this text, and no variable.
    pub(super) fn is(&self, text: &str) -> bool {
        matches!(&self.0[..], [Part::Text(own)] if own == text)
    }

    fn push(&mut self, c: char) {
        if let Some(Part::Text(text)) = self.0.last_mut() {
            text.push(c);
        } else {
            self.0.push(Part::Text(c.to_string()));
        }
    }
}

/// A part of a line.
pub(super) enum Token {
    Word(Word),
    Operator(&'static str),
    Redirection(Redirection),
}

/// Where what a command prints goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Redirection {
    /// `>/dev/null`
    OutputNowhere,
    /// `2>/dev/null`
    ErrorsNowhere,
    /// `2>&1`
    ErrorsToOutput,
    /// To where it goes anyway, as far as anybody sees here.
    Same,
}

/// Takes a line apart. The error says what this shell does not know.
pub(super) fn tokens(line: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut word: Option<Word> = None;
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        if let Some((after, redirections)) = redirection(rest, word.as_ref())? {
            // `2>` took a digit that is no word.
            word = None;
            tokens.extend(redirections.iter().copied().map(Token::Redirection));
            rest = after;
            continue;
        }
        let operator = ["&&", "||", "|", ";", "\n"]
            .into_iter()
            .find(|o| rest.starts_with(o));
        if let Some(operator) = operator {
            tokens.extend(word.take().map(Token::Word));
            tokens.push(Token::Operator(if operator == "\n" {
                ";"
            } else {
                operator
            }));
            rest = &rest[operator.len()..];
            continue;
        }
        rest = match c {
            ' ' | '\t' | '\r' => {
                tokens.extend(word.take().map(Token::Word));
                after
            }
            '\'' => {
                let (text, after) = after.split_once('\'').ok_or("a quote ' is not closed")?;
                let word = word.get_or_insert_default();
                word.0.push(Part::Text(text.to_owned()));
                after
            }
            '"' => quoted(after, word.get_or_insert_default())?,
            '$' => variable(after, word.get_or_insert_default())?,
            '\\' => {
                let escaped = after.chars().next().ok_or("a backslash at the end")?;
                word.get_or_insert_default().push(escaped);
                &after[escaped.len_utf8()..]
            }
            '`' | '(' | ')' | '&' | '<' | '{' | '}' => {
                return Err(format!("`{c}` is not known to this shell"));
            }
            '#' if word.is_none() => match after.split_once('\n') {
                Some((_, after)) => after,
                None => "",
            },
            c => {
                word.get_or_insert_default().push(c);
                after
            }
        };
    }
    tokens.extend(word.map(Token::Word));
    Ok(tokens)
}

/// What follows a redirection, when one begins here, and what it does.
fn redirection<'l>(
    rest: &'l str,
    word: Option<&Word>,
) -> Result<Option<(&'l str, &'static [Redirection])>, String> {
    use Redirection::{ErrorsNowhere, ErrorsToOutput, OutputNowhere, Same};
    let (after, both) = match rest.strip_prefix("&>") {
        Some(after) => (after, true),
        None => match rest.strip_prefix('>') {
            Some(after) => (after, false),
            None => return Ok(None),
        },
    };
    let before = word.map(Word::stand_in);
    if !matches!(before.as_deref(), None | Some("1" | "2")) {
        return Err("write a blank before `>`".to_owned());
    }
    let errors = before.as_deref() == Some("2");
    let after = after.strip_prefix('>').unwrap_or(after);
    let after = after.trim_start_matches([' ', '\t']);
    for (target, to_output, to_errors) in [
        ("/dev/null", &[OutputNowhere][..], &[ErrorsNowhere][..]),
        ("/dev/stdout", &[Same], &[ErrorsToOutput]),
        ("&1", &[Same], &[ErrorsToOutput]),
        ("/dev/stderr", &[Same], &[Same]),
        ("/proc/1/fd/1", &[Same], &[Same]),
        ("&2", &[Same], &[Same]),
    ] {
        if let Some(after) = after.strip_prefix(target) {
            let redirections = match both {
                true if target == "/dev/null" => &[OutputNowhere, ErrorsNowhere],
                _ if errors => to_errors,
                _ => to_output,
            };
            return Ok(Some((after, redirections)));
        }
    }
    Err("`>` leads to /dev/null alone here".to_owned())
}

fn quoted<'l>(mut rest: &'l str, word: &mut Word) -> Result<&'l str, String> {
    word.0.push(Part::Text(String::new()));
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        rest = match c {
            '"' => return Ok(after),
            '$' => variable(after, word)?,
            '`' => return Err("command substitution is not known to this shell".to_owned()),
            '\\' => match after.chars().next() {
                Some(c @ ('"' | '\\' | '$' | '`')) => {
                    word.push(c);
                    &after[1..]
                }
                _ => {
                    word.push('\\');
                    after
                }
            },
            c => {
                word.push(c);
                after
            }
        };
    }
    Err("a quote \" is not closed".to_owned())
}

/// `NAME`, `{NAME}`, `{NAME:-default}` after a `$`; a lone `$` is itself.
fn variable<'l>(rest: &'l str, word: &mut Word) -> Result<&'l str, String> {
    if rest.starts_with('(') {
        return Err("command substitution is not known to this shell".to_owned());
    }
    let name_of = |text: &str| -> usize {
        text.find(|c: char| c != '_' && !c.is_ascii_alphanumeric())
            .unwrap_or(text.len())
    };
    let Some(inner) = rest.strip_prefix('{') else {
        let end = name_of(rest);
        if end == 0 || rest.starts_with(|c: char| c.is_ascii_digit()) {
            word.push('$');
            return Ok(rest);
        }
        word.0.push(Part::Variable {
            name: rest[..end].to_owned(),
            default: String::new(),
        });
        return Ok(&rest[end..]);
    };
    let (body, after) = inner.split_once('}').ok_or("`${` without its `}`")?;
    let end = name_of(body);
    let default = match &body[end..] {
        "" => "",
        rest => rest
            .strip_prefix(":-")
            .or_else(|| rest.strip_prefix('-'))
            .filter(|default| !default.contains('$'))
            .ok_or("of `${}` only NAME and NAME:-DEFAULT are known to this shell")?,
    };
    if end == 0 {
        return Err("`${}` without a name".to_owned());
    }
    word.0.push(Part::Variable {
        name: body[..end].to_owned(),
        default: default.to_owned(),
    });
    Ok(after)
}
