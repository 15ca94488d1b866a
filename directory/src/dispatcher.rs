//! Delivery: attempts as they fall due, and what became of them.

mod claim;
mod find;
mod health;
mod look;
mod numbers;
mod record;
mod search;
mod subject;
mod survey;
mod target;
mod turns;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use scim_schema::DateTime;
use scim_sql::params;
use scim_webhook::{Outcome, Report};
use tokio::sync::watch;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::Instant;

use self::claim::{Claimed, Due, Flight, claim};
use self::find::find;
use self::record::{Finished, Recorded, record};
use self::search::{Search, is_true};
use self::target::Target;
use self::turns::{Rates, Turns};
use crate::clock::Clock;
use crate::directories::Directories;
use crate::error::DirectoryError;
use crate::event::EventType;
use crate::holders::{DELIVERIES, OFTEN, holder};
use crate::lock::Lock;
use crate::profile::render;
use crate::transport::{Attempt, Transport};

/// How long to wait after an error of the database.
const PAUSE: Duration = Duration::from_secs(1);
/// How long to wait at most before looking for what is due: another process may have died.
const IDLE: Duration = Duration::from_secs(5);
/// How long a receiver nearby takes.
const NEARBY: Duration = Duration::from_micros(500);
/// How long attempts that came back wait at most to be recorded with others.
const GATHERING: Duration = Duration::from_millis(10);
/// How long to leave deliveries to others that are at them before looking again.
const CONTENDED: Duration = Duration::from_millis(100);

/// Delivers events to webhook endpoints.
///
/// What is due, and what became of it, is in the database: an attempt that was under way when the process
/// died is made again, with the same event id. Of each user or group, an endpoint gets one event at a time, in
/// the order of events, and `user_deleted` goes before all that waits: see [`Ordering`](crate::Ordering).
///
/// Several processes may have a dispatcher each on one PostgreSQL database. An attempt belongs to one of them
/// by a lease; where that one died, another makes the attempt when the server sees that it is gone, or the lease has
/// ended. Leases are compared with the clock of whoever looks: clocks that differ by more than the lease is longer than
/// an attempt make deliveries come twice, which receivers must expect anyway.
#[derive(Debug)]
pub struct Dispatcher {
    directories: Directories,
    transport: Arc<dyn Transport>,
    clock: Arc<dyn Clock>,
    config: DispatcherConfig,
    flights: JoinSet<(Report, DateTime)>,
    /// What is known of those that are under way.
    aloft: HashMap<Id, Flight>,
    /// Who this is, to other dispatchers.
    holder: Arc<str>,
    /// What is under way or not recorded yet: the endpoint of each delivery, by its position.
    taken: Arc<HashMap<i64, i64>>,
    /// What is not recorded yet.
    finished: Arc<Vec<Finished>>,
    turns: Arc<Turns>,
    rates: Arc<Rates>,
    /// Something may be due at any endpoint.
    is_stale: bool,
    /// There was no room for more attempts.
    is_full: bool,
    /// Others had attempts under way at the last look.
    sees_others: bool,
    /// When the next attempt falls due, as far as is known.
    next: Option<DateTime>,
    /// When leases were last renewed, or there were none.
    renewed: DateTime,
    /// When the last attempt was begun, if it was not waited for since.
    begun: Option<Instant>,
    /// How long it took to record attempts, the last time.
    recording: Duration,
    /// How many attempts have come to an end.
    landed: usize,
    /// Whether it is told to stop, where somebody may.
    shutdown: Option<watch::Receiver<bool>>,
}

/// How many attempts are made at once, and how long they may take.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "made to be written with struct update syntax")]
pub struct DispatcherConfig {
    /// In all. Default: 256.
    pub concurrency: usize,
    /// To one endpoint that has no setting of its own, by the dispatchers of all processes. Default: 4.
    pub per_endpoint: usize,
    /// How long an attempt is left to the dispatcher that began it, unless it says that it is still at it, which it
    /// does three times in this time. So long others wait where it is not seen that a process died. Default: 10 s.
    pub lease: Duration,
    /// By which part waits are longer at most than the table says, so that many do not come back at once.
    /// Default: 0.1.
    pub jitter: f64,
}

impl Default for DispatcherConfig {
    fn default() -> Self {
        Self { concurrency: 256, per_endpoint: 4, lease: Duration::from_secs(10), jitter: 0.1 }
    }
}

/// What one transaction did.
#[derive(Debug)]
struct Worked {
    recorded: Recorded,
    claimed: Claimed,
    /// Others were at some of it; it may be free again in a moment.
    is_contended: bool,
}

