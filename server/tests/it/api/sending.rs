//! Sending again: after an outage, after settings that kept events away, and by hand.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use super::{Api, id, is_problem, on_both_engines};
use crate::hook::Hook;
use crate::scimd::Scimd;

on_both_engines!(
    what_was_given_up_is_recovered,
    what_was_never_meant_for_an_endpoint_is_replayed,
    an_event_is_sent_again_and_every_attempt_is_known,
    paused_events_wait_and_come,
);

// mission: M-68
async fn what_was_given_up_is_recovered(scimd: Scimd) {
    let (api, hook, client) = (Api::of(&scimd), Hook::start().await, scimd.client(0));
    let endpoint = id(&api.endpoint(&hook.url).await);
    // 410 is final: what the receiver refused so is not tried again by itself.
    hook.answer(410, "moved");
    let since = "2020-01-01T00:00:00Z";
    client.create_user("ada@example.com").await;
    let refused = api.deliveries_in(&endpoint, "refused", 1).await;
    assert_eq!((refused[0]["status"].clone(), refused[0]["reason"].clone()), (json!(410), json!("gone")));
    let shown = api.get(&format!("/webhook_endpoints/{endpoint}")).await;
    assert_eq!((shown["enabled"].clone(), shown["disabled_reason"].clone()), (json!(false), json!("gone")));

    hook.answer(200, "back");
    hook.forget();
    let path = format!("/webhook_endpoints/{endpoint}");
    api.post(&format!("{path}:enable"), json!({})).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(hook.deliveries().is_empty(), "not by itself");
    let recovered = api.post(&format!("{path}:recover"), json!({"since": since})).await;
    assert_eq!(recovered, json!({"recovered": 1}));
    let got = hook.up_to(1).await.remove(0);
    assert_eq!(got.header("webhook-id"), refused[0]["event_id"].as_str().unwrap(), "the same id");
    api.deliveries_in(&endpoint, "delivered", 1).await;
    let attempts = api.get(&format!("/deliveries/{}/attempts", id(&refused[0]))).await;
    let statuses: Vec<&Value> =
        attempts["attempts"].as_array().unwrap().iter().map(|a| &a["status"]).collect();
    assert_eq!(statuses, [&json!(410), &json!(200)]);
    let again = api.post(&format!("{path}:recover"), json!({"since": since})).await;
    assert_eq!(again, json!({"recovered": 0}), "nothing is left");
    let problem = api.send(Method::POST, &format!("{path}:recover"), json!({})).await;
    is_problem(&problem, 400, "invalid_field");
    let problem = api.send(Method::POST, &format!("{path}:recover"), json!({"since": "yesterday"})).await;
    is_problem(&problem, 400, "invalid_field");
}

// mission: M-68
async fn what_was_never_meant_for_an_endpoint_is_replayed(scimd: Scimd) {
    let (api, hook, client) = (Api::of(&scimd), Hook::start().await, scimd.client(0));
    client.create_user("before@example.com").await;
    scimd.events_up_to(1).await;
    let endpoint = id(&api.endpoint(&hook.url).await);
    let path = format!("/webhook_endpoints/{endpoint}");
    let replayed =
        api.post(&format!("{path}:replay_missing"), json!({"since": "2020-01-01T00:00:00Z"})).await;
    assert_eq!(replayed, json!({"replayed": 1}));
    assert_eq!(hook.up_to(1).await[0].event()["data"]["email"], "before@example.com");

    let disabled = api.post(&format!("{path}:disable"), json!({})).await;
    assert_eq!(disabled["enabled"], false);
    client.create_user("meanwhile@example.com").await;
    scimd.events_up_to(2).await;
    let enabled = api.post(&format!("{path}:enable"), json!({"replay_missing": true})).await;
    assert_eq!((enabled["enabled"].clone(), enabled["replayed"].clone()), (json!(true), json!(1)));
    let emails: Vec<Value> = hook.up_to(2).await.iter().map(|d| d.event()["data"]["email"].clone()).collect();
    assert_eq!(emails, ["before@example.com", "meanwhile@example.com"]);
    let again = api.post(&format!("{path}:replay_missing"), json!({"since": "2020-01-01T00:00:00Z"})).await;
    assert_eq!(again, json!({"replayed": 0}));
}

