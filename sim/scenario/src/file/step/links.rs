//! Which links a fault is on: `of: A`, `from: A`, `towards: A`, `between: A` with `and: B`.

use super::names;
use crate::file::Located;
use crate::yaml::{Expect, Fields, Node, Problems, Value};

/// Links between machines, by direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Links {
    /// Who sends; `None` for everybody.
    pub from: Option<Vec<Located<String>>>,
    /// Who receives; `None` for everybody.
    pub towards: Option<Vec<Located<String>>>,
    /// The other direction as well.
    pub both_ways: bool,
}

/// All links of these, in both directions.
pub(super) fn around(names: Vec<Located<String>>) -> Links {
    Links {
        from: None,
        towards: Some(names),
        both_ways: true,
    }
}

/// Links and nothing else: names, or a map of ends.
pub(super) fn read_alone(
    node: &Node,
    what: &'static str,
    problems: &mut Problems,
) -> Option<Links> {
    if !matches!(node.value, Value::Map(_)) {
        return Some(around(names(node, what, problems)?));
    }
    let mut fields = node.fields(what, problems)?;
    let links = read_ends(&mut fields, what, problems);
    fields.finish(problems);
    links
}

/// The links among the fields of a fault.
pub(in crate::file) fn read_ends(
    fields: &mut Fields<'_>,
    what: &str,
    problems: &mut Problems,
) -> Option<Links> {
    let mut end = |key| {
        let node = fields.take(key)?;
        Some(names(node, key, problems))
    };
    let (of, from, towards) = (end("of"), end("from"), end("towards"));
    let (between, and) = (end("between"), end("and"));
    match (of, from, towards, between, and) {
        (Some(of), None, None, None, None) => Some(around(of?)),
        (None, None, None, Some(between), Some(and)) => Some(Links {
            from: Some(between?),
            towards: Some(and?),
            both_ways: true,
        }),
        (None, from, towards, None, None) if from.is_some() || towards.is_some() => Some(Links {
            from: unless_bad(from)?,
            towards: unless_bad(towards)?,
            both_ways: false,
        }),
        _ => {
            problems.add(
                fields.line,
                format!("`{what}` does not say on which links"),
                "write `of: A`, `towards: A`, `from: A`, or `between: A` with `and: B`",
            );
            None
        }
    }
}

/// Absent is good; present and unreadable is not.
fn unless_bad<T>(end: Option<Option<T>>) -> Option<Option<T>> {
    match end {
        None => Some(None),
        Some(read) => read.map(Some),
    }
}