impl Dispatcher {
    /// A dispatcher for the endpoints of a database.
    pub fn new(
        directories: &Directories,
        transport: Arc<dyn Transport>,
        clock: Arc<dyn Clock>,
        config: DispatcherConfig,
    ) -> Self {
        let renewed = clock.now();
        Self {
            directories: directories.clone(),
            transport,
            clock,
            config,
            flights: JoinSet::new(),
            aloft: HashMap::new(),
            holder: holder(directories.database()).into(),
            taken: Arc::default(),
            finished: Arc::default(),
            turns: Arc::default(),
            rates: Arc::default(),
            is_stale: true,
            is_full: false,
            sees_others: false,
            next: None,
            renewed,
            begun: None,
            recording: Duration::ZERO,
            landed: 0,
            shutdown: None,
        }
    }

    /// Delivers until `shutdown` is true; then begins no more, ends the attempts under way, records them and gives
    /// back what is left. Errors of the database are logged, and tried again.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        self.shutdown = Some(shutdown.clone());
        loop {
            self.gather().await;
            if self.is_told_to_stop() {
                break;
            }
            let next = match self.advance().await {
                Ok(next) => next,
                Err(error) => {
                    tracing::warn!(%error, "deliveries can't be read or recorded now");
                    self.is_stale = true;
                    Some(PAUSE)
                }
            };
            let (directories, next) = (self.directories.clone(), next.unwrap_or(IDLE).min(self.patience()));
            tokio::select! {
                biased;
                _ = shutdown.wait_for(|stop| *stop) => break,
                Some(landed) = self.flights.join_next_with_id() => self.land(landed),
                () = directories.new_deliveries().notified() => self.is_stale = true,
                () = self.clock.sleep(next) => self.is_stale = true,
            }
        }
        self.drain().await;
        if let Err(error) = self.record_rest().await {
            tracing::warn!(%error, "the last deliveries were not recorded; they will be made again");
        }
        if let Err(error) = self.give_back().await {
            tracing::warn!(%error, "leases were not given back; they end by themselves");
        }
    }

    /// Waits for the attempts under way and records them; nothing is begun in their place.
    async fn drain(&mut self) {
        loop {
            self.land_all();
            let settled = match self.renew(self.clock.now()).await {
                Ok(()) => self.record_rest().await,
                Err(error) => Err(error),
            };
            if let Err(error) = settled {
                tracing::warn!(%error, "deliveries can't be recorded now");
                self.clock.sleep(PAUSE).await;
            }
            if self.flights.is_empty() {
                return;
            }
            let renewal = self.renewal();
            tokio::select! {
                Some(landed) = self.flights.join_next_with_id() => self.land(landed),
                () = self.clock.sleep(renewal) => {}
            }
        }
    }

    /// Delivers until nothing is due or under way. Answers how many attempts were made.
    ///
    /// # Errors
    /// When the database fails. Attempts that could not be recorded are recorded with the next call.
    pub async fn deliver_due(&mut self) -> Result<usize, DirectoryError> {
        let before = self.landed;
        self.is_stale = true;
        loop {
            self.advance().await?;
            match self.flights.join_next_with_id().await {
                Some(landed) => self.land(landed),
                None if self.is_stale => {}
                None => return Ok(self.landed - before),
            }
            self.is_stale |= self.flights.is_empty();
        }
    }

    /// Records what has come back, and starts what is due, without waiting for it. Answers how long it is until
    /// there is something to do.
    ///
    /// # Errors
    /// As [`Dispatcher::deliver_due`].
    pub async fn step(&mut self) -> Result<Option<Duration>, DirectoryError> {
        self.is_stale = true;
        self.advance().await
    }

    /// How many attempts are under way.
    pub fn in_flight(&self) -> usize {
        self.flights.len()
    }

    /// Waits a moment for attempts that were begun just now, when others have come back: those that go to a receiver
    /// nearby are recorded together then, and not in turns of a few and many. The longer it takes to record, the
    /// longer others are worth waiting for.
    async fn gather(&mut self) {
        let Some(begun) = self.begun.take() else { return };
        let end = begun + (self.recording / 2).clamp(NEARBY, GATHERING);
        let news = self.directories.clone();
        while !self.finished.is_empty() {
            tokio::select! {
                biased;
                landed = self.flights.join_next_with_id() => match landed {
                    Some(landed) => self.land(landed),
                    None => return,
                },
                // What is new shall not wait.
                () = news.new_deliveries().notified() => {
                    self.is_stale = true;
                    return;
                }
                () = tokio::time::sleep_until(end) => return,
            }
        }
        self.begun = Some(begun);
    }

    async fn advance(&mut self) -> Result<Option<Duration>, DirectoryError> {
        self.land_all();
        let now = self.clock.now();
        self.renew(now).await?;
        let mut is_contended = false;
        if !self.finished.is_empty() {
            is_contended |= self.record(now).await?;
        }
        if self.is_stale && !self.is_told_to_stop() {
            is_contended |= self.look(now).await?;
        }
        let wait = |at: DateTime| at.unix_micros().saturating_sub(now.unix_micros()).try_into().unwrap_or(0);
        let mut next = self.next.map(|at| Duration::from_micros(wait(at)));
        if !self.flights.is_empty() {
            next = next.into_iter().chain([self.renewal()]).min();
        }
        Ok(if is_contended { next.into_iter().chain([CONTENDED]).min() } else { next })
    }

    /// How long to wait at most before looking again.
    fn patience(&self) -> Duration {
        if self.sees_others { OFTEN } else { IDLE }
    }

    /// How often leases are renewed.
    fn renewal(&self) -> Duration {
        self.config.lease / 3
    }

    /// Says of the attempts under way that they still are, if it is time to.
    async fn renew(&mut self, now: DateTime) -> Result<(), DirectoryError> {
        if self.aloft.is_empty() {
            self.renewed = now;
            return Ok(());
        }
        let since = now.unix_micros().saturating_sub(self.renewed.unix_micros());
        if u128::try_from(since).unwrap_or_default() < self.renewal().as_micros() {
            return Ok(());
        }
        let (holder, end) = (Arc::clone(&self.holder), now.plus(self.config.lease).unix_micros());
        self.directories
            .database()
            .write_quietly(move |session| {
                // Not of those that somebody else has taken over, because the lease had ended.
                let update = "UPDATE dir_deliveries SET leased_until = ?2
                    WHERE leased_until IS NOT NULL AND holder = ?1";
                session.execute(update, params![&*holder, end])?;
                Ok::<_, DirectoryError>(())
            })
            .await?;
        self.renewed = now;
        Ok(())
    }

    /// Records what has come back, and in the same transaction goes on with the endpoints concerned. Answers
    /// whether others were at them.
    async fn record(&mut self, now: DateTime) -> Result<bool, DirectoryError> {
        let (finished, search) = (Arc::clone(&self.finished), self.search(now));
        let endpoints: HashSet<i64> = finished.iter().map(|finished| finished.flight.endpoint).collect();
        let directories = self.directories.clone();
        let worked = self.directories.database().write_quietly(move |session| {
            let mut targets = Target::locked(session, endpoints.iter().copied(), Lock::WaitReferable)?;
            let recorded = record(session, &directories, &search, &mut targets, &finished)?;
            let claimed = claim(session, &directories, &search, &targets, &BTreeMap::new())?;
            Ok::<_, DirectoryError>(Worked { recorded, claimed, is_contended: false })
        });
        let begun = Instant::now();
        let worked = worked.await?;
        self.recording = begun.elapsed();
        let finished = std::mem::take(&mut self.finished);
        let metrics = self.directories.metrics();
        for (finished, counts) in finished.iter().zip(&worked.recorded.counts) {
            Arc::make_mut(&mut self.taken).remove(&finished.flight.position);
            let outcome = finished.report.as_ref().map(|report| &report.outcome);
            metrics.count(outcome);
            if *counts && matches!(outcome, Some(Outcome::Delivered { .. })) {
                let (from, to) = (finished.flight.occurred_at.unix_micros(), finished.time.unix_micros());
                let told = finished.flight.told_as.or(finished.flight.event_type);
                let is_urgent = told.is_some_and(EventType::is_urgent);
                let micros = u64::try_from(to.saturating_sub(from)).unwrap_or_default();
                metrics.delivered(Duration::from_micros(micros), is_urgent);
            }
        }
        // Room that was missing may be wanted at any endpoint, and a notice too.
        self.is_stale |= std::mem::take(&mut self.is_full) || worked.claimed.is_partial;
        if worked.recorded.has_notices {
            self.is_stale = true;
            self.directories.tell_readers();
        }
        Ok(self.go_on(worked, now))
    }

    /// Looks at all endpoints. Answers whether others were at those for which something is due.
    async fn look(&mut self, now: DateTime) -> Result<bool, DirectoryError> {
        self.directories.bury(now).await;
        let search = self.search(now);
        let look = search.clone();
        let found = self.directories.database().read(move |session| find(session, &look)).await?;
        self.is_stale = false;
        self.is_full |= found.is_full || found.is_short;
        self.sees_others = found.sees_others;
        if !found.is_full {
            self.next = found.next;
        }
        // Most often nothing is due; then there is nothing to write.
        if found.wanting.is_empty() {
            return Ok(false);
        }
        let directories = self.directories.clone();
        let worked = self.directories.database().write_quietly(move |session| {
            let wanting = found.wanting.keys().copied();
            let targets = Target::locked(session, wanting, Lock::SkipReferable)?;
            let claimed = claim(session, &directories, &search, &targets, &found.wanting)?;
            let is_contended = targets.len() < found.wanting.len();
            Ok::<_, DirectoryError>(Worked { recorded: Recorded::default(), claimed, is_contended })
        });
        let worked = worked.await?;
        self.is_stale = worked.claimed.is_partial && worked.claimed.has_moved;
        Ok(self.go_on(worked, now))
    }

    /// Starts what was claimed.
    fn go_on(&mut self, worked: Worked, now: DateTime) -> bool {
        let claimed = worked.claimed;
        self.is_full |= claimed.is_full;
        self.next = self.next.into_iter().chain(claimed.next).min();
        self.directories.metrics().gave_way(claimed.superseded);
        for served in &claimed.served {
            Arc::make_mut(&mut self.turns).serve(served);
            if served.has_rate {
                Arc::make_mut(&mut self.rates).begin(served.endpoint, served.time);
            }
        }
        for due in claimed.due {
            self.start(due, now);
        }
        worked.is_contended
    }

    fn is_told_to_stop(&self) -> bool {
        is_true(self.shutdown.as_ref())
    }

    fn search(&self, now: DateTime) -> Search {
        Search {
            holder: Arc::clone(&self.holder),
            now,
            config: self.config,
            taken: Arc::clone(&self.taken),
            landed: Arc::new(self.finished.iter().map(|finished| finished.flight.position).collect()),
            turns: Arc::clone(&self.turns),
            rates: Arc::clone(&self.rates),
            shutdown: self.shutdown.clone(),
        }
    }

    fn start(&mut self, due: Due, now: DateTime) {
        let Due { address, body, flight } = due;
        Arc::make_mut(&mut self.taken).insert(flight.position, flight.endpoint);
        self.directories.metrics().began();
        let (event_id, told_as, number) = (flight.event_id.clone(), flight.told_as, flight.attempts + 1);
        let (transport, clock) = (Arc::clone(&self.transport), Arc::clone(&self.clock));
        let handle = self.flights.spawn(async move {
            let attempt = Attempt {
                url: address.url.to_string(),
                event_id,
                secrets: address.secrets.clone(),
                signing_keys: address.signing_keys.clone(),
                headers: address.headers.clone(),
                acknowledge: address.acknowledge,
                body: render(&body, address.profile, told_as).into_owned().into(),
                time: now,
                number,
            };
            let report = transport.attempt(&attempt).await;
            match report.outcome {
                Outcome::Delivered { status } => {
                    tracing::debug!(event = %attempt.event_id, attempt = attempt.number, status, "delivered");
                }
                Outcome::Failed { status, reason, .. } => {
                    let reason = reason.as_str();
                    tracing::warn!(event = %attempt.event_id, attempt = attempt.number, status, reason, "not delivered");
                }
            }
            (report, clock.now())
        });
        self.aloft.insert(handle.id(), flight);
        self.begun = Some(Instant::now());
    }

    /// Takes what has come back already.
    fn land_all(&mut self) {
        while let Some(landed) = self.flights.try_join_next_with_id() {
            self.land(landed);
        }
    }

    fn land(&mut self, landed: Result<(Id, (Report, DateTime)), JoinError>) {
        self.landed += 1;
        let (id, report, time) = match landed {
            Ok((id, (report, time))) => (id, Some(report), time),
            Err(error) => {
                tracing::error!(%error, "an attempt was broken off");
                (error.id(), None, self.clock.now())
            }
        };
        if let Some(flight) = self.aloft.remove(&id) {
            self.directories.metrics().ended();
            Arc::make_mut(&mut self.finished).push(Finished { flight, report, time });
        }
    }

    /// Records what has come back, if something has.
    async fn record_rest(&mut self) -> Result<(), DirectoryError> {
        if !self.finished.is_empty() {
            self.record(self.clock.now()).await?;
        }
        Ok(())
    }

    /// Lets others have what is leased at once.
    async fn give_back(&self) -> Result<(), DirectoryError> {
        let holder = Arc::clone(&self.holder);
        let database = self.directories.database();
        database.write_quietly(move |session| Ok(DELIVERIES.give_back(session, &holder)?)).await
    }
}
