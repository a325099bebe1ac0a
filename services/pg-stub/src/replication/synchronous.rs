//! For which standbys a commit waits: `synchronous_standby_names` (manual, 20.6.2; syncrep.c).

use super::sender::{SenderState, SenderStatus};
use crate::wal::lsn::Lsn;

/// How the standbys that count are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Those that are named first.
    First,
    /// Those that are fastest.
    Any,
}

/// `synchronous_standby_names`, read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Synchronous {
    method: Method,
    count: usize,
    names: Vec<String>,
}

/// What of a standby a commit waits for, by `synchronous_commit`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// `remote_write`.
    Write,
    /// `on`.
    Flush,
    /// `remote_apply`.
    Apply,
}

impl Wait {
    /// Of a value of `synchronous_commit`; `None` where no standby counts.
    pub fn of_setting(value: &str) -> Option<Self> {
        match value.to_ascii_lowercase().as_str() {
            "on" | "true" | "yes" | "1" => Some(Self::Flush),
            "remote_write" => Some(Self::Write),
            "remote_apply" => Some(Self::Apply),
            _ => None,
        }
    }

    fn place(self, standby: &SenderStatus) -> Lsn {
        match self {
            Self::Write => standby.write,
            Self::Flush => standby.flush,
            Self::Apply => standby.replay,
        }
    }
}

impl Synchronous {
    /// Reads `a, b`, `2 (a, b)`, `FIRST 2 (a, b)`, `ANY 1 (*)`. `Ok(None)` for an empty value.
    pub fn parse(text: &str) -> Result<Option<Self>, String> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(None);
        }
        let wrong =
            || format!("invalid value for parameter \"synchronous_standby_names\": \"{text}\"");
        let (head, list) = match text.split_once('(') {
            None => ("1", text),
            Some((head, rest)) => (head.trim(), rest.strip_suffix(')').ok_or_else(wrong)?),
        };
        let words: Vec<&str> = head.split_whitespace().collect();
        let (method, count) = match words.as_slice() {
            [count] => (Method::First, count),
            [word, count] if word.eq_ignore_ascii_case("first") => (Method::First, count),
            [word, count] if word.eq_ignore_ascii_case("any") => (Method::Any, count),
            _ => return Err(wrong()),
        };
        let count = count
            .parse()
            .ok()
            .filter(|count| *count > 0)
            .ok_or_else(wrong)?;
        let mut names = Vec::new();
        for name in list.split(',').map(str::trim) {
            let quoted = name
                .strip_prefix('"')
                .and_then(|name| name.strip_suffix('"'));
            let plain =
                |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii();
            match quoted {
                Some(name) => names.push(name.replace("\"\"", "\"")),
                None if name == "*" => names.push(name.to_owned()),
                None if !name.is_empty() && name.chars().all(plain) => names.push(name.to_owned()),
                None => return Err(wrong()),
            }
        }
        Ok(Some(Self {
            method,
            count,
            names,
        }))
    }

    /// `sync_priority`: from 1, 0 for a standby that does not count.
    pub fn priority(&self, application: &str) -> usize {
        let fits = |name: &String| name == "*" || name.eq_ignore_ascii_case(application);
        match (self.names.iter().position(fits), self.method) {
            (None, _) => 0,
            (Some(place), Method::First) => place + 1,
            (Some(_), Method::Any) => 1,
        }
    }

    /// Those that count now, the first in line first.
    fn candidates<'a>(&self, all: &'a [(i32, SenderStatus)]) -> Vec<&'a (i32, SenderStatus)> {
        let counts = |(_, s): &&(i32, SenderStatus)| {
            s.state == SenderState::Streaming
                && s.flush > Lsn(0)
                && self.priority(&s.application) > 0
        };
        let mut list: Vec<_> = all.iter().filter(counts).collect();
        // Stable, so that of two with one name the one that came first is first.
        list.sort_by_key(|(_, standby)| self.priority(&standby.application));
        list
    }

    /// Up to where enough standbys have the log; `None` while there are not enough.
    pub fn reached(&self, all: &[(i32, SenderStatus)], wait: Wait) -> Option<Lsn> {
        let list = self.candidates(all);
        if list.len() < self.count {
            return None;
        }
        let mut places: Vec<Lsn> = list
            .iter()
            .map(|(_, standby)| wait.place(standby))
            .collect();
        match self.method {
            Method::First => places[..self.count].iter().min().copied(),
            Method::Any => {
                places.sort_by(|a, b| b.cmp(a));
                places.get(self.count - 1).copied()
            }
        }
    }

    /// `sync_state` of a standby.
    pub fn state(&self, all: &[(i32, SenderStatus)], pid: i32, application: &str) -> &'static str {
        if self.priority(application) == 0 {
            return "async";
        }
        if self.method == Method::Any {
            return "quorum";
        }
        let list = self.candidates(all);
        match list.iter().take(self.count).any(|(known, _)| *known == pid) {
            true => "sync",
            false => "potential",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standby(name: &str, flush: u64) -> SenderStatus {
        SenderStatus {
            application: name.to_owned(),
            state: SenderState::Streaming,
            flush: Lsn(flush),
            ..SenderStatus::default()
        }
    }

    #[test]
    fn the_grammar_is_postgresqls() {
        let parse = |text| Synchronous::parse(text).unwrap().unwrap();
        assert_eq!(parse("a,b"), parse("FIRST 1 (a, b)"));
        assert_eq!(parse("2 (a, b)"), parse("first 2 (a,b)"));
        assert_eq!(parse("ANY 1 (\"a b\", *)").priority("a b"), 1);
        assert_eq!(Synchronous::parse(" "), Ok(None));
        for wrong in [
            "a b",
            "FIRST (a)",
            "0 (a)",
            "ANY 1 (a",
            "a,,b",
            "FIRST x (a)",
            "a-b",
        ] {
            assert!(Synchronous::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_first_or_any_count() {
        let all = vec![
            (1, standby("b", 30)),
            (2, standby("A", 10)),
            (3, standby("c", 20)),
            (4, standby("x", 99)),
        ];
        let reached = |text| {
            Synchronous::parse(text)
                .unwrap()
                .unwrap()
                .reached(&all, Wait::Flush)
        };
        assert_eq!(reached("a, b, c"), Some(Lsn(10)));
        assert_eq!(reached("FIRST 2 (b, c, a)"), Some(Lsn(20)));
        assert_eq!(reached("ANY 1 (a, b, c)"), Some(Lsn(30)));
        assert_eq!(reached("ANY 2 (a, b, c)"), Some(Lsn(20)));
        assert_eq!(reached("2 (a, nobody)"), None);
        let first = Synchronous::parse("b, a").unwrap().unwrap();
        let state = |pid, name| first.state(&all, pid, name);
        assert_eq!(
            [state(1, "b"), state(2, "A"), state(4, "x")],
            ["sync", "potential", "async"]
        );
    }
}
