//! The habits of identity providers, played on each store under the default dialect.

use scim_conformance::replay::{Kind, Scenario, load, replay};
use scim_conformance::{InProcess, Outcome};
use scim_core::{Dialect, Service};

use crate::support::{TOKEN, data, memory, service, sqlite};

fn corpus() -> (Vec<Scenario>, Vec<Scenario>) {
    load(&data("idp-corpus")).unwrap().into_iter().partition(|scenario| scenario.kind == Kind::Push)
}

async fn play(service: Service) -> Outcome {
    let client = InProcess::new(service, Some(TOKEN));
    let mut outcome = Outcome::default();
    for (number, scenario) in corpus().0.iter().enumerate() {
        outcome.record(&scenario.id, replay(&client, scenario, &format!("r{number}")).await);
    }
    outcome
}

/// Scenarios of the kind `pull` are answers of a directory that our client asks. They hold no request that
/// a service could be sent, so they are not played here.
#[test]
fn the_corpus_is_whole() {
    let (push, pull) = corpus();
    assert_eq!((push.len(), pull.len()), (60, 4));
    assert!(pull.iter().all(|scenario| scenario.provider == "google" && scenario.steps.is_empty()));
}

#[tokio::test]
async fn providers_are_served_from_memory() {
    let outcome = play(memory()).await;
    assert_eq!(outcome.failures, []);
    assert_eq!(outcome.passed, 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn providers_are_served_from_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let outcome = play(service(sqlite(folder.path()).await, Dialect::default())).await;
    assert_eq!(outcome.failures, []);
    assert_eq!(outcome.passed, 60);
}
