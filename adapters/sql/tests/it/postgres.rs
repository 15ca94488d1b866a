//! What only PostgreSQL has: a server that comes and goes, several processes on one database, poolers.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use scim_core::{ChangeEntry, ChangeFeed, FeedCursor, Include, PageRequest, Start, Store, StoreError};
use scim_schema::Registry;
use scim_sql::{
    Database, DatabaseError, Migration, OpenError, PostgresOptions, Session, SqlStore, StoreOptions, params,
};
use scim_test_postgres::{Cluster, Durability};
use serde_json::json;

use crate::support::*;

const NOTES: &[Migration] = &[
    Migration {
        up: "CREATE TABLE notes (n INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);",
        down: "DROP TABLE notes;",
    },
    Migration { up: "CREATE TABLE more (n INTEGER PRIMARY KEY);", down: "DROP TABLE more;" },
];

fn new_database() -> String {
    Cluster::shared().unwrap().database().unwrap()
}

async fn connect(url: &str) -> Database {
    Database::connect(PostgresOptions::new(url).unwrap()).await.unwrap()
}

async fn store(url: &str) -> SqlStore {
    SqlStore::new(connect(url).await, Registry::standard()).await.unwrap()
}

async fn notes() -> (String, Database) {
    let url = new_database();
    let database = connect(&url).await;
    database.migrate("notes", NOTES).await.unwrap();
    (url, database)
}

fn insert_note(session: &Session<'_>, text: &str) -> Result<(), DatabaseError> {
    session.execute("INSERT INTO notes (text) VALUES (?1)", params![text]).map(|_| ())
}

fn count_notes(session: &Session<'_>) -> Result<i64, DatabaseError> {
    Ok(session.first("SELECT count(*) FROM notes", &[], |row| row.int(0))?.unwrap())
}

async fn tables(database: &Database) -> i64 {
    let sql = "SELECT count(*) FROM pg_tables WHERE tablename IN ('notes', 'more')";
    let count = move |session: &Session<'_>| Ok(session.first(sql, &[], |row| row.int(0))?.unwrap());
    database.read::<_, DatabaseError, _>(count).await.unwrap()
}

#[tokio::test]
async fn a_failing_or_panicking_write_leaves_nothing() {
    let (_, database) = notes().await;
    database.write(|session| insert_note(session, "a")).await.unwrap();
    let twice = |session: &Session<'_>| {
        insert_note(session, "b")?;
        insert_note(session, "a")
    };
    let error = database.write(twice).await.unwrap_err();
    assert!(matches!(error, DatabaseError::NotUnique(_)), "{error:?}");
    // Nothing can be done behind an error, and it can't be overlooked.
    let overlooked = |session: &Session<'_>| {
        assert!(insert_note(session, "a").is_err());
        assert!(matches!(insert_note(session, "c"), Err(DatabaseError::RolledBack)));
        Ok::<(), DatabaseError>(())
    };
    let error = database.write(overlooked).await.unwrap_err();
    assert!(matches!(error, DatabaseError::NotUnique(_)), "{error:?}");
    let panicking = |session: &Session<'_>| {
        insert_note(session, "d")?;
        panic!("as a test")
    };
    let error = database.write::<(), DatabaseError, _>(panicking).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Aborted), "{error:?}");
    let error = database.read::<(), DatabaseError, _>(|_| panic!("as a test")).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Aborted), "{error:?}");
    assert_eq!(database.read(count_notes).await.unwrap(), 1);
    let writing = |session: &Session<'_>| insert_note(session, "e");
    let error = database.read(writing).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Statement(_)), "{error:?}");
    assert_eq!(database.read(count_notes).await.unwrap(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_sees_one_state_from_start_to_end() {
    let (_, database) = notes().await;
    let (started, wait_for_start) = tokio::sync::oneshot::channel();
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let reading = tokio::spawn({
        let (database, mut started) = (database.clone(), Some(started));
        async move {
            let read = move |session: &Session<'_>| {
                let before = count_notes(session)?;
                started.take().unwrap().send(()).unwrap();
                wait.recv_timeout(Duration::from_secs(20)).unwrap();
                Ok::<_, DatabaseError>((before, count_notes(session)?))
            };
            database.read(read).await.unwrap()
        }
    });
    wait_for_start.await.unwrap();
    database.write(|session| insert_note(session, "meanwhile")).await.unwrap();
    go.send(()).unwrap();
    assert_eq!(reading.await.unwrap(), (0, 0));
}

#[tokio::test]
async fn long_answers_come_in_pieces_and_other_statements_may_run_between() {
    let (_, database) = notes().await;
    let fill = "INSERT INTO notes (text) SELECT 'note ' || i FROM generate_series(1, ?1) AS i";
    database.write(move |session| session.execute(fill, params![1000])).await.unwrap();
    let read = |session: &Session<'_>| {
        let mut seen = Vec::new();
        session.query("SELECT n, text FROM notes WHERE n <= ?1 ORDER BY n", params![777], |row| {
            let again = session
                .first("SELECT text FROM notes WHERE n = ?1", params![row.int(0)?], |row| row.owned(0));
            assert_eq!(again?.as_deref(), Some(row.text(1)?));
            seen.push(row.int(0)?);
            Ok::<_, DatabaseError>(())
        })?;
        Ok::<_, DatabaseError>(seen)
    };
    assert_eq!(database.read(read).await.unwrap(), (1..=777).collect::<Vec<_>>());
}

