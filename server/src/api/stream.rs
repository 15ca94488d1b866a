//! The event log as server-sent events.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use http::HeaderValue;
use http::header::{CONTENT_TYPE, HeaderName};
use scim_directory::{Direction, EventFilter, LogPosition, LoggedEvent};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Api;
use super::call::Call;
use super::cursor::Kind;
use super::problem::Problem;
use crate::instance::now;

/// How many events are in memory at once for a reader, however slow it is.
const PAGE: usize = 50;
/// How often something is sent when there are no events, so that those between do not close the connection. As
/// often it is looked whether the key is still good.
const BEAT: Duration = Duration::from_secs(15);
/// Tells a proxy to send on at once.
const BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Answers with all events behind a place, and with those that come, until the server stops.
pub(super) fn begin(
    api: Api,
    call: &Call,
    filter: EventFilter,
    after: LogPosition,
) -> Result<Response, Problem> {
    let permit = api.waiting()?;
    let feed = Feed {
        key: call.bearer().to_owned(),
        api,
        filter,
        position: after,
        told: after,
        greeted: false,
        beat: Instant::now() + BEAT,
        _permit: permit,
    };
    let chunks = stream::unfold(feed, |mut feed| async move {
        let chunk = feed.next().await?;
        Some((Ok::<_, Infallible>(Bytes::from(chunk)), feed))
    });
    let mut response = Response::new(Body::from_stream(chunks));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(BUFFERING, HeaderValue::from_static("no"));
    Ok(response)
}

/// What is sent, made as the client takes it.
struct Feed {
    api: Api,
    /// The API key, which may be revoked meanwhile.
    key: String,
    filter: EventFilter,
    /// Behind all that was looked at.
    position: LogPosition,
    /// The place that the client knows.
    told: LogPosition,
    greeted: bool,
    beat: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Feed {
    /// The next text; `None` at the end. The client comes again and says what it had.
    async fn next(&mut self) -> Option<String> {
        if !self.greeted {
            self.greeted = true;
            return Some("retry: 2000\n\n".to_owned());
        }
        loop {
            if self.api.is_draining() {
                return None;
            }
            if Instant::now() >= self.beat {
                self.beat = Instant::now() + BEAT;
                return self.heartbeat().await;
            }
            let written = self.api.directories().events_written();
            let log = self.api.directories().log(&self.filter, self.position, Direction::Forward, PAGE);
            let page = match log.await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%error, "a stream of events ends early");
                    return None;
                }
            };
            self.position = page.next;
            if let Some(last) = page.events.last() {
                self.told = last.position;
                return Some(self.text(&page.events));
            }
            if page.has_more {
                continue;
            }
            tokio::select! {
                () = written => {}
                () = tokio::time::sleep_until(self.beat) => {}
                () = self.api.draining() => return None,
            }
        }
    }

    /// A comment; and where events went by that the filter keeps back, the place behind them.
    async fn heartbeat(&mut self) -> Option<String> {
        match self.api.directories().authenticate_api_key(&self.key, now()).await {
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return None,
        }
        if self.told == self.position {
            return Some(":\n\n".to_owned());
        }
        self.told = self.position;
        Some(format!(":\nid: {}\n\n", self.api.cursors().of_number(Kind::Events, self.position.number())))
    }

    fn text(&self, events: &[LoggedEvent]) -> String {
        let mut text = String::new();
        for LoggedEvent { position, event, .. } in events {
            let cursor = self.api.cursors().of_number(Kind::Events, position.number());
            // The body of an event has no line breaks.
            let _ =
                write!(text, "id: {cursor}\nevent: {}\ndata: {}\n\n", event.event_type.as_str(), event.body);
        }
        text
    }
}
