//! Several children at once: started, waited for without spinning, killed when their time is over.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Write};
use std::marker::PhantomData;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process, waitpid};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Ended, Error, Limits, sys};

/// How much of what a child says is kept: its end, where the reason is.
const SAID_BYTES_MAX: usize = 4096;

/// The exit status of a child whose result cannot be passed on.
const MUTE: i32 = 102;

/// What the standard library says before it aborts because there is no memory left
/// (`std::alloc::handle_alloc_error`).
const NO_MEMORY: &str = "memory allocation of ";

/// What a wait came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Waited<K, T> {
    /// The child with this key has ended.
    Ended(K, Ended<T>),
    /// The time until which was waited has come.
    Time,
    /// There is something to read from the interrupt.
    Interrupt,
    /// There is no child to wait for.
    Nobody,
}

/// Children that work, each with the key under which it was started. Those that are left when the
/// pool is dropped are killed.
#[derive(Debug)]
pub struct Pool<K, T> {
    limits: Limits,
    children: Vec<Child<K>>,
    value: PhantomData<T>,
}

#[derive(Debug)]
struct Child<K> {
    key: K,
    pid: Pid,
    deadline: Instant,
    /// Its result. Nobody else has the other end, so it ends when the child does.
    value: Source,
    /// What it says.
    said: Source,
}

impl<K, T> Pool<K, T> {
    /// A pool without children.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            children: Vec::new(),
            value: PhantomData,
        }
    }

    /// How many children work.
    pub fn len(&self) -> usize {
        self.children.len()
    }

    /// Whether none does.
    pub fn is_empty(&self) -> bool {
        self.children.is_empty()
    }
}

impl<K, T: Serialize + DeserializeOwned> Pool<K, T> {
    /// Starts a child that does this work.
    ///
    /// # Errors
    ///
    /// [`Error`] if there can be no child.
    pub fn start(&mut self, key: K, work: impl FnOnce() -> T) -> Result<(), Error> {
        check_threads()?;
        // What waits in a buffer of ours would be in the child's, too.
        io::stdout().flush().map_err(system("write"))?;
        let (value, value_in) = pipe()?;
        let (said, said_in) = pipe()?;
        let deadline = Instant::now() + self.limits.real_time;
        let pid = sys::fork(said_in.as_fd(), self.limits.memory_bytes, || {
            let value = work();
            let mut out = io::BufWriter::new(File::from(value_in));
            let passed_on = serde_json::to_writer(&mut out, &value)
                .map_err(io::Error::from)
                .and_then(|()| out.flush());
            // The pipe stays open to the very end: its end is the child's.
            std::mem::forget(out);
            passed_on.map_or_else(
                |error| {
                    eprintln!("the result cannot be passed on: {error}");
                    MUTE
                },
                |()| 0,
            )
        });
        self.children.push(Child {
            key,
            pid: pid.map_err(system("fork"))?,
            deadline,
            value: Source::new(value, usize::MAX),
            said: Source::new(said, SAID_BYTES_MAX),
        });
        Ok(())
    }

    /// Waits until a child has ended, until there is something to read from `interrupt`, or until a
    /// time has come.
    ///
    /// # Errors
    ///
    /// [`Error`] if the operating system does not let us wait.
    pub fn wait(
        &mut self,
        until: Option<Instant>,
        interrupt: Option<BorrowedFd<'_>>,
    ) -> Result<Waited<K, T>, Error> {
        while !self.children.is_empty() {
            let now = Instant::now();
            if let Some(late) = self.children.iter().position(|child| child.deadline <= now) {
                let child = self.children.remove(late);
                return self.kill(child);
            }
            if until.is_some_and(|until| until <= now) {
                return Ok(Waited::Time);
            }
            let deadlines = self.children.iter().map(|child| child.deadline);
            let next = deadlines.chain(until).min().unwrap_or(now);
            let (ended, is_interrupted) = self.poll(next - now, interrupt)?;
            if let Some(index) = ended {
                let child = self.children.remove(index);
                return self.bury(child);
            }
            if is_interrupted {
                return Ok(Waited::Interrupt);
            }
        }
        Ok(Waited::Nobody)
    }

    /// Kills the children whose key is not wanted any more; nothing more is heard of them.
    pub fn retain(&mut self, is_wanted: impl Fn(&K) -> bool) {
        self.children.retain(|child| {
            let is_wanted = is_wanted(&child.key);
            if !is_wanted {
                end(child.pid);
            }
            is_wanted
        });
    }

