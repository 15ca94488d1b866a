//! What a receiver has against a SET (RFC 8935 §2.4, RFC 8936 §2.6).

use serde::{Deserialize, Serialize};

/// The registered error codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The request is no SET, or an event is not as its definition says.
    InvalidRequest,
    /// A key is unknown, expired or revoked, or the signature does not match.
    InvalidKey,
    /// The receiver takes nothing of this issuer.
    InvalidIssuer,
    /// The SET is for somebody else.
    InvalidAudience,
    /// The receiver does not know who sends.
    AuthenticationFailed,
    /// The receiver knows who sends, and does not let it.
    AccessDenied,
}

impl ErrorCode {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::InvalidRequest,
        Self::InvalidKey,
        Self::InvalidIssuer,
        Self::InvalidAudience,
        Self::AuthenticationFailed,
        Self::AccessDenied,
    ];

    /// The code as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidKey => "invalid_key",
            Self::InvalidIssuer => "invalid_issuer",
            Self::InvalidAudience => "invalid_audience",
            Self::AuthenticationFailed => "authentication_failed",
            Self::AccessDenied => "access_denied",
        }
    }

    /// The code of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text)
    }

    /// Whether it is about how sender and receiver are set up, and so about every SET alike: keys, names,
    /// credentials.
    pub fn is_about_setup(self) -> bool {
        self != Self::InvalidRequest
    }
}

/// An error object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::exhaustive_structs, reason = "the members that the RFC names")]
pub struct SetError {
    /// The code, one of [`ErrorCode`] or another that the parties agreed on.
    pub err: String,
    /// What happened, for people.
    #[serde(default)]
    pub description: String,
}

impl SetError {
    /// How much of a code is kept, in characters.
    const ERR: usize = 64;
    /// How much of a description is kept, in characters.
    const DESCRIPTION: usize = 1024;

    /// One with a registered code.
    pub fn new(code: ErrorCode, description: impl Into<String>) -> Self {
        Self { err: code.as_str().to_owned(), description: description.into() }
    }

    /// The registered code, if it is one.
    pub fn code(&self) -> Option<ErrorCode> {
        ErrorCode::parse(&self.err)
    }

    /// The same, short enough to be kept and fit to be shown.
    #[must_use]
    pub fn shortened(&self) -> Self {
        let keep = |text: &str, limit| text.chars().filter(|c| !c.is_control()).take(limit).collect();
        Self { err: keep(&self.err, Self::ERR), description: keep(&self.description, Self::DESCRIPTION) }
    }
}
