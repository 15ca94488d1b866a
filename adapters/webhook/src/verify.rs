//! Verifying, for receivers.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use subtle::{Choice, ConstantTimeEq as _};

use crate::key::VerifyingKey;
use crate::secret::Secret;
use crate::sign::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, mac, signed_text};

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

/// Checks a delivery with the secret that sender and receiver share: signature over the body's exact bytes,
/// and time.
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
    let claim = Claim::read(header, now)?;
    let expected = mac(secret, claim.id, claim.timestamp_text, body);
    let mut matched = Choice::from(0);
    for given in claim.signatures("v1") {
        matched |= given.as_slice().ct_eq(&expected);
    }
    claim.verified_if(matched.into())
}

/// Checks a delivery with the sender's public key, as [`verify`] does with a secret. One matching `v1a`
/// signature is enough; other versions are skipped.
///
/// # Errors
/// [`VerifyError`]: answer 400 and do not act on the body.
pub fn verify_asymmetric<'h>(
    key: &VerifyingKey,
    header: impl Fn(&str) -> Option<&'h str>,
    body: &[u8],
    now: i64,
) -> Result<Verified<'h>, VerifyError> {
    let claim = Claim::read(header, now)?;
    let message = signed_text(claim.id, claim.timestamp_text, body).concat();
    let matched = claim.signatures("v1a").any(|given| key.verifies(&message, &given));
    claim.verified_if(matched)
}

/// What the headers say, with a timestamp that is near enough.
struct Claim<'h> {
    id: &'h str,
    timestamp: i64,
    timestamp_text: &'h str,
    signatures: &'h str,
}

impl<'h> Claim<'h> {
    fn read(header: impl Fn(&str) -> Option<&'h str>, now: i64) -> Result<Self, VerifyError> {
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
        Ok(Self { id, timestamp, timestamp_text, signatures })
    }

    /// The signatures of a version; what is not base64 is none.
    fn signatures(&self, version: &str) -> impl Iterator<Item = Vec<u8>> {
        let of_version = move |entry: &'h str| entry.strip_prefix(version)?.strip_prefix(',');
        let entries = self.signatures.split(' ').filter_map(of_version);
        entries.filter_map(|encoded| STANDARD.decode(encoded).ok())
    }

    fn verified_if(&self, matched: bool) -> Result<Verified<'h>, VerifyError> {
        if matched {
            Ok(Verified { id: self.id, timestamp: self.timestamp })
        } else {
            Err(VerifyError::NoMatch)
        }
    }
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
