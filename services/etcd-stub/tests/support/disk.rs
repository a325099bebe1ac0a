//! A disk in memory that a test can look into and spoil, that dies at a chosen step, and that loses
//! with its power what was not synced (docs/src/disk.md says what that may leave).

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use squall_host::disk::DiskDriver;

/// The disk; clones share it.
#[derive(Clone, Default)]
pub(crate) struct TestDisk(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Clone, Default)]
struct State {
    files: BTreeMap<u64, File>,
    /// As processes see them.
    names: BTreeMap<String, u64>,
    /// As they are after a power loss, if none of `journal` is.
    durable_names: BTreeMap<String, u64>,
    journal: Vec<Note>,
    next: u64,
    /// How many changes there were, and after how many the disk is dead.
    steps: usize,
    dies_at: Option<usize>,
}

/// Names that change together.
type Note = Vec<(String, Option<u64>)>;

#[derive(Clone, Default)]
struct File {
    bytes: Vec<u8>,
    durable: usize,
}

fn absent() -> io::Error {
    io::ErrorKind::NotFound.into()
}

/// The next of a row of numbers that are as good as random.
pub(crate) fn draw(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *state >> 33
}

impl TestDisk {
    fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        work(&mut self.0.state.lock().unwrap())
    }

    /// Makes a file what it is to be, durably.
    pub(crate) fn put(&self, path: &str, bytes: &[u8]) {
        self.with(|state| {
            let id = state.next;
            state.next += 1;
            let (bytes, durable) = (bytes.to_vec(), bytes.len());
            state.files.insert(id, File { bytes, durable });
            state.names.insert(path.to_owned(), id);
            state.durable_names.insert(path.to_owned(), id);
        });
    }

    /// What is in a file that is there.
    pub(crate) fn file(&self, path: &str) -> Vec<u8> {
        self.with(|state| state.files[&state.names[path]].bytes.clone())
    }

    /// The paths of all files.
    pub(crate) fn names(&self) -> Vec<String> {
        self.with(|state| state.names.keys().cloned().collect())
    }

    /// After so many more changes everything fails; of an append that is the last, half is done.
    pub(crate) fn die_after(&self, steps: usize) {
        self.with(|state| state.dies_at = Some(state.steps + steps));
    }

    /// What is left when the power comes back, which is drawn.
    pub(crate) fn after_power_loss(&self, random: &mut u64) -> Self {
        let mut state = self.with(|state| state.clone());
        // A journal leaves its beginning; the interface promises less (squall_host::disk).
        let is_ordered = draw(random).is_multiple_of(2);
        let kept = draw(random) as usize % (state.journal.len() + 1);
        for (index, note) in std::mem::take(&mut state.journal).into_iter().enumerate() {
            if if is_ordered {
                index < kept
            } else {
                draw(random).is_multiple_of(2)
            } {
                state.commit(note);
            }
        }
        state.names = state.durable_names.clone();
        for file in state.files.values_mut() {
            file.lose(random);
        }
        (state.steps, state.dies_at) = (0, None);
        let disk = Self::default();
        disk.with(|fresh| *fresh = state);
        disk
    }

    fn done<T: Send + 'static>(&self, result: io::Result<T>) -> BoxFuture<'static, io::Result<T>> {
        async move {
            tokio::task::yield_now().await;
            result
        }
        .boxed()
    }
}

impl File {
    fn lose(&mut self, random: &mut u64) {
        let new = self.bytes.len() - self.durable;
        let kept = self.durable + draw(random) as usize % (new + 1);
        let lost = self.bytes.len() - kept;
        match draw(random) % 4 {
            // The length has arrived, and not all of the content.
            0 => self.bytes[kept..].fill(0),
            1 => {
                self.bytes.truncate(kept);
                let zeros = draw(random) as usize % (lost + 1);
                self.bytes.resize(kept + zeros, 0);
            }
            2 if lost > 2 => {
                let end = kept + 2 + draw(random) as usize % (lost - 1);
                self.bytes[kept..end].fill(0);
            }
            _ => self.bytes.truncate(kept),
        }
        self.durable = self.bytes.len();
    }
}

