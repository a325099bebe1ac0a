//! `log_format` and `access_log`.

use std::sync::Arc;

use squall_host::{Diagnostic, Origin};

use super::build::{Builder, duplicate, invalid, unsupported, wrong_count};
use super::names::Names;
use super::settings::Raw;
use crate::syntax::Directive;
use crate::template::Template;

/// One `access_log`: each goes to standard output, whatever file it names.
#[derive(Clone, Debug)]
pub(crate) struct AccessLog {
    pub(crate) format: Arc<Format>,
    /// Logs only if this is neither empty nor `0`.
    pub(crate) condition: Option<Template>,
}

/// One `log_format`.
#[derive(Debug)]
pub(crate) struct Format {
    pub(crate) template: Template,
    pub(crate) escape: Escape,
}

/// How a variable's value is made safe in a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    /// `\xXX` for quotes, backslashes and what is not printable.
    Default,
    Json,
    None,
}

/// nginx's predefined format `combined`.
const COMBINED: &str = "$remote_addr - $remote_user [$time_local] \"$request\" $status \
                        $body_bytes_sent \"$http_referer\" \"$http_user_agent\"";

fn combined() -> Arc<Format> {
    let template = Names::default().template(COMBINED, &Origin::new("combined", 0));
    Arc::new(Format {
        template: template.expect("a literal format"),
        escape: Escape::Default,
    })
}

/// What nginx logs unless told otherwise.
pub(super) fn default() -> Arc<Vec<AccessLog>> {
    Arc::new(vec![AccessLog {
        format: combined(),
        condition: None,
    }])
}

pub(super) fn read_format(b: &mut Builder, d: &Directive) -> Result<(), Diagnostic> {
    let (name, mut rest) = d.args.split_first().ok_or_else(|| wrong_count(d))?;
    let mut escape = Escape::Default;
    if let Some((word, after)) = rest.split_first()
        && let Some(kind) = word.strip_prefix("escape=")
    {
        rest = after;
        escape = match kind {
            "default" => Escape::Default,
            "json" => Escape::Json,
            "none" => Escape::None,
            _ => return Err(invalid(d, word)),
        };
    }
    if rest.is_empty() {
        return Err(wrong_count(d));
    }
    if name == "combined" || b.formats.contains_key(name) {
        let message = format!("duplicate \"log_format\" name \"{name}\"");
        return Err(Diagnostic::at(d.origin.clone(), message).help("give it another name"));
    }
    let template = b.names.template(&rest.concat(), &d.origin)?;
    let format = Arc::new(Format { template, escape });
    b.formats.insert(name.clone(), format);
    Ok(())
}

pub(super) fn read_access_log(
    b: &mut Builder,
    raw: &mut Raw,
    d: &Directive,
) -> Result<(), Diagnostic> {
    let (path, rest) = d.args.split_first().ok_or_else(|| wrong_count(d))?;
    if path == "off" {
        return match raw.access_logs.replace(Arc::default()) {
            None => Ok(()),
            Some(_) => Err(duplicate(d)),
        };
    }
    if path.starts_with("syslog:") || path.contains('$') {
        return Err(unsupported(d, path).help("log to /dev/stdout"));
    }
    let mut format = None;
    let mut condition = None;
    for (at, word) in rest.iter().enumerate() {
        match word.split_once('=') {
            None if at == 0 && word == "combined" => format = Some(combined()),
            None if at == 0 => {
                let known = b.formats.get(word).cloned().ok_or_else(|| {
                    Diagnostic::at(d.origin.clone(), format!("unknown log format \"{word}\""))
                        .help("define it with \"log_format\" above this line")
                })?;
                format = Some(known);
            }
            Some(("if", value)) => condition = Some(b.names.template(value, &d.origin)?),
            // Every line is written at once.
            Some(("buffer" | "flush", _)) => {}
            _ => return Err(invalid(d, word)),
        }
    }
    if !matches!(path.as_str(), "/dev/stdout" | "/dev/stderr") {
        // The lines go to standard output all the same; only the place has no effect.
        b.without_effect(d);
    }
    let log = AccessLog {
        format: format.unwrap_or_else(combined),
        condition,
    };
    Arc::make_mut(raw.access_logs.get_or_insert_default()).push(log);
    Ok(())
}
