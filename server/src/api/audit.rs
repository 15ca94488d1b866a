//! `/audit_exports`: events and what became of them, signed line by line.

use std::collections::VecDeque;
use std::io;

use axum::body::Body;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::stream;
use http::HeaderValue;
use http::header::CONTENT_TYPE;
use scim_directory::{
    AttemptRecord, AuditExtent, AuditRange, AuditRecord, DeliveryRecord, DeliveryState, DirectoryError,
    DirectoryId, Event, EventFilter, EventType, LogPosition, OrganizationId, new_id,
};
use scim_set::{SigningKey, sign_as};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::sync::OwnedSemaphorePermit;

use super::Api;
use super::call::Call;
use super::endpoints::{millis, time};
use super::problem::Problem;
use crate::instance::now;

/// The `typ` of the lines. No other tokens that are signed with the same keys have it.
const TYPE: &str = "scimd-audit+jwt";
/// How many events are in memory at once for a reader, however slow it is.
const PAGE: usize = 50;

/// Answers with a line for each event in the order of the log, and one behind them that says how many there are. A
/// line is a token (RFC 7515 §7.1), and so no JSON.
pub(super) async fn export(api: Api, call: Call) -> Result<Response, Problem> {
    let mut fields = call.fields()?;
    let (since, until) = (fields.required_time("since"), fields.time("until"));
    let organization = fields.one_of("organization_id", OrganizationId::parse, &["the ids of organizations"]);
    let directory = fields.one_of("directory_id", DirectoryId::parse, &["the ids of directories"]);
    let types = fields.list("event_types", "the event types", EventType::parse).unwrap_or_default();
    fields.finish()?;
    // What is still to come can't be proved.
    let until = until.map_or(now(), |until| until.min(now()));
    if until < since {
        return Err(Problem::field("/since", "must be before until, and not in the future"));
    }
    let events = EventFilter {
        event_types: types,
        organization_ids: organization.into_iter().collect(),
        directory_ids: directory.into_iter().collect(),
    };
    let range = AuditRange { events, since, until };
    let permit = api.waiting()?;
    let extent = api.directories().audit_extent(&range).await?;
    let export = Export {
        id: new_id("audit", now()),
        key: call.bearer().to_owned(),
        api,
        range,
        position: extent.start,
        places: VecDeque::new(),
        extent,
        lines: 0,
        previous: None,
        is_done: false,
        _permit: permit,
    };
    let chunks = stream::try_unfold(export, |mut export| async move {
        let chunk = export.next().await?;
        Ok::<_, io::Error>(chunk.map(|chunk| (Bytes::from(chunk), export)))
    });
    let mut response = Response::new(Body::from_stream(chunks));
    let media_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, media_type);
    Ok(response)
}

/// What is sent, made as the client takes it.
struct Export {
    id: String,
    api: Api,
    /// The API key, which may be revoked meanwhile.
    key: String,
    range: AuditRange,
    extent: AuditExtent,
    /// Behind all that was looked at.
    position: LogPosition,
    /// Where events were found that are not sent yet.
    places: VecDeque<LogPosition>,
    lines: u64,
    /// The hash of the line before.
    previous: Option<String>,
    is_done: bool,
    _permit: OwnedSemaphorePermit,
}

/// What a line says.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    iat: i64,
    jti: String,
    /// Which line it is, from 0.
    index: u64,
    /// The SHA-256 of the line before, without its end.
    previous: Option<&'a str>,
    #[serde(flatten)]
    said: Value,
}

impl Export {
    /// The next lines; `None` behind the last. After an error the answer breaks off, so that nobody takes it for whole.
    async fn next(&mut self) -> io::Result<Option<String>> {
        let next = self.lines_of_page().await;
        next.inspect_err(|error| tracing::warn!(%error, "an audit export ends early"))
            .map_err(io::Error::other)
    }

