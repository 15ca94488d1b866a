//! `cargo xtask races`: many clients that want the same thing at the same time, at full size.
//!
//! What is done and checked are the tests `races` of `server/tests/it`, which are smaller by themselves.

use std::path::Path;

use anyhow::{Context as _, Result};
use clap::Args;

use crate::requirements::{self, Purpose};
use crate::workspace::command;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How often 64 clients want one userName, each in a spelling of its own
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// How many members each of 16 clients adds to one group
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..))]
    adds: u32,
}

/// `Ok(false)`: a name was given twice, or a member was lost.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    requirements::install(root, Purpose::Tests)?;
    let args = ["test", "--quiet", "--package", "scimd", "--test", "it", "--", "races::", "--nocapture"];
    let mut command = command(root, "cargo", &args);
    command.args(["--test-threads", "1"]);
    command.env("SCIMD_RACE_ROUNDS", options.rounds.to_string());
    command.env("SCIMD_RACE_ADDS", options.adds.to_string());
    Ok(command.status().context("cargo can't be run")?.success())
}
