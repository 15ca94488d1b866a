//! What the store says and does when the disk is full, the file is damaged, or the schemas change.

use std::fs;
use std::io::Write as _;
use std::process::Command;

use scim_core::{ChangeFeed, FeedCursor, Include, Store, StoreError};
use scim_schema::Registry;
use scim_sql::{Database, DatabaseError, OpenError, Options, Session, SqlStore};
use serde_json::json;
use tempfile::TempDir;

use crate::support::*;

async fn open(folder: &TempDir) -> SqlStore {
    let database = Database::open(folder.path().join("scim.db")).await.unwrap();
    SqlStore::new(database, Registry::standard()).await.unwrap()
}

fn big(id: &str) -> scim_core::Write {
    insert("User", id, json!({"userName": id, "title": "x".repeat(20_000)}))
}

/// Writes until there is no more space. Says how many writes were acknowledged.
async fn fill(store: &SqlStore) -> usize {
    let mut written = 0;
    let error = loop {
        match commit(store, big(&format!("big{written}")), 0).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 10_000, "there was space for all");
    };
    assert!(matches!(error, StoreError::Full { .. }), "{error:?}");
    written
}

async fn total(store: &SqlStore) -> usize {
    let page = store.query(&acme(), &query(&["User"], Some("userName pr"))).await.unwrap();
    assert_eq!(page.total as usize, page.resources.len());
    page.resources.len()
}

#[tokio::test]
async fn a_full_store_reads_on_and_writes_again_when_there_is_space() {
    let folder = TempDir::new().unwrap();
    let mut options = Options::new(folder.path().join("scim.db"));
    options.max_pages = Some(400);
    let store = SqlStore::new(Database::open(options).await.unwrap(), Registry::standard()).await.unwrap();
    let written = fill(&store).await;
    assert!(written > 5);
    assert_eq!(total(&store).await, written);
    assert_eq!(store.after(FeedCursor::START, 1000).await.unwrap().len(), written);
    // The change log, which nobody needs any more, gives its space back.
    let forget = |tx: &Session<'_>| tx.execute("DELETE FROM scim_changes", &[]);
    store.database().write::<_, DatabaseError, _>(forget).await.unwrap();
    commit(&store, big("again"), 1).await.unwrap();
    assert_eq!(total(&store).await, written + 1);
    assert_eq!(store.after(FeedCursor::START, 1000).await.unwrap().len(), 1);
}

/// The operating system refuses to make the file larger, as it does where a quota or limit is reached.
/// The limit is of a process, so that this test runs itself once more in a process of its own.
#[tokio::test]
async fn a_limit_of_the_file_size_is_a_full_disk() {
    const FOLDER: &str = "SCIM_SQL_TEST_FOLDER";
    if let Some(folder) = std::env::var_os(FOLDER) {
        let database = Database::open(std::path::Path::new(&folder).join("scim.db")).await.unwrap();
        let store = SqlStore::new(database, Registry::standard()).await.unwrap();
        let written = fill(&store).await;
        assert!(written > 5);
        assert_eq!(total(&store).await, written);
        // A small write may still find a place, or not; it is never half done.
        let small = commit(&store, user("small"), 1).await.is_ok();
        assert_eq!(total(&store).await, written + usize::from(small));
        println!("acknowledged {}", written + usize::from(small));
        return;
    }
    let folder = TempDir::new().unwrap();
    let output = Command::new("sh")
        .args(["-c", "trap '' XFSZ; ulimit -f 2000; exec \"$0\" \"$@\""])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "faults::a_limit_of_the_file_size_is_a_full_disk", "--nocapture"])
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    let acknowledged: usize =
        text.lines().find_map(|l| l.split("acknowledged ").nth(1)).unwrap().trim().parse().unwrap();
    // Without the limit all is there and it works again.
    let store = open(&folder).await;
    assert_eq!(total(&store).await, acknowledged);
    assert_eq!(store.after(FeedCursor::START, 1000).await.unwrap().len(), acknowledged);
    commit(&store, big("again"), 2).await.unwrap();
    let check = |c: &Session<'_>| Ok(c.first("PRAGMA integrity_check", &[], |r| r.owned(0))?.unwrap());
    assert_eq!(store.database().read::<_, DatabaseError, _>(check).await.unwrap(), "ok");
}

