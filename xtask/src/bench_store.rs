//! `cargo xtask bench-store`: the stores against floors that are measured in the same run.
//!
//! What is measured is in `adapters/sql/examples/figures/`. Ours and the floor take turns in several rounds, and
//! the best figures are compared.

mod targets;

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use serde::Deserialize;
use serde_json::Value;

use crate::bench::table;
use crate::requirements::{self, Purpose};
use crate::workspace::{built, command};

const HELP: &str = "\
Rows, by the numbers of the targets:
  T14  a durable insert on SQLite, change log included, beside a bare insert of the same document
  T15  the same on PostgreSQL, beside pgbench
  T16  one member comes or goes, in groups of 10 to 100,000, beside one bare commit
  T17  pages of 100 users at the beginning and at nine tenths of the directory, by index and by cursor; look-ups
  T18  how much memory the memory store takes
  T21  `scimd import` of all users and a group of up to 100,000 members

T16, T17 and T21 need a loaded database. It is loaded once, by `scimd import`, and kept below target/bench-store
for each number of users; T21 shows what the last load came to. A million users take some minutes and about
20 GB for both engines.

A busy machine disturbs the figures: each row is the best of several rounds, and the command says how far the
rounds are apart. Figures: target/bench-store.json.";

#[derive(Args, Debug)]
#[command(after_help = HELP)]
pub(crate) struct Options {
    /// How many users are in the loaded database; with --quick 20,000
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(10_000..))]
    #[arg(default_value_if("quick", "true", "20000"))]
    users: u64,
    /// Few and short rounds, to see roughly where things are; missed targets are shown, but are no failure
    #[arg(long)]
    quick: bool,
    /// Which engines
    #[arg(long, value_enum, default_value_t = Engines::Both)]
    engine: Engines,
    /// Only these targets, such as T14,T16
    #[arg(long, value_enum, ignore_case = true, value_delimiter = ',')]
    rows: Vec<Row>,
    /// Load the databases again, also if they are there
    #[arg(long)]
    reload: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Engines {
    Sqlite,
    Postgres,
    Both,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "verbatim")]
enum Row {
    T14,
    T15,
    T16,
    T17,
    T18,
    T21,
}

/// What was measured, by what was done and who did it.
#[derive(Debug, Deserialize)]
struct Figure {
    bench: String,
    /// `ours` or `floor`.
    #[serde(rename = "impl")]
    implementation: String,
    per_second: Option<f64>,
    p50_ns: Option<f64>,
    p99_ns: Option<f64>,
    /// How much longer half of them took in the worst round than in the best.
    spread: Option<f64>,
    bytes_each: Option<f64>,
    peak_bytes: Option<f64>,
    /// It is of a run before.
    #[serde(default)]
    earlier: bool,
}

/// `Ok(false)`: a target is missed.
pub(crate) fn run(root: &Path, options: &Options) -> Result<bool> {
    let parts = options.parts();
    if parts.is_empty() {
        bail!("none of these rows is measured on that engine");
    }
    requirements::install(root, Purpose::Tests)?;
    println!("building what is measured");
    let programs = Programs::build(root, options.loads())?;
    let home = root.join("target/bench-store");
    std::fs::create_dir_all(&home)?;
    let mut all = Vec::new();
    for part in parts {
        let json = home.join("part.json");
        let mut measure = command(root, &programs.figures.to_string_lossy(), &[]);
        measure.args(&part).arg("--json").arg(&json);
        if !part.contains(&"memory".to_owned()) {
            measure.arg("--folder").arg(&home);
            measure.arg("--scimd").arg(&programs.scimd).arg("--generator").arg(&programs.generator);
        }
        if !measure.status().context("what is measured can't be run")?.success() {
            bail!("`figures {}` failed", part.join(" "));
        }
        let text = std::fs::read_to_string(&json)?;
        all.append(&mut serde_json::from_str::<Vec<Value>>(&text).context("unexpected figures")?);
        std::fs::remove_file(&json)?;
    }
    let file = root.join("target/bench-store.json");
    std::fs::write(&file, serde_json::to_string_pretty(&all)? + "\n")
        .with_context(|| format!("cannot write {}", file.display()))?;
    let figures: Vec<Figure> = all
        .into_iter()
        .map(serde_json::from_value)
        .collect::<Result<_, _>>()
        .context("unexpected figures")?;
    let targets = targets::judge(&figures);
    println!("\n{}", table::lines(&targets::table(&targets), &[1, 2, 3, 4]));
    for note in targets::notes(&figures) {
        println!("{note}");
    }
    println!("figures: target/bench-store.json");
    Ok(options.quick || targets.iter().all(|target| target.holds))
}

