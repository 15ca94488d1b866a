//! `/api_keys`: who may ask.

use std::time::Duration;

use axum::response::Response;
use scim_directory::{ApiKey, ApiKeyId, Scope};
use serde_json::{Value, json};

use super::access::require;
use super::call::{Call, created, nothing, ok};
use super::endpoints::time;
use super::problem::Problem;
use super::{Api, PREFIX};
use crate::instance::now;

const DAY: u64 = 24 * 3600;

pub(super) async fn list(api: Api, call: Call) -> Result<Response, Problem> {
    call.query().finish()?;
    let keys = api.directories().api_keys().await?;
    let keys: Vec<Value> = keys.iter().map(shown).collect();
    Ok(ok(&json!({"api_keys": keys})))
}

/// A key can't make one that may do more than itself.
pub(super) async fn create(api: Api, call: Call) -> Result<Response, Problem> {
    let mut fields = call.fields()?;
    let name = fields.required_text("name");
    let scopes = fields.list("scopes", "the scopes", Scope::parse);
    let days = fields.number("lifetime_days", 3650).flatten();
    fields.finish()?;
    let scopes = scopes.unwrap_or_default();
    for scope in &scopes {
        require(&call.key, *scope)?;
    }
    let lifetime = days.map(|days| Duration::from_secs(u64::from(days) * DAY));
    let issued = api.directories().create_api_key(&name, &scopes, lifetime, now()).await?;
    let mut body = shown(&issued.key);
    if let Some(body) = body.as_object_mut() {
        body.insert("api_key".to_owned(), issued.plain.expose().into());
    }
    Ok(created(&format!("{PREFIX}/api_keys/{}", issued.key.id), &body))
}

pub(super) async fn revoke(api: Api, call: Call) -> Result<Response, Problem> {
    call.no_fields()?;
    let id = call.id(0, "API key", ApiKeyId::parse)?;
    if api.directories().revoke_api_key(&id, now()).await? {
        return Ok(nothing());
    }
    Err(Problem::not_found("API key that is good"))
}

/// What is shown of a key.
pub(crate) fn shown(key: &ApiKey) -> Value {
    let scopes: Vec<&str> = key.scopes.iter().map(|scope| scope.as_str()).collect();
    json!({
        "id": key.id.as_str(),
        "object": "api_key",
        "name": key.name,
        "suffix": key.suffix,
        "scopes": scopes,
        "created_at": key.created.to_string(),
        "expires_at": time(key.expires),
        "last_used_at": time(key.last_used),
        "revoked_at": time(key.revoked),
    })
}
