//! What was measured.

use std::collections::BTreeMap;

use anyhow::Result;
use serde::{Deserialize, Serialize};
use serde_json::json;

/// From this part of a processor on, a program can't do more.
const FULL: f64 = 0.95;
/// A server that is less busy than this was not asked as much as it could answer.
const IDLE: f64 = 0.9;
/// More stolen time than this makes figures worse.
const STOLEN: f64 = 0.05;

/// What is timed at a fixed rate, and what that rate is a part of.
pub(super) const PEAKS: [(&str, &str); 2] =
    [("latency_get/sqlite", "http_get/sqlite"), ("latency_post/sqlite", "http_post/sqlite")];

/// One measurement of the load.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Figures {
    pub(super) answers: u64,
    pub(super) per_second: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) worst_us: f64,
    /// The server's processor time for an answer.
    pub(super) server_us: Option<f64>,
    /// The part of a processor that the server used, and the load.
    pub(super) server_busy: Option<f64>,
    pub(super) load_busy: Option<f64>,
    /// The part of the time that the hypervisor took away.
    pub(super) steal: Option<f64>,
}

/// All measurements.
#[derive(Debug, Default)]
pub(super) struct Measured {
    /// By benchmark and implementation.
    rates: BTreeMap<(String, String), Vec<Figures>>,
    /// Of `scimd` itself: memory, times.
    values: BTreeMap<String, Vec<f64>>,
}

impl Measured {
    pub(super) fn add(&mut self, bench: &str, implementation: &str, figures: Figures) {
        self.rates.entry((bench.to_owned(), implementation.to_owned())).or_default().push(figures);
    }

    pub(super) fn add_value(&mut self, bench: &str, value: f64) {
        self.values.entry(bench.to_owned()).or_default().push(value);
    }

    fn all(&self, bench: &str, implementation: &str) -> &[Figures] {
        self.rates.get(&(bench.to_owned(), implementation.to_owned())).map_or(&[], Vec::as_slice)
    }

    /// The measurement with the most answers.
    pub(super) fn best(&self, bench: &str, implementation: &str) -> Option<Figures> {
        let all = self.all(bench, implementation).iter();
        all.max_by(|a, b| a.per_second.total_cmp(&b.per_second)).copied()
    }

    /// Of the measurements at a fixed rate the one whose slow answers are the least slow, beside the usual ones.
    ///
    /// It must be one in which the server kept up. Where half of the answers took longer than at the peak rate of
    /// `peak`, requests only waited in a queue, and all of them long.
    pub(super) fn calmest(&self, bench: &str, peak: &str) -> Option<Figures> {
        let spread = |figures: &Figures| figures.p99_us / figures.p50_us;
        let kept_up = self.all(bench, "ours").iter().filter(|figures| self.kept_up(figures, peak));
        kept_up.min_by(|a, b| spread(a).total_cmp(&spread(b))).copied()
    }

    fn kept_up(&self, figures: &Figures, peak: &str) -> bool {
        self.best(peak, "ours").is_some_and(|best| figures.p50_us <= best.p50_us)
    }

    /// The smallest of the values.
    pub(super) fn least(&self, bench: &str) -> Option<f64> {
        self.values.get(bench)?.iter().copied().min_by(f64::total_cmp)
    }

