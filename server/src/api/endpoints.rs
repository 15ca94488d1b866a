//! `/webhook_endpoints`: where events go.

use std::time::Duration;

use axum::response::Response;
use http::header::IF_MATCH;
use scim_directory::{
    DirectoryError, DirectoryId, Endpoint, EndpointId, EndpointSettings, EventType, NewEndpoint, Ordering,
    OrganizationId, Profile,
};
use scim_schema::DateTime;
use scim_webhook::{Acknowledge, Outcome, Secret, VerifyingKey};
use serde_json::{Value, json};

use super::call::{Call, created, nothing, ok, tagged};
use super::fields::Fields;
use super::problem::Problem;
use super::{Api, PREFIX};
use crate::instance::now;

/// The longest time for which an old secret or key is signed with too: a week, in seconds.
const LONGEST_OVERLAP: u32 = 7 * 24 * 3600;
/// How often a change is tried again that another one came before.
const TRIES: usize = 5;

pub(super) async fn list(api: Api, call: Call) -> Result<Response, Problem> {
    call.query().finish()?;
    let endpoints = api.directories().endpoints().await?;
    let keys = api.directories().all_verifying_keys(now()).await?;
    let keys_of = |endpoint: &Endpoint| keys.get(&endpoint.id).map_or(&[][..], Vec::as_slice);
    let endpoints: Vec<Value> = endpoints.iter().map(|e| shown(e, keys_of(e))).collect();
    Ok(ok(&json!({"webhook_endpoints": endpoints})))
}

pub(super) async fn create(api: Api, call: Call) -> Result<Response, Problem> {
    let mut fields = call.fields()?;
    let mut settings = EndpointSettings { url: fields.required_text("url"), ..EndpointSettings::default() };
    read_settings(&mut fields, &mut settings);
    let secret = read_secret(&mut fields);
    fields.finish()?;
    let made = api.directories().create_endpoint(NewEndpoint { settings, secret }, now()).await;
    let made = made.map_err(scope_problem)?;
    let mut body = shown(&made.endpoint, &[]);
    set(&mut body, "secret", made.secret.expose().into());
    let location = format!("{PREFIX}/webhook_endpoints/{}", made.endpoint.id);
    Ok(tagged(created(&location, &body), &tag(&made.endpoint)))
}

pub(super) async fn show(api: Api, call: Call) -> Result<Response, Problem> {
    let endpoint = found(&api, &id(&call)?).await?;
    let body = with_keys(&api, &endpoint).await?;
    Ok(tagged(ok(&body), &tag(&endpoint)))
}

pub(super) async fn update(api: Api, call: Call) -> Result<Response, Problem> {
    let id = id(&call)?;
    let body = call.fields()?;
    for _ in 0..TRIES {
        let before = found(&api, &id).await?;
        call.check_match(&tag(&before))?;
        let mut settings = before.settings.clone();
        let mut fields = body.clone();
        if let Some(url) = fields.text("url") {
            settings.url = url;
        }
        read_settings(&mut fields, &mut settings);
        fields.finish()?;
        let seen = Some(before.updated);
        match api.directories().update_endpoint_seen(&id, settings, seen, now()).await {
            Ok(()) => {
                let endpoint = found(&api, &id).await?;
                let body = with_keys(&api, &endpoint).await?;
                return Ok(tagged(ok(&body), &tag(&endpoint)));
            }
            Err(DirectoryError::Changed { .. }) if call.header(&IF_MATCH).is_some() => {
                return Err(Problem::changed_meanwhile());
            }
            Err(DirectoryError::Changed { .. }) => {}
            Err(error) => return Err(scope_problem(error)),
        }
    }
    Err(Problem::unavailable("others change the endpoint all the time"))
}

pub(super) async fn delete(api: Api, call: Call) -> Result<Response, Problem> {
    call.no_fields()?;
    api.directories().delete_endpoint(&id(&call)?, now()).await?;
    Ok(nothing())
}

/// The secret is in the answer, and nowhere else after that.
pub(super) async fn rotate_secret(api: Api, call: Call) -> Result<Response, Problem> {
    let id = id(&call)?;
    let mut fields = call.fields()?;
    let overlap = read_overlap(&mut fields);
    let secret = read_secret(&mut fields);
    fields.finish()?;
    let time = now();
    let secret = api.directories().rotate_secret(&id, secret, overlap, time).await?;
    let end = time.plus(overlap);
    Ok(ok(&json!({
        "id": id.as_str(),
        "secret": secret.expose(),
        "previous_secret_expires_at": end.to_string(),
    })))
}

