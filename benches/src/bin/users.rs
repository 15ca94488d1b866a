//! Writes users and groups as JSON lines for `scimd import`. The same numbers give the same lines everywhere.
//!
//! ```sh
//! cargo run --release --no-default-features --bin users -- --count 1000000 --groups 1 --members 100000 > users.jsonl
//! ```

use std::io::{BufWriter, Write as _};

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use scim_benches::population::{Population, group};

/// Users and groups as JSON lines for `scimd import`
#[derive(Debug, Parser)]
struct Options {
    /// How many users, of about 2.7 KB each
    #[arg(long)]
    count: usize,
    /// How many groups, behind the users
    #[arg(long, default_value_t = 0)]
    groups: usize,
    /// How many members each group has
    #[arg(long, default_value_t = 100)]
    members: usize,
}

fn main() -> Result<()> {
    let options = Options::parse();
    let Options { count, groups, members } = options;
    ensure!(groups == 0 || members <= count, "a group can't have more members than there are users");
    let population = Population::default();
    let mut out = BufWriter::with_capacity(1 << 18, std::io::stdout().lock());
    for number in 0..count {
        out.write_all(&population.user(number))?;
        out.write_all(b"\n")?;
    }
    for number in 0..groups {
        out.write_all(&group(number, members, count))?;
        out.write_all(b"\n")?;
    }
    out.flush().context("the lines can't be written")
}
