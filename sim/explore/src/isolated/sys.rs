//! What only the operating system's bare interface gives: a fork, and the child's first steps.
//!
//! The only unsafe code of this crate. Deliberately absent: everything that `rustix` does.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::BorrowedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

use rustix::process::{Pid, Resource, Rlimit, Signal};

/// The exit status of a child that panicked, as that of any Rust program.
pub(super) const PANICKED: i32 = 101;

/// Runs `work` in a child, which exits with the status that it returns; its standard output and
/// standard error go to `said`.
///
/// The caller has seen to it that this process has one thread.
pub(super) fn fork(
    said: BorrowedFd<'_>,
    memory_bytes: u64,
    work: impl FnOnce() -> i32,
) -> io::Result<Pid> {
    let parent = rustix::process::getpid();
    // SAFETY: with one thread, nobody else holds a lock or is in the middle of a change that the
    // child would find half done; the child leaves through `_exit` and never returns from here.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => {
            let status = match settle(parent, said, memory_bytes) {
                Ok(()) => catch_unwind(AssertUnwindSafe(work)).unwrap_or(PANICKED),
                Err(error) => {
                    eprintln!("cannot prepare the child: {error}");
                    PANICKED
                }
            };
            // SAFETY: ends the process at once. `exit` would run what the parent registered to run
            // at its own end, and write its buffers a second time.
            unsafe { libc::_exit(status) }
        }
        pid => Pid::from_raw(pid).ok_or_else(|| io::Error::other("the child has no number")),
    }
}

/// Ties the child to its parent and its limits.
fn settle(parent: Pid, said: BorrowedFd<'_>, memory_bytes: u64) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // The parent may have died before that, and then no signal comes.
    if rustix::process::getppid() != Some(parent) {
        // SAFETY: as above.
        unsafe { libc::_exit(PANICKED) }
    }
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: no handler is installed, the signal is ignored.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    // Out of memory, the standard library would want more of it to print a backtrace, and then wait
    // for a lock that it holds itself.
    // SAFETY: one thread, so nobody reads the environment meanwhile.
    unsafe { std::env::set_var("RUST_BACKTRACE", "0") };
    rustix::stdio::dup2_stdout(said)?;
    rustix::stdio::dup2_stderr(said)?;
    limit(Resource::Data, memory_bytes)?;
    // A sweep in which every run aborts must not fill the disk.
    limit(Resource::Core, 0)
}

/// Lowers a limit; what the parent was given is never raised.
fn limit(resource: Resource, wanted: u64) -> io::Result<()> {
    let now = rustix::process::getrlimit(resource);
    let limit = Some(now.maximum.map_or(wanted, |maximum| maximum.min(wanted)));
    Ok(rustix::process::setrlimit(
        resource,
        Rlimit {
            current: limit,
            maximum: limit,
        },
    )?)
}
