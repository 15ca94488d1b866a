//! `/directories` and what is below `/organizations/{id}/directories`: directories, their users and groups.

use axum::response::Response;
use scim_directory::{Directory, DirectoryId, OrganizationId};
use serde_json::{Value, json};

use super::Api;
use super::call::{Call, ok};
use super::cursor::Kind;
use super::problem::Problem;

/// How many users or groups a page has, unless it is said, and at most.
const PAGE: usize = 100;
const MOST: usize = 200;

pub(super) async fn list(api: Api, call: Call) -> Result<Response, Problem> {
    let mut query = call.query();
    let organization =
        query.one("organization_id", "must be the id of an organization", OrganizationId::parse);
    query.finish()?;
    listed(&api, organization.as_ref()).await
}

pub(super) async fn list_of(api: Api, call: Call) -> Result<Response, Problem> {
    call.query().finish()?;
    let organization = call.id(0, "organization", OrganizationId::parse)?;
    listed(&api, Some(&organization)).await
}

async fn listed(api: &Api, organization: Option<&OrganizationId>) -> Result<Response, Problem> {
    let directories = api.directories().directories().await?;
    let wanted = directories.iter().filter(|d| organization.is_none_or(|id| d.organization_id == *id));
    let directories: Vec<Value> = wanted.map(shown).collect();
    Ok(ok(&json!({"directories": directories})))
}

pub(super) async fn show(api: Api, call: Call) -> Result<Response, Problem> {
    Ok(ok(&shown(&found(&api, &call).await?)))
}

/// Events are kept back until `resume_delivery`; the identity provider is let in all the same.
pub(super) async fn pause_delivery(api: Api, call: Call) -> Result<Response, Problem> {
    switch(api, call, true).await
}

pub(super) async fn resume_delivery(api: Api, call: Call) -> Result<Response, Problem> {
    switch(api, call, false).await
}

async fn switch(api: Api, call: Call, paused: bool) -> Result<Response, Problem> {
    let directory = found(&api, &call).await?;
    call.no_fields()?;
    api.directories().set_delivery_paused(&directory.id, paused).await?;
    Ok(ok(&shown(&found(&api, &call).await?)))
}

pub(super) async fn users(api: Api, call: Call) -> Result<Response, Problem> {
    let directory = found(&api, &call).await?;
    let page = Page::of(&api, &call, Kind::Users)?;
    let users = api.directories().users(&directory.id, page.after.as_deref(), page.limit + 1).await?;
    Ok(page.answer(&api, "users", users))
}

pub(super) async fn groups(api: Api, call: Call) -> Result<Response, Problem> {
    let directory = found(&api, &call).await?;
    let page = Page::of(&api, &call, Kind::Groups)?;
    let groups = api.directories().groups(&directory.id, page.after.as_deref(), page.limit + 1).await?;
    Ok(page.answer(&api, "groups", groups))
}

pub(super) async fn user(api: Api, call: Call) -> Result<Response, Problem> {
    let directory = found(&api, &call).await?;
    let user = api.directories().user(&directory.id, call.param(2)).await?;
    Ok(ok(&user.ok_or_else(|| Problem::not_found("user"))?.into()))
}

pub(super) async fn group(api: Api, call: Call) -> Result<Response, Problem> {
    let directory = found(&api, &call).await?;
    let group = api.directories().group(&directory.id, call.param(2)).await?;
    Ok(ok(&group.ok_or_else(|| Problem::not_found("group"))?.into()))
}

/// The directory that the path names, which must be the organization's.
async fn found(api: &Api, call: &Call) -> Result<Directory, Problem> {
    let organization = call.id(0, "directory", OrganizationId::parse)?;
    let id = call.id(1, "directory", DirectoryId::parse)?;
    let directory = api.directories().directory(&id).await?;
    let directory = directory.filter(|directory| directory.organization_id == organization);
    directory.ok_or_else(|| Problem::not_found("directory"))
}

/// Which part of a list is asked for.
struct Page {
    kind: Kind,
    after: Option<String>,
    limit: usize,
}

impl Page {
    fn of(api: &Api, call: &Call, kind: Kind) -> Result<Self, Problem> {
        let mut query = call.query();
        let limit = query.number("page_size", 1, MOST).unwrap_or(PAGE);
        let after =
            query.one("page_token", "is none that was given out here", |text| api.cursors().id(kind, text));
        query.finish()?;
        Ok(Self { kind, after, limit })
    }

    /// The answer, for a list that has one more if there is more.
    fn answer(&self, api: &Api, name: &str, mut list: Vec<scim_schema::Value>) -> Response {
        let has_more = list.len() > self.limit;
        list.truncate(self.limit);
        let last = list.last().filter(|_| has_more).and_then(|last| last.get("id")?.as_str());
        let next = last.map(|id| api.cursors().of_id(self.kind, id));
        ok(&json!({name: list, "next_page_token": next}))
    }
}

fn shown(directory: &Directory) -> Value {
    json!({
        "id": directory.id.as_str(),
        "object": "directory",
        "organization_id": directory.organization_id.as_str(),
        "name": directory.name,
        "provider": directory.provider.as_str(),
        "enabled": directory.enabled,
        "delivery_paused": directory.delivery_paused,
        "created_at": directory.created.to_string(),
        "sequence": directory.sequence,
    })
}
