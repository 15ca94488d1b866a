//! `/metrics`.

use std::time::{Duration, Instant};

use super::{Api, id, on_both_engines};
use crate::hook::Hook;
use crate::scimd::{Scimd, http};

on_both_engines!(figures_follow_what_happens);

async fn text(scimd: &Scimd) -> String {
    let answer = http().get(format!("{}/metrics", scimd.root())).send().await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.text().await.unwrap()
}

/// The value of a sample.
fn figure(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} in {text}")).parse().unwrap()
}

/// The rules in the README name figures that are served.
fn alerts_are_of_what_is_there(text: &str) {
    let readme = include_str!("../../../../README.md");
    let rules: Vec<&str> = readme.lines().filter_map(|line| line.trim().strip_prefix("expr: ")).collect();
    let words = rules.iter().flat_map(|rule| rule.split(['(', ')', '[', ' ']));
    let names: Vec<&str> = words.filter(|word| word.starts_with("scimd_")).collect();
    assert_eq!(names.len(), 3, "{rules:?}");
    for name in names {
        assert!(text.contains(&format!("\n{name}{{")), "{name} in {text}");
    }
}

// mission: M-61
async fn figures_follow_what_happens(scimd: Scimd) {
    let (api, hook, client) = (Api::of(&scimd), Hook::start().await, scimd.client(0));
    let endpoint = id(&api.endpoint(&hook.url).await);
    let pending = format!("scimd_deliveries_pending{{endpoint=\"{endpoint}\"}}");
    let oldest = format!("scimd_deliveries_oldest_pending_seconds{{endpoint=\"{endpoint}\"}}");
    assert_eq!(figure(&text(&scimd).await, &pending), 0.0);
    hook.answer(500, "no");
    let user = client.create_user("ada@example.com").await;
    hook.up_to(1).await;
    scimd.events_up_to(1).await;
    let begun = Instant::now();
    let failed = loop {
        let text = text(&scimd).await;
        if figure(&text, "scimd_delivery_attempts_total{outcome=\"status\"}") == 1.0 {
            break text;
        }
        assert!(begun.elapsed() < Duration::from_secs(10), "{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(figure(&failed, &pending), 1.0);
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    assert!(figure(&text(&scimd).await, &oldest) >= 1.0);

    hook.answer(200, "yes");
    client.send(reqwest::Method::DELETE, &format!("/Users/{user}"), serde_json::Value::Null).await;
    let begun = Instant::now();
    loop {
        let text = text(&scimd).await;
        if figure(&text, "scimd_deprovision_latency_seconds_count") == 2.0 && figure(&text, &pending) == 0.0 {
            assert!(figure(&text, "scimd_commit_to_delivered_seconds_count") >= 3.0, "{text}");
            assert_eq!(figure(&text, "scimd_deprovision_latency_seconds_bucket{le=\"+Inf\"}"), 2.0);
            assert!(figure(&text, "scimd_deprovision_latency_seconds_sum") > 0.0);
            assert!(figure(&text, "scimd_event_log_position") >= 2.0);
            alerts_are_of_what_is_there(&text);
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "{text}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let enabled = format!("scimd_endpoint_enabled{{endpoint=\"{endpoint}\"}}");
    assert_eq!(figure(&text(&scimd).await, &enabled), 1.0);
    api.post(&format!("/webhook_endpoints/{endpoint}:disable"), serde_json::json!({})).await;
    assert_eq!(figure(&text(&scimd).await, &enabled), 0.0);
}
