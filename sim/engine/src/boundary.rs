//! Virtual time and entropy at the libc boundary, and the watch for what must not happen there.
//!
//! On a thread that simulates, these functions of libc are ours:
//!
//! | function | answer |
//! |---|---|
//! | `clock_gettime`, `gettimeofday`, `time` | the clock of the host that runs |
//! | `getrandom`, `syscall(SYS_getrandom)`, `getentropy` | the seed's generator |
//! | `epoll_wait` | returns at once and notes for how long the runtime wanted to sleep |
//! | `write` to a runtime's eventfd | no system call; notes that the runtime was woken from outside |
//! | `pthread_create`, `socket`, `nanosleep`, `clock_nanosleep` | refused: the run is broken |
//!
//! std, tokio, hyper, `rand`, `uuid` and `HashMap` follow with no help. Threads that do not simulate
//! get the real functions through `dlsym(RTLD_NEXT)`. Production binaries do not link this crate.
//!
//! Not covered, because it cannot be from here: clocks read from the processor (`rdtsc`), and locks
//! that wait (the watchdog finds those).
#![allow(unsafe_code)]

use std::cell::{Cell, RefCell};
use std::ffi::CStr;
use std::sync::atomic::{AtomicUsize, Ordering};

use libc::{
    c_char, c_int, c_long, c_uint, c_void, clockid_t, epoll_event, size_t, ssize_t, timespec,
};

use crate::clock::Clock;
use crate::random::Random;
use crate::time::S as NS_PER_S;

/// What an unoccupied slot of [`EVENTFDS`] holds.
const NOBODY: u32 = u32::MAX;

thread_local! {
    /// Virtual nanoseconds since the epoch; 0 means "this thread does not simulate".
    static NOW_NS: Cell<u64> = const { Cell::new(0) };
    /// What the host that runs takes for the time.
    static CLOCK: Cell<Clock> = const { Cell::new(Clock::TRUE) };
    /// The generator behind `getrandom`.
    static ENTROPY: RefCell<Option<Random>> = const { RefCell::new(None) };
    /// What the runtime asked `epoll_wait` to sleep for: ms to its next timer, -1 for none.
    static PARK_MS: Cell<c_int> = const { Cell::new(0) };
    /// What was done that a simulation must not do.
    static VIOLATION: Cell<Option<&'static str>> = const { Cell::new(None) };
    /// The host of each runtime's eventfd, by file descriptor.
    static EVENTFDS: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
    /// The eventfd made last, for the runtime that is being built.
    static EVENTFD_LAST: Cell<c_int> = const { Cell::new(-1) };
    /// Hosts whose runtime was woken from outside since the last look.
    static WOKEN: RefCell<Vec<u32>> = const { RefCell::new(Vec::new()) };
}

/// From now on this thread simulates.
pub(crate) fn enter(seed: u64, epoch_ns: u64) {
    ENTROPY.set(Some(Random::new(seed, "getrandom")));
    VIOLATION.set(None);
    CLOCK.set(Clock::TRUE);
    NOW_NS.set(epoch_ns);
}

/// From now on this thread does not.
pub(crate) fn leave() {
    NOW_NS.set(0);
}

pub(crate) fn set_now_ns(now_ns: u64) {
    NOW_NS.set(now_ns);
}

/// From now on a host with this clock runs.
pub(crate) fn set_clock(clock: Clock) {
    CLOCK.set(clock);
}

/// True virtual nanoseconds since the epoch, whatever the host that runs takes for the time.
pub(crate) fn now_ns() -> u64 {
    NOW_NS.get()
}

/// Forgets what a runtime last asked for, before it is driven.
pub(crate) fn arm_park() {
    PARK_MS.set(0);
}

/// `None`: still running. `Some(-1)`: parked with no timer. `Some(ms)`: next timer in `ms`.
pub(crate) fn parked() -> Option<c_int> {
    match PARK_MS.get() {
        0 => None,
        ms => Some(ms),
    }
}

/// Takes what was done that a simulation must not do.
pub(crate) fn take_violation() -> Option<&'static str> {
    VIOLATION.take()
}

/// The eventfd of the runtime that was just built now belongs to `host`.
pub(crate) fn claim_eventfd(host: u32) -> c_int {
    let fd = EVENTFD_LAST.replace(-1);
    if let Ok(index) = usize::try_from(fd) {
        EVENTFDS.with_borrow_mut(|hosts| {
            if hosts.len() <= index {
                hosts.resize(index + 1, NOBODY);
            }
            hosts[index] = host;
        });
    }
    fd
}

