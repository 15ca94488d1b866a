//! Publishing.

use async_nats::jetstream::context::{PublishAckFuture, PublishError, PublishErrorKind};
use async_trait::async_trait;
use scim_core::BoxError;
use scim_directory::{Event, Outlet};
use tokio::sync::Mutex;

use crate::config::{NatsConfig, Servers};
use crate::connection::Connection;
use crate::error::NatsError;
use crate::message::{message, refused, subject};

/// How many events wait for their acknowledgement at once.
const UNDER_WAY: usize = 1_024;

/// NATS JetStream as an [`Outlet`].
///
/// Events are sent one behind the other without waiting, and each says behind which it belongs: the stream takes
/// it there, or not at all. So the stream has the order of the log also where a connection or a server is lost
/// amid them, and whatever is still under way then. Where that can't be, because somebody else writes to the stream
/// too, they go one by one.
///
/// Each event has its id as `Nats-Msg-Id`: what is sent again within the stream's window for duplicates is not
/// stored again.
#[derive(Debug)]
pub struct Nats {
    config: NatsConfig,
    servers: Servers,
    /// What is left of the last call.
    connection: Mutex<Option<Connection>>,
}

impl Nats {
    /// Nothing is asked of the servers before the first event is published.
    ///
    /// # Errors
    /// When the configuration can't be used.
    pub fn new(config: NatsConfig) -> Result<Self, NatsError> {
        let servers = config.check()?;
        Ok(Self { config, servers, connection: Mutex::new(None) })
    }

    /// Connects, and makes sure of the stream: what [`Outlet::publish`] does first.
    ///
    /// # Errors
    /// Why it can't be published.
    pub async fn check(&self) -> Result<(), NatsError> {
        let mut held = self.connection.lock().await;
        self.connected(&mut held).await.map(drop)
    }

    async fn connected<'a>(&self, held: &'a mut Option<Connection>) -> Result<&'a Connection, NatsError> {
        match held.take() {
            Some(connection) if connection.is_up() => Ok(held.insert(connection)),
            _ => Ok(held.insert(Connection::open(&self.config, &self.servers).await?)),
        }
    }

    async fn publish_on(&self, connection: &Connection, events: &[Event]) -> Result<(), NatsError> {
        for events in events.chunks(UNDER_WAY) {
            let behind = self.in_a_row(connection, events).await?;
            for event in behind {
                self.acknowledged(event, self.send(connection, event, None).await?.await)?;
            }
        }
        Ok(())
    }

    /// Sends all, then waits for all. Answers those from the first on that the stream could not take in its place.
    async fn in_a_row<'a>(
        &self,
        connection: &Connection,
        events: &'a [Event],
    ) -> Result<&'a [Event], NatsError> {
        let mut sent = Vec::with_capacity(events.len());
        let mut behind = None;
        for event in events {
            sent.push(self.send(connection, event, behind).await?);
            behind = Some(event.id.as_str());
        }
        let mut rest: &[Event] = &[];
        for (place, (event, sent)) in events.iter().zip(sent).enumerate() {
            let answer = sent.await;
            if !rest.is_empty() {
                // Those behind it were refused for the same reason.
            } else if answer.as_ref().err().is_some_and(is_out_of_place) {
                rest = events.get(place..).unwrap_or_default();
            } else {
                self.acknowledged(event, answer)?;
            }
        }
        Ok(rest)
    }

    async fn send(
        &self,
        connection: &Connection,
        event: &Event,
        behind: Option<&str>,
    ) -> Result<PublishAckFuture, NatsError> {
        let message = message(event, &self.config.stream, behind, connection.max_payload())?;
        let subject = subject(&self.config.subject_prefix, event);
        connection.context.send_publish(subject, message).await.map_err(|error| self.failed(event, &error))
    }

    fn acknowledged<T>(&self, event: &Event, answer: Result<T, PublishError>) -> Result<(), NatsError> {
        answer.map(drop).map_err(|error| self.failed(event, &error))
    }

    fn failed(&self, event: &Event, error: &PublishError) -> NatsError {
        let servers = || self.servers.shown.clone();
        match error.kind() {
            PublishErrorKind::TimedOut => NatsError::Unacknowledged {
                servers: servers(),
                event: event.id.to_string(),
                seconds: self.config.timeout.as_secs(),
            },
            PublishErrorKind::BrokenPipe => {
                NatsError::Lost { servers: servers(), reason: "it broke".to_owned() }
            }
            _ => refused(&self.config.stream, event, error),
        }
    }
}

#[async_trait]
impl Outlet for Nats {
    async fn publish(&self, events: &[Event]) -> Result<(), BoxError> {
        let mut held = self.connection.lock().await;
        let connection = self.connected(&mut held).await?;
        let published = tokio::select! {
            biased;
            published = self.publish_on(connection, events) => published,
            lost = connection.lost() => Err(lost),
        };
        if published.is_err() {
            // The next call begins anew, with a look at the stream.
            *held = None;
        }
        Ok(published?)
    }
}

/// Whether the stream's last event is not the one that was said.
fn is_out_of_place(error: &PublishError) -> bool {
    error.kind() == PublishErrorKind::WrongLastMessageId
}