    /// What makes figures worth less.
    pub(super) fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for ((bench, implementation), all) in &self.rates {
            let Some(best) = self.best(bench, implementation) else { continue };
            let limited = best.load_busy.zip(best.server_busy);
            if limited.is_some_and(|(load, server)| load > FULL && server < IDLE)
                && !bench.starts_with("latency")
            {
                notes.push(format!("{bench}, {implementation}: the load could not ask for more"));
            }
            let peak = PEAKS.iter().find(|(latency, _)| latency == bench).map(|(_, peak)| peak);
            let queued =
                peak.map_or(0, |peak| all.iter().filter(|figures| !self.kept_up(figures, peak)).count());
            if queued > 0 {
                notes.push(format!(
                    "{bench}, {implementation}: fell behind in {queued} of {} measurements",
                    all.len()
                ));
            }
            let stolen =
                all.iter().filter(|figures| figures.steal.is_some_and(|steal| steal > STOLEN)).count();
            if stolen > 0 {
                notes.push(format!(
                    "{bench}, {implementation}: more than 5 % stolen time in {stolen} of {} measurements",
                    all.len()
                ));
            }
        }
        notes
    }

    /// An array of `{"bench", "impl", …}`.
    pub(super) fn to_json(&self) -> Result<String> {
        let rates = self.rates.iter().filter_map(|((bench, implementation), all)| {
            let mut rates: Vec<f64> = all.iter().map(|figures| figures.per_second).collect();
            rates.sort_by(f64::total_cmp);
            let calmest = PEAKS.iter().find(|(latency, _)| latency == bench);
            let calmest = calmest.and_then(|(latency, peak)| self.calmest(latency, peak));
            let shown = calmest.or_else(|| self.best(bench, implementation))?;
            Some(json!({
                "bench": bench,
                "impl": implementation,
                "rounds": all.len(),
                "median_per_second": rates.get(rates.len() / 2),
                "best": shown,
            }))
        });
        let values =
            self.values.iter().map(|(bench, all)| json!({"bench": bench, "impl": "ours", "values": all}));
        let all: Vec<_> = rates.chain(values).collect();
        Ok(serde_json::to_string_pretty(&all)? + "\n")
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn figures(per_second: f64, p50_us: f64, p99_us: f64) -> Figures {
        Figures {
            answers: 1,
            per_second,
            p50_us,
            p99_us,
            worst_us: p99_us,
            server_us: Some(1e6 / per_second),
            server_busy: Some(1.0),
            load_busy: Some(0.5),
            steal: Some(0.0),
        }
    }

    #[test]
    fn the_best_of_all_rounds_is_told() {
        let mut measured = Measured::default();
        for (rate, p99) in [(100.0, 5.0), (300.0, 9.0), (200.0, 2.0)] {
            measured.add("http_get", "ours", figures(rate, 1.0, p99));
        }
        assert_eq!(measured.best("http_get", "ours").unwrap().per_second, 300.0);
        assert!(measured.best("http_get", "floor").is_none());
        let json: serde_json::Value = serde_json::from_str(&measured.to_json().unwrap()).unwrap();
        assert_eq!(json[0]["bench"], "http_get");
        assert_eq!(json[0]["impl"], "ours");
        assert_eq!(json[0]["median_per_second"], 200.0);
        assert_eq!(json[0]["best"]["per_second"], 300.0);
    }

    #[test]
    fn a_queue_is_not_calm() {
        let mut measured = Measured::default();
        measured.add("http_get/sqlite", "ours", figures(100.0, 10.0, 90.0));
        measured.add("latency_get/sqlite", "ours", figures(70.0, 11.0, 12.0));
        assert!(measured.calmest("latency_get/sqlite", "http_get/sqlite").is_none());
        measured.add("latency_get/sqlite", "ours", figures(70.0, 5.0, 30.0));
        measured.add("latency_get/sqlite", "ours", figures(70.0, 5.0, 20.0));
        assert_eq!(measured.calmest("latency_get/sqlite", "http_get/sqlite").unwrap().p99_us, 20.0);
        assert_eq!(measured.notes(), ["latency_get/sqlite, ours: fell behind in 1 of 3 measurements"]);
    }

    #[test]
    fn what_spoils_figures_is_told() {
        let mut measured = Measured::default();
        measured.add("a", "ours", figures(1.0, 1.0, 1.0));
        assert_eq!(measured.notes(), [""; 0]);
        let weak = Figures { load_busy: Some(1.0), server_busy: Some(0.5), ..figures(1.0, 1.0, 1.0) };
        measured.add("b", "floor", weak);
        measured.add("c", "ours", Figures { steal: Some(0.2), ..figures(1.0, 1.0, 1.0) });
        let notes = measured.notes();
        assert!(notes[0].starts_with("b, floor: the load"));
        assert!(notes[1].starts_with("c, ours: more than 5 % stolen time in 1 of 1"));
    }
}
