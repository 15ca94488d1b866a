//! Counts allocations: `allocations` prints a JSON object of `{"parse/f01_username_eq": 0, …}`.
//!
//! `parse` and `parse_owned` are counted for one text, `eval` for the whole corpus.
#![forbid(unsafe_code)]

use std::alloc::System;
use std::collections::BTreeMap;
use std::hint::black_box;

use scim_benches::{corpus, fixtures, ours};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() {
    let users = corpus::users(0..corpus::USERS);
    let mut counts = BTreeMap::new();
    for fixture in fixtures::filters() {
        let (id, text) = (fixture.id, fixture.text);
        // The first call may fill what is filled once.
        drop(ours::parse_filter(&text));
        let filter = allocations(|| ours::parse_filter(black_box(&text)));
        counts.insert(format!("parse/{id}"), filter);
        let owned = allocations(|| ours::parse_filter(black_box(&text)).into_owned());
        counts.insert(format!("parse_owned/{id}"), owned);
        let matcher = ours::matcher(&text);
        let count = || users.iter().filter(|user| matcher.matches("User", user)).count();
        assert_eq!(count(), fixture.matches, "{id}");
        counts.insert(format!("eval/{id}"), allocations(count));
    }
    println!("{}", serde_json::to_string_pretty(&counts).expect("JSON"));
}

/// How often `work` asks for memory, whether new or more of it.
fn allocations<T>(work: impl FnOnce() -> T) -> usize {
    let region = Region::new(ALLOCATOR);
    let result = black_box(work());
    let change = region.change();
    drop(result);
    change.allocations + change.reallocations
}
