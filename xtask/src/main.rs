//! `cargo xtask`: the workspace's own commands, one file for each.

mod bench;
mod bench_events;
mod bench_http;
mod bench_store;
mod counts;
mod coverage;
mod crash;
mod deny;
mod differential;
mod equivalence;
mod faults;
mod fuzz;
mod hostile;
mod mutants;
mod packages;
mod peers;
mod races;
mod requirements;
mod set_peers;
mod spec;
mod test;
mod tidy;
mod vendors;
mod workspace;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The command line; `tidy` also uses it to check the commands of the README.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", about = "The workspace's own commands")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what the tests need, run all of them, end with `N passed, N failed`
    Test,
    /// Check what compilers do not: crate arrows, README commands, ledger coverage, data copies, hygiene
    Tidy,
    /// Run the filter and PATCH cases of a folder, end with `N passed, N failed`
    Spec(spec::Options),
    /// Compare filters and PATCH with a naive interpreter, many times, on made-up input
    Differential(differential::Options),
    /// Compare the SQL store's answers with the memory store's, many times, on made-up data and filters
    Equivalence(equivalence::Options),
    /// Run the fuzz targets for a short while each; a finding is a failure
    Fuzz(fuzz::Options),
    /// Compare filters and PATCH with other implementations, from PyPI and npm
    ///
    /// Each difference must have a verdict in conformance/peers/verdicts.toml, which says by which sentence of the
    /// RFC who is right. The run fails where one has none, or where a verdict has not as many differences as it
    /// says. The peers are installed below target/peers. The table at the end is the one of COMPARE.md.
    Peers(peers::Options),
    /// Time filters, paths and PATCH requests that are made to hurt; what is too slow is a failure
    Hostile,
    /// Measure which lines of the filter and PATCH crates their tests reach
    Coverage(coverage::Options),
    /// Put mistakes into the filter and PATCH crates, one at a time, and see that their tests catch them
    Mutants(mutants::Options),
    /// Measure against floors and peers, and check the performance targets
    Bench(bench::Options),
    /// Measure HTTP servers against bare axum: scimd on SQLite with a million users, and our axum adapter in memory
    ///
    /// The server has one processor, the load another. Rates are of 16 keep-alive connections, each of which asks again
    /// when it is answered; times are measured at 70 % of the best rate, with requests that are due at fixed moments.
    #[command(name = "bench-http")]
    BenchHttp(bench_http::Options),
    /// Measure how events get from a change to the application, and check their targets
    BenchEvents(bench_events::Options),
    /// Measure the stores against bare SQLite and pgbench, and check their targets
    BenchStore(bench_store::Options),
    /// Count instructions under valgrind and compare with benches/counts.json
    Counts(counts::Options),
    /// Kill scimd or its database under load, start it again, and check that nothing was lost and every event told
    Crash(crash::Options),
    /// Prove the rows of the fault matrix at full size, with their figures as lines of JSON
    ///
    /// Kills, full disks, races, rollbacks, random sequences, simulated endpoints and clocks: what is run are tests of
    /// the workspace with more repetitions. A row that does not hold is a failure.
    Faults(faults::Options),
    /// Let many clients of scimd want the same thing at the same time, on both engines
    Races(races::Options),
    /// Let libraries of vendors verify what scimd delivers over HTTP, also while a signing secret is replaced
    ///
    /// Each library must accept each delivery, and refuse it when its body, id, time or signature is another. Two
    /// applications are receivers too: one in FastAPI, which verifies what json.dumps makes of the parsed body, and
    /// one in Express. The libraries are installed below target/vendors.
    Vendors(vendors::Options),
    /// Ask libraries of others whether they verify our security event tokens, and refuse changed ones
    SetPeers,
    /// Check licences, bans, advisories and sources with cargo-deny
    Deny,
}

fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// `Ok(false)`: the command ran, said what is wrong, and the answer is no.
fn run(cli: &Cli) -> anyhow::Result<bool> {
    let root = workspace::root()?;
    match &cli.command {
        Command::Test => test::run(&root),
        Command::Tidy => tidy::run(&root),
        Command::Spec(options) => spec::run(&root, options),
        Command::Differential(options) => differential::run(&root, options),
        Command::Equivalence(options) => equivalence::run(&root, options),
        Command::Fuzz(options) => fuzz::run(&root, options),
        Command::Peers(options) => peers::run(&root, options),
        Command::Hostile => hostile::run(&root),
        Command::Coverage(options) => coverage::run(&root, options),
        Command::Mutants(options) => mutants::run(&root, options),
        Command::Bench(options) => bench::run(&root, options),
        Command::BenchHttp(options) => bench_http::run(&root, options),
        Command::BenchEvents(options) => bench_events::run(&root, options),
        Command::BenchStore(options) => bench_store::run(&root, options),
        Command::Counts(options) => counts::run(&root, options),
        Command::Crash(options) => crash::run(&root, options),
        Command::Faults(options) => faults::run(&root, options),
        Command::Races(options) => races::run(&root, options),
        Command::Vendors(options) => vendors::run(&root, options),
        Command::SetPeers => set_peers::run(&root),
        Command::Deny => deny::run(&root),
    }
}
