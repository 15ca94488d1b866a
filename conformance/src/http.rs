//! The HTTP test-set: what RFC 7644 asks of any server, as scenarios.
//!
//! ```
//! use scim_conformance::{InProcess, http};
//! # use scim_core::{BearerToken, MemoryStore, Service};
//! # use scim_system::SystemEnvironment;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let store = MemoryStore::standard();
//! let service = Service::builder("http://127.0.0.1:8000/scim/v2", store, BearerToken::new("secret"), SystemEnvironment);
//! let client = InProcess::new(service.build()?, Some("secret"));
//! let outcome = http::run(&client, "example").await;
//! assert_eq!(outcome.failures, []);
//! # Ok(())
//! # }
//! ```

mod audit;
mod bulk;
mod case;
mod discovery;
mod errors;
mod groups;
mod queries;
mod users;
mod versions;

use crate::replay::{Scenario, replay};
use crate::{Outcome, ScimClient};
use audit::Audited;

/// The scenarios of the test-set. They ask for bearer tokens, ETags, sorting and bulk; a scenario that
/// can do without names in its [`needs`](Scenario::needs) what it can't do without.
pub fn scenarios() -> Vec<Scenario> {
    let sets = [
        users::cases(),
        groups::cases(),
        queries::cases(),
        versions::cases(),
        bulk::cases(),
        discovery::cases(),
        errors::cases(),
    ];
    sets.into_iter().flatten().collect()
}

/// Plays the test-set against a service. `run` keeps the names of one run apart from those of another.
///
/// Beside what each scenario expects, every answer is held against the rules that hold for all of them:
/// the form of errors, the headers that a status needs, `ETag` and `Location` that agree with `meta`.
pub async fn run(client: &dyn ScimClient, run: &str) -> Outcome {
    let mut outcome = Outcome::default();
    for (number, scenario) in scenarios().iter().enumerate() {
        let result = replay(&Audited(client), scenario, &format!("{run}{number}")).await;
        outcome.record(&scenario.id, result);
    }
    outcome
}
