//! Programs that read the event log beside the dispatchers, each with a place of its own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use scim_core::BoxError;
use scim_sql::params;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::directories::{Direction, Directories, EventFilter, LogPosition};
use crate::error::DirectoryError;
use crate::event::Event;
use crate::id::random_text;

/// How many events are published at once.
const EVENTS: usize = 256;
/// How long to wait after an error.
const PAUSE: Duration = Duration::from_secs(1);
/// How long a reader's place is its own; it is taken anew with each step.
const LEASE: Duration = Duration::from_secs(30);

/// Where a reader brings events: a message broker, another log.
#[async_trait]
pub trait Outlet: fmt::Debug + Send + Sync + 'static {
    /// Publishes events, in order. When it comes back without an error, all of them are safe there. After an
    /// error or a crash the same events come again: their ids say so.
    async fn publish(&self, events: &[Event]) -> Result<(), BoxError>;
}

/// Brings every event of the log to an outlet, at least once and in order, from the first event on.
///
/// Its place is in the database under its name. Of several processes that have a reader of one name, one works
/// at a time, and another goes on where it dies.
#[derive(Debug)]
pub struct Reader {
    directories: Directories,
    name: String,
    filter: EventFilter,
    outlet: Arc<dyn Outlet>,
    clock: Arc<dyn Clock>,
    holder: String,
}

/// What a step came to.
enum Step {
    /// There was nothing to publish.
    Idle,
    /// Another process has the place.
    Held,
    /// So many events were published.
    Published(usize),
}

impl Reader {
    /// A reader of that name; all events that `filter` lets through.
    pub fn new(
        directories: &Directories,
        name: impl Into<String>,
        filter: EventFilter,
        outlet: Arc<dyn Outlet>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let (directories, name) = (directories.clone(), name.into());
        Self { directories, name, filter, outlet, clock, holder: random_text(16) }
    }

    /// Works until `shutdown` is true. Errors are logged, and tried again.
    pub async fn run(self, mut shutdown: watch::Receiver<bool>) {
        loop {
            let work = async {
                match self.step().await {
                    Ok(Step::Published(_)) => {}
                    Ok(Step::Idle) => self.directories.events_written().await,
                    Ok(Step::Held) => self.clock.sleep(PAUSE).await,
                    Err(error) => {
                        tracing::warn!(reader = self.name, %error, "events can't be published now");
                        self.clock.sleep(PAUSE).await;
                    }
                }
            };
            tokio::select! {
                biased;
                _ = shutdown.wait_for(|stop| *stop) => break,
                () = work => {}
            }
        }
        if let Err(error) = self.release().await {
            tracing::warn!(reader = self.name, %error, "the reader's place could not be given back");
        }
    }

    /// Works until all that the log has is published. Answers how many events that were.
    ///
    /// # Errors
    /// When the outlet or the database fail; what is published stays so.
    pub async fn catch_up(&self) -> Result<usize, DirectoryError> {
        let mut events = 0;
        loop {
            match self.step().await? {
                Step::Idle | Step::Held => return Ok(events),
                Step::Published(more) => events += more,
            }
        }
    }

    async fn step(&self) -> Result<Step, DirectoryError> {
        let Some(place) = self.lease().await? else { return Ok(Step::Held) };
        let page = self.directories.log(&self.filter, place, Direction::Forward, EVENTS).await?;
        if page.next == place {
            return Ok(Step::Idle);
        }
        let events: Vec<Event> = page.events.into_iter().map(|logged| logged.event).collect();
        if !events.is_empty() {
            self.outlet.publish(&events).await.map_err(DirectoryError::Outlet)?;
        }
        self.move_to(page.next).await?;
        Ok(Step::Published(events.len()))
    }

    /// Takes the place, or keeps it; `None` while another has it.
    async fn lease(&self) -> Result<Option<LogPosition>, DirectoryError> {
        let (name, holder, now) = (self.name.clone(), self.holder.clone(), self.clock.now());
        let end = now.plus_micros(i64::try_from(LEASE.as_micros()).unwrap_or(i64::MAX));
        self.directories
            .database()
            .write(move |session| {
                let insert = "INSERT INTO dir_readers (name, position) VALUES (?1, 0) ON CONFLICT DO NOTHING";
                session.execute(insert, params![&name])?;
                let update = "UPDATE dir_readers SET holder = ?2, leased_until = ?3
                    WHERE name = ?1 AND (holder IS NULL OR holder = ?2 OR leased_until <= ?4)
                    RETURNING position";
                let values = params![&name, &holder, end.unix_micros(), now.unix_micros()];
                let place = session.first(update, values, |row| row.unsigned(0))?;
                Ok(place.map(LogPosition::from_number))
            })
            .await
    }

    async fn move_to(&self, place: LogPosition) -> Result<(), DirectoryError> {
        let (name, holder) = (self.name.clone(), self.holder.clone());
        self.directories
            .database()
            .write(move |session| {
                let update = "UPDATE dir_readers SET position = ?3 WHERE name = ?1 AND holder = ?2";
                session.execute(update, params![&name, &holder, place.number()])?;
                Ok(())
            })
            .await
    }

    async fn release(&self) -> Result<(), DirectoryError> {
        let (name, holder) = (self.name.clone(), self.holder.clone());
        self.directories
            .database()
            .write(move |session| {
                let update = "UPDATE dir_readers SET holder = NULL, leased_until = NULL
                    WHERE name = ?1 AND holder = ?2";
                session.execute(update, params![&name, &holder])?;
                Ok(())
            })
            .await
    }
}
