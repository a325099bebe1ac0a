//! The part of a shell that healthchecks are written in: `A && B || exit 1`, `;`, `|`, `!`,
//! quotes, `$VAR`, and redirections to `/dev/null`, which change nothing here.

use super::{Machine, Outcome, STATUS_NOT_FOUND};

/// The most commands of one line.
const COMMANDS_MAX: usize = 64;

/// A line of commands.
#[derive(Clone, Debug)]
pub(super) struct Script(Vec<(Link, Pipeline)>);

/// When a pipeline runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Always,
    And,
    Or,
}

#[derive(Clone, Debug, Default)]
struct Pipeline {
    negated: bool,
    commands: Vec<Vec<Word>>,
}

/// A word before its variables are replaced.
#[derive(Clone, Debug, Default)]
pub(super) struct Word(Vec<Part>);

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Variable { name: String, default: String },
}

impl Word {
    /// The word with a digit for each variable, to see whether a command is understood.
    pub(super) fn stand_in(&self) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.as_str(),
            Part::Variable { .. } => "1",
        });
        parts.collect()
    }

    fn replaced(&self, machine: &Machine<'_>) -> String {
        let parts = self.0.iter().map(|part| match part {
            Part::Text(text) => text.as_str(),
            Part::Variable { name, default } => match machine.env.get(name) {
                Some(value) if !value.is_empty() => value,
                _ => default,
            },
        });
        parts.collect()
    }

    fn push(&mut self, c: char) {
        if let Some(Part::Text(text)) = self.0.last_mut() {
            text.push(c);
        } else {
            self.0.push(Part::Text(c.to_string()));
        }
    }
}

impl Script {
    /// Every command of the line.
    pub(super) fn commands(&self) -> impl Iterator<Item = &Vec<Word>> {
        self.0.iter().flat_map(|(_, pipeline)| &pipeline.commands)
    }

    pub(super) async fn run(&self, machine: &Machine<'_>, input: &str) -> Outcome {
        let mut last = Outcome::default();
        for (link, pipeline) in &self.0 {
            let runs = match link {
                Link::Always => true,
                Link::And => last.status == 0,
                Link::Or => last.status != 0,
            };
            if !runs {
                continue;
            }
            let (outcome, exits) = pipeline.run(machine, input).await;
            let printed = std::mem::take(&mut last.output);
            last = outcome;
            last.output.insert_str(0, &printed);
            if exits {
                break;
            }
        }
        last
    }
}

impl Pipeline {
    /// The outcome, and whether it was an `exit` of the line itself.
    async fn run(&self, machine: &Machine<'_>, input: &str) -> (Outcome, bool) {
        let mut outcome = Outcome {
            status: 0,
            output: input.to_owned(),
        };
        let mut exits = false;
        for words in &self.commands {
            let words: Vec<String> = words.iter().map(|word| word.replaced(machine)).collect();
            exits = self.commands.len() == 1 && words.first().is_some_and(|word| word == "exit");
            outcome = match super::parse(&words) {
                Ok(command) => Box::pin(machine.run(&command, &outcome.output)).await,
                Err(_) => Outcome::status(STATUS_NOT_FOUND),
            };
        }
        if self.negated && !exits {
            outcome.status = i32::from(outcome.status == 0);
        }
        (outcome, exits)
    }
}

/// Reads a line. The error says what this shell does not know.
pub(super) fn parse(line: &str) -> Result<Script, String> {
    let mut script = Script(Vec::new());
    let mut link = Link::Always;
    let mut pipeline = Pipeline::default();
    let mut command = Vec::new();
    let mut count = 0;
    for token in tokens(line)? {
        let operator = match token {
            Token::Word(word) => {
                let bang = matches!(&word.0[..], [Part::Text(text)] if text == "!");
                if bang && command.is_empty() && pipeline.commands.is_empty() {
                    pipeline.negated = !pipeline.negated;
                } else {
                    command.push(word);
                }
                continue;
            }
            Token::Operator(operator) => operator,
        };
        if command.is_empty() {
            if operator == ";" {
                continue;
            }
            return Err(format!("`{operator}` without a command before it"));
        }
        pipeline.commands.push(std::mem::take(&mut command));
        count += 1;
        if count > COMMANDS_MAX {
            return Err(format!("more than {COMMANDS_MAX} commands"));
        }
        if operator == "|" {
            continue;
        }
        script.0.push((link, std::mem::take(&mut pipeline)));
        link = match operator {
            "&&" => Link::And,
            "||" => Link::Or,
            _ => Link::Always,
        };
    }
    if command.is_empty() {
        if link != Link::Always || !pipeline.commands.is_empty() || script.0.is_empty() {
            return Err("a command is missing".to_owned());
        }
        return Ok(script);
    }
    pipeline.commands.push(command);
    script.0.push((link, pipeline));
    Ok(script)
}

enum Token {
    Word(Word),
    Operator(&'static str),
}

fn tokens(line: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut word: Option<Word> = None;
    let mut rest = line;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        if let Some(after) = redirection(rest, word.as_ref())? {
            // `2>` took a digit that is no word.
            word = None;
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

/// What follows a redirection, when one begins here.
fn redirection<'l>(rest: &'l str, word: Option<&Word>) -> Result<Option<&'l str>, String> {
    let after = match rest.strip_prefix("&>") {
        Some(after) => after,
        None => match rest.strip_prefix('>') {
            Some(after) => after,
            None => return Ok(None),
        },
    };
    let before = word.map(Word::stand_in);
    if !matches!(before.as_deref(), None | Some("1" | "2")) {
        return Err("write a blank before `>`".to_owned());
    }
    let after = after.strip_prefix('>').unwrap_or(after);
    let after = after.trim_start_matches([' ', '\t']);
    for target in [
        "/dev/null",
        "/dev/stdout",
        "/dev/stderr",
        "/proc/1/fd/1",
        "&1",
        "&2",
    ] {
        if let Some(after) = after.strip_prefix(target) {
            return Ok(Some(after));
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
