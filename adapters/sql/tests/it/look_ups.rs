//! Look-ups: brief work that the asking thread does itself.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread::{self, ThreadId};
use std::time::Duration;

use scim_sql::{Database, DatabaseError, Migration, Options, PostgresOptions, Session, params};
use tempfile::TempDir;

const PAIRS: &[Migration] = &[Migration {
    up: "CREATE TABLE pairs (n INTEGER PRIMARY KEY, value INTEGER NOT NULL);
         INSERT INTO pairs (n, value) VALUES (1, 0), (2, 0);",
    down: "DROP TABLE pairs;",
}];

async fn pairs(options: impl Into<Options>) -> Database {
    let database = Database::open(options).await.unwrap();
    database.migrate("pairs", PAIRS).await.unwrap();
    database
}

fn value(session: &Session<'_>, n: i64) -> Result<i64, DatabaseError> {
    let sql = "SELECT value FROM pairs WHERE n = ?1";
    Ok(session.first(sql, params![n], |row| row.int(0))?.unwrap())
}

/// Takes some millions of steps.
fn count_to_a_million(session: &Session<'_>) -> Result<i64, DatabaseError> {
    let sql = "WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < 1000000)
               SELECT count(*) FROM c";
    Ok(session.first(sql, &[], |row| row.int(0))?.unwrap())
}

/// The threads on which a piece of work was done.
type Threads = Arc<Mutex<Vec<ThreadId>>>;

