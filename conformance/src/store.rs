//! The store suite: proves that a [`Store`] keeps what the trait promises.
//!
//! One call takes a store through some hundred named trials, each on a store of its own:
//!
//! ```
//! use scim_conformance::store;
//! use scim_core::MemoryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let report = store::suite(|| async { (MemoryStore::standard(), ()) })
//!     .with_feed()
//!     .without("durability:", "it keeps everything in memory")
//! #   .only("crud:")
//!     .run()
//!     .await;
//! report.assert();
//! # }
//! ```
//!
//! The maker hands out a fresh, empty store for the types of [`Registry::standard`](scim_core::Registry::standard)
//! and a guard, which is dropped after the store: a temporary folder, a database, a server. It runs anew for
//! each trial, inside a Tokio runtime of that trial, and several trials run at the same time. A trial that
//! panics or does not end is a failure like any other.
//!
//! # The promises
//!
//! Each trial is bound to one [`Promise`]: a sentence of the documentation of [`Store`] and
//! [`ChangeFeed`], or what follows from their types. A report of failures quotes it.
//!
//! # Names
//!
//! `capability: what holds`. Capabilities are `capabilities`, `crud`, `documents`, `meta`, `versions`, `time`,
//! `preconditions`, `batches`, `uniqueness`, `tenancy`, `members`, `nesting`, `include`, `filters`, `sorting`,
//! `paging`, `model`, `races`, `feed`, `faults`, `cancellation`, `durability`. [`Suite::only`] takes a part of a
//! name.

mod build;
mod check;
mod faulty;
mod generate;
mod invariants;
mod lab;
mod mirror;
mod promise;
mod report;
mod runner;
mod trials;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use scim_core::{ChangeFeed, Store};

pub use faulty::{Fault, Faulty};
pub use promise::Promise;
pub use report::{Report, Trial, Verdict};

use lab::{Maker, Opened, boxed};
use trials::Spec;

/// The suite for the stores of a maker. The maker gives a fresh, empty store and a guard, which is dropped
/// after the store.
pub fn suite<S, G, F, M>(make: M) -> Suite<S, G>
where
    S: Store,
    G: Send + Sync + 'static,
    F: Future<Output = (S, G)> + Send + 'static,
    M: Fn() -> F + Send + Sync + 'static,
{
    Suite {
        make: Arc::new(move || boxed(make())),
        feed: None,
        reopen: None,
        only: Vec::new(),
        without: Vec::new(),
        seed: 1,
        cases: 200,
        time_limit: Duration::from_secs(60),
        jobs: std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
    }
}

/// What is to be tried, and how; see [`suite`].
pub struct Suite<S, G> {
    make: lab::Make<S, G>,
    feed: Option<lab::FeedOf<S>>,
    reopen: Option<lab::Reopen<S, G>>,
    only: Vec<String>,
    without: Vec<(String, String)>,
    seed: u64,
    cases: usize,
    time_limit: Duration,
    jobs: usize,
}

impl<S: Store, G: Send + Sync + 'static> Suite<S, G> {
    /// Tries the store's change feed too. A store whose capabilities name a feed must be tried with it.
    #[must_use]
    pub fn with_feed(mut self) -> Self
    where
        S: ChangeFeed,
    {
        self.feed = Some(|store| store);
        self
    }

    /// How to open the store anew from its guard, after the store itself was dropped: for the trials of
    /// `durability`.
    #[must_use]
    pub fn reopen<F, R>(mut self, reopen: R) -> Self
    where
        F: Future<Output = S> + Send + 'static,
        R: Fn(Arc<G>) -> F + Send + Sync + 'static,
    {
        self.reopen = Some(Arc::new(move |guard| boxed(reopen(guard))));
        self
    }

    /// Runs only trials whose name holds this text. Several calls add up.
    #[must_use]
    pub fn only(mut self, part: &str) -> Self {
        self.only.push(part.to_owned());
        self
    }

    /// Does not run trials whose name holds this text. The reason is part of the report.
    #[must_use]
    pub fn without(mut self, part: &str, reason: &str) -> Self {
        self.without.push((part.to_owned(), reason.to_owned()));
        self
    }

    /// From which seed data, filters and operations are made up; 1 if it is not said.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// How many questions and operations each trial of `model` makes up; 200 if it is not said.
    #[must_use]
    pub fn cases(mut self, cases: usize) -> Self {
        self.cases = cases;
        self
    }

    /// How long a trial may take before it counts as one that does not end; 60 seconds if it is not said.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// How many trials run at the same time; as many as the machine has processors if it is not said.
    #[must_use]
    pub fn jobs(mut self, jobs: usize) -> Self {
        self.jobs = jobs.max(1);
        self
    }

    /// The names of the trials that would run, in order.
    pub fn names(&self) -> Vec<String> {
        self.chosen().into_iter().map(|spec| spec.name).collect()
    }

    /// Runs the trials. Each has a runtime of its own, so that it does not matter where this is awaited.
    pub async fn run(self) -> Report {
        let (done, report) = tokio::sync::oneshot::channel();
        let started = std::thread::Builder::new().name("store-suite".into()).spawn(move || {
            // Nobody waits for the report any more where this fails.
            let _ = done.send(self.run_blocking());
        });
        match (started, report.await) {
            (Ok(_), Ok(report)) => report,
            (Err(error), _) => Report::broken(&error.to_string()),
            (_, Err(error)) => Report::broken(&error.to_string()),
        }
    }

    /// Runs the trials and blocks until they are done: for tests without a runtime.
    pub fn run_blocking(self) -> Report {
        let specs = self.chosen();
        let skipped = |spec: &Spec| {
            let named = self.without.iter().find(|(part, _)| spec.name.contains(part.as_str()));
            named.map(|(_, reason)| reason.clone())
        };
        let trials: Vec<_> = specs.into_iter().map(|spec| (skipped(&spec), spec)).collect();
        let run = runner::Run {
            opener: Arc::new(Maker { make: self.make, feed: self.feed, reopen: self.reopen })
                as Arc<dyn Opened>,
            seed: self.seed,
            cases: self.cases,
            time_limit: self.time_limit,
            jobs: self.jobs,
        };
        run.all(&trials)
    }

    fn chosen(&self) -> Vec<Spec> {
        let mut specs = trials::all();
        specs.retain(|spec| {
            self.only.is_empty() || self.only.iter().any(|part| spec.name.contains(part.as_str()))
        });
        specs
    }
}

impl<S, G> fmt::Debug for Suite<S, G> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite")
            .field("feed", &self.feed.is_some())
            .field("reopen", &self.reopen.is_some())
            .field("only", &self.only)
            .field("without", &self.without)
            .field("seed", &self.seed)
            .field("cases", &self.cases)
            .field("time_limit", &self.time_limit)
            .field("jobs", &self.jobs)
            .finish()
    }
}
