//! Delivery: attempts as they fall due, and what became of them.

mod queue;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use scim_schema::DateTime;
use scim_webhook::Outcome;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};

use self::queue::{Due, Finished, Limits};
use crate::clock::Clock;
use crate::directories::Directories;
use crate::error::DirectoryError;
use crate::transport::{Attempt, Transport};

/// How long to wait after an error of the database.
const PAUSE: Duration = Duration::from_secs(1);
/// How long to wait at most before looking for what is due.
const IDLE: Duration = Duration::from_secs(30);

/// Delivers events to webhook endpoints.
///
/// What is due, and what became of it, is in the database: an attempt that was under way when the process
/// died is made again, with the same event id. Of each user or group, an endpoint gets first attempts in the
/// order of events, and `user_deleted` goes before all that waits. One dispatcher serves a database.
#[derive(Debug)]
pub struct Dispatcher {
    directories: Directories,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    config: DispatcherConfig,
    flights: JoinSet<(i64, Outcome, DateTime)>,
    /// What is under way or not recorded yet, by delivery: its endpoint.
    taken: HashMap<i64, i64>,
    /// What is not recorded yet.
    finished: Vec<Finished>,
    /// How many attempts have come to an end.
    landed: usize,
}

/// How many attempts are made at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_structs, reason = "made to be written with struct update syntax")]
pub struct DispatcherConfig {
    /// In all. Default: 256.
    pub concurrency: usize,
    /// To one endpoint. Default: 4.
    pub per_endpoint: usize,
}

impl Default for DispatcherConfig {
    fn default() -> Self {
        Self { concurrency: 256, per_endpoint: 4 }
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
            taken: HashMap::new(),
            finished: Vec::new(),
            landed: 0,
        }
    }

    /// Delivers until `shutdown` is true; then ends the attempts under way and records them. Errors of the
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
        if let Err(error) = self.record().await {
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
        self.record().await?;
        let limits = Limits {
            free: self.config.concurrency.saturating_sub(self.taken.len()),
            per_endpoint: self.config.per_endpoint,
        };
        let now = self.clock.now();
        let (directories, taken) = (self.directories.clone(), self.taken.clone());
        let read =
            move |db: &scim_sql::rusqlite::Connection| queue::due(db, &directories, &taken, limits, now);
        let (due, next) = self.directories.database().read_sqlite(read).await?;
        for due in due {
            self.start(due, now);
        }
        Ok(next.map(|at| Duration::from_micros(at.unix_micros().abs_diff(now.unix_micros()))))
    }

    fn start(&mut self, due: Due, now: DateTime) {
        self.taken.insert(due.position, due.endpoint);
        let attempt = Attempt {
            url: due.url,
            event_id: due.event_id,
            secrets: due.secrets,
            body: due.body.into(),
            time: now,
            number: due.attempts + 1,
        };
        let (transport, clock) = (Arc::clone(&self.transport), Arc::clone(&self.clock));
        self.flights.spawn(async move {
            let outcome = transport.attempt(&attempt).await;
            match outcome {
                Outcome::Delivered { status } => {
                    tracing::debug!(event = %attempt.event_id, attempt = attempt.number, status, "delivered");
                }
                Outcome::Failed { status, reason, .. } => {
                    let reason = reason.as_str();
                    tracing::warn!(event = %attempt.event_id, attempt = attempt.number, status, reason, "not delivered");
                }
            }
            (due.position, outcome, clock.now())
        });
    }

    fn land(&mut self, landed: Result<(i64, Outcome, DateTime), JoinError>) {
        self.landed += 1;
        match landed {
            Ok((position, outcome, time)) => self.finished.push(Finished { position, outcome, time }),
            // The delivery stays taken, so that it is not tried over and over, until the next start.
            Err(error) => tracing::error!(%error, "an attempt was aborted"),
        }
    }

    async fn record(&mut self) -> Result<(), DirectoryError> {
        if self.finished.is_empty() {
            return Ok(());
        }
        let finished = self.finished.clone();
        self.directories.database().write_sqlite(move |tx| queue::record(tx, &finished)).await?;
        for finished in self.finished.drain(..) {
            self.taken.remove(&finished.position);
        }
        Ok(())
    }
}
