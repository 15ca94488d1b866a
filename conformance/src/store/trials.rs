//! The trials, one file for each group of capabilities.

mod batches;
mod cancellation;
mod crud;
mod documents;
mod durability;
mod faults;
mod feed;
mod filters;
mod members;
mod model;
mod nesting;
mod paging;
mod preconditions;
mod races;
mod tailing;
mod tenancy;
mod time;
mod uniqueness;
mod versions;

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use super::Promise;
use super::check::{Proof, holds};
use super::lab::{BoxFuture, Lab};

/// A trial.
pub(super) struct Spec {
    pub(super) name: String,
    pub(super) promise: Promise,
    pub(super) need: Need,
    pub(super) run: Arc<dyn Fn(Lab) -> BoxFuture<Proof> + Send + Sync>,
}

/// What a store must have beyond the required for a trial to make sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    Nothing,
    Feed,
    Reopen,
}

impl Spec {
    fn needs(mut self, need: Need) -> Self {
        self.need = need;
        self
    }
}

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Spec").field("name", &self.name).field("promise", &self.promise).finish()
    }
}

/// A trial that any store can be put to.
fn trial<F, R>(name: impl Into<String>, promise: Promise, run: R) -> Spec
where
    F: Future<Output = Proof> + Send + 'static,
    R: Fn(Lab) -> F + Send + Sync + 'static,
{
    Spec {
        name: name.into(),
        promise,
        need: Need::Nothing,
        run: Arc::new(move |lab| super::lab::boxed(run(lab))),
    }
}

/// All trials, in order.
pub(super) fn all() -> Vec<Spec> {
    let sets = [
        vec![trial(
            "capabilities: a change feed is there if and only if it is said",
            Promise::Capabilities,
            capabilities,
        )],
        crud::trials(),
        documents::trials(),
        versions::trials(),
        time::trials(),
        preconditions::trials(),
        batches::trials(),
        uniqueness::trials(),
        tenancy::trials(),
        members::trials(),
        nesting::trials(),
        filters::trials(),
        paging::trials(),
        model::trials(),
        races::trials(),
        tailing::trials(),
        feed::trials(),
        faults::trials(),
        cancellation::trials(),
        durability::trials(),
    ];
    sets.into_iter().flatten().collect()
}

async fn capabilities(lab: Lab) -> Proof {
    let said = lab.store().capabilities().change_feed;
    let tried = lab.handle.feed.is_some();
    holds(
        format!("capabilities().change_feed is {said}, and the suite is run with_feed: {tried}"),
        said == tried,
    )
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn trials_are_many_and_have_names_of_their_own() {
        let trials = all();
        let names: HashSet<&str> = trials.iter().map(|trial| trial.name.as_str()).collect();
        assert_eq!(names.len(), trials.len());
        assert!(names.len() >= 150, "{}", names.len());
        assert!(names.iter().all(|name| name.contains(": ")));
    }
}
