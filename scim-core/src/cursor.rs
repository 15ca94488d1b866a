//! Cursors of RFC 9865: opaque, sealed, bound to the query they were issued for.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, KeyInit, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use hmac::{Hmac, Mac};
use scim_schema::DateTime;
use sha2::{Digest, Sha256};

use crate::error::{Error, ErrorKind};
use crate::page::Position;

const NONCE: usize = 24;

/// Seals and opens cursors.
///
/// The nonce is a keyed hash of what is sealed, so no randomness is needed and equal cursors are equal
/// texts; that two pages are the same is no secret.
#[derive(Clone)]
pub(crate) struct CursorSealer {
    cipher: XChaCha20Poly1305,
    nonce_key: [u8; 32],
    timeout: u64,
}

/// What a cursor holds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cursor {
    pub(crate) position: Position,
    pub(crate) backwards: bool,
    pub(crate) count: u64,
}

impl CursorSealer {
    pub(crate) fn new(key: &[u8; 32], timeout: u64) -> Self {
        let derive = |label: &[u8]| -> [u8; 32] {
            let mut hash = Sha256::new();
            hash.update(key);
            hash.update(label);
            hash.finalize().into()
        };
        Self {
            cipher: XChaCha20Poly1305::new(&Key::from(derive(b"cursor encryption"))),
            nonce_key: derive(b"cursor nonce"),
            timeout,
        }
    }

    /// A cursor for a query. `binding` is everything that must be the same when it comes back.
    pub(crate) fn seal(&self, cursor: &Cursor, binding: &[u8], now: DateTime) -> Result<String, Error> {
        let expires = now.unix_seconds().saturating_add(i64::try_from(self.timeout).unwrap_or(i64::MAX));
        let mut plain = Vec::with_capacity(64);
        plain.extend_from_slice(&expires.to_be_bytes());
        plain.extend_from_slice(&cursor.count.to_be_bytes());
        plain.push(u8::from(cursor.backwards));
        plain.extend_from_slice(&cursor.position.to_bytes());
        let nonce = self.nonce(&plain, binding);
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), Payload { msg: &plain, aad: binding })
            .map_err(|_| Error::new(ErrorKind::Internal, "a cursor could not be made"))?;
        let mut text = nonce.to_vec();
        text.extend_from_slice(&sealed);
        Ok(BASE64_URL_SAFE_NO_PAD.encode(text))
    }

    /// What a cursor holds.
    ///
    /// # Errors
    /// 400 `invalidCursor` when it was not made by us for this query, `expiredCursor` when it is too old.
    pub(crate) fn open(&self, text: &str, binding: &[u8], now: DateTime) -> Result<Cursor, Error> {
        let invalid = || Error::new(ErrorKind::InvalidCursor, "the cursor was not issued for this query");
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| invalid())?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE).ok_or_else(invalid)?;
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| invalid())?;
        let payload = Payload { msg: sealed, aad: binding };
        let plain = self.cipher.decrypt(&XNonce::from(nonce), payload).map_err(|_| invalid())?;
        let (expires, rest) = plain.split_at_checked(8).ok_or_else(invalid)?;
        let (count, rest) = rest.split_at_checked(8).ok_or_else(invalid)?;
        let (backwards, position) = rest.split_first().ok_or_else(invalid)?;
        let expires = i64::from_be_bytes(expires.try_into().map_err(|_| invalid())?);
        if expires <= now.unix_seconds() {
            return Err(Error::new(
                ErrorKind::ExpiredCursor,
                "the cursor is too old; start again without one",
            ));
        }
        Ok(Cursor {
            position: Position::from_bytes(position)?,
            backwards: *backwards == 1,
            count: u64::from_be_bytes(count.try_into().map_err(|_| invalid())?),
        })
    }

    fn nonce(&self, plain: &[u8], binding: &[u8]) -> [u8; NONCE] {
        let mut nonce = [0; NONCE];
        if let Ok(mut mac) = <Hmac<Sha256> as KeyInit>::new_from_slice(&self.nonce_key) {
            mac.update(&(binding.len() as u64).to_be_bytes());
            mac.update(binding);
            mac.update(plain);
            for (to, from) in nonce.iter_mut().zip(mac.finalize().into_bytes()) {
                *to = from;
            }
        }
        nonce
    }
}

impl std::fmt::Debug for CursorSealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CursorSealer").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// The hash of the parts that a cursor is bound to.
pub(crate) fn binding<'p>(parts: impl IntoIterator<Item = &'p str>) -> Vec<u8> {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sort::SortKey;

    fn cursor() -> Cursor {
        Cursor {
            position: Position { key: SortKey::Text("bjensen".into()), created: 7, id: "u1".into() },
            backwards: false,
            count: 10,
        }
    }

    // ledger: 9865-2-002, 9865-2.1-002, 9865-2.1-003
    #[test]
    fn a_cursor_opens_only_as_it_was_made() {
        let sealer = CursorSealer::new(&[7; 32], 60);
        let now = DateTime::from_unix_micros(1_000_000_000);
        let bound = binding(["tenant", "query"]);
        let text = sealer.seal(&cursor(), &bound, now).unwrap();
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b)));
        assert!(!text.contains("bjensen"));
        assert_eq!(sealer.open(&text, &bound, now).unwrap(), cursor());
        // Another query, another key, another time.
        let kind = |r: Result<Cursor, Error>| r.unwrap_err().kind();
        assert_eq!(kind(sealer.open(&text, &binding(["tenant", "other"]), now)), ErrorKind::InvalidCursor);
        assert_eq!(kind(CursorSealer::new(&[8; 32], 60).open(&text, &bound, now)), ErrorKind::InvalidCursor);
        let later = now.plus_micros(60_000_000);
        assert_eq!(kind(sealer.open(&text, &bound, later)), ErrorKind::ExpiredCursor);
        // Any one changed bit.
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(&text).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            let changed = BASE64_URL_SAFE_NO_PAD.encode(changed);
            assert_eq!(kind(sealer.open(&changed, &bound, now)), ErrorKind::InvalidCursor, "bit {bit}");
        }
    }
}
