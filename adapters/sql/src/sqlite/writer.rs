//! The one connection that writes: a thread has it, and groups what waits into one transaction.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::{mpsc, oneshot, watch};

use crate::error::{DatabaseError, OpenError};
use crate::session::Session;

/// How many pieces of work may wait; more wait to be let in.
const QUEUE: usize = 1024;
/// A transaction takes in no more pieces of work when it has so many…
const GROUP: usize = 256;
/// …or is so old, so that the first one does not wait for long.
const GROUP_TIME: Duration = Duration::from_millis(20);
/// How long a transaction waits at most for those whose writes were in the one before.
const PATIENCE: Duration = Duration::from_millis(2);

/// A piece of work: it says whether what it wrote stays, and how to answer. Where there is no transaction for
/// it, it answers with the reason at once.
type Work = Box<dyn FnOnce(Result<&Transaction<'_>, DatabaseError>) -> Option<Outcome> + Send>;

/// Answers the caller, once it is known whether the transaction is committed.
type Answer = Box<dyn FnOnce(Result<(), DatabaseError>) + Send>;

struct Outcome {
    keep: bool,
    answer: Answer,
}

/// The way to the connection.
pub(super) struct Writer {
    queue: Option<mpsc::Sender<Work>>,
    pen: Arc<Mutex<Pen>>,
    /// Whether who is alone writes on its own thread.
    here: bool,
    commits: watch::Receiver<u64>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// `here`: who is alone writes on its own thread.
    pub(super) fn start(connection: Connection, path: &Path, here: bool) -> Result<Self, OpenError> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let (announce, commits) = watch::channel(0);
        let pen = Pen { connection, expected: Expected::default(), announce, is_broken: false };
        let pen = Arc::new(Mutex::new(pen));
        let shared = Arc::clone(&pen);
        let thread = thread::Builder::new()
            .name("sqlite-writer".into())
            .spawn(move || run(&shared, waiting))
            .map_err(|source| OpenError::Io { path: path.to_owned(), source })?;
        Ok(Self { queue: Some(queue), pen, here, commits, thread: Some(thread) })
    }

    pub(super) async fn write<T, E, F>(&self, work: F) -> Result<T, E>
    where
        F: FnOnce(&Session<'_>) -> Result<T, E> + Send + 'static,
        T: Send + 'static,
        E: From<DatabaseError> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let work: Work = Box::new(move |tx| {
            let result = match tx {
                Ok(tx) => work(&Session::sqlite(tx)),
                Err(refused) => {
                    let _ = reply.send(Err(refused.into()));
                    return None;
                }
            };
            let keep = result.is_ok();
            // An error too may rest on what others of the group wrote; without the commit it is void.
            let answer = move |committed: Result<(), DatabaseError>| {
                let _ = reply.send(committed.map_err(E::from).and(result));
            };
            Some(Outcome { keep, answer: Box::new(answer) })
        });
        let queue = self.queue.as_ref().ok_or(DatabaseError::Stopped)?;
        if let Some(work) = self.write_here(queue, work) {
            queue.send(work).await.map_err(|_| DatabaseError::Stopped)?;
        }
        // The sender is dropped unused when the work panicked, or the thread has ended.
        let unused = |_| if queue.is_closed() { DatabaseError::Stopped } else { DatabaseError::Aborted };
        answer.await.map_err(unused)?
    }

    /// Does a piece of work at once, on this thread, where nobody else writes: then there is nothing to group, and
    /// two changes of threads are spared. Otherwise the work is given back.
    fn write_here(&self, queue: &mpsc::Sender<Work>, work: Work) -> Option<Work> {
        let is_alone = queue.capacity() == queue.max_capacity();
        let may_block =
            || matches!(Handle::try_current(), Ok(h) if h.runtime_flavor() == RuntimeFlavor::MultiThread);
        if !(self.here && is_alone && may_block()) {
            return Some(work);
        }
        match self.pen.try_lock() {
            // Several wrote together a moment ago: they come again.
            Ok(pen) if pen.expected.writes > 1 => Some(work),
            Ok(mut pen) => {
                tokio::task::block_in_place(|| pen.write(work, || None));
                None
            }
            Err(_) => Some(work),
        }
    }

    pub(super) fn commits(&self) -> watch::Receiver<u64> {
        self.commits.clone()
    }

    pub(super) fn commit_count(&self) -> u64 {
        *self.commits.borrow()
    }
}

