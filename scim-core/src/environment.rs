//! What the core does not know by itself: the time, and new ids.

use std::fmt;

use scim_schema::DateTime;

/// The clock and the source of ids. The `scim-system` crate has the machine's; tests have their own.
pub trait Environment: fmt::Debug + Send + Sync + 'static {
    /// The time.
    fn now(&self) -> DateTime;

    /// A new id for a resource of this type: never given before, not to be guessed, without the text
    /// `bulkId` (RFC 7643 §3.1), made of characters that need no escape in a URL.
    fn new_id(&self, resource_type: &str) -> String;

    /// A name for one request, for logs and error messages.
    fn request_id(&self) -> String {
        self.new_id("request")
    }
}
