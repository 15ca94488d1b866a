//! Time, as an argument.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use scim_schema::DateTime;

/// The time, and waiting for it. Programs have the machine's; tests have their own.
#[async_trait]
pub trait Clock: fmt::Debug + Send + Sync + 'static {
    /// The time.
    fn now(&self) -> DateTime;

    /// Comes back after this time.
    async fn sleep(&self, duration: Duration);
}
