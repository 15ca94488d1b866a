//! How a delivery attempt is made.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use scim_schema::DateTime;
use scim_webhook::{Acknowledge, Delivery, Report, Secret, Sender, SigningKey};

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
