//! The cases of the specification suite.

use std::fs;

use scim_conformance::spec::{disputed, run};

use crate::support::data;

#[test]
fn the_cases_of_the_suite_pass() {
    let outcome = run(&data("spec")).unwrap();
    assert_eq!(outcome.failures, []);
    let disputed = disputed().unwrap().len();
    assert_eq!((outcome.passed + disputed, disputed), (298 + 175, 0));
}

#[test]
fn a_folder_may_lack_the_schemas() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["filter-cases.json", "patch-cases.json", "filter-docs.json"] {
        fs::copy(data("spec").join(file), folder.path().join(file)).unwrap();
    }
    assert_eq!(run(folder.path()).unwrap(), run(&data("spec")).unwrap());
}

#[test]
fn a_wrong_case_is_a_failure() {
    let folder = tempfile::tempdir().unwrap();
    for file in ["filter-docs.json", "patch-cases.json"] {
        fs::copy(data("spec").join(file), folder.path().join(file)).unwrap();
    }
    let case = r#"{"cases": [{"id": "odd", "filter": "userName pr", "valid": false}]}"#;
    fs::write(folder.path().join("filter-cases.json"), case).unwrap();
    let outcome = run(folder.path()).unwrap();
    assert_eq!(outcome.failures.len(), 1);
    assert_eq!(outcome.failures[0].0, "odd");
}

#[test]
fn a_folder_without_cases_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    assert!(run(folder.path()).unwrap_err().to_string().contains("filter-docs.json"));
}
