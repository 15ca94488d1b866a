//! `scimd endpoints`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use super::client::{Client, read_secret};
use super::{duration, entries, full_type, moment, print_json, short_type, text};
use crate::cli::{EndpointSettingsOptions, EndpointsCommand, EndpointsWhat, SpanOptions};
use crate::terminal::{printable, table};

pub(crate) async fn run(command: EndpointsCommand) -> Result<ExitCode> {
    let client = Client::new(&command.server)?;
    let as_json = command.server.json;
    let path = |id: &str| format!("/webhook_endpoints/{}", printable(id));
    match command.what {
        EndpointsWhat::List => {
            let list = client.get("/webhook_endpoints", &[]).await?;
            if as_json { print_json(&list) } else { print_list(&list) }
        }
        EndpointsWhat::Create { url, settings, secret_file } => {
            let mut body = body_of(&settings)?;
            body.insert("url".to_owned(), url.into());
            add_secret(&mut body, secret_file.as_deref())?;
            let made = client.post("/webhook_endpoints", &Value::Object(body)).await?;
            if as_json {
                print_json(&made);
            } else {
                print_one(&made);
                println!("\nSigning secret, shown this once:\n  {}", text(&made, "/secret"));
            }
        }
        EndpointsWhat::Show { id } => show(&client.get(&path(&id), &[]).await?, as_json),
        EndpointsWhat::Update { id, url, settings } => {
            let mut body = body_of(&settings)?;
            if let Some(url) = url {
                body.insert("url".to_owned(), url.into());
            }
            anyhow::ensure!(!body.is_empty(), "nothing is to be changed: name a setting; --help lists them");
            show(&client.patch(&path(&id), &Value::Object(body)).await?, as_json);
        }
        EndpointsWhat::Delete { id } => {
            client.delete(&path(&id)).await?;
            if as_json { print_json(&json!({"deleted": id})) } else { println!("deleted {}", printable(&id)) }
        }
        EndpointsWhat::Enable { id, replay_missing } => {
            let body = json!({"replay_missing": replay_missing});
            let endpoint = client.post(&format!("{}:enable", path(&id)), &body).await?;
            show(&endpoint, as_json);
            if replay_missing && !as_json {
                println!("{} events of meanwhile are delivered too", text(&endpoint, "/replayed"));
            }
        }
        EndpointsWhat::Disable { id } => {
            show(&client.post(&format!("{}:disable", path(&id)), &json!({})).await?, as_json);
        }
        EndpointsWhat::RotateSecret { id, overlap, secret_file } => {
            let mut body = overlap_body(&overlap)?;
            add_secret(&mut body, secret_file.as_deref())?;
            let rotated = client.post(&format!("{}:rotate_secret", path(&id)), &Value::Object(body)).await?;
            if as_json {
                print_json(&rotated);
            } else {
                println!("New signing secret, shown this once:\n  {}", text(&rotated, "/secret"));
                println!(
                    "Deliveries are signed with the one before too until {}",
                    text(&rotated, "/previous_secret_expires_at")
                );
            }
        }
        EndpointsWhat::RotateSigningKey { id, overlap } => {
            let body = Value::Object(overlap_body(&overlap)?);
            let rotated = client.post(&format!("{}:rotate_signing_key", path(&id)), &body).await?;
            if as_json {
                print_json(&rotated);
            } else {
                print_key(&rotated);
            }
        }
        EndpointsWhat::RemoveSigningKeys { id } => {
            show(&client.post(&format!("{}:remove_signing_keys", path(&id)), &json!({})).await?, as_json);
        }
        EndpointsWhat::Test { id, event_type } => {
            let body = json!({"event_type": full_type(&event_type)});
            let tried = client.post(&format!("{}:test", path(&id)), &body).await?;
            let delivered = tried.get("delivered").and_then(Value::as_bool).unwrap_or_default();
            if as_json {
                print_json(&tried);
            } else {
                print_trial(&tried, delivered);
            }
            return Ok(if delivered { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        EndpointsWhat::Recover { id, span } => {
            let answer = client.post(&format!("{}:recover", path(&id)), &span_body(&span)?).await?;
            if as_json {
                print_json(&answer);
            } else {
                println!("{} deliveries are tried again", text(&answer, "/recovered"));
            }
        }
        EndpointsWhat::Replay { id, span } => {
            let answer = client.post(&format!("{}:replay_missing", path(&id)), &span_body(&span)?).await?;
            if as_json {
                print_json(&answer);
            } else {
                println!("{} events are delivered", text(&answer, "/replayed"));
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn body_of(settings: &EndpointSettingsOptions) -> Result<Map<String, Value>> {
    let mut body = Map::new();
    let texts = [
        ("description", &settings.description),
        ("profile", &settings.profile),
        ("acknowledge", &settings.acknowledge),
        ("ordering", &settings.ordering),
    ];
    for (name, value) in texts {
        if let Some(value) = value {
            body.insert(name.to_owned(), value.as_str().into());
        }
    }
    let lists = [
        (
            "event_types",
            settings.event_type.iter().map(|t| if t == "all" { t.clone() } else { full_type(t) }).collect(),
        ),
        ("organization_ids", settings.organization.clone()),
        ("directory_ids", settings.directory.clone()),
    ];
    for (name, list) in lists {
        let list: Vec<String> = list;
        if !list.is_empty() {
            let list = if list == ["all"] { Vec::new() } else { list };
            body.insert(name.to_owned(), list.into());
        }
    }
    if !settings.header.is_empty() {
        body.insert("headers".to_owned(), Value::Object(headers(&settings.header)?));
    }
    for (name, value) in [("rate", &settings.rate), ("concurrency", &settings.concurrency)] {
        let Some(value) = value else { continue };
        let number = match value.as_str() {
            "none" => Value::Null,
            number => {
                number.parse::<u32>().with_context(|| format!("--{name} must be a number, or none"))?.into()
            }
        };
        body.insert(name.to_owned(), number);
    }
    Ok(body)
}

fn headers(fields: &[String]) -> Result<Map<String, Value>> {
    if fields == ["none"] {
        return Ok(Map::new());
    }
    let mut headers = Map::new();
    for field in fields {
        let (name, value) = field.split_once(':').context("--header must be \"name: value\", or none")?;
        headers.insert(name.trim().to_owned(), value.trim().into());
    }
    Ok(headers)
}

fn overlap_body(overlap: &str) -> Result<Map<String, Value>> {
    let overlap = duration(overlap).context("--overlap must be a time as 90s, 15m, 24h or 7d")?;
    let mut body = Map::new();
    body.insert("overlap_seconds".to_owned(), overlap.as_secs().into());
    Ok(body)
}

fn add_secret(body: &mut Map<String, Value>, file: Option<&Path>) -> Result<()> {
    if let Some(file) = file {
        body.insert("secret".to_owned(), read_secret(file)?.into());
    }
    Ok(())
}

pub(super) fn span_body(span: &SpanOptions) -> Result<Value> {
    let mut body = json!({"since": moment(&span.since)?.to_string()});
    if let (Some(until), Some(object)) = (&span.until, body.as_object_mut()) {
        object.insert("until".to_owned(), moment(until)?.to_string().into());
    }
    Ok(body)
}

fn show(endpoint: &Value, as_json: bool) {
    if as_json { print_json(endpoint) } else { print_one(endpoint) }
}

fn print_list(list: &Value) {
    let mut rows = table(&["Endpoint", "URL", "Events", "State", "Failures", "Last delivered"]);
    for endpoint in entries(list, "webhook_endpoints") {
        rows.add_row([
            text(endpoint, "/id"),
            text(endpoint, "/url"),
            types(endpoint),
            state(endpoint),
            text(endpoint, "/health/failures"),
            text(endpoint, "/health/last_delivered_at"),
        ]);
    }
    println!("{rows}");
}

fn print_one(endpoint: &Value) {
    let mut rows = table(&["Endpoint", &text(endpoint, "/id")]);
    rows.add_row(["state".to_owned(), state(endpoint)]);
    rows.add_row(["events".to_owned(), types(endpoint)]);
    let fields = [
        ("url", "/url"),
        ("description", "/description"),
        ("organizations", "/organization_ids"),
        ("directories", "/directory_ids"),
        ("profile", "/profile"),
        ("acknowledged by", "/acknowledge"),
        ("ordering", "/ordering"),
        ("headers", "/header_names"),
        ("verifying keys", "/verifying_keys"),
        ("rate", "/rate"),
        ("concurrency", "/concurrency"),
        ("failures in a row", "/health/failures"),
        ("last delivered", "/health/last_delivered_at"),
        ("created", "/created_at"),
        ("changed", "/updated_at"),
    ];
    for (label, pointer) in fields {
        let value = text(endpoint, pointer);
        if !value.is_empty() {
            rows.add_row([label.to_owned(), value]);
        }
    }
    println!("{rows}");
}

fn print_key(rotated: &Value) {
    println!("New verifying key, for the receiver:\n  {}", text(rotated, "/verifying_key"));
    let end = text(rotated, "/previous_key_expires_at");
    if end.is_empty() {
        println!("Deliveries are signed for it from now on (v1a), and with the secret as before (v1)");
    } else {
        println!("Deliveries are signed for the one before too until {end}");
    }
}

fn print_trial(tried: &Value, delivered: bool) {
    let (status, reason) = (text(tried, "/status"), text(tried, "/reason"));
    let elapsed = text(tried, "/elapsed_ms");
    if delivered {
        println!("taken: status {status} in {elapsed} ms");
    } else if status.is_empty() {
        println!("not taken: {reason}, after {elapsed} ms");
    } else {
        println!("not taken: status {status} in {elapsed} ms");
    }
    let excerpt = tried.get("excerpt").and_then(Value::as_str).unwrap_or_default();
    for line in excerpt.lines().take(20) {
        println!("  {}", printable(line));
    }
}

fn types(endpoint: &Value) -> String {
    let types: Vec<&str> =
        entries(endpoint, "event_types").iter().filter_map(Value::as_str).map(short_type).collect();
    if types.is_empty() { "all".to_owned() } else { printable(&types.join(", ")) }
}

fn state(endpoint: &Value) -> String {
    let enabled = endpoint.get("enabled").and_then(Value::as_bool).unwrap_or_default();
    let reason = text(endpoint, "/disabled_reason");
    match (enabled, reason.is_empty()) {
        (true, _) => "enabled".to_owned(),
        (false, true) => "disabled".to_owned(),
        (false, false) => format!("disabled: {reason}"),
    }
}
