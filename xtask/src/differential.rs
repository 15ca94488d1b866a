//! `cargo xtask differential`: the product compared with the naive interpreter, by the conformance crate's program.

use std::path::Path;

use anyhow::{Context, Result};
use clap::Args;

use crate::workspace::command;

const HELP: &str = "\
Schemas, resources, filters and PATCH requests are made up, and what the product makes of them is compared with
what the interpreter of conformance/src/naive.rs does, which was written from the RFCs' text.

Everything is drawn from the seed, so a run can be repeated. A difference is printed with the schemas, the
resource, the filter or the operations (as few as show it), both answers, and the arguments that show it again;
then the command fails. One of the two is wrong: the RFC or a choice in conformance/data/spec/ledger.toml says
which.";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Options {
    /// How many filter evaluations: one filter on one resource each
    #[arg(long, default_value_t = 10_000_000)]
    filters: u64,
    /// How many PATCH requests
    #[arg(long, default_value_t = 1_000_000)]
    patches: u64,
    /// The seed of the first schemas; the next ones have the next numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many threads
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Stop after that many differences
    #[arg(long, default_value_t = 1)]
    differences: usize,
}

/// The program runs as a release build: it is about fifty times as fast.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    let program =
        ["--release", "-p", "scim-conformance", "--features", "differential", "--bin", "scim-differential"];
    let status = command(root, "cargo", &["run", "--quiet"])
        .args(program)
        .arg("--")
        .args(["--filters", &options.filters.to_string(), "--patches", &options.patches.to_string()])
        .args(["--seed", &options.seed.to_string(), "--jobs", &options.jobs.to_string()])
        .args(["--differences", &options.differences.to_string()])
        .status()
        .context("cannot start cargo")?;
    Ok(status.success())
}
