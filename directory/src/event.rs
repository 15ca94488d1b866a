//! Events: what the application is told.

use scim_schema::{DateTime, Object, Value};

use crate::id::{DirectoryId, EventId, OrganizationId};
use crate::named::named;

macro_rules! event_types {
    ($($(#[$doc:meta])* $variant:ident: $text:literal, $object:literal, $display:literal;)*) => {
        /// The kinds of events.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum EventType {
            $($(#[$doc])* $variant,)*
        }

        impl EventType {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The `type` of the event.
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }

            /// The `object` of the event: what `data` is.
            pub fn object(self) -> &'static str {
                match self {
                    $(Self::$variant => $object,)*
                }
            }

            /// The name for people.
            pub fn display_name(self) -> &'static str {
                match self {
                    $(Self::$variant => $display,)*
                }
            }
        }
    };
}

event_types! {
    /// A user came, or is active again.
    UserCreated: "organization.directory.user_created", "DirectoryUser", "Directory User Created";
    /// A user's attributes or groups changed.
    UserUpdated: "organization.directory.user_updated", "DirectoryUser", "Directory User Updated";
    /// A user was deactivated or went: `data.reason` is `deactivated` or `removed`.
    UserDeleted: "organization.directory.user_deleted", "DirectoryUser", "Directory User Deleted";
    /// A group came.
    GroupCreated: "organization.directory.group_created", "DirectoryGroup", "Directory Group Created";
    /// A group's attributes or members changed.
    GroupUpdated: "organization.directory.group_updated", "DirectoryGroup", "Directory Group Updated";
    /// A group went.
    GroupDeleted: "organization.directory.group_deleted", "DirectoryGroup", "Directory Group Deleted";
    /// A user came to a group, directly. Recorded where that is switched on, delivered to who asks for it.
    GroupUserAdded: "organization.directory.group_user_added", "DirectoryMembership", "Directory Group User Added";
    /// A user left a group, or was not in it directly any more. As [`EventType::GroupUserAdded`].
    GroupUserRemoved:
        "organization.directory.group_user_removed", "DirectoryMembership", "Directory Group User Removed";
    /// A directory's identity provider is let in.
    DirectoryEnabled: "organization.directory_enabled", "Directory", "Directory Enabled";
    /// A directory's identity provider is kept out.
    DirectoryDisabled: "organization.directory_disabled", "Directory", "Directory Disabled";
    /// An endpoint was disabled because it is gone, or had failures only for five days.
    EndpointDisabled: "webhook.endpoint_disabled", "WebhookEndpoint", "Webhook Endpoint Disabled";
    /// The fourth attempt to deliver an event failed.
    DeliveryFailing: "webhook.delivery_failing", "WebhookDelivery", "Webhook Delivery Failing";
    /// The last attempt to deliver an event failed.
    DeliveryExhausted: "webhook.delivery_exhausted", "WebhookDelivery", "Webhook Delivery Exhausted";
    /// An endpoint of which [`EventType::DeliveryFailing`] was told acknowledges again.
    DeliveryRecovered: "webhook.delivery_recovered", "WebhookDelivery", "Webhook Delivery Recovered";
}

impl EventType {
    /// The type of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|t| t.as_str() == text)
    }

    /// Whether endpoints get it that name no event types: what changed about users, groups and directories.
    pub fn is_default(self) -> bool {
        !self.is_notice() && !matches!(self, Self::GroupUserAdded | Self::GroupUserRemoved)
    }

    /// Whether it is about deliveries and not about a directory.
    pub fn is_notice(self) -> bool {
        matches!(
            self,
            Self::EndpointDisabled
                | Self::DeliveryFailing
                | Self::DeliveryExhausted
                | Self::DeliveryRecovered
        )
    }

    /// Whether its deliveries go before those of other events: access must end at once.
    pub(crate) fn is_urgent(self) -> bool {
        self == Self::UserDeleted
    }
}