fn apply(names: &mut BTreeMap<String, u64>, note: &Note) {
    for (path, id) in note {
        match id {
            Some(id) => names.insert(path.clone(), *id),
            None => names.remove(path),
        };
    }
}

impl State {
    fn step(&mut self) -> io::Result<()> {
        self.steps += 1;
        match self.dies_at {
            Some(at) if self.steps >= at => Err(io::Error::from_raw_os_error(5)),
            _ => Ok(()),
        }
    }

    fn note(&mut self, note: Note) {
        apply(&mut self.names, &note);
        self.journal.push(note);
    }

    fn commit(&mut self, note: Note) {
        apply(&mut self.durable_names, &note);
    }

    fn append(&mut self, path: &str, data: &[u8]) -> io::Result<()> {
        let was_dead = self.dies_at.is_some_and(|at| self.steps >= at);
        let alive = self.step();
        if was_dead {
            return alive;
        }
        let id = match self.names.get(path) {
            Some(id) => *id,
            None => {
                let id = self.next;
                self.next += 1;
                self.note(vec![(path.to_owned(), Some(id))]);
                id
            }
        };
        let part = if alive.is_ok() {
            data.len()
        } else {
            data.len() / 2
        };
        let file = self.files.entry(id).or_default();
        file.bytes.extend_from_slice(&data[..part]);
        alive
    }

    fn sync(&mut self, path: &str) -> io::Result<()> {
        self.step()?;
        let id = *self.names.get(path).ok_or_else(absent)?;
        let file = self.files.entry(id).or_default();
        file.durable = file.bytes.len();
        for note in std::mem::take(&mut self.journal) {
            self.commit(note);
        }
        Ok(())
    }

    fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        self.step()?;
        let id = *self.names.get(from).ok_or_else(absent)?;
        self.note(vec![(from.to_owned(), None), (to.to_owned(), Some(id))]);
        Ok(())
    }

    fn remove(&mut self, path: &str) -> io::Result<()> {
        self.step()?;
        self.names.get(path).ok_or_else(absent)?;
        self.note(vec![(path.to_owned(), None)]);
        Ok(())
    }
}

impl DiskDriver for TestDisk {
    fn append(&self, path: &str, data: Bytes) -> BoxFuture<'static, io::Result<()>> {
        let done = self.with(|state| state.append(path, &data));
        self.done(done)
    }

    fn sync(&self, path: &str) -> BoxFuture<'static, io::Result<()>> {
        let (disk, path) = (self.clone(), path.to_owned());
        async move {
            tokio::task::yield_now().await;
            disk.with(|state| state.sync(&path))
        }
        .boxed()
    }

    fn read(&self, path: &str) -> BoxFuture<'static, io::Result<Bytes>> {
        let found = self.with(|state| {
            let id = state.names.get(path)?;
            Some(state.files[id].bytes.clone())
        });
        self.done(found.map(Bytes::from).ok_or_else(absent))
    }

    fn truncate(&self, _: &str, _: u64) -> BoxFuture<'static, io::Result<()>> {
        self.done(Err(io::ErrorKind::Unsupported.into()))
    }

    fn rename(&self, from: &str, to: &str) -> BoxFuture<'static, io::Result<()>> {
        let done = self.with(|state| state.rename(from, to));
        self.done(done)
    }

    fn remove(&self, path: &str) -> BoxFuture<'static, io::Result<()>> {
        let done = self.with(|state| state.remove(path));
        self.done(done)
    }

    fn list(&self, folder: &str) -> BoxFuture<'static, io::Result<Vec<String>>> {
        let prefix = format!("{folder}/");
        let names = self.with(|state| {
            if state.names.contains_key(folder) {
                return Err(io::ErrorKind::NotADirectory.into());
            }
            let names = state
                .names
                .keys()
                .filter_map(|path| path.strip_prefix(&prefix));
            Ok(names
                .filter(|name| !name.contains('/'))
                .map(str::to_owned)
                .collect())
        });
        self.done(names)
    }
}
