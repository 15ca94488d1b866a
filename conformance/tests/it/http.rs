//! The HTTP test-set, in process.

use scim_conformance::http::{run, scenarios};
use scim_conformance::{InProcess, Outcome};
use scim_core::{Dialect, MemoryStore, Service};

use crate::support::{TOKEN, memory, service, sqlite};

async fn play(service: Service) -> Outcome {
    run(&InProcess::new(service, Some(TOKEN)), "h").await
}

#[tokio::test]
async fn the_default_dialect_passes() {
    let outcome = play(memory()).await;
    assert_eq!(outcome.failures, []);
    assert_eq!(outcome.passed, scenarios().len());
}

#[tokio::test]
async fn the_strict_dialect_passes() {
    let outcome = play(service(MemoryStore::standard(), Dialect::strict())).await;
    assert_eq!(outcome.failures, []);
}

#[test]
fn each_scenario_has_a_name_of_its_own() {
    let mut ids: Vec<String> = scenarios().into_iter().map(|scenario| scenario.id).collect();
    ids.sort();
    let count = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), count);
    assert!(count > 50);
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_passes() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = play(service(sqlite(folder.path()).await, Dialect::default())).await;
    assert_eq!(outcome.failures, []);
}
