//! SCIM spec cases, provider simulators and an HTTP test-set.

mod client;

pub use client::{BoxError, ScimClient};
#[cfg(feature = "socket")]
pub use client::SocketClient;
