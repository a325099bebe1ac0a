use super::*;
use proptest::prelude::*;

const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 7));

fn slots(weights: &[u32]) -> Vec<Slot> {
    weights
        .iter()
        .map(|weight| Slot {
            usable: *weight > 0,
            weight: *weight,
            ..Slot::default()
        })
        .collect()
}

fn balancer(balance: Balance, slots: &mut [Slot]) -> Balancer {
    Balancer::new(balance, false, slots)
}

fn sequence(balancer: &mut Balancer, slots: &[Slot], count: usize) -> String {
    (0..count)
        .map(|_| match balancer.pick(slots, None, CLIENT) {
            Some(index) => char::from(b'a' + u8::try_from(index).unwrap()),
            None => '-',
        })
        .collect()
}

fn set_usable(balancer: &mut Balancer, slots: &mut [Slot], index: usize, usable: bool) {
    let before = slots[index].clone();
    slots[index].usable = usable;
    balancer.changed(index, &before, slots);
}

// The sequences were seen with HAProxy 2.6.12 and the same weights (differential/sequences.py).
#[test]
fn weighted_servers_come_in_haproxys_sequence() {
    for (balance, weights, expected) in SEQUENCES {
        let mut slots = slots(weights);
        let mut balancer = balancer(*balance, &mut slots);
        assert_eq!(
            sequence(&mut balancer, &slots, expected.len()),
            *expected,
            "{balance:?} {weights:?}"
        );
    }
}

const SEQUENCES: &[(Balance, &[u32], &str)] = &[
    (Balance::RoundRobin, &[1, 1, 1], "abcabcabcabcabcabcabcabc"),
    (Balance::StaticRr, &[1, 1, 1], "abcabcabcabcabcabcabcabc"),
    (Balance::RoundRobin, &[1, 2], "bbabbabbabbabbabbabbabba"),
    (Balance::StaticRr, &[1, 2], "abbabbabbabbabbabbabbabb"),
    (Balance::RoundRobin, &[2, 1], "aabaabaabaabaabaabaabaab"),
    (Balance::RoundRobin, &[3, 1], "aaabaaabaaabaaabaaabaaab"),
    (Balance::RoundRobin, &[1, 2, 3], "cbcacbcbcacbcbcacbcbcacb"),
    (Balance::StaticRr, &[1, 2, 3], "acbcbcacbcbcacbcbcacbcbc"),
    (Balance::RoundRobin, &[5, 3, 2], "abacababacabacababacabac"),
    (Balance::StaticRr, &[5, 3, 2], "aabacababcaabacababcaaba"),
    (Balance::RoundRobin, &[10, 1], "aaaaaaaaaabaaaaaaaaaabaa"),
    (Balance::RoundRobin, &[7, 7, 1], "abababababababcababababa"),
    (
        Balance::RoundRobin,
        &[2, 2, 4, 1],
        "cacbcacbdcacbcacbdcacbca",
    ),
    (Balance::StaticRr, &[2, 2, 4, 1], "abccabccdabccabccdabccab"),
];

#[test]
fn a_server_that_comes_back_takes_its_turns_again() {
    let mut slots = slots(&[1, 1]);
    let mut balancer = balancer(Balance::RoundRobin, &mut slots);
    assert_eq!(sequence(&mut balancer, &slots, 4), "abab");
    set_usable(&mut balancer, &mut slots, 1, false);
    assert_eq!(sequence(&mut balancer, &slots, 3), "aaa");
    set_usable(&mut balancer, &mut slots, 1, true);
    let after = sequence(&mut balancer, &slots, 20);
    assert_eq!(after.matches('b').count(), 10, "{after}");
}

#[test]
fn the_server_to_avoid_is_avoided_while_there_is_another() {
    for balance in [
        Balance::RoundRobin,
        Balance::StaticRr,
        Balance::LeastConn,
        Balance::First,
    ] {
        let mut slots = slots(&[1, 1]);
        let mut balancer = balancer(balance, &mut slots);
        for _ in 0..10 {
            assert_eq!(
                balancer.pick(&slots, Some(0), CLIENT),
                Some(1),
                "{balance:?}"
            );
        }
        set_usable(&mut balancer, &mut slots, 1, false);
        assert_eq!(
            balancer.pick(&slots, Some(0), CLIENT),
            Some(0),
            "{balance:?}"
        );
        set_usable(&mut balancer, &mut slots, 0, false);
        assert_eq!(balancer.pick(&slots, None, CLIENT), None, "{balance:?}");
    }
}

