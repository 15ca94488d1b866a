//! New resources that wait at the same time are inserted together: each statement costs the server far more than
//! one row more in it.
//!
//! A lane is a writer that takes what waits, and takes again when that is durable. There are few lanes, so that
//! something waits for each; what comes while none is busy is done at once.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use scim_core::{Committed, StoreError};
use tokio::sync::oneshot;

use super::Manner;
use super::pool::{Awaited as _, Job, QUEUE, Task, Work, Worker};
use super::queue::Queue;
use crate::commit::Request;
use crate::error::DatabaseError;
use crate::session::Session;

/// How many are inserted together at most.
const MOST: usize = 64;
/// So many lanes there are without need…
const LANES: usize = 2;
/// …and one more for each so many that wait.
const MANY: usize = 32;

/// What waits to be inserted.
pub(super) struct Lanes {
    /// How many lanes there may be.
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Waiting>,
    lanes: usize,
}

/// A request, with the way to answer.
struct Waiting {
    request: Request,
    reply: oneshot::Sender<Result<Vec<Committed>, StoreError>>,
}

/// The answer to a request that waits in the lanes.
pub(super) type Answer = oneshot::Receiver<Result<Vec<Committed>, StoreError>>;

impl Lanes {
    /// The lanes of so many writers: others must get through, too.
    pub(super) fn new(writers: usize) -> Arc<Self> {
        Arc::new(Self { most: (writers / 2).max(1), state: Mutex::default() })
    }

    /// Lets a request in, and opens a lane if there should be one more. The request comes back where too much
    /// waits already.
    pub(super) fn enter(
        self: &Arc<Self>,
        request: Request,
        queue: &Queue<Job>,
    ) -> Result<Answer, Box<Request>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.waiting.len() >= QUEUE {
            return Err(Box::new(request));
        }
        if state.lanes < (LANES + state.waiting.len() / MANY).min(self.most) {
            match queue.try_send(Job::Lane(Lane { lanes: Arc::clone(self) })) {
                // It takes nothing before it gets the lock of the state.
                Ok(()) => state.lanes += 1,
                // Another lane takes it.
                Err(_) if state.lanes > 0 => {}
                Err(_) => return Err(Box::new(request)),
            }
        }
        let (reply, answer) = oneshot::channel();
        state.waiting.push_back(Waiting { request, reply });
        Ok(answer)
    }
}

/// The right to insert what waits.
pub(super) struct Lane {
    lanes: Arc<Lanes>,
}

impl Lane {
    /// What waits, as much as may be inserted together. If there is nothing, the lane is closed.
    fn take(&self) -> Vec<Waiting> {
        let mut state = self.lanes.state.lock().unwrap_or_else(PoisonError::into_inner);
        let count = state.waiting.len().min(MOST);
        if count == 0 {
            state.lanes -= 1;
        }
        state.waiting.drain(..count).collect()
    }
}

impl Worker {
    /// Inserts what waits until nothing does. Other work may pass: then the lane goes behind it.
    pub(super) fn drive(&mut self, mut lane: Lane, queue: &Queue<Job>) {
        loop {
            let waiting = lane.take();
            if waiting.is_empty() {
                return;
            }
            self.insert(waiting);
            if queue.is_waiting() {
                match queue.try_send(Job::Lane(lane)) {
                    Err(Job::Lane(back)) => lane = back,
                    Ok(()) | Err(Job::Work { .. }) => return,
                }
            }
        }
    }

    fn insert(&mut self, waiting: Vec<Waiting>) {
        if waiting.len() > 1 {
            let mut group = Group { waiting: &waiting, result: None };
            let transaction = self.perform(Manner::default(), &mut group);
            let result = group.result.unwrap_or(Err(DatabaseError::Aborted));
            match transaction.and(result) {
                Ok(Some(done)) => {
                    for (waiting, done) in waiting.into_iter().zip(done) {
                        let _ = waiting.reply.send(Ok(done));
                    }
                    return;
                }
                Err(error @ (DatabaseError::Lost(_) | DatabaseError::Stopped)) => {
                    for waiting in waiting {
                        let _ = waiting.reply.send(Err(error.clone().into()));
                    }
                    return;
                }
                // One by one they tell which of them it is, and why.
                Ok(None) | Err(_) => {}
            }
        }
        for Waiting { request, reply } in waiting {
            let mut alone = Box::new(Task::new(|session: &Session<'_>| request.run(session), reply));
            let transaction = self.perform(Manner::default(), &mut *alone);
            alone.answer(transaction);
        }
    }
}

/// Requests that are done together, and the answers to them.
struct Group<'w> {
    waiting: &'w [Waiting],
    result: Option<Result<Option<Vec<Vec<Committed>>>, DatabaseError>>,
}

impl Work for Group<'_> {
    fn run(&mut self, session: &Session<'_>) -> bool {
        let requests: Vec<&Request> = self.waiting.iter().map(|waiting| &waiting.request).collect();
        let done = catch_unwind(AssertUnwindSafe(|| Request::run_together(session, &requests)));
        self.result.insert(done.unwrap_or(Err(DatabaseError::Aborted))).is_ok()
    }
}
