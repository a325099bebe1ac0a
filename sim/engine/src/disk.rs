//! A host's disk: the simulated arm of [`squall_host::disk`].
//!
//! Operations queue: one at a time, each as long as [`Speed`] says, in the order in which they reach
//! the disk. What they do happens when they are done. A process that dies leaves what was done; of
//! the append that is under way, whole pages; nothing of what waits behind it. What a power loss
//! leaves is drawn, see `file` and `folder`.
//!
//! A volume that several hosts mount is a disk of each of them, with a queue and a speed of its own, whose
//! files are the others' too ([`Mounted`]). They are on a server that always has power, so no loss of power
//! concerns them.
//!
//! | module | idea |
//! |---|---|
//! | `file` | one file, in the page cache and on the platter |
//! | `folder` | all files by name, and the journal of names |
//! | `fault` | what is wrong with an operation |
//! | `mounted` | a host's own disk, and the volumes that it shares |
//!
//! Deliberately absent: a cache that makes reads free, operations that run beside each other.

mod fault;
mod file;
mod folder;
mod mounted;

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use squall_fault::disk::{Operation, Rule, Speed};
use squall_host::disk::DiskDriver;
use tokio::sync::oneshot;

use crate::boundary;
use crate::random::Random;
use crate::time::{S, ns};
use fault::Fault;
use file::{PAGE, draw_prefix};
use folder::{Files, clean};

use mounted::Place;
pub(crate) use mounted::{Mounted, Share};

/// What a disk without a [`Speed`] holds at most.
const CAPACITY: u64 = 1 << 30;

#[derive(Clone)]
pub(crate) struct SimulatedDisk(Arc<Mutex<State>>);

struct State {
    files: Share,
    /// Where the host has it; `None` for its own disk, which it has everywhere.
    place: Option<Place>,
    speed: Option<Speed>,
    rules: Vec<Rule>,
    random: Random,
    /// By the time at which they reach the disk, and then in order.
    waiting: BTreeMap<(u64, u64), Job>,
    /// What is under way, and when it is done.
    current: Option<(u64, Job)>,
    free_at_ns: u64,
    next_sequence: u64,
    /// The earliest reminder that was asked for and has not come.
    reminder_ns: Option<u64>,
}

struct Job {
    request: Request,
    fault: Fault,
    /// Whoever asked may have gone; it is done all the same, as a call that a thread of tokio's has
    /// begun.
    answer: oneshot::Sender<io::Result<Reply>>,
}

enum Request {
    Append(String, Bytes),
    Sync(String),
    Read(String),
    Truncate(String, u64),
    Rename(String, String),
    Remove(String),
    List(String),
}

enum Reply {
    Done,
    Data(Bytes),
    Names(Vec<String>),
}

impl Request {
    fn operation(&self) -> Operation {
        match self {
            Self::Append(..) => Operation::Append,
            Self::Sync(_) => Operation::Sync,
            Self::Read(_) => Operation::Read,
            Self::Truncate(..) => Operation::Truncate,
            Self::Rename(..) => Operation::Rename,
            Self::Remove(_) => Operation::Remove,
            Self::List(_) => Operation::List,
        }
    }

    fn paths(&self) -> [&str; 2] {
        match self {
            Self::Rename(from, to) => [from, to],
            Self::Append(path, _)
            | Self::Sync(path)
            | Self::Read(path)
            | Self::Truncate(path, _)
            | Self::Remove(path)
            | Self::List(path) => [path, path],
        }
    }

    /// The same, with the paths that they are in a volume.
    fn led(self, place: &Place) -> Self {
        let inner = |path: String| place.inner(&path).unwrap_or(path);
        match self {
            Self::Append(path, data) => Self::Append(inner(path), data),
            Self::Sync(path) => Self::Sync(inner(path)),
            Self::Read(path) => Self::Read(inner(path)),
            Self::Truncate(path, length) => Self::Truncate(inner(path), length),
            Self::Rename(from, to) => Self::Rename(inner(from), inner(to)),
            Self::Remove(path) => Self::Remove(inner(path)),
            Self::List(path) => Self::List(inner(path)),
        }
    }
}

impl SimulatedDisk {
    pub(crate) fn new(speed: Option<Speed>, random: Random) -> Self {
        Self::with(speed, random, Share::new(speed), None)
    }

    fn with(speed: Option<Speed>, random: Random, files: Share, place: Option<Place>) -> Self {
        Self(Arc::new(Mutex::new(State {
            files,
            place,
            speed,
            rules: Vec::new(),
            random,
            waiting: BTreeMap::new(),
            current: None,
            free_at_ns: 0,
            next_sequence: 0,
            reminder_ns: None,
        })))
    }

    pub(crate) fn set_rules(&self, rules: Vec<Rule>) {
        self.change(|disk| disk.rules = rules);
    }

