//! Work that waits for a thread, and threads that wait for work.
//!
//! Work goes to the thread that was the last to become idle: its connection, and the process of the server behind
//! that, have in their caches what they need. And only that thread wakes up.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::{Semaphore, oneshot};

pub(super) struct Queue<J> {
    /// How many pieces of work may still come in.
    room: Semaphore,
    state: Mutex<State<J>>,
}

struct State<J> {
    waiting: VecDeque<J>,
    /// If something waits, nobody is idle.
    idle: Vec<oneshot::Sender<J>>,
    closed: bool,
}

impl<J> Queue<J> {
    /// So many pieces of work may wait.
    pub(super) fn new(room: usize) -> Self {
        let state = State { waiting: VecDeque::new(), idle: Vec::new(), closed: false };
        Self { room: Semaphore::new(room), state: Mutex::new(state) }
    }

    /// Lets work in, as soon as there is room.
    pub(super) async fn send(&self, job: J) {
        // Its room is never closed.
        if let Ok(place) = self.room.acquire().await {
            place.forget();
        }
        self.put(job);
    }

    /// Lets work in, or gives it back where there is no room.
    pub(super) fn try_send(&self, job: J) -> Result<(), J> {
        let Ok(place) = self.room.try_acquire() else { return Err(job) };
        place.forget();
        self.put(job);
        Ok(())
    }

    fn put(&self, mut job: J) {
        let mut state = self.lock();
        while let Some(idle) = state.idle.pop() {
            match idle.send(job) {
                Ok(()) => return self.room.add_permits(1),
                Err(back) => job = back,
            }
        }
        state.waiting.push_back(job);
    }

    /// Whether something waits.
    pub(super) fn is_waiting(&self) -> bool {
        !self.lock().waiting.is_empty()
    }

    /// The next piece of work. `None` when there is none and no more will come.
    pub(super) async fn next(&self) -> Option<J> {
        let mailbox = {
            let mut state = self.lock();
            if let Some(job) = state.waiting.pop_front() {
                self.room.add_permits(1);
                return Some(job);
            }
            if state.closed {
                return None;
            }
            let (idle, mailbox) = oneshot::channel();
            state.idle.push(idle);
            mailbox
        };
        // Who is idle when the queue is closed has nothing left to do.
        mailbox.await.ok()
    }

    /// No more work will come, but from who works off the rest.
    pub(super) fn close(&self) {
        let mut state = self.lock();
        state.closed = true;
        state.idle.clear();
    }

    fn lock(&self) -> MutexGuard<'_, State<J>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[tokio::test]
    async fn work_goes_to_the_last_idle_and_waits_in_its_order() {
        let queue = Arc::new(Queue::new(3));
        let wait = |queue: &Arc<Queue<u32>>| {
            let queue = Arc::clone(queue);
            tokio::spawn(async move { queue.next().await })
        };
        let first = wait(&queue);
        tokio::task::yield_now().await;
        let last = wait(&queue);
        tokio::task::yield_now().await;
        assert_eq!(queue.try_send(1), Ok(()));
        assert_eq!(last.await.unwrap(), Some(1));
        assert!(!queue.is_waiting());
        assert_eq!(queue.try_send(2), Ok(()));
        assert_eq!(first.await.unwrap(), Some(2));
        for n in 3..6 {
            assert_eq!(queue.try_send(n), Ok(()));
        }
        assert_eq!(queue.try_send(6), Err(6));
        assert!(queue.is_waiting());
        assert_eq!(queue.next().await, Some(3));
        queue.send(6).await;
        queue.close();
        for n in [Some(4), Some(5), Some(6), None] {
            assert_eq!(queue.next().await, n);
        }
    }

    #[tokio::test]
    async fn who_is_idle_goes_when_the_queue_is_closed() {
        let queue = Arc::new(Queue::<u32>::new(1));
        let idle = tokio::spawn({
            let queue = Arc::clone(&queue);
            async move { queue.next().await }
        });
        tokio::task::yield_now().await;
        queue.close();
        assert_eq!(idle.await.unwrap(), None);
    }
}
