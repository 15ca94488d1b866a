//! `scimd api-key`: through the API, or in the database.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use scim_directory::{ApiKeyId, Directories, Scope};
use scim_webhook::Policy;
use serde_json::{Value, json};

use super::client::Client;
use super::{entries, print_json, text};
use crate::api::shown_key;
use crate::cli::{ApiKeyCommand, ApiKeyWhat, PlaceOptions};
use crate::instance::{Opened, now};
use crate::logging;
use crate::terminal::{printable, table};

const DAY: u64 = 24 * 3600;

pub(crate) async fn run(command: ApiKeyCommand) -> Result<ExitCode> {
    let keeper = if command.config.is_some() || command.data.is_some() {
        logging::start(logging::Format::Text, "error")?;
        let place = PlaceOptions::new(command.config, command.data, command.database);
        let files = place.locate()?.files;
        let opened = Opened::open(&files, Policy::default()).await.context(
            "the database can't be used directly; while a server runs on it, ask the server: leave --config and \
             --data out, and set SCIMD_API_KEY to a key that has keys:write",
        )?;
        Keeper::Database(Box::new(opened.directories))
    } else {
        Keeper::Server(Client::new(&command.server)?)
    };
    let as_json = command.server.json;
    match command.what {
        ApiKeyWhat::Create { name, scopes, days } => {
            let made = keeper.create(&name, &scopes_of(&scopes)?, days).await?;
            if as_json {
                print_json(&made);
            } else {
                print_list(std::slice::from_ref(&made));
                println!("\nAPI key, shown this once:\n  {}", text(&made, "/api_key"));
            }
        }
        ApiKeyWhat::List => {
            let list = keeper.list().await?;
            if as_json { print_json(&list) } else { print_list(entries(&list, "api_keys")) }
        }
        ApiKeyWhat::Revoke { id } => {
            keeper.revoke(&id).await?;
            if as_json { print_json(&json!({"revoked": id})) } else { println!("revoked {}", printable(&id)) }
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Where keys are kept.
enum Keeper {
    Server(Client),
    Database(Box<Directories>),
}

impl Keeper {
    async fn create(&self, name: &str, scopes: &[Scope], days: Option<u32>) -> Result<Value> {
        match self {
            Self::Server(client) => {
                let scopes: Vec<&str> = scopes.iter().map(|scope| scope.as_str()).collect();
                let body = json!({"name": name, "scopes": scopes, "lifetime_days": days});
                client.post("/api_keys", &body).await
            }
            Self::Database(directories) => {
                let lifetime = days.map(|days| Duration::from_secs(u64::from(days).saturating_mul(DAY)));
                let issued = directories.create_api_key(name, scopes, lifetime, now()).await?;
                let mut made = shown_key(&issued.key);
                if let Some(made) = made.as_object_mut() {
                    made.insert("api_key".to_owned(), issued.plain.expose().into());
                }
                Ok(made)
            }
        }
    }

    async fn list(&self) -> Result<Value> {
        match self {
            Self::Server(client) => client.get("/api_keys", &[]).await,
            Self::Database(directories) => {
                let keys: Vec<Value> = directories.api_keys().await?.iter().map(shown_key).collect();
                Ok(json!({"api_keys": keys}))
            }
        }
    }

    async fn revoke(&self, id: &str) -> Result<()> {
        let id = ApiKeyId::parse(id).context("a key is named by its id, as `scimd api-key list` shows it")?;
        match self {
            Self::Server(client) => client.delete(&format!("/api_keys/{id}")).await,
            Self::Database(directories) => {
                ensure!(directories.revoke_api_key(&id, now()).await?, "there is no such key that is good");
                Ok(())
            }
        }
    }
}

fn scopes_of(texts: &[String]) -> Result<Vec<Scope>> {
    if texts == ["all"] {
        return Ok(Scope::ALL.to_vec());
    }
    let mut scopes = Vec::with_capacity(texts.len());
    for text in texts {
        match Scope::parse(text) {
            Some(scope) => scopes.push(scope),
            None => {
                let known: Vec<&str> = Scope::ALL.iter().map(|scope| scope.as_str()).collect();
                bail!("--scope {} is not one of {}, all", printable(text), known.join(", "));
            }
        }
    }
    Ok(scopes)
}

fn print_list(keys: &[Value]) {
    let mut rows = table(&["Key", "Name", "Ends in", "Scopes", "Made", "Good until", "Last used"]);
    for key in keys {
        let (expires, revoked) = (text(key, "/expires_at"), text(key, "/revoked_at"));
        let until = match (revoked.is_empty(), expires.is_empty()) {
            (false, _) => format!("revoked {revoked}"),
            (true, false) => expires,
            (true, true) => "without end".to_owned(),
        };
        rows.add_row([
            text(key, "/id"),
            text(key, "/name"),
            text(key, "/suffix"),
            text(key, "/scopes"),
            text(key, "/created_at"),
            until,
            text(key, "/last_used_at"),
        ]);
    }
    println!("{rows}");
}
