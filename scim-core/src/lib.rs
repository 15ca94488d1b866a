//! The SCIM 2.0 protocol: HTTP request, operation, store, response (RFC 7644).

mod auth;
pub mod edges;
mod environment;
mod feed;
mod page;
mod sort;
mod store;

pub use auth::{AuthError, Authenticator, Caller, Subject, bearer_token};
pub use environment::Environment;
pub use feed::{ChangeEntry, ChangeFeed, ChangeKind, EventSink, FeedCursor};
pub use page::{Page, PageRequest, Position, Start};
pub use scim_filter::Matcher;
pub use scim_patch::{AttributeChange, Member, MemberDelta};
pub use sort::{Sort, SortError, SortKey};
pub use store::{
    Batch, BoxError, Capabilities, Cause, Change, Committed, Document, Include, MembersChange, Precondition, Query,
    Store, StoreError, Stored, TenantId, Write,
};