/// The eventfd is about to be closed.
pub(crate) fn release_eventfd(fd: c_int) {
    if let Ok(index) = usize::try_from(fd) {
        EVENTFDS.with_borrow_mut(|hosts| {
            if let Some(slot) = hosts.get_mut(index) {
                *slot = NOBODY;
            }
        });
    }
}

/// Wakes the runtime that is running, without noting it as woken from outside.
pub(crate) fn quietly(wake: impl FnOnce()) {
    let before = WOKEN.with_borrow(Vec::len);
    wake();
    WOKEN.with_borrow_mut(|woken| woken.truncate(before));
}

/// Moves the hosts that were woken from outside into `out`, in the order of waking.
pub(crate) fn take_woken(out: &mut Vec<u32>) {
    WOKEN.with_borrow_mut(|woken| out.append(woken));
}

fn is_simulating() -> bool {
    NOW_NS.get() != 0
}

fn wall_ns() -> u64 {
    CLOCK.get().wall_ns(NOW_NS.get())
}

fn violate(what: &'static str) {
    if VIOLATION.get().is_none() {
        VIOLATION.set(Some(what));
    }
}

fn fill(out: &mut [u8]) {
    ENTROPY.with_borrow_mut(|entropy| {
        let entropy = entropy
            .as_mut()
            .expect("set for as long as the thread simulates");
        for chunk in out.chunks_mut(8) {
            chunk.copy_from_slice(&entropy.next().to_le_bytes()[..chunk.len()]);
        }
    });
}

fn set_errno(errno: c_int) {
    // SAFETY: the address is this thread's own errno.
    unsafe { *libc::__errno_location() = errno };
}

/// The function of this name in the libraries behind us. Two threads that look it up at once find
/// the same; a lock here would wait in `syscall`, which leads back here without end.
fn next<F: Copy>(cell: &AtomicUsize, name: &'static CStr) -> F {
    let mut address = cell.load(Ordering::Relaxed);
    if address == 0 {
        // SAFETY: a look-up by a name that lives forever.
        address = unsafe { libc::dlsym(libc::RTLD_NEXT, name.as_ptr().cast::<c_char>()) as usize };
        assert_ne!(address, 0, "libc has no {name:?}");
        cell.store(address, Ordering::Relaxed);
    }
    assert_eq!(size_of::<F>(), size_of::<usize>());
    // SAFETY: `F` is the function pointer type of libc's prototype, given by each caller below.
    unsafe { std::mem::transmute_copy(&address) }
}

/// Looks up every real function now, so that no simulating thread is the first to.
pub(crate) fn warm() {
    // A thread that does not simulate reaches each real function through these calls.
    let mut time = timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    let mut byte = 0_u8;
    // SAFETY: plain calls with valid buffers.
    unsafe {
        clock_gettime(libc::CLOCK_MONOTONIC, &raw mut time);
        getrandom((&raw mut byte).cast(), 1, 0);
    }
}

macro_rules! interpose {
    (fn $name:ident($($arg:ident: $ty:ty),*) -> $ret:ty, $virtual:block) => {
        #[unsafe(no_mangle)]
        unsafe extern "C" fn $name($($arg: $ty),*) -> $ret {
            if is_simulating() $virtual
            static REAL: AtomicUsize = AtomicUsize::new(0);
            const NAME: &CStr = match CStr::from_bytes_with_nul(concat!(stringify!($name), "\0").as_bytes()) {
                Ok(name) => name,
                Err(_) => panic!("a literal without an inner NUL"),
            };
            let real: unsafe extern "C" fn($($ty),*) -> $ret = next(&REAL, NAME);
            // SAFETY: the caller's own arguments, passed on.
            unsafe { real($($arg),*) }
        }
    };
}

interpose! {
    fn clock_gettime(clock: clockid_t, out: *mut timespec) -> c_int, {
        let shown_ns = match clock {
            libc::CLOCK_REALTIME
            | libc::CLOCK_REALTIME_COARSE
            | libc::CLOCK_REALTIME_ALARM
            | libc::CLOCK_TAI => wall_ns(),
            _ => CLOCK.get().monotonic_ns(NOW_NS.get()),
        };
        // SAFETY: the caller gives a valid pointer, as clock_gettime(2) asks.
        unsafe {
            (*out).tv_sec = (shown_ns / NS_PER_S) as _;
            (*out).tv_nsec = (shown_ns % NS_PER_S) as _;
        }
        return 0;
    }
}

