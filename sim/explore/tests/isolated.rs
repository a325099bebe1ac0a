//! What work may do to a child, and what its parent sees of it. Without libtest, whose threads
//! forbid a fork.
#![allow(clippy::unwrap_used, clippy::disallowed_methods)]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::process::{Signal, getpid, kill_process};
use squall_explore::isolated::{Ended, Error, Limits, Pool, Waited, run};

/// Far beyond what any of the work here needs that has an end.
const LONG: Limits = Limits {
    real_time: Duration::from_secs(300),
    memory_bytes: 256 << 20,
};

fn main() {
    let tests: [(&str, fn()); 14] = [
        ("a_result_is_passed_on", a_result_is_passed_on),
        ("a_big_result_is_passed_on", a_big_result_is_passed_on),
        (
            "nothing_is_left_in_the_parent",
            nothing_is_left_in_the_parent,
        ),
        ("work_may_start_threads", work_may_start_threads),
        ("a_panic_is_an_exit", a_panic_is_an_exit),
        ("an_exit_is_told", an_exit_is_told),
        ("an_abort_is_told", an_abort_is_told),
        ("a_stack_overflows", a_stack_overflows),
        ("memory_has_a_limit", memory_has_a_limit),
        ("a_kill_from_outside_is_told", a_kill_from_outside_is_told),
        ("a_loop_without_an_end_is_cut", a_loop_without_an_end_is_cut),
        ("a_pool_yields_whoever_ends", a_pool_yields_whoever_ends),
        ("children_die_with_their_pool", children_die_with_their_pool),
        (
            "children_die_with_their_parent",
            children_die_with_their_parent,
        ),
    ];
    for (name, test) in tests {
        test();
        println!("{name}: ok");
    }
    a_process_with_threads_is_refused();
    println!("a_process_with_threads_is_refused: ok");
}

fn a_result_is_passed_on() {
    let value = BTreeMap::from([
        ("a".to_owned(), vec![1_u64, u64::MAX]),
        (String::new(), vec![]),
    ]);
    assert_eq!(run(&LONG, || value.clone()).unwrap(), Ended::Value(value));
    assert_eq!(run(&LONG, || ()).unwrap(), Ended::Value(()));
    assert_eq!(run(&LONG, || None::<u8>).unwrap(), Ended::Value(None));
}

/// A pipe holds 64 KiB; the rest waits for the parent to read.
fn a_big_result_is_passed_on() {
    let Ended::Value(text) = run(&LONG, || {
        eprintln!("{}", "noise ".repeat(100_000));
        "x".repeat(5_000_000)
    })
    .unwrap() else {
        panic!("it ends with a value")
    };
    assert_eq!(text.len(), 5_000_000);
}

fn nothing_is_left_in_the_parent() {
    let mut count = 1;
    let ended = run(&LONG, || {
        count += 1;
        count
    });
    assert_eq!(ended.unwrap(), Ended::Value(2));
    assert_eq!(count, 1);
}

fn work_may_start_threads() {
    let work = || std::thread::spawn(|| 7).join().unwrap();
    assert_eq!(run(&LONG, work).unwrap(), Ended::Value(7));
}

fn a_panic_is_an_exit() {
    let Ended::Exited { status: 101, said } =
        run(&LONG, || -> u8 { panic!("no such thing") }).unwrap()
    else {
        panic!("it exits with 101")
    };
    assert!(said.contains("no such thing"), "{said}");
}

fn an_exit_is_told() {
    let ended = run(&LONG, || -> u8 {
        println!("on standard output");
        std::process::exit(7)
    });
    let said = "on standard output\n".to_owned();
    assert_eq!(ended.unwrap(), Ended::Exited { status: 7, said });
}

fn an_abort_is_told() {
    let ended = run(&LONG, || -> u8 {
        eprintln!("{}the last words", "x".repeat(100_000));
        std::process::abort()
    });
    let Ended::Aborted {
        signal: libc::SIGABRT,
        said,
    } = ended.unwrap()
    else {
        panic!("it aborts")
    };
    assert!(
        said.ends_with("xthe last words\n") && said.len() == 4096,
        "{}",
        said.len()
    );
}

fn a_stack_overflows() {
    #[allow(unconditional_recursion)]
    fn deeper(depth: u64) -> u64 {
        std::hint::black_box(deeper(std::hint::black_box(depth + 1)) + 1)
    }
    let ended = run(&LONG, || std::thread::spawn(|| deeper(0)).join().unwrap()).unwrap();
    let Ended::Aborted {
        signal: libc::SIGABRT,
        said,
    } = ended
    else {
        panic!("it aborts: {ended:?}")
    };
    assert!(said.contains("overflowed its stack"), "{said}");
}

/// Down to the last byte: a backtrace would need more than is left.
fn memory_has_a_limit() {
    let ended = run(&LONG, || {
        let mut hoard = Vec::new();
        loop {
            hoard.push(vec![1_u8; 64]);
            if hoard.len() > 100_000_000 {
                return hoard.len();
            }
        }
    });
    let Ended::TooMuchMemory { limit_bytes, said } = ended.unwrap() else {
        panic!("there is too little")
    };
    assert_eq!(limit_bytes, LONG.memory_bytes);
    assert!(said.contains("memory allocation of"), "{said}");
    // What fits is not refused.
    assert_eq!(
        run(&LONG, || vec![1_u8; 100 << 20].len()).unwrap(),
        Ended::Value(100 << 20)
    );
}

