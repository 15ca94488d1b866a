#![doc = include_str!("../README.md")]

mod connect;
mod guard;
mod header;
mod key;
mod schedule;
mod secret;
mod sender;
mod sign;
mod verify;

pub use connect::{Resolver, SystemResolver};
pub use guard::{Network, NetworkError, Policy, UrlError, check_url};
pub use header::{HEADER_COUNT_LIMIT, HEADER_SIZE_LIMIT, HeaderError, check_header, check_headers};
pub use key::{KeyError, SigningKey, VerifyingKey};
pub use schedule::{ATTEMPTS, next_attempt};
pub use secret::{Secret, SecretError};
pub use sender::{Acknowledge, Delivery, Failure, Outcome, Post, Report, Sender, SenderConfig, SenderError};
pub use sign::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, headers, sign};
pub use verify::{TOLERANCE_SECONDS, Verified, VerifyError, verify, verify_asymmetric};
