//! `draw` and `differ` of a client: what is drawn anew for each request, and where `${NAME}` stands for it.
//!
//! Drawing itself is the client's; this is what the file says, and whether it makes sense.

use http::HeaderValue;

use super::client::Client;
use super::template::{self, Piece};
use crate::yaml::{Expect, Fields, Key, Node, Problems, Value, suggestion};

/// What a client draws for each request; empty for most.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Draws {
    /// In the order of the file, which is that of drawing.
    pub variables: Vec<Variable>,
    /// Names of variables whose values are different from each other in each request.
    pub differ: Vec<String>,
}

/// A name, and what it can stand for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variable {
    /// `a` for `${a}`.
    pub name: String,
    /// Each as likely as the others.
    pub values: Values,
}

/// What a variable can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Values {
    /// Whole numbers, both ends included.
    Range(i64, i64),
    /// One of these texts, which are not empty.
    Texts(Vec<String>),
}

/// The most variables that can be told to differ. They are drawn until they do, and eight from the fewest
/// values that allow it are still drawn in an instant.
const DIFFER_MAX: usize = 8;

/// Where a template stands.
pub(super) struct Place {
    pub(super) line: u32,
    pub(super) part: Part,
    pub(super) text: String,
}

/// Which part of a request it is: not everything can stand everywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Path,
    Header,
    Body,
}

impl Draws {
    /// Whether nothing is drawn.
    pub fn is_empty(&self) -> bool {
        self.variables.is_empty()
    }

    /// Leaves out what a client does not use, as after its body has become simpler.
    pub fn keep_used_by(&mut self, texts: &[&str]) {
        self.variables
            .retain(|variable| texts.iter().any(|text| uses(text, &variable.name)));
        let variables = &self.variables;
        self.differ
            .retain(|name| variables.iter().any(|variable| variable.name == *name));
        if self.differ.len() < 2 {
            self.differ.clear();
        }
    }
}

impl Client {
    /// Leaves out what is drawn and used nowhere in the request.
    pub fn forget_unused_draws(&mut self) {
        let mut texts = vec![self.url.value.path.as_str(), self.body.as_str()];
        let headers = self.headers.iter();
        texts.extend(headers.filter_map(|(_, value)| std::str::from_utf8(value.as_bytes()).ok()));
        self.draws.keep_used_by(&texts);
    }
}

/// Whether this can stand between `${` and `}`.
pub(super) fn is_name(text: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    text.starts_with(is_letter) && text.chars().all(|c| is_letter(c) || c.is_ascii_digit())
}

fn uses(text: &str, name: &str) -> bool {
    template::pieces(text).is_ok_and(|pieces| pieces.contains(&Piece::Name(name)))
}

/// Takes `draw` and `differ`, and holds them against the places that can use them.
pub(super) fn read(fields: &mut Fields<'_>, places: &[Place], problems: &mut Problems) -> Draws {
    let (draw, differ) = (fields.take("draw"), fields.take("differ"));
    let before = problems.count();
    let entries = draw.map_or(&[][..], |node| node.expect_map("draw", problems));
    let mut variables = Vec::new();
    for (key, node) in entries {
        variables.extend(read_variable(key, node, problems));
    }
    if problems.count() > before {
        // What is wrong already would only be repeated where it is used.
        return Draws::default();
    }
    for place in places {
        check_place(place, &variables, problems);
    }
    for (key, _) in entries {
        if !places.iter().any(|place| uses(&place.text, &key.text)) {
            problems.add(
                key.line,
                format!(
                    "`{}` is drawn, and nothing of the request uses it",
                    key.text
                ),
                format!(
                    "write `${{{}}}` in the body, the path or a header, or leave it out",
                    key.text
                ),
            );
        }
    }
    let differ = differ.map(|node| read_differ(node, &variables, problems));
    Draws {
        variables,
        differ: differ.unwrap_or_default(),
    }
}

