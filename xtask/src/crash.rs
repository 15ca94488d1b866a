//! `cargo xtask crash`: `kill -9` under load, as often as wanted.
//!
//! What is done and checked is the test `crash` of `server/tests/it`; this runs it with more kills and
//! shows its figures.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::workspace::command;

const TEST: &str = "crash::kills_under_load_lose_nothing";

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How often scimd is killed and started again
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    kills: u32,
    /// Repeat the run of this seed (as far as timing allows); every run prints its own
    #[arg(long)]
    seed: Option<u64>,
    /// Kill a release build
    #[arg(long)]
    release: bool,
    /// Print the figures as one line of JSON only
    #[arg(long)]
    json: bool,
}

/// `Ok(false)`: something was lost, or came from nowhere.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    let mut command = command(root, "cargo", &["test", "--quiet", "--package", "scimd", "--test", "it"]);
    if options.release {
        command.arg("--release");
    }
    command.args(["--", "--exact", TEST, "--nocapture"]);
    command.env("SCIMD_CRASH_KILLS", options.kills.to_string());
    if let Some(seed) = options.seed {
        command.env("SCIMD_CRASH_SEED", seed.to_string());
    }
    if !options.json {
        return Ok(command.status().context("cargo can't be run")?.success());
    }
    let output = command.stderr(Stdio::inherit()).output().context("cargo can't be run")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figures = text.lines().find(|line| line.starts_with('{'));
    println!("{}", figures.context("the test did not come to its figures")?);
    Ok(output.status.success())
}
