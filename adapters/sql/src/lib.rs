#![doc = include_str!("../README.md")]

mod commit;
mod edges;
mod engine;
mod error;
mod feed;
mod fences;
mod index;
mod narrow;
mod page;
mod places;
#[cfg(test)]
mod plans;
mod query;
mod rows;
mod sets;
mod sqlite;
mod statement;
mod store;
mod tables;

pub use error::{DatabaseError, OpenError};
pub use index::{StoreOptions, Thresholds};
pub use rusqlite;
pub use sqlite::{Database, Migration, Options};
pub use store::SqlStore;
