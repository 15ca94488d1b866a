//! The texts by which programs show who they are: a prefix, a part by which they are found, and a secret.

use subtle::ConstantTimeEq as _;

use crate::id::random_text;
use crate::keys::Keys;
use crate::model::PlainToken;

/// The public part: 16 characters of base 62 are 95 bits.
const KEY_ID: usize = 16;
/// The secret part: 43 characters of base 62 are 256 bits.
const SECRET: usize = 43;

/// One that was just made, `<prefix><key id>_<secret>`, and what is kept of it.
#[derive(Clone)]
pub(super) struct Credential {
    pub(super) plain: PlainToken,
    pub(super) key_id: String,
    /// The keyed hash of the secret.
    pub(super) hash: [u8; 32],
    /// Its last four characters.
    pub(super) suffix: String,
}

impl Credential {
    pub(super) fn new(prefix: &str, keys: &Keys) -> Self {
        let (key_id, secret) = (random_text(KEY_ID), random_text(SECRET));
        Self {
            plain: PlainToken(format!("{prefix}{key_id}_{secret}")),
            hash: keys.hash(&secret),
            suffix: secret.chars().skip(SECRET - 4).collect(),
            key_id,
        }
    }
}

impl Credential {
    /// Of a text that was made elsewhere; `None` if it can't be one.
    pub(super) fn given(prefix: &str, plain: &str, keys: &Keys) -> Option<Self> {
        let (key_id, secret) = parts(prefix, plain);
        let is_text = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        (is_text(key_id) && is_text(secret)).then(|| Self {
            plain: PlainToken(plain.to_owned()),
            hash: keys.hash(secret),
            suffix: secret.chars().skip(SECRET - 4).collect(),
            key_id: key_id.to_owned(),
        })
    }
}

/// Key id and secret of a text that may be one; both empty if it can't be.
pub(super) fn parts<'a>(prefix: &str, plain: &'a str) -> (&'a str, &'a str) {
    let parts = plain.strip_prefix(prefix).and_then(|rest| rest.split_once('_'));
    parts.filter(|(key_id, secret)| key_id.len() == KEY_ID && secret.len() == SECRET).unwrap_or_default()
}

/// Whether a secret is the one that the hash was made of. The work is the same where there is none.
pub(super) fn fits(keys: &Keys, secret: &str, hash: Option<[u8; 32]>) -> bool {
    let (given, expected) = (keys.hash(secret), hash.unwrap_or([0; 32]));
    given.ct_eq(&expected).into()
}
