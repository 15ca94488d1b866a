//! Tests of the crate through its public API.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod battery;
mod errors;
mod hostile;
mod more_cases;
mod oracle;
mod paths;
mod printing;
mod semantics;
mod spec_cases;
mod world;

/// All 298 cases of the specification suite, under the strict dialect.
// ledger: 7644-3.4.2.2-002, 7644-3.4.2.2-005, 7644-3.4.2.2-006, 7644-3.4.2.2-007, 7644-3.4.2.2-008
// ledger: 7644-3.4.2.2-009, 7644-3.4.2.2-011, 7644-3.4.2.2-015, 7643-7-007
#[test]
fn all_spec_cases_pass() {
    let outcome = spec_cases::run_filter_cases(&world::spec_dir()).unwrap();
    assert_eq!(outcome.cases, 298);
    assert!(outcome.failures.is_empty(), "{:#?}", outcome.failures);
}

/// A runner that finds nothing wrong proves nothing: cases made wrong on purpose must fail.
#[test]
fn the_runner_finds_wrong_cases() {
    let dir = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("wrong-filter-cases");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::copy(world::spec_dir().join("filter-docs.json"), dir.join("filter-docs.json")).unwrap();
    let good = std::fs::read_to_string(world::spec_dir().join("filter-cases.json")).unwrap();
    let mut cases: serde_json::Value = serde_json::from_str(&good).unwrap();
    let list = cases["cases"].as_array_mut().unwrap();
    for case in list.iter_mut() {
        let known = |name: &str| case["matches"][name].as_bool();
        match (case["valid"].as_bool().unwrap(), known("muller")) {
            (true, Some(matches)) => case["matches"]["muller"] = (!matches).into(),
            _ => case["valid"] = true.into(),
        }
    }
    std::fs::write(dir.join("filter-cases.json"), serde_json::to_string(&cases).unwrap()).unwrap();
    let outcome = spec_cases::run_filter_cases(&dir).unwrap();
    assert_eq!((outcome.cases, outcome.failures.len()), (298, 298));
}
