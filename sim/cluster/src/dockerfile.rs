//! What of a Dockerfile shows when its image runs: copied files, environment, command.
//!
//! Reads the final stage and the stages of the same file that it is built from. `RUN` is not
//! played: what it makes does not exist here. Deliberately absent: heredocs, `COPY --from`,
//! `.dockerignore`, and everything of the base image but its name.

use std::collections::BTreeMap;
use std::time::Duration;

use squall_host::{Diagnostic, Origin};

use crate::compose::{Build, HEALTHCHECK_DEFAULT, Healthcheck, Located, interpolate, values};

/// What running the image shows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    /// The image of `FROM` that is no stage of this file.
    pub(crate) base: String,
    /// Sources as written, from the build context, and where they go; later ones win.
    pub(crate) copies: Vec<Copy>,
    /// `ENV`.
    pub(crate) env: BTreeMap<String, String>,
    /// `ENTRYPOINT`.
    pub(crate) entrypoint: Option<Vec<String>>,
    /// `CMD`.
    pub(crate) cmd: Option<Vec<String>>,
    /// `HEALTHCHECK`; `Some(None)` for `NONE`.
    pub(crate) healthcheck: Option<Option<Located<Healthcheck>>>,
    /// Where the last command stands, for messages.
    pub(crate) origin: Option<Origin>,
    workdir: String,
}

/// One source of a `COPY` or `ADD`.
#[derive(Clone, Debug)]
pub(crate) struct Copy {
    pub(crate) source: String,
    /// An absolute path; ends with `/` for a folder.
    pub(crate) target: String,
    pub(crate) origin: Origin,
}

/// Reads the text of a Dockerfile that the user knows as `file`.
pub(crate) fn parse(file: &str, text: &str, build: &Build) -> Result<Image, Diagnostic> {
    let mut reader = Reader {
        file: file.into(),
        outer_args: BTreeMap::new(),
        args: BTreeMap::new(),
        given: &build.args,
        stages: Vec::new(),
    };
    for (line, instruction) in instructions(text) {
        let origin = Origin::new(&*reader.file.clone(), line);
        reader
            .read(&instruction, &origin)
            .map_err(|message| Diagnostic::at(origin, message))?;
    }
    let stage = match &build.target {
        Some(target) => reader
            .stages
            .iter()
            .find(|(name, _)| name.as_deref() == Some(target)),
        None => reader.stages.last(),
    };
    match stage {
        Some((_, image)) => Ok(image.clone()),
        None => Err(Diagnostic::at(
            Origin::new(file, 0),
            match &build.target {
                Some(target) => format!("no stage `{target}`"),
                None => "no FROM in this file".to_owned(),
            },
        )),
    }
}

/// Logical lines with the number of their first line: comments dropped, `\` at the end joined.
fn instructions(text: &str) -> Vec<(u32, String)> {
    let mut all: Vec<(u32, String)> = Vec::new();
    let mut open: Option<(u32, String)> = None;
    for (number, line) in (1..).zip(text.lines()) {
        let line = line.trim();
        if line.starts_with('#') || (line.is_empty() && open.is_none()) {
            continue;
        }
        let (start, mut joined) = open.take().unwrap_or((number, String::new()));
        match line.strip_suffix('\\') {
            Some(part) => {
                joined.push_str(part);
                open = Some((start, joined));
            }
            None => {
                joined.push_str(line);
                all.push((start, joined));
            }
        }
    }
    all.extend(open);
    all
}

struct Reader<'a> {
    file: String,
    /// `ARG` before the first `FROM`.
    outer_args: BTreeMap<String, String>,
    /// `ARG` of the current stage.
    args: BTreeMap<String, String>,
    given: &'a BTreeMap<String, String>,
    stages: Vec<(Option<String>, Image)>,
}

