//! What came of the trials.

use std::fmt;
use std::time::Duration;

use super::Promise;

/// What came of one trial.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "it passed, failed or did not run")]
pub enum Verdict {
    /// The store keeps its promise.
    Passed,
    /// It does not: what was expected, and what came.
    Failed(String),
    /// The trial did not run, and why.
    Skipped(String),
}

/// A trial that was to be run.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "read by whoever prints a report in another way")]
pub struct Trial {
    /// Its name: `crud: an inserted resource is read back`.
    pub name: String,
    /// The promise that it holds the store to.
    pub promise: Promise,
    /// What came of it.
    pub verdict: Verdict,
    /// How long it took.
    pub took: Duration,
}

impl Trial {
    /// The capability that it belongs to: what stands in front of the colon of its name.
    pub fn capability(&self) -> &str {
        self.name.split(':').next().unwrap_or_default()
    }
}

/// What came of a suite. Prints as the list of what failed and was skipped, with totals.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "read by whoever prints a report in another way")]
pub struct Report {
    /// All trials, in the order of the suite.
    pub trials: Vec<Trial>,
    /// From which seed things were made up.
    pub seed: u64,
    /// How long all took.
    pub took: Duration,
}

impl Report {
    /// The trials that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Trial> {
        self.trials.iter().filter(|trial| matches!(trial.verdict, Verdict::Failed(_)))
    }

    /// The trials that passed.
    pub fn passed(&self) -> impl Iterator<Item = &Trial> {
        self.trials.iter().filter(|trial| trial.verdict == Verdict::Passed)
    }

    /// The trials that did not run.
    pub fn skipped(&self) -> impl Iterator<Item = &Trial> {
        self.trials.iter().filter(|trial| matches!(trial.verdict, Verdict::Skipped(_)))
    }

    /// Prints the report, and panics with it if a trial failed or none passed.
    #[track_caller]
    #[expect(clippy::panic, reason = "the end of a test")]
    pub fn assert(&self) {
        if self.failures().next().is_some() || self.passed().next().is_none() {
            panic!("{self}");
        }
        println!("{self}");
    }

    /// A suite that could not run.
    pub(super) fn broken(why: &str) -> Self {
        let trial = Trial {
            name: "capabilities: the suite runs".into(),
            promise: Promise::Capabilities,
            verdict: Verdict::Failed(why.to_owned()),
            took: Duration::ZERO,
        };
        Self { trials: vec![trial], seed: 0, took: Duration::ZERO }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "store suite: {} passed, {} failed, {} skipped; seed {}, {:.1} s",
            self.passed().count(),
            self.failures().count(),
            self.skipped().count(),
            self.seed,
            self.took.as_secs_f64()
        )?;
        let mut capabilities: Vec<(&str, usize)> = Vec::new();
        for trial in self.passed() {
            match capabilities.iter_mut().find(|(name, _)| *name == trial.capability()) {
                Some((_, count)) => *count += 1,
                None => capabilities.push((trial.capability(), 1)),
            }
        }
        let passed: Vec<String> =
            capabilities.iter().map(|(name, count)| format!("{name} {count}")).collect();
        writeln!(f, "passed: {}", passed.join(", "))?;
        let mut slowest: Vec<&Trial> = self.trials.iter().collect();
        slowest.sort_by_key(|trial| std::cmp::Reverse(trial.took));
        for trial in slowest.iter().take(3) {
            writeln!(f, "slowest: {:.1} s {}", trial.took.as_secs_f64(), trial.name)?;
        }
        for trial in &self.trials {
            match &trial.verdict {
                Verdict::Passed => {}
                Verdict::Skipped(why) => writeln!(f, "skipped {}: {why}", trial.name)?,
                Verdict::Failed(why) => {
                    writeln!(f, "\nFAILED {}\n  promise: {}", trial.name, trial.promise.text())?;
                    for line in why.lines() {
                        writeln!(f, "  {line}")?;
                    }
                }
            }
        }
        Ok(())
    }
}
