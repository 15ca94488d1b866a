//! What a person is shown, and what is wrong if anything is.

use std::collections::BTreeMap;

use anyhow::Result;
use comfy_table::Table;
use scim_directory::{Directories, DirectoryId, Event};
use scim_schema::Value;

use super::Demo;
use super::play::Played;
use crate::terminal::{printable, table};

const PAGE: usize = 500;
/// How many events are shown one by one.
const LAST: usize = 12;

/// In one sentence each: what was lost, not verified, or is not as the providers left it.
pub(super) async fn problems(demo: &Demo, played: &[Played], settled: bool) -> Result<Vec<String>> {
    let mut problems = Vec::new();
    if !settled {
        problems.push("Deliveries were still waiting after a minute.".to_owned());
    }
    let mut lost: usize = 0;
    for directory in &demo.directories {
        let events = all_events(&demo.server.directories, &directory.directory.id).await?;
        lost = lost.saturating_add(events.iter().filter(|e| !demo.receiver.has(e.id.as_str())).count());
    }
    if lost > 0 {
        problems.push(format!("{lost} events were recorded, but not delivered and verified."));
    }
    let counts = demo.receiver.counts();
    if counts.refused > 0 {
        problems.push(format!("{} deliveries could not be verified.", counts.refused));
    }
    let failed = demo.server.directories.backlog().await?.failed;
    if failed > 0 {
        problems.push(format!("{failed} deliveries were given up."));
    }
    for Played { simulator, client } in played {
        let label = simulator.provider().label();
        let differences = simulator.expected().differences(client).await?;
        problems.extend(differences.into_iter().map(|difference| format!("{label}: {difference}")));
    }
    Ok(problems)
}

/// Users, groups and events.
pub(super) async fn show(demo: &Demo) -> Result<()> {
    let mut users = table(&["Directory", "Name", "E-mail", "Title", "Active", "Groups"]);
    let mut groups = table(&["Directory", "Group", "Members"]);
    let mut types: BTreeMap<&str, usize> = BTreeMap::new();
    for directory in &demo.directories {
        let (name, id) = (directory.directory.name.as_str(), &directory.directory.id);
        let mut people = all(|after| {
            let after = after.map(str::to_owned);
            async move { demo.server.directories.users(id, after.as_deref(), PAGE).await }
        })
        .await?;
        people.sort_by(|a, b| text(a, "email").cmp(text(b, "email")));
        for user in &people {
            let active =
                if user.get("active").and_then(Value::as_bool) == Some(false) { "no" } else { "yes" };
            let row = [name, text(user, "name"), text(user, "email"), text(user, "title"), active];
            let mut row: Vec<String> = row.into_iter().map(printable).collect();
            let names = user.get("groups").map(Value::elements).unwrap_or_default();
            let names: Vec<&str> = names.iter().filter_map(Value::as_str).collect();
            row.push(printable(&names.join(", ")));
            users.add_row(row);
        }
        let mut teams = all(|after| {
            let after = after.map(str::to_owned);
            async move { demo.server.directories.groups(id, after.as_deref(), PAGE).await }
        })
        .await?;
        teams.sort_by(|a, b| text(a, "name").cmp(text(b, "name")));
        for group in &teams {
            let count = group.get("member_count").and_then(Value::as_number);
            let count = count.map(ToString::to_string).unwrap_or_default();
            groups.add_row([printable(name), printable(text(group, "name")), count]);
        }
        for event in all_events(&demo.server.directories, id).await? {
            let count = types.entry(event.event_type.as_str()).or_default();
            *count = count.saturating_add(1);
        }
    }
    let mut events = table(&["Event", "Recorded"]);
    for (name, count) in types {
        events.add_row([name.to_owned(), count.to_string()]);
    }
    println!("\nUsers\n{users}\n\nGroups\n{groups}\n\nEvents\n{events}\n\n{}", last_events(demo));
    Ok(())
}

/// One line: what was delivered, and whether anything is wrong.
pub(super) async fn verdict(demo: &Demo, problems: &[String]) -> Result<()> {
    let counts = demo.receiver.counts();
    let backlog = demo.server.directories.backlog().await?;
    println!(
        "\n{} events delivered, their signatures verified; {} repeated, {} refused, {} waiting, {} given up.",
        counts.verified, counts.repeated, counts.refused, backlog.pending, backlog.failed
    );
    for problem in problems {
        println!("WRONG: {problem}");
    }
    if problems.is_empty() {
        println!("Nothing was lost, and every directory is as its provider left it.");
    }
    Ok(())
}

/// Where everything is, and what to try.
pub(super) fn invite(demo: &Demo) {
    let Some(first) = demo.directories.first() else { return };
    println!("\nDirectories");
    for directory in &demo.directories {
        println!("  {}\n    {}\n    {}", directory.directory.name, directory.base_url, directory.token);
    }
    let (url, token) = (&first.base_url, &first.token);
    println!(
        "\nTry it\n  curl -s -H 'Authorization: Bearer {token}' '{url}/Users?count=2'\n  \
         curl -s -H 'Authorization: Bearer {token}' -H 'Content-Type: application/scim+json' \\\n    \
         -d '{{\"schemas\":[\"urn:ietf:params:scim:schemas:core:2.0:User\"],\"userName\":\"zoe@example.com\"}}' \\\n    \
         {url}/Users\n  curl -s {}/events\n  \
         SCIMD_SERVER={} SCIMD_API_KEY={} scimd listen\n\nEverything is in {}. Ctrl-C ends it.",
        demo.receiver_url,
        demo.api_base_url.trim_end_matches(crate::api::PREFIX),
        demo.api_key,
        demo.folder.display()
    );
}

fn last_events(demo: &Demo) -> Table {
    let mut table = table(&["Last webhooks", "Of", "Event"]);
    for text in demo.receiver.last(LAST) {
        let event: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
        let field = |pointer: &str| {
            printable(event.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or_default())
        };
        table.add_row([field("/type"), field("/data/name"), field("/id")]);
    }
    table
}

/// All pages of a list.
async fn all<F>(page: impl Fn(Option<&str>) -> F) -> Result<Vec<Value>>
where
    F: Future<Output = Result<Vec<Value>, scim_directory::DirectoryError>>,
{
    let mut all: Vec<Value> = Vec::new();
    loop {
        let after = all.last().map(|last| text(last, "id").to_owned());
        let next = page(after.as_deref()).await?;
        let full = next.len() == PAGE;
        all.extend(next);
        if !full {
            return Ok(all);
        }
    }
}

async fn all_events(directories: &Directories, directory: &DirectoryId) -> Result<Vec<Event>> {
    let mut all: Vec<Event> = Vec::new();
    loop {
        let after = all.last().map_or(0, |event| event.sequence);
        let next = directories.events(directory, after, PAGE).await?;
        let full = next.len() == PAGE;
        all.extend(next);
        if !full {
            return Ok(all);
        }
    }
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}
