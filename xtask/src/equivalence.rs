//! `cargo xtask equivalence`: the answers of the SQL store compared with those of the memory store.

use std::path::Path;

use anyhow::{Context, Result};
use clap::Args;

use crate::workspace::command;

const HELP: &str = "\
Schemas and resources are made up and written to each store, with members of members, updates and deletions. Then
filters, orders and pages are made up, and each store's answer is compared with that of MemoryStore, which looks
at every resource. Each store is opened with other indexed attributes; one of them so that few resources go the
ways of many.

Everything is drawn from the seed, so a run can be repeated. A difference is printed with the schemas, the query,
both answers, and the arguments that show it again; then the command fails.";

#[derive(Debug, Args)]
#[command(after_help = HELP)]
pub(crate) struct Options {
    /// How many pairs of a filter and a data set
    #[arg(long, default_value_t = 100_000)]
    pairs: u64,
    /// How many queries are tried on a data set
    #[arg(long, default_value_t = 400)]
    queries: u64,
    /// How many resources a data set has
    #[arg(long, default_value_t = 200)]
    resources: usize,
    /// The seed of the first data set; the next ones have the next numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many threads
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Stop after that many differences
    #[arg(long, default_value_t = 1)]
    differences: usize,
}

/// The program runs as a release build: it is many times as fast.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    let status = command(root, "cargo", &["run", "--quiet"])
        .args(["--release", "-p", "scim-sql", "--example", "equivalence", "--"])
        .args(["--pairs", &options.pairs.to_string(), "--queries", &options.queries.to_string()])
        .args(["--resources", &options.resources.to_string(), "--seed", &options.seed.to_string()])
        .args(["--jobs", &options.jobs.to_string(), "--differences", &options.differences.to_string()])
        .status()
        .context("cannot start cargo")?;
    Ok(status.success())
}
