//! What is promised, and whether it holds.

use super::figures::{Figures, Measured, PEAKS};
use crate::bench::table::lines;

/// One promise.
#[derive(Debug)]
pub(super) struct Target {
    row: String,
    ours: String,
    floor: String,
    /// What is held against the limit.
    measured: Option<f64>,
    limit: Limit,
    /// Processor time of the server for an answer: ours and the floor's.
    server: String,
}

#[derive(Clone, Copy, Debug)]
enum Limit {
    /// So many times the floor.
    AtLeast(f64),
    /// So much, in some unit.
    AtMost(f64, &'static str),
}

impl Target {
    /// What was not measured does not hold.
    pub(super) fn holds(&self) -> bool {
        self.measured.is_some_and(|measured| match self.limit {
            Limit::AtLeast(least) => measured >= least,
            Limit::AtMost(most, _) => measured <= most,
        })
    }
}

/// Ours, its floor, and the least ratio of the rates.
const RATES: [(&str, &str, (&str, &str), f64); 6] = [
    ("T10 GET by id, memory", "http_get/memory", ("http_get", "floor"), 0.6),
    ("T11 GET by id, SQLite", "http_get/sqlite", ("http_get", "floor"), 0.35),
    ("T12 userName eq, memory, to GET", "http_filter/memory", ("http_get/memory", "ours"), 0.6),
    ("T12 userName eq, SQLite, to GET", "http_filter/sqlite", ("http_get/sqlite", "ours"), 0.6),
    ("T13 POST, memory", "http_post/memory", ("http_post", "floor"), 0.5),
    ("T13 PATCH active, memory", "http_patch/memory", ("http_patch", "floor"), 0.3),
];

/// Of `scimd` as a process.
const VALUES: [(&str, &str, f64, &str); 3] = [
    ("T19 resident memory, idle", "process/idle_mib", 40.0, "MiB"),
    ("T19 most resident memory, all loads", "process/peak_mib", 256.0, "MiB"),
    ("T19 start to ready", "process/ready_ms", 100.0, "ms"),
];

/// Answers at a part of the peak rate: the rows of `PEAKS`, and how many times the usual answer a slow one may take.
const LATENCIES: [&str; 2] = ["T20 GET, SQLite, p99 to p50", "T20 POST, SQLite, p99 to p50"];
const SPREAD: f64 = 10.0;

/// Judges all targets.
pub(super) fn judge(measured: &Measured) -> Vec<Target> {
    let rates = RATES.iter().map(|(row, bench, floor, least)| {
        let (ours, floor) = (measured.best(bench, "ours"), measured.best(floor.0, floor.1));
        let rate = |figures: Option<Figures>| figures.map(|f| thousands(f.per_second)).unwrap_or_default();
        let server = |figures: Option<Figures>| {
            figures.and_then(|figures| figures.server_us).map_or("?".to_owned(), |time| format!("{time:.1}"))
        };
        Target {
            row: (*row).to_owned(),
            ours: rate(ours),
            floor: rate(floor),
            measured: ours.zip(floor).map(|(ours, floor)| ours.per_second / floor.per_second),
            limit: Limit::AtLeast(*least),
            server: format!("{} / {} µs", server(ours), server(floor)),
        }
    });
    let values = VALUES.iter().map(|(row, bench, most, unit)| {
        let value = measured.least(bench);
        Target {
            row: (*row).to_owned(),
            ours: value.map(|value| format!("{value:.1} {unit}")).unwrap_or_default(),
            floor: String::new(),
            measured: value,
            limit: Limit::AtMost(*most, unit),
            server: String::new(),
        }
    });
    let latencies = LATENCIES.iter().zip(PEAKS).map(|(row, (bench, peak))| {
        let figures = measured.calmest(bench, peak);
        let time = |time: fn(&Figures) -> f64| {
            figures.as_ref().map(|figures| format!("{:.0} µs", time(figures))).unwrap_or_default()
        };
        let rate =
            figures.map(|figures| format!(" at {}", thousands(figures.per_second))).unwrap_or_default();
        Target {
            row: format!("{row}{rate}"),
            ours: time(|figures| figures.p99_us),
            floor: time(|figures| figures.p50_us),
            measured: figures.map(|figures| figures.p99_us / figures.p50_us),
            limit: Limit::AtMost(SPREAD, "x"),
            server: String::new(),
        }
    });
    rates.chain(values).chain(latencies).collect()
}

/// A line for each target.
pub(super) fn table(targets: &[Target]) -> String {
    let head = ["row", "ours", "floor", "ratio", "target", "holds", "server time, ours / floor"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for target in targets {
        let holds = match target.measured {
            None => "not measured",
            Some(_) if target.holds() => "holds",
            Some(_) => "MISSES",
        };
        let (limit, is_ratio) = match target.limit {
            Limit::AtLeast(least) => (format!(">= {least}x"), true),
            Limit::AtMost(most, "x") => (format!("<= {most}x"), true),
            Limit::AtMost(most, unit) => (format!("<= {most} {unit}"), false),
        };
        let ratio =
            target.measured.filter(|_| is_ratio).map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        rows.push(vec![
            target.row.clone(),
            target.ours.clone(),
            target.floor.clone(),
            ratio,
            limit,
            holds.to_owned(),
            target.server.clone(),
        ]);
    }
    lines(&rows, &[1, 2, 3])
}

fn thousands(per_second: f64) -> String {
    format!("{:.1} k/s", per_second / 1e3)
}

#[cfg(test)]
mod tests {
    use super::super::figures::tests::figures;
    use super::*;

    fn holds(measured: &Measured, row: &str) -> bool {
        judge(measured).iter().find(|target| target.row.starts_with(row)).unwrap().holds()
    }

    #[test]
    fn what_was_not_measured_does_not_hold() {
        let targets = judge(&Measured::default());
        assert!(targets.iter().all(|target| !target.holds()));
        assert_eq!(table(&targets).matches("not measured").count(), targets.len());
    }

    #[test]
    fn rates_are_held_against_their_floors() {
        let mut measured = Measured::default();
        measured.add("http_get", "floor", figures(100.0, 1.0, 1.0));
        measured.add("http_get/memory", "ours", figures(60.0, 1.0, 1.0));
        measured.add("http_get/sqlite", "ours", figures(34.0, 1.0, 1.0));
        measured.add("http_filter/memory", "ours", figures(36.0, 1.0, 1.0));
        assert!(holds(&measured, "T10"));
        assert!(!holds(&measured, "T11"));
        assert!(holds(&measured, "T12 userName eq, memory"));
    }

    #[test]
    fn a_process_stays_below_its_limits_and_slow_answers_are_not_much_slower() {
        let mut measured = Measured::default();
        measured.add_value("process/ready_ms", 101.0);
        assert!(!holds(&measured, "T19 start"));
        measured.add_value("process/ready_ms", 99.0);
        assert!(holds(&measured, "T19 start"));
        measured.add("http_get/sqlite", "ours", figures(150.0, 20.0, 30.0));
        measured.add("latency_get/sqlite", "ours", figures(100.0, 10.0, 101.0));
        assert!(!holds(&measured, "T20 GET"));
        measured.add("latency_get/sqlite", "ours", figures(100.0, 10.0, 100.0));
        assert!(holds(&measured, "T20 GET"));
        assert!(table(&judge(&measured)).contains("<= 100 ms"));
    }
}