    /// Has the files of another disk from now on, which has none any more.
    pub(crate) fn take_over(&self, other: &Self) {
        let files = other.change(|disk| {
            let mut files = disk.files.files();
            let capacity = files.capacity();
            std::mem::replace(&mut *files, Files::new(capacity))
        });
        self.change(|disk| *disk.files.files() = files);
    }

    /// Keeps these folders, with all that is in them, and nothing else.
    pub(crate) fn keep(&self, folders: &[String]) {
        self.change(|disk| disk.files.files().keep(folders));
    }

    /// When to call [`SimulatedDisk::remind`] next, if nobody was told yet.
    pub(crate) fn take_reminder(&self) -> Option<u64> {
        self.change(|disk| {
            let due_ns = disk.due_ns()?;
            let is_new = disk.reminder_ns.is_none_or(|known_ns| known_ns > due_ns);
            is_new.then(|| *disk.reminder_ns.insert(due_ns))
        })
    }

    /// Time has come for something to be done.
    pub(crate) fn remind(&self) {
        self.change(|disk| {
            let now_ns = boundary::now_ns();
            disk.reminder_ns = disk.reminder_ns.filter(|at_ns| *at_ns > now_ns);
            disk.advance(now_ns);
        });
    }

    /// The process is gone.
    pub(crate) fn abandon(&self) {
        self.change(State::abandon);
    }

    /// The power is gone, and what was not synced with it, if chance will have it so. A sync that is
    /// under way has not happened.
    pub(crate) fn lose_power(&self) {
        self.change(|disk| {
            disk.advance(boundary::now_ns());
            let is_append = |(_, job): &mut (u64, Job)| matches!(job.request, Request::Append(..));
            disk.current = disk.current.take_if(is_append);
            disk.abandon();
            disk.free_at_ns = 0;
            disk.files.files().lose_power(&mut disk.random);
        });
    }

