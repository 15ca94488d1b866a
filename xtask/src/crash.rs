//! `cargo xtask crash`: `kill -9` under load, as often as wanted.
//!
//! What is done and checked are the tests `crash` of `server/tests/it`; this runs one of them with more kills
//! and shows its figures.

use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result};
use clap::{Args, ValueEnum};

use crate::requirements::{self, Purpose};
use crate::workspace::command;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// How often scimd is killed and started again
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..))]
    kills: u32,
    /// What scimd keeps its data in. PostgreSQL is a server of the test's own, which waits for the disk
    #[arg(long, value_enum, default_value_t = Engine::Sqlite)]
    engine: Engine,
    /// Instead of scimd kill PostgreSQL, this often: scimd stays up, answers 503, and must find the server
    /// again within 5 s
    #[arg(long, value_name = "N", conflicts_with_all = ["kills", "engine"])]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    kill_database: Option<u32>,
    /// Repeat the run of this seed (as far as timing allows); every run prints its own
    #[arg(long)]
    seed: Option<u64>,
    /// Never wait until all is delivered before the writers go on. Without pause they keep the machine busy, and
    /// what is measured is how fast events are worked off beside them
    #[arg(long)]
    back_to_back: bool,
    /// Kill a release build
    #[arg(long)]
    release: bool,
    /// Print the figures as one line of JSON only
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engine {
    Sqlite,
    Postgres,
}

impl Options {
    /// The test, and how often it kills.
    fn test(&self) -> (&'static str, u32) {
        match (self.kill_database, self.engine) {
            (Some(kills), _) => ("crash::kills_of_postgres_lose_nothing", kills),
            (None, Engine::Sqlite) => ("crash::kills_under_load_lose_nothing", self.kills),
            (None, Engine::Postgres) => ("crash::kills_on_postgres_lose_nothing", self.kills),
        }
    }
}

/// `Ok(false)`: something was lost, or came from nowhere.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    requirements::install(root, Purpose::Tests)?;
    let (test, kills) = options.test();
    let mut command = command(root, "cargo", &["test", "--quiet", "--package", "scimd", "--test", "it"]);
    if options.release {
        command.arg("--release");
    }
    command.args(["--", "--exact", test, "--nocapture"]);
    command.env("SCIMD_CRASH_KILLS", kills.to_string());
    if let Some(seed) = options.seed {
        command.env("SCIMD_CRASH_SEED", seed.to_string());
    }
    if options.back_to_back {
        command.env("SCIMD_CRASH_BACK_TO_BACK", "1");
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
