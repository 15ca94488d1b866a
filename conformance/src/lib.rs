#![doc = include_str!("../README.md")]

mod client;
pub mod differential;
pub mod http;
pub mod naive;
mod outcome;
pub mod replay;
pub mod simulators;
pub mod spec;
#[cfg(feature = "store-suite")]
pub mod store;

#[cfg(feature = "socket")]
pub use client::SocketClient;
pub use client::{BoxError, InProcess, ScimClient};
pub use outcome::Outcome;
