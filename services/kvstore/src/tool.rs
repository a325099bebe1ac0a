//! `log dump`, `log verify` and `log replay`: what an operator does with a log.
//!
//! They read the files of a store that does not run. Deliberately absent: repair in place; `replay`
//! writes a new store and leaves the old one as it is.

use squall_host::disk::Disk;
use squall_host::{Diagnostic, Diagnostics, Host};

use crate::error::Error;
use crate::log::files::Files;
use crate::log::frame::{self, Line};
use crate::log::recovery::{Recovered, recover};
use crate::snapshot;

const USAGE: &str = "log dump DIR|FILE, log verify DIR, or log replay FROM INTO [--until SEQ]";

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Dump {
        path: String,
    },
    Verify {
        folder: String,
    },
    Replay {
        from: String,
        into: String,
        until: Option<u64>,
    },
}

impl Command {
    /// Reads the arguments after `log`.
    pub(crate) fn read(args: &[String]) -> Result<Self, Diagnostics> {
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        let path = |text: &str| match text.trim_end_matches('/') {
            "" => text.to_owned(),
            trimmed => trimmed.to_owned(),
        };
        match *words {
            ["dump", from] => Ok(Self::Dump { path: path(from) }),
            ["verify", folder] => Ok(Self::Verify {
                folder: path(folder),
            }),
            ["replay", from, into] => Ok(Self::Replay {
                from: path(from),
                into: path(into),
                until: None,
            }),
            ["replay", from, into, "--until", seq] | ["replay", "--until", seq, from, into] => {
                let until = seq.parse().map_err(|error| {
                    Diagnostic::new(format!("--until `{seq}`: {error}"))
                        .help("it is a sequence number, as `log dump` shows them")
                })?;
                Ok(Self::Replay {
                    from: path(from),
                    into: path(into),
                    until: Some(until),
                })
            }
            _ => Err(
                Diagnostic::new(format!("cannot make sense of `log {}`", words.join(" ")))
                    .help(format!("say squall-node kvstore {USAGE}"))
                    .into(),
            ),
        }
    }
}

/// Does it; what it finds is printed.
pub(crate) async fn run(command: Command, host: Host) -> Result<(), Error> {
    match command {
        Command::Dump { path } => dump(&path, &host).await,
        Command::Verify { folder } => {
            let found = load(&host.disk, &folder, None).await?;
            host.out.line(&describe(&folder, &found));
            Ok(())
        }
        Command::Replay { from, into, until } => {
            let found = load(&host.disk, &from, until).await?;
            if let Some(file) = Files::list(&host.disk, &into).await?.paths(&into).pop() {
                return Err(Error::Occupied { folder: into, file });
            }
            let image = found.store.image();
            snapshot::write(&host.disk, &into, found.seq, &image, 0).await?;
            host.out.line(&describe(&from, &found));
            host.out.line(&format!("{into}: written"));
            Ok(())
        }
    }
}

async fn load(disk: &Disk, folder: &str, until: Option<u64>) -> Result<Recovered, Error> {
    // What is remembered of transactions is not cut short here.
    let found = recover(disk, folder, usize::MAX, until).await?;
    match found.is_new {
        true => Err(Error::NoStore {
            path: folder.to_owned(),
        }),
        false => Ok(found),
    }
}

fn describe(folder: &str, found: &Recovered) -> String {
    let mut text = format!(
        "{folder}: {} keys and {} idempotency keys as of sequence {}; snapshot of {}",
        found.store.len(),
        found.store.repeats().in_order().len(),
        found.seq,
        found.base,
    );
    if let Some(torn) = &found.torn {
        text += &format!(
            "; {} ends at byte {} in {} bytes of a batch that was never acknowledged, which the next \
             start cuts off",
            torn.path, torn.at, torn.bytes
        );
    }
    text
}

/// Every line of a file, or of all files of a folder: where it is and what it holds, bad ones too.
async fn dump(path: &str, host: &Host) -> Result<(), Error> {
    let paths = match Files::list(&host.disk, path).await {
        Ok(files) => files.paths(path),
        // It is a file.
        Err(_) => vec![path.to_owned()],
    };
    if paths.is_empty() {
        return Err(Error::NoStore {
            path: path.to_owned(),
        });
    }
    for path in paths {
        let file = host
            .disk
            .read(&path)
            .await
            .map_err(Error::disk("read", &path))?;
        let file = frame::content(&file);
        let mut at = 0;
        loop {
            let (text, next) = match frame::read(file, at) {
                Line::End => break,
                Line::Frame { json, next } => (String::from_utf8_lossy(json).into_owned(), next),
                Line::Bad(bad) => {
                    let line = String::from_utf8_lossy(&file[bad.at..bad.next]);
                    (
                        format!("BAD: {}: {}", bad.why, line.escape_debug()),
                        bad.next,
                    )
                }
            };
            host.out.line(&format!("{path}:{at} {text}"));
            at = next;
        }
    }
    Ok(())
}
