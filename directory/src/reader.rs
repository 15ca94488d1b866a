//! Programs that read the event log beside the dispatchers, each with a place of its own.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use scim_core::BoxError;
use scim_schema::DateTime;
use scim_sql::params;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::directories::{Direction, Directories, EventFilter, LogPosition, wait_for_events};
use crate::error::DirectoryError;
use crate::event::Event;
use crate::holders::{READERS, holder};

/// How many events are published at once.
const EVENTS: usize = 256;
/// How long to wait before looking whether another process has given its place up.
const HELD: Duration = Duration::from_secs(1);
/// How long to wait after an error; twice as long after each further one, up to [`LONGEST_PAUSE`].
const PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// How long a place is a reader's own.
const LEASE: Duration = Duration::from_secs(30);
/// When a lease that is needed for longer is taken anew, before its end.
const RENEWAL: Duration = Duration::from_secs(10);
/// How long a place may be further on than the database knows, which keeps the events before it for so long.
const UNSAVED: Duration = Duration::from_secs(600);
/// How long what is being published has to end when the reader is told to stop.
const GRACE: Duration = Duration::from_secs(5);

/// Where a reader brings events: a message broker, another log.
#[async_trait]
pub trait Outlet: fmt::Debug + Send + Sync + 'static {
    /// Publishes events, in order. When it comes back without an error, all of them are safe there. After an
    /// error or a crash the same events come again: their ids say so.
    ///
    /// It may take as long as it needs. It is dropped where another process has taken the reader's place, or
    /// where the reader must stop; what was begun by then may be there or not.
    async fn publish(&self, events: &[Event]) -> Result<(), BoxError>;
}

/// Brings every event of the log to an outlet, at least once and in order, from the first event on.
///
/// Its place is in the database under its name. Of several processes that have a reader of one name, one works
/// at a time, and another goes on where it dies, or where its outlet fails. While there is nothing to publish, a
/// reader only reads.
///
/// Events behind the place of a reader are not forgotten: [`Directories::remove_reader`] says that there is none of
/// that name any more.
///
/// Leases are compared with the clock of whoever looks: where clocks differ by more than half a minute, two
/// readers may be at one place, and events come twice.
#[derive(Debug)]
pub struct Reader {
    directories: Directories,
    name: String,
    filter: EventFilter,
    outlet: Arc<dyn Outlet>,
    clock: Arc<dyn Clock>,
    /// Who this is, to other readers of the name.
    holder: String,
    known: Option<Known>,
    /// Until when the place is this reader's, if it is.
    leased_until: Option<DateTime>,
    /// Since when the place is further on than the database knows.
    unsaved_since: Option<DateTime>,
}

/// How far a reader is.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// What the database says.
    saved: LogPosition,
    /// Further on where all events between are of no interest: they are not worth a write.
    place: LogPosition,
}

