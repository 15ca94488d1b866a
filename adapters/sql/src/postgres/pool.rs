//! Threads that take work from one queue.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio::sync::{Mutex, mpsc, oneshot};

use super::connection::{Connection, runtime};
use super::options::PostgresOptions;
use super::transaction::{PostgresTransaction, State};
use super::{Manner, SHARDS, fault};
use crate::error::DatabaseError;
use crate::session::Session;

/// How many pieces of work may wait; more wait to be let in.
const QUEUE: usize = 1024;
/// How often work is done again that another transaction was in the way of.
const CONFLICTS: u32 = 5;
/// How often work is done again that a connection was lost under, before its commit.
const LOSSES: u32 = 1;
/// The pause after a connection could not be made; it doubles…
const PAUSE: Duration = Duration::from_millis(50);
/// …up to this.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// What the work of a pool is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Read,
    Write,
}

impl Kind {
    fn begin(self) -> &'static str {
        match self {
            Self::Read => "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY",
            Self::Write => "BEGIN ISOLATION LEVEL READ COMMITTED",
        }
    }
}

/// The way to the threads.
pub(super) struct Pool {
    queue: Option<mpsc::Sender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

struct Job {
    manner: Manner,
    work: Box<dyn Work>,
}

/// A piece of work, with the way to answer.
trait Work: Send {
    /// Does it. Says whether what it wrote stays.
    fn run(&mut self, session: &Session<'_>) -> bool;
    /// Answers with what the last run said, unless its transaction came to nothing.
    fn answer(self: Box<Self>, transaction: Result<(), DatabaseError>);
}

struct Task<T, E, F> {
    work: F,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Work for Task<T, E, F>
where
    F: FnMut(&Session<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<DatabaseError> + Send,
{
    fn run(&mut self, session: &Session<'_>) -> bool {
        let done = catch_unwind(AssertUnwindSafe(|| (self.work)(session)));
        let result = done.unwrap_or_else(|_| Err(DatabaseError::Aborted.into()));
        self.result.insert(result).is_ok()
    }

    fn answer(self: Box<Self>, transaction: Result<(), DatabaseError>) {
        let answer = match (transaction, self.result) {
            (Ok(()), Some(result)) => result,
            (Ok(()), None) => Err(DatabaseError::Aborted.into()),
            (Err(error), _) => Err(error.into()),
        };
        let _ = self.reply.send(answer);
    }
}

impl Pool {
    pub(super) fn start(
        options: &Arc<PostgresOptions>,
        kind: Kind,
        workers: usize,
        first_shard: u64,
    ) -> std::io::Result<Self> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let waiting = Arc::new(Mutex::new(waiting));
        let mut threads = Vec::new();
        for number in 0..workers.max(1) as u64 {
            let shard = i64::try_from(first_shard.wrapping_add(number) % SHARDS).unwrap_or_default();
            let worker = Worker {
                runtime: runtime()?,
                options: Arc::clone(options),
                kind,
                shard,
                connection: None,
                pause: PAUSE,
                not_before: None,
            };
            let waiting = Arc::clone(&waiting);
            let name = match kind {
                Kind::Read => "postgres-reader",
                Kind::Write => "postgres-writer",
            };
            threads
                .push(thread::Builder::new().name(name.to_owned()).spawn(move || worker.work_off(&waiting))?);
        }
        Ok(Self { queue: Some(queue), threads })
    }

    pub(super) async fn run<T, E, F>(&self, manner: Manner, work: F) -> Result<T, E>
    where
        F: FnMut(&Session<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Job { manner, work: Box::new(Task { work, result: None, reply }) };
        let queue = self.queue.as_ref().ok_or(DatabaseError::Stopped)?;
        queue.send(job).await.map_err(|_| DatabaseError::Stopped)?;
        answer.await.map_err(|_| DatabaseError::Aborted)?
    }
}

/// Waits until all that was let in is done.
impl Drop for Pool {
    fn drop(&mut self) {
        self.queue = None;
        for thread in self.threads.drain(..) {
            // A piece of work may hold the last handle; then this is one of the threads itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

struct Worker {
    runtime: Runtime,
    options: Arc<PostgresOptions>,
    kind: Kind,
    shard: i64,
    connection: Option<Connection>,
    pause: Duration,
    /// Until when no connection is tried.
    not_before: Option<Instant>,
}

/// How a transaction ended.
enum End {
    Committed,
    /// As the work wanted.
    RolledBack,
    /// The work may be done again.
    Conflict(DatabaseError),
    /// The connection was lost, and nothing was written.
    Lost(DatabaseError),
    Failed(DatabaseError),
}

impl Worker {
    fn work_off(mut self, waiting: &Mutex<mpsc::Receiver<Job>>) {
        // The connection is looked after while there is nothing to do.
        while let Some(job) = self.runtime.block_on(async { waiting.lock().await.recv().await }) {
            let Job { manner, mut work } = job;
            let done = self.perform(manner, &mut *work);
            if let Err(error) = &done {
                tracing::warn!(%error, cause = ?std::error::Error::source(error), "work on the database failed");
            }
            work.answer(done);
        }
        self.hang_up();
    }

    fn perform(&mut self, manner: Manner, work: &mut dyn Work) -> Result<(), DatabaseError> {
        let (mut conflicts, mut losses) = (0, 0);
        loop {
            match self.attempt(manner, work)? {
                End::Committed | End::RolledBack => return Ok(()),
                End::Conflict(error) if conflicts >= CONFLICTS => return Err(error),
                End::Conflict(_) => {
                    conflicts += 1;
                    thread::sleep(jitter(conflicts));
                }
                End::Lost(error) => {
                    self.connection = None;
                    if losses >= LOSSES {
                        return Err(error);
                    }
                    losses += 1;
                }
                End::Failed(error) => return Err(error),
            }
        }
    }

    fn attempt(&mut self, manner: Manner, work: &mut dyn Work) -> Result<End, DatabaseError> {
        self.connect()?;
        let Some(connection) = &self.connection else { return Err(DatabaseError::Stopped) };
        let options = &self.options;
        let timeout = (!manner.patient).then_some(options.statement_timeout);
        let begin = match (manner.patient, options.prepare) {
            (false, true) => self.kind.begin().to_owned(),
            (patient, _) => {
                let (statement, lock) = if patient {
                    (0, 0)
                } else {
                    (options.statement_timeout.as_millis(), options.lock_timeout.as_millis())
                };
                format!(
                    "{}; SET LOCAL statement_timeout = {statement}; SET LOCAL lock_timeout = {lock}",
                    self.kind.begin()
                )
            }
        };
        let transaction =
            PostgresTransaction::new(&self.runtime, connection, self.kind, &begin, timeout, self.shard);
        let keep = work.run(&Session::postgres(&transaction));
        let State { begun, failed, conflict, lost, .. } = transaction.into_state();
        match failed {
            Some(error) if lost => Ok(End::Lost(error)),
            Some(error) => {
                self.end("ROLLBACK");
                if conflict {
                    return Ok(End::Conflict(error));
                }
                // What the work makes of the error is the answer, unless it overlooked it.
                Ok(if keep { End::Failed(error) } else { End::RolledBack })
            }
            None if !begun => Ok(End::Committed),
            None if !keep => {
                self.end("ROLLBACK");
                Ok(End::RolledBack)
            }
            None if self.kind == Kind::Read => {
                self.end("COMMIT");
                Ok(End::Committed)
            }
            None => Ok(self.commit(timeout)),
        }
    }

    fn commit(&mut self, timeout: Option<Duration>) -> End {
        let Some(connection) = &self.connection else { return End::Failed(DatabaseError::Stopped) };
        let commit = connection.client().batch_execute("COMMIT");
        let answer = self.runtime.block_on(async {
            match timeout {
                Some(limit) => tokio::time::timeout(limit, commit).await.ok(),
                None => Some(commit.await),
            }
        });
        let error = match answer {
            Some(Ok(())) => return End::Committed,
            Some(Err(error)) => error,
            None => {
                self.connection = None;
                return End::Failed(DatabaseError::silent());
            }
        };
        if fault::is_conflict(&error) {
            return End::Conflict(error.into());
        }
        let error = DatabaseError::from(error);
        if matches!(error, DatabaseError::Lost(_)) {
            // Nobody knows whether it was committed: it must not be done again.
            self.connection = None;
        }
        End::Failed(error)
    }

    /// Ends a transaction of which nothing stays, without waiting for the answer.
    fn end(&self, sql: &'static str) {
        let Some(connection) = &self.connection else { return };
        let client = Arc::clone(connection.client());
        let mut ending: Pin<Box<_>> = Box::pin(async move { client.batch_execute(sql).await.is_ok() });
        // Sent now, in front of what comes next.
        let ended = self
            .runtime
            .block_on(std::future::poll_fn(|context| Poll::Ready(ending.as_mut().poll(context).is_ready())));
        if !ended {
            self.runtime.spawn(ending);
        }
    }

    /// Makes sure that there is a connection.
    fn connect(&mut self) -> Result<(), DatabaseError> {
        if self.connection.as_ref().is_some_and(|connection| !connection.is_closed()) {
            return Ok(());
        }
        self.connection = None;
        if self.not_before.is_some_and(|instant| Instant::now() < instant) {
            return Err(DatabaseError::unreachable("the last attempt failed a moment ago"));
        }
        match Connection::open(&self.runtime, &self.options) {
            Ok(connection) => {
                (self.connection, self.pause, self.not_before) = (Some(connection), PAUSE, None);
                Ok(())
            }
            Err(error) => {
                self.not_before = Some(Instant::now() + self.pause);
                self.pause = (2 * self.pause).min(LONGEST_PAUSE);
                // Whatever the server says: there is no connection.
                Err(DatabaseError::Lost(Arc::new(error)))
            }
        }
    }

    /// Says goodbye, so that the server does not see the connection break.
    fn hang_up(mut self) {
        if let Some(connection) = self.connection.take() {
            drop(connection);
            self.runtime.block_on(async {
                for _ in 0..3 {
                    tokio::task::yield_now().await;
                }
            });
        }
    }
}

/// A pause that is another each time, so that two who are in each other's way come apart.
fn jitter(attempt: u32) -> Duration {
    use std::hash::{BuildHasher as _, RandomState};
    let micros = RandomState::new().hash_one(attempt) % (2_000 << attempt);
    Duration::from_micros(micros)
}
