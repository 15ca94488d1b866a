//! Signing.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::key::SigningKey;
use crate::secret::Secret;

/// The header with the event's id. Lower case: some verifiers look headers up in lower case only.
pub const ID_HEADER: &str = "webhook-id";
/// The header with the attempt's time, in whole seconds since 1970-01-01T00:00:00Z.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header with the signatures.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

/// The value of the signature header: one `v1` signature for each secret, then one `v1a` signature for each
/// key, in order, one space between them.
///
/// `timestamp` is in whole seconds since 1970-01-01T00:00:00Z. Put the newest secret first.
pub fn sign(secrets: &[&Secret], keys: &[&SigningKey], id: &str, timestamp: i64, body: &[u8]) -> String {
    let timestamp = timestamp.to_string();
    let mut value = String::with_capacity(secrets.len() * 48 + keys.len() * 93);
    for secret in secrets {
        let space = if value.is_empty() { "" } else { " " };
        let _ = write!(value, "{space}v1,{}", STANDARD.encode(mac(secret, id, &timestamp, body)));
    }
    if !keys.is_empty() {
        let message = signed_text(id, &timestamp, body).concat();
        for key in keys {
            let space = if value.is_empty() { "" } else { " " };
            let _ = write!(value, "{space}v1a,{}", key.sign(&message));
        }
    }
    value
}

/// The three headers of a delivery.
pub fn headers(
    secrets: &[&Secret],
    keys: &[&SigningKey],
    id: &str,
    timestamp: i64,
    body: &[u8],
) -> [(&'static str, String); 3] {
    [
        (ID_HEADER, id.to_owned()),
        (TIMESTAMP_HEADER, timestamp.to_string()),
        (SIGNATURE_HEADER, sign(secrets, keys, id, timestamp, body)),
    ]
}

/// HMAC-SHA256 over `{id}.{timestamp}.{body}`.
pub(crate) fn mac(secret: &Secret, id: &str, timestamp: &str, body: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new(secret.block().into());
    for part in signed_text(id, timestamp, body) {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// The parts of `{id}.{timestamp}.{body}`.
pub(crate) fn signed_text<'a>(id: &'a str, timestamp: &'a str, body: &'a [u8]) -> [&'a [u8]; 5] {
    [id.as_bytes(), b".", timestamp.as_bytes(), b".", body]
}
