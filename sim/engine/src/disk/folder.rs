//! All files of a disk by name, and the journal of names.
//!
//! Creating, renaming and removing a file are noted in a journal; what is in it may be undone by a
//! power loss, the latest first, because ext4 and XFS commit their journals in order. A sync commits
//! the journal up to the last note about its folder; what comes after it and is about other folders
//! waits on (weaker than ext4, which commits all, and what POSIX allows).
//!
//! Folders are durable as soon as they are made: the real arm syncs them when it makes them.
//! Deliberately absent: time, links, permissions, folders that are removed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;

use super::file::{File, draw_prefix};
use crate::random::Random;

#[derive(Debug)]
pub(super) struct Files {
    /// What processes see: the file of each path.
    names: BTreeMap<String, u64>,
    /// What the platter has.
    durable: BTreeMap<String, u64>,
    /// What the platter does not have yet.
    journal: VecDeque<Change>,
    files: BTreeMap<u64, File>,
    folders: BTreeSet<String>,
    next: u64,
    used: u64,
    capacity: u64,
}

#[derive(Debug)]
enum Change {
    Create { path: String, file: u64 },
    Rename { from: String, to: String, file: u64 },
    Remove { path: String },
}

impl Change {
    fn concerns(&self, folder: &str) -> bool {
        match self {
            Self::Create { path, .. } | Self::Remove { path } => parent(path) == folder,
            Self::Rename { from, to, .. } => parent(from) == folder || parent(to) == folder,
        }
    }

    fn commit(self, names: &mut BTreeMap<String, u64>) {
        match self {
            Self::Create { path, file } => drop(names.insert(path, file)),
            Self::Rename { from, to, file } => {
                names.remove(&from);
                names.insert(to, file);
            }
            Self::Remove { path } => drop(names.remove(&path)),
        }
    }
}

/// What `write` has done: how much of it, and the error that ended it.
pub(super) type Written = io::Result<()>;

impl Files {
    pub(super) fn new(capacity: u64) -> Self {
        Self {
            names: BTreeMap::new(),
            durable: BTreeMap::new(),
            journal: VecDeque::new(),
            files: BTreeMap::new(),
            folders: BTreeSet::from(["/".to_owned()]),
            next: 0,
            used: 0,
            capacity,
        }
    }

    pub(super) fn capacity(&self) -> u64 {
        self.capacity
    }

    /// Forgets everything outside these folders, at once and for good.
    pub(super) fn keep(&mut self, folders: &[String]) {
        let folders: Vec<String> = folders.iter().map(|folder| clean(folder)).collect();
        let is_kept = |path: &str| {
            folders.iter().any(|folder| {
                let inside = path.strip_prefix(folder.as_str());
                folder == "/" || inside.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
            })
        };
        self.names.retain(|path, _| is_kept(path));
        self.durable.retain(|path, _| is_kept(path));
        self.journal.retain(|change| match change {
            Change::Create { path, .. } | Change::Remove { path } => is_kept(path),
            Change::Rename { from, to, .. } => is_kept(from) && is_kept(to),
        });
        let live: BTreeSet<u64> = self
            .names
            .values()
            .chain(self.durable.values())
            .copied()
            .collect();
        self.files.retain(|id, _| live.contains(id));
        let seen: BTreeSet<&u64> = self.names.values().collect();
        let lengths = seen.into_iter().filter_map(|id| self.files.get(id));
        self.used = lengths.map(|file| file.data().len() as u64).sum();
    }

    /// What does not fit is left out, and the error is ENOSPC: `write` returns a short count then,
    /// and the next one fails (write(2)).
    pub(super) fn append(&mut self, path: &str, data: &[u8]) -> Written {
        let path = clean(path);
        if self.folders.contains(&path) {
            return errno(libc::EISDIR);
        }
        self.make_folder(parent(&path))?;
        let id = match self.names.get(&path) {
            Some(id) => *id,
            None => self.create(path),
        };
        let room = self.capacity.saturating_sub(self.used);
        let fitting = data.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        if let Some(file) = self.files.get_mut(&id) {
            file.append(&data[..fitting]);
            self.used += fitting as u64;
        }
        match fitting == data.len() {
            true => Ok(()),
            false => errno(libc::ENOSPC),
        }
    }

    pub(super) fn sync(&mut self, path: &str) -> io::Result<()> {
        let path = clean(path);
        if !self.folders.contains(&path) {
            let id = self.find(&path)?;
            if let Some(file) = self.files.get_mut(&id) {
                file.sync();
            }
        }
        let concerns = |change: &Change| change.concerns(&path) || change.concerns(parent(&path));
        let until = self.journal.iter().rposition(concerns);
        self.commit(until.map_or(0, |last| last + 1));
        Ok(())
    }

    /// A sync that failed. Names stay in the journal: the file system would try it again.
    pub(super) fn fail_sync(&mut self, path: &str, random: &mut Random) {
        if let Ok(id) = self.find(&clean(path))
            && let Some(file) = self.files.get_mut(&id)
        {
            file.fail_sync(random);
        }
    }

    pub(super) fn read(&self, path: &str) -> io::Result<&[u8]> {
        let id = self.find_file(&clean(path))?;
        Ok(self.files.get(&id).map_or(&[], File::data))
    }

