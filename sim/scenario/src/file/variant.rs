//! `variants`: the same story with parts replaced, told once.
//!
//! A variant is laid over the tree of the file before anything in it is read: maps are merged key by
//! key, all else takes the place of what was there. So a variant may have whatever a scenario may have,
//! and what is wrong with it is told as for any scenario, with the line where it was written.
//!
//! Deliberately absent: a way to add to a list, variants of variants, and variants that cross.

use super::FIRST_KEY;
use crate::yaml::{self, Expect, Key, Node, Problems, Value};

/// The key of the variants.
pub(super) const KEY: &str = "variants";

/// What of a file no variant can replace.
const FIXED: [&str; 2] = [FIRST_KEY, KEY];

/// The names of the variants of a file, in its order; none where they are no map.
pub(super) fn names(root: &Node) -> Vec<String> {
    let variants = entry(root, KEY).map(|node| &node.value);
    match variants {
        Some(Value::Map(entries)) => entries.iter().map(|(key, _)| key.text.clone()).collect(),
        _ => Vec::new(),
    }
}

/// Lays the variant that is asked for over the tree of a file. What is wrong with any of them as a
/// variant is told in any case.
pub(super) fn apply(root: &mut Node, wanted: Option<&str>, problems: &mut Problems) {
    let variants = entry(root, KEY).cloned();
    let variants = match &variants {
        Some(node) => node.expect_map(KEY, problems),
        None => &[],
    };
    for (name, overlay) in variants {
        check(root, name, overlay, problems);
    }
    let Some(wanted) = wanted else { return };
    match variants.iter().find(|(name, _)| name.text == wanted) {
        Some((_, overlay)) => merge(root, overlay),
        None => {
            let names: Vec<&str> = variants.iter().map(|(key, _)| key.text.as_str()).collect();
            let message = format!("the scenario has no variant `{wanted}`");
            problems.add(0, message, yaml::suggestion(wanted, &names));
        }
    }
}

fn check(root: &Node, name: &Key, overlay: &Node, problems: &mut Problems) {
    // A name that a shell takes as it is.
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    if !name.text.starts_with(|c: char| c.is_ascii_alphanumeric())
        || !name.text.chars().all(is_plain)
    {
        problems.add(
            name.line,
            format!("`{}` is no name of a variant", name.text),
            "use letters, digits, `-`, `_` and `.`",
        );
    }
    let before = problems.count();
    for (key, _) in overlay.expect_map("a variant", problems) {
        if FIXED.contains(&key.text.as_str()) {
            let message = format!("`{}` in the variant `{}`", key.text, name.text);
            let help = "a variant replaces parts of the story, and has its name from its key";
            problems.add(key.line, message, help);
        }
    }
    // An empty one says that it is the file as it stands, by a name.
    let is_empty = matches!(&overlay.value, Value::Map(entries) if entries.is_empty());
    if problems.count() == before && !is_empty {
        let mut changed = root.clone();
        merge(&mut changed, overlay);
        if is_same(root, &changed) {
            let message = format!("the variant `{}` changes nothing", name.text);
            problems.add(
                name.line,
                message,
                "say in it what is different, or nothing: `{}` is the file as it stands",
            );
        }
    }
}

/// Lays one tree over another.
fn merge(under: &mut Node, over: &Node) {
    let (Value::Map(entries), Value::Map(overlay)) = (&mut under.value, &over.value) else {
        *under = over.clone();
        return;
    };
    for (key, node) in overlay {
        match entries.iter_mut().find(|(under, _)| under.text == key.text) {
            Some((_, under)) => merge(under, node),
            None => entries.push((key.clone(), node.clone())),
        }
    }
}

/// Whether two trees say the same, wherever they say it.
fn is_same(a: &Node, b: &Node) -> bool {
    match (&a.value, &b.value) {
        (Value::List(a), Value::List(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_same(a, b))
        }
        (Value::Map(a), Value::Map(b)) => {
            let same = |((a_key, a), (b_key, b)): (&(Key, Node), &(Key, Node))| {
                a_key.text == b_key.text && is_same(a, b)
            };
            a.len() == b.len() && a.iter().zip(b).all(same)
        }
        (a, b) => a == b,
    }
}

fn entry<'a>(root: &'a Node, wanted: &str) -> Option<&'a Node> {
    match &root.value {
        Value::Map(entries) => {
            let found = entries.iter().find(|(key, _)| key.text == wanted);
            found.map(|(_, node)| node)
        }
        _ => None,
    }
}
