//! Flags and variables as they were given, and their values read one by one.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use squall_host::{Diagnostic, Launch};

use super::flags::{self, FLAGS, Use};

/// Flags and variables as they were given, and what is wrong with what was read so far.
pub(super) struct Given {
    /// By flag: the value, and the flag or variable that it was given by.
    values: BTreeMap<&'static str, (String, String)>,
    pub(super) problems: Vec<Diagnostic>,
}

impl Given {
    pub(super) fn read(launch: &Launch) -> Self {
        let mut given = Self {
            values: BTreeMap::new(),
            problems: Vec::new(),
        };
        for (flag, _) in FLAGS {
            let variable = format!("ETCD_{}", flag.to_uppercase().replace('-', "_"));
            if let Some(value) = launch.env.get(&variable).filter(|value| !value.is_empty()) {
                given.values.insert(flag, (value.clone(), variable));
            }
        }
        let mut args = launch.args.iter();
        while let Some(arg) = args.next() {
            let Some(flag) = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-')) else {
                let message = format!("'{arg}' is not a valid flag");
                given.complain(
                    message,
                    "flags are `--flag value` or `--flag=value`, switches the latter",
                );
                break;
            };
            let (name, beside) = match flag.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (flag, None),
            };
            let Some((known, _)) = FLAGS.iter().find(|(flag, _)| *flag == name) else {
                given.problems.push(unknown(name));
                if beside.is_none()
                    && args
                        .as_slice()
                        .first()
                        .is_some_and(|next| !next.starts_with('-'))
                {
                    args.next();
                }
                continue;
            };
            let value = match beside {
                Some(value) => Some(value),
                None if flags::is_switch(name) => Some("true".to_owned()),
                None => args.next().cloned(),
            };
            match value {
                Some(value) => drop(given.values.insert(known, (value, format!("--{name}")))),
                None => given.complain(
                    format!("flag needs an argument: --{name}"),
                    "give a value after it",
                ),
            }
        }
        given.refuse_unsupported();
        given
    }

    fn refuse_unsupported(&mut self) {
        for (flag, usage) in FLAGS {
            if let Use::Only(only, help) = usage
                && let Some((value, by)) = self.values.get(flag)
                && value != only
            {
                let problem = Diagnostic::new(format!("{by}=`{value}` is not supported"));
                self.problems.push(problem.help(*help));
            }
        }
    }

    pub(super) fn has(&self, flag: &str) -> bool {
        self.values.contains_key(flag)
    }

    pub(super) fn complain(&mut self, message: String, help: &str) {
        self.problems.push(Diagnostic::new(message).help(help));
    }

    pub(super) fn text(&self, flag: &str, default: &str) -> String {
        let given = self.values.get(flag);
        given.map_or(default, |(value, _)| value).to_owned()
    }

    /// A value that can be read; if it cannot, that is a problem, and the default is taken.
    fn parsed<T>(&mut self, flag: &str, parse: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let (value, by) = self.values.get(flag)?;
        match parse(value) {
            Ok(value) => Some(value),
            Err(why) => {
                let problem = Diagnostic::new(format!("{by}=`{value}`: {why}"));
                self.problems
                    .push(problem.help(format!("correct --{flag}, or leave it out")));
                None
            }
        }
    }

    pub(super) fn with<T: Default>(
        &mut self,
        flag: &str,
        default: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        let given = self.parsed(flag, &parse);
        given.unwrap_or_else(|| parse(default).unwrap_or_default())
    }

    pub(super) fn one_of<T>(
        &mut self,
        flag: &str,
        default: &str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> T {
        let given = self.parsed(flag, &parse);
        given.unwrap_or_else(|| parse(default).expect("the default can be read"))
    }

    pub(super) fn number<T>(&mut self, flag: &str, default: T, least: T) -> T
    where
        T: FromStr<Err: Display> + PartialOrd + Display + Copy,
    {
        let parse = |text: &str| match text.parse::<T>() {
            Ok(number) if number >= least => Ok(number),
            Ok(_) => Err(format!("at least {least} is needed")),
            Err(error) => Err(error.to_string()),
        };
        self.parsed(flag, parse).unwrap_or(default)
    }

    pub(super) fn switch(&mut self, flag: &str, default: bool) -> bool {
        // Go's `strconv.ParseBool`.
        let parse = |text: &str| match text {
            "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
            "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
            _ => Err("it is `true` or `false`".to_owned()),
        };
        self.parsed(flag, parse).unwrap_or(default)
    }
}

fn unknown(name: &str) -> Diagnostic {
    let unknown = Diagnostic::new(format!("flag provided but not defined: --{name}"));
    match flags::nearest(name) {
        Some(near) => unknown.help(format!("the nearest flag of etcd is --{near}")),
        None => unknown.help("`etcd --help` lists the flags"),
    }
}
