//! Answers with more members than are written at once.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body as _;
use scim_core::{
    Batch, Body, Caller, Capabilities, Committed, Include, MemoryStore, Page, Query, ResourceType, Service,
    StaticTokens, Store, StoreError, Stored, TenantId, UnknownMembers,
};
use serde_json::{Value, json};

use crate::support::*;

/// So many members that some pieces are needed, and the last is not full.
const MANY: usize = 3001;

fn scim() -> Scim {
    lenient().config(|c| c.unknown_members = UnknownMembers::Keep).build()
}

/// A group of one user, of another group, and of others that nobody knows.
fn group(scim: &Scim, name: &str, count: usize) -> Value {
    let user =
        scim.post("/Users", json!({"schemas": [USER], "userName": format!("user of {name}")})).is(201).id();
    let inner =
        scim.post("/Groups", json!({"schemas": [GROUP], "displayName": format!("in {name}")})).is(201).id();
    let mut members = vec![json!({"value": user, "display": "Zoë \"Z\""}), json!({"value": inner})];
    members.extend((2..count).map(|n| json!({"value": format!("{name}-{n}{}", "-".repeat(20))})));
    let group = json!({"schemas": [GROUP], "displayName": name, "members": members});
    scim.post("/Groups", group).is(201).body
}

#[test]
fn all_members_are_shown_however_many_there_are() {
    let scim = scim();
    for count in [2, 255, 256, 257, 512, 513, MANY] {
        let created = group(&scim, &format!("g{count}"), count);
        let path = format!("/Groups/{}", created["id"].as_str().unwrap());
        let shown = scim.get(&path).is(200);
        assert_eq!(shown.body, created, "{count}");
        assert_eq!(shown.body["members"].as_array().unwrap().len(), count);
        assert_eq!(shown.header("etag"), created["meta"]["version"].as_str());
        assert_eq!(shown.header("content-type"), Some("application/scim+json"));
        let unchanged = scim.get_with(&path, &[("if-none-match", shown.header("etag").unwrap())]);
        assert!(unchanged.is(304).bytes.is_empty());
        assert!(scim.raw("HEAD", &path, &[], b"").is(200).bytes.is_empty());
    }
}

// ledger: 7644-3.9-001
#[test]
fn a_selection_holds_for_each_of_many_members() {
    let scim = scim();
    let created = group(&scim, "g", MANY);
    let path = format!("/Groups/{}", created["id"].as_str().unwrap());
    let values =
        |reply: &Reply| -> Vec<Value> { reply.body["members"].as_array().cloned().unwrap_or_default() };

    let only = scim.get(&format!("{path}?attributes=members.value")).is(200);
    assert!(only.body.get("displayName").is_none() && values(&only).len() == MANY);
    assert!(values(&only).iter().all(|m| m.as_object().unwrap().keys().eq(["value"])));

    let except = scim.get(&format!("{path}?excludedAttributes=members.$ref,members.type")).is(200);
    assert_eq!(values(&except).len(), MANY);
    assert_eq!(values(&except)[0], json!({"value": created["members"][0]["value"], "display": "Zoë \"Z\""}));

    // One member has it; of most pieces nothing is left.
    let displays = scim.get(&format!("{path}?attributes=members.display")).is(200);
    assert_eq!(values(&displays), [json!({"display": "Zoë \"Z\""})]);
    scim.patch(&path, json!([{"op": "remove", "path": "members[display pr]"}]));
    let nothing = scim.get(&format!("{path}?attributes=members.display")).is(200);
    assert!(nothing.body.get("members").is_none(), "{}", nothing.body);

    let without = scim.get(&format!("{path}?excludedAttributes=members")).is(200);
    assert!(without.body.get("members").is_none() && without.body["displayName"] == "g");
}

