//! Tests of the crate through its public API.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests"
)]

mod spec_cases;

#[test]
fn all_cases_pass() {
    let dir = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../conformance/data/spec");
    let outcome = spec_cases::run_filter_cases(&dir).unwrap();
    assert_eq!(outcome.cases, 298);
    assert!(outcome.failures.is_empty(), "{:#?}", outcome.failures);
}