    /// Reads what children write; the first that has ended, and whether there was an interrupt.
    fn poll(
        &mut self,
        patience: Duration,
        interrupt: Option<BorrowedFd<'_>>,
    ) -> Result<(Option<usize>, bool), Error> {
        let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(2 * self.children.len() + 1);
        for child in &self.children {
            fds.push(child.value.poll_fd());
            fds.push(child.said.poll_fd());
        }
        fds.extend(interrupt.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
        let patience = Timespec::try_from(patience).ok();
        match poll(&mut fds, patience.as_ref()) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => return Err(system("wait for children")(errno.into())),
        }
        let ready: Vec<bool> = fds.iter().map(|fd| !fd.revents().is_empty()).collect();
        drop(fds);
        for (index, child) in self.children.iter_mut().enumerate() {
            if ready[2 * index + 1] {
                child.said.read().map_err(system("read from a child"))?;
            }
            if ready[2 * index] {
                child.value.read().map_err(system("read from a child"))?;
                if child.value.has_ended {
                    return Ok((Some(index), false));
                }
            }
        }
        Ok((None, ready.get(2 * self.children.len()) == Some(&true)))
    }

    /// Ends a child whose time is over.
    fn kill(&self, child: Child<K>) -> Result<Waited<K, T>, Error> {
        end(child.pid);
        let mut said = child.said;
        said.read().map_err(system("read from a child"))?;
        let ended = Ended::Hung {
            after: self.limits.real_time,
            said: said.text(),
        };
        Ok(Waited::Ended(child.key, ended))
    }

    /// Says how a child ended that has.
    fn bury(&self, mut child: Child<K>) -> Result<Waited<K, T>, Error> {
        let status = reap(child.pid).map_err(system("wait for a child"))?;
        child.said.read().map_err(system("read from a child"))?;
        let said = child.said.text();
        let bytes: Vec<u8> = child.value.kept.into();
        let ended = match (status.exit_status(), status.terminating_signal()) {
            (Some(0), _) => match serde_json::from_slice(&bytes) {
                Ok(value) => Ended::Value(value),
                Err(error) => Ended::Exited {
                    status: MUTE,
                    said: format!("{said}the result cannot be read: {error}"),
                },
            },
            (_, Some(libc::SIGABRT)) if said.contains(NO_MEMORY) => Ended::TooMuchMemory {
                limit_bytes: self.limits.memory_bytes,
                said,
            },
            (_, Some(signal)) => Ended::Aborted { signal, said },
            (status, None) => Ended::Exited {
                status: status.unwrap_or(MUTE),
                said,
            },
        };
        Ok(Waited::Ended(child.key, ended))
    }
}

impl<K, T> Drop for Pool<K, T> {
    fn drop(&mut self) {
        for child in &self.children {
            end(child.pid);
        }
    }
}

/// Kills a child that may be gone already, and waits for its end.
fn end(pid: Pid) {
    // It is ours and not yet waited for, so its number is not another's.
    let _ = kill_process(pid, Signal::KILL);
    let _ = reap(pid);
}

fn reap(pid: Pid) -> io::Result<WaitStatus> {
    loop {
        match waitpid(Some(pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => return Ok(status),
            Ok(None) | Err(Errno::INTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// What comes from a child, without waiting for it.
#[derive(Debug)]
struct Source {
    file: File,
    kept: VecDeque<u8>,
    kept_max: usize,
    has_ended: bool,
}

impl Source {
    fn new(fd: OwnedFd, kept_max: usize) -> Self {
        Self {
            file: fd.into(),
            kept: VecDeque::new(),
            kept_max,
            has_ended: false,
        }
    }

    fn poll_fd(&self) -> PollFd<'_> {
        PollFd::new(&self.file, PollFlags::IN)
    }

    /// Reads what is there.
    fn read(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 * 1024];
        loop {
            match self.file.read(&mut buffer) {
                Ok(0) => {
                    self.has_ended = true;
                    return Ok(());
                }
                Ok(length) => {
                    self.kept.extend(&buffer[..length]);
                    let surplus = self.kept.len().saturating_sub(self.kept_max);
                    self.kept.drain(..surplus);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn text(mut self) -> String {
        String::from_utf8_lossy(self.kept.make_contiguous()).into_owned()
    }
}

/// A pipe: the end that is read from, which never blocks, and the end that is written to.
fn pipe() -> Result<(OwnedFd, OwnedFd), Error> {
    let make = || {
        let (out, into) = pipe_with(PipeFlags::CLOEXEC)?;
        fcntl_setfl(&out, OFlags::NONBLOCK)?;
        Ok::<_, Errno>((out, into))
    };
    make().map_err(|errno| system("make a pipe")(errno.into()))
}

/// A thread that has just ended is listed for a moment longer.
const ENDING_MAX: Duration = Duration::from_millis(200);

/// A process with other threads must not fork.
fn check_threads() -> Result<(), Error> {
    let patience = Instant::now();
    loop {
        let tasks = std::fs::read_dir("/proc/self/task").map_err(system("read /proc/self/task"))?;
        match tasks.count() {
            1 => return Ok(()),
            count if patience.elapsed() >= ENDING_MAX => return Err(Error::Threads { count }),
            _ => drop(poll(
                &mut [],
                Some(&Timespec {
                    tv_sec: 0,
                    tv_nsec: 1_000_000,
                }),
            )),
        }
    }
}

fn system(what: &'static str) -> impl FnOnce(io::Error) -> Error {
    move |source| Error::System { what, source }
}
