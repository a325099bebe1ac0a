//! `${VAR}` in values, as Compose replaces it (compose-spec, "Interpolation").
//!
//! Values come from a map alone: the process environment of whoever runs this must not change what
//! a system is. Keys are never replaced.

use std::collections::BTreeMap;

/// How deep defaults may nest in each other: `${A:-${B:-${C}}}`.
const DEPTH_MAX: usize = 16;
/// The longest text that a value may become, in bytes: `${A}${A}…` must not explode.
const LENGTH_MAX: usize = 1 << 20;

/// What replacing gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Replaced {
    pub(crate) text: String,
    /// Variables that have no value and no default; they became nothing.
    pub(crate) unset: Vec<String>,
}

/// Replaces every variable of `text`. The error says what is wrong, without a place.
pub(crate) fn interpolate(
    text: &str,
    variables: &BTreeMap<String, String>,
) -> Result<Replaced, String> {
    let mut replaced = Replaced::default();
    let mut rest = text;
    expand(&mut rest, variables, &mut replaced, Within::Value, 0)?;
    Ok(replaced)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Within {
    /// The whole value: a closing brace is text.
    Value,
    /// A default or a message: the first closing brace that is not a variable's ends it.
    Braces,
}

fn expand(
    rest: &mut &str,
    variables: &BTreeMap<String, String>,
    out: &mut Replaced,
    within: Within,
    depth: usize,
) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("variables nest deeper than {DEPTH_MAX}"));
    }
    loop {
        let stop = rest.find(|c| c == '$' || (c == '}' && within == Within::Braces));
        let Some(at) = stop else {
            out.text.push_str(rest);
            *rest = "";
            return match within {
                Within::Value => bounded(out),
                Within::Braces => Err("`${` without its `}`".to_owned()),
            };
        };
        out.text.push_str(&rest[..at]);
        if rest[at..].starts_with('}') {
            *rest = &rest[at..];
            return Ok(());
        }
        *rest = &rest[at + 1..];
        variable(rest, variables, out, depth)?;
        bounded(out)?;
    }
}

fn bounded(out: &Replaced) -> Result<(), String> {
    if out.text.len() > LENGTH_MAX {
        return Err(format!("becomes longer than {LENGTH_MAX} bytes"));
    }
    Ok(())
}

/// What follows a `$`.
fn variable(
    rest: &mut &str,
    variables: &BTreeMap<String, String>,
    out: &mut Replaced,
    depth: usize,
) -> Result<(), String> {
    if let Some(after) = rest.strip_prefix('$') {
        out.text.push('$');
        *rest = after;
        return Ok(());
    }
    let Some(inner) = rest.strip_prefix('{') else {
        let name = name_of(rest);
        if name.is_empty() {
            return Err("`$` without a name; write `$$` for a dollar sign".to_owned());
        }
        *rest = &rest[name.len()..];
        match variables.get(name) {
            Some(value) => out.text.push_str(value),
            None => out.unset.push(name.to_owned()),
        }
        return Ok(());
    };
    let name = name_of(inner);
    if name.is_empty() {
        return Err("`${` without a name".to_owned());
    }
    let value = variables.get(name);
    let set = value.is_some();
    let filled = value.is_some_and(|value| !value.is_empty());
    let after = &inner[name.len()..];
    if let Some(after) = after.strip_prefix('}') {
        match value {
            Some(value) => out.text.push_str(value),
            None => out.unset.push(name.to_owned()),
        }
        *rest = after;
        return Ok(());
    }
    const OPERATORS: [&str; 6] = [":-", ":?", ":+", "-", "?", "+"];
    let Some(operator) = OPERATORS.into_iter().find(|o| after.starts_with(o)) else {
        return Err(format!(
            "`${{{name}` is followed by neither `}}` nor `:-`, `-`, `:?`, `?`, `:+`, `+`"
        ));
    };
    let mut tail = &after[operator.len()..];
    let mut operand = Replaced::default();
    expand(
        &mut tail,
        variables,
        &mut operand,
        Within::Braces,
        depth + 1,
    )?;
    // `expand` stops at a closing brace or fails.
    *rest = tail.strip_prefix('}').unwrap_or(tail);
    let has = if operator.starts_with(':') {
        filled
    } else {
        set
    };
    match (&operator[operator.len() - 1..], has) {
        ("-" | "?", true) => out.text.push_str(value.map_or("", String::as_str)),
        ("-", false) | ("+", true) => {
            out.text.push_str(&operand.text);
            out.unset.append(&mut operand.unset);
        }
        ("?", false) => {
            return Err(match operand.text.as_str() {
                "" => format!("the variable {name} is required and has no value"),
                message => format!("the variable {name} is required: {message}"),
            });
        }
        _ => {}
    }
    Ok(())
}

