//! The demo's receiver of webhooks: an application in miniature, which verifies what it gets.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::extract::{DefaultBodyLimit, State};
use axum::response::Response;
use axum::routing::{get, post};
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use scim_core::Environment as _;
use scim_webhook::{Secret, verify};
use serde_json::value::RawValue;

use crate::environment::Machine;

/// The largest event that is taken.
const BODY: usize = 1 << 20;

/// Takes webhooks, keeps each verified event once, and shows them.
///
/// The events are kept in a file as well, so that they are still there after a restart.
#[derive(Clone, Debug)]
pub(crate) struct Receiver {
    secret: Secret,
    state: Arc<Mutex<Received>>,
}

#[derive(Debug)]
struct Received {
    file: File,
    seen: HashSet<String>,
    /// As sent, in order of arrival.
    events: Vec<Box<RawValue>>,
    repeated: usize,
    refused: usize,
}

/// What came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Events that were verified, each counted once.
    pub(crate) verified: usize,
    /// Deliveries of an event that was there already.
    pub(crate) repeated: usize,
    /// Deliveries that could not be verified.
    pub(crate) refused: usize,
}

impl Receiver {
    /// Opens a receiver that keeps its events in a file.
    pub(crate) fn open(file: &Path, secret: Secret) -> Result<Self> {
        let context = || format!("the receiver's file {} can't be used", file.display());
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(file).with_context(context)?;
        let mut events = Vec::new();
        let mut seen = HashSet::new();
        let mut whole = 0_u64;
        let mut reader = BufReader::new(&file);
        let mut line = String::new();
        // A last line without its end was cut off by a crash: the event was not acknowledged and comes again.
        while reader.read_line(&mut line).with_context(context)? > 0 && line.ends_with('\n') {
            let event: Box<RawValue> = serde_json::from_str(line.trim_end()).with_context(context)?;
            seen.insert(event_id(event.get()));
            events.push(event);
            whole = whole.saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX));
            line.clear();
        }
        file.set_len(whole).with_context(context)?;
        let received = Received { file, seen, events, repeated: 0, refused: 0 };
        Ok(Self { secret, state: Arc::new(Mutex::new(received)) })
    }

    /// `POST /` takes webhooks, `GET /events` shows the verified events.
    pub(crate) fn router(self) -> Router {
        Router::new()
            .route("/", post(take))
            .route("/events", get(events))
            .layer(DefaultBodyLimit::max(BODY))
            .with_state(self)
    }

    /// What came in so far.
    pub(crate) fn counts(&self) -> Counts {
        let state = self.lock();
        Counts { verified: state.events.len(), repeated: state.repeated, refused: state.refused }
    }

    /// Whether an event was verified.
    pub(crate) fn has(&self, id: &str) -> bool {
        self.lock().seen.contains(id)
    }

    /// The last events, oldest first.
    pub(crate) fn last(&self, count: usize) -> Vec<String> {
        let state = self.lock();
        let skipped = state.events.len().saturating_sub(count);
        state.events.iter().skip(skipped).map(|event| event.get().to_owned()).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Received> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self, headers: &HeaderMap, body: &[u8]) -> StatusCode {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let now = Machine.now().unix_micros().div_euclid(1_000_000);
        let verified = verify(&self.secret, header, body, now).ok().map(|verified| verified.id.to_owned());
        let event = std::str::from_utf8(body).ok().and_then(|text| serde_json::from_str(text).ok());
        let mut state = self.lock();
        let (Some(id), Some(event)) = (verified, event) else {
            state.refused = state.refused.saturating_add(1);
            return StatusCode::BAD_REQUEST;
        };
        if state.seen.contains(&id) {
            state.repeated = state.repeated.saturating_add(1);
            return StatusCode::OK;
        }
        let event: Box<RawValue> = event;
        let line = format!("{}\n", event.get().replace('\n', " "));
        if state.file.write_all(line.as_bytes()).is_err() {
            return StatusCode::SERVICE_UNAVAILABLE;
        }
        state.seen.insert(id);
        state.events.push(event);
        StatusCode::OK
    }
}

async fn take(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    receiver.take(&headers, &body)
}

async fn events(State(receiver): State<Receiver>) -> Response {
    let body = {
        let state = receiver.lock();
        let texts: Vec<&str> = state.events.iter().map(|event| event.get()).collect();
        format!("[{}]", texts.join(","))
    };
    let mut response = Response::new(body.into());
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The `id` of an event is its `webhook-id`.
fn event_id(text: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Event {
        id: String,
    }
    serde_json::from_str::<Event>(text).map(|event| event.id).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use scim_webhook::headers as signed;

    use super::*;

    fn deliver(receiver: &Receiver, secret: &Secret, id: &str, body: &str) -> StatusCode {
        let now = Machine.now().unix_micros() / 1_000_000;
        let mut headers = HeaderMap::new();
        for (name, value) in signed(&[secret], &[], id, now, body.as_bytes()) {
            headers.insert(name, value.parse().unwrap());
        }
        receiver.take(&headers, body.as_bytes())
    }

    #[test]
    fn an_event_is_kept_once_and_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("received.ndjson");
        let secret = Secret::from_bytes(&[7; 32]).unwrap();
        let other = Secret::from_bytes(&[8; 32]).unwrap();
        let receiver = Receiver::open(&file, secret.clone()).unwrap();
        assert_eq!(deliver(&receiver, &secret, "evt_1", r#"{"id":"evt_1"}"#), StatusCode::OK);
        assert_eq!(deliver(&receiver, &secret, "evt_1", r#"{"id":"evt_1"}"#), StatusCode::OK);
        assert_eq!(deliver(&receiver, &other, "evt_2", r#"{"id":"evt_2"}"#), StatusCode::BAD_REQUEST);
        assert_eq!(receiver.counts(), Counts { verified: 1, repeated: 1, refused: 1 });
        // A crash in the middle of a line.
        OpenOptions::new().append(true).open(&file).unwrap().write_all(b"{\"id\":\"evt").unwrap();
        let again = Receiver::open(&file, secret.clone()).unwrap();
        assert!(again.has("evt_1"));
        assert_eq!(deliver(&again, &secret, "evt_3", r#"{"id":"evt_3"}"#), StatusCode::OK);
        let last = Receiver::open(&file, secret).unwrap();
        assert_eq!(last.last(9), [r#"{"id":"evt_1"}"#, r#"{"id":"evt_3"}"#]);
    }
}
