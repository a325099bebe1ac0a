//! The tree back to text.

use std::fmt::Write;

use super::Directive;

pub(super) fn directives(out: &mut String, list: &[Directive], depth: usize) {
    for directive in list {
        let _ = write!(out, "{:1$}", "", depth * 4);
        word(out, &directive.name);
        for arg in &directive.args {
            out.push(' ');
            word(out, arg);
        }
        match &directive.block {
            None => out.push_str(";\n"),
            Some(block) => {
                out.push_str(" {\n");
                directives(out, block, depth + 1);
                let _ = writeln!(out, "{:1$}}}", "", depth * 4);
            }
        }
    }
}

fn word(out: &mut String, word: &str) {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:=*~^$,@+%?|()[]<>!&".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        out.push_str(word);
        return;
    }
    out.push('"');
    for c in word.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
}