impl Reader<'_> {
    fn read(&mut self, instruction: &str, origin: &Origin) -> Result<(), String> {
        let (word, rest) = instruction
            .split_once(char::is_whitespace)
            .unwrap_or((instruction, ""));
        let rest = rest.trim();
        let word = word.to_ascii_uppercase();
        match word.as_str() {
            "FROM" => return self.from(rest),
            "ARG" => return self.arg(rest),
            _ => {}
        }
        let scope = self.scope();
        let Some((_, image)) = self.stages.last_mut() else {
            return Err(format!("{word} before the first FROM"));
        };
        match word.as_str() {
            "COPY" | "ADD" => copy(image, rest, &scope, origin, &word)?,
            "ENV" => env(image, rest, &scope)?,
            "WORKDIR" => {
                let path = replace(rest, &scope);
                image.workdir = absolute(&image.workdir, &path);
            }
            "CMD" => {
                image.cmd = Some(command(rest)?);
                image.origin = Some(origin.clone());
            }
            "ENTRYPOINT" => {
                image.entrypoint = Some(command(rest)?);
                // The base's command was for the base's entry point.
                image.cmd = None;
                image.origin = Some(origin.clone());
            }
            "HEALTHCHECK" => {
                let value = healthcheck(rest)?;
                image.healthcheck = Some(value.map(|value| Located {
                    value,
                    origin: origin.clone(),
                }));
            }
            "RUN" | "EXPOSE" | "USER" | "LABEL" | "MAINTAINER" | "VOLUME" | "STOPSIGNAL"
            | "SHELL" | "ONBUILD" => {}
            _ => return Err(format!("unknown instruction {word}")),
        }
        Ok(())
    }

    fn from(&mut self, rest: &str) -> Result<(), String> {
        let words: Vec<&str> = rest
            .split_whitespace()
            .filter(|word| !word.starts_with("--"))
            .collect();
        let (base, name) = match words[..] {
            [base] => (base, None),
            [base, as_, name] if as_.eq_ignore_ascii_case("as") => (base, Some(name)),
            _ => return Err("FROM takes an image, and a name after AS".to_owned()),
        };
        let base = replace(base, &self.outer_args);
        let earlier = self.stages.iter().find(|(n, _)| n.as_ref() == Some(&base));
        let image = match earlier {
            Some((_, image)) => image.clone(),
            None => Image {
                base,
                workdir: "/".to_owned(),
                ..Image::default()
            },
        };
        self.stages.push((name.map(str::to_owned), image));
        self.args.clear();
        Ok(())
    }

    fn arg(&mut self, rest: &str) -> Result<(), String> {
        for word in values::words(rest)? {
            let (name, default) = match word.split_once('=') {
                Some((name, default)) => (name.to_owned(), Some(replace(default, &self.scope()))),
                None => (word.clone(), self.outer_args.get(&word).cloned()),
            };
            let Some(value) = self.given.get(&name).cloned().or(default) else {
                continue;
            };
            if self.stages.is_empty() {
                self.outer_args.insert(name, value);
            } else {
                self.args.insert(name, value);
            }
        }
        Ok(())
    }

    /// What `${}` sees: arguments, and over them the environment.
    fn scope(&self) -> BTreeMap<String, String> {
        match self.stages.last() {
            None => self.outer_args.clone(),
            Some((_, image)) => {
                let mut scope = self.args.clone();
                scope.extend(image.env.clone());
                scope
            }
        }
    }
}

/// Replaces variables; text that is no variable stays as it is, as in a Dockerfile.
fn replace(text: &str, scope: &BTreeMap<String, String>) -> String {
    match interpolate(text, scope) {
        Ok(replaced) => replaced.text,
        Err(_) => text.to_owned(),
    }
}

fn absolute(workdir: &str, path: &str) -> String {
    let joined = match path.starts_with('/') {
        true => path.to_owned(),
        false => format!("{}/{path}", workdir.trim_end_matches('/')),
    };
    let folder = joined.ends_with('/') || joined.ends_with("/.") || joined.is_empty();
    let parts: Vec<&str> = joined
        .split('/')
        .filter(|part| !part.is_empty() && *part != ".")
        .collect();
    let path = format!("/{}", parts.join("/"));
    if folder && path != "/" {
        path + "/"
    } else {
        path
    }
}

