//! Which host this thread is running, so that what it says and breaks can be put down to it.

use std::cell::Cell;

use crate::HostId;

thread_local! {
    static CURRENT: Cell<u32> = const { Cell::new(0) };
}

pub(crate) fn host() -> HostId {
    HostId(CURRENT.get())
}

pub(crate) fn set(host: HostId) {
    CURRENT.set(host.0);
}
