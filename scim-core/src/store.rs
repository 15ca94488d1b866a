//! The contract between the protocol and whatever keeps the resources.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use scim_filter::Matcher;
use scim_patch::{AttributeChange, Member, MemberDelta};
use scim_schema::{DateTime, Resource, ResourceType, UniqueKey};

use crate::edges::take_members;
use crate::member_list::MemberList;
use crate::page::{Page, PageRequest};
use crate::sort::Sort;

/// Keeps resources, their uniqueness and their memberships, for many tenants.
///
/// # Obligations
/// - Every call names the tenant. A resource of another tenant does not exist.
/// - [`commit`](Store::commit) is atomic: all writes of a batch or none, durable before it returns.
/// - Uniqueness is enforced inside `commit`, by the engine, never by looking first. A key is unique
///   among the resources of one type and tenant.
/// - Membership is a set of edges. Deleting a resource removes the edges from and to it in the same
///   commit, and each resource that loses a member gets a new version.
/// - A write that changes nothing leaves version and `lastModified` as they are and says so.
/// - `lastModified` of a resource never goes back, whatever `now` a batch carries; versions grow by one.
/// - [`query`](Store::query) answers what [`Query::answer`] answers over all of the tenant's resources.
/// - Resources handed out carry `id` and `meta` (see [`Resource::set_meta`]); `members` and inverse
///   attributes such as `groups` only as far as [`Include`] asks for them (see [`crate::edges`]).
#[async_trait]
pub trait Store: fmt::Debug + Send + Sync + 'static {
    /// What the store can do beyond the required; see [`Capabilities`].
    fn capabilities(&self) -> Capabilities;

    /// One resource, or `None`.
    async fn get(
        &self,
        tenant: &TenantId,
        resource_type: &ResourceType,
        id: &str,
        include: Include,
    ) -> Result<Option<Stored>, StoreError>;

    /// Resources of one type with their members beside them, each of one moment, for answers that are written
    /// while they are sent. The answer has an entry for each id, in order; it may end after the one with
    /// which there are `enough` members. Beside the members it holds what [`get`](Store::get) answers for
    /// `include`.
    ///
    /// A store that has to read members, which may be a hundred thousand, has its own; others leave it as it
    /// is.
    async fn get_with_members(
        &self,
        tenant: &TenantId,
        resource_type: &ResourceType,
        ids: &[String],
        include: Include,
        enough: usize,
    ) -> Result<Vec<Option<WithMembers>>, StoreError> {
        let include = Include { members: true, ..include };
        let mut found = Vec::new();
        let mut members = 0;
        for id in ids {
            let stored = self.get(tenant, resource_type, id, include).await?;
            let one = stored.map(|stored| WithMembers::taken_from(stored, resource_type));
            members += one.as_ref().map_or(0, |one| one.members.len());
            found.push(one);
            if members >= enough {
                break;
            }
        }
        Ok(found)
    }

    /// The names of the resource types that the ids belong to; `None` for an id that does not exist.
    /// The answer has one entry for each id, in order.
    async fn types_of(&self, tenant: &TenantId, ids: &[String]) -> Result<Vec<Option<String>>, StoreError>;

    /// A page of the resources that match.
    async fn query(&self, tenant: &TenantId, query: &Query) -> Result<Page, StoreError>;

    /// Applies a batch of writes, all or none. The answer has one entry for each write, in order.
    async fn commit(&self, tenant: &TenantId, batch: Batch) -> Result<Vec<Committed>, StoreError>;
}

/// Whose data it is. There is no default tenant.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantId(Arc<str>);

