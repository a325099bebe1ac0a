//! The command line of `haproxy`: which files, and whether they are only to be checked.

use squall_host::diagnostic::{Diagnostic, Diagnostics};
use squall_host::{Launch, Loaded};

use crate::config;
use crate::config::Config;

/// Where HAProxy's own image, and then Debian's package, have the file.
const DEFAULTS: [&str; 2] = [
    "/usr/local/etc/haproxy/haproxy.cfg",
    "/etc/haproxy/haproxy.cfg",
];

/// Reads the command line and the files; see [`crate::load`].
pub(crate) fn load(launch: &Launch) -> Result<Loaded, Diagnostics> {
    let arguments = Arguments::read(&launch.args)?;
    let paths = match arguments.files[..] {
        [] => vec![found(launch).to_owned()],
        _ => arguments.files,
    };
    let (config, facts) = config::load(launch, &paths)?;
    if arguments.check_only {
        return Ok(Loaded::new(facts, |host, _| async move {
            host.out.line("Configuration file is valid");
            Ok::<(), crate::Error>(())
        }));
    }
    Ok(Loaded::new(facts, move |host, shutdown| {
        crate::run(Config::clone(&config), host, shutdown)
    }))
}

/// The first default file that is there; the first of all when none is.
fn found(launch: &Launch) -> &'static str {
    DEFAULTS
        .into_iter()
        .find(|path| launch.files.read(path).is_ok())
        .unwrap_or(DEFAULTS[0])
}

#[derive(Debug, Default)]
struct Arguments {
    files: Vec<String>,
    check_only: bool,
}

impl Arguments {
    fn read(words: &[String]) -> Result<Self, Diagnostics> {
        let mut read = Self::default();
        let mut wrong = Vec::new();
        let mut words = words.iter().map(String::as_str).peekable();
        // A container's command may name the program itself.
        if words
            .peek()
            .is_some_and(|word| word.rsplit('/').next() == Some("haproxy"))
        {
            words.next();
        }
        let mut files_only = false;
        while let Some(word) = words.next() {
            match word {
                file if files_only => read.files.push(file.to_owned()),
                "--" => files_only = true,
                "-f" => match words.next() {
                    Some(file) => read.files.push(file.to_owned()),
                    None => wrong.push(Diagnostic::new("-f wants a file")),
                },
                "-c" => read.check_only = true,
                // Foreground, master, quiet, verbose: there is one process, in the foreground.
                "-db" | "-D" | "-W" | "-Ws" | "-q" | "-V" => {}
                // Limits, names and folders of the real process.
                "-p" | "-n" | "-N" | "-m" | "-L" | "-C" | "-S" | "-x" => {
                    words.next();
                }
                // Processes that an old one should hand over to: there is none.
                "-sf" | "-st" => {
                    while words.peek().is_some_and(|word| word.parse::<u32>().is_ok()) {
                        words.next();
                    }
                }
                debug if debug.starts_with("-d") => {}
                file if !file.starts_with('-') => read.files.push(file.to_owned()),
                other => wrong.push(
                    Diagnostic::new(format!("unknown argument '{other}' of haproxy"))
                        .help("-f FILE and -c are understood"),
                ),
            }
        }
        Diagnostics::check(wrong)?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(words: &str) -> Result<Arguments, Diagnostics> {
        let words: Vec<String> = words.split_whitespace().map(str::to_owned).collect();
        Arguments::read(&words)
    }

    #[test]
    fn files_and_the_check_are_found_among_the_rest() {
        let read = read("haproxy -W -db -f /a.cfg -dM -p /run/pid -c -f /b.cfg").unwrap();
        assert_eq!(read.files, ["/a.cfg", "/b.cfg"]);
        assert!(read.check_only);
    }

    #[test]
    fn the_unknown_is_refused() {
        assert!(read("-f").is_err());
        assert!(read("--frobnicate").is_err());
    }
}
