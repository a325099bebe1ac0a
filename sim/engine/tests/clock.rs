//! Clocks that are wrong: what a process sees of them, and when its timers fire.
#![allow(clippy::unwrap_used)]

use std::net::IpAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use squall_engine::{Config, Control, HostId, HostSpec, run};
use squall_fault::clock::Skew;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

const EPOCH: Duration = Duration::from_secs(1_735_689_600);
const HOUR: Duration = Duration::from_secs(3_600);
const S: i64 = 1_000_000_000;

/// What the clocks of a host show: the wall clock beyond the true time, and the monotonic clock.
#[derive(Clone, Copy, Debug)]
struct Seen {
    ahead_ns: i128,
    monotonic: Instant,
}

fn see(control: &Control) -> Seen {
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let shown_ns = wall.unwrap().as_nanos() as i128;
    Seen {
        ahead_ns: shown_ns - (EPOCH + control.now()).as_nanos() as i128,
        monotonic: Instant::now(),
    }
}

async fn look(control: &Control, host: HostId) -> Seen {
    let handle = control.clone();
    let seen = control.run_beside(host, move |_| Box::pin(async move { see(&handle) }));
    seen.await.unwrap()
}

fn skew(offset_s: i64, drift_ppm: f64) -> Skew {
    Skew {
        offset_ns: offset_s * S,
        drift_ppm,
    }
}

/// A host whose process counts ticks of 100 ms, and notes every look at the monotonic clock.
fn ticker(control: &Control, last: u8) -> (HostId, Arc<Mutex<Vec<Instant>>>) {
    let host = control.add_host(HostSpec {
        name: format!("host{last}"),
        addresses: vec![IpAddr::from([10, 0, 0, last])],
        ..HostSpec::default()
    });
    let ticks = Arc::new(Mutex::new(Vec::new()));
    start(control, host, ticks.clone());
    (host, ticks)
}

fn start(control: &Control, host: HostId, ticks: Arc<Mutex<Vec<Instant>>>) {
    control.start(host, move |_, _| {
        Box::pin(async move {
            let mut every = interval(Duration::from_millis(100));
            every.set_missed_tick_behavior(MissedTickBehavior::Skip);
            loop {
                every.tick().await;
                ticks.lock().unwrap().push(Instant::now());
            }
        })
    });
}

#[test]
fn a_jump_moves_the_wall_clock_of_its_host_alone() {
    let seen = run(Config::default(), async |control: Control| {
        let (skewed, ticks) = ticker(&control, 1);
        let (other, _) = ticker(&control, 2);
        let mut seen = Vec::new();
        for offset_s in [0, 3_600, -86_400, 0] {
            sleep(Duration::from_secs(10)).await;
            control.set_clock(skewed, skew(offset_s, 0.0));
            seen.push((look(&control, skewed).await, look(&control, other).await));
        }
        let ticks = ticks.lock().unwrap().clone();
        (seen, ticks)
    });
    let (seen, ticks) = seen.unwrap().value;
    let ahead: Vec<i128> = seen.iter().map(|seen| seen.0.ahead_ns).collect();
    assert_eq!(
        ahead,
        [0, 3_600, -86_400, 0].map(|ahead_s| ahead_s * i128::from(S))
    );
    assert!(seen.iter().all(|seen| seen.1.ahead_ns == 0), "{seen:?}");
    assert!(
        seen.iter().all(|seen| seen.0.monotonic == seen.1.monotonic),
        "no jump is seen by the monotonic clock: {seen:?}"
    );
    assert_eq!(ticks.len(), 401, "nor by a timer");
    let even = ticks
        .windows(2)
        .all(|pair| pair[1] - pair[0] == Duration::from_millis(100));
    assert!(even, "{ticks:?}");
}

#[test]
fn drift_makes_clocks_and_timers_run_at_another_rate() {
    let seen = run(Config::default(), async |control: Control| {
        let mut hosts = Vec::new();
        for (last, drift_ppm) in [(1, 500.0), (2, 0.0), (3, -500.0)] {
            let (host, ticks) = ticker(&control, last);
            control.set_clock(host, skew(0, drift_ppm));
            hosts.push((host, ticks));
        }
        let mut seen = Vec::new();
        for (host, ticks) in &hosts {
            seen.push((look(&control, *host).await, ticks.lock().unwrap().len()));
        }
        sleep(HOUR).await;
        let mut after = Vec::new();
        for ((host, ticks), (before, count)) in hosts.iter().zip(seen) {
            let now = look(&control, *host).await;
            let all = ticks.lock().unwrap().len();
            after.push((now.ahead_ns, now.monotonic - before.monotonic, all - count));
        }
        after
    });
    let seen = seen.unwrap().value;
    // 500 ppm of an hour are 1.8 s: 18 ticks of 100 ms.
    let gained_ms: Vec<i128> = seen.iter().map(|seen| seen.0 / 1_000_000).collect();
    assert_eq!(gained_ms, [1_800, 0, -1_800], "{seen:?}");
    let passed_ms: Vec<u128> = seen.iter().map(|seen| seen.1.as_millis()).collect();
    assert_eq!(passed_ms, [3_601_800, 3_600_000, 3_598_200], "{seen:?}");
    let ticks: Vec<usize> = seen.iter().map(|seen| seen.2).collect();
    assert_eq!(ticks, [36_018, 36_000, 35_982], "{seen:?}");
}

