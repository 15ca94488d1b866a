//! The protocol over the store while one call to the store fails: before its effect, or with a lost answer.
//! The first call fails, then the second, and so on until none does. A client that tries again always gets
//! to the state of a run without faults, with the same versions and the same number of changes in the feed.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use bytes::Bytes;
use http::{Request, StatusCode};
use scim_core::{Caller, DateTime, Environment, Include, Service, StaticTokens, TenantId};
use serde_json::{Value as Json, json};

use super::super::build::*;
use super::super::check::{Proof, Wrong, found, holds, same};
use super::super::invariants;
use super::super::lab::Lab;
use super::super::{Fault, Faulty, Promise};
use super::{Spec, trial};
use crate::{InProcess, ScimClient};

pub(super) fn trials() -> Vec<Spec> {
    let mut trials = Vec::new();
    for operation in operations() {
        for (what, fault) in [("fails before it", Fault::Before), ("loses its answer", Fault::LostAnswer)] {
            let name = format!("faults: {} survives that any call {what}", operation.name);
            let operation = operation.clone();
            trials.push(trial(name, Promise::Retries, move |lab| every_call(lab, operation.clone(), fault)));
        }
    }
    trials
}

/// A request of a client that tries again when it is told 503.
#[derive(Clone, Debug)]
struct Operation {
    name: &'static str,
    method: &'static str,
    path: &'static str,
    if_match: bool,
    body: Option<Json>,
    /// Where the client looks before it tries again, because doing it twice would be twice.
    done_if: Option<&'static str>,
}

fn operation(name: &'static str, method: &'static str, path: &'static str, body: Option<Json>) -> Operation {
    Operation { name, method, path, if_match: false, body, done_if: None }
}

/// On users `a` and `b` and the groups `g` with `a` and `h` with `g`.
fn operations() -> Vec<Operation> {
    let patch = |name, path, operations: Json| {
        operation(
            name,
            "PATCH",
            path,
            Some(json!({"schemas": [scim_core::message::PATCH_OP], "Operations": operations})),
        )
    };
    let matching = |operation: Operation| Operation { if_match: true, ..operation };
    let user = |name: &str, title: &str| {
        Some(json!({"schemas": [scim_schema::USER], "userName": name, "title": title}))
    };
    let group = |label: &str, members: Json| {
        Some(json!({"schemas": [scim_schema::GROUP], "displayName": label, "members": members}))
    };
    let bulk = json!({"schemas": [scim_core::message::BULK_REQUEST], "Operations": [
        {"method": "POST", "path": "/Users", "bulkId": "n", "data": user("new", "x")},
        {"method": "PATCH", "path": "/Groups/g", "data": {"schemas": [scim_core::message::PATCH_OP], "Operations": [
            {"op": "add", "path": "members", "value": [{"value": "b"}]}]}},
        {"method": "PUT", "path": "/Users/b", "data": user("bob", "y")},
        {"method": "DELETE", "path": "/Groups/h"}]});
    let search = json!({"schemas": [scim_core::message::SEARCH_REQUEST], "filter": "userName pr", "sortBy": "userName"});
    vec![
        operation("POST of a user", "POST", "/Users", user("new", "x")),
        Operation {
            done_if: Some("/Groups?filter=displayName%20eq%20%22New%22"),
            ..operation(
                "POST of a group with members",
                "POST",
                "/Groups",
                group("New", json!([{"value": "a"}, {"value": "g"}])),
            )
        },
        operation("PUT of a user", "PUT", "/Users/a", user("ann", "Boss")),
        matching(operation("PUT of a user at a version", "PUT", "/Users/a", user("ann", "Boss"))),
        operation("PUT of the same user", "PUT", "/Users/a", user("a@example.com", "")),
        operation(
            "PUT of a group with members",
            "PUT",
            "/Groups/g",
            group("New", json!([{"value": "b"}, {"value": "h"}])),
        ),
        patch(
            "PATCH that replaces",
            "/Users/a",
            json!([{"op": "replace", "path": "title", "value": "Boss"}]),
        ),
        matching(patch(
            "PATCH at a version",
            "/Users/a",
            json!([{"op": "replace", "path": "title", "value": "Boss"}]),
        )),
        patch(
            "PATCH that adds an e-mail",
            "/Users/a",
            json!([{"op": "add", "path": "emails", "value": [{"value": "a@x.org", "type": "work"}]}]),
        ),
        patch("PATCH that removes", "/Users/a", json!([{"op": "remove", "path": "title"}])),
        patch("PATCH that renames", "/Users/a", json!([{"op": "replace", "value": {"userName": "ann"}}])),
        patch(
            "PATCH that changes nothing",
            "/Users/a",
            json!([{"op": "add", "path": "title", "value": "old"}]),
        ),
        patch(
            "PATCH that adds a member",
            "/Groups/g",
            json!([{"op": "add", "path": "members", "value": [{"value": "b"}]}]),
        ),
        patch(
            "PATCH that adds members of both types",
            "/Groups/h",
            json!([{"op": "add", "path": "members", "value": [{"value": "a"}, {"value": "g"}, {"value": "h"}]}]),
        ),
        patch(
            "PATCH that removes a member",
            "/Groups/g",
            json!([{"op": "remove", "path": "members[value eq \"a\"]"}]),
        ),
        patch("PATCH that removes all members", "/Groups/g", json!([{"op": "remove", "path": "members"}])),
        patch(
            "PATCH that replaces the members",
            "/Groups/g",
            json!([{"op": "replace", "path": "members", "value": [{"value": "b"}]}]),
        ),
        patch(
            "PATCH of label and members",
            "/Groups/g",
            json!([{"op": "replace", "path": "displayName", "value": "New"}, {"op": "add", "path": "members", "value": [{"value": "b"}]}]),
        ),
        matching(patch(
            "PATCH of members at a version",
            "/Groups/g",
            json!([{"op": "add", "path": "members", "value": [{"value": "b"}]}]),
        )),
        operation("DELETE of a member", "DELETE", "/Users/a", None),
        matching(operation("DELETE at a version", "DELETE", "/Users/a", None)),
        operation("DELETE of a group in a group", "DELETE", "/Groups/g", None),
        operation("GET of a user", "GET", "/Users/a", None),
        operation("GET of a group", "GET", "/Groups/g", None),
        operation("GET of a group without members", "GET", "/Groups/g?excludedAttributes=members", None),
        operation("GET of all users", "GET", "/Users", None),
        operation("GET by a filter", "GET", "/Users?filter=userName%20eq%20%22a@example.com%22", None),
        operation("GET in an order", "GET", "/Users?sortBy=title&count=1", None),
        operation("GET of everything", "GET", "/?filter=meta.created%20pr", None),
        operation("POST of a search", "POST", "/Users/.search", Some(search)),
        operation("a bulk job", "POST", "/Bulk", Some(bulk)),
    ]
}

