//! The stream of events, followed over interruptions.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Buf as _;
use reqwest::Response;
use serde_json::Value;

use super::client::{Client, Refusal};

/// How long nothing may come before the connection counts as lost; the server says something every 15 seconds.
const SILENCE: Duration = Duration::from_secs(45);
/// How long to wait before connecting again, and how often it is tried in a row.
const PAUSE: Duration = Duration::from_secs(1);
const TRIES: u32 = 30;
/// The longest event, in bytes.
const LONGEST: usize = 64 << 20;

/// Follows the event log. When the connection is lost, it goes on behind the last event that came.
#[derive(Debug)]
pub(crate) struct Feed {
    client: Client,
    query: Vec<(&'static str, String)>,
    response: Option<Response>,
    buffer: Vec<u8>,
    last: Option<String>,
}

/// An event that came.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    /// Its text, exactly as it is delivered.
    pub(crate) body: String,
    pub(crate) event: Value,
}

impl Feed {
    /// Begins at `start`: `beginning` or `end`.
    pub(crate) async fn open(
        client: Client,
        mut query: Vec<(&'static str, String)>,
        start: &str,
    ) -> Result<Self> {
        // The place where it begins is asked for once, so that nothing is missed while there is no connection.
        let last = if start == "end" {
            let page =
                client.get("/events", &[("start", "end".to_owned()), ("limit", "1".to_owned())]).await?;
            page.get("next_cursor").and_then(Value::as_str).map(str::to_owned)
        } else {
            query.push(("start", start.to_owned()));
            None
        };
        let response = Some(client.stream(&query, last.as_deref()).await?);
        Ok(Self { client, query, response, buffer: Vec::new(), last })
    }

    /// The next event.
    ///
    /// # Errors
    /// When the server refuses, at once; when it has not answered for half a minute.
    pub(crate) async fn next(&mut self) -> Result<Told> {
        loop {
            while let Some(block) = self.block() {
                if let Some(told) = self.read(&block)? {
                    return Ok(told);
                }
            }
            let Some(response) = &mut self.response else {
                self.response = Some(self.connect().await?);
                self.buffer.clear();
                continue;
            };
            match tokio::time::timeout(SILENCE, response.chunk()).await {
                Ok(Ok(Some(chunk))) if self.buffer.len().saturating_add(chunk.len()) <= LONGEST => {
                    self.buffer.extend_from_slice(chunk.chunk());
                }
                Ok(Ok(Some(_))) => bail!("the server sends an event that is too long"),
                _ => self.response = None,
            }
        }
    }

    async fn connect(&self) -> Result<Response> {
        let mut tries = 0_u32;
        loop {
            tokio::time::sleep(PAUSE).await;
            match self.client.stream(&self.query, self.last.as_deref()).await {
                Ok(response) => return Ok(response),
                // What it refuses now it refuses again.
                Err(error) if tries >= TRIES || error.is::<Refusal>() => return Err(error),
                Err(_) => tries = tries.saturating_add(1),
            }
        }
    }

    /// What is before the next empty line.
    fn block(&mut self) -> Option<String> {
        let end = self.buffer.windows(2).position(|pair| pair == b"\n\n")?;
        let rest = self.buffer.split_off(end.saturating_add(2));
        let block = std::mem::replace(&mut self.buffer, rest);
        Some(String::from_utf8_lossy(&block).into_owned())
    }

    fn read(&mut self, block: &str) -> Result<Option<Told>> {
        let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
        if let Some(id) = field("id: ") {
            self.last = Some(id.to_owned());
        }
        let Some(body) = field("data: ") else { return Ok(None) };
        let event = serde_json::from_str(body).context("the server sends an event that is not JSON")?;
        Ok(Some(Told { body: body.to_owned(), event }))
    }
}