/// What a step came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// There was nothing to publish.
    Idle,
    /// Another process has the place.
    Held,
    /// The place may be further on, and so many events were published.
    Moved(usize),
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
        Self {
            directories: directories.clone(),
            name: name.into(),
            filter,
            outlet,
            clock,
            holder: holder(directories.database()),
            known: None,
            leased_until: None,
            unsaved_since: None,
        }
    }

    /// Works until `shutdown` is true; then it ends what it has begun, if that does not take long, and gives its
    /// place back. Errors are logged, and tried again.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut pause = PAUSE;
        // Subscribed before the first look: nothing that is written behind a look is missed.
        let mut written = self.directories.written();
        loop {
            let clock = Arc::clone(&self.clock);
            let out_of_patience = async {
                let _ = shutdown.wait_for(|stop| *stop).await;
                clock.sleep(GRACE).await;
            };
            written.mark_unchanged();
            let step = tokio::select! {
                biased;
                step = self.step() => step,
                () = out_of_patience => {
                    tracing::warn!(reader = self.name, "stopped amid events, which will come again");
                    break;
                }
            };
            let wait = async {
                match step {
                    Ok(Step::Moved(_)) => pause = PAUSE,
                    Ok(Step::Idle) => {
                        pause = PAUSE;
                        wait_for_events(&mut written).await;
                    }
                    Ok(Step::Held) => clock.sleep(HELD).await,
                    Err(error) => {
                        tracing::warn!(reader = self.name, %error, "events can't be published now");
                        if matches!(error, DirectoryError::Outlet(_)) {
                            // Another process may have more luck.
                            self.give_back().await;
                        }
                        clock.sleep(pause).await;
                        pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                    }
                }
            };
            tokio::select! {
                biased;
                _ = shutdown.wait_for(|stop| *stop) => break,
                () = wait => {}
            }
        }
        self.give_back().await;
    }

    /// Works until all that the log has is published. Answers how many events that were.
    ///
    /// # Errors
    /// When the outlet or the database fail; what is published stays so.
    pub async fn catch_up(&mut self) -> Result<usize, DirectoryError> {
        let mut events = 0;
        loop {
            match self.step().await? {
                Step::Idle | Step::Held => return Ok(events),
                Step::Moved(more) => events += more,
            }
        }
    }

    async fn step(&mut self) -> Result<Step, DirectoryError> {
        let Some(known) = self.look().await? else { return Ok(Step::Held) };
        let page = match self.directories.log(&self.filter, known.place, Direction::Forward, EVENTS).await {
            Err(DirectoryError::Forgotten) => return self.skip_forgotten(known).await,
            page => page?,
        };
        let now = self.clock.now();
        let is_overdue = self.unsaved_since.is_some_and(|since| since.plus(UNSAVED) <= now);
        if page.events.is_empty() && !page.has_more && !is_overdue {
            if page.next != known.saved {
                self.unsaved_since.get_or_insert(now);
            }
            self.known = Some(Known { place: page.next, ..known });
            return Ok(Step::Idle);
        }
        let Some(leased) = self.lease().await? else { return Ok(Step::Held) };
        if leased.place != known.place {
            // Another process was here between the look and the lease.
            return Ok(Step::Moved(0));
        }
        let events: Vec<Event> = page.events.into_iter().map(|logged| logged.event).collect();
        if !events.is_empty() && !self.publish(&events).await? {
            return Ok(Step::Held);
        }
        let is_ours = self.keep(Some(page.next)).await?;
        Ok(if is_ours { Step::Moved(events.len()) } else { Step::Held })
    }

    /// Goes on where the log begins. The place of a reader keeps events from being forgotten: this is for one that
    /// has none yet, or whose place is of an older copy of the database.
    async fn skip_forgotten(&mut self, known: Known) -> Result<Step, DirectoryError> {
        let start = self.directories.log_start().await?;
        tracing::warn!(reader = self.name, "begins behind events that are not kept any more");
        self.known = Some(Known { place: start, ..known });
        Ok(Step::Moved(0))
    }

    /// Publishes, and keeps the lease meanwhile. `false` where another process has taken the place.
    async fn publish(&mut self, events: &[Event]) -> Result<bool, DirectoryError> {
        let (outlet, clock) = (Arc::clone(&self.outlet), Arc::clone(&self.clock));
        let mut published = outlet.publish(events);
        loop {
            tokio::select! {
                biased;
                done = &mut published => {
                    return done.map(|()| true).map_err(DirectoryError::Outlet);
                }
                () = clock.sleep(RENEWAL) => {}
            }
            if !self.keep(None).await? {
                return Ok(false);
            }
        }
    }

    /// How far the reader is; `None` while another process has the place. It only reads.
    async fn look(&mut self) -> Result<Option<Known>, DirectoryError> {
        let now = self.clock.now();
        if let Some(known) = self.known.filter(|_| self.leased_until.is_some_and(|until| until > now)) {
            return Ok(Some(known));
        }
        self.directories.bury(now).await;
        let name = self.name.clone();
        let row = self.directories.database().read(move |session| {
            let select = "SELECT position, holder, leased_until FROM dir_readers WHERE name = ?1";
            session.first(select, params![&name], |row| {
                let until = row.int_or_null(2)?.map(DateTime::from_unix_micros);
                Ok::<_, DirectoryError>((row.unsigned(0)?, row.owned_or_null(1)?, until))
            })
        });
        let (saved, holder, until) = row.await?.unwrap_or_default();
        let is_free = holder.is_none_or(|holder| holder == self.holder) || until.is_none_or(|end| end <= now);
        Ok(is_free.then(|| self.learn(saved)))
    }

    /// Takes the place, or makes sure of it for a while; `None` while another has it.
    async fn lease(&mut self) -> Result<Option<Known>, DirectoryError> {
        let now = self.clock.now();
        if self.leased_until.is_some_and(|until| until > now.plus(RENEWAL)) {
            return Ok(self.known);
        }
        let (name, holder, until) = (self.name.clone(), self.holder.clone(), now.plus(LEASE));
        self.leased_until = None;
        let leased = self.directories.database().write_quietly(move |session| {
            let insert = "INSERT INTO dir_readers (name, position) VALUES (?1, 0) ON CONFLICT DO NOTHING";
            session.execute(insert, params![&name])?;
            let update = "UPDATE dir_readers SET holder = ?2, leased_until = ?3
                WHERE name = ?1 AND (holder IS NULL OR holder = ?2 OR leased_until <= ?4)
                RETURNING position";
            let values = params![&name, &holder, until.unix_micros(), now.unix_micros()];
            session.first(update, values, |row| Ok::<_, DirectoryError>(row.unsigned(0)?))
        });
        let Some(saved) = leased.await? else { return Ok(None) };
        self.leased_until = Some(until);
        Ok(Some(self.learn(saved)))
    }

    /// What the database says is true; what is known beyond it holds if nobody else has moved the place.
    fn learn(&mut self, saved: u64) -> Known {
        let saved = LogPosition::from_number(saved);
        let known = self.known.filter(|known| known.saved == saved);
        *self.known.insert(known.unwrap_or(Known { saved, place: saved }))
    }

    /// Keeps the place for a while longer, and moves it. `false` where another process has taken it.
    async fn keep(&mut self, place: Option<LogPosition>) -> Result<bool, DirectoryError> {
        let (name, holder, until) = (self.name.clone(), self.holder.clone(), self.clock.now().plus(LEASE));
        self.leased_until = None;
        let kept = self.directories.database().write_quietly(move |session| {
            let update = "UPDATE dir_readers SET position = coalesce(?3, position), leased_until = ?4
                WHERE name = ?1 AND holder = ?2";
            let place = place.map(LogPosition::number);
            session.execute(update, params![&name, &holder, place, until.unix_micros()])
        });
        if kept.await? == 0 {
            return Ok(false);
        }
        self.leased_until = Some(until);
        if let Some(place) = place {
            self.known = Some(Known { saved: place, place });
            self.unsaved_since = None;
        }
        Ok(true)
    }

    /// Lets another process have the place at once.
    async fn give_back(&mut self) {
        let holder = self.holder.clone();
        self.leased_until = None;
        let given = self.directories.database().write(move |session| READERS.give_back(session, &holder));
        if let Err(error) = given.await {
            tracing::warn!(reader = self.name, %error, "the reader's place could not be given back");
        }
    }
}

impl Directories {
    /// Forgets the place of a reader that is not used any more, unless some process has it at that time. Answers
    /// whether there was one. A reader of that name begins at the beginning of the log again.
    ///
    /// # Errors
    /// When the database can't do it.
    pub async fn remove_reader(&self, name: &str, now: DateTime) -> Result<bool, DirectoryError> {
        let name = name.to_owned();
        let removed = self.database().write(move |session| {
            let delete = "DELETE FROM dir_readers
                WHERE name = ?1 AND (leased_until IS NULL OR leased_until <= ?2)";
            session.execute(delete, params![&name, now.unix_micros()])
        });
        Ok(removed.await? > 0)
    }
}