impl TenantId {
    /// A tenant's name. Any text that the embedding application uses as a key.
    pub fn new(id: impl Into<Arc<str>>) -> Self {
        Self(id.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TenantId({})", self.0)
    }
}

impl fmt::Display for TenantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What a store offers beyond the required.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made to be written with struct update syntax")]
pub struct Capabilities {
    /// The store records each commit in a [`ChangeFeed`](crate::ChangeFeed). Without one, the service
    /// tells the [`EventSink`](crate::EventSink) after the commit, which is at most once.
    pub change_feed: bool,
}

/// Which computed attributes a read needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made to be written with struct update syntax")]
pub struct Include {
    /// The members of a resource whose type declares a membership.
    pub members: bool,
    /// The inverse: `groups` of a user, direct and indirect.
    pub memberships: bool,
}

impl Include {
    /// Everything.
    pub const ALL: Self = Self { members: true, memberships: true };
    /// Only what the resource's own document holds.
    pub const NONE: Self = Self { members: false, memberships: false };
}

/// A resource as a store hands it out.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by every store")]
pub struct Stored {
    /// The resource with `id`, `meta` and the attributes that were asked for.
    pub resource: Resource,
    /// Counts the changes of this resource, from 1.
    pub version: u64,
    /// When it was created.
    pub created: DateTime,
    /// When it was last changed.
    pub last_modified: DateTime,
}

/// A resource with its members beside it.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by every store")]
pub struct WithMembers {
    /// The resource, without the attribute that holds the members.
    pub stored: Stored,
    /// Its members, in order.
    pub members: MemberList,
}

impl WithMembers {
    /// Takes the members out of a resource that holds them.
    fn taken_from(mut stored: Stored, resource_type: &ResourceType) -> Self {
        let membership = resource_type.membership();
        let members = membership.map(|membership| take_members(&mut stored.resource, membership));
        Self { stored, members: members.iter().flatten().collect() }
    }
}

/// A question to a store.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by the service, read by every store")]
pub struct Query {
    /// The types to search: one for a type's endpoint, all for the service root.
    pub resource_types: Vec<Arc<ResourceType>>,
    /// Which resources match; `None` for all.
    pub filter: Option<Arc<Matcher>>,
    /// In which order; `None` for the order of creation. Ties are in the order of creation.
    pub sort: Option<Sort>,
    /// Which part of the answer.
    pub page: PageRequest,
    /// Which computed attributes are needed in the answer. (What the filter and sort need is the
    /// store's to find out: [`Matcher::uses`].)
    pub include: Include,
}

/// Writes that belong together.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by the service, read by every store")]
pub struct Batch {
    /// The writes, applied in order.
    pub writes: Vec<Write>,
    /// The time to record.
    pub now: DateTime,
    /// Why the writes happen, recorded with each change.
    pub cause: Cause,
    /// Whether each added member must exist when the batch is done; if not so the commit fails with
    /// [`StoreError::UnknownMember`].
    pub check_members: bool,
}

/// One write.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by the service, read by every store")]
pub struct Write {
    /// The type of the resource.
    pub resource_type: Arc<ResourceType>,
    /// Its id.
    pub id: String,
    /// What must hold.
    pub precondition: Precondition,
    /// What to do.
    pub change: Change,
}

/// What must hold for a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "every store must know them all")]
pub enum Precondition {
    /// There is no resource of this id in the tenant. For inserts.
    Absent,
    /// The resource exists and has this version.
    Version(u64),
    /// The resource exists.
    Any,
}

/// What a write does.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "every store must know them all")]
pub enum Change {
    /// Creates the resource, version 1.
    Insert {
        /// The resource's own attributes.
        document: Document,
        /// Its members.
        members: Vec<Member>,
    },
    /// Changes it. Nothing changes where the members stay as they are and there is no document, or the
    /// present one again without `changes`.
    Update {
        /// The new attributes; `None` leaves them.
        document: Option<Document>,
        /// What changed, for the feed. Names also what no document has, such as a password.
        changes: Vec<AttributeChange>,
        /// What happens to the members.
        members: MembersChange,
    },
    /// Deletes it.
    Delete,
}

/// A resource's own attributes: with `id` and `schemas`, without `meta`, members and inverse attributes,
/// without attributes that are never returned.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_structs, reason = "built by the service, read by every store")]
pub struct Document {
    /// The attributes.
    pub resource: Resource,
    /// The values that must be unique.
    pub unique: Vec<UniqueKey>,
}

/// What happens to the members of a resource.
#[derive(Clone, Debug)]
#[expect(clippy::exhaustive_enums, reason = "every store must know them all")]
pub enum MembersChange {
    /// Nothing.
    Keep,
    /// Some come or go. Members that are there already keep what was recorded with them.
    Delta(MemberDelta),
    /// These are the members from now on.
    Set(Vec<Member>),
}

/// Why a change happened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "two texts")]
pub struct Cause {
    /// What kind of actor: `scim` for requests of an identity provider.
    pub kind: String,
    /// Identifies the request.
    pub request_id: String,
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "built by every store")]
pub struct Committed {
    /// The version now; for a delete the version that was deleted.
    pub version: u64,
    /// When the resource was created.
    pub created: DateTime,
    /// When it was last changed.
    pub last_modified: DateTime,
    /// Whether anything changed. If not, nothing was written.
    pub changed: bool,
    /// Members that the write added.
    pub members_added: Vec<Member>,
    /// Members that the write removed.
    pub members_removed: Vec<Member>,
}

/// Why a store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// A write met a resource that does not exist.
    #[error("the resource does not exist")]
    NotFound,
    /// A unique value is taken.
    #[error("the value of {attribute} is taken")]
    Conflict {
        /// The canonical path of the attribute.
        attribute: String,
    },
    /// The resource has another version than the write expects.
    #[error("the version is {current}")]
    VersionMismatch {
        /// The version it has.
        current: u64,
    },
    /// A member that was to be added does not exist.
    #[error("a member does not exist")]
    UnknownMember,
    /// A cursor position was not made by this store.
    #[error("the position is not one of this store's")]
    InvalidPosition,
    /// The store can't answer now; trying again later may help.
    #[error("the store is not available")]
    Unavailable {
        /// When to try again.
        retry_after: Option<Duration>,
        /// What happened.
        source: BoxError,
    },
    /// There is no space to write to. Reads go on.
    #[error("the store has no space left")]
    Full {
        /// What happened.
        source: BoxError,
    },
    /// Anything else.
    #[error("the {store} store failed")]
    Other {
        /// Which store.
        store: &'static str,
        /// What happened.
        source: BoxError,
    },
}

/// Any error, kept as the source of another.
pub type BoxError = Box<dyn StdError + Send + Sync>;