/// The longest name at the start of `text`.
fn name_of(text: &str) -> &str {
    let end = text
        .char_indices()
        .find(|&(i, c)| !(c == '_' || c.is_ascii_alphabetic() || (i > 0 && c.is_ascii_digit())))
        .map_or(text.len(), |(i, _)| i);
    &text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn variables() -> BTreeMap<String, String> {
        [("A", "one"), ("EMPTY", ""), ("B2", "two")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into()
    }

    #[test]
    fn every_form_is_replaced() {
        for (text, expected) in [
            ("plain", "plain"),
            ("$A-$B2", "one-two"),
            ("${A}${B2}", "onetwo"),
            ("${A:-x}", "one"),
            ("${EMPTY:-x}", "x"),
            ("${EMPTY-x}", ""),
            ("${NO-x}", "x"),
            ("${NO:-a:b/c}", "a:b/c"),
            ("${NO:-${A}}", "one"),
            ("${NO:-${NO2:-deep}}!", "deep!"),
            ("${A:+alt}", "alt"),
            ("${EMPTY:+alt}", ""),
            ("${EMPTY+alt}", "alt"),
            ("${NO+alt}", ""),
            ("${A:?must}", "one"),
            ("${EMPTY?must}", ""),
            ("$$A $${A}", "$A ${A}"),
            ("a}b", "a}b"),
            ("${NO}", ""),
        ] {
            let replaced = interpolate(text, &variables()).unwrap();
            assert_eq!(replaced.text, expected, "{text}");
        }
    }

    #[test]
    fn names_without_a_value_are_told() {
        let replaced = interpolate("$NO ${NO2} ${NO3:-x} ${A:+$NO4}", &variables()).unwrap();
        assert_eq!(replaced.unset, ["NO", "NO2", "NO4"]);
    }

    #[test]
    fn bad_forms_are_refused() {
        for (text, part) in [
            ("cost: $5", "write `$$`"),
            ("${", "without a name"),
            ("${A", "neither"),
            ("${A:-x", "without its `}`"),
            ("${A!x}", "neither"),
            ("${NO:?set NO first}", "NO is required: set NO first"),
            ("${EMPTY:?}", "EMPTY is required and has no value"),
            ("${NO?gone}", "NO is required: gone"),
        ] {
            let error = interpolate(text, &variables()).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
        let nested = "${N:-".repeat(40) + &"}".repeat(40);
        assert!(interpolate(&nested, &variables()).is_err());
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[$ {}A-C:?+a\\-]{0,40}") {
            let _ = interpolate(&text, &variables());
        }

        #[test]
        fn text_without_a_dollar_is_itself(text in "[^$]{0,40}") {
            prop_assert_eq!(interpolate(&text, &variables()).unwrap().text, text);
        }

        #[test]
        fn doubled_dollars_come_back_single(text in ".{0,40}") {
            let doubled = text.replace('$', "$$");
            prop_assert_eq!(interpolate(&doubled, &variables()).unwrap().text, text);
        }

        #[test]
        fn a_default_stands_for_a_missing_value(name in "[A-Z_][A-Z0-9_]{0,8}", value in "[a-z0-9 :/]{1,12}") {
            let empty = BTreeMap::new();
            let with = BTreeMap::from([(name.clone(), value.clone())]);
            prop_assert_eq!(&interpolate(&format!("${{{name}:-{value}}}"), &empty).unwrap().text, &value);
            prop_assert_eq!(&interpolate(&format!("${{{name}}}"), &with).unwrap().text, &value);
            let required = format!("${{{name}:?no}}");
            prop_assert!(interpolate(&required, &empty).is_err());
        }
    }
}
