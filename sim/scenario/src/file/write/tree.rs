//! YAML as it is laid out: block style for what is read line by line, flow style for what fits on
//! one. Deliberately small: no anchors, no comments inside, nothing that the parser does not need.

use crate::yaml::{Node, Value, parse};

/// Lines are not filled beyond this.
const WIDTH: usize = 100;

/// Longer elements of a list have an empty line between them.
const LINES_TOGETHER_MAX: usize = 3;

/// A piece of a document.
pub(super) enum Tree {
    /// A scalar.
    Text(String),
    /// A scalar that is a text, whatever it looks like.
    Quoted(String),
    /// On one line where it fits.
    List(Vec<Tree>),
    /// On one line where it fits.
    Map(Vec<(String, Tree)>),
    /// Each element on lines of its own.
    Block(Vec<Tree>),
    /// Each entry on lines of its own.
    Fields(Vec<(&'static str, Tree)>),
}

impl Tree {
    pub(super) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// What was read, again.
    pub(super) fn of(node: &Node) -> Self {
        match &node.value {
            Value::Map(entries) => {
                let entries = entries.iter();
                Self::Map(
                    entries
                        .map(|(key, node)| (key.text.clone(), Self::of(node)))
                        .collect(),
                )
            }
            Value::List(items) => Self::List(items.iter().map(Self::of).collect()),
            // What a text is without its quotes may be something else: "25" is no number.
            Value::Text(text) if !is_text(text) => Self::Quoted(text.clone()),
            _ => Self::text(node.text().unwrap_or_default()),
        }
    }

    /// One text alone, several as a list.
    pub(super) fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all: Vec<Self> = texts.into_iter().map(Self::text).collect();
        match all.len() {
            1 => all.remove(0),
            _ => Self::List(all),
        }
    }

    /// A map with one entry.
    pub(super) fn one(key: impl Into<String>, value: Self) -> Self {
        Self::Map(vec![(key.into(), value)])
    }

    /// Writes the value of a key, after its colon, or an element of a list, after its dash.
    pub(super) fn write(&self, indent: usize, out: &mut String) {
        let column = out.len() - out.rfind('\n').map_or(0, |at| at + 1);
        let fits = |flow: &str| column + 1 + flow.chars().count() <= WIDTH;
        match self {
            Self::Text(text) => {
                let plain = scalar(text, false);
                if fits(&plain) || !can_be_folded(text) {
                    out.push(' ');
                    out.push_str(&plain);
                    out.push('\n');
                } else {
                    fold(text, indent, out);
                }
            }
            Self::Quoted(text) => {
                out.push(' ');
                out.push_str(&quoted(text));
                out.push('\n');
            }
            Self::List(_) | Self::Map(_) if fits(&self.flow()) => {
                out.push(' ');
                out.push_str(&self.flow());
                out.push('\n');
            }
            Self::List(items) | Self::Block(items) => block(items, indent, out),
            Self::Map(entries) => {
                let entries = entries.iter().map(|(key, value)| (key.as_str(), value));
                fields(entries, indent, out);
            }
            Self::Fields(entries) => {
                fields(
                    entries.iter().map(|(key, value)| (*key, value)),
                    indent,
                    out,
                );
            }
        }
    }

    fn flow(&self) -> String {
        let entry = |key: &str, value: &Self| format!("{}: {}", scalar(key, true), value.flow());
        match self {
            Self::Text(text) => scalar(text, true),
            Self::Quoted(text) => quoted(text),
            Self::List(items) | Self::Block(items) => {
                let items: Vec<String> = items.iter().map(Self::flow).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Map(entries) => {
                let entries: Vec<String> = entries.iter().map(|(k, v)| entry(k, v)).collect();
                format!("{{{}}}", entries.join(", "))
            }
            Self::Fields(entries) => {
                let entries: Vec<String> = entries.iter().map(|(k, v)| entry(k, v)).collect();
                format!("{{{}}}", entries.join(", "))
            }
        }
    }
}

/// Entries of a map, one below the other; the first follows a dash when there is one.
fn fields<'a>(entries: impl Iterator<Item = (&'a str, &'a Tree)>, indent: usize, out: &mut String) {
    let mut after_dash = out.ends_with('-');
    if !after_dash && !out.is_empty() && !out.ends_with('\n') {
        out.push('\n');
    }
    for (key, value) in entries {
        if after_dash {
            out.push(' ');
        } else {
            out.push_str(&" ".repeat(indent));
        }
        after_dash = false;
        out.push_str(&scalar(key, false));
        out.push(':');
        value.write(indent + 2, out);
    }
}

fn block(items: &[Tree], indent: usize, out: &mut String) {
    if !out.ends_with('\n') {
        out.push('\n');
    }
    let element = |item: &Tree| {
        let mut text = " ".repeat(indent) + "-";
        match item {
            // `- kill: a` is shorter than `- {kill: a}`.
            Tree::Map(entries) if entries.len() == 1 => {
                let entry = (entries[0].0.as_str(), &entries[0].1);
                fields([entry].into_iter(), indent + 2, &mut text);
            }
            _ => item.write(indent + 2, &mut text),
        }
        text
    };
    let elements: Vec<String> = items.iter().map(element).collect();
    // Long ones stand apart.
    let is_long = |text: &String| text.lines().count() > LINES_TOGETHER_MAX;
    let between = if elements.iter().any(is_long) {
        "\n"
    } else {
        ""
    };
    out.push_str(&elements.join(between));
}

/// Whether a text survives being broken at its spaces.
fn can_be_folded(text: &str) -> bool {
    let odd = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}');
    !text.contains(odd) && text.split(' ').all(|word| !word.is_empty())
}

