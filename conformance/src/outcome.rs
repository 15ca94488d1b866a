//! What came of a test-set.

use std::fmt;

/// How many cases passed, and why the others did not. Prints as `N passed, N failed`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "a count and a list")]
pub struct Outcome {
    /// How many cases passed.
    pub passed: usize,
    /// The ids of the cases that failed, each with the reason.
    pub failures: Vec<(String, String)>,
}

impl Outcome {
    /// Writes a case down.
    pub fn record(&mut self, id: &str, result: Result<(), impl fmt::Display>) {
        match result {
            Ok(()) => self.passed += 1,
            Err(why) => self.failures.push((id.to_owned(), why.to_string())),
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failures.len())
    }
}
