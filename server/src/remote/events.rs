//! `scimd events`.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};

use super::client::Client;
use super::feed::Feed;
use super::{describe, entries, full_type, print_json, short_type, text};
use crate::cli::{EventFilterOptions, EventsCommand, EventsWhat};
use crate::shutdown::Stop;
use crate::terminal::{Paint, printable, table};

/// How many events are asked for at once.
const PAGE: usize = 100;

pub(crate) async fn run(command: EventsCommand) -> Result<ExitCode> {
    let client = Client::new(&command.server)?;
    let as_json = command.server.json;
    match command.what {
        EventsWhat::List { filter, limit, oldest } => {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            let events = list(&client, &filter, limit, oldest).await?;
            if as_json {
                events.iter().for_each(print_json);
            } else {
                print_list(&events);
            }
        }
        EventsWhat::Show { id } => {
            let event = client.get(&format!("/events/{}", printable(&id)), &[]).await?;
            if as_json { print_json(&event) } else { println!("{event:#}") }
        }
        EventsWhat::Tail { filter, from_beginning } => tail(client, &filter, from_beginning, as_json).await?,
        EventsWhat::Resend { id, endpoint } => {
            let body = endpoint.map_or_else(|| json!({}), |endpoint| json!({"endpoint_id": endpoint}));
            let answer = client.post(&format!("/events/{}:resend", printable(&id)), &body).await?;
            if as_json {
                print_json(&answer);
            } else {
                println!("sent again to {} endpoints", text(&answer, "/resent"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(
    client: &Client,
    filter: &EventFilterOptions,
    limit: usize,
    oldest: bool,
) -> Result<Vec<Value>> {
    let mut events: Vec<Value> = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let mut query = query_of(filter);
        query.push(("order", if oldest { "asc" } else { "desc" }.to_owned()));
        query.push(("limit", limit.saturating_sub(events.len()).min(PAGE).to_string()));
        query.extend(after.map(|after| ("after", after)));
        let page = client.get("/events", &query).await?;
        events.extend(entries(&page, "events").iter().cloned());
        let has_more = page.get("has_more").and_then(Value::as_bool).unwrap_or_default();
        if !has_more || events.len() >= limit {
            return Ok(events);
        }
        after = page.get("next_cursor").and_then(Value::as_str).map(str::to_owned);
    }
}

async fn tail(
    client: Client,
    filter: &EventFilterOptions,
    from_beginning: bool,
    as_json: bool,
) -> Result<()> {
    let start = if from_beginning { "beginning" } else { "end" };
    let mut feed = Feed::open(client, query_of(filter), start).await?;
    let paint = Paint::of_stdout();
    let stop = Stop::listen()?;
    let stopped = stop.asked();
    tokio::pin!(stopped);
    loop {
        let told = tokio::select! {
            told = feed.next() => told?,
            () = &mut stopped => return Ok(()),
        };
        if as_json {
            print_json(&told.event);
        } else {
            println!("{}", describe(&told.event, paint));
        }
    }
}

/// The parameters that say which events.
pub(crate) fn query_of(filter: &EventFilterOptions) -> Vec<(&'static str, String)> {
    let types: Vec<String> = filter.types.iter().map(|text| full_type(text)).collect();
    let lists =
        [("types", &types), ("organization_id", &filter.organization), ("directory_id", &filter.directory)];
    lists
        .into_iter()
        .filter(|(_, list)| !list.is_empty())
        .map(|(name, list)| (name, list.join(",")))
        .collect()
}

fn print_list(events: &[Value]) {
    let mut rows = table(&["Event", "When", "What", "Of"]);
    for event in events {
        let name = ["/data/name", "/data/email", "/subject"].map(|pointer| text(event, pointer));
        rows.add_row([
            text(event, "/id"),
            text(event, "/occurred_at"),
            short_type(&text(event, "/type")).to_owned(),
            name.into_iter().find(|name| !name.is_empty()).unwrap_or_default(),
        ]);
    }
    println!("{rows}");
}
