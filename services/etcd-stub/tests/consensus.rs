//! Members on real sockets: elections, acknowledged entries, reads, restarts, members that come and go.

#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use etcd_client::proto::PbLeaseGrantRequest;
use squall_etcd_stub::command::Action;
use squall_etcd_stub::config::ClusterState;
use squall_etcd_stub::consensus::{Error, MemberChange};
use squall_etcd_stub::refusal::Refusal;
use support::disk::draw;
use support::{free_port, get, leader, names, peek, place, places, put, put_action, start, until};

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(50);

#[tokio::test]
async fn one_member_leads_and_keeps_what_it_acknowledged() {
    let mut places = places(1);
    start(&mut places).await;
    let group = places[0].group().clone();
    assert_eq!(put(&group, "a", "1").await, Ok(2));
    assert_eq!(get(&group, "a").await, Ok(Some("1".to_owned())));
    places[0].kill().await;
    places[0].start().await;
    let group = places[0].group().clone();
    assert_eq!(get(&group, "a").await, Ok(Some("1".to_owned())));
    assert_eq!(put(&group, "a", "2").await, Ok(3));
}

#[tokio::test]
async fn three_members_elect_one_and_take_proposals_anywhere() {
    let mut places = places(3);
    start(&mut places).await;
    leader(&places).await;
    for (n, place) in places.iter().enumerate() {
        let revision = put(place.group(), &format!("k{n}"), "v").await;
        assert_eq!(revision, Ok(2 + n as i64));
    }
    for place in &places {
        for n in 0..3 {
            assert_eq!(
                get(place.group(), &format!("k{n}")).await,
                Ok(Some("v".to_owned()))
            );
        }
    }
    // Names are published through the log.
    let group = places[0].group().clone();
    until(|| group.members().iter().all(|m| !m.client_urls.is_empty())).await;
    assert_eq!(names(&group.members()), ["m0", "m1", "m2"]);
}

#[tokio::test]
async fn a_killed_leader_is_replaced_and_nothing_is_lost() {
    let mut places = places(3);
    start(&mut places).await;
    let first = leader(&places).await;
    put(places[first].group(), "a", "1").await.unwrap();
    places[first].kill().await;
    let second = loop {
        let second = leader(&places).await;
        if second != first {
            break second;
        }
    };
    assert_eq!(
        get(places[second].group(), "a").await,
        Ok(Some("1".to_owned()))
    );
    put(places[second].group(), "b", "2").await.unwrap();
    places[first].start().await;
    let group = places[first].group().clone();
    until(|| peek(&group, "b").is_some()).await;
}

#[tokio::test]
async fn without_a_quorum_nothing_is_done_and_nothing_is_read() {
    let mut places = places(3);
    start(&mut places).await;
    let first = leader(&places).await;
    put(places[first].group(), "a", "1").await.unwrap();
    let others: Vec<usize> = (0..3).filter(|n| *n != first).collect();
    for other in others {
        places[other].kill().await;
    }
    let group = places[first].group().clone();
    // The leader finds out by itself that it is alone.
    until(|| group.standing().leader.is_none()).await;
    let (put, read) = tokio::join!(put(&group, "a", "2"), get(&group, "a"));
    assert_eq!(put, Err(Refusal::NoLeader));
    assert_eq!(read, Err(Refusal::NoLeader));
    assert_eq!(peek(&group, "a"), Some("1".to_owned()));
}

#[tokio::test]
async fn what_was_proposed_and_not_committed_is_of_unknown_outcome() {
    let mut places = places(3);
    start(&mut places).await;
    let first = leader(&places).await;
    let group = places[first].group().clone();
    put(&group, "a", "1").await.unwrap();
    for other in (0..3).filter(|n| *n != first) {
        places[other].kill().await;
    }
    assert_eq!(put(&group, "a", "2").await, Err(Refusal::TimedOut));
}

