//! All users, page by page, each once.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, ValueEnum};
use memchr::memmem;
use serde_json::{Value, json};

use crate::Server;
use crate::connection::Connection;

#[derive(Args, Debug)]
pub(crate) struct Options {
    #[command(flatten)]
    server: Server,
    #[arg(long, value_enum)]
    by: By,
    /// How many users a page has
    #[arg(long, default_value_t = 100)]
    count: usize,
    /// How many users there must be
    #[arg(long)]
    users: usize,
    /// Write their ids to this file
    #[arg(long)]
    ids: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum By {
    /// startIndex (RFC 7644 §3.4.2.4)
    Index,
    /// cursor (RFC 9865)
    Cursor,
}

/// Asks for all pages.
pub(crate) async fn run(options: Options) -> Result<Value> {
    let Options { server, by, count, users, ids: file } = options;
    let mut connection = Connection::open(server.address).await?;
    let (mut ids, mut pages, mut slowest) = (Vec::<String>::with_capacity(users), 0_u64, 0.0_f64);
    let begun = Instant::now();
    let mut cursor = String::new();
    loop {
        let page = match by {
            By::Index => format!("startIndex={}", ids.len() + 1),
            By::Cursor if cursor.is_empty() => "cursor".to_owned(),
            By::Cursor => format!("cursor={cursor}"),
        };
        let request = format!(
            "GET {}/Users?{page}&count={count} HTTP/1.1\r\nHost: scim.example.com\r\nAuthorization: Bearer {}\r\n\r\n",
            server.path, server.token
        );
        let asked = Instant::now();
        let answer = connection.ask(request.as_bytes()).await?;
        slowest = slowest.max(asked.elapsed().as_secs_f64());
        pages += 1;
        let before = ids.len();
        ensure!(answer.status == 200, "page {pages} is answered {}", answer.status);
        texts(answer.body, "id", |id| ids.push(id.to_owned()));
        cursor.clear();
        texts(answer.body, "nextCursor", |next| cursor = next.replace('+', "%2B").replace('=', "%3D"));
        let is_last = if by == By::Index { ids.len() >= users } else { cursor.is_empty() };
        if is_last {
            break;
        }
        ensure!(ids.len() > before, "page {pages} is empty, after {before} of {users} users");
    }
    let seconds = begun.elapsed().as_secs_f64();
    ensure!(ids.len() == users, "there are {} users, not {users}", ids.len());
    let different: HashSet<&String> = ids.iter().collect();
    if different.len() != users {
        bail!("{} users came more than once", users - different.len());
    }
    if let Some(file) = file {
        let mut out = std::io::BufWriter::new(std::fs::File::create(&file).context("the ids can't be written")?);
        for id in &ids {
            writeln!(out, "{id}")?;
        }
        out.flush()?;
    }
    Ok(json!({
        "pages": pages,
        "users": ids.len(),
        "seconds": (seconds * 1e3).round() / 1e3,
        "slowest_page_ms": (slowest * 1e6).round() / 1e3,
    }))
}

/// The values of a member that is a text without escapes, wherever it is.
fn texts(body: &[u8], name: &str, mut each: impl FnMut(&str)) {
    let opening = format!("\"{name}\":\"");
    for at in memmem::find_iter(body, &opening) {
        let rest = &body[at + opening.len()..];
        let end = memchr::memchr(b'"', rest).unwrap_or_default();
        each(std::str::from_utf8(&rest[..end]).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_by_their_name() {
        let mut found = Vec::new();
        let body = br#"{"a":{"id":"1","externalId":"x","nextId":"y"},"b":[{"id":"2"}]}"#;
        texts(body, "id", |id| found.push(id.to_owned()));
        assert_eq!(found, ["1", "2"]);
    }
}
