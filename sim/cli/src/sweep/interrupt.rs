//! Ctrl-C and its kin as something that can be waited for, so that a sweep ends its children and
//! says what it has.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// From its making on, these signals do nothing but make it readable.
pub(crate) struct Interrupt(UnixStream);

impl Interrupt {
    pub(crate) fn new() -> io::Result<Self> {
        let (out, into) = UnixStream::pair()?;
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::low_level::pipe::register(signal, into.try_clone()?)?;
        }
        Ok(Self(out))
    }
}

impl AsFd for Interrupt {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