/// Signs with an Ed25519 key beside the secret. Nothing is previous for the first one.
pub(super) async fn rotate_signing_key(api: Api, call: Call) -> Result<Response, Problem> {
    let id = id(&call)?;
    let mut fields = call.fields()?;
    let overlap = read_overlap(&mut fields);
    fields.finish()?;
    let now = now();
    let is_first = api.directories().verifying_keys(&id, now).await?.is_empty();
    let key = api.directories().rotate_signing_key(&id, overlap, now).await?;
    let end = (!is_first).then(|| now.plus(overlap));
    Ok(ok(&json!({
        "id": id.as_str(),
        "verifying_key": key.to_string(),
        "previous_key_expires_at": time(end),
    })))
}

/// From now on, only secrets are signed with.
pub(super) async fn remove_signing_keys(api: Api, call: Call) -> Result<Response, Problem> {
    let id = id(&call)?;
    call.no_fields()?;
    api.directories().remove_signing_keys(&id).await?;
    Ok(ok(&with_keys(&api, &found(&api, &id).await?).await?))
}

/// One attempt, now, and what became of it.
pub(super) async fn test(api: Api, call: Call) -> Result<Response, Problem> {
    let id = id(&call)?;
    let mut fields = call.fields()?;
    let event_type = fields.one_of("event_type", EventType::parse, &event_types());
    fields.finish()?;
    let event_type = event_type.unwrap_or(EventType::UserCreated);
    let (event_id, report) = api.directories().try_endpoint(&id, event_type, api.transport(), now()).await?;
    let (delivered, status, reason) = match report.outcome {
        Outcome::Delivered { status } => (true, Some(status), None),
        Outcome::Failed { status, reason, .. } => (false, status, Some(reason.as_str())),
    };
    Ok(ok(&json!({
        "event_id": event_id.as_str(),
        "event_type": event_type.as_str(),
        "delivered": delivered,
        "status": status,
        "reason": reason,
        "elapsed_ms": millis(report.elapsed),
        "excerpt": report.excerpt,
    })))
}

/// With `replay_missing`, what happened since it was disabled is delivered too.
pub(super) async fn enable(api: Api, call: Call) -> Result<Response, Problem> {
    let id = id(&call)?;
    let mut fields = call.fields()?;
    let replay = fields.flag("replay_missing").unwrap_or_default();
    fields.finish()?;
    api.directories().set_endpoint_enabled(&id, true, now()).await?;
    let replayed = if replay { api.directories().replay_disabled(&id, now()).await? } else { 0 };
    let mut body = with_keys(&api, &found(&api, &id).await?).await?;
    set(&mut body, "replayed", replayed.into());
    Ok(ok(&body))
}

pub(super) async fn disable(api: Api, call: Call) -> Result<Response, Problem> {
    let id = id(&call)?;
    call.no_fields()?;
    api.directories().set_endpoint_enabled(&id, false, now()).await?;
    Ok(ok(&with_keys(&api, &found(&api, &id).await?).await?))
}

/// Tries all again that was given up.
pub(super) async fn recover(api: Api, call: Call) -> Result<Response, Problem> {
    let (id, since, until) = span(&call)?;
    let recovered = api.directories().recover(&id, since, until, now()).await?;
    Ok(ok(&json!({"recovered": recovered})))
}

/// Delivers what was never meant for the endpoint, and would be now.
pub(super) async fn replay_missing(api: Api, call: Call) -> Result<Response, Problem> {
    let (id, since, until) = span(&call)?;
    let replayed = api.directories().replay_missing(&id, since, until, now()).await?;
    Ok(ok(&json!({"replayed": replayed})))
}

fn id(call: &Call) -> Result<EndpointId, Problem> {
    call.id(0, "endpoint", EndpointId::parse)
}

async fn found(api: &Api, id: &EndpointId) -> Result<Endpoint, Problem> {
    api.directories().endpoint(id).await?.ok_or_else(|| Problem::not_found("endpoint"))
}

fn span(call: &Call) -> Result<(EndpointId, DateTime, Option<DateTime>), Problem> {
    let id = id(call)?;
    let mut fields = call.fields()?;
    let (since, until) = (fields.required_time("since"), fields.time("until"));
    fields.finish()?;
    Ok((id, since, until))
}

