//! Delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating Failure-Inducing Input",
//! 2002): which of several things are needed.

/// Finds few of `count` things that still do. `do_still` tries those that are listed, in order; all
/// of them do. None of what is left can be left out alone.
pub(super) fn needed(count: usize, mut do_still: impl FnMut(&[usize]) -> bool) -> Vec<usize> {
    let mut left: Vec<usize> = (0..count).collect();
    let mut parts = 2;
    // Nothing at all is the luckiest case, and costs one try.
    if count > 0 && do_still(&[]) {
        return Vec::new();
    }
    while left.len() > 1 {
        parts = parts.min(left.len());
        let length = left.len().div_ceil(parts);
        let without = |start: usize, left: &[usize]| -> Vec<usize> {
            let end = (start + length).min(left.len());
            [&left[..start], &left[end..]].concat()
        };
        let starts = (0..left.len()).step_by(length);
        // Late ones first: what comes late is most often not needed.
        let found = starts
            .rev()
            .map(|start| without(start, &left))
            .find(|rest| !rest.is_empty() && do_still(rest));
        match found {
            Some(rest) => {
                left = rest;
                parts = (parts - 1).max(2);
            }
            None if length == 1 => break,
            None => parts *= 2,
        }
    }
    left
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_needed_is_left_and_nothing_else(
            count in 1_usize..40,
            wanted in proptest::collection::btree_set(0_usize..40, 0..6),
        ) {
            let wanted: Vec<usize> = wanted.into_iter().filter(|one| *one < count).collect();
            let mut tries = 0;
            let left = needed(count, |some| {
                tries += 1;
                wanted.iter().all(|one| some.contains(one))
            });
            prop_assert_eq!(left, wanted);
            prop_assert!(tries <= count * count + 3 * count, "{} tries", tries);
        }
    }
}
