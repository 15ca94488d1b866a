//! Rows of the fault matrix about the event log: what is not committed, or changes nothing, makes no event.
//!
//! `cargo xtask faults` runs them at full size and reads the figures that they print.

use http::Method;
use scim_sql::Engine;
use serde_json::{Value, json};

use crate::support::{Site, group_body, on_both_engines, times, user_body};

on_both_engines! {
    what_is_rolled_back_makes_no_event,
    what_changes_nothing_makes_no_event,
}

const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

fn figure(row: &str, engine: Engine, times: u32, events: usize) {
    println!("{}", json!({"row": row, "engine": format!("{engine:?}"), "times": times, "events": events}));
}

/// Row O2: uniqueness clashes, failed preconditions, values that are not allowed, and clients that are gone.
async fn what_is_rolled_back_makes_no_event(engine: Engine) {
    let site = Site::new(engine).await;
    let (ann, _bob) = (site.user("ann").await, site.user("bob").await);
    site.group("Staff", &[&ann]).await;
    site.catch_up().await;
    let (user, before) = (format!("/Users/{ann}"), site.events().await.len());
    let version = site.scim(Method::GET, &user, Value::Null, 200).await["meta"]["version"].clone();
    let rename = json!({"schemas": [PATCH],
        "Operations": [{"op": "replace", "path": "userName", "value": "BOB@example.com"}]});
    let wrong = json!({"schemas": [PATCH],
        "Operations": [{"op": "replace", "path": "title", "value": "x"},
                       {"op": "replace", "path": "emails[type eq \"work\"].primary", "value": "maybe"}]});
    let times = times("SCIM_DIRECTORY_ROLLBACKS", 200);
    for n in 0..times {
        let title = json!({"schemas": [PATCH],
            "Operations": [{"op": "replace", "path": "title", "value": format!("Title {n}")}]});
        let (status, answer) = match n % 5 {
            0 => site.ask(&Method::POST, "/Users", None, &user_body("ann")).await,
            1 => site.ask(&Method::PATCH, &user, None, &rename).await,
            2 => site.ask(&Method::PATCH, &user, Some("W/\"no\""), &title).await,
            3 => site.ask(&Method::DELETE, &user, Some("W/\"no\""), &Value::Null).await,
            _ => site.ask(&Method::PATCH, &user, None, &wrong).await,
        };
        assert!((400..500).contains(&status), "{status} {answer}");
    }
    site.catch_up().await;
    let events = site.events().await.len() - before;
    figure("O2", engine, times, events);
    assert_eq!(events, 0);
    assert_eq!(site.scim(Method::GET, &user, Value::Null, 200).await["meta"]["version"], version);
}

/// Row O4: writes that change nothing, and deletions of what is gone.
async fn what_changes_nothing_makes_no_event(engine: Engine) {
    let site = Site::new(engine).await;
    let ann = site.user("ann").await;
    let group = site.group("Staff", &[&ann]).await;
    let gone = site.user("gone").await;
    site.delete(&format!("/Users/{gone}")).await;
    site.catch_up().await;
    let (user, staff) = (format!("/Users/{ann}"), format!("/Groups/{group}"));
    let before = site.events().await.len();
    let version = |answer: &Value| answer["meta"]["version"].clone();
    let versions = [
        version(&site.scim(Method::GET, &user, Value::Null, 200).await),
        version(&site.scim(Method::GET, &staff, Value::Null, 200).await),
    ];
    let times = times("SCIM_DIRECTORY_NO_OPS", 200);
    for n in 0..times {
        match n % 6 {
            0 => site.set(&user, "displayName", json!("ann")).await,
            1 => drop(site.scim(Method::PUT, &user, user_body("ann"), 200).await),
            2 => site.add_members(&group, &[&ann]).await,
            3 => site.remove_member(&group, "nobody").await,
            4 => drop(site.scim(Method::PUT, &staff, group_body("Staff", &[&ann]), 200).await),
            _ => drop(site.scim(Method::DELETE, &format!("/Users/{gone}"), Value::Null, 404).await),
        }
    }
    site.catch_up().await;
    let events = site.events().await.len() - before;
    figure("O4", engine, times, events);
    assert_eq!(events, 0);
    assert_eq!(version(&site.scim(Method::GET, &user, Value::Null, 200).await), versions[0]);
    assert_eq!(version(&site.scim(Method::GET, &staff, Value::Null, 200).await), versions[1]);
}
