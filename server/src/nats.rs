//! `[nats]` of the configuration file: events to NATS JetStream.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use scim_directory::{Directories, EventFilter, EventType, Reader};
use scim_nats::{Nats, NatsConfig, NewStream};
use serde::Deserialize;
use tokio::sync::watch;

use crate::config::SecretText;
use crate::environment::Machine;
use crate::instance::now;

/// The name of the reader in the database.
const READER: &str = "nats";

/// `[nats]`
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Section {
    url: Option<SecretText>,
    url_file: Option<PathBuf>,
    credentials_file: Option<PathBuf>,
    ca_file: Option<PathBuf>,
    stream: Option<String>,
    subject_prefix: Option<String>,
    #[serde(default)]
    event_types: Vec<String>,
    max_age_days: Option<u32>,
    max_bytes: Option<u64>,
    duplicate_window_seconds: Option<u32>,
    replicas: Option<usize>,
}

/// Where events go, and which of them.
#[derive(Clone, Debug)]
pub(crate) struct Publishing {
    outlet: Arc<Nats>,
    filter: EventFilter,
}

impl Section {
    /// What the section says, checked as far as that is possible without the server.
    pub(crate) fn publishing(&self) -> Result<Publishing> {
        let types = self.event_types.iter().map(|name| {
            EventType::parse(name).with_context(|| format!("event_types: there is no event type {name}"))
        });
        let filter = EventFilter { event_types: types.collect::<Result<_>>()?, ..EventFilter::default() };
        let default = NatsConfig::at(self.url()?);
        let new = NewStream::default();
        let days = |days: u32| Duration::from_secs(u64::from(days).saturating_mul(24 * 3600));
        let config = NatsConfig {
            credentials_file: self.credentials_file.clone(),
            ca_file: self.ca_file.clone(),
            stream: self.stream.clone().unwrap_or(default.stream),
            subject_prefix: self.subject_prefix.clone().unwrap_or(default.subject_prefix),
            new_stream: NewStream {
                max_age: self.max_age_days.map_or(new.max_age, days),
                max_bytes: self.max_bytes,
                duplicate_window: self
                    .duplicate_window_seconds
                    .map_or(new.duplicate_window, |seconds| Duration::from_secs(seconds.into())),
                replicas: self.replicas.unwrap_or(new.replicas),
            },
            url: default.url,
            timeout: default.timeout,
        };
        Ok(Publishing { outlet: Arc::new(Nats::new(config)?), filter })
    }

    fn url(&self) -> Result<String> {
        match (&self.url, &self.url_file) {
            (Some(url), None) => Ok(url.expose().to_owned()),
            (None, Some(path)) => Ok(std::fs::read_to_string(path)
                .with_context(|| format!("url_file {} can't be read", path.display()))?
                .trim()
                .to_owned()),
            _ => anyhow::bail!("there must be url or url_file, and not both"),
        }
    }
}

/// Publishes until it is told to stop. Without a server it tries again and again; nothing else waits for it.
pub(crate) async fn publish(
    directories: Directories,
    publishing: Option<Publishing>,
    stopped: watch::Receiver<bool>,
) {
    if let Some(Publishing { outlet, filter }) = publishing {
        Reader::new(&directories, READER, filter, outlet, Arc::new(Machine)).run(stopped).await;
        return;
    }
    // The place of a reader that nobody uses would keep events from being forgotten.
    match directories.remove_reader(READER, now()).await {
        Ok(false) => {}
        Ok(true) => tracing::info!(
            "the configuration has no [nats] any more: with it again, all events that are kept are published again"
        ),
        Err(error) => tracing::warn!(%error, "it is not known whether events wait for NATS"),
    }
}