// mission: M-68
async fn an_event_is_sent_again_and_every_attempt_is_known(scimd: Scimd) {
    let (api, hook, client) = (Api::of(&scimd), Hook::start().await, scimd.client(0));
    let endpoint = id(&api.endpoint(&hook.url).await);
    client.create_user("ada@example.com").await;
    let event = hook.up_to(1).await[0].event();
    let delivered = api.deliveries_in(&endpoint, "delivered", 1).await.remove(0);
    assert_eq!(delivered["event_id"], event["id"]);
    assert_eq!(delivered["event_type"], "organization.directory.user_created");
    assert_eq!(api.get(&format!("/deliveries/{}", id(&delivered))).await, delivered);
    let of_event = api.get(&format!("/deliveries?event_id={}", id(&event))).await;
    assert_eq!(of_event["deliveries"].as_array().unwrap().len(), 2, "the demo's receiver got it too");

    hook.answer(200, "again");
    let path = format!("/events/{}:resend", id(&event));
    assert_eq!(api.post(&path, json!({"endpoint_id": endpoint})).await, json!({"resent": 1}));
    let got = hook.up_to(2).await;
    assert_eq!(got[0].header("webhook-id"), got[1].header("webhook-id"));
    assert_eq!(got[0].body, got[1].body);
    api.deliveries_in(&endpoint, "delivered", 1).await;
    let attempts = api.get(&format!("/deliveries/{}/attempts", id(&delivered))).await;
    let excerpts: Vec<&Value> =
        attempts["attempts"].as_array().unwrap().iter().map(|a| &a["excerpt"]).collect();
    assert_eq!(excerpts, [&json!("taken"), &json!("again")]);
    api.delivered(&id(&event), 2).await;
    assert_eq!(api.post(&path, json!({})).await, json!({"resent": 2}), "to all that want it");
    hook.up_to(3).await;
    let nobody = "/events/evt_0000000000000000000000:resend";
    is_problem(&api.send(Method::POST, nobody, json!({})).await, 404, "not_found");
    let problem = api.send(Method::POST, &path, json!({"endpoint_id": "canary"})).await;
    is_problem(&problem, 400, "invalid_field");

    // Page by page, the latest first.
    for n in 0..5 {
        client.create_user(&format!("user{n}@example.com")).await;
    }
    api.deliveries_in(&endpoint, "delivered", 6).await;
    let (mut seen, mut token) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/deliveries?endpoint_id={endpoint}&page_size=4{token}")).await;
        let list = page["deliveries"].as_array().unwrap();
        assert!(list.len() <= 4);
        seen.extend(list.iter().map(id));
        let Some(next) = page["next_page_token"].as_str() else { break };
        token = format!("&page_token={next}");
    }
    let all = api.get(&format!("/deliveries?endpoint_id={endpoint}")).await;
    let all: Vec<String> = all["deliveries"].as_array().unwrap().iter().map(id).collect();
    assert_eq!((seen.len(), &seen), (6, &all));
    assert!(seen.is_sorted_by(|a, b| a > b));
    let wrong = api.send(Method::GET, "/deliveries?page_token=AAAA&state=odd", Value::Null).await;
    is_problem(&wrong, 400, "invalid_field");
}

async fn paused_events_wait_and_come(scimd: Scimd) {
    let (api, hook, client) = (Api::of(&scimd), Hook::start().await, scimd.client(0));
    api.endpoint(&hook.url).await;
    let directory = api.get("/directories").await["directories"][0].clone();
    let path = format!(
        "/organizations/{}/directories/{}",
        directory["organization_id"].as_str().unwrap(),
        id(&directory)
    );
    assert_eq!(api.post(&format!("{path}:pause_delivery"), json!({})).await["delivery_paused"], true);
    client.create_user("ada@example.com").await;
    let events = api.get("/events?wait=10").await;
    assert_eq!(events["events"].as_array().unwrap().len(), 1, "recorded all the same");
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(hook.deliveries().is_empty(), "kept back");
    assert_eq!(api.post(&format!("{path}:resume_delivery"), json!({})).await["delivery_paused"], false);
    assert_eq!(hook.up_to(1).await[0].event()["data"]["email"], "ada@example.com");
}
