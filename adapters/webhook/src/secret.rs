//! Signing secrets.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const PREFIX: &str = "whsec_";
const SHORTEST: usize = 24;
/// The block size of SHA-256: a longer key would be hashed first and gain nothing.
const LONGEST: usize = 64;

/// A signing secret: 24 to 64 random bytes, written as `whsec_` and their standard base64 with padding.
///
/// Neither `Debug` nor any error shows it; [`Secret::expose`] does.
///
/// ```
/// use scim_webhook::Secret;
/// let secret = Secret::parse("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")?;
/// assert_eq!(format!("{secret:?}"), "Secret(…)");
/// # Ok::<(), scim_webhook::SecretError>(())
/// ```
#[derive(Clone)]
pub struct Secret {
    /// The key with zeros behind it, which is how HMAC fills a block (RFC 2104 §2).
    block: [u8; LONGEST],
    length: usize,
}

impl Secret {
    /// A secret from random bytes: 24 to 64 of them, 32 by custom, from a source fit for keys.
    ///
    /// # Errors
    /// [`SecretError::Length`].
    pub fn from_bytes(random: &[u8]) -> Result<Self, SecretError> {
        let mut block = [0; LONGEST];
        match block.get_mut(..random.len()) {
            Some(start) if random.len() >= SHORTEST => start.copy_from_slice(random),
            _ => return Err(SecretError::Length),
        }
        Ok(Self { block, length: random.len() })
    }

    /// Reads the written form.
    ///
    /// # Errors
    /// [`SecretError`] when the prefix is missing, the rest is not standard base64 with padding, or the
    /// length is wrong.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(SecretError::Prefix)?;
        let bytes = STANDARD.decode(encoded).map_err(|_| SecretError::Base64)?;
        Self::from_bytes(&bytes)
    }

    /// The written form, to be shown to the receiver's owner once.
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}", STANDARD.encode(self.as_bytes()))
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        self.block.get(..self.length).unwrap_or_default()
    }

    pub(crate) fn block(&self) -> &[u8; LONGEST] {
        &self.block
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// Why a text or some bytes are no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// It does not begin with `whsec_`.
    #[error("a webhook secret begins with whsec_")]
    Prefix,
    /// What follows is not standard base64 with padding.
    #[error("a webhook secret is standard base64 with padding after its prefix")]
    Base64,
    /// Too few bytes or too many.
    #[error("a webhook secret has 24 to 64 bytes")]
    Length,
}
