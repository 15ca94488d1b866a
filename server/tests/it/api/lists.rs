//! Users and groups as an application reads them: all at first, later what changed, and beside webhooks.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::{Api, id, is_problem, on_both_engines, pointers};
use crate::hook::{Delivered, Hook};
use crate::scimd::{Client, Scimd};

on_both_engines!(
    all_users_are_imported_with_groups_and_whether_they_are_active,
    what_changed_since_the_last_run_is_listed,
    webhooks_and_lists_say_which_of_them_is_older,
);

/// Where a directory's users and groups are.
async fn path_of(api: &Api) -> String {
    let directory = &api.get("/directories").await["directories"][0];
    let organization = directory["organization_id"].as_str().unwrap();
    format!("/organizations/{organization}/directories/{}", id(directory))
}

/// Waits until the directory has so many events.
async fn recorded(api: &Api, path: &str, events: u64) {
    let begun = Instant::now();
    while api.get(path).await["sequence"].as_u64().unwrap() < events {
        assert!(begun.elapsed() < Duration::from_secs(30), "{events} events");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn group(client: &Client, name: &str, members: &[&str]) -> String {
    let members: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
    let schema = "urn:ietf:params:scim:schemas:core:2.0:Group";
    let body = json!({"schemas": [schema], "displayName": name, "members": members});
    let (status, body) = client.send(Method::POST, "/Groups", body).await;
    assert_eq!(status, 201, "{body}");
    id(&body)
}

async fn patch(client: &Client, path: &str, attribute: &str, value: Value) {
    let operation = json!({"op": "replace", "path": attribute, "value": value});
    let schema = "urn:ietf:params:scim:api:messages:2.0:PatchOp";
    let body = json!({"schemas": [schema], "Operations": [operation]});
    let (status, body) = client.send(Method::PATCH, path, body).await;
    assert_eq!(status, 200, "{body}");
}

fn ids(page: &Value, name: &str) -> Vec<String> {
    page[name].as_array().unwrap().iter().map(id).collect()
}

// mission: M-64
async fn all_users_are_imported_with_groups_and_whether_they_are_active(scimd: Scimd) {
    let (api, client) = (Api::of(&scimd), scimd.client(0));
    let path = path_of(&api).await;
    let ada = client.create_user("ada@example.com").await;
    let bob = client.create_user("bob@example.com").await;
    let eve = client.create_user("eve@example.com").await;
    patch(&client, &format!("/Users/{bob}"), "active", json!(false)).await;
    group(&client, "Engineering", &[&ada]).await;
    // Three creations, a deactivation, a group and its member.
    recorded(&api, &path, 6).await;
    let list = api.get(&format!("{path}/users")).await;
    let said: Vec<Value> = list["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| json!([user["id"], user["email"], user["active"], user["groups"]]))
        .collect();
    let mut expected = vec![
        json!([ada, "ada@example.com", true, ["Engineering"]]),
        json!([bob, "bob@example.com", false, []]),
        json!([eve, "eve@example.com", true, []]),
    ];
    expected.sort_by_key(|user| user[0].to_string());
    assert_eq!(said, expected);
    assert_eq!(list["next_page_token"], Value::Null);
}

// mission: M-66
async fn what_changed_since_the_last_run_is_listed(scimd: Scimd) {
    let (api, client) = (Api::of(&scimd), scimd.client(0));
    let path = path_of(&api).await;
    let mut users = Vec::new();
    for n in 0..4 {
        users.push(client.create_user(&format!("user{n}@example.com")).await);
    }
    recorded(&api, &path, 4).await;
    let last = api.get(&format!("{path}/users/{}", users[3])).await;
    let time = last["updated_at"].as_str().unwrap().to_owned();
    let changed = async |rest: String| api.get(&format!("{path}/users?updated_after={time}{rest}")).await;
    assert_eq!(changed(String::new()).await, json!({"users": [], "next_page_token": null}), "strictly later");

    // Two come to a group, and one of them has a new title afterwards.
    let group = group(&client, "Engineering", &[&users[0], &users[2]]).await;
    patch(&client, &format!("/Users/{}", users[0]), "title", json!("Lead")).await;
    recorded(&api, &path, 8).await;
    let page = changed(String::new()).await;
    assert_eq!(ids(&page, "users"), [users[2].clone(), users[0].clone()], "in the order of changes");
    assert_eq!(page["users"][1], api.get(&format!("{path}/users/{}", users[0])).await);
    let groups = api.get(&format!("{path}/groups?updated_after={time}")).await;
    assert_eq!(ids(&groups, "groups"), [group]);

    // The one who is not listed yet changes between two pages; the token goes on behind who was listed.
    let page = changed("&page_size=1".to_owned()).await;
    assert_eq!(ids(&page, "users"), [users[2].clone()]);
    let token = page["next_page_token"].as_str().unwrap().to_owned();
    patch(&client, &format!("/Users/{}", users[0]), "title", json!("Head")).await;
    patch(&client, &format!("/Users/{}", users[1]), "title", json!("Dev")).await;
    recorded(&api, &path, 10).await;
    let page = changed(format!("&page_size=2&page_token={token}")).await;
    assert_eq!(ids(&page, "users"), [users[0].clone(), users[1].clone()]);
    assert_eq!(page["users"][0]["title"], "Head");
    assert_eq!(page["next_page_token"], Value::Null);

    // The same time with another offset, and one that is to come.
    let offset = time.replace('Z', "%2B00:00");
    let same = api.get(&format!("{path}/users?updated_after={offset}")).await;
    assert_eq!(same["users"].as_array().unwrap().len(), 3);
    let none = api.get(&format!("{path}/users?updated_after=2999-01-01T00:00:00Z")).await;
    assert_eq!(ids(&none, "users").len(), 0);
    let refused = async |query: &str, parameter: &str| {
        let problem = api.send(Method::GET, &format!("{path}/{query}"), Value::Null).await;
        is_problem(&problem, 400, "invalid_field");
        assert_eq!(pointers(&problem.1), [parameter], "{query}");
    };
    for time in ["yesterday", "2026-01-31", "1767225600", "2026-13-01T00:00:00Z"] {
        refused(&format!("users?updated_after={time}"), "updated_after").await;
    }
    refused(&format!("users?updated_before={time}"), "updated_before").await;
    // A token of one list is none of another.
    refused(&format!("users?page_token={token}"), "page_token").await;
    refused(&format!("groups?updated_after={time}&page_token={token}"), "page_token").await;
}

// mission: M-67
async fn webhooks_and_lists_say_which_of_them_is_older(scimd: Scimd) {
    let (api, hook, client) = (Api::of(&scimd), Hook::start().await, scimd.client(0));
    let path = path_of(&api).await;
    let endpoint = id(&api.endpoint(&hook.url).await);
    let ada = client.create_user("ada@example.com").await;
    hook.up_to(1).await;
    api.deliveries_in(&endpoint, "delivered", 1).await;
    let state = |value: &Value| (value["sequence"].as_u64().unwrap(), value["version"].as_u64().unwrap());
    let listed = async || api.get(&format!("{path}/users")).await["users"][0].clone();

    // What the webhook brought and what the list says is the same state.
    let webhook = hook.deliveries()[0].event();
    let first = listed().await;
    assert_eq!(webhook["data"], first);
    assert_eq!(state(&webhook), state(&first));

    // A list that was read before the webhook came is older, and its user is skipped.
    patch(&client, &format!("/Users/{ada}"), "title", json!("Lead")).await;
    let webhook = hook.up_to(2).await[1].event();
    assert!(state(&webhook) > state(&first));
    assert!(webhook["version"].as_u64() > first["version"].as_u64());
    let second = listed().await;
    assert_eq!(state(&webhook), state(&second));

    // A webhook that comes after the list, with what the list has already, is skipped. Groups leave the version
    // as it is; the sequence tells them too.
    group(&client, "Engineering", &[&ada]).await;
    recorded(&api, &path, 4).await;
    let third = listed().await;
    assert_eq!(third["groups"], json!(["Engineering"]));
    assert!(state(&webhook) < state(&third));
    assert_eq!(third["version"], second["version"]);
    let webhooks = hook.up_to(4).await;
    let last = webhooks.iter().map(Delivered::event).rfind(|event| event["subject"] == ada).unwrap();
    assert_eq!(state(&last), state(&third));
    // The events of the directory are counted: who has seen 4 of 4 has all.
    assert_eq!(api.get(&path).await["sequence"], 4);
}
