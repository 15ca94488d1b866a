//! `cargo xtask test`: every test of the workspace, and one line that sums them up.

use std::fmt;
use std::io::{BufRead as _, BufReader, Write as _};
use std::ops::AddAssign;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result};

use crate::requirements::{self, Purpose};
use crate::workspace::command;

/// How long one test binary may take, as `timeout` reads it: a test that hangs must not hide what the others say.
const LIMIT: &str = "20m";

/// Runs all tests. The last line on standard output is `N passed, N failed`.
pub(crate) fn run(root: &Path) -> Result<bool> {
    requirements::install(root, Purpose::Tests)?;
    let mut totals = Totals::default();
    totals += suite(root, &["test", "--workspace", "--all-targets", "--no-fail-fast"], LIMIT)?;
    totals += suite(root, &["test", "--workspace", "--doc", "--no-fail-fast"], LIMIT)?;
    if totals.ignored > 0 {
        println!("{} ignored: a test that does not run proves nothing", totals.ignored);
    }
    println!("{totals}");
    Ok(totals.good())
}

/// Test counts, summed over test binaries.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Totals {
    passed: u64,
    failed: u64,
    ignored: u64,
}

impl Totals {
    /// Something ran, all of it, and nothing failed.
    fn good(self) -> bool {
        self.passed > 0 && self.failed == 0 && self.ignored == 0
    }
}

impl AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.ignored += other.ignored;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

/// Runs one `cargo test`, shows its output and counts. A binary that takes longer than the limit is ended, and is a
/// failure; the test that hung is the one that it said of to have been running for long.
fn suite(root: &Path, args: &[&str], limit: &str) -> Result<Totals> {
    println!("cargo {}", args.join(" "));
    // In the foreground, so that Ctrl-C ends the tests too.
    let runner = format!(
        "target.'cfg(target_os = \"linux\")'.runner = ['timeout', '--foreground', '--verbose', '--kill-after=10s', '{limit}']"
    );
    let mut child = command(root, "cargo", args)
        .args(["--config", &runner])
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start cargo")?;
    let stdout = child.stdout.take().context("cargo's output is not connected")?;
    let mut totals = Totals::default();
    let mut out = std::io::stdout().lock();
    for line in BufReader::new(stdout).split(b'\n') {
        let line = line?;
        out.write_all(&line)?;
        out.write_all(b"\n")?;
        if let Some(counts) = counts(&String::from_utf8_lossy(&line)) {
            totals += counts;
        }
    }
    let succeeded = child.wait()?.success();
    Ok(with_exit(totals, succeeded))
}

/// A run that failed without a failed test (it did not build, or a test binary died) counts as one failure.
fn with_exit(mut totals: Totals, succeeded: bool) -> Totals {
    if !succeeded && totals.failed == 0 {
        totals.failed = 1;
    }
    totals
}

/// Reads `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
fn counts(line: &str) -> Option<Totals> {
    let (_, rest) = line.split_once("test result: ")?;
    let (_, rest) = rest.split_once(". ")?;
    let mut totals = Totals::default();
    for part in rest.split(';') {
        let Some((number, word)) = part.trim().split_once(' ') else { continue };
        let Ok(number) = number.parse() else { continue };
        match word {
            "passed" => totals.passed = number,
            "failed" => totals.failed = number,
            "ignored" => totals.ignored = number,
            _ => {}
        }
    }
    Some(totals)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn result_lines_are_counted() {
        let ok =
            "test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out; finished in 0.01s";
        assert_eq!(counts(ok), Some(Totals { passed: 12, failed: 0, ignored: 0 }));
        let bad = "test result: FAILED. 1 passed; 2 failed; 3 ignored; 0 measured; 0 filtered out";
        assert_eq!(counts(bad), Some(Totals { passed: 1, failed: 2, ignored: 3 }));
        assert_eq!(counts("test tests::it ... ok"), None);
        assert_eq!(counts("running 3 tests"), None);
    }

    #[test]
    fn sums_are_printed_as_the_plain_line() {
        let mut totals = Totals { passed: 1, failed: 2, ignored: 0 };
        totals += Totals { passed: 10, failed: 20, ignored: 1 };
        assert_eq!(totals.to_string(), "11 passed, 22 failed");
    }

    #[test]
    fn nothing_passes_by_not_running() {
        assert!(Totals { passed: 1, failed: 0, ignored: 0 }.good());
        assert!(!Totals::default().good(), "no test ran");
        assert!(!Totals { passed: 5, failed: 0, ignored: 1 }.good(), "one was ignored");
        assert!(!Totals { passed: 5, failed: 1, ignored: 0 }.good(), "one failed");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_test_that_hangs_is_a_failure() {
        let folder = tempfile::TempDir::new().unwrap();
        let write = |name, text| std::fs::write(folder.path().join(name), text).unwrap();
        write(
            "Cargo.toml",
            "[package]\nname = \"hangs\"\nedition = \"2024\"\n[lib]\npath = \"lib.rs\"\n[workspace]\n",
        );
        write("lib.rs", "#[test] fn ends() {}\n#[test] fn hangs() { loop { std::thread::park() } }\n");
        let totals = suite(folder.path(), &["test", "--lib"], "1s").unwrap();
        assert_eq!((totals.failed, totals.good()), (1, false));
    }

    #[test]
    fn a_run_that_does_not_build_is_a_failure() {
        assert_eq!(with_exit(Totals::default(), false).failed, 1);
        assert_eq!(with_exit(Totals { passed: 3, failed: 2, ignored: 0 }, false).failed, 2);
        assert_eq!(with_exit(Totals::default(), true).failed, 0);
    }
}
