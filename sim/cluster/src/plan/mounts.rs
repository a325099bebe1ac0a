//! The configuration files that a container can read.

use std::collections::BTreeMap;

use squall_host::launch::Mounted;
use squall_host::{Diagnostic, Origin};

use super::service::Notes;
use crate::compose::{Located, Mount, MountSource, Project};
use crate::dockerfile::Copy;
use crate::files::Folder;

/// Files by their path in the container.
pub(super) type Mounts = BTreeMap<String, Mounted>;

/// A folder with more files than this is no configuration.
const FILES_MAX: usize = 1000;
/// Folders in folders.
const DEPTH_MAX: usize = 8;

/// Puts a `volumes:` entry, a config or a secret into place.
pub(super) fn mount(
    files: &mut Mounts,
    folder: &Folder,
    compose_file: &str,
    mount: &Mount,
    origin: &Origin,
    notes: &mut Notes<'_>,
) {
    let target = mount.target.trim_end_matches('/');
    let path = match &mount.source {
        MountSource::Content(text) => {
            let mounted = Mounted {
                shown_as: format!("{compose_file} ({target})").into(),
                content: text.as_str().into(),
            };
            files.insert(target.to_owned(), mounted);
            return;
        }
        // The machine's business, and no file here.
        MountSource::Volume(_) => return,
        MountSource::Path(path) if path.starts_with('~') => {
            notes.problems.push(
                Diagnostic::at(origin.clone(), format!("`{path}`: a home folder"))
                    .help("put the file beside the compose file"),
            );
            return;
        }
        MountSource::Path(path) => folder.shown(path),
    };
    let there = std::path::Path::new(&path);
    if there.is_dir() {
        // A mount hides what the image had below it.
        let prefix = format!("{target}/");
        files.retain(|file, _| !file.starts_with(&prefix));
        tree(files, &path, target, origin, notes);
    } else if !there.exists() && mount.create && is_folder_name(&path) && is_folder_name(target) {
        // Docker makes it: a new, empty folder.
        notes.without_effect.push((
            format!("{path}: an empty folder, mounted at {target}"),
            origin.clone(),
        ));
    } else {
        file(files, &path, target, origin, notes);
    }
}

/// Whether more than one container has a named volume.
pub(super) fn is_shared(project: &Project, name: &str) -> bool {
    let containers = project.services.iter().map(|service| {
        let has = |mount: &Located<Mount>| {
            matches!(&mount.value.source, MountSource::Volume(volume) if volume == name)
        };
        match service.mounts.iter().any(has) {
            true => service.replicas.value,
            false => 0,
        }
    });
    containers.sum::<u32>() > 1
}

/// Puts a `COPY` of a Dockerfile into place.
pub(super) fn copy(files: &mut Mounts, context: &Folder, copy: &Copy, notes: &mut Notes<'_>) {
    for source in matches(context, &copy.source) {
        let path = context.shown(&source);
        if std::path::Path::new(&path).is_dir() {
            let target = copy.target.trim_end_matches('/');
            tree(files, &path, target, &copy.origin, notes);
            continue;
        }
        let target = match copy.target.strip_suffix('/') {
            Some(folder) => format!("{folder}/{}", source.rsplit('/').next().unwrap_or(&source)),
            None => copy.target.clone(),
        };
        // Most copies are programs that a build made; what a program here misses it will name.
        if let Ok(text) = Folder::read_text(&path) {
            files.insert(target, mounted(&path, &text));
        } else if !std::path::Path::new(&path).exists() {
            // A fresh clone has not built it yet.
            notes
                .without_effect
                .push((format!("{path}: no such file"), copy.origin.clone()));
        }
    }
}

/// The sources that a pattern with `*` in its last part stands for; itself without one.
fn matches(context: &Folder, source: &str) -> Vec<String> {
    let (folder, name) = match source.rsplit_once('/') {
        Some((folder, name)) => (folder, name),
        None => ("", source),
    };
    let Some((head, tail)) = name.split_once('*') else {
        return vec![source.to_owned()];
    };
    Folder::list(&context.shown(folder))
        .into_iter()
        .filter(|n| n.len() >= head.len() + tail.len() && n.starts_with(head) && n.ends_with(tail))
        .map(|n| match folder {
            "" => n,
            folder => format!("{folder}/{n}"),
        })
        .collect()
}

fn is_folder_name(path: &str) -> bool {
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or("");
    !name.trim_start_matches('.').contains('.')
}

fn mounted(path: &str, text: &str) -> Mounted {
    Mounted {
        shown_as: path.into(),
        content: text.into(),
    }
}

fn file(files: &mut Mounts, path: &str, target: &str, origin: &Origin, notes: &mut Notes<'_>) {
    match Folder::read_text(path) {
        Ok(text) => {
            files.insert(target.to_owned(), mounted(path, &text));
        }
        Err(message) => notes.problems.push(
            Diagnostic::at(origin.clone(), format!("{path}: {message}")).help(format!(
                "it is mounted at {target}; put it there, or correct the path"
            )),
        ),
    }
}

/// Every text file of a folder; the others are told in one note.
fn tree(files: &mut Mounts, path: &str, target: &str, origin: &Origin, notes: &mut Notes<'_>) {
    let mut left_out = 0;
    let mut room = FILES_MAX;
    descend(files, path, target, DEPTH_MAX, &mut room, &mut left_out);
    if left_out > 0 {
        notes.warnings.push(Diagnostic::at(
            origin.clone(),
            format!(
                "{path}: {left_out} entries are hidden, no text, too big or too many, and cannot be read at {target}"
            ),
        ));
    }
}

fn descend(
    files: &mut Mounts,
    path: &str,
    target: &str,
    depth: usize,
    room: &mut usize,
    left_out: &mut usize,
) {
    for name in Folder::list(path) {
        let (inner, inside) = (format!("{path}/{name}"), format!("{target}/{name}"));
        let folder = std::path::Path::new(&inner).is_dir();
        if (folder && (depth == 0 || name.starts_with('.'))) || *room == 0 {
            *left_out += 1;
        } else if folder {
            descend(files, &inner, &inside, depth - 1, room, left_out);
        } else if let Ok(text) = Folder::read_text(&inner) {
            *room -= 1;
            files.insert(inside, mounted(&inner, &text));
        } else {
            *left_out += 1;
        }
    }
}
