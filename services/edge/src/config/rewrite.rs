//! The rewrite module: `set`, `return`, `rewrite`, `break`, and `if` around these.

use http::StatusCode;
use squall_host::Diagnostic;

use super::build::{Builder, block, invalid, not_terminated, unsupported, wrong_count};
use super::directives::IF;
use super::names::Definition;
use super::pattern::{self, Pattern};
use crate::syntax::Directive;
use crate::template::Template;

/// One step of the rewrite phase.
#[derive(Clone, Debug)]
pub(crate) enum Op {
    Set { slot: usize, value: Template },
    Return(Return),
    Rewrite(Box<Rewrite>),
    Break,
    If { condition: Condition, then: Vec<Op> },
}

/// `return`.
#[derive(Clone, Debug)]
pub(crate) struct Return {
    pub(crate) status: u16,
    /// A body, or the address of a redirection.
    pub(crate) text: Option<Template>,
}

/// `rewrite PATTERN REPLACEMENT [FLAG]`.
#[derive(Clone, Debug)]
pub(crate) struct Rewrite {
    pub(crate) pattern: Pattern,
    pub(crate) replacement: Template,
    /// Whether the request's own arguments are added.
    pub(crate) keeps_args: bool,
    pub(crate) then: Then,
}

/// What follows a `rewrite` that matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Continue,
    Last,
    Break,
    Redirect(u16),
}

/// What `if` asks.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    /// Neither empty nor `0`.
    Truthy(Template),
    Equal(Template, Template, bool),
    Match(Template, Pattern, bool),
}

/// Reads a directive of the rewrite module.
pub(super) fn read(b: &mut Builder, d: &Directive) -> Result<Op, Diagnostic> {
    if d.name != "if" && d.block.is_some() {
        return Err(not_terminated(d));
    }
    match d.name.as_str() {
        "set" => {
            let [name, value] = d.args.as_slice() else {
                return Err(wrong_count(d));
            };
            Ok(Op::Set {
                slot: b.names.define(name, Definition::Assigned, &d.origin)?,
                value: b.names.template(value, &d.origin)?,
            })
        }
        "return" => returns(b, d),
        "rewrite" => rewrite(b, d),
        "break" if d.args.is_empty() => Ok(Op::Break),
        "break" => Err(wrong_count(d)),
        "if" => condition(b, d),
        other => unreachable!("\"{other}\" is no directive of the rewrite module"),
    }
}

fn returns(b: &mut Builder, d: &Directive) -> Result<Op, Diagnostic> {
    let (code, text) = match d.args.as_slice() {
        [url]
            if url.starts_with("http://")
                || url.starts_with("https://")
                || url.starts_with('$') =>
        {
            ("302", Some(url))
        }
        [code] => (code.as_str(), None),
        [code, text] => (code.as_str(), Some(text)),
        _ => return Err(wrong_count(d)),
    };
    let status: u16 = code
        .parse()
        .ok()
        .filter(|code| *code <= 999)
        .ok_or_else(|| {
            Diagnostic::at(d.origin.clone(), format!("invalid return code \"{code}\""))
        })?;
    if status == 444 {
        return Err(unsupported(d, "444").help("answer with another code; edge does not hang up"));
    }
    if StatusCode::from_u16(status).is_err() || status < 200 {
        return Err(invalid(d, code).help("codes are 200 to 999"));
    }
    let text = match text {
        Some(text) => Some(b.names.template(text, &d.origin)?),
        None => None,
    };
    Ok(Op::Return(Return { status, text }))
}

fn rewrite(b: &mut Builder, d: &Directive) -> Result<Op, Diagnostic> {
    let (expression, replacement, flag) = match d.args.as_slice() {
        [expression, replacement] => (expression, replacement, None),
        [expression, replacement, flag] => (expression, replacement, Some(flag.as_str())),
        _ => return Err(wrong_count(d)),
    };
    let absolute = ["http://", "https://", "$scheme"]
        .iter()
        .any(|prefix| replacement.starts_with(prefix));
    let then = match flag {
        Some("last") => Then::Last,
        Some("break") => Then::Break,
        Some("redirect") => Then::Redirect(302),
        Some("permanent") => Then::Redirect(301),
        None if absolute => Then::Redirect(302),
        None => Then::Continue,
        Some(other) => return Err(invalid(d, other)),
    };
    let bare = replacement.strip_suffix('?');
    Ok(Op::Rewrite(Box::new(Rewrite {
        pattern: pattern::compile(&mut b.names, expression, false, &d.origin)?,
        replacement: b.names.template(bare.unwrap_or(replacement), &d.origin)?,
        keeps_args: bare.is_none(),
        then,
    })))
}

fn condition(b: &mut Builder, d: &Directive) -> Result<Op, Diagnostic> {
    let bad = || {
        let message = format!("invalid condition \"{}\"", d.args.join(" "));
        Diagnostic::at(d.origin.clone(), message)
    };
    // The parentheses may stand alone or at the words within.
    let (first, rest) = d.args.split_first().ok_or_else(bad)?;
    let first = first.strip_prefix('(').ok_or_else(bad)?;
    let mut words: Vec<&str> = Vec::new();
    words.push(first);
    words.extend(rest.iter().map(String::as_str));
    let last = words.pop().ok_or_else(bad)?;
    words.push(last.strip_suffix(')').ok_or_else(bad)?);
    words.retain(|word| !word.is_empty());
    let condition = match words.as_slice() {
        [test, _] if test.starts_with('-') || test.starts_with("!-") => {
            return Err(unsupported(d, test).help("use \"try_files\" to look for files"));
        }
        [value] => Condition::Truthy(b.names.template(value, &d.origin)?),
        [left, operator, right @ ..] => {
            let right = right.first().copied().unwrap_or_default();
            let value = b.names.template(left, &d.origin)?;
            match *operator {
                "=" | "!=" => {
                    let right = b.names.template(right, &d.origin)?;
                    Condition::Equal(value, right, *operator == "=")
                }
                "~" | "~*" | "!~" | "!~*" => {
                    let ignore_case = operator.ends_with('*');
                    let pattern = pattern::compile(&mut b.names, right, ignore_case, &d.origin)?;
                    Condition::Match(value, pattern, !operator.starts_with('!'))
                }
                _ => return Err(bad()),
            }
        }
        [] => return Err(bad()),
    };
    let mut then = Vec::new();
    for line in block(d)? {
        b.attempt(|b| {
            match line.name.as_str() {
                "set" | "return" | "rewrite" | "break" => {}
                _ => {
                    b.admit(line, IF)?;
                    return Err(unsupported(line, "if")
                        .help("inside \"if\" only set, return, rewrite and break are"));
                }
            }
            then.push(read(b, line)?);
            Ok(())
        });
    }
    Ok(Op::If { condition, then })
}
