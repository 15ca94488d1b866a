//! The figures that Criterion left behind.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::workspace::walk;

/// Nanoseconds for one run of each benchmark.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// By benchmark (`group/fixture`) and implementation.
    times: BTreeMap<(String, String), Times>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Times {
    /// The shortest of all samples.
    pub(super) best: f64,
    pub(super) median: f64,
}

/// `benchmark.json`: what a benchmark is called.
#[derive(Deserialize)]
struct Name {
    group_id: String,
    function_id: String,
    value_str: String,
}

/// `sample.json`: how long so many runs took, for each sample.
#[derive(Deserialize)]
struct Sample {
    iters: Vec<f64>,
    times: Vec<f64>,
}

/// Reads the figures of all rounds below a folder.
pub(super) fn read(home: &Path) -> Result<Measured> {
    let mut samples: BTreeMap<(String, String), Vec<f64>> = BTreeMap::new();
    for path in walk(home)?.iter().filter(|path| path.ends_with("new/sample.json")) {
        let path = home.join(path);
        let name: Name = json_file(&path.with_file_name("benchmark.json"))?;
        let sample: Sample = json_file(&path)?;
        let key = (format!("{}/{}", name.group_id, name.function_id), name.value_str);
        let each = sample.times.iter().zip(&sample.iters).map(|(time, iterations)| time / iterations);
        samples.entry(key).or_default().extend(each);
    }
    let times = samples.into_iter().filter_map(|(key, samples)| Some((key, Times::of(samples)?)));
    Ok(Measured { times: times.collect() })
}

fn json_file<T: DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{}: unexpected content", path.display()))
}

/// Neither ours nor a floor.
fn is_peer(implementation: &str) -> bool {
    !matches!(implementation, "ours" | "floor" | "clone_ours")
}

impl Times {
    fn of(mut samples: Vec<f64>) -> Option<Self> {
        samples.sort_by(f64::total_cmp);
        let median = *samples.get(samples.len() / 2)?;
        Some(Self { best: *samples.first()?, median })
    }
}

impl Measured {
    pub(super) fn is_empty(&self) -> bool {
        self.times.is_empty()
    }

    pub(super) fn get(&self, bench: &str, implementation: &str) -> Option<Times> {
        self.times.get(&(bench.to_owned(), implementation.to_owned())).copied()
    }

    /// The benchmarks, each once, sorted; groups of numbers by number.
    pub(super) fn benches(&self) -> Vec<&str> {
        let mut benches: Vec<&str> = self.times.keys().map(|(bench, _)| bench.as_str()).collect();
        benches.dedup();
        benches.sort_by_key(|bench| {
            let (group, fixture) = bench.rsplit_once('/').unwrap_or(("", bench));
            (group, fixture.parse::<u64>().unwrap_or_default(), fixture)
        });
        benches
    }

    /// The implementations of a benchmark that are neither ours nor a floor, with their times.
    pub(super) fn peers<'m>(&'m self, bench: &'m str) -> impl Iterator<Item = (&'m str, Times)> {
        self.times
            .iter()
            .filter(move |((b, name), _)| b == bench && is_peer(name))
            .map(|((_, name), times)| (name.as_str(), *times))
    }

    /// The peer with the best time in a benchmark.
    pub(super) fn best_peer(&self, bench: &str) -> Option<&str> {
        let times = self.times.iter().filter(|((b, name), _)| b == bench && is_peer(name));
        times.min_by(|(_, a), (_, b)| a.best.total_cmp(&b.best)).map(|((_, name), _)| name.as_str())
    }

    /// An array of `{"bench", "impl", "median_ns", "best_ns"}`.
    pub(super) fn to_json(&self) -> Result<String> {
        let round = |nanoseconds: f64| (nanoseconds * 10.0).round() / 10.0;
        let entries: Vec<_> = self
            .times
            .iter()
            .map(|((bench, implementation), times)| {
                json!({
                    "bench": bench,
                    "impl": implementation,
                    "median_ns": round(times.median),
                    "best_ns": round(times.best),
                })
            })
            .collect();
        Ok(serde_json::to_string_pretty(&entries)? + "\n")
    }

    #[cfg(test)]
    pub(super) fn of(times: &[(&str, &str, f64)]) -> Self {
        let entry = |(bench, implementation, best): &(&str, &str, f64)| {
            let key = ((*bench).to_owned(), (*implementation).to_owned());
            (key, Times { best: *best, median: *best })
        };
        Self { times: times.iter().map(entry).collect() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_united() {
        let home = tempfile::tempdir().unwrap();
        for (round, sample) in [
            ("filters-1", r#"{"sampling_mode": "Flat", "iters": [2.0, 2.0], "times": [20.0, 24.0]}"#),
            ("filters-2", r#"{"sampling_mode": "Flat", "iters": [4.0], "times": [36.0]}"#),
        ] {
            let folder = home.path().join(round).join("filter_parse/f01/ours/new");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("sample.json"), sample).unwrap();
            let name = r#"{"group_id": "filter_parse", "function_id": "f01", "value_str": "ours"}"#;
            std::fs::write(folder.join("benchmark.json"), name).unwrap();
        }
        let measured = read(home.path()).unwrap();
        assert_eq!(measured.get("filter_parse/f01", "ours"), Some(Times { best: 9.0, median: 10.0 }));
        let json: serde_json::Value = serde_json::from_str(&measured.to_json().unwrap()).unwrap();
        let expected =
            json!([{"bench": "filter_parse/f01", "impl": "ours", "median_ns": 10.0, "best_ns": 9.0}]);
        assert_eq!(json, expected);
    }

    #[test]
    fn groups_are_sorted_by_size() {
        let measured = Measured::of(&[("g/1000", "ours", 1.0), ("g/10", "ours", 1.0), ("f/b", "ours", 1.0)]);
        assert_eq!(measured.benches(), ["f/b", "g/10", "g/1000"]);
    }

    #[test]
    fn peers_are_the_others() {
        let measured = Measured::of(&[
            ("g/a", "ours", 1.0),
            ("g/a", "floor", 1.0),
            ("g/a", "clone_ours", 1.0),
            ("g/a", "them", 3.0),
            ("g/b", "others", 2.0),
        ]);
        assert_eq!(measured.peers("g/a").map(|(name, _)| name).collect::<Vec<_>>(), ["them"]);
    }
}
