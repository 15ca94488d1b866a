//! `cargo xtask faults`: the rows of the fault matrix, each with its figure.
//!
//! What is done and checked are tests of the workspace, which are smaller by themselves; this runs them at full size,
//! one row after the other, and writes one line of JSON for each.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use serde_json::{Value, json};

use crate::requirements::{self, Purpose};
use crate::workspace::command;

#[derive(Args, Debug)]
pub(crate) struct Options {
    /// The rows that a change to the store, the event log or the workers has to pass, at a smaller size
    #[arg(long)]
    quick: bool,
    /// Only these rows, as they are called in the table
    #[arg(long, value_name = "ROW", value_delimiter = ',')]
    rows: Vec<String>,
    /// Append the lines of JSON to this file; they go to standard output in any case
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Say which rows there are, and what is run for them
    #[arg(long)]
    list: bool,
    /// Build the tests with optimisation; the 10,000 sequences and seeds take a fraction of the time then
    #[arg(long)]
    release: bool,
}

/// Tests that are run together, and the rows that they prove.
#[derive(Clone, Copy, Debug)]
struct Run {
    rows: &'static [&'static str],
    what: &'static str,
    package: &'static str,
    test: &'static str,
    /// Variables and their values, quick and full.
    size: &'static [(&'static str, &'static str, &'static str)],
    /// Whether `--quick` runs it.
    quick: bool,
    /// One test at a time.
    alone: bool,
}

const RUN: Run =
    Run { rows: &[], what: "", package: "scimd", test: "", size: &[], quick: false, alone: false };

const RUNS: &[Run] = &[
    Run {
        rows: &["F1", "O1", "O3", "O6", "O7"],
        what: "kill -9 under load, SQLite: nothing acknowledged is lost, each change is told, in 30 s, the events \
               that reached a receiver give the state",
        test: "crash::kills_under_load_lose_nothing",
        size: &[("SCIMD_CRASH_KILLS", "40", "200")],
        quick: true,
        ..RUN
    },
    Run {
        rows: &["F2", "O1", "O3", "O6", "O7"],
        what: "the same on PostgreSQL",
        test: "crash::kills_on_postgres_lose_nothing",
        size: &[("SCIMD_CRASH_KILLS", "40", "200")],
        ..RUN
    },
    Run {
        rows: &["F1"],
        what: "the same on SQLite with no pause between the kills",
        test: "crash::kills_under_load_lose_nothing",
        size: &[("SCIMD_CRASH_KILLS", "40", "200"), ("SCIMD_CRASH_BACK_TO_BACK", "1", "1")],
        ..RUN
    },
    Run {
        rows: &["F2"],
        what: "the same on PostgreSQL with no pause between the kills",
        test: "crash::kills_on_postgres_lose_nothing",
        size: &[("SCIMD_CRASH_KILLS", "40", "200"), ("SCIMD_CRASH_BACK_TO_BACK", "1", "1")],
        ..RUN
    },
    Run {
        rows: &["F3"],
        what: "kill -9 of PostgreSQL under load",
        test: "crash::kills_of_postgres_lose_nothing",
        size: &[("SCIMD_CRASH_KILLS", "10", "50")],
        ..RUN
    },
    Run {
        rows: &["F4"],
        what: "each call to a store fails in turn, before and after its effect",
        package: "scim-conformance",
        test: "stores::",
        quick: true,
        ..RUN
    },
    Run {
        rows: &["F5"],
        what: "a full disk: writes are refused until there is space, reads go on",
        test: "operate::full",
        quick: true,
        ..RUN
    },
    Run {
        rows: &["F9", "F10"],
        what: "64 clients want one userName, 16 add members to one group",
        test: "races::",
        size: &[("SCIMD_RACE_ROUNDS", "60", "500"), ("SCIMD_RACE_ADDS", "40", "200")],
        quick: true,
        alone: true,
        ..RUN
    },
    Run {
        rows: &["F14", "F15"],
        what: "SIGTERM under load and with a stuck client",
        test: "stopping::",
        quick: true,
        alone: true,
        ..RUN
    },
    Run {
        rows: &["O2", "O4"],
        what: "what is rolled back or changes nothing makes no event",
        package: "scim-directory",
        test: "faults::",
        size: &[("SCIM_DIRECTORY_ROLLBACKS", "1000", "10000"), ("SCIM_DIRECTORY_NO_OPS", "1000", "10000")],
        quick: true,
        ..RUN
    },
    Run {
        rows: &["O6", "O7"],
        what: "random sequences of operations: the events, folded, give the state, whenever the relay ran and died",
        package: "scim-directory",
        test: "laws::events_folded_give_the_state",
        size: &[("SCIM_DIRECTORY_SEQUENCES", "200", "10000")],
        ..RUN
    },
    Run {
        rows: &["O5", "D7"],
        what: "the simulator: crashes at every step, endpoints of all kinds, clocks that jump; one seed each",
        package: "scim-directory",
        test: "simulator::",
        size: &[("SCIM_DIRECTORY_SEEDS", "200", "10000"), ("SCIM_DIRECTORY_SEEDS_POSTGRES", "4", "200")],
        quick: true,
        ..RUN
    },
    Run {
        rows: &["D1"],
        what: "workers that are killed, one in a second",
        test: "workers::workers_that_are_killed",
        size: &[("SCIMD_WORKER_EVENTS", "800", "5000")],
        quick: true,
        alone: true,
        ..RUN
    },
    Run {
        rows: &["D2"],
        what: "an endpoint that hangs, beside healthy ones",
        test: "workers::a_poison_endpoint",
        size: &[("SCIMD_HEALTHY_ENDPOINTS", "19", "99"), ("SCIMD_POISON_CHANGES", "40", "200")],
        quick: true,
        alone: true,
        ..RUN
    },
    Run {
        rows: &["D3"],
        what: "receivers that trickle, never end, or say nothing",
        package: "scim-webhook",
        test: "sender::",
        quick: true,
        ..RUN
    },
    Run {
        rows: &["D5", "D6"],
        what: "the table of attempts, Retry-After, 410, 429, and the end after five days, by a virtual clock",
        package: "scim-directory",
        test: "delivery::",
        quick: true,
        ..RUN
    },
    Run {
        rows: &["SSRF"],
        what: "addresses that are not public, at create, update, test and delivery, and names that change their address",
        package: "scim-webhook",
        test: "",
        quick: true,
        ..RUN
    },
    Run { rows: &["SSRF"], what: "the same through the server", test: "ssrf::", quick: true, ..RUN },
];

