//! The file: opening, migrations, grouped writes, faults.

use std::fs;
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use scim_sql::{Database, DatabaseError, Migration, OpenError, Options, Session, params};
use tempfile::TempDir;

const NOTES: &[Migration] = &[
    Migration {
        up: "CREATE TABLE notes (n INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);",
        down: "DROP TABLE notes;",
    },
    Migration { up: "CREATE TABLE more (n INTEGER PRIMARY KEY);", down: "DROP TABLE more;" },
];

async fn notes(folder: &TempDir) -> Database {
    notes_written(folder, false).await
}

/// `here`: who is alone writes on its own thread.
async fn notes_written(folder: &TempDir, here: bool) -> Database {
    let mut options = Options::new(folder.path().join("db"));
    options.write_here = here;
    let database = Database::open(options).await.unwrap();
    database.migrate("notes", NOTES).await.unwrap();
    database
}

fn insert(tx: &Session<'_>, text: &str) -> Result<(), DatabaseError> {
    tx.execute("INSERT INTO notes (text) VALUES (?1)", params![text])?;
    Ok(())
}

fn count_in(session: &Session<'_>) -> Result<i64, DatabaseError> {
    Ok(session.first("SELECT count(*) FROM notes", &[], |row| row.int(0))?.unwrap())
}

async fn count(database: &Database) -> i64 {
    database.read(count_in).await.unwrap()
}

async fn tables(database: &Database) -> i64 {
    let sql = "SELECT count(*) FROM sqlite_schema WHERE name IN ('notes', 'more')";
    let count = |c: &Session<'_>| Ok(c.first(sql, &[], |row| row.int(0))?.unwrap());
    database.read::<_, DatabaseError, _>(count).await.unwrap()
}

async fn open_error(options: impl Into<Options>) -> (OpenError, String) {
    let error = Database::open(options).await.unwrap_err();
    let text = error.to_string();
    assert!(!text.contains('\n') && !text.ends_with('.'), "{text}");
    (error, text)
}

