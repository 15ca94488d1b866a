#![doc = include_str!("../README.md")]

mod commit;
mod edges;
mod engine;
mod error;
mod feed;
mod index;
mod narrow;
mod query;
mod rows;
mod sqlite;
mod store;
mod tables;

pub use error::{DatabaseError, OpenError};
pub use rusqlite;
pub use sqlite::{Database, Migration, Options};
pub use store::SqlStore;
