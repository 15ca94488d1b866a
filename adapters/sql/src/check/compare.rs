//! Are two long lists of rows the same, whatever their order?

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use super::Finding;

/// How many sums there are.
const BUCKETS: usize = 1 << 16;
/// Of so many of them the rows are looked at, when they differ.
const LOOKED_AT: usize = 256;

/// Takes a row: where it is, and what else makes it different from others.
pub type Emit<'e> = dyn FnMut(&str, &str) + 'e;

/// Compares two lists of rows that are read twice, in whatever order, in constant memory: at first only sums
/// of hashes, then the rows behind sums that differ. Where a great many differ, not all are counted.
///
/// # Errors
/// The first error of a list.
pub fn compare<E>(
    rule: &'static str,
    expected: impl Fn(&mut Emit<'_>) -> Result<(), E>,
    found: impl Fn(&mut Emit<'_>) -> Result<(), E>,
) -> Result<Finding, E> {
    let mut finding = Finding::new(rule);
    let mut sums = vec![0_u64; BUCKETS];
    expected(&mut |place, value| add(&mut sums, place, value, u64::wrapping_add))?;
    found(&mut |place, value| add(&mut sums, place, value, u64::wrapping_sub))?;
    let different: Vec<bool> = {
        let mut left = LOOKED_AT;
        let mut is_different = |sum: &u64| {
            let look = *sum != 0 && left > 0;
            left -= usize::from(look);
            look
        };
        sums.iter().map(&mut is_different).collect()
    };
    if !different.contains(&true) {
        return Ok(finding);
    }
    let mut rows: HashMap<(u64, String), i64> = HashMap::new();
    let mut note = |place: &str, value: &str, by: i64| {
        let (hash, bucket) = hash(place, value);
        if different.get(bucket) == Some(&true) {
            *rows.entry((hash, place.to_owned())).or_default() += by;
        }
    };
    expected(&mut |place, value| note(place, value, 1))?;
    found(&mut |place, value| note(place, value, -1))?;
    let mut wrong: Vec<(String, i64)> =
        rows.into_iter().filter(|(_, n)| *n != 0).map(|((_, place), n)| (place, n)).collect();
    // Of one place, what is missing before what is too many.
    wrong.sort_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)));
    for (place, n) in wrong {
        finding.add(|| format!("{place} {}", if n > 0 { "is missing" } else { "is too many" }));
    }
    Ok(finding)
}

fn add(sums: &mut [u64], place: &str, value: &str, by: fn(u64, u64) -> u64) {
    let (hash, bucket) = hash(place, value);
    if let Some(sum) = sums.get_mut(bucket) {
        *sum = by(*sum, hash);
    }
}

/// The hash of a row, and the sum that it belongs to.
fn hash(place: &str, value: &str) -> (u64, usize) {
    let mut hasher = DefaultHasher::new();
    place.hash(&mut hasher);
    value.hash(&mut hasher);
    let hash = hasher.finish();
    (hash, usize::try_from(hash >> 48).unwrap_or_default() % BUCKETS)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Rows = &'static [(&'static str, &'static str)];

    fn compared(expected: Rows, found: Rows) -> Finding {
        let list = |rows: Rows| {
            move |emit: &mut Emit<'_>| {
                rows.iter().for_each(|(place, value)| emit(place, value));
                Ok::<_, std::convert::Infallible>(())
            }
        };
        let Ok(finding) = compare("rule", list(expected), list(found));
        finding
    }

    #[test]
    fn order_does_not_matter_and_each_row_does() {
        let rows: Rows = &[("a", "1"), ("b", "2"), ("b", "3")];
        assert_eq!(compared(rows, &[("b", "3"), ("a", "1"), ("b", "2")]).count, 0);
        let finding = compared(rows, &[("a", "1"), ("b", "3"), ("b", "4"), ("c", "1")]);
        assert_eq!(finding.count, 3);
        assert_eq!(finding.examples, ["b is missing", "b is too many", "c is too many"]);
        assert_eq!(compared(rows, &[("a", "1"), ("a", "1"), ("b", "2"), ("b", "3")]).count, 1);
    }

    #[test]
    fn a_great_many_differences_are_some() {
        let list = |emit: &mut Emit<'_>| {
            (0..100_000).for_each(|n| emit(&n.to_string(), ""));
            Ok::<_, std::convert::Infallible>(())
        };
        let Ok(finding) = compare("rule", list, |_| Ok(()));
        assert!(finding.count >= LOOKED_AT as u64, "{}", finding.count);
        assert_eq!(finding.examples.len(), 5);
    }
}
