//! `scimd audit`.

use std::fs::File;
use std::io::{Write, stdout};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result};
use reqwest::Response;
use serde_json::Value;

use super::client::Client;
use super::endpoints::span_body;
use super::full_type;
use crate::cli::{AuditCommand, AuditExportOptions, AuditWhat};

/// How long nothing may come before the connection counts as lost.
const SILENCE: Duration = Duration::from_secs(60);
const BROKEN: &str = "the answer of the server broke off: what was written is not the whole export";

pub(crate) async fn run(command: AuditCommand) -> Result<ExitCode> {
    let client = Client::new(&command.server)?;
    let AuditWhat::Export(options) = command.what;
    export(&client, &options).await?;
    Ok(ExitCode::SUCCESS)
}

async fn export(client: &Client, options: &AuditExportOptions) -> Result<()> {
    let body = body(options)?;
    let asked = client.post_for_stream("/audit_exports", &body);
    let response = tokio::time::timeout(SILENCE, asked).await.context("the server does not answer")??;
    let Some(file) = &options.output else { return copy(response, stdout()).await };
    let created = File::create_new(file).with_context(|| format!("{} can't be made", file.display()))?;
    let copied = copy(response, created).await;
    if copied.is_err() {
        // Nobody must take it for whole.
        let _ = std::fs::remove_file(file);
    }
    copied
}

async fn copy(mut response: Response, mut output: impl Write) -> Result<()> {
    loop {
        let chunk = tokio::time::timeout(SILENCE, response.chunk()).await.context(BROKEN)?;
        let Some(chunk) = chunk.context(BROKEN)? else { break };
        output.write_all(&chunk).context("the export can't be written")?;
    }
    output.flush().context("the export can't be written")
}

fn body(options: &AuditExportOptions) -> Result<Value> {
    let mut body = span_body(&options.span)?;
    let mut add = |name: &str, value: Value| {
        if let Some(body) = body.as_object_mut() {
            body.insert(name.to_owned(), value);
        }
    };
    if let Some(id) = &options.organization {
        add("organization_id", id.as_str().into());
    }
    if let Some(id) = &options.directory {
        add("directory_id", id.as_str().into());
    }
    if !options.types.is_empty() {
        add("event_types", options.types.iter().map(|text| full_type(text)).collect());
    }
    Ok(body)
}
