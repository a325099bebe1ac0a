//! What a host's paths lead to: its own disk, or a volume that other hosts may mount as well.
//!
//! Deliberately absent: a server that can be away, and a client's cache. An append here is a file that is
//! opened, written and closed, and NFS writes back what it has at a close (nfs(5), "Close-to-open cache
//! consistency").

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use futures::future::{BoxFuture, ready};
use squall_fault::disk::{Rule, Speed};
use squall_host::disk::DiskDriver;

use super::folder::{Files, clean};
use super::{CAPACITY, SimulatedDisk};
use crate::random::Random;

/// The files of a volume.
#[derive(Clone)]
pub(crate) struct Share(pub(super) Arc<Mutex<Files>>);

impl Share {
    pub(crate) fn new(speed: Option<Speed>) -> Self {
        let capacity = speed.map_or(CAPACITY, |speed| speed.capacity_bytes);
        Self(Arc::new(Mutex::new(Files::new(capacity))))
    }

    pub(super) fn files(&self) -> MutexGuard<'_, Files> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Which part of a host's paths leads to which part of a volume.
#[derive(Clone, Debug)]
pub(super) struct Place {
    folder: String,
    inside: String,
}

impl Place {
    /// The path in the volume; `None` for one that is elsewhere.
    pub(super) fn inner(&self, path: &str) -> Option<String> {
        let path = clean(path);
        let rest = path.strip_prefix(self.folder.trim_end_matches('/'))?;
        let is_inside = rest.is_empty() || rest.starts_with('/');
        is_inside.then(|| clean(&format!("{}/{rest}", self.inside)))
    }
}

/// A host's own disk, and the volumes that it has mounted.
#[derive(Clone)]
pub(crate) struct Mounted {
    own: SimulatedDisk,
    /// The last that was mounted hides those before it.
    volumes: Arc<Mutex<Vec<(Place, SimulatedDisk)>>>,
}

impl Mounted {
    pub(crate) fn new(own: SimulatedDisk) -> Self {
        Self {
            own,
            volumes: Arc::default(),
        }
    }

    /// From now on `folder` leads to the folder `inside` of a volume.
    pub(crate) fn mount(
        &self,
        folder: &str,
        share: &Share,
        inside: &str,
        speed: Option<Speed>,
        random: Random,
    ) {
        let place = Place {
            folder: clean(folder),
            inside: clean(inside),
        };
        let disk = SimulatedDisk::with(speed, random, share.clone(), Some(place.clone()));
        self.volumes().push((place, disk));
    }

    pub(crate) fn set_rules(&self, rules: &[Rule]) {
        self.each(|disk| disk.set_rules(rules.to_vec()));
    }

    /// Has the files of another host's own disk from now on, which has none any more.
    pub(crate) fn take_over(&self, other: &Self) {
        self.own.take_over(&other.own);
    }

    /// Keeps these folders of its own disk. What is mounted stays as it is.
    pub(crate) fn keep(&self, folders: &[String]) {
        self.own.keep(folders);
    }

    /// When to call [`Mounted::remind`] next, if nobody was told yet; to be asked until there is none.
    pub(crate) fn take_reminder(&self) -> Option<u64> {
        let of_volumes = || {
            self.volumes()
                .iter()
                .find_map(|(_, disk)| disk.take_reminder())
        };
        self.own.take_reminder().or_else(of_volumes)
    }

    /// Time has come for something to be done.
    pub(crate) fn remind(&self) {
        self.each(SimulatedDisk::remind);
    }

    /// The process is gone.
    pub(crate) fn abandon(&self) {
        self.each(SimulatedDisk::abandon);
    }

    /// The power is gone here, and not where the volumes are.
    pub(crate) fn lose_power(&self) {
        self.own.lose_power();
        self.volumes().iter().for_each(|(_, disk)| disk.abandon());
    }

    fn each(&self, f: impl Fn(&SimulatedDisk)) {
        f(&self.own);
        self.volumes().iter().for_each(|(_, disk)| f(disk));
    }

    /// The disk that a path leads to, and which one it is.
    fn disk(&self, path: &str) -> (usize, SimulatedDisk) {
        let volumes = self.volumes();
        let found = volumes.iter().enumerate().rev();
        let mut found = found.filter(|(_, (place, _))| place.inner(path).is_some());
        match found.next() {
            Some((index, (_, disk))) => (index + 1, disk.clone()),
            None => (0, self.own.clone()),
        }
    }

    fn volumes(&self) -> MutexGuard<'_, Vec<(Place, SimulatedDisk)>> {
        self.volumes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl DiskDriver for Mounted {
    fn append(&self, path: &str, data: Bytes) -> BoxFuture<'static, io::Result<()>> {
        self.disk(path).1.append(path, data)
    }

    fn sync(&self, path: &str) -> BoxFuture<'static, io::Result<()>> {
        self.disk(path).1.sync(path)
    }

    fn read(&self, path: &str) -> BoxFuture<'static, io::Result<Bytes>> {
        self.disk(path).1.read(path)
    }

    fn truncate(&self, path: &str, length: u64) -> BoxFuture<'static, io::Result<()>> {
        self.disk(path).1.truncate(path, length)
    }

    fn rename(&self, from: &str, to: &str) -> BoxFuture<'static, io::Result<()>> {
        let (source, disk) = self.disk(from);
        match source == self.disk(to).0 {
            true => disk.rename(from, to),
            false => Box::pin(ready(Err(io::Error::from_raw_os_error(libc::EXDEV)))),
        }
    }

    fn remove(&self, path: &str) -> BoxFuture<'static, io::Result<()>> {
        self.disk(path).1.remove(path)
    }

    fn list(&self, folder: &str) -> BoxFuture<'static, io::Result<Vec<String>>> {
        self.disk(folder).1.list(folder)
    }
}