fn fold(text: &str, indent: usize, out: &mut String) {
    out.push_str(" >\n");
    let margin = " ".repeat(indent);
    let mut column = 0;
    for word in text.split(' ') {
        let width = word.chars().count();
        if column > 0 && column + 1 + width > WIDTH {
            out.push('\n');
            column = 0;
        }
        let before = if column == 0 { margin.as_str() } else { " " };
        out.push_str(before);
        out.push_str(word);
        column += before.len() + width;
    }
    out.push('\n');
}

/// A scalar, quoted unless it reads the same without.
fn scalar(text: &str, in_flow: bool) -> String {
    if is_a_word(text) {
        return text.to_owned();
    }
    let reads = |document: &str, place: fn(&Value) -> Option<&str>| {
        parse("", document).is_ok_and(|node| place(&node.value) == Some(text))
    };
    let key: fn(&Value) -> Option<&str> = |value| match value {
        Value::Map(entries) => entries.first().map(|(key, _)| key.text.as_str()),
        _ => None,
    };
    let element: fn(&Value) -> Option<&str> = |value| match value {
        Value::List(items) => items.first().and_then(Node::text),
        _ => None,
    };
    let value: fn(&Value) -> Option<&str> = |value| match value {
        Value::Map(entries) => entries.first().and_then(|(_, value)| value.text()),
        _ => None,
    };
    let reads_the_same = if in_flow {
        reads(&format!("{{{text}: 1}}"), key)
            && reads(&format!("[{text}, 1]"), element)
            && reads(&format!("{{k: {text}}}"), value)
    } else {
        reads(&format!("{text}: 1"), key)
            && reads(&format!("- {text}"), element)
            && reads(&format!("k: {text}"), value)
    };
    // Good YAML that is hard on the eye.
    let odd = |c: char| c.is_control() || c.is_whitespace() && c != ' ' || "\"'#`".contains(c);
    if reads_the_same && !text.contains(odd) {
        text.to_owned()
    } else {
        quoted(text)
    }
}

/// What nobody could take for anything but a text; most scalars are, and asking the parser takes
/// its time.
fn is_a_word(text: &str) -> bool {
    const OTHERS: [&str; 7] = ["null", "true", "false", "y", "n", "yes", "no"];
    const UNITS: [&str; 7] = ["ms", "us", "s", "m", "h", "%", "/s"];
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    if unit.len() < text.len() && UNITS.contains(&unit) {
        return true;
    }
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-/".contains(c))
        && !OTHERS.iter().any(|other| other.eq_ignore_ascii_case(text))
}

/// Whether it is read as a text without quotes.
fn is_text(text: &str) -> bool {
    parse("", text).is_ok_and(|node| matches!(node.value, Value::Text(read) if read == text))
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_alphanumeric() || c.is_ascii_graphic() || c == ' ' => out.push(c),
            c => out.push_str(&format!("\\U{:08X}", u32::from(c))),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_what_needs_quotes_has_them() {
        for (text, in_flow, wanted) in [
            ("backend1", true, "backend1"),
            ("40%..60%", true, "40%..60%"),
            ("> 95%", true, "\"> 95%\""),
            ("< 1s", true, "< 1s"),
            (
                "http://localhost:8080/data",
                false,
                "http://localhost:8080/data",
            ),
            ("$.a[0].b", false, "$.a[0].b"),
            ("$.a[0].b", true, "\"$.a[0].b\""),
            ("a: b", false, "\"a: b\""),
            ("a #b", false, "\"a #b\""),
            ("", false, "\"\""),
            (" a", true, "\" a\""),
            ("1.50", true, "\"1.50\""),
            ("200", true, "200"),
            ("null", true, "\"null\""),
            ("a\nb", true, "\"a\\nb\""),
        ] {
            assert_eq!(scalar(text, in_flow), wanted);
        }
    }

    proptest! {
        #[test]
        fn a_scalar_reads_as_it_was(text in "\\PC*|[ \\t\\n:#,{}\\[\\]a-c'\"\\\\-]*", in_flow: bool) {
            let written = scalar(&text, in_flow);
            let document = if in_flow { format!("{{a: [{written}]}}") } else { format!("a: {written}") };
            let node = parse("", &document).unwrap();
            let Value::Map(entries) = node.value else { panic!("{document}") };
            let value = match &entries[0].1.value {
                Value::List(items) => &items[0],
                _ => &entries[0].1,
            };
            prop_assert_eq!(value.text(), Some(text.as_str()));
        }
    }
}
