//! `cargo xtask coverage`: which lines of `scim-filter` and `scim-patch` their own tests reach.

use std::path::Path;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde::Deserialize;

use crate::requirements::{self, Purpose};
use crate::workspace::{command, output, slashes};

/// The crates that are measured.
const CRATES: &[&str] = &["scim-filter", "scim-patch"];

/// How much of the lines of each must be reached, in percent.
const LEAST: f64 = 95.0;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// Print the numbers of the lines that no test reaches
    #[arg(long)]
    missing: bool,
}

/// Runs the tests of the crates, prints a line for each file, and fails where a crate is below the mark.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    requirements::install(root, Purpose::Coverage)?;
    let mut test = vec!["llvm-cov", "--no-report", "--tests"];
    test.extend(CRATES.iter().flat_map(|name| ["--package", name]));
    if !command(root, "cargo", &test).status().context("cannot start cargo llvm-cov")?.success() {
        bail!("the tests fail, so what they reach says nothing");
    }
    let report = output(root, "cargo", &["llvm-cov", "report", "--json", "--summary-only"])?;
    let good = show(&read(root, &report)?);
    if options.missing {
        let report = output(root, "cargo", &["llvm-cov", "report", "--show-missing-lines"])?;
        let ours = |line: &&str| CRATES.iter().any(|name| line.contains(&format!("/{name}/src/")));
        let lines = report.lines().skip_while(|line| !line.starts_with("Uncovered"));
        lines.filter(ours).for_each(|line| println!("{line}"));
    }
    Ok(good)
}

/// A source file, by its path from the root.
#[derive(Debug, PartialEq, Eq)]
struct File {
    name: String,
    lines: u64,
    reached: u64,
}

/// The source files of the crates in a report of `llvm-cov export`.
fn read(root: &Path, report: &str) -> Result<Vec<File>> {
    let report: Report = serde_json::from_str(report).context("an unexpected report of llvm-cov")?;
    let mut files = Vec::new();
    for file in report.data.into_iter().flat_map(|data| data.files) {
        let name = slashes(Path::new(&file.filename).strip_prefix(root).unwrap_or(Path::new(&file.filename)));
        if crate_of(&name).is_some() {
            let lines = file.summary.lines;
            files.push(File { name, lines: lines.count, reached: lines.covered });
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

fn crate_of(file: &str) -> Option<&'static str> {
    let is_source = |name: &str| file.strip_prefix(name).is_some_and(|rest| rest.starts_with("/src/"));
    CRATES.iter().copied().find(|name| is_source(name))
}

/// Prints the files and the sums; says whether every crate is above the mark.
fn show(files: &[File]) -> bool {
    for file in files {
        println!("{:<44} {}", file.name, shown(file.reached, file.lines));
    }
    let mut good = true;
    for name in CRATES {
        let own = || files.iter().filter(|file| crate_of(&file.name) == Some(name));
        let (reached, lines) = (own().map(|file| file.reached).sum(), own().map(|file| file.lines).sum());
        // A crate without lines was not measured.
        let enough = lines > 0 && percent(reached, lines) >= LEAST;
        good &= enough;
        let verdict = if enough { "" } else { "  too few" };
        println!("{name:<44} {} (at least {LEAST} %){verdict}", shown(reached, lines));
    }
    good
}

fn shown(reached: u64, lines: u64) -> String {
    format!("{reached:>5} of {lines:>5} lines  {:>6.2} %", percent(reached, lines))
}

#[expect(clippy::cast_precision_loss, reason = "nobody has so many lines")]
fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 100.0 } else { 100.0 * part as f64 / whole as f64 }
}

#[derive(Deserialize)]
struct Report {
    data: Vec<Data>,
}

#[derive(Deserialize)]
struct Data {
    files: Vec<Measured>,
}

#[derive(Deserialize)]
struct Measured {
    filename: String,
    summary: Summary,
}

#[derive(Deserialize)]
struct Summary {
    lines: Lines,
}

#[derive(Deserialize)]
struct Lines {
    count: u64,
    covered: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str, lines: u64, reached: u64) -> File {
        File { name: name.to_owned(), lines, reached }
    }

    #[test]
    fn only_sources_of_the_crates_are_counted() {
        let report = r#"{"data": [{"files": [
            {"filename": "root/scim-patch/src/plan.rs", "summary": {"lines": {"count": 4, "covered": 3}}},
            {"filename": "root/scim-filter/src/lib.rs", "summary": {"lines": {"count": 1, "covered": 1}}},
            {"filename": "root/scim-filter/tests/it/main.rs", "summary": {"lines": {"count": 9, "covered": 0}}},
            {"filename": "root/scim-filters/src/lib.rs", "summary": {"lines": {"count": 9, "covered": 0}}},
            {"filename": "root/scim-schema/src/lib.rs", "summary": {"lines": {"count": 9, "covered": 0}}}
        ]}]}"#;
        let files = read(Path::new("root"), report).unwrap();
        assert_eq!(files, [file("scim-filter/src/lib.rs", 1, 1), file("scim-patch/src/plan.rs", 4, 3)]);
    }

    #[test]
    fn each_crate_must_be_above_the_mark() {
        let good = file("scim-filter/src/a.rs", 100, 95);
        assert!(show(&[file("scim-filter/src/a.rs", 100, 95), file("scim-patch/src/a.rs", 100, 100)]));
        assert!(!show(&[file("scim-filter/src/a.rs", 100, 94), file("scim-patch/src/a.rs", 100, 100)]));
        assert!(!show(&[good]), "a crate that was not measured");
    }
}
