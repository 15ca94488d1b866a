#![doc = include_str!("../README.md")]

mod cell;
mod changes;
mod check;
mod clock;
mod directories;
mod dispatcher;
mod endpoint;
mod error;
mod event;
mod holders;
mod id;
mod json;
mod keys;
mod lock;
mod log;
mod metrics;
mod model;
mod named;
mod normalize;
mod profile;
mod projection;
mod reader;
mod relay;
mod set_stream;
mod sets;
mod tables;
mod transport;

pub use clock::Clock;
pub use directories::{
    AuditExtent, AuditPlaces, AuditRange, AuditRecord, Direction, Directories, EventFilter, LogPage,
    LogPosition, LoggedEvent, UpdatePlace, Waiting,
};
pub use dispatcher::{Dispatcher, DispatcherConfig};
pub use endpoint::{CreatedEndpoint, Endpoint, EndpointSettings, Health, NewEndpoint, Ordering, Profile};
pub use error::DirectoryError;
pub use event::{Deactivation, Event, EventOptions, EventType};
pub use id::{
    ApiKeyId, DeliveryId, DirectoryId, EndpointId, EnvironmentId, EventId, OrganizationId, SetStreamId,
    TokenId, new_id,
};
pub use json::python_json;
pub use keys::{Keys, KeysError};
pub use metrics::{Histogram, Metrics};
pub use model::{
    ApiKey, AttemptRecord, Backlog, DeliveryFilter, DeliveryRecord, DeliveryState, Directory,
    DirectoryAccess, IssuedApiKey, IssuedToken, NewDirectory, NewOrganization, Organization, PlainToken,
    Provider, Scope, Token,
};
pub use normalize::{GroupRef, MemberCounts, Normalizer, Subject};
pub use reader::{Outlet, Reader};
pub use relay::Relay;
pub use set_stream::{CreatedSetStream, RefusedSet, SetDelivery, SetStream, SetStreamSettings};
pub use sets::SetTransmitter;
pub use transport::{Attempt, Push, PushOutcome, SetTransport, Transport};