#[tokio::test]
async fn damage_while_running_is_an_error_and_no_answer() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("scim.db");
    let store = open(&folder).await;
    for i in 0..300 {
        let attributes = json!({"userName": format!("u{i}"), "title": "x".repeat(3000)});
        commit(&store, insert("User", &format!("u{i}"), attributes), 0).await.unwrap();
    }
    drop(store);
    // So that opening does not find it, as with a big file.
    let mut options = Options::new(&path);
    options.check_up_to = 0;
    let store = SqlStore::new(Database::open(options).await.unwrap(), Registry::standard()).await.unwrap();
    let size = fs::metadata(&path).unwrap().len();
    let mut file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(size / 4096 / 4 * 4096)).unwrap();
    file.write_all(&vec![0xa5; 1 << 17]).unwrap();
    let error = store.query(&acme(), &query(&["User"], Some("title co \"y\""))).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable { retry_after: Some(_), .. }), "{error:?}");
    // What lies elsewhere can be read, and nothing panics.
    let mut readable = 0;
    for i in 0..300 {
        let got = store.get(&acme(), &type_named("User"), &format!("u{i}"), Include::ALL).await;
        match got {
            Ok(got) => {
                assert_eq!(got.unwrap().resource.id(), format!("u{i}"));
                readable += 1;
            }
            Err(StoreError::Unavailable { .. } | StoreError::Other { .. }) => {}
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(readable > 100 && readable < 300, "{readable}");
}

#[tokio::test]
async fn tables_of_a_newer_version_are_refused() {
    let f = fixture(Kind::Sqlite).await;
    let raise = |tx: &Session<'_>| {
        tx.execute("UPDATE schema_versions SET version = 99 WHERE namespace = 'scim'", &[])
    };
    f.store.database().write::<_, DatabaseError, _>(raise).await.unwrap();
    let error = SqlStore::new(f.store.database().clone(), Registry::standard()).await.unwrap_err();
    assert!(matches!(error, OpenError::FromTheFuture { found: 99, .. }), "{error:?}");
    assert!(error.to_string().contains("newer version of this program"), "{error}");
}

const BADGE: &str = r#"{
    "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"], "id": "urn:example:Badge", "name": "Badge",
    "attributes": [{"name": "number", "type": "string", "multiValued": false, "caseExact": false, "uniqueness": "UNIQUENESS"}]
}"#;

fn with_badges(uniqueness: &str) -> Registry {
    scim_schema::RegistryBuilder::standard()
        .schema_json(&BADGE.replace("UNIQUENESS", uniqueness))
        .unwrap()
        .extend("User", "urn:example:Badge", false)
        .unwrap()
        .build()
        .unwrap()
}

#[tokio::test]
async fn the_index_follows_the_schemas() {
    let f = fixture(Kind::Sqlite).await;
    let store = SqlStore::new(f.store.database().clone(), with_badges("none")).await.unwrap();
    let badge = |id: &str, number: &str| {
        insert("User", id, json!({"userName": id, "urn:example:Badge": {"number": number}}))
    };
    commit(&store, badge("a", "N1"), 0).await.unwrap();
    commit(&store, badge("b", "n1"), 0).await.unwrap();

    let error = SqlStore::new(f.store.database().clone(), with_badges("server")).await.unwrap_err();
    let OpenError::NotUnique { resource_type, attribute } = error else { panic!("{error:?}") };
    assert_eq!((resource_type.as_str(), attribute.as_str()), ("User", "urn:example:Badge:number"));

    commit(&store, delete("User", "b"), 1).await.unwrap();
    let store = SqlStore::new(f.store.database().clone(), with_badges("server")).await.unwrap();
    let mut twice = badge("c", "N1");
    let user_type = store.registry().resource_type("User").unwrap();
    if let scim_core::Change::Insert { document, .. } = &mut twice.change {
        document.unique = user_type.unique_keys(&document.resource);
    }
    let error = commit(&store, twice, 2).await.unwrap_err();
    assert!(
        matches!(&error, StoreError::Conflict { attribute } if attribute == "urn:example:Badge:number"),
        "{error:?}"
    );
    // What was there before is found by the other indexes as before, and goes with its keys.
    commit(&store, delete("User", "a"), 3).await.unwrap();
    commit(&store, badge("a", "N1"), 4).await.unwrap();
    assert_eq!(store.query(&acme(), &query(&["User"], Some("userName eq \"A\""))).await.unwrap().total, 1);
}

#[tokio::test]
async fn the_tables_go_away_with_their_migrations() {
    let f = fixture(Kind::Sqlite).await;
    commit(&f.store, user("a"), 0).await.unwrap();
    let database = f.store.database().clone();
    SqlStore::drop_tables(&database).await.unwrap();
    let count = |c: &Session<'_>| {
        let sql = "SELECT count(*) FROM sqlite_schema WHERE name LIKE 'scim%'";
        Ok(c.first(sql, &[], |row| row.int(0))?.unwrap())
    };
    assert_eq!(database.read::<_, DatabaseError, _>(count).await.unwrap(), 0);
    let store = SqlStore::new(database, Registry::standard()).await.unwrap();
    assert_eq!(total(&store).await, 0);
    commit(&store, user("a"), 0).await.unwrap();
}
