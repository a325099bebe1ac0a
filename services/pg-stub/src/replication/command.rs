//! The commands of a replication connection (manual, 55.4).

use crate::error::PgError;
use crate::wal::lsn::Lsn;

/// A command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// IDENTIFY_SYSTEM.
    Identify,
    /// TIMELINE_HISTORY.
    Timeline(u32),
    /// CREATE_REPLICATION_SLOT … PHYSICAL.
    CreateSlot {
        /// Its name.
        name: String,
        /// TEMPORARY.
        temporary: bool,
        /// RESERVE_WAL.
        reserve: bool,
    },
    /// DROP_REPLICATION_SLOT.
    DropSlot(String),
    /// START_REPLICATION … PHYSICAL.
    Start {
        /// SLOT.
        slot: Option<String>,
        /// From where.
        at: Lsn,
        /// TIMELINE.
        timeline: Option<u32>,
    },
    /// BASE_BACKUP, with its options as they are.
    BaseBackup(Vec<String>),
    /// SHOW.
    Show(String),
}

const WORDS: &[&str] = &[
    "IDENTIFY_SYSTEM",
    "TIMELINE_HISTORY",
    "CREATE_REPLICATION_SLOT",
    "DROP_REPLICATION_SLOT",
    "READ_REPLICATION_SLOT",
    "START_REPLICATION",
    "BASE_BACKUP",
];

impl Command {
    /// Reads a text; `None` when it is SQL.
    pub fn parse(text: &str) -> Result<Option<Self>, PgError> {
        let tokens = tokens(text);
        let Some(first) = tokens.first() else {
            return Ok(None);
        };
        let word = first.to_ascii_uppercase();
        if word == "SHOW" {
            return Ok(Some(Self::Show(tokens[1..].concat())));
        }
        if !WORDS.contains(&word.as_str()) {
            return Ok(None);
        }
        read(&word, &tokens[1..]).map(Some)
    }
}

fn syntax(near: Option<&String>) -> PgError {
    match near {
        Some(near) => PgError::new("42601", format!("syntax error at or near \"{near}\"")),
        None => PgError::new("42601", "syntax error at end of input"),
    }
}

fn read(word: &str, rest: &[String]) -> Result<Command, PgError> {
    let is = |i: usize, word: &str| rest.get(i).is_some_and(|t| t.eq_ignore_ascii_case(word));
    let number = |i: usize| {
        let found = rest.get(i).and_then(|text| text.parse::<u32>().ok());
        found.filter(|n| *n > 0).ok_or_else(|| syntax(rest.get(i)))
    };
    let name = |i: usize| rest.get(i).cloned().ok_or_else(|| syntax(None));
    Ok(match word {
        "IDENTIFY_SYSTEM" if rest.is_empty() => Command::Identify,
        "TIMELINE_HISTORY" if rest.len() == 1 => Command::Timeline(number(0)?),
        "CREATE_REPLICATION_SLOT" => {
            let temporary = is(1, "TEMPORARY");
            let kind = 1 + usize::from(temporary);
            if is(kind, "LOGICAL") {
                return Err(PgError::unsupported("logical replication"));
            }
            if !is(kind, "PHYSICAL") {
                return Err(syntax(rest.get(kind)));
            }
            Command::CreateSlot {
                name: name(0)?,
                temporary,
                reserve: rest[kind..]
                    .iter()
                    .any(|t| t.eq_ignore_ascii_case("RESERVE_WAL")),
            }
        }
        "DROP_REPLICATION_SLOT" => Command::DropSlot(name(0)?),
        "START_REPLICATION" => {
            let (slot, mut i) = match is(0, "SLOT") {
                true => (Some(name(1)?), 2),
                false => (None, 0),
            };
            if is(i, "LOGICAL") {
                return Err(PgError::unsupported("logical replication"));
            }
            i += usize::from(is(i, "PHYSICAL"));
            let at = rest.get(i).and_then(|text| text.parse().ok());
            let at = at.ok_or_else(|| syntax(rest.get(i)))?;
            let timeline = match is(i + 1, "TIMELINE") {
                true => Some(number(i + 2)?),
                false if rest.len() == i + 1 => None,
                false => return Err(syntax(rest.get(i + 1))),
            };
            Command::Start { slot, at, timeline }
        }
        "BASE_BACKUP" => Command::BaseBackup(rest.to_vec()),
        "READ_REPLICATION_SLOT" => return Err(PgError::unsupported(word)),
        _ => return Err(syntax(rest.first())),
    })
}

/// Words, names in quotes, texts in quotes and places in the log; marks between them go.
fn tokens(text: &str) -> Vec<String> {
    let mut list = Vec::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' | '\'' => {
                let mut token = String::new();
                while let Some(inner) = chars.next() {
                    if inner == c && chars.next_if_eq(&c).is_none() {
                        break;
                    }
                    token.push(inner);
                }
                list.push(token);
            }
            c if c.is_whitespace() || matches!(c, ',' | ';' | '(' | ')') => {}
            c => {
                let mut token = String::from(c);
                let ends = |c: &char| c.is_whitespace() || matches!(c, ',' | ';' | '(' | ')');
                while let Some(c) = chars.next_if(|c| !ends(c)) {
                    token.push(c);
                }
                list.push(token);
            }
        }
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_told_from_sql() {
        let parse = |text| Command::parse(text).unwrap();
        assert_eq!(parse("SELECT 1"), None);
        assert_eq!(parse("identify_system;"), Some(Command::Identify));
        assert_eq!(
            parse("START_REPLICATION SLOT \"a\" PHYSICAL 0/3000000 TIMELINE 2"),
            Some(Command::Start {
                slot: Some("a".to_owned()),
                at: Lsn(0x300_0000),
                timeline: Some(2)
            })
        );
        assert!(matches!(
            parse("START_REPLICATION 1/0"),
            Some(Command::Start {
                at: Lsn(0x1_0000_0000),
                ..
            })
        ));
        let wrong = [
            "START_REPLICATION",
            "START_REPLICATION 1",
            "START_REPLICATION 0/1 x",
            "TIMELINE_HISTORY 0",
            "CREATE_REPLICATION_SLOT a",
        ];
        for wrong in wrong {
            assert!(Command::parse(wrong).is_err(), "{wrong}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_text_panics(text in "(START_REPLICATION|BASE_BACKUP|CREATE_REPLICATION_SLOT|TIMELINE_HISTORY)?[ '\"a-zA-Z0-9/();,]{0,40}") {
            let _ = Command::parse(&text);
        }
    }
}
