//! The watch that sees everything: over the whole prefix, through one member after the other, resumed after
//! every cut at the revision that follows the last one seen.

use std::time::Duration;

use etcd_client::{EventType, WatchOptions, WatchResponse};
use squall_resilient::random::Random;
use tokio::time::{sleep, timeout};

use crate::app::{App, PREFIX, below, short};
use crate::line::Line;
use crate::member::Failure;

/// A watch that says nothing for so long is left for one through the next member: a member that hears nothing
/// of its group would be silent for as long as it lasts.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// Between two tries.
const REST: Duration = Duration::from_millis(200);

/// One answer in so many is followed by a cut of our own: resuming is to be seen without any fault, too.
const CUT_ONE_IN: usize = 50;

/// Watches from this revision on until it is dropped.
pub(crate) async fn run(app: &App, from: i64) {
    let mut random = Random::from_os();
    let mut next = from;
    for member in app.members.iter().cycle() {
        let mut client = member.streams.watch_client();
        let options = WatchOptions::new().with_prefix().with_start_revision(next);
        let began_us = app.now_us();
        let answer = member.call(client.watch(PREFIX, Some(options))).await;
        let line = Line {
            from: Some(next),
            ..Line::of("watch")
        };
        let mut stream = match answer {
            Ok(stream) => {
                app.tell(line, member, began_us, Ok(()));
                stream
            }
            Err(failure) => {
                app.tell(line, member, began_us, Err(failure));
                sleep(REST).await;
                continue;
            }
        };
        while let Ok(Ok(Some(response))) = timeout(SILENCE_MAX, stream.message()).await {
            if response.canceled() {
                let line = Line {
                    revision: Some(response.compact_revision()),
                    ..Line::of("canceled")
                };
                let why = Failure::NotDone(response.cancel_reason().to_owned());
                app.tell(line, member, app.now_us(), Err(why));
                // What is compacted cannot be seen any more.
                next = next.max(response.compact_revision());
                break;
            }
            if let Some(last) = events(app, member, &response) {
                next = next.max(last + 1);
                app.saw(last);
                if below(&mut random, CUT_ONE_IN) == 0 {
                    break;
                }
            }
        }
        sleep(REST).await;
    }
}

/// Writes down the events of one answer; the last one's revision.
fn events(app: &App, member: &crate::member::Member, response: &WatchResponse) -> Option<i64> {
    let mut last = None;
    for event in response.events() {
        let Some(kv) = event.kv() else { continue };
        let delete = event.event_type() == EventType::Delete;
        let line = Line {
            key: Some(short(kv.key())),
            value: (!delete).then(|| short(kv.value())),
            modified: Some(kv.mod_revision()),
            version: Some(kv.version()),
            delete,
            ..Line::of("event")
        };
        app.tell(line, member, app.now_us(), Ok(()));
        last = last.max(Some(kv.mod_revision()));
    }
    last
}
