//! Organizations, directories, tokens and endpoints, as they are handed out.

use std::fmt;
use std::time::Duration;

use scim_core::TenantId;
use scim_schema::DateTime;

use crate::event::EventType;
use crate::id::{ApiKeyId, DeliveryId, DirectoryId, EndpointId, EventId, OrganizationId, TokenId};
use crate::named::named;

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

named!(
    /// Where a directory comes from.
    #[derive(Default)]
    Provider {
        /// Okta.
        Okta = "okta",
        /// Google Workspace.
        Google = "google",
        /// Microsoft Entra ID.
        Entra = "entra",
        /// OneLogin.
        OneLogin = "onelogin",
        /// JumpCloud.
        JumpCloud = "jumpcloud",
        /// PingOne and its kin.
        Ping = "ping",
        /// Anything that speaks SCIM 2.0.
        #[default]
        Generic = "generic",
    }
);

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

named!(
    /// How far an event's delivery to an endpoint is.
    DeliveryState {
        /// It waits for its first or next attempt.
        Pending = "pending",
        /// The receiver acknowledged.
        Delivered = "delivered",
        /// The last attempt failed.
        Exhausted = "exhausted",
        /// The receiver answered 410.
        Refused = "refused",
        /// A later event of the same subject took its place before it was delivered.
        Superseded = "superseded",
    }
);

impl DeliveryState {
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
        Self::ALL.iter().copied().find(|state| state.code() == code).unwrap_or(Self::Pending)
    }
}

/// The delivery of one event to one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DeliveryRecord {
    /// The id.
    pub id: DeliveryId,
    /// The event.
    pub event_id: EventId,
    /// What it tells.
    pub event_type: EventType,
    /// The type that was said instead, where this event took the place of an earlier one that was not delivered.
    pub told_as: Option<EventType>,
    /// The id of the user or group.
    pub subject: String,
    /// The endpoint.
    pub endpoint_id: EndpointId,
    /// How far it is.
    pub state: DeliveryState,
    /// How many attempts were made.
    pub attempts: u32,
    /// When the change happened.
    pub occurred_at: DateTime,
    /// When the next attempt is due, if one is.
    pub next_attempt: Option<DateTime>,
    /// When it came to an end.
    pub finished: Option<DateTime>,
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

/// One attempt to deliver an event to an endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AttemptRecord {
    /// When it began.
    pub at: DateTime,
    /// How long it took.
    pub elapsed: Duration,
    /// The status of the response, if there was one.
    pub status: Option<u16>,
    /// Why it failed: see [`scim_webhook::Failure::as_str`]; `None` if it was acknowledged.
    pub reason: Option<String>,
    /// The beginning of the response.
    pub excerpt: String,
}

/// Which deliveries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made to be written with struct update syntax")]
pub struct DeliveryFilter {
    /// To this endpoint.
    pub endpoint_id: Option<EndpointId>,
    /// Of this event.
    pub event_id: Option<EventId>,
    /// In one of these states; none for all.
    pub states: Vec<DeliveryState>,
}

/// A key of a program, as far as it is known after it was shown.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ApiKey {
    /// The id.
    pub id: ApiKeyId,
    /// What it is for, in the words of who made it.
    pub name: String,
    /// Its last four characters.
    pub suffix: String,
    /// What it allows.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created: DateTime,
    /// Until when it is good; `None` for no end.
    pub expires: Option<DateTime>,
    /// When it was last used, to within [`Token::LAST_USED_PRECISION`].
    pub last_used: Option<DateTime>,
    /// When it was revoked.
    pub revoked: Option<DateTime>,
}

/// A key just made.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct IssuedApiKey {
    /// What stays known.
    pub key: ApiKey,
    /// The text to give to the program.
    pub plain: PlainToken,
}

named!(
    /// What a key allows.
    #[derive(PartialOrd, Ord)]
    Scope {
        /// Reading organizations, directories, users and groups.
        DirectoriesRead = "directories:read",
        /// Changing organizations and directories.
        DirectoriesWrite = "directories:write",
        /// Reading the event log.
        EventsRead = "events:read",
        /// Reading webhook endpoints and their deliveries.
        WebhooksRead = "webhooks:read",
        /// Changing webhook endpoints, sending again, recovering.
        WebhooksWrite = "webhooks:write",
        /// Reading metrics.
        MetricsRead = "metrics:read",
        /// Making and revoking keys.
        KeysWrite = "keys:write",
    }
);
