//! A process's environment variables, read into values, with a complaint about each that makes no sense.
//!
//! A service's `config.rs` asks for one variable after the other and gets a default for what it complains
//! about, so that all mistakes are told at once, by [`Environment::check`] at the end.
//!
//! Deliberately absent: what the variables are called, which is the service's business; arguments;
//! variables that nobody asks for, as a container's environment has many.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use crate::diagnostic::{Diagnostic, Diagnostics};
use crate::launch::Launch;

/// The environment of one launch, and what is wrong with what was read so far.
#[derive(Debug)]
pub struct Environment<'a> {
    launch: &'a Launch,
    problems: Vec<Diagnostic>,
}

impl<'a> Environment<'a> {
    /// Nothing of it is read yet.
    pub fn new(launch: &'a Launch) -> Self {
        Self {
            launch,
            problems: Vec::new(),
        }
    }

    /// A variable as it is, if it is set.
    pub fn get(&self, name: &str) -> Option<&'a str> {
        self.launch.env.get(name).map(String::as_str)
    }

    /// The first of these variables that is set.
    pub fn text(&self, names: &[&str], default: &str) -> String {
        let set = names.iter().find_map(|name| self.get(name));
        set.unwrap_or(default).to_owned()
    }

    /// A variable that can be parsed.
    pub fn parsed<T: FromStr<Err: Display>>(&mut self, name: &str, default: T) -> T {
        let Some(text) = self.get(name) else {
            return default;
        };
        text.parse().unwrap_or_else(|error: T::Err| {
            self.complain(name, text, &error.to_string());
            default
        })
    }

    /// A number that is not 0.
    pub fn positive<T>(&mut self, name: &str, default: T) -> T
    where
        T: FromStr<Err: Display> + From<u8> + PartialEq,
    {
        let value = self.parsed(name, default);
        if value == T::from(0) {
            self.complain(name, "0", "at least 1 is needed");
        }
        value
    }

    /// A number of milliseconds.
    pub fn milliseconds(&mut self, name: &str, default: u64) -> Duration {
        Duration::from_millis(self.parsed(name, default))
    }

    /// One of two ways, by its name; the first is the default.
    pub fn choice<T>(&mut self, name: &str, [first, second]: [(&str, T); 2]) -> T {
        match self.get(name) {
            Some(text) if text == second.0 => return second.1,
            Some(text) if text != first.0 => {
                let expected = format!("it is `{}` or `{}`", first.0, second.0);
                self.complain(name, text, &expected);
            }
            _ => {}
        }
        first.1
    }

    /// Notes that a variable's value makes no sense, and why.
    pub fn complain(&mut self, name: &str, value: &str, why: &str) {
        let complaint = Diagnostic::new(format!("{name}=`{value}`: {why}"));
        self.problem(complaint.help(format!(
            "set the environment variable {name}, or leave it out"
        )));
    }

    /// Notes a complaint about something else that the process is launched with.
    pub fn problem(&mut self, problem: Diagnostic) {
        self.problems.push(problem);
    }

    /// All complaints, if there is one.
    pub fn check(self) -> Result<(), Diagnostics> {
        Diagnostics::check(self.problems)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn launch(env: &[(&str, &str)]) -> Launch {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Launch {
            env: env.iter().map(pair).collect(),
            ..Launch::default()
        }
    }

    #[test]
    fn what_is_not_set_is_the_default() {
        let launch = launch(&[]);
        let mut environment = Environment::new(&launch);
        assert_eq!(environment.get("A"), None);
        assert_eq!(environment.text(&["A", "B"], "here"), "here");
        assert_eq!(environment.parsed("A", 5_u16), 5);
        assert_eq!(environment.positive("A", 5_usize), 5);
        assert_eq!(environment.milliseconds("A", 5), Duration::from_millis(5));
        assert!(!environment.choice("A", [("no", false), ("yes", true)]));
        environment.check().unwrap();
    }

    #[test]
    fn what_is_set_goes_before_it() {
        let launch = launch(&[("B", "7"), ("C", "8"), ("way", "yes"), ("usual", "no")]);
        let mut environment = Environment::new(&launch);
        assert_eq!(environment.get("B"), Some("7"));
        assert_eq!(environment.text(&["A", "B", "C"], "here"), "7");
        assert_eq!(environment.parsed("B", 5_u16), 7);
        assert_eq!(environment.positive("B", 5_u64), 7);
        assert_eq!(environment.milliseconds("B", 5), Duration::from_millis(7));
        assert!(environment.choice("way", [("no", false), ("yes", true)]));
        assert!(!environment.choice("usual", [("no", false), ("yes", true)]));
        environment.check().unwrap();
    }

    #[test]
    fn every_complaint_is_told_and_the_default_taken() {
        let env = [
            ("PORT", "70000"),
            ("MOST", "0"),
            ("WAIT_MS", "1s"),
            ("WAY", "maybe"),
        ];
        let launch = launch(&env);
        let mut environment = Environment::new(&launch);
        assert_eq!(environment.parsed("PORT", 5_u16), 5);
        environment.positive("MOST", 5_usize);
        assert_eq!(environment.milliseconds("WAIT_MS", 5).as_millis(), 5);
        assert!(!environment.choice("WAY", [("no", false), ("yes", true)]));
        environment.problem(Diagnostic::new("unexpected argument `x`"));
        let text = environment.check().unwrap_err().to_string();
        for (name, value) in env {
            let help = format!("set the environment variable {name}, or leave it out");
            let complaint = format!("{name}=`{value}`: ");
            assert!(text.contains(&complaint) && text.contains(&help), "{text}");
        }
        for why in ["at least 1", "it is `no` or `yes`", "unexpected argument"] {
            assert!(text.contains(why), "{text}");
        }
    }
}
