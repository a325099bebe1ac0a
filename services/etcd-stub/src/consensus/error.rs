//! Why a member ended.

use std::io;

use squall_host::net::ListenError;

/// Why a member ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Its port is taken, or the address is not this machine's.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The disk failed. What of the last record is durable is unknown, nobody was told that it is, and the
    /// next start finds out.
    #[error("cannot {what} {path}")]
    Disk {
        /// `append to`, `read`, `rename`, …
        what: &'static str,
        /// The file or folder.
        path: String,
        /// What the disk said.
        source: io::Error,
    },
    /// A file is not as a member left it, and no power loss explains it.
    #[error(
        "{file} is damaged at byte {offset}: {found}\n    help: the other members have what this one had. \
         Remove this one (`etcdctl member remove {member_id:x}`), remove its data directory, add it again \
         (`etcdctl member add`) and start it with `--initial-cluster-state existing`; or bring the directory \
         back from a backup of this very member, if it is the only one"
    )]
    Damaged {
        /// The file.
        file: String,
        /// Where in it, in bytes from its beginning.
        offset: usize,
        /// What is there.
        found: String,
        /// Whose it is, if that can be read; otherwise 0.
        member_id: u64,
    },
    /// The leader knows that this member had entries which it has no more.
    #[error(
        "tocommit({commit}) is out of range [lastIndex({last})]. Was the raft log corrupted, truncated, or lost?\n    \
         help: remove this member, remove its data directory, and add it again"
    )]
    LogLost {
        /// What the leader says this member has.
        commit: u64,
        /// What it has.
        last: u64,
    },
    /// It belongs to the group no longer.
    #[error(
        "the member has been permanently removed from the cluster\n    help: the data-dir used by this member \
         must be removed"
    )]
    Removed,
    /// A new group is asked for, and there is one with this member, whose data is gone.
    #[error(
        "member {id:x} has already been bootstrapped\n    help: its data directory is empty, and the others \
         remember what it promised. Remove the member and add it again, then start it with \
         `--initial-cluster-state existing`"
    )]
    AlreadyBootstrapped {
        /// The member.
        id: u64,
    },
    /// A group is to be joined, and nobody of it answers, or it does not know this member.
    #[error("cannot fetch cluster info from peer urls: {why}\n    help: {help}")]
    CannotJoin {
        /// What was found.
        why: String,
        /// What to do.
        help: &'static str,
    },
    /// Raft would not start on what the disk has.
    #[error("raft refuses to start: {0}")]
    Raft(String),
    /// The operating system has no entropy.
    #[error("no entropy: {0}")]
    Entropy(String),
}

impl Error {
    pub(super) fn disk(what: &'static str, path: &str) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self::Disk { what, path, source }
    }
}
