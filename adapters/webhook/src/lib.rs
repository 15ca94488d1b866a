#![doc = include_str!("../README.md")]

mod key;
mod schedule;
mod secret;
mod sender;
mod sign;
mod verify;

pub use key::{KeyError, SigningKey, VerifyingKey};
pub use schedule::{ATTEMPTS, next_attempt};
pub use secret::{Secret, SecretError};
pub use sender::{
    Acknowledge, Delivery, Failure, Outcome, Report, Sender, SenderConfig, SenderError, UrlError, check_url,
};
pub use sign::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, headers, sign};
pub use verify::{TOLERANCE_SECONDS, Verified, VerifyError, verify, verify_asymmetric};
