//! `cargo xtask counts`: how many instructions the fixtures take, against what is recorded.
//!
//! Times move with the machine; instructions hardly do. So a change that makes something slower is seen
//! wherever this runs, however busy the machine is.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use serde_json::Value;

use crate::requirements::{self, Purpose};
use crate::workspace::command;

/// Where the recorded counts are.
const RECORD: &str = "benches/counts.json";

/// By what part of the recorded count a count may differ.
const TOLERANCE: f64 = 0.03;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Write what is counted to benches/counts.json, instead of comparing with it
    #[arg(long)]
    record: bool,
}

/// Instructions by name of the benchmark.
type Counts = BTreeMap<String, u64>;

/// `Ok(false)`: something takes more instructions than recorded, or is not in the record.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    requirements::install(root, Purpose::Counts)?;
    let counted = count(root)?;
    let file = root.join(RECORD);
    if options.record {
        let text = serde_json::to_string_pretty(&counted)? + "\n";
        std::fs::write(&file, text).with_context(|| format!("cannot write {RECORD}"))?;
        println!("{} counts recorded in {RECORD}", counted.len());
        return Ok(true);
    }
    let text = std::fs::read_to_string(&file)
        .with_context(|| format!("cannot read {RECORD}; `cargo xtask counts --record` writes it"))?;
    let recorded: Counts = serde_json::from_str(&text).with_context(|| format!("{RECORD}: not counts"))?;
    let comparison = Comparison::of(&recorded, &counted);
    print!("{comparison}");
    Ok(comparison.is_good())
}

/// Builds and runs the counting program under valgrind.
fn count(root: &Path) -> Result<Counts> {
    let benches = root.join("benches");
    let home = benches.join("target/counts");
    if home.exists() {
        std::fs::remove_dir_all(&home).context("the last run's counts can't be removed")?;
    }
    let args = ["bench", "--quiet", "--locked", "--no-default-features", "--bench", "counts"];
    let output = command(root, "cargo", &args)
        .args(["--", "--output-format=json"])
        .current_dir(&benches)
        .env("GUNGRAUN_HOME", &home)
        .stderr(Stdio::inherit())
        .output()
        .context("cannot start cargo")?;
    if !output.status.success() {
        bail!("counting failed: {}", output.status);
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let counts: Counts = text.lines().map(parse).collect::<Result<_>>()?;
    if counts.is_empty() {
        bail!("nothing was counted");
    }
    Ok(counts)
}

/// One line of the runner's report.
fn parse(line: &str) -> Result<(String, u64)> {
    let summary: Value = serde_json::from_str(line).context("the runner's report is not JSON")?;
    let text = |name: &str| summary.get(name).and_then(Value::as_str).unwrap_or_default();
    let name = format!("{}/{}", text("function_name"), text("id"));
    let name = name.replace("/members_", "/");
    Ok((name, 0))
}
