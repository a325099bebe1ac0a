//! Why the store, or a command on its log, ended.

use std::io;

use squall_host::net::ListenError;

/// Why the service or a command ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its port is taken, or the address is not this machine's.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The disk failed. What of the last batch is durable is unknown, nobody was told that it is, and
    /// the next start finds out.
    #[error("cannot {what} {path}")]
    Disk {
        /// `append to`, `sync`, `append to and sync`, `read`, `rename`, `remove`, `list`.
        what: &'static str,
        /// The file or folder.
        path: String,
        /// What the disk said.
        source: io::Error,
    },
    /// A file is not as this program left it, and no power loss explains it.
    #[error("{}", .0)]
    Corrupt(Box<Corruption>),
    /// A store is to be written where there is one.
    #[error("{folder} has a store already ({file}); name a folder without one")]
    Occupied {
        /// The folder.
        folder: String,
        /// One of its files.
        file: String,
    },
    /// There is no such sequence number in the files.
    #[error(
        "{folder} has no sequence {asked}: its files lead from {first} to {last}; name one of these"
    )]
    NoSuchSequence {
        /// The folder.
        folder: String,
        /// What was asked for.
        asked: u64,
        /// The first state that its files can make.
        first: u64,
        /// The last one.
        last: u64,
    },
    /// A command names a file or folder that has nothing of a store.
    #[error("{path}: no log and no snapshot of a store here")]
    NoStore {
        /// What was named.
        path: String,
    },
}

/// What is wrong with a file, where, and what an operator can do.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{file} is damaged at byte {offset}: {found}\n    help: the state up to sequence {good} is whole; \
     what was acknowledged after it cannot be read. `squall-node kvstore log verify {folder}` looks \
     again, `squall-node kvstore log dump {file}` shows what is there. Bring the file back from a \
     backup, or `squall-node kvstore log replay {folder} NEW --until {good}` makes a store in the \
     folder NEW as it was then; start with KVSTORE_DATA=NEW"
)]
pub struct Corruption {
    /// The folder of the store.
    pub folder: String,
    /// The file.
    pub file: String,
    /// Where in it, in bytes from its beginning.
    pub offset: usize,
    /// What is there.
    pub found: String,
    /// The last sequence number whose state could be read.
    pub good: u64,
}

impl Error {
    pub(crate) fn disk(what: &'static str, path: &str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Disk { what, path, source }
    }
}
