//! Threads that take work from one queue.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use scim_core::{Committed, StoreError};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use super::connection::{Connection, runtime};
use super::lanes::{Lane, Lanes};
use super::options::PostgresOptions;
use super::presence::Presence;
use super::queue::Queue;
use super::transaction::{PostgresTransaction, State};
use super::{Manner, SHARDS, fault};
use crate::commit::Request;
use crate::error::DatabaseError;
use crate::session::Session;

/// How many pieces of work may wait; more wait to be let in.
pub(super) const QUEUE: usize = 1024;
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
    queue: Arc<Queue<Job>>,
    /// Where a connection is our own: behind a pooler a statement can't be a transaction of its own.
    lanes: Option<Arc<Lanes>>,
    threads: Vec<JoinHandle<()>>,
}

pub(super) enum Job {
    Work { manner: Manner, work: Box<dyn Awaited> },
    Lane(Lane),
}

/// A piece of work, with the way to answer.
pub(super) trait Work: Send {
    /// Does it. Says whether what it wrote stays.
    fn run(&mut self, session: &Session<'_>) -> bool;
}

/// A piece of work that somebody waits for.
pub(super) trait Awaited: Work {
    /// Answers with what the last run said, unless its transaction came to nothing.
    fn answer(self: Box<Self>, transaction: Result<(), DatabaseError>);
}

pub(super) struct Task<T, E, F> {
    work: F,
    result: Option<Result<T, E>>,
    reply: oneshot::Sender<Result<T, E>>,
}

impl<T, E, F> Task<T, E, F> {
    pub(super) fn new(work: F, reply: oneshot::Sender<Result<T, E>>) -> Self {
        Self { work, result: None, reply }
    }
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
}

impl<T, E, F> Awaited for Task<T, E, F>
where
    F: FnMut(&Session<'_>) -> Result<T, E> + Send,
    T: Send,
    E: From<DatabaseError> + Send,
{
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
        presence: &Arc<Presence>,
        kind: Kind,
        workers: usize,
        first_shard: u64,
    ) -> std::io::Result<Self> {
        let queue = Arc::new(Queue::new(QUEUE));
        let mut threads = Vec::new();
        for number in 0..workers.max(1) as u64 {
            let shard = i64::try_from(first_shard.wrapping_add(number) % SHARDS).unwrap_or_default();
            let worker = Worker {
                runtime: runtime()?,
                options: Arc::clone(options),
                presence: Arc::clone(presence),
                kind,
                shard,
                connection: None,
                pause: PAUSE,
                not_before: None,
            };
            let queue = Arc::clone(&queue);
            let name = match kind {
                Kind::Read => "postgres-reader",
                Kind::Write => "postgres-writer",
            };
            threads
                .push(thread::Builder::new().name(name.to_owned()).spawn(move || worker.work_off(&queue))?);
        }
        let lanes = (kind == Kind::Write && options.prepare).then(|| Lanes::new(workers));
        Ok(Self { queue, lanes, threads })
    }

    pub(super) async fn run<T, E, F>(&self, manner: Manner, work: F) -> Result<T, E>
    where
        F: FnMut(&Session<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Job::Work { manner, work: Box::new(Task::new(work, reply)) };
        self.queue.send(job).await;
        answer.await.map_err(|_| DatabaseError::Aborted)?
    }

    /// Does what a request asks for, together with others that can be joined if they wait at the same time.
    pub(super) async fn commit(&self, request: Request) -> Result<Vec<Committed>, StoreError> {
        let lanes = self.lanes.as_ref().filter(|_| request.can_be_joined());
        let request = match lanes {
            Some(lanes) => match lanes.enter(request, &self.queue) {
                Ok(answer) => return answer.await.map_err(|_| DatabaseError::Aborted)?,
                Err(request) => *request,
            },
            None => request,
        };
        self.run(Manner::default(), move |session: &Session<'_>| request.run(session)).await
    }
}

/// Waits until all that was let in is done.
impl Drop for Pool {
    fn drop(&mut self) {
        self.queue.close();
        for thread in self.threads.drain(..) {
            // A piece of work may hold the last handle; then this is one of the threads itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

pub(super) struct Worker {
    runtime: Runtime,
    options: Arc<PostgresOptions>,
    presence: Arc<Presence>,
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
    fn work_off(mut self, queue: &Arc<Queue<Job>>) {
        // The connection is looked after while there is nothing to do.
        while let Some(job) = self.runtime.block_on(queue.next()) {
            match job {
                Job::Work { manner, mut work } => {
                    let done = self.perform(manner, &mut *work);
                    work.answer(done);
                }
                Job::Lane(lane) => self.drive(lane, queue),
            }
        }
        self.hang_up();
    }

    pub(super) fn perform(&mut self, manner: Manner, work: &mut dyn Work) -> Result<(), DatabaseError> {
        let done = self.persist(manner, work);
        if let Err(error) = &done {
            tracing::warn!(%error, cause = ?std::error::Error::source(error), "work on the database failed");
        }
        done
    }

    /// Does it again where that may help.
    fn persist(&mut self, manner: Manner, work: &mut dyn Work) -> Result<(), DatabaseError> {
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
        let State { begun, failed, conflict, lost, uncertain, .. } = transaction.into_state();
        match failed {
            Some(error) if uncertain => {
                // It must not be done again.
                self.connection = None;
                Ok(End::Failed(error))
            }
            Some(error) if lost => Ok(End::Lost(error)),
            Some(error) => {
                if begun {
                    self.end("ROLLBACK");
                }
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
                if connection.is_own() {
                    self.runtime.block_on(self.presence.show(connection.client()));
                }
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