#[test]
fn full_servers_are_passed_over() {
    for balance in [
        Balance::RoundRobin,
        Balance::StaticRr,
        Balance::First,
        Balance::LeastConn,
    ] {
        let mut slots = slots(&[1, 1]);
        slots[0].room = Some(1);
        slots[0].served = 1;
        let mut balancer = balancer(balance, &mut slots);
        balancer.load_changed(0, &slots);
        assert_eq!(sequence(&mut balancer, &slots, 4), "bbbb", "{balance:?}");
        slots[1].room = Some(0);
        assert_eq!(balancer.pick(&slots, None, CLIENT), None, "{balance:?}");
    }
}

#[test]
fn backups_serve_when_no_other_is_left() {
    for (all, expected) in [(false, "bbbb"), (true, "bcbc")] {
        let mut slots = slots(&[1, 1, 1]);
        slots[1].backup = true;
        slots[2].backup = true;
        let mut balancer = Balancer::new(Balance::RoundRobin, all, &mut slots);
        assert_eq!(sequence(&mut balancer, &slots, 2), "aa");
        set_usable(&mut balancer, &mut slots, 0, false);
        assert_eq!(sequence(&mut balancer, &slots, 4), expected);
    }
}

#[test]
fn least_conn_goes_to_the_least_loaded_for_its_weight() {
    let mut slots = slots(&[1, 2]);
    let mut balancer = balancer(Balance::LeastConn, &mut slots);
    let mut counts = [0, 0];
    for _ in 0..30 {
        let index = balancer.pick(&slots, None, CLIENT).unwrap();
        counts[index] += 1;
        slots[index].served += 1;
        balancer.load_changed(index, &slots);
    }
    assert_eq!(counts, [10, 20]);
}

#[test]
fn static_rr_follows_its_map() {
    let mut slots = slots(&[2, 4, 2]);
    let mut balancer = balancer(Balance::StaticRr, &mut slots);
    let round = sequence(&mut balancer, &slots, 4);
    assert_eq!(round.matches('b').count(), 2, "{round}");
    assert_eq!(sequence(&mut balancer, &slots, 4), round);
}

#[test]
fn source_is_stable_and_moves_only_when_servers_change() {
    let mut slots = slots(&[1, 1, 1]);
    let mut balancer = balancer(Balance::Source(HashFunction::Plain), &mut slots);
    // 10.0.0.7 is 167772167; modulo 3 that is 2.
    assert_eq!(sequence(&mut balancer, &slots, 5), "ccccc");
    set_usable(&mut balancer, &mut slots, 2, false);
    assert_eq!(sequence(&mut balancer, &slots, 2), "bb");
}

/// Rounds until servers that went and came take turns as they should.
const SETTLE_ROUNDS: u32 = 40;

proptest! {
    /// Over whole rounds everyone gets their share, whatever went before.
    #[test]
    fn round_robin_is_fair(
        weights in prop::collection::vec(1_u32..9, 1..6),
        flaps in prop::collection::vec((0_usize..6, any::<bool>(), 0_usize..7), 0..20),
    ) {
        let mut slots = slots(&weights);
        let mut balancer = balancer(Balance::RoundRobin, &mut slots);
        for (index, usable, picks) in flaps {
            let index = index % slots.len();
            set_usable(&mut balancer, &mut slots, index, usable);
            for _ in 0..picks {
                let picked = balancer.pick(&slots, None, CLIENT);
                prop_assert_eq!(picked.is_some(), slots.iter().any(|slot| slot.usable));
                if let Some(index) = picked {
                    prop_assert!(slots[index].usable);
                }
            }
        }
        for index in 0..slots.len() {
            set_usable(&mut balancer, &mut slots, index, true);
        }
        let total: u32 = weights.iter().sum();
        // A server that comes back waits for its old place in the order, as in HAProxy's trees: that
        // can be rounds away when others came and went meanwhile.
        for _ in 0..SETTLE_ROUNDS * total {
            balancer.pick(&slots, None, CLIENT);
        }
        let mut counts = vec![0_u32; slots.len()];
        for _ in 0..20 * total {
            counts[balancer.pick(&slots, None, CLIENT).unwrap()] += 1;
        }
        for (count, weight) in counts.iter().zip(&weights) {
            prop_assert!(count.abs_diff(20 * weight) <= 20, "{:?} for {:?}", counts, weights);
        }
    }
}
