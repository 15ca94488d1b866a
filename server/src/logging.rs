//! Logs on standard error, without secrets and personal data.

use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use serde::Deserialize;
use tracing_subscriber::EnvFilter;

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    /// One JSON object a line.
    #[default]
    Json,
    /// For people.
    Text,
}

/// How many requests and jobs have panicked since the start.
static PANICS: AtomicU64 = AtomicU64::new(0);

/// How many requests and jobs have panicked since the start.
pub(crate) fn panics() -> u64 {
    PANICS.load(Ordering::Relaxed)
}

/// Sends logs of this level and above to standard error, and says in them where a panic was, but not
/// its text, which may hold data.
pub(crate) fn start(format: Format, level: &str) -> Result<()> {
    let filter = EnvFilter::builder().parse(level).context("the log level is not one that can be read")?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let started = match format {
        Format::Json => builder.json().flatten_event(true).with_current_span(false).try_init(),
        Format::Text => builder.with_target(false).try_init(),
    };
    started.map_err(|_| anyhow::anyhow!("logging was already started"))?;
    std::panic::set_hook(Box::new(|panic| {
        PANICS.fetch_add(1, Ordering::Relaxed);
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(place, "a panic: this is a mistake in the program");
    }));
    Ok(())
}