    /// How long a file is; 0 for what is none.
    pub(super) fn length(&self, path: &str) -> u64 {
        self.read(path).map_or(0, |data| data.len() as u64)
    }

    pub(super) fn truncate(&mut self, path: &str, length: u64) -> io::Result<()> {
        let id = self.find_file(&clean(path))?;
        let Some(file) = self.files.get_mut(&id) else {
            return errno(libc::ENOENT);
        };
        let before = file.data().len() as u64;
        if length > before {
            return errno(libc::EINVAL);
        }
        file.truncate(length as usize);
        self.used -= before - length;
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (clean(from), clean(to));
        let file = self.find_file(&from)?;
        if self.folders.contains(&to) {
            return errno(libc::EISDIR);
        }
        if !self.folders.contains(parent(&to)) {
            return errno(self.absence(&to));
        }
        if from == to {
            return Ok(());
        }
        self.names.remove(&from);
        if let Some(replaced) = self.names.insert(to.clone(), file) {
            self.free(replaced);
        }
        self.journal.push_back(Change::Rename { from, to, file });
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &str) -> io::Result<()> {
        let path = clean(path);
        let file = self.find_file(&path)?;
        self.names.remove(&path);
        self.free(file);
        self.journal.push_back(Change::Remove { path });
        Ok(())
    }

    pub(super) fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let folder = clean(folder);
        if self.names.contains_key(&folder) {
            return errno(libc::ENOTDIR);
        }
        let prefix = if folder == "/" { folder } else { folder + "/" };
        let names = self.names.keys().chain(&self.folders);
        let inside = names
            .filter_map(|path| path.strip_prefix(&prefix))
            .filter(|rest| !rest.is_empty() && !rest.contains('/'));
        let mut names: Vec<String> = inside.map(str::to_owned).collect();
        names.sort_unstable();
        Ok(names)
    }

    /// The power is gone: the journal has reached the platter to any point, and each file too.
    pub(super) fn lose_power(&mut self, random: &mut Random) {
        self.commit(draw_prefix(random, self.journal.len()));
        self.journal.clear();
        self.names.clone_from(&self.durable);
        self.forget_nameless();
        for file in self.files.values_mut() {
            file.lose_power(random);
        }
        self.used = self
            .files
            .values()
            .map(|file| file.data().len() as u64)
            .sum();
    }

    fn create(&mut self, path: String) -> u64 {
        let file = self.next;
        self.next += 1;
        self.files.insert(file, File::default());
        self.names.insert(path.clone(), file);
        self.journal.push_back(Change::Create { path, file });
        file
    }

    fn commit(&mut self, count: usize) {
        let mut is_nameless = false;
        for change in self.journal.drain(..count) {
            is_nameless |= !matches!(change, Change::Create { .. });
            change.commit(&mut self.durable);
        }
        if is_nameless {
            self.forget_nameless();
        }
    }

    /// Files that no name leads to, now or after a power loss.
    fn forget_nameless(&mut self) {
        let noted = self.journal.iter().filter_map(|change| match change {
            Change::Create { file, .. } | Change::Rename { file, .. } => Some(file),
            Change::Remove { .. } => None,
        });
        let named = self.names.values().chain(self.durable.values());
        let kept: BTreeSet<u64> = named.chain(noted).copied().collect();
        self.files.retain(|id, _| kept.contains(id));
    }

    /// The space of a file without a name is free at once.
    fn free(&mut self, file: u64) {
        let length = self.files.get(&file).map_or(0, |file| file.data().len());
        self.used -= length as u64;
    }

    fn find(&self, path: &str) -> io::Result<u64> {
        match self.names.get(path) {
            Some(id) => Ok(*id),
            None => errno(self.absence(path)),
        }
    }

    /// As [`Files::find`], where a folder is an error.
    fn find_file(&self, path: &str) -> io::Result<u64> {
        match self.folders.contains(path) {
            true => errno(libc::EISDIR),
            false => self.find(path),
        }
    }

    /// Why there is nothing at this path.
    fn absence(&self, path: &str) -> i32 {
        match ancestors(path).any(|above| self.names.contains_key(above)) {
            true => libc::ENOTDIR,
            false => libc::ENOENT,
        }
    }

    fn make_folder(&mut self, folder: &str) -> io::Result<()> {
        if self.folders.contains(folder) {
            return Ok(());
        }
        let above: Vec<&str> = std::iter::once(folder).chain(ancestors(folder)).collect();
        if above.iter().any(|path| self.names.contains_key(*path)) {
            return errno(libc::ENOTDIR);
        }
        self.folders.extend(above.into_iter().map(str::to_owned));
        Ok(())
    }
}

fn errno<T>(errno: i32) -> io::Result<T> {
    Err(io::Error::from_raw_os_error(errno))
}

/// The folder that a clean path is in; the root is in itself.
fn parent(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(slash) => &path[..slash],
    }
}

/// The folders above a clean path, from the nearest to the root.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    let mut next = path;
    std::iter::from_fn(move || {
        if next == "/" {
            return None;
        }
        next = parent(next);
        Some(next)
    })
}

/// A path without `.`, `..` and what is doubled.
pub(super) fn clean(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}