#[tokio::test]
async fn values_come_back_as_they_went_and_nul_is_refused_by_both_engines() {
    let folder = tempfile::TempDir::new().unwrap();
    let table = [Migration { up: "CREATE TABLE t (n INTEGER, s TEXT, b BLOB);", down: "DROP TABLE t;" }];
    for database in [connect(&new_database()).await, Database::open(folder.path().join("db")).await.unwrap()]
    {
        database.migrate("t", &table).await.unwrap();
        let roundtrip = |session: &Session<'_>| {
            let insert = "INSERT INTO t (n, s, b) VALUES (?1, ?2, ?3)";
            session.execute(insert, params![i64::MIN, "a'b\"?1 ü 😀", &[0u8, 255][..]])?;
            session.execute(insert, params![None::<i64>, None::<&str>, None::<&[u8]>])?;
            session.execute(insert, params![i64::MAX, "", &[0u8; 0][..]])?;
            session.all("SELECT n, s, b FROM t ORDER BY n IS NULL, n", &[], |row| {
                Ok::<_, DatabaseError>((
                    row.int_or_null(0)?,
                    row.owned_or_null(1)?,
                    row.bytes_or_null(2)?.map(<[u8]>::to_vec),
                ))
            })
        };
        let rows = database.write(roundtrip).await.unwrap();
        let first = (Some(i64::MIN), Some("a'b\"?1 ü 😀".to_owned()), Some(vec![0, 255]));
        assert_eq!(
            rows,
            [first, (Some(i64::MAX), Some(String::new()), Some(Vec::new())), (None, None, None)]
        );
        let nul = |session: &Session<'_>| session.execute("INSERT INTO t (s) VALUES (?1)", params!["a\0b"]);
        let error = database.write(nul).await.unwrap_err();
        assert!(matches!(error, DatabaseError::Nul), "{error:?}");
    }
}

#[tokio::test]
async fn texts_are_ordered_by_code_points() {
    let (_, database) = notes().await;
    let texts = ["Z", "a", "z", "Ä", "ä", "\u{ffff}", "😀"];
    let write = move |session: &Session<'_>| {
        for text in texts.iter().rev() {
            insert_note(session, text)?;
        }
        session.all("SELECT text FROM notes ORDER BY text", &[], |row| row.owned(0))
    };
    assert_eq!(database.write(write).await.unwrap(), texts);
}

