//! The cases of the specification suite: filters and PATCH requests with what the RFC makes of them.
//!
//! A folder holds `filter-cases.json`, `patch-cases.json`, and `filter-docs.json` with the resources and
//! resource types that they are about. Schemas that it does not bring along are the standard ones.

mod answers;
mod filter;
mod folder;
mod patch;

use std::io;
use std::path::Path;

use serde::Deserialize;

pub use answers::answer_lines;
pub use filter::run_filter_cases;
pub use patch::run_patch_cases;

use crate::Outcome;

/// Runs all cases of a folder under the strict dialect. A disputed case is not among the failures.
///
/// # Errors
/// When a file can't be read or is not of the form that the cases have.
pub fn run(dir: &Path) -> io::Result<Outcome> {
    let (filter, patch) = (run_filter_cases(dir)?, run_patch_cases(dir)?);
    let disputed = disputed()?;
    let mut failures = [filter.failures, patch.failures].concat();
    failures.retain(|(id, _)| !disputed.iter().any(|case| case.id == *id));
    Ok(Outcome { passed: filter.passed + patch.passed, failures })
}

/// A case that this project holds to be wrong.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Disputed {
    /// Its id.
    pub id: String,
    /// The sentence of the RFC that it goes against, with its section.
    pub rfc: String,
}

/// The disputed cases, from `conformance/disputed.toml`.
///
/// # Errors
/// When the list is malformed.
pub fn disputed() -> io::Result<Vec<Disputed>> {
    #[derive(Deserialize)]
    struct List {
        case: Vec<Disputed>,
    }
    let list: List = toml::from_str(include_str!("../disputed.toml")).map_err(io::Error::other)?;
    Ok(list.case)
}
