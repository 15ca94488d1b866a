#![doc = include_str!("../README.md")]

mod claims;
mod error;
mod event;
mod key;
mod poll;
mod push;
mod token;
mod uri;

pub use claims::{Claims, SubjectId};
pub use error::{ErrorCode, SetError};
pub use event::{Activity, Content, FULL_LIMIT, SetEvent, events, subject};
pub use key::{KeyError, KeySet, PublicKey, SigningKey};
pub use poll::{PollRequest, PollResponse};
pub use push::{MEDIA_TYPE, PushAnswer, push_answer};
pub use token::{Expected, Verified, VerifyError, sign, sign_as, verify};
pub use uri::EventUri;
