//! Webhook endpoints, as they are handed out.

use std::time::Duration;

use scim_schema::DateTime;
use scim_webhook::{Acknowledge, Secret};

use crate::event::EventType;
use crate::id::{DirectoryId, EndpointId, OrganizationId};
use crate::named::named;

/// Where events go, which of them, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made to be written with struct update syntax")]
pub struct EndpointSettings {
    /// Where to deliver: HTTPS.
    pub url: String,
    /// What it is for, in the words of who made it.
    pub description: String,
    /// Which events; none for those of [`EventType::is_default`].
    pub event_types: Vec<EventType>,
    /// Of which organizations; none for all.
    pub organization_ids: Vec<OrganizationId>,
    /// Of which directories; none for all.
    pub directory_ids: Vec<DirectoryId>,
    /// In which shape `data` is.
    pub profile: Profile,
    /// Which answers acknowledge.
    pub acknowledge: Acknowledge,
    /// What an event does that comes while an earlier one of its subject waits.
    pub ordering: Ordering,
    /// Header fields that each attempt carries beside those of Standard Webhooks.
    pub headers: Vec<(String, String)>,
    /// How many attempts are begun in a second at most, by each process.
    pub rate: Option<u32>,
    /// How many attempts are under way at once at most.
    pub concurrency: Option<u32>,
}

/// What a new webhook endpoint needs.
#[derive(Clone, Debug, Default)]
#[expect(clippy::exhaustive_structs, reason = "made to be written with struct update syntax")]
pub struct NewEndpoint {
    /// Where events go, which of them, and how.
    pub settings: EndpointSettings,
    /// The secret to sign with; `None` for a new one.
    pub secret: Option<Secret>,
}

impl NewEndpoint {
    /// An endpoint that gets the events of all organizations.
    pub fn at(url: impl Into<String>) -> Self {
        Self { settings: EndpointSettings { url: url.into(), ..EndpointSettings::default() }, secret: None }
    }
}

/// A webhook endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Endpoint {
    /// The id.
    pub id: EndpointId,
    /// Where events go, which of them, and how.
    pub settings: EndpointSettings,
    /// Whether events are delivered.
    pub enabled: bool,
    /// Why not, if the program has disabled it: `gone` after a 410, `failing` after five days of failures only.
    pub disabled_reason: Option<String>,
    /// When it was disabled.
    pub disabled_at: Option<DateTime>,
    /// When it was created.
    pub created: DateTime,
    /// When its settings were last changed.
    pub updated: DateTime,
    /// How its attempts went.
    pub health: Health,
}

impl Endpoint {
    /// How long the secret before the current one is signed with too, if nothing else is asked for: 24 hours.
    pub const OVERLAP: Duration = Duration::from_secs(24 * 3600);
}

/// How the attempts at an endpoint went.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Failures in a row, since the last success.
    pub failures: u32,
    /// When the first of them was.
    pub failing_since: Option<DateTime>,
    /// No attempt is made before, because too many failed or the receiver asked for it.
    pub not_before: Option<DateTime>,
    /// Attempts are made one at a time, because the receiver was overloaded.
    pub is_slow: bool,
    /// When an attempt was last acknowledged.
    pub last_delivered: Option<DateTime>,
}

/// An endpoint just created.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CreatedEndpoint {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The secret to give to the receiver.
    pub secret: Secret,
}

named!(
    /// In which shape `data` is.
    #[derive(Default)]
    Profile {
        /// `groups` and `roles` are arrays of names; `group_refs` has the objects.
        #[default]
        Standard = "standard",
        /// As Scalekit sends it: `groups` are objects with `id` and `name`.
        Scalekit = "scalekit",
    }
);

named!(
    /// What an event does that comes while an earlier one of its subject waits.
    #[derive(Default)]
    Ordering {
        /// It takes the earlier one's place: each event has the whole state of its subject.
        #[default]
        Latest = "latest",
        /// It waits until the earlier one is delivered or given up. Only `user_deleted` passes one that has failed.
        Strict = "strict",
    }
);
