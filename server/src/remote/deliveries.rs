//! `scimd deliveries`.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};

use super::client::Client;
use super::{entries, print_json, short_type, text};
use crate::cli::{DeliveriesCommand, DeliveriesWhat};
use crate::terminal::{printable, table};

/// How many deliveries are asked for at once.
const PAGE: usize = 500;

pub(crate) async fn run(command: DeliveriesCommand) -> Result<ExitCode> {
    let client = Client::new(&command.server)?;
    let as_json = command.server.json;
    match command.what {
        DeliveriesWhat::List { endpoint, event, state, limit } => {
            let mut filter: Vec<(&str, String)> = Vec::new();
            filter.extend(endpoint.map(|id| ("endpoint_id", id)));
            filter.extend(event.map(|id| ("event_id", id)));
            if !state.is_empty() {
                filter.push(("state", state.join(",")));
            }
            let deliveries = list(&client, &filter, usize::try_from(limit).unwrap_or(usize::MAX)).await?;
            if as_json {
                deliveries.iter().for_each(print_json);
            } else {
                print_list(&deliveries);
            }
        }
        DeliveriesWhat::Show { id } => {
            let path = format!("/deliveries/{}", printable(&id));
            let delivery = client.get(&path, &[]).await?;
            let attempts = client.get(&format!("{path}/attempts"), &[]).await?;
            if as_json {
                let attempts = attempts.get("attempts").cloned().unwrap_or_default();
                print_json(&json!({"delivery": delivery, "attempts": attempts}));
            } else {
                print_list(&[delivery]);
                print_attempts(entries(&attempts, "attempts"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(client: &Client, filter: &[(&'static str, String)], limit: usize) -> Result<Vec<Value>> {
    let mut deliveries: Vec<Value> = Vec::new();
    let mut token: Option<String> = None;
    loop {
        let mut query = filter.to_vec();
        query.push(("page_size", limit.saturating_sub(deliveries.len()).min(PAGE).to_string()));
        query.extend(token.map(|token| ("page_token", token)));
        let page = client.get("/deliveries", &query).await?;
        deliveries.extend(entries(&page, "deliveries").iter().cloned());
        token = page.get("next_page_token").and_then(Value::as_str).map(str::to_owned);
        if token.is_none() || deliveries.len() >= limit {
            return Ok(deliveries);
        }
    }
}

fn print_list(deliveries: &[Value]) {
    let mut rows =
        table(&["Delivery", "Event", "What", "Endpoint", "State", "Attempts", "Last answer", "Next"]);
    for delivery in deliveries {
        rows.add_row([
            text(delivery, "/id"),
            text(delivery, "/event_id"),
            short_type(&text(delivery, "/event_type")).to_owned(),
            text(delivery, "/endpoint_id"),
            text(delivery, "/state"),
            text(delivery, "/attempts"),
            answer(delivery),
            text(delivery, "/next_attempt_at"),
        ]);
    }
    println!("{rows}");
}

fn print_attempts(attempts: &[Value]) {
    let mut rows = table(&["Attempt", "When", "Took", "Answer", "Beginning of the answer"]);
    for (index, attempt) in attempts.iter().enumerate() {
        rows.add_row([
            index.saturating_add(1).to_string(),
            text(attempt, "/at"),
            format!("{} ms", text(attempt, "/elapsed_ms")),
            answer(attempt),
            text(attempt, "/excerpt").chars().take(80).collect(),
        ]);
    }
    println!("{rows}");
}

/// The status of a response, else why there was none.
fn answer(value: &Value) -> String {
    let status = text(value, "/status");
    if status.is_empty() { text(value, "/reason") } else { status }
}