    fn ask(&self, request: Request) -> BoxFuture<'static, io::Result<Reply>> {
        let (sender, receiver) = oneshot::channel();
        self.change(|disk| disk.submit(request, sender));
        // Only a process that is gone is not answered.
        receiver
            .map(|answer| answer.unwrap_or_else(|_| Err(io::Error::from_raw_os_error(libc::EIO))))
            .boxed()
    }

    fn change<R>(&self, f: impl FnOnce(&mut State) -> R) -> R {
        f(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl State {
    fn submit(&mut self, request: Request, answer: oneshot::Sender<io::Result<Reply>>) {
        let now_ns = boundary::now_ns();
        let fault = match self.rules.is_empty() {
            true => Fault::None,
            false => {
                let paths = request.paths().map(clean);
                let paths = paths.each_ref().map(String::as_str);
                let operation = request.operation();
                fault::draw(&self.rules, operation, &paths, &mut self.random)
            }
        };
        let at_ns = match fault {
            Fault::Delay(delay) => now_ns.saturating_add(ns(delay)),
            _ => now_ns,
        };
        self.next_sequence += 1;
        let job = Job {
            request: match &self.place {
                Some(place) => request.led(place),
                None => request,
            },
            fault,
            answer,
        };
        self.waiting.insert((at_ns, self.next_sequence), job);
        self.advance(now_ns);
    }

    /// Does all that is done by now.
    fn advance(&mut self, now_ns: u64) {
        loop {
            if let Some((end_ns, job)) = self.current.take_if(|(end_ns, _)| *end_ns <= now_ns) {
                self.free_at_ns = end_ns;
                self.finish(job);
            }
            let Some(start_ns) = self.next_start_ns().filter(|start_ns| *start_ns <= now_ns) else {
                return;
            };
            if let Some((_, job)) = self.waiting.pop_first() {
                let end_ns = start_ns.saturating_add(self.cost_ns(&job.request));
                self.current = Some((end_ns, job));
            }
        }
    }

    /// When the disk can begin with what waits, if it is idle.
    fn next_start_ns(&self) -> Option<u64> {
        match (&self.current, self.waiting.first_key_value()) {
            (None, Some(((at_ns, _), _))) => Some(self.free_at_ns.max(*at_ns)),
            _ => None,
        }
    }

    fn due_ns(&self) -> Option<u64> {
        let end_ns = self.current.as_ref().map(|(end_ns, _)| *end_ns);
        end_ns.or_else(|| self.next_start_ns())
    }

    fn cost_ns(&self, request: &Request) -> u64 {
        let Some(speed) = self.speed else { return 0 };
        let (base, bytes) = match request {
            Request::Sync(_) => (speed.sync, 0),
            Request::Append(_, data) => (speed.operation, data.len() as u64),
            Request::Read(path) => (speed.operation, self.files.files().length(path)),
            _ => (speed.operation, 0),
        };
        let transfer_ns = speed.bytes_per_second.map_or(0, |rate| {
            let ns = u128::from(bytes) * u128::from(S) / u128::from(rate.max(1));
            u64::try_from(ns).unwrap_or(u64::MAX)
        });
        ns(base).saturating_add(transfer_ns)
    }

    fn finish(&mut self, job: Job) {
        let result = match (job.fault, job.request) {
            (Fault::Errno(errno), request) => {
                if let Request::Sync(path) = request {
                    self.files.files().fail_sync(&path, &mut self.random);
                }
                Err(io::Error::from_raw_os_error(errno))
            }
            (Fault::Mistake(mistake), Request::Append(path, data)) => {
                let mut data = data.to_vec();
                mistake.make(&mut data, &mut self.random);
                self.files
                    .files()
                    .append(&path, &data)
                    .map(|()| Reply::Done)
            }
            (Fault::Mistake(mistake), Request::Read(path)) => {
                let data = self.files.files().read(&path).map(<[u8]>::to_vec);
                data.map(|mut data| {
                    mistake.make(&mut data, &mut self.random);
                    Reply::Data(data.into())
                })
            }
            (_, request) => self.perform(request),
        };
        let _ = job.answer.send(result); // whoever asked may have gone
    }

    fn perform(&mut self, request: Request) -> io::Result<Reply> {
        let mut files = self.files.files();
        match request {
            Request::Append(path, data) => files.append(&path, &data).map(|()| Reply::Done),
            Request::Sync(path) => files.sync(&path).map(|()| Reply::Done),
            Request::Read(path) => {
                let data = files.read(&path)?;
                Ok(Reply::Data(Bytes::copy_from_slice(data)))
            }
            Request::Truncate(path, length) => files.truncate(&path, length).map(|()| Reply::Done),
            Request::Rename(from, to) => files.rename(&from, &to).map(|()| Reply::Done),
            Request::Remove(path) => files.remove(&path).map(|()| Reply::Done),
            Request::List(folder) => files.list(&folder).map(Reply::Names),
        }
    }

    /// The process is gone. An append ends between two pages, because the kernel looks for a fatal
    /// signal there (mm/filemap.c, `generic_perform_write`); anything else that has begun is finished.
    fn abandon(&mut self) {
        self.advance(boundary::now_ns());
        self.waiting.clear();
        let Some((end_ns, mut job)) = self.current.take() else {
            return;
        };
        self.free_at_ns = end_ns;
        if let Request::Append(path, data) = &mut job.request {
            let length = self.files.files().length(path) as usize;
            let pages = (length + data.len()).div_ceil(PAGE) - length / PAGE;
            let end = (length / PAGE + draw_prefix(&mut self.random, pages)) * PAGE;
            data.truncate(end.saturating_sub(length));
        }
        self.finish(job);
    }
}

impl DiskDriver for SimulatedDisk {
    fn append(&self, path: &str, data: Bytes) -> BoxFuture<'static, io::Result<()>> {
        done(self.ask(Request::Append(path.to_owned(), data)))
    }

    fn sync(&self, path: &str) -> BoxFuture<'static, io::Result<()>> {
        done(self.ask(Request::Sync(path.to_owned())))
    }

    fn read(&self, path: &str) -> BoxFuture<'static, io::Result<Bytes>> {
        let answer = self.ask(Request::Read(path.to_owned()));
        Box::pin(async move {
            match answer.await? {
                Reply::Data(data) => Ok(data),
                Reply::Done | Reply::Names(_) => unreachable!("a read is answered with data"),
            }
        })
    }

    fn truncate(&self, path: &str, length: u64) -> BoxFuture<'static, io::Result<()>> {
        done(self.ask(Request::Truncate(path.to_owned(), length)))
    }

    fn rename(&self, from: &str, to: &str) -> BoxFuture<'static, io::Result<()>> {
        done(self.ask(Request::Rename(from.to_owned(), to.to_owned())))
    }

    fn remove(&self, path: &str) -> BoxFuture<'static, io::Result<()>> {
        done(self.ask(Request::Remove(path.to_owned())))
    }

    fn list(&self, folder: &str) -> BoxFuture<'static, io::Result<Vec<String>>> {
        let answer = self.ask(Request::List(folder.to_owned()));
        let found = answer.map(|answer| match answer {
            Ok(Reply::Names(names)) => Ok(names),
            Ok(Reply::Done | Reply::Data(_)) => unreachable!("a list is answered with names"),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(Vec::new()),
            Err(error) => Err(error),
        });
        found.boxed()
    }
}

fn done(answer: BoxFuture<'static, io::Result<Reply>>) -> BoxFuture<'static, io::Result<()>> {
    answer.map(|answer| answer.map(drop)).boxed()
}
