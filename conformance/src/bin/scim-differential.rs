//! Compares the product with the naive interpreter on made-up filters and PATCH requests, many times.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use scim_conformance::differential::{Difference, Entropy, FilterTally, Form, PatchTally, World};

/// How many resources a world has for filters, and how many filters are tried on them.
const RESOURCES: usize = 100;
const FILTERS: usize = 200;
/// The same for PATCH requests.
const TARGETS: usize = 20;
const REQUESTS: usize = 200;

#[derive(Debug, Parser)]
#[command(about = "Compare the product with the naive interpreter")]
struct Options {
    /// How many filter evaluations
    #[arg(long, default_value_t = 10_000_000)]
    filters: u64,
    /// How many PATCH requests
    #[arg(long, default_value_t = 1_000_000)]
    patches: u64,
    /// The seed of the first schemas; the next ones have the next numbers
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many threads
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Stop after that many differences
    #[arg(long, default_value_t = 1)]
    differences: usize,
}

fn main() -> ExitCode {
    let options = Options::parse();
    let started = Instant::now();
    let mut found = Vec::new();

    let filters = run(&options, "filter evaluations", options.filters, &mut found, |seed| {
        let mut tally = FilterTally::default();
        let mut entropy = Entropy::seeded(mixed(seed));
        let world = World::generate(&mut entropy, Form::Raw, RESOURCES);
        let mut differences = Vec::new();
        for _ in 0..FILTERS {
            let text = world.filter(&mut entropy);
            match world.compare_filter(&text, entropy.chance(50)) {
                Ok(one) => tally.add(one),
                Err(difference) => differences.push(difference),
            }
        }
        (tally, tally.evaluations, differences)
    });
    let mut total = FilterTally::default();
    filters.into_iter().for_each(|tally| total.add(tally));
    println!(
        "filters: {} evaluations of {} filters, {} matched, {} filters refused by both",
        total.evaluations, total.filters, total.matched, total.refused
    );

    let patches = run(&options, "PATCH requests", options.patches, &mut found, |seed| {
        let mut tally = PatchTally::default();
        let mut entropy = Entropy::seeded(mixed(seed));
        let world = World::generate(&mut entropy, Form::Stored, TARGETS);
        let mut differences = Vec::new();
        for _ in 0..REQUESTS {
            let Some(sample) = entropy.choose(world.samples()) else { continue };
            let body = world.request(&mut entropy, sample);
            match world.compare_patch(sample, &body) {
                Ok(one) => tally.add(one),
                Err(difference) => differences.push(difference),
            }
        }
        (tally, tally.requests(), differences)
    });
    let mut total = PatchTally::default();
    patches.into_iter().for_each(|tally| total.add(tally));
    println!(
        "PATCH: {} requests, {} changed the resource, {} changed nothing, {} refused by both, {} were a delta of members",
        total.requests(),
        total.changed,
        total.unchanged,
        total.refused,
        total.deltas
    );

    for (seed, difference) in &found {
        println!("\nDIFFERENCE, see it again with --seed {seed} --filters 1 --patches 1:\n{difference}");
    }
    println!("{} differences in {:.1} s", found.len(), started.elapsed().as_secs_f64());
    if found.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Runs worlds until so many comparisons are made or enough differences found; the seeds of worlds follow
/// each other, so that the outcome does not depend on the number of threads.
fn run<T: Send>(
    options: &Options,
    what: &str,
    goal: u64,
    found: &mut Vec<(u64, Box<Difference>)>,
    world: impl Fn(u64) -> (T, u64, Vec<Box<Difference>>) + Sync,
) -> Vec<T> {
    let bar = ProgressBar::new(goal);
    if let Ok(style) = ProgressStyle::with_template("{msg} {wide_bar} {human_pos}/{human_len} {eta}") {
        bar.set_style(style);
    }
    bar.set_message(what.to_owned());
    let (next, done) = (AtomicU64::new(options.seed), AtomicU64::new(0));
    let tallies = Mutex::new(Vec::new());
    let differences = Mutex::new(Vec::new());
    let enough = |differences: &Mutex<Vec<(u64, Box<Difference>)>>| {
        differences.lock().is_ok_and(|found| found.len() >= options.differences)
    };
    std::thread::scope(|scope| {
        for _ in 0..options.jobs.max(1) {
            scope.spawn(|| {
                while done.load(Ordering::Relaxed) < goal && !enough(&differences) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    let (tally, count, new) = world(seed);
                    done.fetch_add(count, Ordering::Relaxed);
                    bar.inc(count);
                    if let (Ok(mut tallies), Ok(mut differences)) = (tallies.lock(), differences.lock()) {
                        tallies.push(tally);
                        differences.extend(new.into_iter().map(|difference| (seed, difference)));
                    }
                }
            });
        }
    });
    bar.finish_and_clear();
    found.extend(differences.into_inner().unwrap_or_default());
    found.truncate(options.differences);
    tallies.into_inner().unwrap_or_default()
}

/// Seeds that follow each other must not give sequences that follow each other.
fn mixed(seed: u64) -> u64 {
    seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32)
}