/// How changes are told, where there is more than one way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made to be written with struct update syntax")]
pub struct EventOptions {
    /// What is said of a user that is deactivated, or active again.
    pub deactivation: Deactivation,
    /// Whether each membership that comes or goes makes an event of its own beside those of its group and user:
    /// [`EventType::GroupUserAdded`] and [`EventType::GroupUserRemoved`], to endpoints that name them.
    pub member_events: bool,
}

named!(
    /// What is said of a user that is deactivated, or active again.
    #[derive(Default)]
    Deactivation {
        /// `user_deleted` and `user_created`.
        #[default]
        Deleted = "deleted",
        /// `user_updated`.
        Updated = "updated",
    }
);

/// Which deliveries go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Lane {
    /// Access must end at once.
    Urgent,
    /// What changes day by day.
    Live,
    /// What a directory brings in when it begins.
    Bulk,
}

impl Lane {
    /// All of them, the first one first.
    pub(crate) const CODES: [i64; 3] = [0, 1, 2];

    pub(crate) fn of(event_type: EventType, cause: &scim_core::Cause) -> Self {
        match event_type.is_urgent() {
            true => Self::Urgent,
            false if cause.kind == INITIAL_SYNC => Self::Bulk,
            false => Self::Live,
        }
    }

    pub(crate) fn code(self) -> i64 {
        match self {
            Self::Urgent => 0,
            Self::Live => 1,
            Self::Bulk => 2,
        }
    }
}

/// The reason of a user's deletion: the user is not active any more.
pub(crate) const DEACTIVATED: &str = "deactivated";
/// The reason of a user's deletion: the resource went.
pub(crate) const REMOVED: &str = "removed";

/// The kind of the cause of changes that bring in what was there before, as `scimd import` does.
const INITIAL_SYNC: &str = "import";

/// An event of the log.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// The id, also the `webhook-id` of each delivery attempt.
    pub id: EventId,
    /// The organization it is of; `None` for an event about deliveries.
    pub organization_id: Option<OrganizationId>,
    /// The directory it is of; `None` for an event about deliveries.
    pub directory_id: Option<DirectoryId>,
    /// Counts the events of the directory from 1, without gaps; 0 for an event of none.
    pub sequence: u64,
    /// The kind.
    pub event_type: EventType,
    /// The id of the user or group.
    pub subject: String,
    /// The version of the user's or group's resource.
    pub version: u64,
    /// When the change happened.
    pub occurred_at: DateTime,
    /// The JSON text that is signed and delivered.
    pub body: String,
}

/// What an event's text is made of.
pub(crate) struct Envelope<'a> {
    pub(crate) id: &'a str,
    pub(crate) event_type: EventType,
    pub(crate) occurred_at: DateTime,
    pub(crate) environment_id: &'a str,
    pub(crate) organization_id: Option<&'a str>,
    pub(crate) directory_id: Option<&'a str>,
    pub(crate) sequence: u64,
    pub(crate) subject: &'a str,
    pub(crate) version: u64,
    pub(crate) cause: &'a scim_core::Cause,
    pub(crate) changes: Vec<Value>,
    pub(crate) data: Object,
}

impl Envelope<'_> {
    pub(crate) fn into_value(self) -> Value {
        let mut cause = Object::with_capacity(3);
        cause.push("kind", self.cause.kind.as_str());
        cause.push("request_id", self.cause.request_id.as_str());
        cause.push("initial_sync", self.cause.kind == INITIAL_SYNC);

        let mut object = Object::with_capacity(15);
        object.push("spec_version", "1");
        object.push("id", self.id);
        object.push("type", self.event_type.as_str());
        object.push("object", self.event_type.object());
        object.push("occurred_at", self.occurred_at.to_string());
        object.push("environment_id", self.environment_id);
        object.push("organization_id", self.organization_id.map_or(Value::Null, Value::from));
        object.push("directory_id", self.directory_id.map_or(Value::Null, Value::from));
        object.push("display_name", self.event_type.display_name());
        object.push("sequence", self.sequence);
        object.push("subject", self.subject);
        object.push("version", self.version);
        object.push("cause", cause);
        object.push("changes", self.changes);
        object.push("data", self.data);
        Value::Object(object)
    }
}