interpose! {
    fn gettimeofday(out: *mut libc::timeval, zone: *mut c_void) -> c_int, {
        let shown_ns = wall_ns();
        // SAFETY: the caller gives a valid pointer, as gettimeofday(2) asks.
        unsafe {
            (*out).tv_sec = (shown_ns / NS_PER_S) as _;
            (*out).tv_usec = (shown_ns % NS_PER_S / 1_000) as _;
        }
        return 0;
    }
}

interpose! {
    fn time(out: *mut libc::time_t) -> libc::time_t, {
        let seconds = (wall_ns() / NS_PER_S) as libc::time_t;
        if !out.is_null() {
            // SAFETY: not null, so the caller's own, as time(2) asks.
            unsafe { *out = seconds };
        }
        return seconds;
    }
}

interpose! {
    fn getrandom(out: *mut c_void, length: size_t, flags: c_uint) -> ssize_t, {
        // SAFETY: the caller gives a buffer of this length, as getrandom(2) asks.
        fill(unsafe { std::slice::from_raw_parts_mut(out.cast::<u8>(), length) });
        return length as ssize_t;
    }
}

interpose! {
    fn getentropy(out: *mut c_void, length: size_t) -> c_int, {
        // SAFETY: the caller gives a buffer of this length, as getentropy(3) asks.
        fill(unsafe { std::slice::from_raw_parts_mut(out.cast::<u8>(), length) });
        return 0;
    }
}

// Variadic in C; integers travel in the same registers either way on every Linux that Rust supports
// here (x86-64, aarch64), and the callers pass integers only.
interpose! {
    fn syscall(number: c_long, a: c_long, b: c_long, c: c_long, d: c_long, e: c_long, f: c_long) -> c_long, {
        if number == libc::SYS_getrandom {
            // SAFETY: the arguments of getrandom(2).
            fill(unsafe { std::slice::from_raw_parts_mut(a as *mut u8, b as usize) });
            return b;
        }
    }
}

interpose! {
    fn epoll_wait(fd: c_int, events: *mut epoll_event, max: c_int, timeout_ms: c_int) -> c_int, {
        if timeout_ms != 0 {
            PARK_MS.set(timeout_ms);
        }
        return 0;
    }
}

interpose! {
    fn eventfd(initial: c_uint, flags: c_int) -> c_int, {
        static REAL: AtomicUsize = AtomicUsize::new(0);
        let real: unsafe extern "C" fn(c_uint, c_int) -> c_int = next(&REAL, c"eventfd");
        // SAFETY: the caller's own arguments, passed on.
        let fd = unsafe { real(initial, flags) };
        EVENTFD_LAST.set(fd);
        return fd;
    }
}

interpose! {
    fn write(fd: c_int, data: *const c_void, length: size_t) -> ssize_t, {
        let host = usize::try_from(fd).ok().and_then(|index| {
            // A write from within `EVENTFDS`' own borrow cannot happen: nothing there writes.
            EVENTFDS.with_borrow(|hosts| hosts.get(index).copied())
        });
        if let Some(host) = host && host != NOBODY {
            WOKEN.with_borrow_mut(|woken| woken.push(host));
            return length as ssize_t;
        }
    }
}

interpose! {
    fn pthread_create(
        thread: *mut libc::pthread_t,
        attributes: *const libc::pthread_attr_t,
        start: extern "C" fn(*mut c_void) -> *mut c_void,
        argument: *mut c_void
    ) -> c_int, {
        violate("started a thread (spawn_blocking, std::thread, or a library's own)");
        return libc::EAGAIN;
    }
}

interpose! {
    fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int, {
        violate("opened a real socket instead of one of its Host's");
        set_errno(libc::EPERM);
        return -1;
    }
}

interpose! {
    fn nanosleep(request: *const timespec, remaining: *mut timespec) -> c_int, {
        violate("slept the thread instead of the task");
        return 0;
    }
}

interpose! {
    fn clock_nanosleep(clock: clockid_t, flags: c_int, request: *const timespec, remaining: *mut timespec) -> c_int, {
        violate("slept the thread instead of the task");
        return 0;
    }
}
