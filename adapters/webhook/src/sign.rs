//! Signing.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

use crate::secret::Secret;

/// The header with the event's id. Lower case: some verifiers look headers up in lower case only.
pub const ID_HEADER: &str = "webhook-id";
/// The header with the attempt's time, in whole seconds since 1970-01-01T00:00:00Z.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header with the signatures.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

/// The value of the signature header: one `v1` signature for each secret, in order, one space between them.
///
/// `timestamp` is in whole seconds since 1970-01-01T00:00:00Z. Put the newest secret first.
pub fn sign(secrets: &[&Secret], id: &str, timestamp: i64, body: &[u8]) -> String {
    let mut value = String::with_capacity(secrets.len() * 48);
    for secret in secrets {
        if !value.is_empty() {
            value.push(' ');
        }
        let _ = write!(value, "v1,{}", STANDARD.encode(mac(secret, id, &timestamp.to_string(), body)));
    }
    value
}

/// The three headers of a delivery.
pub fn headers(secrets: &[&Secret], id: &str, timestamp: i64, body: &[u8]) -> [(&'static str, String); 3] {
    [
        (ID_HEADER, id.to_owned()),
        (TIMESTAMP_HEADER, timestamp.to_string()),
        (SIGNATURE_HEADER, sign(secrets, id, timestamp, body)),
    ]
}

/// HMAC-SHA256 over `{id}.{timestamp}.{body}`.
pub(crate) fn mac(secret: &Secret, id: &str, timestamp: &str, body: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new(secret.block().into());
    for part in [id.as_bytes(), b".", timestamp.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}
