//! `/deliveries`: the message log.

use axum::response::Response;
use scim_directory::{
    AttemptRecord, DeliveryFilter, DeliveryId, DeliveryRecord, DeliveryState, EndpointId, EventId, EventType,
};
use serde_json::{Value, json};

use super::Api;
use super::call::{Call, ok};
use super::cursor::Kind;
use super::endpoints::{millis, time};
use super::problem::Problem;

/// How many deliveries a page has, unless it is said, and at most.
const PAGE: usize = 100;
const MOST: usize = 500;

/// The latest first.
pub(super) async fn list(api: Api, call: Call) -> Result<Response, Problem> {
    let mut query = call.query();
    let filter = DeliveryFilter {
        endpoint_id: query.one("endpoint_id", "must be the id of an endpoint", EndpointId::parse),
        event_id: query.one("event_id", "must be the id of an event", EventId::parse),
        states: query.list("state", &states(), DeliveryState::parse),
    };
    let limit = query.number("page_size", 1, MOST).unwrap_or(PAGE);
    let cursors = api.cursors();
    let after = query.one("page_token", "is none that was given out here", |text| {
        DeliveryId::parse(&cursors.id(Kind::Deliveries, text)?)
    });
    query.finish()?;
    let mut found = api.directories().delivery_list(&filter, after.as_ref(), limit + 1).await?;
    let has_more = found.len() > limit;
    found.truncate(limit);
    let next =
        found.last().filter(|_| has_more).map(|last| cursors.of_id(Kind::Deliveries, last.id.as_str()));
    let deliveries: Vec<Value> = found.iter().map(shown).collect();
    Ok(ok(&json!({"deliveries": deliveries, "next_page_token": next})))
}

pub(super) async fn show(api: Api, call: Call) -> Result<Response, Problem> {
    let found = api.directories().delivery(&id(&call)?).await?;
    Ok(ok(&shown(&found.ok_or_else(|| Problem::not_found("delivery"))?)))
}

pub(super) async fn attempts(api: Api, call: Call) -> Result<Response, Problem> {
    let attempts = api.directories().attempts(&id(&call)?).await?;
    let attempts: Vec<Value> = attempts.iter().map(attempt).collect();
    Ok(ok(&json!({"attempts": attempts})))
}

fn id(call: &Call) -> Result<DeliveryId, Problem> {
    call.id(0, "delivery", DeliveryId::parse)
}

fn states() -> String {
    let all: Vec<&str> = DeliveryState::ALL.iter().map(|state| state.as_str()).collect();
    format!("of {}", all.join(", "))
}

fn shown(delivery: &DeliveryRecord) -> Value {
    json!({
        "id": delivery.id.as_str(),
        "object": "delivery",
        "event_id": delivery.event_id.as_str(),
        "event_type": delivery.event_type.as_str(),
        "told_as": delivery.told_as.map(EventType::as_str),
        "subject": delivery.subject,
        "endpoint_id": delivery.endpoint_id.as_str(),
        "state": delivery.state.as_str(),
        "attempts": delivery.attempts,
        "occurred_at": delivery.occurred_at.to_string(),
        "next_attempt_at": time(delivery.next_attempt),
        "finished_at": time(delivery.finished),
        "status": delivery.status,
        "reason": delivery.reason,
    })
}

fn attempt(attempt: &AttemptRecord) -> Value {
    json!({
        "at": attempt.at.to_string(),
        "elapsed_ms": millis(attempt.elapsed),
        "status": attempt.status,
        "reason": attempt.reason,
        "excerpt": attempt.excerpt,
    })
}
