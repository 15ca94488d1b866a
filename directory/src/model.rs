//! Organizations, directories, tokens and endpoints, as they are handed out.

use std::fmt;
use std::time::Duration;

use scim_core::TenantId;
use scim_schema::DateTime;

use crate::id::{DirectoryId, EndpointId, OrganizationId, TokenId};

/// What a new organization needs.
#[derive(Clone, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "made to be written with struct update syntax")]
pub struct NewOrganization {
    /// Its name for people.
    pub display_name: String,
    /// The application's own id of it; unique.
    pub external_id: Option<String>,
}

/// An organization: a customer of the application.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Organization {
    /// The id.
    pub id: OrganizationId,
    /// Its name for people.
    pub display_name: String,
    /// The application's own id of it.
    pub external_id: Option<String>,
    /// When it was created.
    pub created: DateTime,
}

/// Where a directory comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Provider {
    /// Okta.
    Okta,
    /// Google Workspace.
    Google,
    /// Microsoft Entra ID.
    Entra,
    /// OneLogin.
    OneLogin,
    /// JumpCloud.
    JumpCloud,
    /// PingOne and its kin.
    Ping,
    /// Anything that speaks SCIM 2.0.
    #[default]
    Generic,
}

impl Provider {
    const ALL: [Self; 7] =
        [Self::Okta, Self::Google, Self::Entra, Self::OneLogin, Self::JumpCloud, Self::Ping, Self::Generic];

    /// A stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Okta => "okta",
            Self::Google => "google",
            Self::Entra => "entra",
            Self::OneLogin => "onelogin",
            Self::JumpCloud => "jumpcloud",
            Self::Ping => "ping",
            Self::Generic => "generic",
        }
    }

    /// The provider of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|p| p.as_str() == text)
    }
}

/// What a new directory needs.
#[derive(Clone, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "made to be written with struct update syntax")]
pub struct NewDirectory {
    /// Its name for people.
    pub name: String,
    /// Where it comes from.
    pub provider: Provider,
}

/// A directory: what one identity provider sends of an organization.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Directory {
    /// The id. It is also the tenant of the directory's SCIM resources.
    pub id: DirectoryId,
    /// Whose directory.
    pub organization_id: OrganizationId,
    /// Its name for people.
    pub name: String,
    /// Where it comes from.
    pub provider: Provider,
    /// Whether its identity provider is let in.
    pub enabled: bool,
    /// Whether its events are kept back: they are recorded, and delivered when that ends.
    pub delivery_paused: bool,
    /// When it was created.
    pub created: DateTime,
    /// How many events it has had.
    pub sequence: u64,
}

impl Directory {
    /// The tenant of its SCIM resources.
    pub fn tenant(&self) -> TenantId {
        TenantId::new(self.id.as_str())
    }
}

/// The text of a directory's token. It is shown once; only its keyed hash is kept.
#[derive(Clone)]
pub struct PlainToken(pub(crate) String);

impl PlainToken {
    /// The text: letters, digits and underscores, as RFC 6750 §2.1 allows.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PlainToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PlainToken(…)")
    }
}

/// A token of a directory, as far as it is known after it was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Token {
    /// The id.
    pub id: TokenId,
    /// Whose token.
    pub directory_id: DirectoryId,
    /// Its last four characters.
    pub suffix: String,
    /// When it was issued.
    pub created: DateTime,
    /// Until when it is good.
    pub expires: DateTime,
    /// When it was last used, to within [`Token::LAST_USED_PRECISION`].
    pub last_used: Option<DateTime>,
    /// When it was revoked.
    pub revoked: Option<DateTime>,
}

impl Token {
    /// How long a token is good if nothing else is asked for: 365 days.
    pub const LIFETIME: Duration = Duration::from_secs(365 * 24 * 3600);
    /// Uses within this time of one another are recorded once.
    pub const LAST_USED_PRECISION: Duration = Duration::from_secs(60);
}

/// A token just issued.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IssuedToken {
    /// What stays known.
    pub token: Token,
    /// The text to give to the identity provider.
    pub plain: PlainToken,
}

/// What a token opens.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectoryAccess {
    /// The directory.
    pub directory_id: DirectoryId,
    /// Its organization.
    pub organization_id: OrganizationId,
    /// The token.
    pub token_id: TokenId,
    /// Whether the directory is enabled. If not, its identity provider gets 403.
    pub enabled: bool,
}

impl DirectoryAccess {
    /// The tenant of the directory's SCIM resources.
    pub fn tenant(&self) -> TenantId {
        TenantId::new(self.directory_id.as_str())
    }
}

/// How far an event's delivery to an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DeliveryState {
    /// It waits for its first or next attempt.
    Pending,
    /// The receiver acknowledged.
    Delivered,
    /// The last attempt failed.
    Exhausted,
    /// The receiver answered 410.
    Refused,
    /// A later event of the same subject took its place before it was delivered.
    Superseded,
}

impl DeliveryState {
    /// A stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Delivered => "delivered",
            Self::Exhausted => "exhausted",
            Self::Refused => "refused",
            Self::Superseded => "superseded",
        }
    }

    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Pending => 0,
            Self::Delivered => 1,
            Self::Exhausted => 2,
            Self::Refused => 3,
            Self::Superseded => 4,
        }
    }

    pub(crate) fn from_code(code: i64) -> Self {
        match code {
            1 => Self::Delivered,
            2 => Self::Exhausted,
            3 => Self::Refused,
            4 => Self::Superseded,
            _ => Self::Pending,
        }
    }
}

/// The delivery of one event to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeliveryRecord {
    /// The event's id.
    pub event_id: String,
    /// The endpoint.
    pub endpoint_id: EndpointId,
    /// How far it is.
    pub state: DeliveryState,
    /// How many attempts were made.
    pub attempts: u32,
    /// When the next attempt is due, if one is.
    pub next_attempt: Option<DateTime>,
    /// The status of the last response.
    pub status: Option<u16>,
    /// Why the last attempt failed: see [`scim_webhook::Failure::as_str`].
    pub reason: Option<String>,
}

/// How many deliveries there are in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backlog {
    /// Waiting for an attempt, at enabled endpoints.
    pub pending: u64,
    /// Acknowledged.
    pub delivered: u64,
    /// Given up, or refused for good.
    pub failed: u64,
    /// Replaced by a later event of their subject before they were delivered.
    pub superseded: u64,
}
