//! Keys that are to go with their lease: granted, kept alive for a while, then left, and read until they are
//! gone.

use std::time::Duration;

use squall_host::Shutdown;
use squall_resilient::random::Random;
use tokio::time::{Instant, timeout};

use crate::app::{App, below};
use crate::line::Line;
use crate::load::{get, put};
use crate::member::Member;

/// Between two reads of a key that is to go.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A key that is still there so long after its lease is out is left.
const PATIENCE: Duration = Duration::from_secs(30);

/// The most times that a lease is kept alive.
const ROUNDS_MAX: usize = 3;

/// One lease after the other until it is told to stop; a call that is on its way is waited for. `series` is in the
/// keys' names.
pub(crate) async fn run(app: &App, series: usize, stopping: &Shutdown) {
    let mut random = Random::from_os();
    for number in 1_u64.. {
        let key = format!("lease-{}-{series}-{number}", app.run);
        let told = one(app, &key, &mut random, stopping).await.is_err()
            || rest(stopping, LOOK_EVERY).await.is_err();
        if told {
            return;
        }
    }
}

/// It is told to stop.
struct Told;

/// The life of one lease, which may come to nothing.
async fn one(app: &App, key: &str, random: &mut Random, stopping: &Shutdown) -> Result<(), Told> {
    let Some((lease, ttl)) = grant(app, app.any(random)).await else {
        return Ok(());
    };
    if put(app, app.any(random), key, Some(lease)).await.is_none() {
        return Ok(());
    }
    for _ in 0..below(random, ROUNDS_MAX + 1) {
        rest(stopping, ttl / 3).await?;
        keep_alive(app, app.any(random), lease).await;
    }
    let until = Instant::now() + ttl + PATIENCE;
    while Instant::now() < until {
        rest(stopping, LOOK_EVERY).await?;
        if get(app, app.any(random), key, false).await == Some(false) {
            break;
        }
    }
    Ok(())
}

/// Waits, unless it is told to stop.
async fn rest(stopping: &Shutdown, time: Duration) -> Result<(), Told> {
    match timeout(time, stopping.requested()).await {
        Ok(()) => Err(Told),
        Err(_) => Ok(()),
    }
}

async fn grant(app: &App, member: &Member) -> Option<(i64, Duration)> {
    let mut client = member.client.clone();
    let began_us = app.now_us();
    let call = client.lease_grant(app.config.lease_ttl_s.into(), None);
    let answer = member.call(call).await;
    let mut line = Line::of("grant");
    let answer = answer.map(|answer| {
        line.lease = Some(answer.id());
        line.ttl_s = Some(answer.ttl());
    });
    let granted = line.lease.zip(line.ttl_s);
    app.tell(line, member, began_us, answer);
    let (lease, ttl_s) = granted?;
    Some((lease, Duration::from_secs(ttl_s.try_into().ok()?)))
}

/// The TTL is the one that was granted: etcd has no other.
async fn keep_alive(app: &App, member: &Member, lease: i64) {
    let mut client = member.client.clone();
    let began_us = app.now_us();
    let answer = member.call(client.lease_keep_alive(lease)).await;
    let line = Line {
        lease: Some(lease),
        ..Line::of("keepalive")
    };
    app.tell(line, member, began_us, answer.map(drop));
}
