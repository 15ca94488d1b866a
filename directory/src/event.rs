//! Events: what the application is told.

use scim_schema::{DateTime, Object, Value};

use crate::id::{DirectoryId, EventId};

/// The kinds of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum EventType {
    /// A user came, or is active again.
    UserCreated,
    /// A user's attributes or groups changed.
    UserUpdated,
    /// A user was deactivated or went: `data.reason` is `deactivated` or `removed`.
    UserDeleted,
    /// A group came.
    GroupCreated,
    /// A group's attributes or members changed.
    GroupUpdated,
    /// A group went.
    GroupDeleted,
}

impl EventType {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::UserCreated,
        Self::UserUpdated,
        Self::UserDeleted,
        Self::GroupCreated,
        Self::GroupUpdated,
        Self::GroupDeleted,
    ];

    /// The `type` of the event.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UserCreated => "organization.directory.user_created",
            Self::UserUpdated => "organization.directory.user_updated",
            Self::UserDeleted => "organization.directory.user_deleted",
            Self::GroupCreated => "organization.directory.group_created",
            Self::GroupUpdated => "organization.directory.group_updated",
            Self::GroupDeleted => "organization.directory.group_deleted",
        }
    }

    /// The type of that name.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_str() == text)
    }

    /// The `object` of the event: what `data` is.
    pub fn object(self) -> &'static str {
        match self {
            Self::UserCreated | Self::UserUpdated | Self::UserDeleted => "DirectoryUser",
            Self::GroupCreated | Self::GroupUpdated | Self::GroupDeleted => "DirectoryGroup",
        }
    }

    /// The name for people.
    pub fn display_name(self) -> &'static str {
        match self {
            Self::UserCreated => "Directory User Created",
            Self::UserUpdated => "Directory User Updated",
            Self::UserDeleted => "Directory User Deleted",
            Self::GroupCreated => "Directory Group Created",
            Self::GroupUpdated => "Directory Group Updated",
            Self::GroupDeleted => "Directory Group Deleted",
        }
    }

    /// Whether its deliveries go before those of other events: access must end at once.
    pub(crate) fn is_urgent(self) -> bool {
        self == Self::UserDeleted
    }
}

/// The kind of the cause of changes that bring in what was there before, as `scimd import` does.
const INITIAL_SYNC: &str = "import";

/// An event of the log.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Event {
    /// The id, also the `webhook-id` of each delivery attempt.
    pub id: EventId,
    /// The directory it is of.
    pub directory_id: DirectoryId,
    /// Counts the events of the directory from 1, without gaps.
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
    pub(crate) organization_id: &'a str,
    pub(crate) directory_id: &'a str,
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
        object.push("organization_id", self.organization_id);
        object.push("directory_id", self.directory_id);
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