fn a_kill_from_outside_is_told() {
    let ended = run(&LONG, || kill_process(getpid(), Signal::KILL).is_ok());
    let said = String::new();
    assert_eq!(
        ended.unwrap(),
        Ended::Aborted {
            signal: libc::SIGKILL,
            said
        }
    );
}

fn a_loop_without_an_end_is_cut() {
    let limits = Limits {
        real_time: Duration::from_millis(200),
        ..LONG
    };
    let ended = run(&limits, || -> u8 {
        eprintln!("round and round");
        loop {
            std::hint::spin_loop();
        }
    });
    let said = "round and round\n".to_owned();
    assert_eq!(
        ended.unwrap(),
        Ended::Hung {
            after: limits.real_time,
            said
        }
    );
    // One that waits, and takes no notice of what a terminal sends.
    let ended = run(&limits, || {
        kill_process(getpid(), Signal::INT).unwrap();
        kill_process(getpid(), Signal::TERM).unwrap();
        std::thread::sleep(Duration::from_secs(3_600));
    });
    assert!(matches!(ended.unwrap(), Ended::Hung { .. }));
}

fn a_pool_yields_whoever_ends() {
    let mut pool = Pool::new(LONG);
    for key in 0..4_u8 {
        pool.start(key, || {
            assert_ne!(key, 2, "not this one");
            key * 10
        })
        .unwrap();
    }
    let mut ends = BTreeMap::new();
    while !pool.is_empty() {
        let Waited::Ended(key, ended) = pool.wait(None, None).unwrap() else {
            panic!("there are children")
        };
        assert!(ends.insert(key, ended).is_none());
    }
    assert_eq!(ends.len(), 4);
    assert_eq!(ends[&3], Ended::Value(30));
    assert!(matches!(ends[&2], Ended::Exited { status: 101, .. }));
    assert_eq!(pool.wait(None, None).unwrap(), Waited::Nobody);
    // Neither time nor an interrupt ends a child.
    pool.start(9, forever).unwrap();
    assert_eq!(pool.wait(Some(Instant::now()), None).unwrap(), Waited::Time);
    let (out, into) = rustix::pipe::pipe().unwrap();
    rustix::io::write(&into, b"!").unwrap();
    use std::os::fd::AsFd;
    assert_eq!(
        pool.wait(None, Some(out.as_fd())).unwrap(),
        Waited::Interrupt
    );
    assert_eq!(pool.len(), 1);
    pool.retain(|key| *key != 9);
    assert!(pool.is_empty() && children_of(&own_pid()).is_empty());
}

fn forever() -> u8 {
    std::thread::sleep(Duration::from_secs(3_600));
    0
}

/// The children of a process, from /proc.
fn children_of(pid: &str) -> Vec<String> {
    let path = PathBuf::from(format!("/proc/{pid}/task/{pid}/children"));
    let text = std::fs::read_to_string(path).unwrap();
    text.split_whitespace().map(str::to_owned).collect()
}

fn own_pid() -> String {
    std::process::id().to_string()
}

fn children_die_with_their_pool() {
    let mut pool = Pool::new(LONG);
    pool.start(1, forever).unwrap();
    pool.start(2, forever).unwrap();
    assert_eq!(children_of(&own_pid()).len(), 2);
    drop(pool);
    assert_eq!(children_of(&own_pid()), [""; 0], "dead and waited for");
}

fn children_die_with_their_parent() {
    // A child that starts two of its own and dies without a thought for them.
    let Ended::Value(orphans) = run(&LONG, || {
        let (started, start) = rustix::pipe::pipe().unwrap();
        let mut pool = Pool::new(LONG);
        for key in 0..2 {
            pool.start(key, || {
                rustix::io::write(&start, b"!").unwrap();
                forever()
            })
            .unwrap();
            // They are at work: not those that find no parent when they begin.
            rustix::io::read(&started, &mut [0_u8]).unwrap();
        }
        std::mem::forget(pool);
        children_of(&own_pid())
    })
    .unwrap() else {
        panic!("it ends with a value")
    };
    assert_eq!(orphans.len(), 2);
    for orphan in orphans {
        let stat = PathBuf::from(format!("/proc/{orphan}/stat"));
        // A dead process is there until whoever adopted it looks.
        let is_alive = || std::fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z "));
        let patience = Instant::now();
        while is_alive() {
            assert!(
                patience.elapsed() < Duration::from_secs(60),
                "{orphan} lives on"
            );
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

fn a_process_with_threads_is_refused() {
    let (sender, receiver) = std::sync::mpsc::channel::<()>();
    let other = std::thread::spawn(move || receiver.recv());
    let error = run(&LONG, || ()).unwrap_err();
    assert!(matches!(error, Error::Threads { count: 2 }), "{error}");
    drop(sender);
    assert!(other.join().unwrap().is_err());
}
