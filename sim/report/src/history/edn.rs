//! A history as EDN, Clojure's data (<https://github.com/edn-format/edn>): what Jepsen's `history.edn` is, a map a line.
//!
//! The keys of an operation, its type and its `f` are keywords. What a service said in JSON keeps its keys as
//! strings: not each of them could be a keyword, and a map with both would be hard to read from.

use std::fmt::{self, Display, Formatter, Write as _};
use std::io::{self, Write};

use serde_json::Value;

use super::Operation;

/// Writes a history, a line for each operation.
pub fn write<'a>(
    operations: impl Iterator<Item = Operation<'a>>,
    out: &mut impl Write,
) -> io::Result<()> {
    for operation in operations {
        writeln!(out, "{}", Map(&operation))?;
    }
    Ok(())
}

struct Map<'a>(&'a Operation<'a>);

impl Display for Map<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let it = self.0;
        write!(
            f,
            "{{:process {}, :type :{}, ",
            it.process,
            it.kind.as_str()
        )?;
        match is_keyword(it.f) {
            true => write!(f, ":f :{}", it.f)?,
            false => {
                f.write_str(":f ")?;
                text(it.f, f)?;
            }
        }
        f.write_str(", :value ")?;
        value(&it.value, f)?;
        write!(f, ", :time {}, :index {}", it.time_ns, it.index)?;
        if let Some(error) = &it.error {
            f.write_str(", :error ")?;
            text(error, f)?;
        }
        f.write_char('}')
    }
}

/// Whether a name can be written after a colon: EDN's symbols, without those that need care.
fn is_keyword(name: &str) -> bool {
    let is_letter = |c: char| c.is_ascii_alphabetic() || "*!_?".contains(c);
    name.starts_with(is_letter)
        && name
            .chars()
            .all(|c| is_letter(c) || c.is_ascii_digit() || "-.".contains(c))
}

fn value(json: &Value, f: &mut Formatter<'_>) -> fmt::Result {
    match json {
        Value::Null => f.write_str("nil"),
        Value::Bool(truth) => write!(f, "{truth}"),
        // EDN's integers have 64 bits with a sign unless they say otherwise.
        Value::Number(number) if number.is_u64() && !number.is_i64() => write!(f, "{number}N"),
        Value::Number(number) => write!(f, "{number}"),
        Value::String(string) => text(string, f),
        Value::Array(items) => {
            f.write_char('[')?;
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    f.write_char(' ')?;
                }
                value(item, f)?;
            }
            f.write_char(']')
        }
        Value::Object(entries) => {
            f.write_char('{')?;
            for (at, (key, item)) in entries.iter().enumerate() {
                if at > 0 {
                    f.write_str(", ")?;
                }
                text(key, f)?;
                f.write_char(' ')?;
                value(item, f)?;
            }
            f.write_char('}')
        }
    }
}

fn text(text: &str, f: &mut Formatter<'_>) -> fmt::Result {
    f.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            // All control characters are below U+00A0, so four digits are enough.
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_char('"')
}
