//! `include`: one file, or all files of a folder that fit a pattern.

use regex::Regex;
use squall_host::launch::Text;
use squall_host::{Diagnostic, Files};

use super::{Directive, parse};
use crate::config::MIME_TYPES;

/// Files that include files that include files; a file that includes itself ends here.
const DEPTH_MAX: usize = 16;

/// Reads `path` and all that it includes, as one tree. `conf_prefix` is the folder to which
/// relative names refer: that of the main file.
pub(crate) fn read(
    files: &Files,
    path: &str,
    conf_prefix: &str,
) -> Result<Vec<Directive>, Diagnostic> {
    let text = files.read(path)?;
    let tree = parse(&text.shown_as, &text.content)?;
    expand(files, tree, conf_prefix, 0)
}

/// Replaces every `include` in `tree`.
pub(crate) fn expand(
    files: &Files,
    tree: Vec<Directive>,
    conf_prefix: &str,
    depth: usize,
) -> Result<Vec<Directive>, Diagnostic> {
    let mut out = Vec::with_capacity(tree.len());
    for mut directive in tree {
        if let Some(block) = directive.block.take() {
            directive.block = Some(expand(files, block, conf_prefix, depth)?);
        }
        if directive.name != "include" || directive.block.is_some() {
            out.push(directive);
            continue;
        }
        let [pattern] = directive.args.as_slice() else {
            let message = "invalid number of arguments in \"include\" directive";
            return Err(Diagnostic::at(directive.origin, message));
        };
        if depth >= DEPTH_MAX {
            let message = format!("\"{pattern}\" is included too deeply");
            return Err(Diagnostic::at(directive.origin, message)
                .help("a file that includes itself never ends"));
        }
        let pattern = full_name(pattern, conf_prefix);
        for path in matches(files, &pattern, &directive)? {
            let text = match files.read(&path) {
                Ok(text) => text,
                // It comes with the program, not with the user's files.
                Err(_) if path.ends_with("/mime.types") => Text {
                    shown_as: path.as_str().into(),
                    content: MIME_TYPES.into(),
                },
                Err(error) => {
                    let message = format!("cannot include \"{path}\": {}", error.message);
                    let mut diagnostic = Diagnostic::at(directive.origin, message);
                    diagnostic.help = error.help;
                    return Err(diagnostic);
                }
            };
            let tree = parse(&text.shown_as, &text.content)?;
            out.extend(expand(files, tree, conf_prefix, depth + 1)?);
        }
    }
    Ok(out)
}

fn full_name(path: &str, conf_prefix: &str) -> String {
    if path.starts_with('/') {
        path.to_owned()
    } else {
        format!("{}/{path}", conf_prefix.trim_end_matches('/'))
    }
}

/// The files that `pattern` names, sorted; a pattern may fit none, a plain name is always there.
fn matches(files: &Files, pattern: &str, directive: &Directive) -> Result<Vec<String>, Diagnostic> {
    let wild = |text: &str| text.contains(['*', '?', '[']);
    if !wild(pattern) {
        return Ok(vec![pattern.to_owned()]);
    }
    let (folder, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    if wild(folder) {
        return Err(Diagnostic::at(
            directive.origin.clone(),
            format!("\"{pattern}\": a pattern in the folder is not supported by squall"),
        )
        .help("use a pattern in the file's name only"));
    }
    let glob = glob(name).ok_or_else(|| {
        let message = format!("\"{pattern}\" is no pattern for files");
        Diagnostic::at(directive.origin.clone(), message)
    })?;
    let mut paths = files.list(folder);
    paths.retain(|path| {
        let name = path.rsplit('/').next().unwrap_or(path);
        !name.starts_with('.') && glob.is_match(name)
    });
    Ok(paths)
}

/// glob(7) for one name.
fn glob(pattern: &str) -> Option<Regex> {
    let mut regex = String::from("^");
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' => regex.push_str(".*"),
            '?' => regex.push('.'),
            '[' => {
                regex.push('[');
                for c in chars.by_ref() {
                    match c {
                        '!' if regex.ends_with('[') => regex.push('^'),
                        ']' => break,
                        '-' => regex.push('-'),
                        c => regex.push_str(&regex::escape(&c.to_string())),
                    }
                }
                regex.push(']');
            }
            c => regex.push_str(&regex::escape(&c.to_string())),
        }
    }
    regex.push('$');
    Regex::new(&regex).ok()
}