#[test]
fn the_answer_to_a_write_shows_all_members() {
    let scim = scim();
    let created = group(&scim, "g", MANY);
    let path = format!("/Groups/{}", created["id"].as_str().unwrap());
    let add = json!([{"op": "add", "path": "members", "value": [{"value": "one more"}]}]);
    let patched = scim.patch(&format!("{path}?attributes=members"), add).is(200);
    assert_eq!(patched.body["members"].as_array().unwrap().len(), MANY + 1);
    let whole = scim.get(&path).is(200);
    assert_eq!(whole.body["members"][MANY], json!({"value": "one more"}));
    assert_eq!(scim.put(&path, whole.body.clone()).is(200).body, whole.body);
}

#[test]
fn a_list_shows_large_and_small_groups_with_all_their_members() {
    let scim = scim();
    let groups: Vec<Value> = [2, MANY, 300, 700].map(|n| group(&scim, &format!("g{n}"), n)).into();
    let list = scim.filter("/Groups", "displayName sw \"g\"").is(200).body;
    assert_eq!(list["Resources"], json!(groups));
    assert_eq!(
        (&list["totalResults"], &list["itemsPerPage"], &list["startIndex"]),
        (&json!(4), &json!(4), &json!(1))
    );
    assert_eq!(list["schemas"], json!([LIST]));

    // By cursor, one after the other.
    let mut seen = Vec::new();
    let filter = percent("displayName sw \"g\"");
    let mut cursor = String::new();
    loop {
        let page = scim.get(&format!("/Groups?filter={filter}&count=1&cursor={cursor}")).is(200).body;
        seen.extend(page["Resources"].as_array().unwrap().clone());
        let Some(next) = page["nextCursor"].as_str() else { break };
        cursor = percent(next);
    }
    assert_eq!(seen, groups);

    // Users stand between the groups.
    let all = scim.get("/?count=100").is(200).body;
    let all = all["Resources"].as_array().unwrap();
    assert_eq!(all.len(), 12);
    assert!(groups.iter().all(|group| all.contains(group)));
    let user = all.iter().find(|r| r["userName"] == "user of g300").unwrap();
    assert_eq!(user["groups"][0]["display"], "g300");
}

/// A store of which each call for one resource counts, and fails from one on.
#[derive(Clone, Debug)]
struct Counted {
    store: MemoryStore,
    gets: Arc<AtomicUsize>,
    good: usize,
    /// What is deleted after the query.
    gone: Option<&'static str>,
}

#[async_trait]
impl Store for Counted {
    fn capabilities(&self) -> Capabilities {
        self.store.capabilities()
    }

    async fn get(
        &self,
        t: &TenantId,
        r: &ResourceType,
        id: &str,
        i: Include,
    ) -> Result<Option<Stored>, StoreError> {
        if self.gets.fetch_add(1, Ordering::SeqCst) >= self.good {
            return Err(StoreError::Unavailable { retry_after: None, source: "as a test".into() });
        }
        let found = self.store.get(t, r, id, i).await?;
        Ok(found.filter(|f| f.resource.get("displayName").and_then(scim_schema::Value::as_str) != self.gone))
    }

    async fn types_of(&self, t: &TenantId, ids: &[String]) -> Result<Vec<Option<String>>, StoreError> {
        self.store.types_of(t, ids).await
    }

    async fn query(&self, t: &TenantId, query: &Query) -> Result<Page, StoreError> {
        self.store.query(t, query).await
    }

    async fn commit(&self, t: &TenantId, batch: Batch) -> Result<Vec<Committed>, StoreError> {
        self.store.commit(t, batch).await
    }
}

/// A service over what another holds, of which so many reads are good.
fn over(scim: &Scim, good: usize, gone: Option<&'static str>) -> (Service, Arc<AtomicUsize>) {
    let gets = Arc::<AtomicUsize>::default();
    let store = Counted { store: scim.store.clone(), gets: Arc::clone(&gets), good, gone };
    let token = StaticTokens::new([(TOKEN.to_owned(), Caller::new(TenantId::new("t1")))]);
    (Service::builder(BASE, store, token, World::default()).build().unwrap(), gets)
}

