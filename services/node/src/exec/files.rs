//! `rm`, `mv`, `cp`, `mkdir -p` and what test(1) asks about files, on the machine's own disk.
//!
//! Deliberately absent: ConfigMaps, Secrets and what an image brings, which are no files of the disk here;
//! permissions, links, globs. A folder is there when something is in it, so `mkdir` has nothing to do.

use std::io;

use squall_host::disk::Disk;

use super::Outcome;
use super::options::options;

/// One command.
#[derive(Clone, Debug)]
pub(super) enum Files {
    Remove {
        paths: Vec<String>,
        recursive: bool,
        force: bool,
    },
    Move(String, String),
    Copy(String, String),
    MakeFolders,
    /// `test -f`, `-e`, `-s`, `-d`, and their negation.
    Test {
        asked: Asked,
        negated: bool,
        path: String,
    },
}

/// What test(1) asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    Exists,
    IsFile,
    IsFolder,
    HasContent,
}

pub(super) fn rm(args: &[&str]) -> Result<Files, String> {
    let (mut recursive, mut force) = (false, false);
    let paths = options(args, "", |name, _| {
        match name {
            "r" | "R" | "--recursive" => recursive = true,
            "f" | "--force" => force = true,
            _ => return Err(format!("rm: no option {name} here")),
        }
        Ok(())
    })?;
    match paths.is_empty() && !force {
        true => Err("rm without a file".to_owned()),
        false => Ok(Files::Remove {
            paths: absolute("rm", &paths)?,
            recursive,
            force,
        }),
    }
}

/// `mv` and `cp`: of one file to another name.
pub(super) fn two<'a>(
    command: &str,
    args: &[&'a str],
    make: fn(String, String) -> Files,
) -> Result<Files, String> {
    let paths: Vec<&'a str> = options(args, "", |name, _| match name {
        "f" => Ok(()),
        _ => Err(format!("{command}: no option {name} here")),
    })?;
    match &absolute(command, &paths)?[..] {
        [from, to] if !to.ends_with('/') => Ok(make(from.clone(), to.clone())),
        _ => Err(format!("{command} takes a file and its new name here")),
    }
}

pub(super) fn mkdir(args: &[&str]) -> Result<Files, String> {
    let paths = options(args, "", |name, _| match name {
        "p" | "--parents" => Ok(()),
        _ => Err(format!("mkdir: no option {name} here")),
    })?;
    absolute("mkdir", &paths).map(|_| Files::MakeFolders)
}

/// `-f PATH` and its like; `None` for anything else that test(1) knows.
pub(super) fn test(words: &[String]) -> Option<Files> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (negated, option, path) = match words[..] {
        [option, path] => (false, option, path),
        ["!", option, path] => (true, option, path),
        _ => return None,
    };
    let asked = match option {
        "-e" => Asked::Exists,
        "-f" => Asked::IsFile,
        "-d" => Asked::IsFolder,
        "-s" => Asked::HasContent,
        _ => return None,
    };
    Some(Files::Test {
        asked,
        negated,
        path: path.to_owned(),
    })
}

/// Relative paths would be those of an image's working directory, which nobody knows here. A digit stands
/// for a variable while a line is only looked at.
fn absolute(command: &str, paths: &[&str]) -> Result<Vec<String>, String> {
    let each = paths.iter().map(|path| match path.starts_with(['/', '1']) {
        true => Ok((*path).to_owned()),
        false => Err(format!("{command}: `{path}`: write the whole path")),
    });
    each.collect()
}

impl Files {
    pub(super) async fn run(&self, disk: &Disk) -> Outcome {
        let done = match self {
            Self::Remove {
                paths,
                recursive,
                force,
            } => {
                let removed = remove(disk, paths, *recursive).await;
                return Outcome::truth(removed.is_ok() || *force);
            }
            Self::Move(from, to) => rename(disk, from, to).await,
            Self::Copy(from, to) => copy(disk, from, to).await,
            Self::MakeFolders => Ok(()),
            Self::Test {
                asked,
                negated,
                path,
            } => return Outcome::truth(answer(disk, *asked, path).await != *negated),
        };
        Outcome::truth(done.is_ok())
    }
}

async fn remove(disk: &Disk, paths: &[String], recursive: bool) -> io::Result<()> {
    let mut last = Ok(());
    let mut waiting: Vec<String> = paths.iter().rev().cloned().collect();
    while let Some(path) = waiting.pop() {
        let inside = match recursive {
            true => disk.list(&path).await.unwrap_or_default(),
            false => Vec::new(),
        };
        if inside.is_empty() {
            let removed = disk.remove(&path).await;
            // A folder that is empty is as good as gone.
            if !recursive {
                last = last.and(removed);
            }
        }
        let path = path.trim_end_matches('/');
        waiting.extend(inside.iter().rev().map(|name| format!("{path}/{name}")));
    }
    last
}

/// On another file system it is a copy, as mv(1) makes it.
async fn rename(disk: &Disk, from: &str, to: &str) -> io::Result<()> {
    match disk.rename(from, to).await {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            copy(disk, from, to).await?;
            disk.remove(from).await
        }
        done => done,
    }
}

async fn copy(disk: &Disk, from: &str, to: &str) -> io::Result<()> {
    let data = disk.read(from).await?;
    match disk.remove(to).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => disk.append(to, data).await,
    }
}

async fn answer(disk: &Disk, asked: Asked, path: &str) -> bool {
    let content = disk.read(path).await;
    match (asked, content) {
        (Asked::HasContent, content) => content.is_ok_and(|data| !data.is_empty()),
        (Asked::IsFile, content) => content.is_ok(),
        (Asked::Exists, Ok(_)) => true,
        (Asked::IsFolder, Ok(_)) => false,
        (Asked::Exists | Asked::IsFolder, Err(error)) => {
            error.kind() == io::ErrorKind::IsADirectory
        }
    }
}
