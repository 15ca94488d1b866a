//! Delivery: attempts as they fall due, and what became of them.

mod queue;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use scim_schema::DateTime;
use scim_sql::Session;
use scim_webhook::{Acknowledge, Outcome};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use self::queue::{Claimed, Due, Finished, Search};
use crate::clock::Clock;
use crate::directories::Directories;
use crate::error::DirectoryError;
use crate::id::random_text;
use crate::transport::{Attempt, Transport};

/// How long to wait after an error of the database.
const PAUSE: Duration = Duration::from_secs(1);
/// How long to wait at most before looking for what is due: another process may have died.
const IDLE: Duration = Duration::from_secs(5);
/// How long to leave deliveries to others that are at them before looking again.
const CONTENDED: Duration = Duration::from_millis(100);

/// Delivers events to webhook endpoints.
///
/// What is due, and what became of it, is in the database: an attempt that was under way when the process
/// died is made again, with the same event id. Of each user or group, an endpoint gets first attempts in the
/// order of events, and `user_deleted` goes before all that waits.
///
/// Several processes may have a dispatcher each on one PostgreSQL database. An attempt belongs to one of them
/// by a lease; where that one died, another makes the attempt when the lease has ended. Leases are compared
/// with the clock of whoever looks: clocks that differ by more than the lease is longer than an attempt make
/// deliveries come twice, which receivers must expect anyway.
#[derive(Debug)]
pub struct Dispatcher {
    directories: Directories,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    config: DispatcherConfig,
    flights: JoinSet<Finished>,
    /// Who this is, to other dispatchers.
    holder: String,
    /// Deliveries that are under way or not recorded yet.
    taken: HashSet<i64>,
    /// What is not recorded yet.
    finished: Vec<Finished>,
    /// How many attempts have come to an end.
    landed: usize,
}

/// How many attempts are made at once, and how long they may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made to be written with struct update syntax")]
pub struct DispatcherConfig {
    /// In all. Default: 256.
    pub concurrency: usize,
    /// To one endpoint, by the dispatchers of all processes. Default: 4.
    pub per_endpoint: usize,
    /// How long an attempt is left to the dispatcher that began it. It must be longer than an attempt can
    /// take. Default: 30 s.
    pub lease: Duration,
}

impl Default for DispatcherConfig {
    fn default() -> Self {
        Self { concurrency: 256, per_endpoint: 4, lease: Duration::from_secs(30) }
    }
}

impl Dispatcher {
    /// A dispatcher for the endpoints of a database.
    pub fn new(
        directories: &Directories,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        config: DispatcherConfig,
    ) -> Self {
        Self {
            directories: directories.clone(),
            transport,
            clock,
            config,
            flights: JoinSet::new(),
            holder: random_text(16),
            taken: HashSet::new(),
            finished: Vec::new(),
            landed: 0,
        }
    }

