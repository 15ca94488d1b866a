//! Authenticators for services whose tokens are known when they start.

use std::fmt;

use async_trait::async_trait;
use hmac::{Hmac, Mac};
use http::request::Parts;
use scim_schema::DateTime;
use sha2::Sha256;

use crate::auth::{AuthError, Authenticator, Caller, bearer_token};
use crate::store::TenantId;

/// One bearer token for one tenant.
///
/// ```
/// use scim_core::BearerToken;
/// let authenticator = BearerToken::new("the-token-that-the-identity-provider-was-given");
/// assert_eq!(format!("{authenticator:?}"), "StaticTokens { tokens: 1 }");
/// ```
#[derive(Debug)]
pub struct BearerToken;

impl BearerToken {
    /// An authenticator that takes exactly this token, for the tenant `default`.
    ///
    /// An empty token is never taken.
    #[expect(clippy::new_ret_no_self, reason = "one token is the small case of several")]
    pub fn new(token: &str) -> StaticTokens {
        StaticTokens::new([(token.to_owned(), Caller::new(TenantId::new("default")))])
    }
}

/// A fixed set of bearer tokens, each for one caller.
///
/// Tokens are kept as keyed hashes and compared in constant time.
pub struct StaticTokens {
    callers: Vec<([u8; 32], Caller)>,
}

impl StaticTokens {
    /// An authenticator that takes these tokens. Empty ones are left out.
    pub fn new(tokens: impl IntoIterator<Item = (String, Caller)>) -> Self {
        let callers = tokens.into_iter().filter(|(t, _)| !t.is_empty()).map(|(t, c)| (hash(&t), c)).collect();
        Self { callers }
    }
}

#[async_trait]
impl Authenticator for StaticTokens {
    async fn authenticate(&self, request: &Parts, _now: DateTime) -> Result<Caller, AuthError> {
        let presented = hash(bearer_token(request)?);
        let mut found = None;
        // All are compared, so that the time does not tell which one, or whether one, was close.
        for (known, caller) in &self.callers {
            let difference = known.iter().zip(&presented).fold(0, |acc, (a, b)| acc | (a ^ b));
            if difference == 0 {
                found = Some(caller);
            }
        }
        found.cloned().ok_or(AuthError::Invalid)
    }
}

impl fmt::Debug for StaticTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticTokens").field("tokens", &self.callers.len()).finish()
    }
}

fn hash(token: &str) -> [u8; 32] {
    match <Hmac<Sha256> as hmac::KeyInit>::new_from_slice(b"scim-core static token") {
        Ok(mut mac) => {
            mac.update(token.as_bytes());
            mac.finalize().into_bytes().into()
        }
        // HMAC takes keys of any length.
        Err(_) => [0; 32],
    }
}