fn read_variable(key: &Key, node: &Node, problems: &mut Problems) -> Option<Variable> {
    if !is_name(&key.text) {
        problems.add(
            key.line,
            format!("`{}` is no name of what is drawn", key.text),
            "use letters, digits and `_`, a digit not first",
        );
        return None;
    }
    let values = match &node.value {
        Value::List(items) if !items.is_empty() => {
            let texts = items
                .iter()
                .map(|item| Some(item.expect_text(&key.text, problems)?.to_owned()));
            Values::Texts(texts.collect::<Option<_>>()?)
        }
        _ => {
            let range = node.text().and_then(range);
            let Some((low, high)) = range else {
                let what = node.text().unwrap_or_default();
                problems.add(
                    node.line,
                    format!("`{}: {what}` is nothing to draw from", key.text),
                    "write whole numbers from the lowest to the highest, as in 1..20, or a list of texts",
                );
                return None;
            };
            Values::Range(low, high)
        }
    };
    Some(Variable {
        name: key.text.clone(),
        values,
    })
}

/// `LOW..HIGH`, both included.
fn range(text: &str) -> Option<(i64, i64)> {
    let (low, high) = text.split_once("..")?;
    let (low, high) = (low.trim().parse().ok()?, high.trim().parse().ok()?);
    (low <= high).then_some((low, high))
}

fn check_place(place: &Place, variables: &[Variable], problems: &mut Problems) {
    let pieces = match template::pieces(&place.text) {
        Ok(pieces) => pieces,
        Err(reference) => {
            problems.add(
                place.line,
                format!("`{reference}` names nothing that is drawn"),
                "write `${NAME}` with a name of letters, digits and `_`; a dollar that is none is drawn, too: `draw: {dollar: ['$']}`",
            );
            return;
        }
    };
    for piece in pieces {
        let Piece::Name(name) = piece else {
            continue;
        };
        let Some(variable) = variables.iter().find(|variable| variable.name == name) else {
            let known: Vec<&str> = variables.iter().map(|one| one.name.as_str()).collect();
            let help = match known.is_empty() {
                true => format!("say what it is: `draw: {{{name}: 1..100}}`"),
                false => suggestion(name, &known),
            };
            problems.add(place.line, format!("`${{{name}}}` is not drawn"), help);
            continue;
        };
        let Values::Texts(texts) = &variable.values else {
            continue;
        };
        if let Some(bad) = texts.iter().find(|text| !place.part.takes(text)) {
            let (what, help) = match place.part {
                Part::Path => ("the path of an address", "encode it, as in %20 for a space"),
                Part::Header | Part::Body => ("a header", "one line of visible characters"),
            };
            let message = format!("`{bad}`, drawn for `${{{name}}}`, cannot stand in {what}");
            problems.add(place.line, message, help);
        }
    }
}

impl Part {
    fn takes(self, text: &str) -> bool {
        match self {
            // RFC 3986, 3.3 and 3.4: what stands in a path or a query as it is.
            Self::Path => text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/?%".contains(c)),
            Self::Header => HeaderValue::try_from(text).is_ok(),
            Self::Body => true,
        }
    }
}

fn read_differ(node: &Node, variables: &[Variable], problems: &mut Problems) -> Vec<String> {
    let names = node.expect_texts("differ", problems);
    let mut chosen: Vec<&Variable> = Vec::new();
    for (line, name) in &names {
        let Some(variable) = variables.iter().find(|variable| variable.name == *name) else {
            let known: Vec<&str> = variables.iter().map(|one| one.name.as_str()).collect();
            let message = format!("`{name}` differs from others, and is not drawn");
            problems.add(*line, message, suggestion(name, &known));
            return Vec::new();
        };
        chosen.push(variable);
    }
    if !(2..=DIFFER_MAX).contains(&chosen.len()) {
        problems.add(
            node.line,
            format!("{} cannot differ from each other", count(chosen.len())),
            format!("name from 2 to {DIFFER_MAX} that are drawn, as in `differ: [a, b]`"),
        );
    } else if !can_differ(&chosen, &mut Vec::new()) {
        let all: Vec<String> = names.iter().map(|(_, name)| format!("`{name}`")).collect();
        problems.add(
            node.line,
            format!("{} cannot all be different", all.join(", ")),
            "draw them from more values, and name each once",
        );
    }
    names.into_iter().map(|(_, name)| name).collect()
}

