//! `/directories` and the users and groups below them.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Api, id, is_problem, on_both_engines};
use crate::scimd::Scimd;

on_both_engines!(users_and_groups_are_read_page_by_page);

async fn users_and_groups_are_read_page_by_page(scimd: Scimd) {
    let (api, client) = (Api::of(&scimd), scimd.client(0));
    let mut users = Vec::new();
    for n in 0..7 {
        users.push(client.create_user(&format!("user{n}@example.com")).await);
    }
    let group = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"],
        "displayName": "Engineering",
        "members": [{"value": users[0]}]
    });
    client.send(Method::POST, "/Groups", group).await;
    scimd.events_up_to(9).await;

    let list = api.get("/directories").await;
    let directory = list["directories"][0].clone();
    assert_eq!(id(&directory), scimd.ready["directories"][0]["id"].as_str().unwrap());
    let organization = directory["organization_id"].as_str().unwrap();
    let path = format!("/organizations/{organization}/directories/{}", id(&directory));
    assert_eq!(api.get(&path).await, directory);
    assert_eq!(api.get(&format!("/organizations/{organization}/directories")).await, list);
    assert_eq!(api.get(&format!("/directories?organization_id={organization}")).await, list);

    let (mut seen, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let page = api.get(&format!("{path}/users?page_size=3{token}")).await;
        seen.extend(page["users"].as_array().unwrap().iter().map(id));
        pages += 1;
        let Some(next) = page["next_page_token"].as_str() else { break };
        token = format!("&page_token={next}");
    }
    assert_eq!(pages, 3);
    users.sort();
    assert_eq!(seen, users);
    let user = api.get(&format!("{path}/users/{}", users[0])).await;
    assert_eq!(
        (user["object"].clone(), user["groups"].clone()),
        (json!("directory_user"), json!(["Engineering"]))
    );
    let groups = api.get(&format!("{path}/groups")).await;
    let group = &groups["groups"][0];
    assert_eq!((group["name"].clone(), group["member_count"].clone()), (json!("Engineering"), json!(1)));
    assert_eq!(&api.get(&format!("{path}/groups/{}", id(group))).await, group);

    let absent =
        async |path: String| is_problem(&api.send(Method::GET, &path, Value::Null).await, 404, "not_found");
    absent(format!("{path}/users/{}", id(group))).await;
    absent(format!("{path}/groups/{}", users[0])).await;
    absent(format!("/organizations/org_0000000000000000000000/directories/{}", id(&directory))).await;
    absent(format!("/organizations/{organization}/directories/dir_0000000000000000000000/users")).await;
    // A token of one list is none of another.
    let page = api.get(&format!("{path}/users?page_size=1")).await;
    let token = page["next_page_token"].as_str().unwrap();
    let wrong = api.send(Method::GET, &format!("{path}/groups?page_token={token}"), Value::Null).await;
    is_problem(&wrong, 400, "invalid_field");
}
