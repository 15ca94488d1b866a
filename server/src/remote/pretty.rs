//! An event for people.

use serde_json::Value;

use super::{entries, short_type, text};
use crate::terminal::Paint;

/// How many changes are shown, and how much of each value.
const CHANGES: usize = 12;
const VALUE: usize = 60;

/// A line of what happened to whom, and one for each change.
pub(crate) fn describe(event: &Value, paint: Paint) -> String {
    let time = text(event, "/occurred_at");
    let kind = text(event, "/type");
    let who = who(event);
    let mut lines = vec![format!("{}  {}  {who}", paint.dim(&time), paint.strong(short_type(&kind)))];
    let changes = entries(event, "changes");
    for change in changes.iter().take(CHANGES) {
        let (from, to) = (value(change, "/from"), value(change, "/to"));
        lines.push(format!("    {}  {} {} {}", text(change, "/path"), paint.dim(&from), paint.dim("→"), to));
    }
    if changes.len() > CHANGES {
        let more = format!("    and {} more changes", changes.len().saturating_sub(CHANGES));
        lines.push(paint.dim(&more));
    }
    lines.join("\n")
}

/// Name and address of a user, the name of a group, else the subject's id.
fn who(event: &Value) -> String {
    let (name, email) = (text(event, "/data/name"), text(event, "/data/email"));
    let subject = text(event, "/subject");
    match (name.is_empty(), email.is_empty()) {
        (false, false) => format!("{name} <{email}>  {subject}"),
        (true, false) => format!("{email}  {subject}"),
        (false, true) => format!("{name}  {subject}"),
        (true, true) => subject,
    }
}

fn value(change: &Value, pointer: &str) -> String {
    let shown = match change.pointer(pointer) {
        None | Some(Value::Null) => "nothing".to_owned(),
        Some(Value::String(text)) => crate::terminal::printable(&format!("{text:?}")),
        Some(other) => crate::terminal::printable(&other.to_string()),
    };
    if shown.chars().count() <= VALUE {
        return shown;
    }
    let mut cut: String = shown.chars().take(VALUE).collect();
    cut.push('…');
    cut
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_told_in_a_line_and_one_for_each_change() {
        let event = json!({
            "type": "organization.directory.user_updated",
            "occurred_at": "2026-01-31T12:00:00Z",
            "subject": "diruser_1",
            "changes": [
                {"path": "title", "from": "Dev", "to": "Lead\u{1b}[2J"},
                {"path": "manager", "from": null, "to": {"id": "7"}},
                {"path": "notes", "from": "x".repeat(100), "to": null}
            ],
            "data": {"name": "Ada", "email": "ada@example.com"}
        });
        let shown = describe(&event, Paint::of_stdout());
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "2026-01-31T12:00:00Z  user_updated  Ada <ada@example.com>  diruser_1");
        assert_eq!(lines[2], "    manager  nothing → {\"id\":\"7\"}");
        assert!(!shown.contains('\u{1b}'), "no control characters of others");
        assert!(lines[1].starts_with("    title  \"Dev\" → \"Lead"));
        assert!(lines[3].contains("xxx… → nothing"));
    }
}
