//! Values that go in and never come out, such as `password`.

use std::fmt;

use async_trait::async_trait;

use crate::store::TenantId;

/// Takes the values of attributes that are never returned (`mutability: writeOnly` or `returned: never`).
///
/// The service hands such values to the sink and to nothing else: no store, feed, log or answer has
/// them. Without a sink they are checked and dropped.
#[async_trait]
pub trait SecretSink: fmt::Debug + Send + Sync + 'static {
    /// Takes a value for a resource before it is written. Text is in the prepared form (NFC) in which
    /// passwords are to be hashed (RFC 7644 §5).
    ///
    /// # Errors
    /// A reason for the client, such as a policy that the value does not meet: 400 `invalidValue`.
    async fn accept(&self, secret: Secret<'_>) -> Result<(), String>;
}

/// A value on its way to a [`SecretSink`]. Its `Debug` does not show the value.
#[derive(Clone, Copy)]
#[expect(clippy::exhaustive_structs, reason = "built by the service")]
pub struct Secret<'s> {
    /// Whose resource.
    pub tenant: &'s TenantId,
    /// The name of the resource's type.
    pub resource_type: &'s str,
    /// The resource's id.
    pub id: &'s str,
    /// The attribute's canonical path.
    pub path: &'s str,
    /// The value.
    pub value: &'s str,
}

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret").field("id", &self.id).field("path", &self.path).finish_non_exhaustive()
    }
}