    async fn lines_of_page(&mut self) -> Result<Option<String>, Broken> {
        while !self.is_done {
            if self.api.is_draining() {
                return Err(Broken::Stopping);
            }
            let directories = self.api.directories().clone();
            if directories.authenticate_api_key(&self.key, now()).await?.is_none() {
                return Err(Broken::Revoked);
            }
            if self.places.is_empty() && self.position < self.extent.end {
                let found = directories.audit_places(&self.range, self.position, self.extent.end).await?;
                (self.position, self.places) = (found.next, found.places.into());
                continue;
            }
            let page: Vec<LogPosition> = self.places.drain(..PAGE.min(self.places.len())).collect();
            let key = directories.set_signing_key(now()).await?;
            let mut lines = String::new();
            for record in &directories.audit_records(&page).await? {
                self.push_line(&mut lines, &key, said(record))?;
            }
            if self.places.is_empty() && self.position >= self.extent.end {
                self.is_done = true;
                self.push_line(&mut lines, &key, self.summary())?;
            }
            return Ok(Some(lines));
        }
        Ok(None)
    }

    fn push_line(&mut self, lines: &mut String, key: &SigningKey, said: Value) -> Result<(), Broken> {
        let claims = Claims {
            iss: self.api.issuer(),
            iat: now().unix_seconds(),
            jti: format!("{}.{}", self.id, self.lines),
            index: self.lines,
            previous: self.previous.as_deref(),
            said,
        };
        let line = sign_as(key, TYPE, &serde_json::to_string(&claims)?)?;
        self.previous = Some(hash(&line));
        self.lines += 1;
        lines.push_str(&line);
        lines.push('\n');
        Ok(())
    }

    /// What the last line says.
    fn summary(&self) -> Value {
        let events = &self.range.events;
        let types: Vec<&str> = events.event_types.iter().map(|kind| kind.as_str()).collect();
        json!({"summary": {
            "events": self.lines,
            "since": self.range.since.to_string(),
            "until": self.range.until.to_string(),
            "organization_id": events.organization_ids.first().map(OrganizationId::as_str),
            "directory_id": events.directory_ids.first().map(DirectoryId::as_str),
            "event_types": types,
            "complete": self.extent.is_complete,
        }})
    }
}

/// What the line of an event says.
fn said(record: &AuditRecord) -> Value {
    let deliveries = record.deliveries.iter().map(|(delivery, attempts)| shown(delivery, attempts));
    json!({"event": event(&record.logged.event), "deliveries": deliveries.collect::<Vec<_>>()})
}

fn event(event: &Event) -> Value {
    #[derive(Default, Deserialize)]
    struct Body {
        cause: Value,
    }
    let cause = serde_json::from_str::<Body>(&event.body).unwrap_or_default().cause;
    json!({
        "id": event.id.as_str(),
        "type": event.event_type.as_str(),
        "organization_id": event.organization_id.as_ref().map(OrganizationId::as_str),
        "directory_id": event.directory_id.as_ref().map(DirectoryId::as_str),
        "subject": event.subject,
        "sequence": event.sequence,
        "version": event.version,
        "cause": {"kind": cause.get("kind"), "request_id": cause.get("request_id")},
        "occurred_at": event.occurred_at.to_string(),
        "body_sha256": hash(&event.body),
    })
}

fn shown(delivery: &DeliveryRecord, attempts: &[AttemptRecord]) -> Value {
    let attempts: Vec<Value> = attempts.iter().zip(1_u64..).map(|(a, number)| attempt(a, number)).collect();
    let delivered = delivery.finished.filter(|_| delivery.state == DeliveryState::Delivered);
    json!({
        "id": delivery.id.as_str(),
        "endpoint_id": delivery.endpoint_id.as_str(),
        "told_as": delivery.told_as.map(EventType::as_str),
        "state": delivery.state.as_str(),
        "attempts": attempts,
        "delivered_at": time(delivered),
    })
}

fn attempt(attempt: &AttemptRecord, number: u64) -> Value {
    json!({
        "number": number,
        "at": attempt.at.to_string(),
        "elapsed_ms": millis(attempt.elapsed),
        "status": attempt.status,
        "reason": attempt.reason,
        "acknowledged": attempt.reason.is_none() && attempt.status.is_some(),
    })
}

fn hash(text: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}

/// Why an export breaks off.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the server stops")]
    Stopping,
    #[error("the API key is not good any more")]
    Revoked,
    #[error(transparent)]
    Directory(#[from] DirectoryError),
    #[error(transparent)]
    Key(#[from] scim_set::KeyError),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
}