fn count(variables: usize) -> String {
    match variables {
        1 => "one".to_owned(),
        many => many.to_string(),
    }
}

/// Whether there is a value for each that no other has, beside those that are taken.
fn can_differ(variables: &[&Variable], taken: &mut Vec<(String, String)>) -> bool {
    let Some((first, rest)) = variables.split_first() else {
        return true;
    };
    // A variable is always the same as itself.
    if taken.iter().any(|(name, _)| *name == first.name) {
        return false;
    }
    // Of more values than there are others, one is always left.
    let enough = taken.len() + variables.len();
    for value in first.values.first(enough) {
        if taken.iter().any(|(_, other)| *other == value) {
            continue;
        }
        taken.push((first.name.clone(), value));
        if can_differ(rest, taken) {
            return true;
        }
        taken.pop();
    }
    false
}

impl Values {
    /// The first few that are different.
    fn first(&self, count: usize) -> Vec<String> {
        match self {
            Self::Range(low, high) => (*low..=*high)
                .take(count)
                .map(|number| number.to_string())
                .collect(),
            Self::Texts(texts) => {
                let mut first: Vec<String> = Vec::new();
                for text in texts {
                    if first.len() < count && !first.contains(text) {
                        first.push(text.clone());
                    }
                }
                first
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(name: &str, low: i64, high: i64) -> Variable {
        Variable {
            name: name.to_owned(),
            values: Values::Range(low, high),
        }
    }

    #[test]
    fn ranges_are_whole_numbers_with_both_ends() {
        assert_eq!(range("1..20"), Some((1, 20)));
        assert_eq!(range(" -5 .. -5 "), Some((-5, -5)));
        for bad in [
            "", "7", "1..", "..3", "2..1", "1.5..2", "a..b", "1...3", "1..2..3",
        ] {
            assert_eq!(range(bad), None, "{bad}");
        }
    }

    #[test]
    fn what_can_differ_is_found_out() {
        let can = |variables: &[Variable]| {
            let all: Vec<&Variable> = variables.iter().collect();
            can_differ(&all, &mut Vec::new())
        };
        assert!(can(&[numbers("a", 1, 2), numbers("b", 1, 2)]));
        assert!(!can(&[numbers("a", 1, 1), numbers("b", 1, 1)]));
        // The first must leave its first value to the second.
        assert!(can(&[numbers("a", 1, 2), numbers("b", 1, 1)]));
        assert!(!can(&[
            numbers("a", 1, 2),
            numbers("b", 1, 2),
            numbers("c", 1, 2)
        ]));
        assert!(!can(&[numbers("a", 1, 9), numbers("a", 1, 9)]));
        // Texts and numbers are the same when they read the same.
        let one = Variable {
            name: "t".to_owned(),
            values: Values::Texts(vec!["1".to_owned(), "1".to_owned()]),
        };
        assert!(!can(&[one.clone(), numbers("a", 1, 1)]));
        assert!(can(&[one, numbers("a", i64::MIN, i64::MAX)]));
    }

    #[test]
    fn what_is_no_longer_used_is_no_longer_drawn() {
        let mut draws = Draws {
            variables: vec![numbers("a", 1, 2), numbers("b", 1, 2), numbers("c", 1, 2)],
            differ: vec!["a".to_owned(), "c".to_owned()],
        };
        draws.keep_used_by(&["/${c}", "${a} b"]);
        let names: Vec<&str> = draws
            .variables
            .iter()
            .map(|one| one.name.as_str())
            .collect();
        assert_eq!((names, draws.differ.len()), (vec!["a", "c"], 2));
        draws.keep_used_by(&["/${c}"]);
        assert_eq!((draws.variables.len(), draws.differ.len()), (1, 0));
    }
}
