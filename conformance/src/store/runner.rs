//! Runs trials: each on a store and a runtime of its own, some at a time.

use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinError;

use super::lab::{Lab, Opened};
use super::report::{Report, Trial, Verdict};
use super::trials::{Need, Spec};

/// How to run.
pub(super) struct Run {
    pub(super) opener: Arc<dyn Opened>,
    pub(super) seed: u64,
    pub(super) cases: usize,
    pub(super) time_limit: Duration,
    pub(super) jobs: usize,
}

impl Run {
    /// Runs trials; those with a reason not to are only written down.
    pub(super) fn all(&self, trials: &[(Option<String>, Spec)]) -> Report {
        let start = Instant::now();
        let next = AtomicUsize::new(0);
        let done = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..self.jobs {
                scope.spawn(|| {
                    while let Some((number, (skip, spec))) = pick(trials, &next) {
                        let start = Instant::now();
                        let verdict = match skip.clone().or_else(|| self.lacks(spec.need)) {
                            Some(why) => Verdict::Skipped(why),
                            None => self.one(spec),
                        };
                        let trial = Trial {
                            name: spec.name.clone(),
                            promise: spec.promise,
                            verdict,
                            took: start.elapsed(),
                        };
                        done.lock().unwrap_or_else(PoisonError::into_inner).push((number, trial));
                    }
                });
            }
        });
        let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        done.sort_by_key(|(number, _)| *number);
        Report {
            trials: done.into_iter().map(|(_, trial)| trial).collect(),
            seed: self.seed,
            took: start.elapsed(),
        }
    }

    fn lacks(&self, need: Need) -> Option<String> {
        match need {
            Need::Feed if !self.opener.has_feed() => Some("the store has no change feed".into()),
            Need::Reopen if !self.opener.reopens() => {
                Some("the suite was not told how to open the store anew (Suite::reopen)".into())
            }
            _ => None,
        }
    }

    fn one(&self, spec: &Spec) -> Verdict {
        // Several workers, so that tasks of a trial run at the same time.
        let runtime = match Builder::new_multi_thread().worker_threads(4).enable_all().build() {
            Ok(runtime) => runtime,
            Err(error) => return Verdict::Failed(format!("there is no runtime: {error}")),
        };
        let verdict = self.on(&runtime, spec);
        // A call that blocks for ever is left behind.
        runtime.shutdown_timeout(Duration::from_secs(2));
        verdict
    }

    fn on(&self, runtime: &Runtime, spec: &Spec) -> Verdict {
        let (opener, seed, cases, run) =
            (Arc::clone(&self.opener), self.seed, self.cases, Arc::clone(&spec.run));
        let trial = async move {
            // A task of its own for each step: what panics leaves the guard to be dropped last.
            let (handle, again, guard) = tokio::spawn(opener.open()).await?;
            let proof = tokio::spawn(run(Lab { handle, again, seed, cases })).await;
            drop(guard);
            proof
        };
        let limit = self.time_limit;
        let ended = runtime.block_on(async move { tokio::time::timeout(limit, tokio::spawn(trial)).await });
        match ended {
            Err(_) => Verdict::Failed(format!("it did not end within {} s", limit.as_secs_f64())),
            Ok(Err(error) | Ok(Err(error))) => Verdict::Failed(format!("panic: {}", panic_of(error))),
            Ok(Ok(Ok(Err(wrong)))) => Verdict::Failed(wrong.to_string()),
            Ok(Ok(Ok(Ok(())))) => Verdict::Passed,
        }
    }
}

fn pick<'t, T>(trials: &'t [T], next: &AtomicUsize) -> Option<(usize, &'t T)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    trials.get(number).map(|trial| (number, trial))
}

fn panic_of(error: JoinError) -> String {
    match error.try_into_panic() {
        Ok(payload) => text_of(payload.as_ref()),
        Err(error) => error.to_string(),
    }
}

fn text_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("without a text").to_owned()
}
