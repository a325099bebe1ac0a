//! Shell scripts in `/docker-entrypoint-initdb.d`, of the one kind that can be played: such that only
//! append lines to `pg_hba.conf`.
//!
//! Recognised are `cat >> "$PGDATA/pg_hba.conf" <<EOF … EOF` and `echo "…" >> "$PGDATA/pg_hba.conf"`,
//! beside comments and `set`. Anything else is refused: nothing here runs a shell.

use squall_host::launch::Text;
use squall_host::{Diagnostic, Origin};

use crate::hba::Hba;

/// The file, as scripts write it.
const TARGETS: &[&str] = &["$PGDATA/pg_hba.conf", "${PGDATA}/pg_hba.conf"];

/// The lines that a script appends; they are checked as `pg_hba.conf` is.
pub fn appended_rules(text: &Text) -> Result<String, Vec<Diagnostic>> {
    let mut rules = String::new();
    let mut wrong = Vec::new();
    let mut lines = text.content.lines().enumerate();
    while let Some((i, line)) = lines.next() {
        let line = line.trim();
        let is_idle = line.is_empty() || line.starts_with('#') || line.starts_with("set ");
        if is_idle {
            continue;
        }
        let origin = |i: usize| Origin::new(text.shown_as.clone(), i as u32 + 1);
        if let Some(end) = heredoc(line) {
            let mut ended = false;
            for (i, line) in lines.by_ref() {
                if line.trim_start_matches('\t') == end {
                    ended = true;
                    break;
                }
                check(line, || origin(i), &mut wrong);
                rules.push_str(line);
                rules.push('\n');
            }
            if !ended {
                wrong.push(Diagnostic::at(
                    origin(i),
                    format!("no line \"{end}\" ends this"),
                ));
            }
        } else if let Some(said) = echo(line) {
            check(said, || origin(i), &mut wrong);
            rules.push_str(said);
            rules.push('\n');
        } else {
            wrong.push(
                Diagnostic::at(origin(i), "shell scripts in /docker-entrypoint-initdb.d are not supported by pg-stub, but for appending to pg_hba.conf")
                    .help("write it as SQL in a file that ends in .sql, or as `cat >> \"$PGDATA/pg_hba.conf\" <<EOF`"),
            );
            break;
        }
    }
    if wrong.is_empty() {
        Ok(rules)
    } else {
        Err(wrong)
    }
}

fn check(line: &str, origin: impl Fn() -> Origin, wrong: &mut Vec<Diagnostic>) {
    let mut refuse = |message| wrong.push(Diagnostic::at(origin(), message));
    if line.contains('$') || line.contains('`') {
        return refuse("pg-stub expands nothing in a shell script".to_owned());
    }
    let alone = Text {
        shown_as: "".into(),
        content: line.into(),
    };
    if let Err(list) = Hba::parse(&alone) {
        list.into_iter().for_each(|one| refuse(one.message));
    }
}

/// Whether a word is the file, in quotes or not.
fn is_target(word: &str) -> bool {
    TARGETS.contains(&word.trim().trim_matches('"'))
}

/// `cat >> FILE <<EOF` and `cat <<EOF >> FILE`: the word that ends it.
fn heredoc(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("cat")?.trim();
    let (target, word) = match rest.strip_prefix(">>") {
        Some(rest) => rest.split_once("<<")?,
        None => {
            let (word, target) = rest.strip_prefix("<<")?.split_once(">>")?;
            (target, word)
        }
    };
    let word = word.trim_start_matches('-').trim();
    let word = word.trim_matches('\'').trim_matches('"');
    (is_target(target) && !word.is_empty() && !word.contains(' ')).then_some(word)
}

/// `echo "…" >> FILE`.
fn echo(line: &str) -> Option<&str> {
    let (said, target) = line.strip_prefix("echo ")?.rsplit_once(">>")?;
    let said = said.trim();
    let quoted = ['"', '\'']
        .into_iter()
        .find_map(|q| said.strip_prefix(q)?.strip_suffix(q));
    quoted.filter(|said| is_target(target) && !said.contains(['"', '\'']))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(content: &str) -> Result<String, String> {
        let text = Text {
            shown_as: "002_pg_hba.sh".into(),
            content: content.into(),
        };
        appended_rules(&text).map_err(|list| list[0].to_string())
    }

    #[test]
    fn appending_to_pg_hba_is_played_and_nothing_else() {
        let line = "host replication repl 10.42.0.0/16 scram-sha-256";
        let expected = Ok(format!("{line}\n"));
        for form in [
            format!("#!/bin/bash\nset -e\n\ncat >> \"$PGDATA/pg_hba.conf\" <<EOF\n{line}\nEOF\n"),
            format!("cat <<-'EOF' >> ${{PGDATA}}/pg_hba.conf\n{line}\n\tEOF\n"),
            format!("echo \"{line}\" >> \"$PGDATA/pg_hba.conf\"\n"),
        ] {
            assert_eq!(rules(&form), expected, "{form}");
        }
        let refused = |content: &str, at: &str| {
            let error = rules(content).unwrap_err();
            assert!(error.contains(at), "{error}");
        };
        refused("#!/bin/sh\npsql -c 'SELECT 1'\n", "002_pg_hba.sh:2");
        refused("cat >> /etc/passwd <<EOF\nx\nEOF\n", "002_pg_hba.sh:1");
        refused(
            "cat >> $PGDATA/pg_hba.conf <<EOF\nhost all all $NET trust\nEOF\n",
            "002_pg_hba.sh:2",
        );
        refused(
            "cat >> $PGDATA/pg_hba.conf <<EOF\nhost all all all ldap\nEOF\n",
            "002_pg_hba.sh:2",
        );
        refused(
            "cat >> $PGDATA/pg_hba.conf <<EOF\nhost all all all trust\n",
            "002_pg_hba.sh:1",
        );
    }
}