fn request(path: &str) -> Request<Bytes> {
    Request::get(path).header("authorization", format!("Bearer {TOKEN}")).body(Bytes::new()).unwrap()
}

/// The frames of a body, up to its end or an error.
fn frames(response: Response<Body>) -> (Vec<Bytes>, bool) {
    let (mut body, mut frames) = (response.into_body(), Vec::new());
    loop {
        match block_on(poll_fn(|context| Pin::new(&mut body).poll_frame(context))) {
            None => return (frames, true),
            Some(Ok(frame)) => frames.push(frame.into_data().unwrap()),
            Some(Err(_)) => return (frames, false),
        }
    }
}

#[test]
fn a_long_answer_is_written_while_it_is_read() {
    let scim = scim();
    for name in ["a", "b", "c"] {
        group(&scim, name, 10_001);
    }
    let path = format!("/Groups?filter={}", percent("displayName lt \"d\""));
    let (service, gets) = over(&scim, usize::MAX, None);
    let response = block_on(service.respond(request(&path)));
    assert_eq!((response.status().as_u16(), response.body().size_hint().exact()), (200, None));
    assert_eq!(gets.load(Ordering::SeqCst), 1, "the others are not read yet");
    let (frames, whole) = frames(response);
    assert!(whole && frames.len() > 10);
    // The beginning is one piece; the others are short.
    assert!(frames.iter().skip(1).all(|frame| frame.len() < 100_000));
    assert_eq!(gets.load(Ordering::SeqCst), 3);
    let list: Value = serde_json::from_slice(&frames.concat()).unwrap();
    assert_eq!(list["itemsPerPage"], 3);
    let handled = block_on(service.handle(request(&path)));
    assert_eq!(serde_json::from_slice::<Value>(handled.body()).unwrap(), list);

    let (service, _) = over(&scim, usize::MAX, None);
    let short = block_on(service.respond(request("/Groups?excludedAttributes=members")));
    assert!(short.body().size_hint().exact().is_some());
}

#[test]
fn an_error_is_an_answer_as_long_as_nothing_was_sent_and_breaks_the_body_then() {
    let scim = scim();
    for name in ["a", "b", "c"] {
        group(&scim, name, 10_001);
    }
    let path = format!("/Groups?filter={}", percent("displayName lt \"d\""));
    let status = |service: &Service| block_on(service.handle(request(&path))).status().as_u16();
    let (service, _) = over(&scim, 0, None);
    assert_eq!(block_on(service.respond(request(&path))).status(), 503);
    assert_eq!(status(&service), 503);
    let (service, _) = over(&scim, 1, None);
    let response = block_on(service.respond(request(&path)));
    assert_eq!(response.status(), 200);
    let (frames, whole) = frames(response);
    assert!(!whole && !frames.is_empty());
    // Who waits for all of it hears of the error.
    let (service, _) = over(&scim, 1, None);
    assert_eq!(status(&service), 503);
    // Without much to say, nothing has been sent when the last is read.
    let (service, _) = over(&scim, 2, None);
    let small = format!("/Groups?filter={}", percent("displayName sw \"in\""));
    assert_eq!(block_on(service.respond(request(&small))).status(), 503);
}

#[test]
fn who_is_gone_when_it_is_his_turn_is_left_out() {
    let scim = scim();
    for name in ["a", "b", "c"] {
        group(&scim, name, 3);
    }
    let (service, _) = over(&scim, usize::MAX, Some("b"));
    let path = format!("/Groups?filter={}", percent("displayName lt \"d\""));
    let list: Value = serde_json::from_slice(block_on(service.handle(request(&path))).body()).unwrap();
    let names: Vec<&str> =
        list["Resources"].as_array().unwrap().iter().map(|r| r["displayName"].as_str().unwrap()).collect();
    assert_eq!((names, &list["itemsPerPage"]), (vec!["a", "c"], &json!(2)));
}