/// A follower says that it has an entry once it is durable, and not before.
#[tokio::test]
async fn a_follower_whose_disk_fails_confirms_nothing() {
    let mut places = places(3);
    start(&mut places).await;
    let first = leader(&places).await;
    let group = places[first].group().clone();
    put(&group, "a", "1").await.unwrap();
    until(|| group.members().iter().all(|m| !m.client_urls.is_empty())).await;
    places[(first + 1) % 3].kill().await;
    let follower = &mut places[(first + 2) % 3];
    follower.disk.die_after(1);
    assert_eq!(put(&group, "a", "2").await, Err(Refusal::TimedOut));
    assert!(matches!(follower.ended().await, Err(Error::Disk { .. })));
}

/// Power is lost on all members at once, again and again, while clients write on each.
#[tokio::test]
async fn what_was_acknowledged_survives_the_loss_of_all_power() {
    let mut random = 7;
    let mut places = places(3);
    let mut acknowledged: Vec<(String, u64)> = Vec::new();
    let mut failures = 0;
    for round in 0..12 {
        start(&mut places).await;
        leader(&places).await;
        for (key, value) in &acknowledged {
            let found = get(places[round % 3].group(), key).await.unwrap();
            assert_eq!(found, Some(value.to_string()), "round {round}");
        }
        let writers = places.iter().enumerate().map(|(n, place)| {
            let group = place.group().clone();
            tokio::spawn(async move {
                let key = format!("{round}-{n}");
                let mut last = None;
                for value in 0..1_000_u64 {
                    match tokio::time::timeout(
                        Duration::from_millis(300),
                        put(&group, &key, &value.to_string()),
                    )
                    .await
                    {
                        Ok(Ok(_)) => last = Some((key.clone(), value)),
                        _ => break,
                    }
                }
                last
            })
        });
        let writers: Vec<_> = writers.collect();
        // Each disk dies at a step of its own; what it had not synced is lost in part or wholly.
        for place in &places {
            place.disk.die_after(5 + draw(&mut random) as usize % 60);
        }
        for writer in writers {
            let last = writer.await.unwrap();
            // A write without an answer may be done: only the last answer of a key is compared, and a later
            // value may be there.
            acknowledged.extend(last);
        }
        // Without a quorum the last one may not come to write any more.
        for place in &mut places {
            match place.running.as_ref().unwrap().task.is_finished() {
                true => {
                    assert!(matches!(place.ended().await, Err(Error::Disk { .. })));
                    failures += 1;
                }
                false => place.kill().await,
            }
            place.disk = place.disk.after_power_loss(&mut random);
        }
        start(&mut places).await;
        leader(&places).await;
        for (key, value) in &mut acknowledged {
            let found = get(places[0].group(), key).await.unwrap();
            let found: u64 = found.expect(key).parse().unwrap();
            assert!(
                found == *value || found == *value + 1,
                "{key}: {found} after {value}"
            );
            *value = found;
        }
        for place in &mut places {
            place.kill().await;
        }
    }
    assert!(
        acknowledged.len() > 12 && failures > 12,
        "{} {failures}",
        acknowledged.len()
    );
}

#[tokio::test]
async fn a_follower_that_is_far_behind_is_sent_a_snapshot() {
    let mut places = places(3);
    for place in &mut places {
        place.config.snapshot_count = 20;
        place.config.catch_up_entries = 5;
    }
    start(&mut places).await;
    let first = leader(&places).await;
    let behind = (first + 1) % 3;
    places[behind].kill().await;
    // Longer than a part of a snapshot.
    let long = "x".repeat(300_000);
    put(places[first].group(), "long", &long).await.unwrap();
    for n in 0..100 {
        put(places[first].group(), &format!("k{n}"), "v")
            .await
            .unwrap();
    }
    places[behind].start().await;
    let group = places[behind].group().clone();
    until(|| peek(&group, "k99").is_some()).await;
    assert_eq!(peek(&group, "long"), Some(long));
    // And it goes on from there, also after a restart.
    places[behind].kill().await;
    places[behind].start().await;
    let group = places[behind].group().clone();
    put(&group, "after", "v").await.unwrap();
    assert_eq!(get(&group, "k0").await, Ok(Some("v".to_owned())));
    let files = places[behind].disk.names();
    let snapshots = files.iter().filter(|name| name.contains("snapshot-"));
    assert_eq!(snapshots.count(), 1, "{files:?}");
}