/// Work that notes where it is done.
fn noted<T>(
    work: impl Fn(&Session<'_>) -> Result<T, DatabaseError> + Send + 'static,
) -> (Threads, impl FnMut(&Session<'_>) -> Result<T, DatabaseError> + Send + 'static) {
    let threads = Threads::default();
    let noted = Arc::clone(&threads);
    let work = move |session: &Session<'_>| {
        noted.lock().unwrap().push(thread::current().id());
        work(session)
    };
    (threads, work)
}

#[tokio::test]
async fn what_is_brief_is_done_by_the_thread_that_asks() {
    let folder = TempDir::new().unwrap();
    let database = pairs(folder.path().join("db")).await;
    for _ in 0..2000 {
        let (threads, work) = noted(|session| value(session, 1));
        assert_eq!(database.look_up(work).await.unwrap(), 0);
        assert_eq!(*threads.lock().unwrap(), [thread::current().id()]);
    }
}

#[tokio::test]
async fn what_takes_long_is_done_again_by_another_thread() {
    let folder = TempDir::new().unwrap();
    let database = pairs(folder.path().join("db")).await;
    let (threads, work) = noted(count_to_a_million);
    assert_eq!(database.look_up(work).await.unwrap(), 1_000_000);
    let threads = threads.lock().unwrap().clone();
    assert_eq!((threads.len(), threads[0]), (2, thread::current().id()));
    assert_ne!(threads[1], thread::current().id());
    // The budget is that of one piece of work, not of the connection.
    assert_eq!(database.look_up(|session| value(session, 2)).await.unwrap(), 0);
    assert_eq!(database.read(count_to_a_million).await.unwrap(), 1_000_000);
}

#[tokio::test]
async fn many_statements_have_one_budget() {
    let folder = TempDir::new().unwrap();
    let database = pairs(folder.path().join("db")).await;
    let (threads, work) =
        noted(|session| (0..10_000).try_fold(0, |sum, _| Ok::<_, DatabaseError>(sum + value(session, 1)?)));
    assert_eq!(database.look_up(work).await.unwrap(), 0);
    assert_eq!(threads.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn an_answer_of_work_that_was_interrupted_is_not_believed() {
    let folder = TempDir::new().unwrap();
    let database = pairs(folder.path().join("db")).await;
    let hides_errors =
        |session: &Session<'_>| Ok::<_, DatabaseError>(count_to_a_million(session).unwrap_or(-1));
    assert_eq!(database.look_up(hides_errors).await.unwrap(), 1_000_000);
}

#[tokio::test]
async fn what_fails_at_once_is_tried_where_there_is_time() {
    let folder = TempDir::new().unwrap();
    let database = pairs(folder.path().join("db")).await;
    let calls = AtomicUsize::new(0);
    let answer = database.look_up(move |session| match calls.fetch_add(1, Ordering::Relaxed) {
        0 => Err(DatabaseError::Nul),
        _ => value(session, 1),
    });
    assert_eq!(answer.await.unwrap(), 0);
    let wrong = |session: &Session<'_>| session.execute("SELECT * FROM nowhere", &[]);
    let answer = database.look_up::<_, DatabaseError, _>(wrong).await;
    assert!(matches!(answer, Err(DatabaseError::Statement(_))), "{answer:?}");
}

#[tokio::test]
async fn a_panic_is_an_error_and_is_not_repeated() {
    let folder = TempDir::new().unwrap();
    let database = pairs(folder.path().join("db")).await;
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let answer = database
        .look_up::<(), DatabaseError, _>(move |session| {
            counted.fetch_add(1, Ordering::Relaxed);
            value(session, 1)?;
            panic!("as a test")
        })
        .await;
    assert!(matches!(answer, Err(DatabaseError::Aborted)), "{answer:?}");
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    assert_eq!(database.look_up(|session| value(session, 1)).await.unwrap(), 0);
}

#[tokio::test]
async fn nobody_writes_in_a_look_up() {
    let folder = TempDir::new().unwrap();
    let database = pairs(folder.path().join("db")).await;
    let write = |session: &Session<'_>| session.execute("UPDATE pairs SET value = 1", &[]);
    assert!(database.look_up::<_, DatabaseError, _>(write).await.is_err());
    assert_eq!(database.look_up(|session| value(session, 1)).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn it_waits_for_a_connection_where_all_are_in_use() {
    let folder = TempDir::new().unwrap();
    let mut options = Options::new(folder.path().join("db"));
    options.readers = 1;
    let database = pairs(options).await;
    let (begun, began) = mpsc::channel::<()>();
    let (go, wait) = mpsc::channel::<()>();
    let reading = tokio::spawn({
        let database = database.clone();
        async move {
            let work = move |session: &Session<'_>| {
                begun.send(()).unwrap();
                wait.recv_timeout(Duration::from_secs(20)).unwrap();
                value(session, 1)
            };
            database.read(work).await
        }
    });
    tokio::task::spawn_blocking(move || began.recv_timeout(Duration::from_secs(20)).unwrap()).await.unwrap();
    let looking = tokio::spawn({
        let database = database.clone();
        async move { database.look_up(|session| value(session, 2)).await }
    });
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(!looking.is_finished());
    go.send(()).unwrap();
    assert_eq!(reading.await.unwrap().unwrap(), 0);
    assert_eq!(looking.await.unwrap().unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn each_look_up_sees_one_state_while_others_write() {
    let folder = TempDir::new().unwrap();
    let database = pairs(folder.path().join("db")).await;
    let mut lookers = Vec::new();
    for _ in 0..4 {
        let database = database.clone();
        lookers.push(tokio::spawn(async move {
            let mut last = 0;
            while last < 200 {
                let both =
                    |session: &Session<'_>| Ok::<_, DatabaseError>((value(session, 1)?, value(session, 2)?));
                let (one, two) = database.look_up(both).await.unwrap();
                assert!(one == two && one >= last, "{one} {two} after {last}");
                last = one;
                tokio::task::yield_now().await;
            }
        }));
    }
    for _ in 0..200 {
        let one_more = |session: &Session<'_>| session.execute("UPDATE pairs SET value = value + 1", &[]);
        database.write::<_, DatabaseError, _>(one_more).await.unwrap();
    }
    for looker in lookers {
        looker.await.unwrap();
    }
}

#[tokio::test]
async fn commits_are_counted_before_they_are_answered() {
    let folder = TempDir::new().unwrap();
    let database = pairs(folder.path().join("db")).await;
    let before = database.commit_count().unwrap();
    let one_more = |session: &Session<'_>| session.execute("UPDATE pairs SET value = value + 1", &[]);
    database.write::<_, DatabaseError, _>(one_more).await.unwrap();
    assert!(database.commit_count().unwrap() > before);
    let looking = Database::look(folder.path().join("db")).await.unwrap();
    assert_eq!(looking.commit_count(), None);
    assert_eq!(looking.look_up(|session| value(session, 1)).await.unwrap(), 1);
}

#[tokio::test]
async fn on_postgresql_it_is_a_read() {
    let url = scim_test_postgres::Cluster::shared().unwrap().database().unwrap();
    let server = Database::connect(PostgresOptions::new(&url).unwrap()).await.unwrap();
    server.migrate("pairs", PAIRS).await.unwrap();
    assert_eq!(server.look_up(|session| value(session, 1)).await.unwrap(), 0);
    assert_eq!(server.commit_count(), None);
}
