//! `cargo xtask counts`: how many instructions the fixtures take, against what is recorded.
//!
//! Times move with the machine; instructions hardly do. So a change that makes something slower is seen
//! wherever this runs, however busy the machine is.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
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

/// Where the runner reports the instructions of the run.
const INSTRUCTIONS: &str = "/profiles/0/data/total/metrics/Ir/values/new";

/// Instructions by name of the benchmark.
type Counts = BTreeMap<String, u64>;

/// `Ok(false)`: something takes more instructions than recorded, or is not in the record.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    requirements::install(root, Purpose::Counts)?;
    check_answers(root)?;
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

/// What gives wrong answers is not worth counting.
fn check_answers(root: &Path) -> Result<()> {
    let args = ["test", "--quiet", "--release", "--locked", "--no-default-features", "--lib"];
    let status = command(&root.join("benches"), "cargo", &args).status().context("cannot start cargo")?;
    if !status.success() {
        bail!("the tests of benches/ failed");
    }
    Ok(())
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

/// One line of the runner's report: the benchmark and its instructions.
fn parse(line: &str) -> Result<(String, u64)> {
    let summary: Value = serde_json::from_str(line).context("the runner's report is not JSON")?;
    let text = |name: &str| summary.get(name).and_then(Value::as_str);
    let (function, id) = text("function_name").zip(text("id")).context("a count without a name")?;
    let id = id.strip_prefix("members_").unwrap_or(id);
    let instructions = summary.pointer(INSTRUCTIONS).and_then(Value::as_u64);
    Ok((format!("{function}/{id}"), instructions.with_context(|| format!("{function}/{id}: no count"))?))
}

/// What was counted beside what is recorded.
#[derive(Debug)]
struct Comparison {
    /// Names with recorded and counted instructions, where they differ by more than the tolerance.
    changes: Vec<(String, Option<u64>, Option<u64>)>,
    unchanged: usize,
}

impl Comparison {
    fn of(recorded: &Counts, counted: &Counts) -> Self {
        let names: BTreeSet<&String> = recorded.keys().chain(counted.keys()).collect();
        let mut comparison = Self { changes: Vec::new(), unchanged: 0 };
        for name in names {
            let (before, after) = (recorded.get(name).copied(), counted.get(name).copied());
            match (before, after) {
                (Some(before), Some(after)) if (ratio(before, after) - 1.0).abs() <= TOLERANCE => {
                    comparison.unchanged += 1;
                }
                _ => comparison.changes.push((name.clone(), before, after)),
            }
        }
        comparison
    }

    /// Nothing takes more than recorded, and the same things are counted. Taking less is fine.
    fn is_good(&self) -> bool {
        let fewer = |(before, after): (u64, u64)| after < before;
        self.changes.iter().all(|(_, before, after)| before.zip(*after).is_some_and(fewer))
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = |count: Option<u64>| count.map_or("-".to_owned(), |count| count.to_string());
        if !self.changes.is_empty() {
            writeln!(f, "{:34}  {:>12}  {:>12}", "instructions", "recorded", "counted")?;
        }
        for (name, before, after) in &self.changes {
            let change = match before.zip(*after) {
                Some((before, after)) => format!("{:+.1} %", (ratio(before, after) - 1.0) * 100.0),
                None if after.is_some() => "not recorded".to_owned(),
                None => "no longer counted".to_owned(),
            };
            writeln!(f, "{name:34}  {:>12}  {:>12}  {change}", number(*before), number(*after))?;
        }
        writeln!(f, "{} counts within {:.0} % of {RECORD}", self.unchanged, TOLERANCE * 100.0)?;
        if !self.changes.is_empty() {
            writeln!(f, "if that is meant, record it: cargo xtask counts --record")?;
        }
        Ok(())
    }
}

#[expect(clippy::cast_precision_loss, reason = "a part of a percent does not matter")]
fn ratio(before: u64, after: u64) -> f64 {
    after as f64 / before as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(counts: &[(&str, u64)]) -> Counts {
        counts.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    #[test]
    fn small_changes_are_none() {
        let comparison =
            Comparison::of(&counts(&[("a", 1000), ("b", 1000)]), &counts(&[("a", 1029), ("b", 971)]));
        assert!(comparison.is_good());
        assert_eq!((comparison.changes.len(), comparison.unchanged), (0, 2));
    }

    #[test]
    fn more_instructions_are_a_failure_and_fewer_are_not() {
        let recorded = counts(&[("a", 1000)]);
        let slower = Comparison::of(&recorded, &counts(&[("a", 1031)]));
        assert!(!slower.is_good());
        assert!(slower.to_string().contains("+3.1 %"));
        let faster = Comparison::of(&recorded, &counts(&[("a", 900)]));
        assert!(faster.is_good());
        assert!(faster.to_string().contains("-10.0 %") && faster.to_string().contains("--record"));
    }

    #[test]
    fn what_is_counted_is_what_is_recorded() {
        assert!(!Comparison::of(&counts(&[]), &counts(&[("a", 1)])).is_good());
        assert!(!Comparison::of(&counts(&[("a", 1)]), &counts(&[])).is_good());
    }
}
