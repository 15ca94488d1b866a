//! How a delivery attempt is made.

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use scim_schema::DateTime;
use scim_set::{PushAnswer, SetError, push_answer};
use scim_webhook::{Acknowledge, Delivery, Failure, Outcome, Post, Report, Secret, Sender, SigningKey};

/// One attempt to deliver an event to an endpoint.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Attempt {
    /// The endpoint's URL.
    pub url: String,
    /// The event's id: the same on every attempt.
    pub event_id: String,
    /// The secrets to sign with, the newest first.
    pub secrets: Vec<Secret>,
    /// The Ed25519 keys to sign with, the newest first.
    pub signing_keys: Vec<SigningKey>,
    /// Further headers of the endpoint: names and values.
    pub headers: Vec<(String, String)>,
    /// Which answers acknowledge.
    pub acknowledge: Acknowledge,
    /// The JSON text of the event.
    pub body: Bytes,
    /// When the attempt is made.
    pub time: DateTime,
    /// Which attempt it is, from 1.
    pub number: u32,
}

/// Makes delivery attempts.
#[async_trait]
pub trait Transport: fmt::Debug + Send + Sync + 'static {
    /// Makes one attempt and says what became of it. It must come to an end by itself.
    async fn attempt(&self, attempt: &Attempt) -> Report;
}

/// One attempt to push a security event token.
#[derive(Clone)]
#[non_exhaustive]
pub struct Push {
    /// The receiver's URL.
    pub url: String,
    /// The value of the header field `Authorization`.
    pub authorization: Option<String>,
    /// The signed token.
    pub token: String,
    /// When the attempt is made.
    pub time: DateTime,
}

impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push").field("url", &self.url).field("time", &self.time).finish_non_exhaustive()
    }
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "made by other transports too")]
pub enum PushOutcome {
    /// The receiver has it.
    Acknowledged,
    /// The receiver does not take it.
    Refused(SetError),
    /// The receiver may have it or not.
    Failed {
        /// The status, if there was an answer.
        status: Option<u16>,
        /// A stable name of what went wrong.
        reason: &'static str,
        /// The receiver's wish how long to wait.
        retry_after: Option<Duration>,
        /// Whether the receiver wants no more of them.
        is_gone: bool,
    },
}

/// Pushes security event tokens.
#[async_trait]
pub trait SetTransport: fmt::Debug + Send + Sync + 'static {
    /// Makes one attempt and says what became of it. It must come to an end by itself, in less than
    /// 20 s: for so long a stream is its transmitter's alone.
    async fn push(&self, push: &Push) -> PushOutcome;
}

#[async_trait]
impl SetTransport for Sender {
    async fn push(&self, push: &Push) -> PushOutcome {
        let mut headers = vec![("accept".to_owned(), "application/json".to_owned())];
        headers.extend(push.authorization.clone().map(|value| ("authorization".to_owned(), value)));
        let report = self
            .post(&Post {
                url: &push.url,
                timestamp: push.time.unix_seconds(),
                content_type: scim_set::MEDIA_TYPE,
                headers: &headers,
                body: push.token.clone().into(),
            })
            .await;
        let (status, reason, retry_after) = match report.outcome {
            Outcome::Delivered { status } => (Some(status), Failure::Status, None),
            Outcome::Failed { status, reason, retry_after } => (status, reason, retry_after),
        };
        match push_answer(status.unwrap_or_default(), &report.excerpt) {
            PushAnswer::Acknowledged => PushOutcome::Acknowledged,
            PushAnswer::Refused(error) => PushOutcome::Refused(error),
            _ => {
                let is_gone = reason == Failure::Gone;
                PushOutcome::Failed { status, reason: reason.as_str(), retry_after, is_gone }
            }
        }
    }
}

#[async_trait]
impl Transport for Sender {
    async fn attempt(&self, attempt: &Attempt) -> Report {
        let secrets: Vec<&Secret> = attempt.secrets.iter().collect();
        let signing_keys: Vec<&SigningKey> = attempt.signing_keys.iter().collect();
        self.send(&Delivery {
            url: &attempt.url,
            id: &attempt.event_id,
            timestamp: attempt.time.unix_seconds(),
            body: attempt.body.clone(),
            secrets: &secrets,
            signing_keys: &signing_keys,
            headers: &attempt.headers,
            acknowledge: attempt.acknowledge,
        })
        .await
    }
}
