//! `/events`: pages, waiting, streams.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::{Api, id, is_problem, on_both_engines};
use crate::scimd::{Client, Scimd};

on_both_engines!(
    the_log_is_read_page_by_page_and_is_what_was_delivered,
    a_reader_that_waits_is_woken_at_once
);

// mission: M-66
async fn the_log_is_read_page_by_page_and_is_what_was_delivered(scimd: Scimd) {
    let (api, client) = (Api::of(&scimd), scimd.client(0));
    assert_eq!(api.get("/events").await["events"], json!([]));
    let users = create(&client, 0..7).await;
    let mut delivered = scimd.events_up_to(7).await;
    // Of different users they may come in any order.
    delivered.sort_by_key(|event| event["sequence"].as_u64());
    let (mut events, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/events?limit=3{cursor}")).await;
        events.extend(page["events"].as_array().unwrap().clone());
        cursor = format!("&after={}", page["next_cursor"].as_str().unwrap());
        if page["has_more"] == false {
            break;
        }
    }
    assert_eq!(events, delivered);
    // The last cursor goes on behind the last event.
    client.send(Method::DELETE, &format!("/Users/{}", users[0]), Value::Null).await;
    let news = api.get(&format!("/events?wait=10{cursor}")).await;
    assert_eq!(news["events"].as_array().unwrap().len(), 1);
    assert_eq!(news["events"][0]["type"], "organization.directory.user_deleted");
    let shown = api.get(&format!("/events/{}", id(&events[3]))).await;
    assert_eq!(shown, events[3]);

    let back = api.get("/events?order=desc&limit=2").await;
    assert_eq!(back["events"], json!([news["events"][0], events[6]]));
    let back =
        api.get(&format!("/events?order=desc&limit=2&after={}", back["next_cursor"].as_str().unwrap())).await;
    assert_eq!(back["events"], json!([events[5], events[4]]));
    let some = api.get("/events?types=organization.directory.user_deleted").await;
    assert_eq!(some["events"], news["events"]);
    let directory = scimd.ready["directories"][0]["id"].as_str().unwrap();
    let organization = events[0]["organization_id"].as_str().unwrap();
    let of =
        async |filter: &str| api.get(&format!("/events?{filter}")).await["events"].as_array().unwrap().len();
    assert_eq!(of(&format!("directory_id={directory}&organization_id={organization}")).await, 8);
    assert_eq!(of("directory_id=dir_0000000000000000000000").await, 0);
    assert_eq!(of("start=end").await, 0);
    assert_eq!(of("start=beginning").await, 8);

    for query in [
        "limit=0",
        "limit=101",
        "wait=31",
        "after=AAAA",
        "types=odd",
        "order=up",
        "colour=red",
        "wait=1&order=desc",
    ] {
        is_problem(
            &api.send(Method::GET, &format!("/events?{query}"), Value::Null).await,
            400,
            "invalid_field",
        );
    }
    is_problem(&api.send(Method::GET, "/events/evt_0", Value::Null).await, 404, "not_found");
}

async fn create(client: &Client, numbers: std::ops::Range<usize>) -> Vec<String> {
    let mut ids = Vec::new();
    for n in numbers {
        ids.push(client.create_user(&format!("user{n}@example.com")).await);
    }
    ids
}

// mission: M-66
async fn a_reader_that_waits_is_woken_at_once(scimd: Scimd) {
    let (api, client) = (Api::of(&scimd), scimd.client(0));
    let mut delays = Vec::new();
    let mut cursor = api.get("/events").await["next_cursor"].as_str().unwrap().to_owned();
    for n in 0..6 {
        let waiting = tokio::spawn({
            let (api, path) = (api.clone(), format!("/events?wait=20&after={cursor}"));
            async move { (api.get(&path).await, Instant::now()) }
        });
        tokio::time::sleep(Duration::from_millis(120 + 40 * n)).await;
        assert!(!waiting.is_finished(), "there is nothing yet");
        client.create_user(&format!("user{n}@example.com")).await;
        let written = Instant::now();
        let (page, told) = waiting.await.unwrap();
        assert_eq!(page["events"].as_array().unwrap().len(), 1);
        cursor = page["next_cursor"].as_str().unwrap().to_owned();
        delays.push(told.saturating_duration_since(written));
    }
    // Who looked again by the clock would take longer each time. The machine may be busy now and then.
    assert!(delays.iter().min().unwrap() < &Duration::from_millis(100), "{delays:?}");
    // Nothing comes: it ends when it was asked to.
    let begun = Instant::now();
    assert_eq!(api.get(&format!("/events?wait=1&after={cursor}")).await["events"], json!([]));
    assert!((900..3_000).contains(&begun.elapsed().as_millis()), "{:?}", begun.elapsed());
}
