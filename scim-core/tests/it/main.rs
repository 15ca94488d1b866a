//! The protocol, from a request to its answer, in process: no socket, no clock.

mod p_bulk;
mod p_conditions;
mod p_create;
mod p_list;
mod p_projection;
mod p_replace;
mod p_service;
mod support;
