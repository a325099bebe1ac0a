//! Histories that are known to be good or bad, and random ones against all orders there are.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;

use super::counter::Action::{Increment, Read};
use super::counter::Counter;
use super::register::{self, Register};
use super::*;

fn known<A>(from_us: u64, to_us: u64, action: A) -> Operation<A> {
    Operation {
        action,
        from_us,
        to_us: Some(to_us),
    }
}

fn unknown<A>(from_us: u64, action: A) -> Operation<A> {
    Operation {
        action,
        from_us,
        to_us: None,
    }
}

type Counted = Operation<counter::Action>;

fn counted(history: &[Counted]) -> Verdict<i64> {
    check(&Counter::default(), history, MOST_STEPS)
}

/// The misfit of a history, if it has one.
fn misfit<S>(verdict: Verdict<S>) -> Option<usize> {
    match verdict {
        Verdict::Linear { .. } => None,
        Verdict::Broken(misfit) => Some(misfit.misfit),
        Verdict::Open { steps } => panic!("open after {steps} steps"),
    }
}

fn plus(from_us: u64, to_us: u64, value: i64) -> Counted {
    known(from_us, to_us, Increment(Some(value)))
}

fn read(from_us: u64, to_us: u64, value: i64) -> Counted {
    known(from_us, to_us, Read(Some(value)))
}

#[test]
fn what_overlaps_may_be_in_any_order() {
    let history = [
        plus(0, 10, 2),
        plus(5, 15, 1),
        read(9, 11, 1),
        read(20, 21, 2),
    ];
    let order = vec![1, 2, 0, 3];
    assert_eq!(counted(&history), Verdict::Linear { order });
    assert_eq!(counted(&[]), Verdict::Linear { order: vec![] });
}

#[test]
fn a_stale_read_is_found() {
    let history = [plus(0, 1, 1), plus(2, 3, 2), read(4, 5, 1), read(6, 7, 2)];
    let broken = Misfit {
        misfit: 2,
        order: vec![0, 1],
        state: 2,
    };
    assert_eq!(counted(&history), Verdict::Broken(broken));
}

#[test]
fn a_lost_update_is_found() {
    let history = [plus(0, 5, 1), plus(1, 6, 1), read(7, 8, 1)];
    assert_eq!(misfit(counted(&history)), Some(1));
}

#[test]
fn a_value_from_the_future_is_found() {
    let history = [read(0, 1, 1), plus(2, 3, 1)];
    assert_eq!(misfit(counted(&history)), Some(0));
}

#[test]
fn an_order_against_time_is_found() {
    let history = [plus(0, 1, 2), plus(2, 3, 1)];
    assert_eq!(misfit(counted(&history)), Some(0));
    let history = [plus(0, 2, 2), plus(2, 3, 1)];
    assert_eq!(misfit(counted(&history)), None, "the same microsecond");
}

#[test]
fn an_unknown_one_may_take_effect_late_or_never() {
    let nobody_knows = unknown(0, Increment(None));
    let late = [
        nobody_knows.clone(),
        plus(1, 2, 1),
        read(3, 4, 1),
        read(5, 6, 2),
    ];
    assert_eq!(misfit(counted(&late)), None);
    let never = [nobody_knows.clone(), plus(1, 2, 1), read(3, 4, 1)];
    assert_eq!(misfit(counted(&never)), None);
    let twice = [nobody_knows, plus(1, 2, 1), read(3, 4, 2), read(5, 6, 3)];
    assert_eq!(misfit(counted(&twice)), Some(3));
    let too_early = [read(0, 1, 1), unknown(2, Increment(None))];
    assert_eq!(misfit(counted(&too_early)), Some(0));
}

#[test]
fn a_search_that_takes_too_long_says_so() {
    let history = [plus(0, 10, 2), plus(5, 15, 1), read(9, 11, 1)];
    let verdict = check(&Counter::default(), &history, 2);
    assert_eq!(verdict, Verdict::Open { steps: 2 });
}

/// Dozens of unknown operations, thousands of known ones: without the rule for those that are alike this takes
/// for ever.
#[test]
fn many_unknown_ones_are_no_burden() {
    let mut history: Vec<Counted> = (0..60)
        .map(|at| unknown(at * 10, Increment(None)))
        .collect();
    for step in 0..2000_u64 {
        let applied = (step / 40).min(50) as i64;
        history.push(plus(step * 10, step * 10 + 25, step as i64 + 1 + applied));
    }
    assert_eq!(misfit(counted(&history)), None);
    history.push(read(30_000, 30_001, 1000));
    assert_eq!(misfit(counted(&history)), Some(2060));
}