/// Waits until all that was let in is done.
impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(thread) = self.thread.take() {
            // A piece of work may hold the last handle; then this is the writer thread itself.
            if thread.thread().id() != thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

/// Whom the next transaction waits for.
///
/// Clients that write one thing after the other come back a moment after they were answered. Without
/// a little patience the first of them would have a commit to itself while the others wait for the next,
/// and every commit would serve half of them. A lone client is never waited for.
#[derive(Default)]
struct Expected {
    writes: usize,
    patience: Duration,
}

impl Expected {
    /// What waits, or comes in while there is patience for it.
    fn receive(
        &self,
        next: &mut impl FnMut() -> Option<Work>,
        started: Instant,
        received: usize,
    ) -> Option<Work> {
        loop {
            if let Some(work) = next() {
                return Some(work);
            }
            if received >= self.writes || started.elapsed() >= self.patience {
                return None;
            }
            thread::sleep(Duration::from_micros(50));
        }
    }
}

fn run(pen: &Mutex<Pen>, mut waiting: mpsc::Receiver<Work>) {
    while let Some(first) = waiting.blocking_recv() {
        let mut pen = pen.lock().unwrap_or_else(PoisonError::into_inner);
        pen.write(first, || waiting.try_recv().ok());
        if pen.is_broken {
            return;
        }
    }
}

/// The connection, for whoever writes.
struct Pen {
    connection: Connection,
    expected: Expected,
    announce: watch::Sender<u64>,
    /// What the disk holds is unknown.
    is_broken: bool,
}

impl Pen {
    /// Writes a piece of work, and what comes next while there is patience for it, and answers.
    fn write(&mut self, first: Work, next: impl FnMut() -> Option<Work>) {
        if self.is_broken {
            first(Err(DatabaseError::Stopped));
            return;
        }
        let mut answers = Vec::new();
        let committed = self.group(first, next, &mut answers);
        if let Err(error) = &committed {
            tracing::error!(error = %error, cause = ?std::error::Error::source(error), "writes failed");
        } else {
            self.announce.send_modify(|count| *count += 1);
        }
        for answer in answers {
            answer(committed.clone());
        }
        if committed.as_ref().is_err_and(DatabaseError::is_sync_failure) {
            // No write may be acknowledged on top of it.
            tracing::error!("the disk did not confirm a write: no more writes until a restart");
            self.is_broken = true;
        }
    }

    /// One transaction with the first piece of work and what comes behind it. The answers of all whose work
    /// rests on it are pushed to `answers`.
    fn group(
        &mut self,
        first: Work,
        mut next: impl FnMut() -> Option<Work>,
        answers: &mut Vec<Answer>,
    ) -> Result<(), DatabaseError> {
        let started = Instant::now();
        let tx = match self.connection.transaction_with_behavior(TransactionBehavior::Immediate) {
            Ok(tx) => tx,
            Err(error) => {
                let error = DatabaseError::from(error);
                first(Err(error.clone()));
                return Err(error);
            }
        };
        // The first one needs no savepoint, which would keep a copy of each page that it changes: a great many for
        // a great batch. If it fails, there is nothing else to keep.
        if !perform(&tx, first, answers)? {
            return tx.rollback().map_err(DatabaseError::from);
        }
        while answers.len() < GROUP && started.elapsed() < GROUP_TIME {
            let Some(work) = self.expected.receive(&mut next, started, answers.len()) else { break };
            in_savepoint(&tx, work, answers)?;
        }
        let writes_done = Instant::now();
        let committed = tx.commit().map_err(DatabaseError::from);
        // Waiting pays only where a commit costs much more.
        self.expected = Expected { writes: answers.len(), patience: PATIENCE.min(writes_done.elapsed() / 4) };
        committed
    }
}

/// Runs one piece of work so that only what it wrote is undone if it fails.
fn in_savepoint(tx: &Transaction<'_>, work: Work, answers: &mut Vec<Answer>) -> Result<(), DatabaseError> {
    execute(tx, "SAVEPOINT work")?;
    if !perform(tx, work, answers)? {
        execute(tx, "ROLLBACK TO work")?;
    }
    execute(tx, "RELEASE work")
}

/// Runs one piece of work, and says whether what it wrote shall stay. An error: the transaction is over.
fn perform(tx: &Transaction<'_>, work: Work, answers: &mut Vec<Answer>) -> Result<bool, DatabaseError> {
    let outcome = catch_unwind(AssertUnwindSafe(|| work(Ok(tx)))).ok().flatten();
    if tx.is_autocommit() {
        // A full disk and the like end the whole transaction. The one that met it knows why.
        match outcome {
            Some(Outcome { keep: false, answer }) => answer(Ok(())),
            Some(Outcome { keep: true, answer }) => answers.push(answer),
            None => {}
        }
        return Err(DatabaseError::RolledBack);
    }
    let keep = outcome.as_ref().is_some_and(|outcome| outcome.keep);
    answers.extend(outcome.map(|outcome| outcome.answer));
    Ok(keep)
}

fn execute(tx: &Transaction<'_>, sql: &str) -> Result<(), DatabaseError> {
    tx.prepare_cached(sql)?.execute([])?;
    Ok(())
}