#[test]
fn monotonic_time_goes_on_whatever_is_set() {
    let ticks = run(Config::default(), async |control: Control| {
        let (host, ticks) = ticker(&control, 1);
        for drift_ppm in [100_000.0, -100_000.0, 0.0, 300.0, -300.0, 0.0] {
            sleep(Duration::from_millis(1_230)).await;
            control.set_clock(host, skew(-5, drift_ppm));
        }
        sleep(Duration::from_secs(1)).await;
        ticks.lock().unwrap().clone()
    });
    let ticks = ticks.unwrap().value;
    for pair in ticks.windows(2) {
        let gap = pair[1] - pair[0];
        let late = gap.abs_diff(Duration::from_millis(100));
        assert!(late <= Duration::from_millis(2), "a tick after {gap:?}");
    }
}

#[test]
fn a_skew_outlives_processes_and_the_power() {
    let ahead = run(Config::default(), async |control: Control| {
        let (host, ticks) = ticker(&control, 1);
        control.set_clock(host, skew(60, 0.0));
        let mut ahead = vec![look(&control, host).await.ahead_ns];
        control.kill(host);
        start(&control, host, ticks.clone());
        ahead.push(look(&control, host).await.ahead_ns);
        control.power_off(host);
        sleep(Duration::from_secs(5)).await;
        control.power_on(host);
        start(&control, host, ticks.clone());
        ahead.push(look(&control, host).await.ahead_ns);
        ahead
    });
    assert_eq!(ahead.unwrap().value, [60 * i128::from(S); 3]);
}

/// Looks at the clock when it is dropped.
struct Last(Control, Arc<Mutex<Vec<i128>>>);

impl Drop for Last {
    fn drop(&mut self) {
        self.1.lock().unwrap().push(see(&self.0).ahead_ns);
    }
}

#[test]
fn destructors_see_their_own_host_clock() {
    let ahead = run(Config::default(), async |control: Control| {
        let (host, _) = ticker(&control, 1);
        control.set_clock(host, skew(60, 0.0));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let last = Last(control.clone(), seen.clone());
        let beside = control.run_beside(host, |_| {
            Box::pin(async move {
                let _last = last;
                std::future::pending::<()>().await;
            })
        });
        sleep(Duration::from_secs(1)).await;
        control.kill(host);
        beside.await;
        seen.lock().unwrap().clone()
    });
    assert_eq!(ahead.unwrap().value, [60 * i128::from(S)]);
}

#[test]
fn c_sees_the_same_wall_clock() {
    let seen = run(Config::default(), async |control: Control| {
        let (host, _) = ticker(&control, 1);
        control.set_clock(host, skew(-3_600, 0.0));
        let seen = control.run_beside(host, |_| Box::pin(async { c_clocks_s() }));
        seen.await.unwrap()
    });
    let wall_s = EPOCH.as_secs() as i64 - 3_600;
    assert_eq!(seen.unwrap().value, ([wall_s; 5], wall_s + 3_600));
}

/// CLOCK_REALTIME and its kin, `gettimeofday` and `time`; then CLOCK_BOOTTIME.
#[allow(unsafe_code)] // libc has no other way
fn c_clocks_s() -> ([i64; 5], i64) {
    let clock = |id| {
        let mut time = libc::timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        // SAFETY: a valid pointer.
        unsafe { libc::clock_gettime(id, &raw mut time) };
        time.tv_sec
    };
    let mut day = libc::timeval {
        tv_sec: 0,
        tv_usec: 0,
    };
    // SAFETY: a valid pointer; no time zone and no second place for the time are asked for.
    let time = unsafe {
        libc::gettimeofday(&raw mut day, std::ptr::null_mut());
        libc::time(std::ptr::null_mut())
    };
    let wall = [
        libc::CLOCK_REALTIME,
        libc::CLOCK_REALTIME_COARSE,
        libc::CLOCK_TAI,
    ]
    .map(clock);
    let all = [wall[0], wall[1], wall[2], day.tv_sec, time];
    (all, clock(libc::CLOCK_BOOTTIME))
}
