use squall_host::Origin;

use super::*;
use crate::config::upstream::ServerConf;

fn server(weight: i64) -> ServerConf {
    ServerConf {
        weight,
        ..ServerConf::for_tests(&Origin::new("nginx.conf", 1))
    }
}

fn group(method: Method, servers: &[ServerConf]) -> Group {
    let mut group = Group::new(&"backend".into(), &method, &Planted::default());
    for (at, conf) in servers.iter().enumerate() {
        let ip = IpAddr::from([10, 0, 0, at as u8 + 1]);
        group.set_addresses(at, conf, &[ip]);
    }
    group
}

fn selection(group: &Group) -> Selection {
    group.begin([192, 168, 7, 9].into(), "key".to_owned())
}

/// The last octet of the chosen server; 0 for none.
fn pick(group: &mut Group, selection: &mut Selection, now_s: i64) -> u8 {
    match group
        .pick(selection, now_s)
        .map(|(_, address)| address.ip())
    {
        Some(IpAddr::V4(ip)) => ip.octets()[3],
        _ => 0,
    }
}

/// One request that succeeds at once.
fn serve(group: &mut Group, now_s: i64) -> u8 {
    let mut selection = selection(group);
    let chosen = pick(group, &mut selection, now_s);
    group.release(&mut selection, Outcome::Done, now_s);
    chosen
}

/// One request whose first try fails: the servers tried.
fn fail_once(group: &mut Group, now_s: i64) -> [u8; 2] {
    let mut selection = selection(group);
    let first = pick(group, &mut selection, now_s);
    group.release(&mut selection, Outcome::Failed, now_s);
    let second = pick(group, &mut selection, now_s);
    group.release(&mut selection, Outcome::Done, now_s);
    [first, second]
}

#[test]
fn weights_5_1_1_interleave_as_in_nginx() {
    let mut group = group(Method::RoundRobin, &[server(5), server(1), server(1)]);
    let served: Vec<u8> = (0..14).map(|_| serve(&mut group, 0)).collect();
    assert_eq!(served, [1, 1, 2, 1, 3, 1, 1, 1, 1, 2, 1, 3, 1, 1]);
}

#[test]
fn a_failed_server_rests_for_fail_timeout_and_then_gets_one_trial() {
    let mut group = group(Method::RoundRobin, &[server(1), server(1)]);
    assert_eq!(fail_once(&mut group, 100), [1, 2]);
    // 10 s later by the whole-second clock it still rests; nginx's comparison is "<=".
    for now_s in [100, 105, 110] {
        assert_eq!(serve(&mut group, now_s), 2);
    }
    // At 111 it is tried by one request; while that runs, others go elsewhere.
    // Its effective weight grew from zero meanwhile, so it is not the very next.
    let mut others = Vec::new();
    let mut trial = loop {
        let mut trial = selection(&group);
        if pick(&mut group, &mut trial, 111) == 1 {
            break trial;
        }
        group.release(&mut trial, Outcome::Done, 111);
        others.push(2);
        assert!(others.len() < 4);
    };
    others.clear();
    for _ in 0..4 {
        others.push(serve(&mut group, 112));
    }
    assert_eq!(others, [2, 2, 2, 2]);
    // The trial succeeds after a second: the server is back.
    group.release(&mut trial, Outcome::Done, 112);
    let served: Vec<u8> = (0..6).map(|_| serve(&mut group, 112)).collect();
    assert!(served.contains(&1), "{served:?}");
}

#[test]
fn a_trial_that_fails_rests_the_server_again() {
    let mut group = group(Method::RoundRobin, &[server(1), server(1)]);
    assert_eq!(fail_once(&mut group, 0), [1, 2]);
    let mut tried = Vec::new();
    for _ in 0..3 {
        tried.extend(fail_or_serve(&mut group, 11));
    }
    assert_eq!(
        tried.iter().filter(|chosen| **chosen == 1).count(),
        1,
        "{tried:?}"
    );
    assert_eq!(serve(&mut group, 20), 2);
}

/// Server 1 fails, server 2 serves.
fn fail_or_serve(group: &mut Group, now_s: i64) -> Vec<u8> {
    let mut selection = selection(group);
    let mut tried = Vec::new();
    loop {
        let chosen = pick(group, &mut selection, now_s);
        tried.push(chosen);
        let outcome = if chosen == 1 {
            Outcome::Failed
        } else {
            Outcome::Done
        };
        group.release(&mut selection, outcome, now_s);
        if outcome == Outcome::Done {
            return tried;
        }
    }
}

#[test]
fn max_fails_counts_within_the_window() {
    let conf = ServerConf {
        max_fails: 2,
        fail_timeout_s: 2,
        ..server(1)
    };
    let mut group = group(Method::RoundRobin, &[conf, server(1)]);
    assert_eq!(fail_once(&mut group, 0), [1, 2]);
    let tried: Vec<u8> = (0..3).flat_map(|_| fail_or_serve(&mut group, 1)).collect();
    assert_eq!(
        tried.iter().filter(|chosen| **chosen == 1).count(),
        1,
        "{tried:?}"
    );
    assert_eq!(serve(&mut group, 3), 2, "two failures make it rest");
}

