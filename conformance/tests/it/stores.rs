//! The store suite on the stores of this workspace, and on stores that break one promise each.

use scim_conformance::store::suite;
use scim_core::MemoryStore;
use tempfile::TempDir;

use crate::support::{postgres, postgres_options, sqlite};

#[tokio::test]
async fn the_memory_store_keeps_its_promises() {
    let stores = suite(|| async { (MemoryStore::standard(), ()) });
    stores.with_feed().without("durability:", "it keeps everything in memory").run().await.assert();
}

#[tokio::test]
async fn the_sqlite_store_keeps_its_promises() {
    let stores = suite(|| async {
        let folder = TempDir::new().unwrap();
        (sqlite(folder.path()).await, folder)
    });
    stores.with_feed().reopen(|folder| async move { sqlite(folder.path()).await }).run().await.assert();
}

#[tokio::test]
async fn the_postgresql_store_keeps_its_promises() {
    let stores = suite(|| async {
        let options = postgres_options();
        (postgres(&options).await, options)
    });
    stores.with_feed().reopen(|options| async move { postgres(&options).await }).run().await.assert();
}
