//! Criterion with the names that are an interface: `group/fixture/implementation`.
//!
//! Processor time is measured, not wall time: other programs run on the machine too.
//!
//! `SCIM_BENCH_VERDICTS` names the file for what was not timed; `SCIM_BENCH_QUICK` makes all samples short.

mod cpu;

use std::time::Duration;

use criterion::{BenchmarkGroup, BenchmarkId, Criterion, SamplingMode};
use scim_benches::check::{Unfit, Verdict};

pub use cpu::CpuTime;

/// What times one benchmark.
pub type Bencher<'b> = criterion::Bencher<'b, CpuTime>;

/// Times what gives the right answer, and keeps a list of what does not.
pub struct Harness {
    criterion: Criterion<CpuTime>,
    verdicts: Vec<Verdict>,
    quick: bool,
}

/// One group of benchmarks.
pub struct Group<'h> {
    name: &'static str,
    group: BenchmarkGroup<'h, CpuTime>,
    verdicts: &'h mut Vec<Verdict>,
}

impl Harness {
    /// Reads the command line.
    pub fn from_args() -> Self {
        let criterion = Criterion::default()
            .with_measurement(CpuTime)
            .without_plots()
            .nresamples(1001)
            .configure_from_args();
        let quick = std::env::var_os("SCIM_BENCH_QUICK").is_some();
        Self { criterion, verdicts: Vec::new(), quick }
    }

    /// A group whose benchmarks take about `millis` each. The more samples, the shorter they are, and the
    /// surer some are spared by whatever else the machine does.
    pub fn group(&mut self, name: &'static str, millis: u64, samples: usize) -> Group<'_> {
        let mut group = self.criterion.benchmark_group(name);
        let millis = if self.quick { millis / 3 } else { millis };
        group
            .sampling_mode(SamplingMode::Flat)
            .sample_size(if self.quick { samples.min(20) } else { samples })
            .warm_up_time(Duration::from_millis(millis / 4))
            .measurement_time(Duration::from_millis(millis));
        Group { name, group, verdicts: &mut self.verdicts }
    }

    /// Ends the run.
    pub fn finish(self) {
        self.criterion.final_summary();
        if let Some(file) = std::env::var_os("SCIM_BENCH_VERDICTS") {
            let json = serde_json::to_vec(&self.verdicts).expect("JSON");
            std::fs::write(file, json).expect("the verdicts can be written");
        }
        for Verdict { bench, implementation, verdict, detail } in &self.verdicts {
            println!("{bench}/{implementation} is not timed, {verdict}: {detail}");
        }
    }
}

impl Group<'_> {
    /// Times `routine` if `checked` says that its answer is right. Ours must be.
    pub fn time(
        &mut self,
        fixture: &str,
        implementation: &str,
        checked: Result<(), Unfit>,
        routine: impl FnMut(&mut Bencher<'_>),
    ) {
        match checked {
            Ok(()) => {
                self.group.bench_function(BenchmarkId::new(fixture, implementation), routine);
            }
            Err(unfit) => {
                assert!(
                    !matches!(implementation, "ours" | "floor"),
                    "{}/{fixture}/{implementation}: {unfit:?}",
                    self.name
                );
                let bench = format!("{}/{fixture}", self.name);
                self.verdicts.push(Verdict::new(&bench, implementation, unfit));
            }
        }
    }
}

/// Times one call after the other.
pub fn each<T>(mut work: impl FnMut() -> T) -> impl FnMut(&mut Bencher<'_>) {
    move |bencher| bencher.iter(&mut work)
}
