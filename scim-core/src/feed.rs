//! What happened: the change feed of a store, and sinks for stores without one.

use std::fmt;

use async_trait::async_trait;
use scim_patch::{AttributeChange, Member};
use scim_schema::{DateTime, Resource};

use crate::store::{Cause, StoreError, TenantId};

/// Every committed change of a store, exactly once, in commit order for each resource.
///
/// # Obligations
/// - An entry becomes visible with its commit: no entry without its change, no change without its entry.
/// - A reader that passes the cursor of the last entry it saw never misses an entry, also with several
///   writers: an entry never appears behind a cursor that was handed out.
/// - A write that changes nothing makes no entry.
/// - Deleting a resource makes an entry for it, and one for each resource that lost it as a member.
#[async_trait]
pub trait ChangeFeed: fmt::Debug + Send + Sync + 'static {
    /// Up to `limit` entries behind the cursor, oldest first, of all tenants.
    async fn after(&self, cursor: FeedCursor, limit: usize) -> Result<Vec<ChangeEntry>, StoreError>;

    /// Waits until there is an entry behind the cursor. May return early; the reader then looks again.
    async fn wait(&self, cursor: FeedCursor) -> Result<(), StoreError>;
}

/// A place in a change feed. Only the store that made it can tell what it means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FeedCursor {
    major: u64,
    minor: u64,
}

impl FeedCursor {
    /// Before the first entry.
    pub const START: Self = Self { major: 0, minor: 0 };

    /// For stores: a place from two numbers that order it.
    pub fn from_parts(major: u64, minor: u64) -> Self {
        Self { major, minor }
    }

    /// For stores: the two numbers.
    pub fn parts(self) -> (u64, u64) {
        (self.major, self.minor)
    }
}

/// What kind of change it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "a resource comes, changes or goes")]
pub enum ChangeKind {
    /// The resource was created.
    Created,
    /// Its attributes or members changed.
    Updated,
    /// It was deleted.
    Deleted,
}

impl ChangeKind {
    /// A stable name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
        }
    }
}

/// One committed change of one resource.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by every store with a feed")]
pub struct ChangeEntry {
    /// The place of this entry.
    pub cursor: FeedCursor,
    /// Whose resource.
    pub tenant: TenantId,
    /// The name of its type.
    pub resource_type: String,
    /// Its id.
    pub id: String,
    /// What kind of change.
    pub kind: ChangeKind,
    /// The version after the change; for a delete the last one.
    pub version: u64,
    /// The resource's own attributes after the change, with `meta`, without members and inverse
    /// attributes; for a delete as they were before it.
    pub resource: Resource,
    /// Which attributes changed; empty for created and deleted.
    pub changes: Vec<AttributeChange>,
    /// Members that came; for created all of them.
    pub members_added: Vec<Member>,
    /// Members that went; for deleted all of them.
    pub members_removed: Vec<Member>,
    /// Why.
    pub cause: Cause,
    /// When.
    pub time: DateTime,
}

/// Is told of changes after they were committed, where the store has no [`ChangeFeed`].
///
/// Delivery is at most once: a process that dies between the commit and the call never calls. A resource
/// that loses a member because the member was deleted is not told of.
#[async_trait]
pub trait EventSink: fmt::Debug + Send + Sync + 'static {
    /// Takes note of changes. Their cursors mean nothing.
    async fn changed(&self, entries: &[ChangeEntry]);
}