/// `Ok(false)`: a row does not hold.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    let wanted: Vec<&Run> = RUNS.iter().filter(|run| options.wants(run)).collect();
    ensure!(!wanted.is_empty(), "there is no such row; `cargo xtask faults --list` says which there are");
    if options.list {
        for run in wanted {
            println!("{:<22} {}\n{:22} {} {}", run.rows.join(" "), run.what, "", run.package, run.test);
        }
        println!(
            "\nD4, a backlog of a million for a dead endpoint, is row T33 of `cargo xtask bench-events`."
        );
        return Ok(true);
    }
    requirements::install(root, Purpose::Tests)?;
    let mut failed = Vec::new();
    for run in wanted {
        eprintln!("{}: {}", run.rows.join(" "), run.what);
        let line = run.line(root, options)?;
        println!("{line}");
        if let Some(file) = &options.json {
            let file = OpenOptions::new().create(true).append(true).open(file);
            writeln!(file.context("the file for the lines of JSON can't be opened")?, "{line}")?;
        }
        if line.get("holds") != Some(&Value::Bool(true)) {
            failed.push(run.rows.join(" "));
        }
    }
    match failed.as_slice() {
        [] => eprintln!("every row holds"),
        rows => eprintln!("these rows do not hold: {}", rows.join(", ")),
    }
    Ok(failed.is_empty())
}

impl Options {
    fn wants(&self, run: &Run) -> bool {
        let named = |row: &&str| self.rows.iter().any(|wanted| wanted.eq_ignore_ascii_case(row));
        if self.rows.is_empty() { run.quick || !self.quick } else { run.rows.iter().any(named) }
    }
}

impl Run {
    /// Runs the tests and says what came out.
    fn line(&self, root: &Path, options: &Options) -> Result<Value> {
        let mut command =
            command(root, "cargo", &["test", "--quiet", "--package", self.package, "--test", "it"]);
        if options.release {
            command.arg("--release");
        }
        command.args(["--", self.test, "--nocapture"]);
        if self.alone {
            command.args(["--test-threads", "1"]);
        }
        for (name, quick, full) in self.size {
            command.env(name, if options.quick { quick } else { full });
        }
        // Files that last no longer than a test need no disk, where there is memory for them.
        let memory = Path::new("/dev/shm");
        if memory.is_dir() && self.package == "scim-directory" {
            command.env("TMPDIR", memory);
        }
        let begun = Instant::now();
        let output = command.stderr(Stdio::inherit()).output().context("cargo can't be run")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let (passed, failed) = totals(&text);
        let holds = output.status.success() && passed > 0 && failed == 0;
        if !holds {
            eprintln!("{text}");
        }
        // What tells of the progress of tests may stand before a figure.
        let figure = |line: &str| serde_json::from_str(line.get(line.find('{')?..)?).ok();
        let figures: Vec<Value> = text.lines().filter_map(figure).collect();
        Ok(json!({
            "rows": self.rows, "what": self.what, "holds": holds, "tests": passed, "failed": failed,
            "seconds": seconds(begun.elapsed()), "figures": figures,
        }))
    }
}

fn seconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 10.0).round() / 10.0
}

/// How many tests passed and failed, by the lines that sum them up.
fn totals(text: &str) -> (u64, u64) {
    let number = |line: &str, what: &str| -> u64 {
        let words: Vec<&str> = line.split_whitespace().collect();
        let found = words.windows(2).find(|pair| pair.last().is_some_and(|word| word.starts_with(what)));
        found.and_then(|pair| pair.first()?.parse().ok()).unwrap_or_default()
    };
    let lines = text.lines().filter(|line| line.contains("test result:"));
    lines.fold((0, 0), |(passed, failed), line| {
        (passed + number(line, "passed"), failed + number(line, "failed"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_are_summed() {
        let text = "\ntest result: ok. 3 passed; 0 failed; 0 ignored; 0 measured\n{\"row\": 1}\n\
                    test result: FAILED. 1 passed; 2 failed; 0 ignored\n";
        assert_eq!(totals(text), (4, 2));
    }

    #[test]
    fn each_row_is_called_once_in_a_run_and_has_a_test() {
        for run in RUNS {
            assert!(!run.rows.is_empty() && !run.what.is_empty());
            assert!(["scimd", "scim-directory", "scim-webhook", "scim-conformance"].contains(&run.package));
        }
    }
}
