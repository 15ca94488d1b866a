#![doc = include_str!("../README.md")]

mod alike;
pub mod check;
mod commit;
mod database;
mod edges;
mod error;
mod feed;
mod fences;
mod index;
mod look_up;
mod migrate;
mod narrow;
mod page;
mod places;
#[cfg(test)]
mod plans;
mod postgres;
mod query;
mod rows;
mod session;
mod sets;
mod sqlite;
mod statement;
mod store;
mod tables;

pub use alike::Alike;
pub use commit::Draft;
pub use database::Database;
pub use error::{DatabaseError, OpenError, Source};
pub use index::{StoreOptions, Thresholds};
pub use migrate::Migration;
pub use postgres::PostgresOptions;
pub use session::{Engine, Param, Row, Session, Statement};
pub use sqlite::Options;
pub use sqlite::copy::Versions;
pub use store::SqlStore;
