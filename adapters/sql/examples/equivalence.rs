//! Compares the answers of stores with those of `MemoryStore`, on made-up data, filters, orders and pages,
//! many times. `cargo xtask equivalence` runs it.

use std::error::Error;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use scim_conformance::differential::{DataSet, Entropy, StoreDifference};
use scim_core::{MemoryStore, Store};
use scim_sql::{Database, PostgresOptions, SqlStore, StoreOptions};
use scim_test_postgres::Cluster;
use tempfile::TempDir;

#[derive(Debug, Parser)]
#[command(about = "Compare the answers of stores with those of the memory store")]
struct Options {
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

/// What was done on a data set.
#[derive(Default)]
struct Tally {
    pairs: u64,
    queries: u64,
    matched: u64,
    refused: u64,
}

type Failure = Box<dyn Error + Send + Sync>;

fn main() -> ExitCode {
    let options = Options::parse();
    let started = Instant::now();
    let bar = ProgressBar::new(options.pairs);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {eta}") {
        bar.set_style(style);
    }
    bar.set_message("filters on data sets");
    let (next, done) = (AtomicU64::new(options.seed), AtomicU64::new(0));
    let found: Mutex<Vec<(u64, Failure)>> = Mutex::default();
    let tallies: Mutex<Vec<Tally>> = Mutex::default();
    let enough = || found.lock().unwrap_or_else(PoisonError::into_inner).len() >= options.differences;
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                while done.load(Ordering::Relaxed) < options.pairs && !enough() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    match data_set(seed, &options) {
                        Ok(tally) => {
                            done.fetch_add(tally.pairs, Ordering::Relaxed);
                            bar.inc(tally.pairs);
                            tallies.lock().unwrap_or_else(PoisonError::into_inner).push(tally);
                        }
                        Err(failure) => {
                            found.lock().unwrap_or_else(PoisonError::into_inner).push((seed, failure));
                        }
                    }
                }
            });
        }
    });
    bar.finish_and_clear();
    let tallies = tallies.into_inner().unwrap_or_else(PoisonError::into_inner);
    let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
    println!(
        "{} pairs of a filter and a data set, on {} data sets of {} resources; {} queries, {} matches, {} filters refused",
        sum(|t| t.pairs),
        tallies.len(),
        options.resources,
        sum(|t| t.queries),
        sum(|t| t.matched),
        sum(|t| t.refused),
    );
    let found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
    for (seed, difference) in &found {
        println!("\nDIFFERENCE, see it again with --seed {seed} --pairs 1:\n{difference}");
    }
    println!("{} differences in {:.1} s", found.len(), started.elapsed().as_secs_f64());
    if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Fills all stores with one data set and asks them the same.
fn data_set(seed: u64, options: &Options) -> Result<Tally, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // Seeds that follow each other must not give sequences that follow each other.
        let mut entropy = Entropy::seeded(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32));
        let set = DataSet::generate(&mut entropy, options.resources);
        let model = MemoryStore::new(Arc::clone(set.registry()));
        set.load(&model).await?;
        let folder = TempDir::new()?;
        let stores = stores(&folder, &set, &mut entropy).await?;
        for (_, store) in &stores {
            set.load(&**store).await?;
        }
        let mut tally = Tally::default();
        for _ in 0..options.queries {
            let Some(question) = set.question(&mut entropy, &model).await? else {
                tally.refused += 1;
                continue;
            };
            let expected = set.answer(&question, &model).await?;
            tally.queries += 1;
            tally.pairs += u64::from(question.filter.is_some());
            tally.matched += expected.total;
            for (name, store) in &stores {
                let compared: Result<(), Box<StoreDifference>> =
                    set.compare(&question, &expected, name, &**store).await;
                compared.map_err(|difference| difference.to_string())?;
            }
        }
        Ok(tally)
    })
}

/// The stores that are compared with the model, all empty.
async fn stores(
    folder: &TempDir,
    set: &DataSet,
    entropy: &mut Entropy<'_>,
) -> Result<Vec<(&'static str, Arc<dyn Store>)>, Failure> {
    let mut stores: Vec<(&'static str, Arc<dyn Store>)> = Vec::new();
    let ways = [
        ("SQLite", false, false),
        ("SQLite, as with many resources", false, true),
        ("PostgreSQL", true, false),
        ("PostgreSQL, as with many resources", true, true),
    ];
    for (name, on_server, many) in ways {
        let mut options = StoreOptions::default();
        options.indexed.extend(set.some_paths(entropy));
        if many {
            let ways = &mut options.thresholds;
            (ways.small, ways.read, ways.sorted, ways.far, ways.step) = (5, 10, 40, 10, 7);
        }
        let database = if on_server {
            let mut server = PostgresOptions::new(&Cluster::shared()?.database()?)?;
            (server.writers, server.readers) = (1, 1);
            Database::connect(server).await?
        } else {
            Database::open(folder.path().join(format!("{many}.db"))).await?
        };
        let store = SqlStore::with_options(database, Arc::clone(set.registry()), &options).await?;
        stores.push((name, Arc::new(store)));
    }
    Ok(stores)
}
