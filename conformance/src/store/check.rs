//! How trials compare, and what they say when something is wrong.

use std::fmt::{self, Debug, Display};
use std::panic::Location;

use scim_core::StoreError;

/// Why a trial failed.
#[derive(Debug)]
pub(super) struct Wrong(String);

/// What a trial comes to.
pub(super) type Proof = Result<(), Wrong>;

/// As much of a value as a reader can take in.
const SHOWN: usize = 600;

impl Wrong {
    #[track_caller]
    pub(super) fn new(what: impl Display) -> Self {
        let place = Location::caller();
        Self(format!("{what}\nat {}:{}", place.file(), place.line()))
    }

    /// The same, said of something larger.
    pub(super) fn of(self, what: impl Display) -> Self {
        Self(format!("{what}:\n{}", self.0))
    }
}

impl Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<StoreError> for Wrong {
    #[track_caller]
    fn from(error: StoreError) -> Self {
        Self::new(format_args!("expected an answer\n    came the error: {error} ({error:?})"))
    }
}

/// Two values are the same.
#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "values are written where they are handed over")]
pub(super) fn same<A: Debug + PartialEq<B>, B: Debug>(what: impl Display, came: A, expected: B) -> Proof {
    if came == expected {
        return Ok(());
    }
    let (came, expected) = (format!("{came:?}"), format!("{expected:?}"));
    let from = differ(&came, &expected);
    let (came, expected) = (excerpt(&came, from), excerpt(&expected, from));
    Err(Wrong::new(format_args!("{what}\nexpected {expected}\n    came {came}")))
}

/// A statement is true.
#[track_caller]
pub(super) fn holds(what: impl Display, truth: bool) -> Proof {
    if truth { Ok(()) } else { Err(Wrong::new(format_args!("it does not hold: {what}"))) }
}

/// There is something.
#[track_caller]
pub(super) fn found<T>(what: impl Display, value: Option<T>) -> Result<T, Wrong> {
    value.ok_or_else(|| Wrong::new(format_args!("expected {what}\n    came nothing")))
}

/// A call is refused for this reason.
#[track_caller]
pub(super) fn refused<T: Debug>(
    what: impl Display,
    came: Result<T, StoreError>,
    expected: &StoreError,
) -> Proof {
    match came {
        Err(error) if error.to_string() == expected.to_string() => Ok(()),
        Err(error) => Err(Wrong::new(format_args!(
            "{what}\nexpected the error: {expected}\n    came the error: {error} ({error:?})"
        ))),
        Ok(answer) => {
            let answer = shown(&answer);
            Err(Wrong::new(format_args!("{what}\nexpected the error: {expected}\n    came {answer}")))
        }
    }
}

/// The error for an attribute's value that is taken.
pub(super) fn taken(attribute: &str) -> StoreError {
    StoreError::Conflict { attribute: attribute.to_owned() }
}

fn shown(value: &impl Debug) -> String {
    excerpt(&format!("{value:?}"), 0)
}

/// At which character two texts begin to differ.
fn differ(one: &str, other: &str) -> usize {
    one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count()
}

/// As much of a text as a reader can take in, with that character in it.
fn excerpt(text: &str, place: usize) -> String {
    let skipped = if text.chars().count() > SHOWN { place.saturating_sub(SHOWN / 3) } else { 0 };
    let part: String = text.chars().skip(skipped).take(SHOWN).collect();
    let front = if skipped > 0 { "… " } else { "" };
    let back = if text.chars().count() > skipped + SHOWN { " …" } else { "" };
    format!("{front}{part}{back}")
}
