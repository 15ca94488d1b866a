//! Streams of security event tokens, as they are handed out.

use std::fmt;

use scim_schema::DateTime;
use scim_set::{Content, EventUri, SetError};

use crate::endpoint::Health;
use crate::id::{DirectoryId, OrganizationId, SetStreamId};
use crate::model::PlainToken;

/// Who gets security event tokens, which, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made to be written with struct update syntax")]
pub struct SetStreamSettings {
    /// Who they are for: the `aud` of each, most often a URL of the receiver.
    pub audience: String,
    /// How they get there.
    pub delivery: SetDelivery,
    /// Which events; none for all. `full` and `notice` of a URI count alike: `content` decides between them.
    pub event_uris: Vec<EventUri>,
    /// How much they say.
    pub content: Content,
    /// Of which organizations; none for all.
    pub organization_ids: Vec<OrganizationId>,
    /// Of which directories; none for all.
    pub directory_ids: Vec<DirectoryId>,
}

/// How security event tokens get to their receiver.
#[derive(Clone, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "there are two RFCs")]
pub enum SetDelivery {
    /// They are sent to it (RFC 8935).
    Push {
        /// Where to: HTTPS.
        url: String,
        /// The value of the header field `Authorization`.
        authorization: Option<String>,
    },
    /// It asks for them (RFC 8936), with a token that it gets when the stream is made.
    #[default]
    Poll,
}

impl fmt::Debug for SetDelivery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Push { url, authorization } => f
                .debug_struct("Push")
                .field("url", url)
                .field("authorization", &authorization.as_ref().map(|_| "…"))
                .finish(),
            Self::Poll => f.write_str("Poll"),
        }
    }
}

/// A stream of security event tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SetStream {
    /// The id.
    pub id: SetStreamId,
    /// Who gets them, which, and how.
    pub settings: SetStreamSettings,
    /// Whether they are made and delivered.
    pub enabled: bool,
    /// Why not, if the program has disabled it: `gone` after a 410, `failing` after five days of failures only.
    pub disabled_reason: Option<String>,
    /// When it was created.
    pub created: DateTime,
    /// How many SETs its receiver has acknowledged.
    pub acknowledged: u64,
    /// How pushing went.
    pub health: Health,
    /// Why the last attempt failed: the receiver's error code, or what went wrong with the connection.
    pub last_error: Option<String>,
}

/// A stream just created.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CreatedSetStream {
    /// The stream.
    pub stream: SetStream,
    /// What the receiver polls with. It can't be had again.
    pub token: Option<PlainToken>,
}

/// A SET that the receiver did not take.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedSet {
    /// Its `jti`.
    pub id: String,
    /// What the receiver has against it.
    pub error: SetError,
    /// When it said so.
    pub refused: DateTime,
}
