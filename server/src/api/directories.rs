//! `/directories` and what is below `/organizations/{id}/directories`: directories, their users and groups.

use axum::response::Response;
use scim_directory::{Directory, DirectoryId, OrganizationId, UpdatePlace};
use scim_schema::DateTime;
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
    let page = Page::of(&api, &call, Kind::Users, Kind::UpdatedUsers)?;
    let (id, limit) = (&directory.id, page.limit + 1);
    let users = match &page.after {
        Place::Id(after) => with_ids(api.directories().users(id, Some(after), limit).await?),
        Place::Update(after) => with_updates(api.directories().updated_users(id, after, limit).await?),
    };
    Ok(page.answer(&api, "users", users))
}

pub(super) async fn groups(api: Api, call: Call) -> Result<Response, Problem> {
    let directory = found(&api, &call).await?;
    let page = Page::of(&api, &call, Kind::Groups, Kind::UpdatedGroups)?;
    let (id, limit) = (&directory.id, page.limit + 1);
    let groups = match &page.after {
        Place::Id(after) => with_ids(api.directories().groups(id, Some(after), limit).await?),
        Place::Update(after) => with_updates(api.directories().updated_groups(id, after, limit).await?),
    };
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
    after: Place,
    limit: usize,
}

/// A place in a list, behind a user or group.
enum Place {
    /// In the order of ids.
    Id(String),
    /// In the order of changes: in a list of what changed after a time.
    Update(UpdatePlace),
}

impl Page {
    /// Cursors are of the kind `whole` in the whole list, and `updated` in that of what changed after a time.
    fn of(api: &Api, call: &Call, whole: Kind, updated: Kind) -> Result<Self, Problem> {
        let mut query = call.query();
        let limit = query.number("page_size", 1, MOST).unwrap_or(PAGE);
        let time = "must be a time as 2026-01-31T12:00:00Z";
        let start = query.one("updated_after", time, DateTime::parse).map(UpdatePlace::after);
        let none = "is none that was given out here";
        let (kind, after) = match start {
            Some(start) => {
                let after = query.one("page_token", none, |text| api.cursors().update(updated, text));
                (updated, Place::Update(after.unwrap_or_else(|| start.clone()).max(start)))
            }
            None => {
                let after = query.one("page_token", none, |text| api.cursors().id(whole, text));
                (whole, Place::Id(after.unwrap_or_default()))
            }
        };
        query.finish()?;
        Ok(Self { kind, after, limit })
    }

    /// The answer, for a list that has one more if there is more.
    fn answer(&self, api: &Api, name: &str, mut list: Vec<(Place, scim_schema::Value)>) -> Response {
        let has_more = list.len() > self.limit;
        list.truncate(self.limit);
        let next = list.last().filter(|_| has_more).map(|(place, _)| match place {
            Place::Id(id) => api.cursors().of_id(self.kind, id),
            Place::Update(place) => api.cursors().of_update(self.kind, place),
        });
        let list: Vec<_> = list.into_iter().map(|(_, value)| value).collect();
        ok(&json!({name: list, "next_page_token": next}))
    }
}

fn with_ids(list: Vec<scim_schema::Value>) -> Vec<(Place, scim_schema::Value)> {
    let id = |value: &scim_schema::Value| {
        value.get("id").and_then(|id| id.as_str()).unwrap_or_default().to_owned()
    };
    list.into_iter().map(|value| (Place::Id(id(&value)), value)).collect()
}

fn with_updates(list: Vec<(UpdatePlace, scim_schema::Value)>) -> Vec<(Place, scim_schema::Value)> {
    list.into_iter().map(|(place, value)| (Place::Update(place), value)).collect()
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
