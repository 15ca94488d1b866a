//! Receivers that are sent to (RFC 8935).

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use scim_schema::DateTime;
use scim_set::{ErrorCode, SigningKey, sign};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::queue::{self, Failed, Target, Waiting};
use crate::clock::Clock;
use crate::directories::Directories;
use crate::error::DirectoryError;
use crate::holders::holder;
use crate::transport::{Push, PushOutcome, SetTransport};

/// How many SETs are read at once.
const SETS: usize = 32;
/// How many bytes of claims are read at once.
const BYTES: usize = 4 << 20;
/// How long a stream is left to the transmitter that has it.
const LEASE: Duration = Duration::from_secs(20);
/// How much of that must be left when an attempt begins: more than one can take.
const ATTEMPT: Duration = Duration::from_secs(16);
/// How long to wait after an error of the database.
const PAUSE: Duration = Duration::from_secs(1);
/// How long to wait at most before it is looked again.
const IDLE: Duration = Duration::from_secs(5);

/// Pushes SETs, each stream's in order and one at a time; one slow receiver does not delay another.
///
/// - 202 acknowledges: the SET is forgotten.
/// - 400 with an error object: where it is about how the parties are set up (`invalid_key`, `invalid_issuer`,
///   `invalid_audience`, `authentication_failed`, `access_denied`), every SET would be refused alike, so the stream
///   waits and tries again. Otherwise (`invalid_request`, and codes of others) it is about this SET, which is set
///   aside with its error, and the stream goes on.
/// - Anything else: the same SET is tried again at the times of [`scim_webhook::next_attempt`], or later if the
///   receiver asks for that, then every ten hours. After five days of failures, or at once after a 410, the stream is
///   disabled; what waits is kept.
///
/// All state is in the database. Of several processes one has a stream at a time, and another goes on where it dies:
/// a SET may come twice, with the same `jti`.
#[derive(Debug)]
pub struct SetTransmitter {
    shared: Arc<Shared>,
    flights: JoinSet<(i64, Result<usize, DirectoryError>)>,
    /// Streams at work.
    busy: HashSet<i64>,
    pushed: usize,
}

#[derive(Debug)]
struct Shared {
    directories: Directories,
    transport: Arc<dyn SetTransport>,
    clock: Arc<dyn Clock>,
    issuer: String,
    holder: String,
}

impl SetTransmitter {
    /// A transmitter for the streams of a database. `issuer` is the `iss` of the SETs.
    pub fn new(
        directories: &Directories,
        transport: Arc<dyn SetTransport>,
        clock: Arc<dyn Clock>,
        issuer: impl Into<String>,
    ) -> Self {
        let holder = holder(directories.database());
        let directories = directories.clone();
        let shared = Shared { directories, transport, clock, issuer: issuer.into(), holder };
        Self { shared: Arc::new(shared), flights: JoinSet::new(), busy: HashSet::new(), pushed: 0 }
    }

    /// Pushes until `shutdown` is true; then ends the attempts under way. Errors of the database are logged, and
    /// tried again.
    pub async fn run(mut self, mut shutdown: watch::Receiver<bool>) {
        let mut has_failed = false;
        loop {
            let advanced = match has_failed {
                true => Ok(Some(PAUSE)),
                false => self.advance(&shutdown).await,
            };
            let next = advanced.unwrap_or_else(|error| {
                tracing::warn!(%error, "security event tokens can't be read now");
                Some(PAUSE)
            });
            let next = next.unwrap_or(IDLE).min(IDLE);
            let shared = Arc::clone(&self.shared);
            has_failed = false;
            tokio::select! {
                biased;
                _ = shutdown.wait_for(|stop| *stop) => break,
                Some(landed) = self.flights.join_next() => {
                    if let Err(error) = self.land(landed) {
                        tracing::warn!(%error, "security event tokens can't be read or settled now");
                        has_failed = true;
                    }
                }
                () = shared.directories.events_written() => {}
                () = shared.clock.sleep(next) => {}
            }
        }
        while let Some(landed) = self.flights.join_next().await {
            if let Err(error) = self.land(landed) {
                tracing::warn!(%error, "the last security event tokens were not settled; they will be pushed again");
            }
        }
    }

    /// Pushes until nothing is due. Answers how many attempts were made.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn push_due(&mut self) -> Result<usize, DirectoryError> {
        let before = self.pushed;
        // Nobody tells this one to stop.
        let (_goes_on, shutdown) = watch::channel(false);
        loop {
            self.advance(&shutdown).await?;
            let Some(landed) = self.flights.join_next().await else { return Ok(self.pushed - before) };
            self.land(landed)?;
        }
    }

    /// Starts on streams that are due. Answers how long it is until another one is.
    async fn advance(
        &mut self,
        shutdown: &watch::Receiver<bool>,
    ) -> Result<Option<Duration>, DirectoryError> {
        let (now, holder) = (self.shared.clock.now(), self.shared.holder.clone());
        self.shared.directories.bury(now).await;
        let find = move |session: &scim_sql::Session<'_>| queue::due(session, &holder, now);
        let due = self.shared.directories.database().read(find).await?;
        let mut next: Option<Duration> = None;
        for due in due {
            if let Some(from) = due.from {
                let wait = Duration::from_micros(from.unix_micros().abs_diff(now.unix_micros()));
                next = Some(next.map_or(wait, |next| next.min(wait)));
            } else if self.busy.insert(due.stream) {
                let (shared, shutdown) = (Arc::clone(&self.shared), shutdown.clone());
                self.flights.spawn(async move { (due.stream, shared.work(due.stream, &shutdown).await) });
            }
        }
        Ok(next)
    }

    fn land(
        &mut self,
        landed: Result<(i64, Result<usize, DirectoryError>), tokio::task::JoinError>,
    ) -> Result<(), DirectoryError> {
        match landed {
            Ok((stream, worked)) => {
                self.busy.remove(&stream);
                self.pushed += worked?;
            }
            // The stream stays busy, so that it is not tried over and over, until the next start.
            Err(error) => tracing::error!(%error, "pushing to a stream was aborted"),
        }
        Ok(())
    }
}

