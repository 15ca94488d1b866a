//! What was measured.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::Engine;

/// All figures, in the order in which they were taken.
#[derive(Debug)]
pub(crate) struct Figures {
    engine: Engine,
    all: Vec<Value>,
}

impl Figures {
    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine, all: Vec::new() }
    }

    /// A figure of one round.
    pub(crate) fn add(&mut self, bench: &str, value: f64, unit: &str) {
        println!("  {bench}: {value:.1} {unit}");
        let engine = self.engine.to_string();
        self.all.push(json!({"bench": bench, "engine": engine, "value": value, "unit": unit}));
    }

    /// How long something took: usually, for the slow ones, and at most.
    pub(crate) fn add_times(&mut self, bench: &str, times: &mut [Duration]) -> Result<()> {
        times.sort_unstable();
        for (name, part) in [("p50", 50), ("p99", 99), ("worst", 100)] {
            let at = times.len().saturating_sub(1) * part / 100;
            let time = times.get(at).with_context(|| format!("{bench}: nothing was measured"))?;
            self.add(&format!("{bench}/{name}"), time.as_secs_f64() * 1e3, "ms");
        }
        Ok(())
    }

    /// Writes them, one a line.
    pub(crate) fn write(&self, file: &Path) -> Result<()> {
        let lines: String = self.all.iter().map(|figure| format!("{figure}\n")).collect();
        std::fs::write(file, lines).with_context(|| format!("cannot write {}", file.display()))
    }
}