#[test]
fn a_server_that_is_alone_is_always_tried() {
    let mut group = group(Method::RoundRobin, &[server(1)]);
    for now_s in 0..3 {
        let mut selection = selection(&group);
        assert_eq!(pick(&mut group, &mut selection, now_s), 1);
        assert!(!group.release(&mut selection, Outcome::Failed, now_s));
        assert_eq!(selection.tries, 0);
    }
}

#[test]
fn with_all_down_nothing_is_chosen_and_nothing_forgiven() {
    let mut group = group(Method::RoundRobin, &[server(1), server(1)]);
    let mut request = selection(&group);
    for expected in [1, 2] {
        assert_eq!(pick(&mut group, &mut request, 0), expected);
        assert!(group.release(&mut request, Outcome::Failed, 0));
    }
    assert_eq!(request.tries, 0);
    for now_s in [0, 1, 10] {
        assert_eq!(serve(&mut group, now_s), 0);
    }
    assert_ne!(serve(&mut group, 11), 0);
}

#[test]
fn backups_serve_when_no_primary_is_live() {
    let backup = ServerConf {
        backup: true,
        ..server(1)
    };
    let mut group = group(Method::RoundRobin, &[server(1), backup]);
    assert_eq!((serve(&mut group, 0), serve(&mut group, 0)), (1, 1));
    assert_eq!(fail_once(&mut group, 0), [1, 2]);
    assert_eq!(serve(&mut group, 5), 2);
    assert_eq!(serve(&mut group, 11), 1);
}

#[test]
fn down_and_full_servers_are_passed_over() {
    let down = ServerConf {
        down: true,
        ..server(1)
    };
    let full = ServerConf {
        max_conns: 1,
        ..server(9)
    };
    let mut group = group(Method::RoundRobin, &[down, full, server(1)]);
    let mut held = selection(&group);
    assert_eq!(held.tries, 2);
    assert_eq!(pick(&mut group, &mut held, 0), 2);
    assert_eq!(serve(&mut group, 0), 3);
    group.release(&mut held, Outcome::Done, 0);
    assert_eq!(serve(&mut group, 0), 2);
}

#[test]
fn next_is_not_a_failure() {
    let mut group = group(Method::RoundRobin, &[server(1), server(1)]);
    let mut request = selection(&group);
    assert_eq!(pick(&mut group, &mut request, 0), 1);
    group.release(&mut request, Outcome::Next, 0);
    assert_eq!(pick(&mut group, &mut request, 0), 2);
    group.release(&mut request, Outcome::Done, 0);
    assert_eq!((serve(&mut group, 0), serve(&mut group, 0)), (2, 1));
}

#[test]
fn least_conn_takes_the_least_loaded_for_its_weight() {
    let mut group = group(Method::LeastConn, &[server(2), server(1)]);
    let mut held: Vec<Selection> = (0..3).map(|_| selection(&group)).collect();
    let chosen: Vec<u8> = held.iter_mut().map(|s| pick(&mut group, s, 0)).collect();
    assert_eq!(chosen, [1, 2, 1]);
}

#[test]
fn hashes_are_stable_and_move_on_from_the_dead() {
    let methods = [
        Method::IpHash,
        Method::Hash {
            key: Default::default(),
            consistent: false,
        },
        Method::Hash {
            key: Default::default(),
            consistent: true,
        },
    ];
    for method in methods {
        let servers: Vec<ServerConf> = (0..4)
            .map(|at| ServerConf {
                text: format!("10.0.0.{}:80", at + 1).into(),
                ..server(1)
            })
            .collect();
        let mut group = group(method, &servers);
        let first = serve(&mut group, 0);
        assert!((0..5).all(|_| serve(&mut group, 0) == first));
        let [failed, other] = fail_once(&mut group, 0);
        assert_eq!(failed, first);
        assert!(other != first && other != 0);
        assert_eq!(serve(&mut group, 0), other);
        assert_eq!(serve(&mut group, 11), first);
    }
}

#[test]
fn new_addresses_come_and_old_ones_keep_their_state() {
    let conf = server(1);
    let mut group = Group::new(&"backend".into(), &Method::RoundRobin, &Planted::default());
    let ip = |last: u8| IpAddr::from([10, 0, 0, last]);
    assert!(group.set_addresses(0, &conf, &[ip(1), ip(2)]));
    assert_eq!(fail_once(&mut group, 0), [1, 2]);
    assert!(group.set_addresses(0, &conf, &[ip(3), ip(1)]));
    let served: Vec<u8> = (0..4).map(|_| serve(&mut group, 1)).collect();
    assert_eq!(served, [3, 3, 3, 3], "1 still rests, 2 is gone");
    assert!(!group.set_addresses(0, &conf, &[ip(1), ip(3)]));
    assert!(group.set_addresses(0, &conf, &[]));
    assert_eq!(serve(&mut group, 1), 0);
}
