//! Text with variables, parsed once when the configuration is read and evaluated for each request.

use std::sync::Arc;

use crate::variables::Variable;

/// `"text $variable ${variable}"` in parts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Template(Arc<[Part]>);

#[derive(Clone, Debug)]
pub(crate) enum Part {
    Text(Box<str>),
    Variable(Variable),
}

impl Template {
    pub(crate) fn text(text: &str) -> Self {
        if text.is_empty() {
            return Self::default();
        }
        Self(Arc::new([Part::Text(text.into())]))
    }

    pub(crate) fn parts(&self) -> &[Part] {
        &self.0
    }

    /// The whole of it, when no variable is in it.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match &*self.0 {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }
}

/// Why a text is no template.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    /// `$` without a name, as in `"$ "`.
    InvalidName,
    /// `${name` without its end.
    NotClosed(String),
}

/// Parses `text`; `variable` makes sense of each name.
pub(crate) fn parse(
    text: &str,
    mut variable: impl FnMut(&str) -> Variable,
) -> Result<Template, Malformed> {
    let mut parts = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        plain.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        let name;
        if let Some(inner) = rest.strip_prefix('{') {
            let length = inner.bytes().take_while(|b| is_name(*b)).count();
            name = &inner[..length];
            rest = match inner[length..].strip_prefix('}') {
                Some(after) => after,
                None => return Err(Malformed::NotClosed(name.to_owned())),
            };
        } else if rest
            .as_bytes()
            .first()
            .is_some_and(|b| (b'1'..=b'9').contains(b))
        {
            // A capture is one digit long: `$10` is `$1` and then a zero.
            (name, rest) = rest.split_at(1);
        } else {
            let length = rest.bytes().take_while(|b| is_name(*b)).count();
            (name, rest) = rest.split_at(length);
        }
        if name.is_empty() {
            return Err(Malformed::InvalidName);
        }
        if !plain.is_empty() {
            parts.push(Part::Text(std::mem::take(&mut plain).into()));
        }
        parts.push(Part::Variable(variable(&name.to_ascii_lowercase())));
    }
    plain.push_str(rest);
    if !plain.is_empty() {
        parts.push(Part::Text(plain.into()));
    }
    Ok(Template(parts.into()))
}

fn is_name(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> Result<Vec<String>, Malformed> {
        let mut names = Vec::new();
        let template = parse(text, |name| {
            names.push(format!("${name}"));
            Variable::Host
        })?;
        let mut names = names.into_iter();
        let shape = template.parts().iter().map(|part| match part {
            Part::Text(text) => text.to_string(),
            Part::Variable(_) => names.next().unwrap(),
        });
        Ok(shape.collect())
    }

    #[test]
    fn names_end_where_nginx_ends_them() {
        assert_eq!(
            shape("a$b-${c}d$E").unwrap(),
            ["a", "$b", "-", "$c", "d", "$e"]
        );
        assert_eq!(shape("$1$10x").unwrap(), ["$1", "$1", "0x"]);
        assert_eq!(shape("").unwrap(), Vec::<String>::new());
        assert_eq!(shape("a $ b"), Err(Malformed::InvalidName));
        assert_eq!(shape("${a"), Err(Malformed::NotClosed("a".into())));
    }
}