#[tokio::test]
async fn members_are_added_and_removed() {
    let mut places = places(1);
    start(&mut places).await;
    put(places[0].group(), "a", "1").await.unwrap();
    let group = places[0].group().clone();
    until(|| !group.members()[0].client_urls.is_empty()).await;
    for n in 1..3 {
        let port = free_port();
        let url = format!("http://127.0.0.1:{port}");
        let add = MemberChange::Add {
            peer_urls: vec![url.clone()],
            as_learner: false,
        };
        // Members must have been connected for five seconds.
        let id = loop {
            match group.change(add.clone()).await {
                Ok((members, id)) => {
                    assert_eq!(members.len(), n + 1);
                    break id;
                }
                Err(Refusal::Unhealthy) => tokio::time::sleep(PAUSE).await,
                Err(refusal) => panic!("{refusal}"),
            }
        };
        if n == 1 {
            // It would need two of three, and one has started.
            let too_soon = MemberChange::Add {
                peer_urls: vec!["http://127.0.0.1:1".to_owned()],
                as_learner: false,
            };
            let refused = group.change(too_soon).await;
            assert_eq!(refused, Err(Refusal::MemberNotEnoughStarted));
        }
        let mut initial = places[0].config.initial_cluster.clone();
        initial.extend(
            places[1..]
                .iter()
                .map(|p| (p.config.name.clone(), p.config.advertise_peer.clone())),
        );
        initial.insert(format!("m{n}"), vec![url]);
        let mut joining = place(&format!("m{n}"), port, initial, ClusterState::Existing);
        joining.start().await;
        assert_eq!(joining.id(), id);
        let joined = joining.group().clone();
        until(|| peek(&joined, "a").is_some()).await;
        until(|| group.members().iter().all(|m| !m.name.is_empty())).await;
        places.push(joining);
    }
    put(places[2].group(), "b", "2").await.unwrap();
    // The leader can be removed as well; the others go on.
    let first = leader(&places).await;
    let removed = places[first].id();
    let other = places[(first + 1) % 3].group().clone();
    let change = MemberChange::Remove(removed);
    let (members, _) = loop {
        match other.change(change.clone()).await {
            Err(Refusal::Unhealthy) => tokio::time::sleep(PAUSE).await,
            changed => break changed.unwrap(),
        }
    };
    assert_eq!(members.len(), 2);
    assert!(matches!(places[first].ended().await, Err(Error::Removed)));
    leader(&places).await;
    put(&other, "c", "3").await.unwrap();
    assert_eq!(get(&other, "b").await, Ok(Some("2".to_owned())));
    // It is not let in again.
    places[first].start().await;
    assert!(matches!(places[first].ended().await, Err(Error::Removed)));
}

#[tokio::test]
async fn a_learner_has_no_vote_before_it_is_promoted() {
    let mut places = places(1);
    start(&mut places).await;
    let group = places[0].group().clone();
    put(&group, "a", "1").await.unwrap();
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}");
    let add = MemberChange::Add {
        peer_urls: vec![url.clone()],
        as_learner: true,
    };
    let (_, id) = group.change(add).await.unwrap();
    assert_eq!(
        group.change(MemberChange::Promote(7)).await,
        Err(Refusal::MemberNotFound)
    );
    let promote = MemberChange::Promote(id);
    assert_eq!(
        group.change(promote.clone()).await,
        Err(Refusal::LearnerNotReady)
    );
    // The group works without it.
    put(&group, "a", "2").await.unwrap();
    let mut initial = places[0].config.initial_cluster.clone();
    initial.insert("m1".to_owned(), vec![url]);
    let mut joining = place("m1", port, initial, ClusterState::Existing);
    joining.start().await;
    let joined = joining.group().clone();
    until(|| peek(&joined, "a").is_some()).await;
    assert!(joined.standing().is_learner);
    // Asked at the learner, done by the leader.
    while joined.change(promote.clone()).await.is_err() {
        tokio::time::sleep(PAUSE).await;
    }
    until(|| !joined.standing().is_learner).await;
    assert_eq!(group.change(promote).await, Err(Refusal::MemberNotLearner));
    assert!(group.members().iter().all(|member| !member.is_learner));
}