/// What the body says of the settings but for the URL; what it does not name stays.
fn read_settings(fields: &mut Fields, settings: &mut EndpointSettings) {
    if let Some(description) = fields.text("description") {
        settings.description = description;
    }
    if let Some(types) = fields.list("event_types", "the event types", EventType::parse) {
        settings.event_types = types;
    }
    if let Some(ids) = fields.list("organization_ids", "the ids of organizations", OrganizationId::parse) {
        settings.organization_ids = ids;
    }
    if let Some(ids) = fields.list("directory_ids", "the ids of directories", DirectoryId::parse) {
        settings.directory_ids = ids;
    }
    if let Some(profile) = fields.one_of("profile", Profile::parse, &names(Profile::ALL, Profile::as_str)) {
        settings.profile = profile;
    }
    let acknowledge = [Acknowledge::Success.as_str(), Acknowledge::Strict.as_str()];
    if let Some(acknowledge) = fields.one_of("acknowledge", Acknowledge::parse, &acknowledge) {
        settings.acknowledge = acknowledge;
    }
    if let Some(ordering) =
        fields.one_of("ordering", Ordering::parse, &names(Ordering::ALL, Ordering::as_str))
    {
        settings.ordering = ordering;
    }
    if let Some(headers) = fields.texts("headers") {
        settings.headers = headers;
    }
    if let Some(rate) = fields.number("rate", u32::MAX) {
        settings.rate = rate;
    }
    if let Some(concurrency) = fields.number("concurrency", u32::MAX) {
        settings.concurrency = concurrency;
    }
}

/// For how long what was signed with before is signed with too.
fn read_overlap(fields: &mut Fields) -> Duration {
    let seconds = fields.number("overlap_seconds", LONGEST_OVERLAP).flatten();
    seconds.map_or(Endpoint::OVERLAP, |seconds| Duration::from_secs(seconds.into()))
}

/// A secret of the client's own.
fn read_secret(fields: &mut Fields) -> Option<Secret> {
    let text = fields.text("secret")?;
    match Secret::parse(&text) {
        Ok(secret) => Some(secret),
        Err(error) => {
            fields.refuse("secret", &format!("can't be used: {error}"));
            None
        }
    }
}

/// An organization or directory that an endpoint or a stream names and that is not there is a mistake in the body.
pub(super) fn scope_problem(error: DirectoryError) -> Problem {
    match error {
        DirectoryError::NotFound { what: "organization" } => {
            Problem::field("/organization_ids", "names an organization that is not there")
        }
        DirectoryError::NotFound { what: "directory" } => {
            Problem::field("/directory_ids", "names a directory that is not there")
        }
        error => error.into(),
    }
}

/// What is shown of an endpoint, and by what its receiver verifies now.
async fn with_keys(api: &Api, endpoint: &Endpoint) -> Result<Value, Problem> {
    let keys = api.directories().verifying_keys(&endpoint.id, now()).await?;
    Ok(shown(endpoint, &keys))
}

/// What is shown of an endpoint. The values of its header fields may be credentials and are not.
fn shown(endpoint: &Endpoint, keys: &[VerifyingKey]) -> Value {
    let keys: Vec<String> = keys.iter().map(VerifyingKey::to_string).collect();
    let settings = &endpoint.settings;
    let health = &endpoint.health;
    let types: Vec<&str> = settings.event_types.iter().map(|t| t.as_str()).collect();
    let organizations: Vec<&str> = settings.organization_ids.iter().map(OrganizationId::as_str).collect();
    let directories: Vec<&str> = settings.directory_ids.iter().map(DirectoryId::as_str).collect();
    let headers: Vec<&str> = settings.headers.iter().map(|(name, _)| name.as_str()).collect();
    json!({
        "id": endpoint.id.as_str(),
        "object": "webhook_endpoint",
        "url": settings.url,
        "description": settings.description,
        "event_types": types,
        "organization_ids": organizations,
        "directory_ids": directories,
        "profile": settings.profile.as_str(),
        "acknowledge": settings.acknowledge.as_str(),
        "ordering": settings.ordering.as_str(),
        "header_names": headers,
        "verifying_keys": keys,
        "rate": settings.rate,
        "concurrency": settings.concurrency,
        "enabled": endpoint.enabled,
        "disabled_reason": endpoint.disabled_reason,
        "disabled_at": time(endpoint.disabled_at),
        "created_at": endpoint.created.to_string(),
        "updated_at": endpoint.updated.to_string(),
        "health": {
            "failures": health.failures,
            "failing_since": time(health.failing_since),
            "not_before": time(health.not_before),
            "one_at_a_time": health.is_slow,
            "last_delivered_at": time(health.last_delivered),
        },
    })
}

/// The state of an endpoint's settings.
fn tag(endpoint: &Endpoint) -> String {
    format!("\"{}\"", endpoint.updated.unix_micros())
}

/// A time, or null.
pub(super) fn time(time: Option<DateTime>) -> Value {
    time.map_or(Value::Null, |time| time.to_string().into())
}

/// A duration in whole milliseconds.
pub(super) fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The names of all event types.
pub(super) fn event_types() -> Vec<&'static str> {
    names(EventType::ALL, EventType::as_str)
}

fn names<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str) -> Vec<&'static str> {
    all.iter().copied().map(name).collect()
}

fn set(object: &mut Value, name: &str, value: Value) {
    if let Some(object) = object.as_object_mut() {
        object.insert(name.to_owned(), value);
    }
}
