#![doc = include_str!("../README.md")]

mod auth;
mod body;
mod config;
mod cursor;
mod discovery;
pub mod edges;
mod environment;
mod error;
mod etag;
mod feed;
mod member_list;
mod memory;
pub mod message;
mod page;
mod params;
mod render;
mod router;
mod secret;
mod service;
mod sort;
mod store;
mod tokens;

pub use auth::{AuthError, Authenticator, BaseUrl, Caller, Subject, bearer_token};
pub use body::Body;
pub use config::{SecurityEvents, ServiceConfig, UnknownMembers};
pub use environment::Environment;
pub use error::{Error, ErrorKind};
pub use feed::{ChangeEntry, ChangeFeed, ChangeKind, EventSink, FeedCursor};
pub use member_list::MemberList;
pub use memory::MemoryStore;
pub use page::{Needs, Page, PageRequest, Position, Start};
pub use scim_filter::Matcher;
pub use scim_patch::{AttributeChange, Member, MemberDelta};
pub use scim_schema::{
    DateTime, Dialect, Registry, RegistryBuilder, Resource, ResourceType, resolve_reference,
};
pub use secret::{Secret, SecretSink};
pub use service::{BuildError, Service, ServiceBuilder, take_secrets};
pub use sort::{Sort, SortError, SortKey};
pub use store::{
    Batch, BoxError, Capabilities, Cause, Change, Committed, Document, Include, MembersChange, Precondition,
    Query, Store, StoreError, Stored, TenantId, WithMembers, Write,
};
pub use tokens::{BearerToken, StaticTokens};