const TOKEN: &str = "the-token-of-the-suite";

/// A clock that goes on whenever it is read, and ids that are counted.
#[derive(Debug, Default)]
struct Counted(AtomicI64);

impl Environment for Counted {
    fn now(&self) -> DateTime {
        at(1000 + self.0.fetch_add(1, Ordering::SeqCst))
    }

    fn new_id(&self, _resource_type: &str) -> String {
        format!("new-{}", self.0.fetch_add(1, Ordering::SeqCst))
    }
}

/// One tenant's service over a store of which a call may fail.
struct Run {
    tenant: TenantId,
    faulty: Faulty,
    client: InProcess,
}

impl Run {
    async fn begin(lab: &Lab, name: &str) -> Result<Self, Wrong> {
        let tenant = TenantId::new(name);
        let people =
            |id: &str| insert("User", id, &json!({"userName": format!("{id}@example.com"), "title": "old"}));
        let writes = vec![people("a"), people("b"), group("g", &["a"]), group("h", &["g"])];
        lab.store().commit(&tenant, batch(writes, 0)).await?;
        let faulty = Faulty::shared(Arc::clone(&lab.handle.store));
        let tokens = StaticTokens::new([(TOKEN.to_owned(), Caller::new(tenant.clone()))]);
        let service = Service::builder("http://scim.example/v2", faulty.clone(), tokens, Counted::default());
        let client = InProcess::new(service.build().map_err(Wrong::new)?, Some(TOKEN));
        Ok(Self { tenant, faulty, client })
    }

