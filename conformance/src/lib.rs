//! SCIM spec cases, provider simulators and an HTTP test-set.

mod client;
pub mod http;
mod outcome;
pub mod replay;
pub mod simulators;

#[cfg(feature = "socket")]
pub use client::SocketClient;
pub use client::{BoxError, InProcess, ScimClient};
pub use outcome::Outcome;