#[test]
fn each_key_is_judged_by_itself() {
    #[derive(Clone, Copy, PartialEq, Eq, Hash)]
    struct Keyed(char, counter::Action);
    struct Counters;
    impl Model for Counters {
        type State = i64;
        type Action = Keyed;
        fn start(&self) -> i64 {
            0
        }
        fn step(&self, state: &i64, action: &Keyed) -> Option<i64> {
            Counter::default().step(state, &action.1)
        }
    }
    let on = |key, one: Counted| known(one.from_us, one.to_us.unwrap_or(0), Keyed(key, one.action));
    let mut history = vec![
        on('b', plus(0, 1, 1)),
        on('a', plus(0, 1, 1)),
        on('b', plus(2, 3, 2)),
    ];
    let judged = |history: &[_]| check_each(&Counters, history, |one: &Keyed| one.0, MOST_STEPS);
    let order = vec![1, 0, 2];
    assert_eq!(judged(&history), Verdict::Linear { order });
    history.push(on('a', read(4, 5, 2)));
    assert_eq!(misfit(judged(&history)), Some(3));
    let open = check_each(&Counters, &history, |one| one.0, 1);
    assert_eq!(open, Verdict::Open { steps: 1 });
}

#[test]
fn a_register_compares_and_sets() {
    use register::Action::{CompareAndSet, Read, Write};
    let set = |expected, new, done| CompareAndSet {
        expected,
        new: Some(new),
        done,
    };
    let judged = |history: &[_]| misfit(check(&Register::default(), history, MOST_STEPS));
    let mut history = vec![
        known(0, 1, Read(None)),
        known(2, 3, set(None, 'a', Some(true))),
        known(4, 9, set(Some('a'), 'b', Some(true))),
        known(5, 8, set(Some('a'), 'c', Some(false))),
        unknown(6, set(Some('b'), 'd', None)),
        known(10, 11, Read(Some('d'))),
        known(12, 13, Write(None)),
        known(14, 15, Read(None)),
    ];
    assert_eq!(judged(&history), None);
    history[3].action = set(Some('a'), 'c', Some(true));
    assert_eq!(judged(&history), Some(2), "both cannot have had it");
}

/// Eleven writers that overlap have 40 million orders, and no more than 2048 sets of those that are placed.
#[test]
fn what_was_tried_is_not_tried_again() {
    use register::Action::{Read, Write};
    let mut history: Vec<_> = (0..11).map(|at| known(at, 20, Write(Some(1)))).collect();
    history.push(known(21, 22, Read(Some(2))));
    let verdict = check(&Register::default(), &history, 100_000);
    assert_eq!(misfit(verdict), Some(11));
}

/// Whether any order of any choice of the unknown ones is right, by trying them all.
fn by_force<M: Model>(model: &M, history: &[Operation<M::Action>]) -> bool {
    fn goes_on<M: Model>(
        model: &M,
        history: &[Operation<M::Action>],
        order: &mut Vec<usize>,
    ) -> bool {
        let is_complete =
            (0..history.len()).all(|at| history[at].to_us.is_none() || order.contains(&at));
        if is_complete && is_right(model, history, order) {
            return true;
        }
        (0..history.len()).any(|at| {
            if order.contains(&at) {
                return false;
            }
            order.push(at);
            let found = goes_on(model, history, order);
            order.pop();
            found
        })
    }
    goes_on(model, history, &mut Vec::new())
}

/// Whether an order goes with time, and with the model.
fn is_right<M: Model>(model: &M, history: &[Operation<M::Action>], order: &[usize]) -> bool {
    let goes_with_time = order.iter().enumerate().all(|(index, later)| {
        let mut earlier = order[..index].iter();
        earlier.all(|earlier| {
            let end_us = history[*later].to_us;
            end_us.is_none_or(|end_us| end_us >= history[*earlier].from_us)
        })
    });
    let start = Some(model.start());
    let end = order.iter().fold(start, |state, at| {
        state.and_then(|state| model.step(&state, &history[*at].action))
    });
    goes_with_time && end.is_some()
}

fn timed<A: std::fmt::Debug>(
    action: impl Strategy<Value = A>,
) -> impl Strategy<Value = Operation<A>> {
    let unknown = proptest::bool::weighted(0.25);
    (action, 0..12_u64, 0..8_u64, unknown).prop_map(|(action, from_us, takes_us, unknown)| {
        Operation {
            action,
            from_us,
            to_us: (!unknown).then_some(from_us + takes_us),
        }
    })
}