fn copy(
    image: &mut Image,
    rest: &str,
    scope: &BTreeMap<String, String>,
    origin: &Origin,
    word: &str,
) -> Result<(), String> {
    let mut rest = rest;
    while let Some(flag) = rest.strip_prefix("--") {
        let (flag, after) = flag
            .split_once(char::is_whitespace)
            .ok_or_else(|| format!("{word} takes sources and a target"))?;
        if flag.starts_with("from=") {
            // What another stage or image made does not exist here.
            return Ok(());
        }
        rest = after.trim_start();
    }
    if rest.starts_with("<<") {
        return Err(format!(
            "{word} with a heredoc is not read here; copy a file"
        ));
    }
    let words = match json_list(rest) {
        Some(list) => list,
        None => values::words(rest)?,
    };
    let Some((target, sources)) = words.split_last().filter(|(_, s)| !s.is_empty()) else {
        return Err(format!("{word} takes sources and a target"));
    };
    let mut target = absolute(&image.workdir, &replace(target, scope));
    if sources.len() > 1 && !target.ends_with('/') {
        target.push('/');
    }
    for source in sources {
        let source = replace(source, scope);
        if word == "ADD" && source.contains("://") {
            // A download is made by the build, like RUN's results.
            continue;
        }
        image.copies.push(Copy {
            source,
            target: target.clone(),
            origin: origin.clone(),
        });
    }
    Ok(())
}

fn env(image: &mut Image, rest: &str, scope: &BTreeMap<String, String>) -> Result<(), String> {
    let old_form = rest
        .split_whitespace()
        .next()
        .is_some_and(|word| !word.contains('='));
    if old_form {
        let (key, value) = rest
            .split_once(char::is_whitespace)
            .ok_or_else(|| format!("ENV {rest} has no value"))?;
        image
            .env
            .insert(key.to_owned(), replace(value.trim(), scope));
        return Ok(());
    }
    for word in values::words(rest)? {
        let (key, value) = word
            .split_once('=')
            .ok_or_else(|| format!("ENV: `{word}` is not KEY=VALUE"))?;
        image.env.insert(key.to_owned(), replace(value, scope));
    }
    Ok(())
}

/// `["a", "b"]`, or a line for the shell.
fn command(rest: &str) -> Result<Vec<String>, String> {
    match json_list(rest) {
        Some(list) => Ok(list),
        None if rest.is_empty() => Err("a command is missing".to_owned()),
        None => Ok(["sh", "-c", rest].map(str::to_owned).into()),
    }
}

fn json_list(text: &str) -> Option<Vec<String>> {
    // JSON is YAML; a line that is no list of strings is for the shell.
    if !text.starts_with('[') {
        return None;
    }
    serde_saphyr::from_str::<Vec<String>>(text).ok()
}