/// Whether a stream goes on after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    GoesOn,
    Waits,
}

impl Shared {
    /// Pushes to a stream until nothing waits or an attempt fails. Answers how many attempts were made.
    async fn work(&self, stream: i64, shutdown: &watch::Receiver<bool>) -> Result<usize, DirectoryError> {
        let worked = self.push_all(stream, shutdown).await;
        let holder = self.holder.clone();
        let release = move |session: &scim_sql::Session<'_>| queue::release(session, stream, &holder);
        self.directories.database().write(release).await?;
        worked
    }

    async fn push_all(&self, stream: i64, shutdown: &watch::Receiver<bool>) -> Result<usize, DirectoryError> {
        let mut pushed = 0;
        loop {
            // Before the look: what another one had until now, it may have pushed.
            let Some((target, until)) = self.lease(stream).await? else { return Ok(pushed) };
            let read = move |session: &scim_sql::Session<'_>| queue::waiting(session, stream, SETS, BYTES);
            let (sets, _) = self.directories.database().read(read).await?;
            if sets.is_empty() {
                return Ok(pushed);
            }
            let key = self.directories.set_signing_key(self.clock.now()).await?;
            for set in sets {
                if *shutdown.borrow() {
                    return Ok(pushed);
                }
                if self.clock.now().plus(ATTEMPT) >= until {
                    break;
                }
                pushed += 1;
                if self.push(stream, &target, &key, set).await? == After::Waits {
                    return Ok(pushed);
                }
            }
        }
    }

    /// Answers also until when.
    async fn lease(&self, stream: i64) -> Result<Option<(Target, DateTime)>, DirectoryError> {
        let (holder, now) = (self.holder.clone(), self.clock.now());
        let until = now.plus(LEASE);
        let lease = move |session: &scim_sql::Session<'_>| queue::lease(session, stream, &holder, until, now);
        Ok(self.directories.database().write_quietly(lease).await?.map(|target| (target, until)))
    }

    async fn push(
        &self,
        stream: i64,
        target: &Target,
        key: &SigningKey,
        set: Waiting,
    ) -> Result<After, DirectoryError> {
        let plain = target.sealed.as_deref().and_then(|s| self.directories.keys().open(s, &target.id));
        let push = Push {
            url: target.url.clone(),
            authorization: plain.and_then(|plain| String::from_utf8(plain).ok()),
            token: sign(key, &self.issuer, &target.audience, &set.claims)?,
            time: self.clock.now(),
        };
        let outcome = self.transport.push(&push).await;
        let now = self.clock.now();
        match outcome {
            PushOutcome::Acknowledged => {
                tracing::debug!(stream = target.id, set = set.id, "security event token acknowledged");
                let ids = [set.id];
                let settle = move |session: &scim_sql::Session<'_>| {
                    queue::acknowledge(session, stream, &ids, now).map(drop)
                };
                self.directories.database().write_quietly(settle).await?;
                Ok(After::GoesOn)
            }
            PushOutcome::Refused(error) if error.code().is_some_and(ErrorCode::is_about_setup) => {
                let failed = Failed { error: error.err, retry_after: None, is_gone: false };
                self.fail(stream, target, &set, failed, now).await
            }
            PushOutcome::Refused(error) => {
                // What the receiver says in its own words may tell of persons.
                let code = error.code().map_or("other", ErrorCode::as_str);
                tracing::warn!(stream = target.id, set = set.id, code, "security event token refused");
                let settle = move |session: &scim_sql::Session<'_>| {
                    queue::refuse(session, stream, &set.id, &error, now).map(drop)
                };
                self.directories.database().write_quietly(settle).await?;
                Ok(After::GoesOn)
            }
            PushOutcome::Failed { status, reason, retry_after, is_gone } => {
                let error = status.map_or_else(|| reason.to_owned(), |status| status.to_string());
                self.fail(stream, target, &set, Failed { error, retry_after, is_gone }, now).await
            }
        }
    }

    async fn fail(
        &self,
        stream: i64,
        target: &Target,
        set: &Waiting,
        failed: Failed,
        now: DateTime,
    ) -> Result<After, DirectoryError> {
        let (id, set, position) = (&target.id, &set.id, set.position);
        tracing::warn!(
            stream = id,
            set,
            position,
            error = failed.error,
            "security event token not delivered"
        );
        let note = move |session: &scim_sql::Session<'_>| queue::fail(session, stream, &failed, now);
        if let Some(reason) = self.directories.database().write_quietly(note).await? {
            tracing::warn!(stream = id, reason, "the stream was disabled");
        }
        Ok(After::Waits)
    }
}
