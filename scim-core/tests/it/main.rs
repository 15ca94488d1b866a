//! The protocol, from a request to its answer, in process: no socket, no clock.

mod support;
