//! What `scimd listen` prints.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Forwarded, Key};
use crate::remote::describe;
use crate::terminal::{Paint, printable};

/// How many lines of an application's answer are shown.
const LINES: usize = 8;

/// Prints for people, or a line of JSON for each thing that happens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Show {
    json: bool,
    body: bool,
    paint: Paint,
}

/// A delivery that came.
#[derive(Debug)]
pub(super) struct Seen<'a> {
    /// Its `webhook-id`.
    pub(super) id: &'a str,
    pub(super) event: &'a Value,
    /// Why it is not to be believed.
    pub(super) problem: Option<String>,
    pub(super) answered: u16,
    pub(super) forwarded: Option<&'a Forwarded>,
}

impl Show {
    pub(super) fn new(json: bool, body: bool) -> Self {
        Self { json, body, paint: Paint::of_stdout() }
    }

    /// Where it listens, or to which server, and by what is verified.
    pub(super) fn ready(&self, url: &str, key: &Key, endpoint: Option<&str>) {
        let (name, label, key) = match key {
            Key::Secret(secret) => ("secret", "Signing secret", secret.expose()),
            Key::Verifying(key) => ("verifying_key", "Verifying key ", key.to_string()),
        };
        if self.json {
            println!("{}", json!({"listening": url, name: key, "endpoint_id": endpoint}));
            return;
        }
        println!("{} {url}", self.paint.strong("Listening to"));
        if let Some(endpoint) = endpoint {
            println!("Endpoint        {endpoint}, removed at the end");
        }
        println!("{label}  {key}\nCtrl-C ends it.\n");
    }

    pub(super) fn delivery(&self, seen: &Seen<'_>) {
        // One write, so that deliveries that come together do not mix.
        println!("{}", if self.json { self.line(seen) } else { self.text(seen) });
    }

    fn line(&self, seen: &Seen<'_>) -> String {
        let forwarded = seen.forwarded.map(|forwarded| match forwarded {
            Forwarded::Answered { status, elapsed, body } => json!({
                "status": status.as_u16(),
                "elapsed_ms": millis(*elapsed),
                "answer": String::from_utf8_lossy(body),
            }),
            Forwarded::Failed { why, elapsed } => {
                json!({"status": null, "elapsed_ms": millis(*elapsed), "problem": why})
            }
        });
        let line = json!({
            "event_id": seen.id,
            "type": seen.event.get("type"),
            "verified": seen.problem.is_none(),
            "problem": seen.problem,
            "answered": seen.answered,
            "forwarded": forwarded,
            "event": seen.event,
        });
        line.to_string()
    }

    fn text(&self, seen: &Seen<'_>) -> String {
        let paint = self.paint;
        let mut lines = vec![describe(seen.event, paint)];
        let verified = match &seen.problem {
            None => paint.good("✓ verified"),
            Some(problem) => paint.bad(&format!("✗ not verified: {problem}")),
        };
        lines.push(format!(
            "    {verified}  {}",
            paint.dim(&format!("{}  answered {}", printable(seen.id), seen.answered))
        ));
        match seen.forwarded {
            Some(Forwarded::Answered { status, elapsed, body }) => {
                let told = format!("→ the application answers {status} in {} ms", millis(*elapsed));
                let told = if status.is_success() { paint.good(&told) } else { paint.bad(&told) };
                lines.push(format!("    {told}"));
                let answer = String::from_utf8_lossy(body).into_owned();
                lines.extend(answer.lines().take(LINES).map(|line| format!("      {}", printable(line))));
            }
            Some(Forwarded::Failed { why, elapsed }) => {
                let told = format!("→ the application does not answer: {why} ({} ms)", millis(*elapsed));
                lines.push(format!("    {}", paint.bad(&told)));
            }
            None => {}
        }
        if self.body {
            lines.extend(format!("{:#}", seen.event).lines().map(|line| format!("    {}", printable(line))));
        }
        lines.join("\n")
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