#[tokio::test]
async fn what_was_written_is_there_after_reopening() {
    let folder = TempDir::new().unwrap();
    let database = notes(&folder).await;
    database.write(|tx| insert(tx, "a")).await.unwrap();
    assert_eq!(count(&database).await, 1);
    drop(database);
    assert_eq!(count(&notes(&folder).await).await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_failing_write_leaves_the_others_of_its_group() {
    for here in [false, true] {
        let folder = TempDir::new().unwrap();
        let database = notes_written(&folder, here).await;
        let mut tasks = Vec::new();
        for i in 0..300 {
            let database = database.clone();
            tasks.push(tokio::spawn(async move {
                database
                    .write(move |tx| {
                        insert(tx, &format!("first {i}"))?;
                        // Each third breaks the unique index, after it has written something.
                        insert(tx, &if i % 3 == 0 { format!("first {i}") } else { format!("second {i}") })
                    })
                    .await
            }));
        }
        for (i, task) in tasks.into_iter().enumerate() {
            let answer = task.await.unwrap();
            assert_eq!(matches!(answer, Err(DatabaseError::NotUnique(_))), i % 3 == 0, "{answer:?}");
        }
        assert_eq!(count(&database).await, 400);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panicking_write_leaves_nothing_and_the_writer_goes_on() {
    for here in [false, true] {
        let folder = TempDir::new().unwrap();
        let database = notes_written(&folder, here).await;
        let answer = database
            .write::<(), DatabaseError, _>(|tx| {
                insert(tx, "lost")?;
                panic!("as a test")
            })
            .await;
        assert!(matches!(answer, Err(DatabaseError::Aborted)));
        let answer = database.read::<(), DatabaseError, _>(|_| panic!("as a test")).await;
        assert!(matches!(answer, Err(DatabaseError::Aborted)));
        database.write(|tx| insert(tx, "kept")).await.unwrap();
        assert_eq!(count(&database).await, 1);
    }
}

/// Writes, and says on which thread.
async fn writing_thread(database: &Database, text: &'static str) -> thread::ThreadId {
    database.write(move |tx| insert(tx, text).map(|()| thread::current().id())).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_alone_writes_on_its_own_thread_if_it_may() {
    let folder = TempDir::new().unwrap();
    let database = notes_written(&folder, true).await;
    let here = thread::current().id();
    assert_eq!(writing_thread(&database, "alone").await, here);
    // While another writes, the thread that asks is not held up.
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (began, has_begun) = std::sync::mpsc::channel();
    let slow = tokio::spawn({
        let database = database.clone();
        async move {
            let work = move |tx: &Session<'_>| {
                began.send(()).unwrap();
                wait.recv_timeout(Duration::from_secs(20)).unwrap();
                insert(tx, "slow")
            };
            database.write(work).await
        }
    });
    has_begun.recv_timeout(Duration::from_secs(20)).unwrap();
    let mut second = std::pin::pin!(writing_thread(&database, "second"));
    assert!(tokio::time::timeout(Duration::from_millis(100), second.as_mut()).await.is_err());
    go.send(()).unwrap();
    assert_ne!(second.await, here);
    slow.await.unwrap().unwrap();
    assert_eq!(count(&database).await, 3);
}

#[tokio::test]
async fn a_runtime_of_one_thread_is_not_held_up_by_a_write() {
    let folder = TempDir::new().unwrap();
    let database = notes_written(&folder, true).await;
    assert_ne!(writing_thread(&database, "elsewhere").await, thread::current().id());
}

#[tokio::test]
async fn a_reader_sees_one_state_from_start_to_end() {
    let folder = TempDir::new().unwrap();
    let database = notes(&folder).await;
    let (go, wait) = std::sync::mpsc::channel::<()>();
    let (started, mut wait_for_start) = tokio::sync::mpsc::unbounded_channel();
    let reading = tokio::spawn({
        let database = database.clone();
        async move {
            database
                .read::<_, DatabaseError, _>(move |c| {
                    let before = count_in(c)?;
                    started.send(()).unwrap();
                    wait.recv_timeout(Duration::from_secs(20)).unwrap();
                    Ok((before, count_in(c)?))
                })
                .await
                .unwrap()
        }
    });
    wait_for_start.recv().await.unwrap();
    database.write(|tx| insert(tx, "meanwhile")).await.unwrap();
    go.send(()).unwrap();
    assert_eq!(reading.await.unwrap(), (0, 0));
}

#[tokio::test]
async fn readers_do_not_write() {
    let folder = TempDir::new().unwrap();
    let database = notes(&folder).await;
    let write = |c: &Session<'_>| c.execute("INSERT INTO notes (text) VALUES ('x')", &[]);
    assert!(database.read::<_, DatabaseError, _>(write).await.is_err());
    assert_eq!(count(&database).await, 0);
}

#[tokio::test]
async fn migrations_go_up_and_down_and_count_for_each_namespace() {
    let folder = TempDir::new().unwrap();
    let database = notes(&folder).await;
    assert_eq!(tables(&database).await, 2);
    database.migrate("notes", NOTES).await.unwrap();
    database.migrate_to("notes", NOTES, 1).await.unwrap();
    assert_eq!(tables(&database).await, 1);
    database.migrate_to("notes", NOTES, 0).await.unwrap();
    assert_eq!(tables(&database).await, 0);
    database.migrate("notes", NOTES).await.unwrap();
    assert_eq!(tables(&database).await, 2);
    let other = [Migration { up: "CREATE TABLE other (n INTEGER);", down: "DROP TABLE other;" }];
    database.migrate("other", &other).await.unwrap();
}

#[tokio::test]
async fn a_migration_that_fails_leaves_nothing() {
    let folder = TempDir::new().unwrap();
    let database = Database::open(folder.path().join("db")).await.unwrap();
    let broken = [NOTES[0], Migration { up: "CREATE TABLE more (n); SELECT * FROM nowhere;", down: "" }];
    assert!(matches!(database.migrate("notes", &broken).await, Err(OpenError::Database { .. })));
    assert_eq!(tables(&database).await, 0);
    database.migrate("notes", NOTES).await.unwrap();
    assert_eq!(tables(&database).await, 2);
}

#[tokio::test]
async fn a_missing_folder_is_named() {
    let folder = TempDir::new().unwrap();
    let (error, text) = open_error(folder.path().join("nowhere").join("db")).await;
    assert!(matches!(error, OpenError::MissingFolder { .. }), "{error:?}");
    assert!(text.contains("nowhere"), "{text}");
    let (error, _) = open_error(folder.path()).await;
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
}

#[tokio::test]
async fn a_file_has_one_owner() {
    let folder = TempDir::new().unwrap();
    let database = notes(&folder).await;
    let (error, _) = open_error(folder.path().join("db")).await;
    assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
    drop(database);
    notes(&folder).await;
}

#[tokio::test]
async fn a_file_that_another_program_has_locked_is_refused_after_the_timeout() {
    let folder = TempDir::new().unwrap();
    drop(notes(&folder).await);
    let other = Connection::open(folder.path().join("db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let mut options = Options::new(folder.path().join("db"));
    options.busy_timeout = Duration::from_millis(50);
    let (error, _) = open_error(options).await;
    assert!(matches!(error, OpenError::Locked { .. }), "{error:?}");
    other.execute_batch("ROLLBACK").unwrap();
    notes(&folder).await;
}

#[tokio::test]
async fn a_lock_while_running_is_busy_and_passes() {
    let folder = TempDir::new().unwrap();
    let mut options = Options::new(folder.path().join("db"));
    options.busy_timeout = Duration::from_millis(50);
    let database = Database::open(options).await.unwrap();
    database.migrate("notes", NOTES).await.unwrap();
    let other = Connection::open(folder.path().join("db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = database.write(|tx| insert(tx, "a")).await;
    assert!(matches!(answer, Err(DatabaseError::Busy(_))), "{answer:?}");
    assert_eq!(count(&database).await, 0);
    other.execute_batch("ROLLBACK").unwrap();
    database.write(|tx| insert(tx, "a")).await.unwrap();
}

#[tokio::test]
async fn files_of_another_kind_are_refused_and_left_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("db");
    fs::write(&path, "Dear diary, today I was taken for a database.").unwrap();
    let (error, _) = open_error(path.as_path()).await;
    assert!(matches!(error, OpenError::NotADatabase { .. }), "{error:?}");
    assert_eq!(fs::read(&path).unwrap().len(), 45);

    fs::remove_file(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (n)").unwrap();
    let (error, _) = open_error(path.as_path()).await;
    assert!(matches!(error, OpenError::Foreign { .. }), "{error:?}");
}

#[tokio::test]
async fn a_damaged_file_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("db");
    let database = notes(&folder).await;
    for i in 0..200 {
        database.write(move |tx| insert(tx, &format!("{i} {}", "x".repeat(300)))).await.unwrap();
    }
    drop(database);
    let sound = fs::read(&path).unwrap();

    // A page in the middle is overwritten.
    let mut bytes = sound.clone();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0xa5);
    fs::write(&path, &bytes).unwrap();
    let (error, _) = open_error(path.as_path()).await;
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");

    // The end is cut off.
    fs::write(&path, &sound[..sound.len() / 2]).unwrap();
    let (error, _) = open_error(path.as_path()).await;
    assert!(matches!(error, OpenError::Damaged { .. }), "{error:?}");

    fs::write(&path, &sound).unwrap();
    assert_eq!(count(&notes(&folder).await).await, 200);
}

#[tokio::test]
async fn a_file_from_the_future_is_refused() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("db");
    let database = notes(&folder).await;
    let error = database.migrate("notes", &NOTES[..1]).await.unwrap_err();
    assert!(
        matches!(error, OpenError::FromTheFuture { found: 2, known: 1, ref namespace, .. } if namespace == "notes"),
        "{error:?}"
    );
    assert_eq!(tables(&database).await, 2);
    drop(database);
    Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let (error, _) = open_error(path.as_path()).await;
    assert!(matches!(error, OpenError::FromTheFuture { found: 99, .. }), "{error:?}");
}

#[tokio::test]
async fn a_full_disk_fails_writes_only_and_passes() {
    let folder = TempDir::new().unwrap();
    let mut options = Options::new(folder.path().join("db"));
    options.max_pages = Some(40);
    let database = Database::open(options).await.unwrap();
    database.migrate("notes", NOTES).await.unwrap();
    let mut written = 0;
    let error = loop {
        let text = format!("{written} {}", "x".repeat(1000));
        match database.write(move |tx| insert(tx, &text)).await {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 1000);
    };
    assert!(matches!(error, DatabaseError::Full(_)), "{error:?}");
    assert_eq!(count(&database).await, written);
    // Space comes back.
    let delete = |tx: &Session<'_>| tx.execute("DELETE FROM notes WHERE n % 2 = 0", &[]);
    database.write::<_, DatabaseError, _>(delete).await.unwrap();
    database.write(|tx| insert(tx, "again")).await.unwrap();
}

#[tokio::test]
async fn work_that_was_let_in_is_done_though_nobody_waits() {
    let folder = TempDir::new().unwrap();
    let database = notes(&folder).await;
    for i in 0..20 {
        let write = database.write(move |tx| insert(tx, &format!("{i}")));
        // Long enough to be let in, most often not long enough to be answered.
        let _ = tokio::time::timeout(Duration::from_micros(50), write).await;
    }
    drop(database);
    let database = notes(&folder).await;
    assert!(count(&database).await > 0);
}