fn healthcheck(rest: &str) -> Result<Option<Healthcheck>, String> {
    if rest.eq_ignore_ascii_case("NONE") {
        return Ok(None);
    }
    let mut check = HEALTHCHECK_DEFAULT;
    let mut rest = rest;
    while let Some(flag) = rest.strip_prefix("--") {
        let (flag, after) = flag
            .split_once(char::is_whitespace)
            .ok_or("HEALTHCHECK takes options and CMD")?;
        let (key, value) = flag
            .split_once('=')
            .ok_or_else(|| format!("HEALTHCHECK: --{flag} has no value"))?;
        let duration = || values::duration(value).map(|d| d.max(Duration::from_millis(1)));
        match key {
            "interval" => check.interval = duration()?,
            "timeout" => check.timeout = duration()?,
            "start-period" => check.start_period = duration()?,
            "start-interval" => check.start_interval = duration()?,
            "retries" => {
                check.retries = value
                    .parse::<u32>()
                    .map_err(|_| format!("HEALTHCHECK: `{value}` is no number"))?
                    .max(1);
            }
            _ => return Err(format!("HEALTHCHECK: unknown option --{key}")),
        }
        rest = after.trim_start();
    }
    let line = match rest.split_once(char::is_whitespace) {
        Some((word, line)) if word.eq_ignore_ascii_case("CMD") => line.trim(),
        _ => return Err("HEALTHCHECK takes NONE or CMD".to_owned()),
    };
    check.test = command(line)?;
    Ok(Some(check))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build() -> Build {
        Build {
            context: ".".into(),
            dockerfile: "Dockerfile".into(),
            args: BTreeMap::from([("VERSION".into(), "1.27".into())]),
            target: None,
        }
    }

    #[test]
    fn the_final_stage_shows() {
        let text = "# syntax\nARG VERSION=1.0\nFROM rust:1 AS build\nRUN cargo build \\\n  # why\n  --release\nFROM nginx:${VERSION}-alpine\nWORKDIR /etc\nENV A=1 B=\"two words\"\nENV OLD some value\nCOPY --chown=root nginx.conf nginx/nginx.conf\nCOPY a.conf b.conf /etc/nginx/conf.d/\nCOPY --from=build /x /y\nADD https://example.com/x /z\nHEALTHCHECK --interval=2s --retries=5 CMD curl -f http://localhost/ || exit 1\nEXPOSE 80\nCMD [\"nginx\", \"-g\", \"daemon off;\"]\n";
        let image = parse("Dockerfile", text, &build()).unwrap();
        assert_eq!(image.base, "nginx:1.27-alpine");
        assert_eq!(image.env["B"], "two words");
        assert_eq!(image.env["OLD"], "some value");
        let copies: Vec<(&str, &str, u32)> = image
            .copies
            .iter()
            .map(|c| (c.source.as_str(), c.target.as_str(), c.origin.line))
            .collect();
        assert_eq!(
            copies,
            [
                ("nginx.conf", "/etc/nginx/nginx.conf", 11),
                ("a.conf", "/etc/nginx/conf.d/", 12),
                ("b.conf", "/etc/nginx/conf.d/", 12),
            ]
        );
        assert_eq!(image.cmd.unwrap(), ["nginx", "-g", "daemon off;"]);
        let check = image.healthcheck.unwrap().unwrap().value;
        assert_eq!(check.interval, Duration::from_secs(2));
        assert_eq!(check.retries, 5);
        assert_eq!(
            check.test,
            ["sh", "-c", "curl -f http://localhost/ || exit 1"]
        );
    }

    #[test]
    fn a_stage_inherits_from_a_stage() {
        let text = "FROM haproxy:2 AS base\nCOPY h.cfg /h.cfg\nCMD haproxy -f /h.cfg\nFROM base\nENTRYPOINT [\"x\"]\n";
        let image = parse("Dockerfile", text, &build()).unwrap();
        assert_eq!(image.base, "haproxy:2");
        assert_eq!(image.copies.len(), 1);
        assert_eq!(
            (image.cmd, image.entrypoint.unwrap()),
            (None, vec!["x".to_owned()])
        );
    }

    #[test]
    fn bad_lines_are_named() {
        for (text, line, part) in [
            ("RUN x\n", 1, "before the first FROM"),
            ("FROM a\nFOO x\n", 2, "unknown instruction FOO"),
            ("FROM a\n\nCOPY x\n", 3, "sources and a target"),
            ("FROM a\nCOPY <<EOF /x\n", 2, "heredoc"),
            ("FROM a b\n", 1, "FROM takes"),
            ("FROM a\nHEALTHCHECK --interval=x CMD y\n", 2, "no duration"),
            ("", 0, "no FROM"),
        ] {
            let error = parse("Dockerfile", text, &build()).unwrap_err();
            assert_eq!(error.origin.as_ref().unwrap().line, line, "{text}");
            assert!(error.message.contains(part), "{error}");
        }
    }
}
