//! Services with a clock and ids that are the same in each run.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use scim_core::{Caller, Dialect, Environment, MemoryStore, Service, StaticTokens, Store, TenantId};
use scim_schema::{DateTime, Registry};
use scim_sql::{Database, Options, PostgresOptions, SqlStore};
use scim_test_postgres::Cluster;

pub(crate) const BASE: &str = "http://scim.example/scim/v2";
pub(crate) const TOKEN: &str = "the-token-of-the-tests";

/// A clock that goes on by a millisecond each time it is read, and ids that are counted.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    time: AtomicI64,
    ids: AtomicU64,
}

impl Environment for Counted {
    fn now(&self) -> DateTime {
        let ticks = self.time.fetch_add(1, Ordering::Relaxed);
        DateTime::from_unix_micros(1_700_000_000_000_000 + ticks * 1000)
    }

    fn new_id(&self, resource_type: &str) -> String {
        let number = self.ids.fetch_add(1, Ordering::Relaxed);
        format!("{}-{number:08}", resource_type.to_lowercase())
    }
}

pub(crate) fn memory() -> Service {
    service(MemoryStore::standard(), Dialect::default())
}

pub(crate) fn service(store: impl Store, dialect: Dialect) -> Service {
    let caller = Caller { dialect: Arc::new(dialect), ..Caller::new(TenantId::new("default")) };
    let tokens = StaticTokens::new([(TOKEN.to_owned(), caller)]);
    Service::builder(BASE, store, tokens, Counted::default()).build().unwrap()
}

/// A folder of this crate.
pub(crate) fn data(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(folder)
}

/// A store on an SQLite file in a folder.
pub(crate) async fn sqlite(folder: &Path) -> SqlStore {
    let mut options = Options::new(folder.join("scim.db"));
    options.write_here = true;
    let database = Database::open(options).await.unwrap();
    SqlStore::new(database, Registry::standard()).await.unwrap()
}

/// A database of its own on the PostgreSQL server of the tests.
pub(crate) fn postgres_options() -> PostgresOptions {
    PostgresOptions::new(&Cluster::shared().unwrap().database().unwrap()).unwrap()
}

/// A store on a PostgreSQL database.
pub(crate) async fn postgres(options: &PostgresOptions) -> SqlStore {
    let database = Database::connect(options.clone()).await.unwrap();
    SqlStore::new(database, Registry::standard()).await.unwrap()
}