#[tokio::test]
async fn migrations_go_up_and_down_and_leave_nothing_when_they_fail() {
    let (url, database) = notes().await;
    assert_eq!(tables(&database).await, 2);
    database.migrate("notes", NOTES).await.unwrap();
    database.migrate_to("notes", NOTES, 1).await.unwrap();
    assert_eq!(tables(&database).await, 1);
    let broken =
        [NOTES[0], Migration { up: "CREATE TABLE more (n INTEGER); SELECT * FROM nowhere;", down: "" }];
    let error = database.migrate("notes", &broken).await.unwrap_err();
    assert!(matches!(error, OpenError::Database { .. }), "{error:?}");
    assert_eq!(tables(&database).await, 1);
    database.migrate("notes", NOTES).await.unwrap();
    let error = connect(&url).await.migrate("notes", &NOTES[..1]).await.unwrap_err();
    assert!(matches!(error, OpenError::FromTheFuture { found: 2, known: 1, .. }), "{error:?}");
    assert!(error.to_string().contains("newer version of this program"), "{error}");
    assert_eq!(tables(&database).await, 2);
    database.migrate_to("notes", NOTES, 0).await.unwrap();
    assert_eq!(tables(&database).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_that_start_at_once_migrate_once() {
    let url = new_database();
    let mut starts = Vec::new();
    for _ in 0..6 {
        let url = url.clone();
        starts.push(tokio::spawn(async move { store(&url).await }));
    }
    for (i, start) in starts.into_iter().enumerate() {
        let store = start.await.unwrap();
        commit(&store, user(&format!("u{i}")), 0).await.unwrap();
    }
    let store = store(&url).await;
    assert_eq!(store.query(&acme(), &query(&["User"], None)).await.unwrap().total, 6);
    SqlStore::drop_tables(store.database()).await.unwrap();
    let count = |session: &Session<'_>| {
        let sql = "SELECT count(*) FROM pg_tables WHERE tablename LIKE 'scim%'";
        Ok(session.first(sql, &[], |row| row.int(0))?.unwrap())
    };
    assert_eq!(store.database().read::<i64, DatabaseError, _>(count).await.unwrap(), 0);
}

/// Reads the feed from its start until it is told to stop and there is nothing more.
fn tail(store: &SqlStore, finished: &Arc<AtomicBool>) -> tokio::task::JoinHandle<Vec<ChangeEntry>> {
    let (store, finished) = (store.clone(), Arc::clone(finished));
    tokio::spawn(async move {
        let (mut cursor, mut seen) = (FeedCursor::START, Vec::new());
        loop {
            let over = finished.load(Ordering::SeqCst);
            let some = store.after(cursor, 11).await.unwrap();
            match some.last() {
                Some(last) => cursor = last.cursor,
                None if over => return seen,
                None => drop(tokio::time::timeout(Duration::from_millis(20), store.wait(cursor)).await),
            }
            seen.extend(some);
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn two_processes_share_a_database_and_all_readers_see_the_same_feed() {
    let url = new_database();
    let stores = [store(&url).await, store(&url).await];
    let finished = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = stores.iter().map(|store| tail(store, &finished)).collect();
    let mut writers = Vec::new();
    for w in 0..8 {
        let store = stores[w % 2].clone();
        writers.push(tokio::spawn(async move {
            let mut acknowledged = Vec::new();
            for i in 0..30 {
                let id = format!("w{w}");
                let attributes = json!({"userName": id, "title": format!("{i}")});
                let write =
                    if i == 0 { insert("User", &id, attributes) } else { replace("User", &id, attributes) };
                // A second resource in the same transaction, which another writer changes too.
                let shared = if i == 0 && w == 0 { user("shared") } else { user(&format!("w{w}i{i}")) };
                let done = store.commit(&acme(), batch(vec![write, shared], i)).await.unwrap();
                acknowledged.push((id, done[0].version));
            }
            acknowledged
        }));
    }
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    finished.store(true, Ordering::SeqCst);
    let mut feeds = Vec::new();
    for reader in readers {
        feeds.push(reader.await.unwrap());
    }
    assert_eq!(feeds[0], feeds[1]);
    assert_eq!(feeds[0].len(), 480);
    let positions: Vec<u64> = feeds[0].iter().map(|entry| entry.cursor.parts().1).collect();
    assert_eq!(positions, (1..=480).collect::<Vec<_>>());
    let of = |w: usize| {
        let mine = feeds[0].iter().filter(|e| e.id == format!("w{w}"));
        mine.map(|e| (e.id.clone(), e.version)).collect::<Vec<_>>()
    };
    assert_eq!((0..8).flat_map(of).collect::<Vec<_>>(), acknowledged);
    // The totals are those of both.
    for store in &stores {
        let page = store.query(&acme(), &query(&["User"], None)).await.unwrap();
        assert_eq!((page.total, page.resources.len()), (248, 248));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn the_order_of_one_resource_holds_whoever_changes_it() {
    let url = new_database();
    let stores = [store(&url).await, store(&url).await];
    commit(&stores[0], user("hot"), 0).await.unwrap();
    let finished = Arc::new(AtomicBool::new(false));
    let reader = tail(&stores[0], &finished);
    let mut writers = Vec::new();
    for w in 0..8 {
        let store = stores[w % 2].clone();
        writers.push(tokio::spawn(async move {
            for i in 0..25 {
                let attributes = json!({"userName": "hot", "title": format!("{w} {i}")});
                // One that takes its number before it waits for the row that all want.
                let own = user(&format!("w{w}i{i}"));
                let writes = vec![own, replace("User", "hot", attributes)];
                store.commit(&acme(), batch(writes, i)).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    finished.store(true, Ordering::SeqCst);
    let seen = reader.await.unwrap();
    let versions: Vec<u64> = seen.iter().filter(|e| e.id == "hot").map(|e| e.version).collect();
    assert_eq!(versions, (1..=201).collect::<Vec<_>>());
    assert_eq!(seen.len(), 401);
    assert_eq!(seen.iter().map(|e| (&e.id, e.version)).collect::<HashSet<_>>().len(), 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_commit_of_another_process_wakes_a_reader_at_once() {
    let url = new_database();
    let (here, there) = (store(&url).await, store(&url).await);
    // Both listen by now.
    tokio::time::sleep(Duration::from_millis(300)).await;
    let mut fastest = Duration::MAX;
    for i in 0..10 {
        let cursor =
            here.after(FeedCursor::START, 100).await.unwrap().last().map_or(FeedCursor::START, |e| e.cursor);
        let waiting = tokio::spawn({
            let here = here.clone();
            async move { here.wait(cursor).await.map(|()| Instant::now()) }
        });
        tokio::time::sleep(Duration::from_millis(20)).await;
        commit(&there, user(&format!("u{i}")), 0).await.unwrap();
        let committed = Instant::now();
        let woken = waiting.await.unwrap().unwrap();
        fastest = fastest.min(woken.saturating_duration_since(committed));
    }
    // Far less than the time after which it would look by itself.
    assert!(fastest < Duration::from_millis(60), "{fastest:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn while_the_server_is_away_the_store_is_unavailable_and_then_it_works() {
    let cluster = Cluster::start(Durability::Full).unwrap();
    let store = store(&cluster.database().unwrap()).await;
    let mut kept = 0;
    for (round, end) in [Cluster::stop, Cluster::kill].into_iter().enumerate() {
        let over = Arc::new(AtomicBool::new(false));
        let mut clients = Vec::new();
        let count: [Arc<AtomicUsize>; 4] = Default::default();
        for (c, count) in count.iter().enumerate() {
            let (store, over, count) = (store.clone(), Arc::clone(&over), Arc::clone(count));
            clients.push(tokio::spawn(async move {
                let (mut acknowledged, mut refused) = (Vec::new(), 0);
                let mut i = 0;
                while !over.load(Ordering::SeqCst) {
                    let id = format!("r{round}c{c}i{i}");
                    i += 1;
                    match commit(&store, user(&id), i).await {
                        Ok(_) => {
                            acknowledged.push(id);
                            count.fetch_add(1, Ordering::SeqCst);
                        }
                        Err(StoreError::Unavailable { retry_after: Some(_), .. }) => refused += 1,
                        Err(error) => panic!("{error:?}"),
                    }
                    match store.get(&acme(), &type_named("User"), "nobody", Include::NONE).await {
                        Ok(found) => assert!(found.is_none()),
                        Err(StoreError::Unavailable { .. }) => refused += 1,
                        Err(error) => panic!("{error:?}"),
                    }
                    tokio::time::sleep(Duration::from_millis(2)).await;
                }
                (acknowledged, refused)
            }));
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
        end(&cluster).unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        cluster.resume().unwrap();
        let back = Instant::now();
        while let Err(error) = commit(&store, user(&format!("back{round}")), 0).await {
            assert!(matches!(error, StoreError::Unavailable { .. }), "{error:?}");
            assert!(back.elapsed() < Duration::from_secs(5), "it does not come back");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        kept += 1;
        // Longer than any connection rests between two attempts.
        tokio::time::sleep(Duration::from_millis(1500)).await;
        while count.iter().any(|count| count.load(Ordering::SeqCst) <= 10) {
            assert!(back.elapsed() < Duration::from_secs(30), "somebody's writes don't come back");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        over.store(true, Ordering::SeqCst);
        for client in clients {
            let (acknowledged, refused) = client.await.unwrap();
            assert!(refused > 0, "{}", acknowledged.len());
            // What was acknowledged is there.
            for id in &acknowledged {
                assert!(get(&store, "User", id).await.is_some(), "{id}");
            }
            kept += acknowledged.len() as u64;
        }
    }
    // State, totals and feed agree; a commit whose answer was lost may be there or not.
    let page = store.query(&acme(), &query(&["User"], Some("userName pr"))).await.unwrap();
    assert_eq!(store.query(&acme(), &query(&["User"], None)).await.unwrap().total, page.total);
    assert!(page.total >= kept);
    assert_eq!(store.after(FeedCursor::START, 100_000).await.unwrap().len() as u64, page.total);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_lock_is_waited_for_no_longer_than_the_timeout() {
    let (url, _) = notes().await;
    let mut options = PostgresOptions::new(&url).unwrap();
    options.lock_timeout = Duration::from_millis(100);
    options.statement_timeout = Duration::from_millis(400);
    for prepare in [true, false] {
        options.prepare = prepare;
        let database = Database::connect(options.clone()).await.unwrap();
        let (locked, wait_for_lock) = tokio::sync::oneshot::channel();
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let holding = tokio::spawn({
            let (database, mut locked) = (database.clone(), Some(locked));
            let hold = move |session: &Session<'_>| {
                session.execute("LOCK TABLE notes", &[])?;
                locked.take().unwrap().send(()).unwrap();
                wait.recv_timeout(Duration::from_secs(20)).unwrap();
                Ok::<_, DatabaseError>(())
            };
            async move { database.write(hold).await }
        });
        wait_for_lock.await.unwrap();
        let error = database.write(|session| insert_note(session, "a")).await.unwrap_err();
        assert!(matches!(error, DatabaseError::Busy(_)), "{error:?}");
        assert!(matches!(StoreError::from(error), StoreError::Unavailable { .. }));
        go.send(()).unwrap();
        holding.await.unwrap().unwrap();
        let sleep = |session: &Session<'_>| session.execute("SELECT pg_sleep(20)", &[]);
        let started = Instant::now();
        let error = database.read(sleep).await.unwrap_err();
        assert!(matches!(error, DatabaseError::Busy(_)), "{error:?}");
        assert!(started.elapsed() < Duration::from_secs(5));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_two_that_lock_each_other_out_both_get_through() {
    let (_, database) = notes().await;
    database
        .write(|session| {
            insert_note(session, "1")?;
            insert_note(session, "2")
        })
        .await
        .unwrap();
    let mut tasks = Vec::new();
    for order in [["1", "2"], ["2", "1"]] {
        let database = database.clone();
        tasks.push(tokio::spawn(async move {
            let update = move |session: &Session<'_>| {
                for text in order {
                    session.first(
                        "SELECT n FROM notes WHERE text = ?1 FOR UPDATE",
                        params![text],
                        |row| row.int(0),
                    )?;
                    std::thread::sleep(Duration::from_millis(100));
                }
                Ok::<_, DatabaseError>(())
            };
            database.write(update).await
        }));
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn inserts_that_wait_share_transactions() {
    let store = store(&new_database()).await;
    let insert = |i: usize| commit(&store, user(&format!("u{i}")), 0);
    let answers = futures_util::future::join_all((0..200).map(insert)).await;
    assert!(answers.iter().all(Result::is_ok));
    let count = |sql: &'static str| {
        store.database().read(move |session| session.first::<_, DatabaseError>(sql, &[], |row| row.int(0)))
    };
    assert_eq!(count("SELECT count(*) FROM scim_resources").await.unwrap(), Some(200));
    let transactions = count("SELECT count(DISTINCT xmin::text) FROM scim_resources").await.unwrap().unwrap();
    assert!(transactions < 100, "{transactions}");
}

#[tokio::test]
async fn a_process_is_seen_until_it_has_ended() {
    let url = new_database();
    let (here, there) = (connect(&url).await, connect(&url).await);
    let presence = there.presence().expect("it is seen as soon as it is connected");
    assert_ne!(here.presence(), Some(presence));
    let is_gone = async || Some(!here.present().await.unwrap()?.contains(&presence));
    assert_eq!(is_gone().await, Some(false));
    there.read(|session| session.first::<_, DatabaseError>("SELECT 1", &[], |row| row.int(0))).await.unwrap();
    // One of its connections breaks: it has others.
    let end =
        "SELECT count(pg_terminate_backend(pid)) FROM pg_locks WHERE locktype = 'advisory' AND objid = ?1
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
        AND pid IN (SELECT pid FROM pg_stat_activity WHERE query LIKE ?2)";
    let end = async |presence: Option<i32>, what: &'static str| {
        let number = presence.map(i64::from);
        let end = move |session: &Session<'_>| {
            session.first::<_, DatabaseError>(end, params![number, what], |row| row.int(0))
        };
        here.write(end).await.unwrap()
    };
    // The connection that listens has asked for its own number last, in one of two questions.
    assert_eq!(end(Some(presence), "%pg_backend_pid()%").await, Some(1));
    for _ in 0..20 {
        assert_eq!(is_gone().await, Some(false));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    drop(there);
    let since = Instant::now();
    while is_gone().await != Some(true) {
        assert!(since.elapsed() < Duration::from_secs(5));
    }
    // Who has just lost a connection does not say of others that they are gone.
    assert_eq!(end(here.presence(), "NOTIFY%").await, Some(1));
    while is_gone().await.is_some() {
        assert!(since.elapsed() < Duration::from_secs(8));
    }
    while is_gone().await != Some(true) {
        assert!(since.elapsed() < Duration::from_secs(20));
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let mut options = PostgresOptions::new(&url).unwrap();
    options.prepare = false;
    let pooled = Database::connect(options).await.unwrap();
    assert_eq!((pooled.presence(), pooled.present().await.unwrap()), (None, None));
}

#[tokio::test]
async fn nothing_of_a_pooled_session_is_kept_in_its_connection() {
    let mut options = PostgresOptions::new(&new_database()).unwrap();
    options.prepare = false;
    let database = Database::connect(options).await.unwrap();
    let store = SqlStore::new(database, Registry::standard()).await.unwrap();
    for i in 0..50 {
        commit(&store, user(&format!("u{i}")), 0).await.unwrap();
    }
    let kept = |session: &Session<'_>| {
        let sql = "SELECT (SELECT count(*) FROM pg_prepared_statements)
                 + (SELECT count(*) FROM pg_locks l JOIN pg_database d ON d.oid = l.database
                    WHERE l.locktype = 'advisory' AND d.datname = current_database())
                 + (SELECT count(*) FROM pg_listening_channels())
                 + (SELECT count(*) FROM pg_settings WHERE source = 'session' AND name LIKE '%timeout')";
        Ok(session.first(sql, &[], |row| row.int(0))?.unwrap())
    };
    // Timeouts are set for the transaction that looks; that is all.
    assert_eq!(store.database().read::<i64, DatabaseError, _>(kept).await.unwrap(), 2);
}

#[tokio::test]
async fn what_is_wrong_with_an_address_is_one_sentence_without_the_password() {
    let cluster = Cluster::shared().unwrap();
    let secret = "hunter2";
    let socket = cluster.url("nowhere").replace("scim@", &format!("scim:{secret}@"));
    cluster
        .sql(
            "postgres",
            "CREATE DATABASE latin ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C' TEMPLATE template0",
        )
        .unwrap();
    let cases = [
        (format!("postgresql://scim:{secret}@127.0.0.1:1/x"), "can't be reached"),
        (format!("postgresql://scim:{secret}@127.0.0.1/x?sslmode=require"), "TLS"),
        (format!("postgresql://scim:{secret}@127.0.0.1/x?sslmode=verify-full"), "sslmode"),
        (format!("postgresql://scim:{secret}@127.0.0.1:port/x"), "can't be used"),
        (format!("postgresql:///x?user=scim&password={secret}"), "host"),
        (socket, "does not exist"),
        (cluster.url("latin"), "LATIN1"),
    ];
    for (url, expected) in cases {
        let error = match PostgresOptions::new(&url) {
            Ok(options) => {
                assert!(!format!("{options:?}").contains(secret));
                Database::connect(options).await.unwrap_err()
            }
            Err(error) => error,
        };
        let text = error.to_string();
        assert!(text.contains(expected), "{url}: {text}");
        assert!(!text.contains('\n') && !text.ends_with('.') && !text.contains(secret), "{text}");
        assert!(!format!("{error:?}").contains(secret), "{error:?}");
    }
}

#[tokio::test]
async fn a_full_disk_of_the_server_is_full() {
    let (_, database) = notes().await;
    let raise = |session: &Session<'_>| {
        session.execute("DO $$ BEGIN RAISE EXCEPTION 'no space' USING ERRCODE = 'disk_full'; END $$", &[])
    };
    let error = database.write(raise).await.unwrap_err();
    assert!(matches!(error, DatabaseError::Full(_)), "{error:?}");
    assert!(matches!(StoreError::from(error), StoreError::Full { .. }));
    database.write(|session| insert_note(session, "a")).await.unwrap();
}

#[tokio::test]
async fn far_pages_do_not_look_at_all_changes_that_nobody_has_read() {
    let mut options = StoreOptions::default();
    (options.thresholds.far, options.thresholds.step) = (10, 100);
    let database = connect(&new_database()).await;
    let store = SqlStore::with_options(database, Registry::standard(), &options).await.unwrap();
    for n in 0..5 {
        let users = (0..500).map(|i| user(&format!("u{:05}", n * 500 + i))).collect();
        store.commit(&acme(), batch(users, 0)).await.unwrap();
    }
    let mut far = query(&["User"], None);
    far.page = PageRequest { start: Start::Offset(1200), count: 3 };
    let page = store.query(&acme(), &far).await.unwrap();
    let ids: Vec<&str> = page.resources.iter().map(|stored| stored.resource.id()).collect();
    assert_eq!((ids, page.total), (vec!["u01200", "u01201", "u01202"], 2500));
    let sql = "SELECT count(*) FROM scim_unsequenced";
    let left = move |session: &Session<'_>| Ok(session.first(sql, &[], |row| row.int(0))?.unwrap());
    assert_eq!(store.database().read::<i64, DatabaseError, _>(left).await.unwrap(), 0);
    // The feed is what it would have been.
    let seen = store.after(FeedCursor::START, 10_000).await.unwrap();
    assert_eq!(seen.len(), 2500);
}

/// A change has its number before the index says whether the id of its resource is free.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_deletion_under_way_comes_before_the_creation_under_the_same_id() {
    for others in [vec![user("other")], vec![group("other", &[])]] {
        let store = store(&new_database()).await;
        commit(&store, user("u"), 1).await.unwrap();
        // So long that the deletion comes in between.
        let pause = store.database().write(|session| {
            let function = "CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql
                AS 'BEGIN PERFORM pg_sleep(0.6); RETURN NEW; END'";
            let trigger = "CREATE TRIGGER pause BEFORE INSERT ON scim_changes FOR EACH ROW
                WHEN (NEW.kind = 'created' AND NEW.id = 'u') EXECUTE FUNCTION pause()";
            session.execute(function, &[])?;
            session.execute(trigger, &[]).map(drop)
        });
        pause.await.unwrap();
        let creating = tokio::spawn({
            let (store, writes) = (store.clone(), [vec![user("u")], others].concat());
            async move { store.commit(&acme(), batch(writes, 2)).await }
        });
        tokio::time::sleep(Duration::from_millis(200)).await;
        commit(&store, delete("User", "u"), 3).await.unwrap();
        let created = creating.await.unwrap();
        let entries = store.after(FeedCursor::START, 100).await.unwrap();
        let of_u: Vec<&str> = entries.iter().filter(|e| e.id == "u").map(|e| e.kind.as_str()).collect();
        match created {
            Ok(_) => assert_eq!(of_u, ["created", "deleted", "created"]),
            Err(StoreError::Conflict { .. }) => assert_eq!(of_u, ["created", "deleted"]),
            Err(error) => panic!("{error:?}"),
        }
        assert_eq!(get(&store, "User", "u").await.is_some(), of_u.len() == 3);
    }
}
