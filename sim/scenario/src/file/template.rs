//! Texts with places for what is drawn: `{"sender":"u${a}"}`.
//!
//! Deliberately without an escape: who wants to send a `${` draws the dollar (`draw: {dollar: ['$']}`).

use super::draw::is_name;

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece<'a> {
    /// Sent as it stands.
    Text(&'a str),
    /// `${NAME}`.
    Name(&'a str),
}

/// The parts of a text in order; the error is the reference that is none.
pub fn pieces(text: &str) -> Result<Vec<Piece<'_>>, &str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let at = before.len();
        let end = after.find('}').ok_or(&rest[at..])?;
        let name = &after[..end];
        if !is_name(name) {
            return Err(&rest[at..at + 2 + end + 1]);
        }
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        pieces.push(Piece::Name(name));
        rest = &after[end + 1..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    Ok(pieces)
}

/// The text with each name replaced by its value, once: a `${` in a value stays what it is. A text that is no
/// template, and a name without a value, are left as they are: the reader has refused both.
pub fn fill<'a>(text: &str, value_of: impl Fn(&str) -> Option<&'a str>) -> String {
    let Ok(pieces) = pieces(text) else {
        return text.to_owned();
    };
    let mut filled = String::with_capacity(text.len());
    for piece in pieces {
        match piece {
            Piece::Text(text) => filled.push_str(text),
            Piece::Name(name) => match value_of(name) {
                Some(value) => filled.push_str(value),
                None => filled.extend(["${", name, "}"]),
            },
        }
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::Piece::{Name, Text};
    use super::*;

    #[test]
    fn a_text_is_taken_apart() {
        let parts = pieces("u${a}-${b_2}$ {}").unwrap();
        assert_eq!(
            parts,
            [Text("u"), Name("a"), Text("-"), Name("b_2"), Text("$ {}")]
        );
        assert_eq!(pieces("").unwrap(), []);
        for (bad, reference) in [
            ("x${}y", "${}"),
            ("${a", "${a"),
            ("a${1}", "${1}"),
            ("${a b}", "${a b}"),
            ("${${a}}", "${${a}"),
        ] {
            assert_eq!(pieces(bad), Err(reference), "{bad}");
        }
    }

    #[test]
    fn values_are_put_in_once() {
        let value = |name: &str| match name {
            "a" => Some("${b}"),
            "dollar" => Some("$"),
            _ => None,
        };
        assert_eq!(fill("<${a}>", value), "<${b}>");
        assert_eq!(fill("${dollar}{b}", value), "${b}");
        assert_eq!(fill("${c}", value), "${c}");
    }
}
