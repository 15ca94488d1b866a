//! `/set_streams` and `/set_keys`: who gets security event tokens, and what they are signed with.

use axum::response::Response;
use scim_directory::{
    DirectoryError, DirectoryId, OrganizationId, SetDelivery, SetStream, SetStreamId, SetStreamSettings,
};
use scim_set::{Content, EventUri};
use serde_json::{Value, json};

use super::call::{Call, created, nothing, ok};
use super::endpoints::{scope_problem, time};
use super::fields::Fields;
use super::problem::Problem;
use super::{Api, PREFIX};
use crate::instance::now;

pub(super) async fn list(api: Api, call: Call) -> Result<Response, Problem> {
    call.query().finish()?;
    let streams = api.directories().set_streams().await?;
    let streams: Vec<Value> = streams.iter().map(shown).collect();
    Ok(ok(&json!({"set_streams": streams})))
}

/// The token of a stream that is polled is in the answer, and nowhere else after that.
pub(super) async fn create(api: Api, call: Call) -> Result<Response, Problem> {
    let mut fields = call.fields()?;
    let settings = read_settings(&mut fields);
    fields.finish()?;
    let made = api.directories().create_set_stream(settings, now()).await.map_err(|error| match error {
        DirectoryError::Url(error) => Problem::field("/push_url", error.to_string()),
        error => scope_problem(error),
    })?;
    let mut body = shown(&made.stream);
    if let (Some(body), Some(token)) = (body.as_object_mut(), made.token) {
        body.insert("token".to_owned(), token.expose().into());
    }
    Ok(created(&format!("{PREFIX}/set_streams/{}", made.stream.id), &body))
}

pub(super) async fn show(api: Api, call: Call) -> Result<Response, Problem> {
    let id = id(&call)?;
    let mut body = shown(&found(&api, &id).await?);
    if let Some(body) = body.as_object_mut() {
        body.insert("waiting".to_owned(), api.directories().waiting_sets(&id).await?.into());
    }
    Ok(ok(&body))
}

pub(super) async fn delete(api: Api, call: Call) -> Result<Response, Problem> {
    call.no_fields()?;
    api.directories().delete_set_stream(&id(&call)?).await?;
    Ok(nothing())
}

pub(super) async fn enable(api: Api, call: Call) -> Result<Response, Problem> {
    switch(api, call, true).await
}

pub(super) async fn disable(api: Api, call: Call) -> Result<Response, Problem> {
    switch(api, call, false).await
}

/// What the receiver did not take, and what it has against it.
pub(super) async fn refused(api: Api, call: Call) -> Result<Response, Problem> {
    call.query().finish()?;
    let id = id(&call)?;
    found(&api, &id).await?;
    let refused = api.directories().refused_sets(&id).await?;
    let refused: Vec<Value> = refused
        .iter()
        .map(|set| {
            json!({
                "jti": set.id,
                "err": set.error.err,
                "description": set.error.description,
                "refused_at": set.refused.to_string(),
            })
        })
        .collect();
    Ok(ok(&json!({"refused_sets": refused})))
}

/// Delivers again what the receiver did not take.
pub(super) async fn retry_refused(api: Api, call: Call) -> Result<Response, Problem> {
    call.no_fields()?;
    let id = id(&call)?;
    found(&api, &id).await?;
    let retried = api.directories().retry_refused_sets(&id).await?;
    Ok(ok(&json!({"retried": retried})))
}

/// Signs with a new key from now on.
pub(super) async fn rotate_key(api: Api, call: Call) -> Result<Response, Problem> {
    call.no_fields()?;
    let kid = api.directories().rotate_set_key(now()).await?;
    Ok(ok(&json!({"kid": kid})))
}

/// Takes a replaced key out of the key set.
pub(super) async fn withdraw_key(api: Api, call: Call) -> Result<Response, Problem> {
    call.no_fields()?;
    api.directories().withdraw_set_key(call.param(0)).await?;
    Ok(nothing())
}

async fn switch(api: Api, call: Call, enabled: bool) -> Result<Response, Problem> {
    call.no_fields()?;
    let id = id(&call)?;
    api.directories().set_set_stream_enabled(&id, enabled).await?;
    Ok(ok(&shown(&found(&api, &id).await?)))
}

fn id(call: &Call) -> Result<SetStreamId, Problem> {
    call.id(0, "stream", SetStreamId::parse)
}

async fn found(api: &Api, id: &SetStreamId) -> Result<SetStream, Problem> {
    api.directories().set_stream(id).await?.ok_or_else(|| Problem::not_found("stream"))
}

fn read_settings(fields: &mut Fields) -> SetStreamSettings {
    let audience = fields.required_text("audience");
    let (push_url, authorization) = (fields.text("push_url"), fields.text("authorization"));
    if push_url.is_none() && authorization.is_some() {
        fields.refuse("authorization", "is sent with pushes, but there is no push_url");
    }
    let made = |text: &str| EventUri::parse(text).filter(|uri| EventUri::MADE.contains(uri));
    let event_uris = fields.list("event_uris", "the events that are made", made);
    let content = fields.one_of("content", read_content, &["full", "notice"]);
    let organization_ids = fields.list("organization_ids", "the ids of organizations", OrganizationId::parse);
    let directory_ids = fields.list("directory_ids", "the ids of directories", DirectoryId::parse);
    SetStreamSettings {
        audience,
        delivery: push_url.map_or(SetDelivery::Poll, |url| SetDelivery::Push { url, authorization }),
        event_uris: event_uris.unwrap_or_default(),
        content: content.unwrap_or_default(),
        organization_ids: organization_ids.unwrap_or_default(),
        directory_ids: directory_ids.unwrap_or_default(),
    }
}

fn read_content(text: &str) -> Option<Content> {
    match text {
        "full" => Some(Content::Full),
        "notice" => Some(Content::Notice),
        _ => None,
    }
}

/// What is shown of a stream: nothing that is secret.
fn shown(stream: &SetStream) -> Value {
    let settings = &stream.settings;
    let event_uris: Vec<&str> = settings.event_uris.iter().map(|uri| uri.as_str()).collect();
    let organizations: Vec<&str> = settings.organization_ids.iter().map(OrganizationId::as_str).collect();
    let directories: Vec<&str> = settings.directory_ids.iter().map(DirectoryId::as_str).collect();
    let (push_url, poll_path) = match &settings.delivery {
        SetDelivery::Push { url, .. } => (Value::from(url.as_str()), Value::Null),
        SetDelivery::Poll => (Value::Null, format!("{PREFIX}/set_streams/{}/events", stream.id).into()),
    };
    json!({
        "id": stream.id.as_str(),
        "object": "set_stream",
        "audience": settings.audience,
        "push_url": push_url,
        "poll_path": poll_path,
        "event_uris": event_uris,
        "content": match settings.content {
            Content::Full => "full",
            Content::Notice => "notice",
        },
        "organization_ids": organizations,
        "directory_ids": directories,
        "enabled": stream.enabled,
        "disabled_reason": stream.disabled_reason,
        "created_at": stream.created.to_string(),
        "acknowledged": stream.acknowledged,
        "last_acknowledged_at": time(stream.health.last_delivered),
        "failures": stream.health.failures,
        "failing_since": time(stream.health.failing_since),
        "not_before": time(stream.health.not_before),
        "last_error": stream.last_error,
    })
}