fn of_counter() -> impl Strategy<Value = Vec<Counted>> {
    let action = (any::<bool>(), 0..5_i64).prop_map(|(is_read, value)| match is_read {
        true => Read(Some(value)),
        false => Increment(Some(value)),
    });
    let operation = timed(action).prop_map(|mut one| {
        if one.to_us.is_none() && one.action != Read(Some(3)) {
            one.action = match one.action {
                Increment(_) => Increment(None),
                Read(_) => Read(None),
            };
        }
        one
    });
    proptest::collection::vec(operation, 0..=7)
}

/// Which operation is answered how much more, and began how much earlier and later.
type Change = (proptest::sample::Index, (i64, u64, u64));

/// A history of a counter that was right, and a change to make to one of its operations.
fn of_nearly_right() -> impl Strategy<Value = (Vec<Counted>, Change)> {
    let operation = (0..3_u8, 0..30_u64, 0..30_u64, 0..10_u8);
    let history = proptest::collection::vec(operation, 0..60).prop_map(|drawn| {
        let (mut now_us, mut count) = (30, 0);
        let mut history = Vec::new();
        for (step_us, early_us, late_us, kind) in drawn {
            now_us += u64::from(step_us) * 5;
            let from_us = now_us - early_us;
            history.push(match kind {
                0 => unknown(from_us, Increment(None)),
                1 => {
                    count += 1;
                    unknown(from_us, Increment(None))
                }
                2..=4 => known(from_us, now_us + late_us, Read(Some(count))),
                _ => {
                    count += 1;
                    known(from_us, now_us + late_us, Increment(Some(count)))
                }
            });
        }
        history
    });
    let change = (-2..3_i64, 0..80_u64, 0..80_u64);
    (history, (any::<proptest::sample::Index>(), change))
}

fn of_register() -> impl Strategy<Value = Vec<Operation<register::Action<u8>>>> {
    use register::Action::{CompareAndSet, Read, Write};
    let value = || proptest::option::of(0..3_u8);
    let action = prop_oneof![
        value().prop_map(Read),
        value().prop_map(Write),
        (value(), value(), proptest::option::of(any::<bool>())).prop_map(
            |(expected, new, done)| CompareAndSet {
                expected,
                new,
                done
            }
        ),
    ];
    proptest::collection::vec(timed(action), 0..=7)
}

/// What was found against all orders there are; and an order that is told is one.
fn agrees<M: Model>(model: &M, history: &[Operation<M::Action>])
where
    M::State: std::fmt::Debug,
{
    let expected = by_force(model, history);
    match check(model, history, MOST_STEPS) {
        Verdict::Linear { order } => {
            assert!(expected, "no order is right");
            assert!(is_right(model, history, &order), "{order:?}");
        }
        Verdict::Broken(broken) => {
            assert!(!expected, "there is an order: {broken:?}");
            assert!(is_right(model, history, &broken.order), "{broken:?}");
        }
        Verdict::Open { .. } => panic!("open"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn counters_are_judged_as_all_orders_say(history in of_counter()) {
        agrees(&Counter::default(), &history);
    }

    #[test]
    fn answers_alone_say_the_same_of_counters(
        history in of_counter(),
        from in prop_oneof![4 => Just(0), 1 => 1..3_i64],
    ) {
        let flaws = counted::flaws(from, &history).unwrap();
        let found = misfit(check(&Counter { from }, &history, MOST_STEPS));
        prop_assert_eq!(flaws.is_empty(), found.is_none(), "{:?}, {:?}", flaws, found);
    }

    #[test]
    fn and_of_those_that_are_nearly_right((mut history, change) in of_nearly_right()) {
        let agree = |history: &[Counted]| {
            let flaws = counted::flaws(0, history).unwrap();
            let found = misfit(counted(history));
            prop_assert_eq!(flaws.is_empty(), found.is_none(), "{:?}, {:?}", flaws, found);
            Ok(found.is_none())
        };
        prop_assert!(agree(&history)?, "it was made so");
        if !history.is_empty() {
            let (at, (value, earlier_us, later_us)) = change;
            let at = at.index(history.len());
            let one = &mut history[at];
            one.from_us = (one.from_us + later_us).saturating_sub(earlier_us);
            one.to_us = one.to_us.map(|to_us| to_us.max(one.from_us));
            match &mut one.action {
                Increment(Some(answer)) | Read(Some(answer)) => *answer += value,
                _ => {}
            }
            agree(&history)?;
        }
    }

    #[test]
    fn registers_are_judged_as_all_orders_say(history in of_register()) {
        agrees(&Register::default(), &history);
    }
}
