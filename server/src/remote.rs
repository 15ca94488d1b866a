//! Commands that ask a server that runs, over its API.

mod api_keys;
mod audit;
mod client;
mod deliveries;
mod directories;
mod endpoints;
mod events;
mod feed;
mod pretty;

use std::time::Duration;

use anyhow::{Context as _, Result};
use scim_core::DateTime;
use serde_json::Value;

pub(crate) use self::api_keys::run as api_keys;
pub(crate) use self::audit::run as audit;
pub(crate) use self::client::{Client, key as given_key};
pub(crate) use self::deliveries::run as deliveries;
pub(crate) use self::directories::run as directories;
pub(crate) use self::endpoints::run as endpoints;
pub(crate) use self::events::{query_of, run as events};
pub(crate) use self::feed::Feed;
pub(crate) use self::pretty::describe;
use crate::instance::now;
use crate::terminal::printable;

/// JSON for programs, on one line.
fn print_json(value: &Value) {
    println!("{value}");
}

/// The text of a field for a table.
fn text(value: &Value, pointer: &str) -> String {
    match value.pointer(pointer) {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => printable(text),
        Some(Value::Array(list)) => list.iter().map(|entry| text(entry, "")).collect::<Vec<_>>().join(", "),
        Some(other) => printable(&other.to_string()),
    }
}

/// The entries of a list in an answer.
fn entries<'v>(value: &'v Value, name: &str) -> &'v [Value] {
    value.get(name).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// `user_created` for `organization.directory.user_created`.
pub(crate) fn full_type(text: &str) -> String {
    if text.contains('.') { text.to_owned() } else { format!("organization.directory.{text}") }
}

/// `user_created` of `organization.directory.user_created`.
pub(crate) fn short_type(text: &str) -> &str {
    text.strip_prefix("organization.directory.").unwrap_or(text)
}

/// A time, or how long ago it was.
fn moment(text: &str) -> Result<DateTime> {
    if let Some(time) = DateTime::parse(text) {
        return Ok(time);
    }
    let ago = duration(text).with_context(|| {
        format!("\"{text}\" is neither a time (2026-01-31T12:00:00Z) nor so long ago (90s, 15m, 24h, 7d)")
    })?;
    Ok(now().minus(ago))
}

/// `90s`, `15m`, `24h`, `7d`.
fn duration(text: &str) -> Option<Duration> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 24 * 3600)];
    let (number, seconds) =
        units.into_iter().find_map(|(unit, seconds)| Some((text.strip_suffix(unit)?, seconds)))?;
    let seconds = number.parse::<u64>().ok()?.checked_mul(seconds)?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_moments_or_how_long_ago() {
        assert_eq!(duration("90s"), Some(Duration::from_secs(90)));
        assert_eq!(duration("7d"), Some(Duration::from_secs(7 * 24 * 3600)));
        for wrong in ["", "s", "-1h", "1w", "99999999999999999999d", "1.5h"] {
            assert_eq!(duration(wrong), None, "{wrong}");
        }
        assert_eq!(moment("2026-01-31T12:00:00Z").unwrap().to_string(), "2026-01-31T12:00:00Z");
        let ago = now().unix_seconds() - moment("2h").unwrap().unix_seconds();
        assert!((7_199..=7_201).contains(&ago));
        assert!(moment("yesterday").unwrap_err().to_string().contains("15m"));
    }
}