/// What is built for it, each as in production.
struct Programs {
    figures: PathBuf,
    scimd: PathBuf,
    generator: PathBuf,
}

impl Programs {
    /// What loads a database is built if one is needed.
    fn build(root: &Path, loads: bool) -> Result<Self> {
        let mut builds: Vec<(&str, &[&str])> = vec![("", &["-p", "scim-sql", "--example", "figures"])];
        if loads {
            builds.push(("", &["-p", "scimd"]));
            builds.push(("benches", &["--bin", "users", "--no-default-features", "--locked"]));
        }
        for (folder, args) in builds {
            let build = ["build", "--quiet", "--release"];
            let mut build = command(&root.join(folder), "cargo", &build);
            if !build.args(args).status().context("cannot start cargo")?.success() {
                bail!("`cargo build --release {}` failed", args.join(" "));
            }
        }
        Ok(Self {
            figures: built(root, "release/examples/figures"),
            scimd: built(root, "release/scimd"),
            generator: built(&root.join("benches"), "release/users"),
        })
    }
}

impl Options {
    /// The arguments of each run of the program. Each is a process of its own: none has the memory of another.
    fn parts(&self) -> Vec<Vec<String>> {
        let mut parts = Vec::new();
        let engines: [(&str, Engines, &[Row]); 2] = [
            ("sqlite", Engines::Sqlite, &[Row::T14, Row::T16, Row::T17, Row::T21]),
            ("postgres", Engines::Postgres, &[Row::T15, Row::T16, Row::T17, Row::T21]),
        ];
        for (name, engine, rows) in engines {
            let rows: Vec<String> =
                rows.iter().filter(|row| self.wants(**row)).map(|row| format!("{row:?}")).collect();
            if rows.is_empty() || (self.engine != Engines::Both && self.engine != engine) {
                continue;
            }
            let rows = rows.join(",");
            let mut part =
                vec![name.to_owned(), "--rows".into(), rows, "--users".into(), self.users.to_string()];
            part.extend(self.quick.then(|| "--quick".into()));
            part.extend(self.reload.then(|| "--reload".into()));
            parts.push(part);
        }
        if self.wants(Row::T18) {
            let users = if self.quick { "20000" } else { "100000" };
            parts.push(["memory", "--users", users].map(str::to_owned).to_vec());
        }
        parts
    }

    /// Whether a loaded database is needed.
    fn loads(&self) -> bool {
        [Row::T16, Row::T17, Row::T21].into_iter().any(|row| self.wants(row))
    }

    fn wants(&self, row: Row) -> bool {
        self.rows.is_empty() || self.rows.contains(&row)
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        options: Options,
    }

    fn parts(args: &[&str]) -> Vec<String> {
        let cli = Cli::parse_from([&["bench-store"], args].concat());
        cli.options.parts().iter().map(|part| part.join(" ")).collect()
    }

    #[test]
    fn each_engine_is_asked_for_what_it_has() {
        let all = parts(&[]);
        let expected = [
            "sqlite --rows T14,T16,T17,T21 --users 1000000",
            "postgres --rows T15,T16,T17,T21 --users 1000000",
            "memory --users 100000",
        ];
        assert_eq!(all, expected);
        assert_eq!(parts(&["--rows", "T14"]), ["sqlite --rows T14 --users 1000000"]);
        let quick = parts(&["--quick", "--engine", "postgres", "--rows", "t16,T18"]);
        assert_eq!(quick, ["postgres --rows T16 --users 20000 --quick", "memory --users 20000"]);
        assert_eq!(parts(&["--rows", "T18,T14", "--engine", "postgres"]), ["memory --users 100000"]);
        assert!(parts(&["--rows", "T15", "--engine", "sqlite"]).is_empty());
    }
}
