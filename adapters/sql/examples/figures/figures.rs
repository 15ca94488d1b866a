//! What was measured.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Result;

/// What all turns came to, by what was done and who did it: `ours` or the `floor`.
#[derive(Default)]
pub(crate) struct Figures {
    turns: BTreeMap<(String, &'static str), Vec<Turn>>,
    others: Vec<Value>,
}

/// What one turn came to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    /// How many were done in a second.
    per_second: f64,
    /// Half of them took no longer, in nanoseconds.
    p50: f64,
    /// 99 of 100 took no longer.
    p99: f64,
}

impl Turn {
    /// From the times of all, where they were done one after the other.
    pub(crate) fn of(times: Vec<Duration>) -> Result<Self> {
        let took = times.iter().sum();
        Self::within(times, took)
    }

    /// From the times of all, where all together took so long.
    pub(crate) fn within(mut times: Vec<Duration>, took: Duration) -> Result<Self> {
        times.sort();
        let at = |part: usize| times.get(times.len() * part / 100).map(|time| time.as_nanos() as f64);
        let (p50, p99) = at(50).zip(at(99)).ok_or("nothing was done in a turn")?;
        Ok(Self { per_second: times.len() as f64 / took.as_secs_f64(), p50, p99 })
    }

    /// As if each had been several.
    pub(crate) fn times(self, several: usize) -> Self {
        Self { per_second: self.per_second * several as f64, ..self }
    }
}

impl Figures {
    pub(crate) fn add(&mut self, bench: &str, implementation: &'static str, turn: Turn) {
        self.turns.entry((bench.to_owned(), implementation)).or_default().push(turn);
    }

    /// A figure that is not of turns.
    pub(crate) fn note(&mut self, figure: Value) {
        self.others.push(figure);
    }

    /// An array. Of several turns it has the best figures, and how much longer half of them took in the
    /// worst turn than in the best.
    pub(crate) fn to_json(&self) -> Result<String> {
        let turns = self.turns.iter().map(|((bench, implementation), turns)| {
            let least = |of: fn(&Turn) -> f64| turns.iter().map(of).fold(f64::INFINITY, f64::min);
            let most = |of: fn(&Turn) -> f64| turns.iter().map(of).fold(0.0, f64::max);
            json!({
                "bench": bench,
                "impl": implementation,
                "per_second": most(|turn| turn.per_second).round(),
                "p50_ns": least(|turn| turn.p50),
                "p99_ns": least(|turn| turn.p99),
                "spread": (most(|turn| turn.p50) / least(|turn| turn.p50) * 100.0).round() / 100.0,
            })
        });
        let all: Vec<Value> = turns.chain(self.others.iter().cloned()).collect();
        Ok(serde_json::to_string_pretty(&all)? + "\n")
    }
}
