//! Answers are checked before anything is timed.

use serde::Serialize;

/// Why an implementation is not timed for a fixture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unfit {
    /// It does not take the input.
    Refused(String),
    /// It takes the input and gives a wrong answer.
    Wrong(String),
}

impl Unfit {
    /// A refusal, in one short line.
    pub fn refused(error: impl ToString) -> Self {
        let text = error.to_string();
        let line = text.lines().next().unwrap_or_default();
        Self::Refused(line.chars().take(80).collect())
    }
}

/// An [`Unfit`] as a line of the report.
#[derive(Clone, Debug, Serialize)]
pub struct Verdict {
    /// The benchmark without the implementation: `filter_eval/f07_and_or_group`.
    pub bench: String,
    /// The implementation.
    #[serde(rename = "impl")]
    pub implementation: String,
    /// `refused` or `wrong`.
    pub verdict: &'static str,
    /// What was refused or wrong.
    pub detail: String,
}

impl Verdict {
    /// The report's line.
    pub fn new(bench: &str, implementation: &str, unfit: Unfit) -> Self {
        let (verdict, detail) = match unfit {
            Unfit::Refused(detail) => ("refused", detail),
            Unfit::Wrong(detail) => ("wrong", detail),
        };
        Self { bench: bench.into(), implementation: implementation.into(), verdict, detail }
    }
}

/// `Ok` if what was found is what is right.
///
/// # Errors
/// [`Unfit::Wrong`] with both.
pub fn equal<T: PartialEq + std::fmt::Display>(what: &str, found: T, right: T) -> Result<(), Unfit> {
    if found == right { Ok(()) } else { Err(Unfit::Wrong(format!("{found} {what}, not {right}"))) }
}