#[tokio::test]
async fn a_member_whose_data_is_gone_does_not_begin_anew() {
    let mut places = places(3);
    start(&mut places).await;
    leader(&places).await;
    let group = places[0].group().clone();
    until(|| group.members().iter().all(|m| !m.client_urls.is_empty())).await;
    places[2].kill().await;
    places[2].disk = Default::default();
    let refused = places[2].try_start().await;
    assert!(matches!(refused, Err(Error::AlreadyBootstrapped { .. })));
}

#[tokio::test]
async fn leadership_is_handed_over() {
    let mut places = places(3);
    start(&mut places).await;
    let first = leader(&places).await;
    let second = (first + 1) % 3;
    let to = places[second].id();
    let group = places[first].group().clone();
    assert_eq!(
        places[second].group().move_leader(to).await,
        Err(Refusal::NotLeader)
    );
    assert_eq!(
        group.move_leader(7).await,
        Err(Refusal::BadLeaderTransferee)
    );
    assert_eq!(group.move_leader(to).await, Ok(()));
    assert_eq!(leader(&places).await, second);
    // Whoever is asked to stop hands over, too.
    let running = places[second].running.take().unwrap();
    running.trigger.request();
    running.task.await.unwrap().unwrap();
    assert_ne!(leader(&places).await, second);
    for place in &places {
        let own = place.config.name.clone();
        let lines = place.lines.having("became leader at term");
        assert!(
            lines.iter().all(|line| line.starts_with("raft: ")),
            "{own}: {lines:?}"
        );
    }
}

#[tokio::test]
async fn leases_are_prolonged_at_the_leader_and_run_out() {
    let mut places = places(3);
    start(&mut places).await;
    let first = leader(&places).await;
    let follower = places[(first + 1) % 3].group().clone();
    for (id, ttl) in [(1, 1), (2, 60)] {
        let grant = PbLeaseGrantRequest { id, ttl };
        follower.propose(Action::LeaseGrant(grant)).await.unwrap();
    }
    let mut with_lease = put_action("a", "1");
    if let Action::Put(put) = &mut with_lease {
        put.lease = 1;
    }
    follower.propose(with_lease).await.unwrap();
    assert_eq!(follower.renew(2).await, Ok(60));
    assert_eq!(follower.renew(3).await, Err(Refusal::LeaseNotFound));
    assert_eq!(follower.lease_time(3).await, Ok(None));
    let time = follower.lease_time(2).await.unwrap().unwrap();
    assert_eq!(time.granted_s, 60);
    assert!((50..60).contains(&time.left_s), "{time:?}");
    until(|| peek(&follower, "a").is_none()).await;
    assert_eq!(follower.renew(1).await, Err(Refusal::LeaseNotFound));
    // A new leader knows it as well.
    places[first].kill().await;
    assert_eq!(follower.renew(2).await, Ok(60));
}

#[tokio::test]
async fn a_torn_end_is_cut_off_and_damage_is_refused() {
    let mut places = places(1);
    start(&mut places).await;
    put(places[0].group(), "a", "1").await.unwrap();
    places[0].kill().await;
    let path = "/data/member/log";
    let whole = places[0].disk.file(path);
    let mut torn = whole.clone();
    torn.extend_from_slice(b"0123abcd AAAA");
    places[0].disk.put(path, &torn);
    places[0].start().await;
    assert_eq!(get(places[0].group(), "a").await, Ok(Some("1".to_owned())));
    assert_eq!(places[0].lines.having("cut off 13 bytes").len(), 1);
    places[0].kill().await;
    let mut damaged = whole;
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    places[0].disk.put(path, &damaged);
    let refused = places[0].try_start().await.unwrap_err().to_string();
    assert!(
        refused.contains(path) && refused.contains("help: "),
        "{refused}"
    );
}
