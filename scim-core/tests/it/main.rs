//! The protocol, from a request to its answer, in process: no socket, no clock.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    clippy::type_complexity,
    reason = "tests fail by panicking, and read better without ceremony"
)]

mod attributes;
mod characteristics;
mod common_attributes;
mod custom_types;
mod discovery;
mod groups_and_managers;
mod hostile;
mod multi_valued;
mod p_bulk;
mod p_conditions;
mod p_create;
mod p_faults;
mod p_feed;
mod p_list;
mod p_members;
mod p_patch;
mod p_projection;
mod p_replace;
mod p_service;
mod schemas_attribute;
mod secrets;
mod support;
mod things;
mod user_attributes;
