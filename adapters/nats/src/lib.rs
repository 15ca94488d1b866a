#![doc = include_str!("../README.md")]

mod config;
mod connection;
mod error;
mod message;
mod outlet;

pub use config::{NatsConfig, NewStream};
pub use error::NatsError;
pub use outlet::Nats;
