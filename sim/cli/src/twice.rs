//! `--twice`: plays the seed in a second process beside the first, and compares the two runs event
//! by event. A run that cannot be repeated shows nothing, so a difference is a broken testbed.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use squall_record::{RunRecord, Summary};

use crate::args::RunArgs;
use crate::exit::{Exit, complain, say};
use crate::explore;

/// Plays twice: here with `play`, which is given the file for its trace, and in a second process.
pub(crate) fn run(
    args: &RunArgs,
    seed: u64,
    play: impl FnOnce(PathBuf) -> Result<RunRecord, Exit>,
) -> Exit {
    let scratch = match Scratch::new() {
        Ok(scratch) => scratch,
        Err(error) => {
            complain(&error);
            return Exit::BrokenTestbed;
        }
    };
    let first = args.trace.clone().unwrap_or_else(|| scratch.file("first"));
    let second = scratch.file("second");
    // Both at once: most machines have a second core.
    let child = match start(args, seed, &second) {
        Ok(child) => child,
        Err(error) => {
            complain(&error);
            return Exit::BrokenTestbed;
        }
    };
    let record = play(first.clone());
    let output = child.wait_with_output();
    let record = match record {
        Ok(record) => record,
        Err(exit) => return exit,
    };
    match output {
        Ok(output) => match serde_json::from_slice::<Summary>(&output.stdout) {
            Ok(summary) => compare(&record.summary, &summary, &first, &second),
            Err(_) => {
                let said = String::from_utf8_lossy(&output.stderr);
                say(format_args!(
                    "error: the second process has no result ({}): {said}",
                    output.status
                ));
                Exit::BrokenTestbed
            }
        },
        Err(error) => {
            complain(&error);
            Exit::BrokenTestbed
        }
    }
}

fn start(args: &RunArgs, seed: u64, trace: &Path) -> io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .arg("run")
        .arg(&args.file)
        .args(explore::options(&args.chance.at(seed)))
        .args(["--format", "json", "--trace"])
        .arg(trace)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
}

fn compare(first: &Summary, second: &Summary, first_trace: &Path, second_trace: &Path) -> Exit {
    let difference = match first_difference(first_trace, second_trace) {
        Ok(difference) => difference,
        Err(error) => {
            complain(&error);
            return Exit::BrokenTestbed;
        }
    };
    if let Some(difference) = difference {
        say(difference);
        return Exit::BrokenTestbed;
    }
    // The one figure that may differ.
    let second = Summary {
        wall_ms: first.wall_ms,
        ..second.clone()
    };
    if *first != second {
        say(format_args!(
            "error: the same {} events, but not the same result (traces {} and {})",
            first.events, first.trace_hash, second.trace_hash
        ));
        return Exit::BrokenTestbed;
    }
    say(format_args!(
        "twice the same: {} events, trace {}",
        first.events, first.trace_hash
    ));
    first.verdict.into()
}

/// Describes the first line in which two traces differ.
fn first_difference(first: &Path, second: &Path) -> io::Result<Option<String>> {
    let open = |path: &Path| {
        let file = File::open(path);
        file.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))
    };
    let (mut first, mut second) = (BufReader::new(open(first)?), BufReader::new(open(second)?));
    let (mut a, mut b, mut number) = (Vec::new(), Vec::new(), 0_u64);
    loop {
        a.clear();
        b.clear();
        let ends = (
            first.read_until(b'\n', &mut a)?,
            second.read_until(b'\n', &mut b)?,
        );
        if a != b {
            let (a, b) = (String::from_utf8_lossy(&a), String::from_utf8_lossy(&b));
            return Ok(Some(describe(number + 1, a.trim_end(), b.trim_end())));
        }
        if ends == (0, 0) {
            return Ok(None);
        }
        number += 1;
    }
}

/// A line of a trace begins with virtual milliseconds and the host.
fn describe(number: u64, first: &str, second: &str) -> String {
    let place = |line: &str| {
        let mut words = line.split_whitespace();
        let (at, host) = (words.next()?.to_owned(), words.next()?.to_owned());
        Some(format!("at {at} ms on {host}"))
    };
    let place = place(first).or_else(|| place(second));
    let shown = |line: &str| {
        if line.is_empty() {
            "(the end)".to_owned()
        } else {
            line.to_owned()
        }
    };
    format!(
        "error: the two runs differ at event {number}, {}\n  first:  {}\n  second: {}",
        place.unwrap_or_else(|| "at the end".to_owned()),
        shown(first),
        shown(second)
    )
}

/// A folder that is gone when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> io::Result<Self> {
        let folder = std::env::temp_dir();
        for attempt in 0.. {
            let path = folder.join(format!("squall-{}-{attempt}", std::process::id()));
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && attempt < 100 => {}
                Err(error) => {
                    let message = format!("{}: {error}", path.display());
                    return Err(io::Error::new(error.kind(), message));
                }
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.trace"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed stays in the folder for temporary files.
        drop(std::fs::remove_dir_all(&self.0));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(first: &str, second: &str) -> Option<String> {
        let scratch = Scratch::new().unwrap();
        let (a, b) = (scratch.file("a"), scratch.file("b"));
        std::fs::write(&a, first).unwrap();
        std::fs::write(&b, second).unwrap();
        first_difference(&a, &b).unwrap()
    }

    #[test]
    fn the_first_event_that_differs_is_shown_with_its_time_and_host() {
        let same = "0.000001 a run x\n";
        assert_eq!(difference(same, same), None);
        assert_eq!(difference("", ""), None);
        let text = difference(
            &format!("{same}1.500000 nginx send y\n3.0 c run z\n"),
            &format!("{same}1.500000 nginx lost y\n"),
        )
        .unwrap();
        assert!(
            text.contains("differ at event 2, at 1.500000 ms on nginx"),
            "{text}"
        );
        assert!(
            text.contains("first:  1.500000 nginx send y\n  second: 1.500000 nginx lost y"),
            "{text}"
        );
    }

    #[test]
    fn a_run_that_ends_early_differs() {
        let text = difference("0.1 a run x\n0.2 b run y\n", "0.1 a run x\n").unwrap();
        assert!(text.contains("event 2, at 0.2 ms on b"), "{text}");
        assert!(text.contains("second: (the end)"), "{text}");
    }
}
