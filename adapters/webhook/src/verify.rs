//! Verifying, for receivers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::{Choice, ConstantTimeEq as _};

use crate::secret::Secret;
use crate::sign::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, mac};

/// How far the timestamp may be from the receiver's clock, in either direction.
pub const TOLERANCE_SECONDS: i64 = 300;

/// What a receiver knows of a genuine delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified<'h> {
    /// The event's id: the same on every attempt, so that a receiver can tell a repetition.
    pub id: &'h str,
    /// When the attempt was made, in seconds since 1970-01-01T00:00:00Z.
    pub timestamp: i64,
}

/// Checks a delivery: signature over the body's exact bytes, and time.
///
/// `header` answers the value of a header by its lower-case name; `now` is in seconds since
/// 1970-01-01T00:00:00Z. One matching `v1` signature is enough; other versions are skipped.
///
/// # Errors
/// [`VerifyError`]: answer 400 and do not act on the body.
pub fn verify<'h>(
    secret: &Secret,
    header: impl Fn(&str) -> Option<&'h str>,
    body: &[u8],
    now: i64,
) -> Result<Verified<'h>, VerifyError> {
    let id = header(ID_HEADER).filter(|v| !v.is_empty()).ok_or(VerifyError::MissingHeader)?;
    let timestamp_text = header(TIMESTAMP_HEADER).ok_or(VerifyError::MissingHeader)?;
    let signatures = header(SIGNATURE_HEADER).ok_or(VerifyError::MissingHeader)?;
    let timestamp: i64 = timestamp_text.parse().map_err(|_| VerifyError::Timestamp)?;
    let age = now.saturating_sub(timestamp);
    if age > TOLERANCE_SECONDS {
        return Err(VerifyError::TooOld);
    }
    if age < -TOLERANCE_SECONDS {
        return Err(VerifyError::TooNew);
    }
    let expected = mac(secret, id, timestamp_text, body);
    let mut matched = Choice::from(0);
    for signature in signatures.split(' ').filter_map(|s| s.strip_prefix("v1,")) {
        if let Ok(given) = STANDARD.decode(signature) {
            matched |= given.as_slice().ct_eq(&expected);
        }
    }
    if matched.into() { Ok(Verified { id, timestamp }) } else { Err(VerifyError::NoMatch) }
}

/// Why a delivery is not taken for genuine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// One of the three headers is missing.
    #[error("a webhook header is missing")]
    MissingHeader,
    /// The timestamp is not a number of seconds.
    #[error("the webhook timestamp is not a whole number of seconds")]
    Timestamp,
    /// The timestamp is too far in the past.
    #[error("the webhook timestamp is too old")]
    TooOld,
    /// The timestamp is too far in the future.
    #[error("the webhook timestamp is too new")]
    TooNew,
    /// No signature matches.
    #[error("no webhook signature matches")]
    NoMatch,
}