    async fn send(
        &self,
        method: &str,
        path: &str,
        if_match: bool,
        body: Option<&Json>,
    ) -> Result<(StatusCode, Json), Wrong> {
        let mut request =
            Request::builder().method(method).uri(path).header("Authorization", format!("Bearer {TOKEN}"));
        if body.is_some() {
            request = request.header("Content-Type", "application/scim+json");
        }
        if if_match {
            request = request.header("If-Match", "W/\"1\"");
        }
        let body = body.map(|body| Bytes::from(body.to_string())).unwrap_or_default();
        let response = self.client.send(request.body(body).map_err(Wrong::new)?).await.map_err(Wrong::new)?;
        let json = serde_json::from_slice(response.body()).unwrap_or_default();
        if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            holds("a 503 says when to try again", response.headers().contains_key("retry-after"))?;
        }
        Ok((response.status(), json))
    }

    /// As a client does it: again, while it is told to. Gives the statuses.
    async fn perform(&self, operation: &Operation) -> Result<Vec<StatusCode>, Wrong> {
        let Operation { method, path, if_match, body, .. } = operation;
        let mut statuses = Vec::new();
        for _ in 0..4 {
            let (status, answer) = self.send(method, path, *if_match, body.as_ref()).await?;
            let parts = answer.get("Operations").and_then(Json::as_array);
            let postponed =
                parts.is_some_and(|parts| parts.iter().any(|part| part.get("status") == Some(&json!("503"))));
            statuses.push(status);
            if status != StatusCode::SERVICE_UNAVAILABLE && !postponed {
                return Ok(statuses);
            }
            if let Some(path) = operation.done_if {
                let (_, list) = self.send("GET", path, false, None).await?;
                if list.get("totalResults") != Some(&json!(0)) {
                    return Ok(statuses);
                }
            }
        }
        Err(Wrong::new(format!("trying again does not end: {statuses:?}")))
    }

    /// What there is, without times, and with one name for all ids that the service made; and how many
    /// changes the feed tells of.
    async fn state(&self, lab: &Lab) -> Result<(Vec<String>, usize), Wrong> {
        let mut all = query(&["User", "Group"], None)?;
        all.include = Include::ALL;
        let resources = lab.store().query(&self.tenant, &all).await?.resources;
        let made: Vec<String> = resources
            .iter()
            .map(|stored| stored.resource.id().to_owned())
            .filter(|id| id.starts_with("new-"))
            .collect();
        let shape = |stored: &scim_core::Stored| {
            let mut text = format!("version {}: {}", stored.version, own_letters(&stored.resource));
            for id in &made {
                text = text.replace(&format!("\"{id}\""), "\"new\"").replace(&format!("/{id}\""), "/new\"");
            }
            text
        };
        let mut shapes: Vec<String> = resources.iter().map(shape).collect();
        shapes.sort();
        let mut changes = 0;
        if lab.handle.feed.is_some() {
            changes = lab.entries().await?.iter().filter(|entry| entry.tenant == self.tenant).count();
        }
        Ok((shapes, changes))
    }
}

async fn every_call(lab: Lab, operation: Operation, fault: Fault) -> Proof {
    let clean = Run::begin(&lab, "clean").await?;
    let statuses = clean.perform(&operation).await?;
    let good = found("a status", statuses.last().copied())?;
    holds(format!("without faults it works: {statuses:?}"), good.is_success() && statuses.len() == 1)?;
    let expected = clean.state(&lab).await?;
    for nth in 1..60 {
        let run = Run::begin(&lab, &format!("t{nth}")).await?;
        run.faulty.fail(nth, fault);
        let statuses =
            run.perform(&operation).await.map_err(|wrong| wrong.of(format!("call {nth} fails")))?;
        let what = |what: &str| format!("{what} where call {nth} fails, statuses {statuses:?}");
        // What was done already, before the client heard of it, looks as if somebody else had done it.
        let last = found("a status", statuses.last().copied())?;
        let again =
            matches!(last, StatusCode::CONFLICT | StatusCode::NOT_FOUND | StatusCode::PRECONDITION_FAILED);
        let answered = last == good || operation.done_if.is_some() || (again && statuses.len() > 1);
        holds(what("the last status is right"), answered)?;
        same(what("what there is, and how many changes"), run.state(&lab).await?, expected.clone())?;
        invariants::check(&lab, &run.tenant)
            .await
            .map_err(|wrong| wrong.of(what("it does not hold together")))?;
        if !run.faulty.has_failed() {
            holds("some call failed", nth > 1)?;
            return Ok(());
        }
    }
    Err(Wrong::new("the operation asks the store without end"))
}