    /// Delivers until `shutdown` is true; then ends the attempts under way, records them and gives back what
    /// is left. Errors of the
    /// database are logged, and tried again.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        loop {
            let next = match self.advance().await {
                Ok(next) => next,
                Err(error) => {
                    tracing::warn!(%error, "deliveries can't be read or recorded now");
                    Some(PAUSE)
                }
            };
            let directories = self.directories.clone();
            tokio::select! {
                biased;
                _ = shutdown.wait_for(|stop| *stop) => break,
                Some(landed) = self.flights.join_next() => self.land(landed),
                () = directories.new_deliveries().notified() => {}
                () = self.clock.sleep(next.unwrap_or(IDLE).min(IDLE)) => {}
            }
        }
        while let Some(landed) = self.flights.join_next().await {
            self.land(landed);
        }
        let (holder, finished) = (self.holder.clone(), self.finished.clone());
        let last = self.directories.database().write(move |session| {
            queue::record(session, &holder, &finished)?;
            queue::release(session, &holder)
        });
        if let Err(error) = last.await {
            tracing::warn!(%error, "the last deliveries were not recorded; they will be made again");
        }
    }

    /// Delivers until nothing is due or under way. Answers how many attempts were made.
    ///
    /// # Errors
    /// When the database fails. Attempts that could not be recorded are recorded with the next call.
    pub async fn deliver_due(&mut self) -> Result<usize, DirectoryError> {
        let before = self.landed;
        loop {
            self.advance().await?;
            let Some(landed) = self.flights.join_next().await else {
                return Ok(self.landed - before);
            };
            self.land(landed);
        }
    }

    /// Records what has come back, and starts what is due. Answers how long it is until something falls due.
    async fn advance(&mut self) -> Result<Option<Duration>, DirectoryError> {
        while let Some(landed) = self.flights.try_join_next() {
            self.land(landed);
        }
        let now = self.clock.now();
        let mut contended = self.record(now).await?;
        let (database, search) = (self.directories.database().clone(), self.search(now));
        let look = search.clone();
        let found = database.read(move |session| queue::find(session, &look, None)).await?;
        let next = found.next.map(|at| Duration::from_micros(at.unix_micros().abs_diff(now.unix_micros())));
        // Most often nothing is due; then there is nothing to write.
        if !found.is_empty() {
            let directories = self.directories.clone();
            let claim = move |session: &Session<'_>| queue::claim(session, &directories, &search, &found);
            contended |= self.start_all(database.write(claim).await?, now);
        }
        Ok(if contended { next.into_iter().chain([CONTENDED]).min() } else { next })
    }

    /// Records what has come back, and in the same transaction goes on with the endpoints concerned. Answers
    /// whether others were at them.
    async fn record(&mut self, now: DateTime) -> Result<bool, DirectoryError> {
        if self.finished.is_empty() {
            return Ok(false);
        }
        let (directories, finished, search) =
            (self.directories.clone(), self.finished.clone(), self.search(now));
        let endpoints: HashSet<i64> = finished.iter().map(|finished| finished.endpoint).collect();
        let write = self.directories.database().write(move |session| {
            queue::record(session, &search.holder, &finished)?;
            let found = queue::find(session, &search, Some(&endpoints))?;
            queue::claim(session, &directories, &search, &found)
        });
        let claimed = write.await?;
        for finished in self.finished.drain(..) {
            self.taken.remove(&finished.position);
        }
        Ok(self.start_all(claimed, now))
    }

    fn search(&self, now: DateTime) -> Search {
        let mut taken = self.taken.clone();
        for finished in &self.finished {
            taken.remove(&finished.position);
        }
        Search { holder: self.holder.clone(), taken, config: self.config, now }
    }

    fn start_all(&mut self, claimed: Claimed, now: DateTime) -> bool {
        for due in claimed.due {
            self.start(due, now);
        }
        claimed.contended
    }

    fn start(&mut self, due: Due, now: DateTime) {
        self.taken.insert(due.position);
        let attempt = Attempt {
            url: due.url,
            event_id: due.event_id,
            secrets: due.secrets,
            signing_keys: due.signing_keys,
            headers: Vec::new(),
            acknowledge: Acknowledge::default(),
            body: due.body.into(),
            time: now,
            number: due.attempts + 1,
        };
        let (transport, clock) = (Arc::clone(&self.transport), Arc::clone(&self.clock));
        self.flights.spawn(async move {
            let outcome = transport.attempt(&attempt).await.outcome;
            match outcome {
                Outcome::Delivered { status } => {
                    tracing::debug!(event = %attempt.event_id, attempt = attempt.number, status, "delivered");
                }
                Outcome::Failed { status, reason, .. } => {
                    let reason = reason.as_str();
                    tracing::warn!(event = %attempt.event_id, attempt = attempt.number, status, reason, "not delivered");
                }
            }
            Finished { position: due.position, endpoint: due.endpoint, outcome, time: clock.now() }
        });
    }

    fn land(&mut self, landed: Result<Finished, JoinError>) {
        self.landed += 1;
        match landed {
            Ok(finished) => self.finished.push(finished),
            // The delivery stays taken, so that it is not tried over and over, until the next start.
            Err(error) => tracing::error!(%error, "an attempt was aborted"),
        }
    }
}
