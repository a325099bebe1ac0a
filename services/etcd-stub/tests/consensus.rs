//! Members on real sockets: elections, acknowledged entries, reads, restarts, members that come and go.

#![allow(clippy::unwrap_used)]

mod support;

use support::{get, leader, names, peek, places, put, start, until};

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
