//! `/events`: the event log, to be read page by page, waited for, or followed as a stream.

use std::time::Duration;

use axum::response::Response;
use http::StatusCode;
use http::header::{ACCEPT, HeaderName};
use scim_directory::{
    Direction, DirectoryId, EndpointId, EventFilter, EventId, EventType, LogPage, LogPosition, OrganizationId,
};
use serde_json::json;
use tokio::time::Instant;

use super::call::{Call, json, ok};
use super::cursor::Kind;
use super::endpoints::event_types;
use super::problem::Problem;
use super::{Api, LONGEST_WAIT, stream};

/// How many events a page has, unless it is said, and at most.
const PAGE: usize = 50;
const MOST: usize = 100;
/// How long is looked on for events that a filter lets through, where nobody asked to wait.
const LOOK_ON: Duration = Duration::from_secs(1);
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// What is asked for.
#[derive(Debug)]
struct Wanted {
    filter: EventFilter,
    after: LogPosition,
    direction: Direction,
    limit: usize,
    wait: Duration,
}

pub(super) async fn list(api: Api, call: Call) -> Result<Response, Problem> {
    let mut wanted = Wanted::of(&api, &call).await?;
    if is_stream(&call) {
        if wanted.direction == Direction::Backward {
            return Err(Problem::field("order", "can't be desc in a stream"));
        }
        return stream::begin(api, &call, wanted.filter, wanted.after);
    }
    let permit = (wanted.wait > Duration::ZERO).then(|| api.waiting()).transpose()?;
    let page = wanted.page(&api).await?;
    drop(permit);
    Ok(json(StatusCode::OK, text(&api, &page)))
}

pub(super) async fn show(api: Api, call: Call) -> Result<Response, Problem> {
    let id = call.id(0, "event", EventId::parse)?;
    let found = api.directories().event(&id).await?.ok_or_else(|| Problem::not_found("event"))?;
    Ok(json(StatusCode::OK, found.event.body))
}

/// To one endpoint, or to each that wants it.
pub(super) async fn resend(api: Api, call: Call) -> Result<Response, Problem> {
    let id = call.id(0, "event", EventId::parse)?;
    let mut fields = call.fields()?;
    let endpoint = fields.one_of("endpoint_id", EndpointId::parse, &["the ids of endpoints"]);
    fields.finish()?;
    let resent = api.directories().resend(&id, endpoint.as_ref(), crate::instance::now()).await?;
    Ok(ok(&json!({"resent": resent})))
}

impl Wanted {
    async fn of(api: &Api, call: &Call) -> Result<Self, Problem> {
        let mut query = call.query();
        let filter = EventFilter {
            event_types: query.list("types", &event_types().join(" or "), EventType::parse),
            organization_ids: query.list("organization_id", "ids of organizations", OrganizationId::parse),
            directory_ids: query.list("directory_id", "ids of directories", DirectoryId::parse),
        };
        let direction = query.one("order", "must be asc or desc", |text| match text {
            "asc" => Some(Direction::Forward),
            "desc" => Some(Direction::Backward),
            _ => None,
        });
        let limit = query.number("limit", 1, MOST).unwrap_or(PAGE);
        let longest = usize::try_from(LONGEST_WAIT.as_secs()).unwrap_or_default();
        let wait = query.number("wait", 0, longest).unwrap_or_default();
        let position = |text: &str| api.cursors().number(Kind::Events, text).map(LogPosition::from_number);
        let after = query.one("after", "is none that was given out here", position);
        let starts_at_end = query.one("start", "must be beginning or end", |text| match text {
            "beginning" => Some(false),
            "end" => Some(true),
            _ => None,
        });
        query.finish()?;
        let direction = direction.unwrap_or_default();
        if wait > 0 && direction == Direction::Backward {
            return Err(Problem::field("wait", "has no sense with order=desc: no event comes before others"));
        }
        let last_seen = match call.header(&LAST_EVENT_ID) {
            Some(text) => Some(
                position(text)
                    .ok_or_else(|| Problem::field("Last-Event-ID", "is none that was given out here"))?,
            ),
            None => None,
        };
        let log_start = api.directories().log_start().await?;
        let after = match (last_seen.or(after), direction, starts_at_end) {
            (Some(after), Direction::Forward, _) if after < log_start => return Err(Problem::forgotten()),
            (Some(after), _, _) => after,
            (None, Direction::Forward, Some(true)) => api.directories().log_end().await?,
            // What is before it was forgotten.
            (None, Direction::Forward, _) => log_start,
            (None, Direction::Backward, _) => LogPosition::START,
        };
        let wait = Duration::from_secs(u64::try_from(wait).unwrap_or_default());
        Ok(Self { filter, after, direction, limit, wait })
    }

    /// The next events; where there are none, those that come in time.
    async fn page(&mut self, api: &Api) -> Result<LogPage, Problem> {
        let begun = Instant::now();
        loop {
            // From here on nothing is missed that comes.
            let written = api.directories().events_written();
            let page = api.directories().log(&self.filter, self.after, self.direction, self.limit).await?;
            if !page.events.is_empty() || api.is_draining() {
                return Ok(page);
            }
            if page.has_more && begun.elapsed() < self.wait.max(LOOK_ON) {
                self.after = page.next;
                continue;
            }
            if begun.elapsed() >= self.wait {
                return Ok(page);
            }
            self.after = page.next;
            tokio::select! {
                () = written => {}
                () = tokio::time::sleep_until(begun + self.wait) => {}
                () = api.draining() => {}
            }
        }
    }
}

/// The events are exactly what is delivered.
fn text(api: &Api, page: &LogPage) -> String {
    let bodies: Vec<&str> = page.events.iter().map(|logged| logged.event.body.as_str()).collect();
    let cursor = api.cursors().of_number(Kind::Events, page.next.number());
    format!(
        "{{\"events\":[{}],\"next_cursor\":\"{cursor}\",\"has_more\":{}}}",
        bodies.join(","),
        page.has_more
    )
}

fn is_stream(call: &Call) -> bool {
    let accepted = call.header(&ACCEPT).unwrap_or_default();
    accepted.split(',').any(|media| {
        media.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case("text/event-stream")
    })
}
