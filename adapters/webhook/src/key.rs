//! Ed25519 keys, for receivers that shall be able to verify but not to sign.

use std::fmt;
use std::sync::Arc;

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const SIGNING_PREFIX: &str = "whsk_";
const VERIFYING_PREFIX: &str = "whpk_";
const SEED_LENGTH: usize = 32;
const PUBLIC_LENGTH: usize = 32;

/// The sender's half of an Ed25519 key pair (RFC 8032), written as `whsk_` and the standard base64 of its 32
/// bytes of seed with the 32 bytes of the public key behind them.
///
/// Neither `Debug` nor any error shows it; [`SigningKey::expose`] does.
///
/// ```
/// use scim_webhook::SigningKey;
/// let key = SigningKey::from_seed(&[7; 32])?; // 32 random bytes
/// assert_eq!(format!("{key:?}"), "SigningKey(…)");
/// assert!(key.verifying_key().to_string().starts_with("whpk_"));
/// # Ok::<(), scim_webhook::KeyError>(())
/// ```
#[derive(Clone)]
pub struct SigningKey {
    seed: [u8; SEED_LENGTH],
    pair: Arc<Ed25519KeyPair>,
}

impl SigningKey {
    /// The key of 32 random bytes, from a source fit for keys.
    ///
    /// # Errors
    /// [`KeyError::Length`].
    pub fn from_seed(random: &[u8]) -> Result<Self, KeyError> {
        let seed = random.try_into().map_err(|_| KeyError::Length)?;
        let pair = Ed25519KeyPair::from_seed_unchecked(random).map_err(|_| KeyError::Length)?;
        Ok(Self { seed, pair: Arc::new(pair) })
    }

    /// Reads the written form. One without the public key is read too.
    ///
    /// # Errors
    /// [`KeyError`] when the prefix is missing, the rest is not standard base64 with padding, the length is
    /// wrong, or the two halves do not belong together.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let bytes = decode(text, SIGNING_PREFIX)?;
        let (seed, public) = bytes.split_at_checked(SEED_LENGTH).ok_or(KeyError::Length)?;
        let key = Self::from_seed(seed)?;
        match public.len() {
            0 => Ok(key),
            PUBLIC_LENGTH if public == key.pair.public_key().as_ref() => Ok(key),
            PUBLIC_LENGTH => Err(KeyError::Halves),
            _ => Err(KeyError::Length),
        }
    }

    /// The written form. It stays with the sender; receivers get the [`VerifyingKey`].
    pub fn expose(&self) -> String {
        let bytes = [self.seed.as_slice(), self.pair.public_key().as_ref()].concat();
        format!("{SIGNING_PREFIX}{}", STANDARD.encode(bytes))
    }

    /// The 32 bytes that the key is made of.
    pub fn seed(&self) -> &[u8] {
        &self.seed
    }

    /// The receiver's half.
    pub fn verifying_key(&self) -> VerifyingKey {
        let mut bytes = [0; PUBLIC_LENGTH];
        for (to, from) in bytes.iter_mut().zip(self.pair.public_key().as_ref()) {
            *to = *from;
        }
        VerifyingKey(bytes)
    }

    pub(crate) fn sign(&self, message: &[u8]) -> String {
        STANDARD.encode(self.pair.sign(message))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// The receiver's half of an Ed25519 key pair, written as `whpk_` and the standard base64 of its 32 bytes. It
/// is no secret.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VerifyingKey([u8; PUBLIC_LENGTH]);

impl VerifyingKey {
    /// Reads the written form.
    ///
    /// # Errors
    /// [`KeyError`] when the prefix is missing, the rest is not standard base64 with padding, or the length is
    /// wrong.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let bytes = decode(text, VERIFYING_PREFIX)?;
        bytes.try_into().map(Self).map_err(|_| KeyError::Length)
    }

    /// The key's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ED25519, self.0).verify(message, signature).is_ok()
    }
}

/// The written form.
impl fmt::Display for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{VERIFYING_PREFIX}{}", STANDARD.encode(self.0))
    }
}

fn decode(text: &str, prefix: &'static str) -> Result<Vec<u8>, KeyError> {
    let encoded = text.strip_prefix(prefix).ok_or(KeyError::Prefix(prefix))?;
    STANDARD.decode(encoded).map_err(|_| KeyError::Base64)
}

/// Why a text or some bytes are no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// It does not begin with this.
    #[error("such a webhook key begins with {0}")]
    Prefix(&'static str),
    /// What follows is not standard base64 with padding.
    #[error("a webhook key is standard base64 with padding after its prefix")]
    Base64,
    /// Too few bytes or too many.
    #[error("a webhook key has 32 bytes of seed and 32 of public key, or the latter alone after whpk_")]
    Length,
    /// The public key is another seed's.
    #[error("the two halves of the webhook key do not belong together")]
    Halves,
}
