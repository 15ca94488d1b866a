//! `scimd directories`.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::client::Client;
use super::{entries, print_json, text};
use crate::cli::{DirectoriesCommand, DirectoriesWhat};
use crate::terminal::{printable, table};

pub(crate) async fn run(command: DirectoriesCommand) -> Result<ExitCode> {
    let client = Client::new(&command.server)?;
    let as_json = command.server.json;
    let list = client.get("/directories", &[]).await?;
    let (id, verb) = match &command.what {
        DirectoriesWhat::List => {
            if as_json {
                print_json(&list);
            } else {
                print_list(entries(&list, "directories"));
            }
            return Ok(ExitCode::SUCCESS);
        }
        DirectoriesWhat::Pause { id } => (id, "pause_delivery"),
        DirectoriesWhat::Resume { id } => (id, "resume_delivery"),
    };
    let found =
        entries(&list, "directories").iter().find(|d| d.get("id").and_then(Value::as_str) == Some(id));
    let found = found.with_context(|| {
        format!("there is no directory {}: `scimd directories list` shows all", printable(id))
    })?;
    let path = format!(
        "/organizations/{}/directories/{}:{verb}",
        text(found, "/organization_id"),
        text(found, "/id")
    );
    let directory = client.post(&path, &json!({})).await?;
    if as_json {
        print_json(&directory);
    } else {
        print_list(&[directory]);
    }
    Ok(ExitCode::SUCCESS)
}

fn print_list(directories: &[Value]) {
    let mut rows =
        table(&["Directory", "Name", "Provider", "Organization", "Identity provider", "Delivery", "Events"]);
    for directory in directories {
        let is = |name: &str| directory.get(name).and_then(Value::as_bool).unwrap_or_default();
        rows.add_row([
            text(directory, "/id"),
            text(directory, "/name"),
            text(directory, "/provider"),
            text(directory, "/organization_id"),
            if is("enabled") { "let in" } else { "kept out" }.to_owned(),
            if is("delivery_paused") { "paused" } else { "goes on" }.to_owned(),
            text(directory, "/sequence"),
        ]);
    }
    println!("{rows}");
}
