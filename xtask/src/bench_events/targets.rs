//! What is promised of events, and whether it holds.

use super::Figure;

/// One promise.
#[derive(Clone, Debug)]
pub(super) struct Target {
    row: String,
    ours: String,
    floor: String,
    ratio: Option<f64>,
    promise: String,
    pub(super) holds: bool,
}

/// Judges what there are figures for.
pub(super) fn judge(figures: &[Figure]) -> Vec<Target> {
    ["sqlite", "postgres"].into_iter().flat_map(|engine| Judge { figures, engine }.all()).collect()
}

/// The rows of the table, with its head.
pub(super) fn table(targets: &[Target]) -> Vec<Vec<String>> {
    let head = ["row", "ours", "floor", "ratio", "target", "holds"].map(str::to_owned).to_vec();
    let row = |target: &Target| {
        vec![
            target.row.clone(),
            target.ours.clone(),
            target.floor.clone(),
            target.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default(),
            target.promise.clone(),
            if target.holds { "yes" } else { "NO" }.to_owned(),
        ]
    };
    [head].into_iter().chain(targets.iter().map(row)).collect()
}

/// What was measured beside the targets.
pub(super) fn notes(figures: &[Figure]) -> Vec<String> {
    let told = [
        ("delay/alone/from_send/p50", "alone, from the sending of a change, half within"),
        ("delay/alone/from_send/p99", "alone, from the sending of a change, 99 of 100 within"),
        ("delay/sync/while_loading/p50", "changes made while the other directory was loaded, half within"),
        (
            "delay/sync/while_loading/p99",
            "changes made while the other directory was loaded, 99 of 100 within",
        ),
        ("delay/sync/users", "users loaded meanwhile"),
        ("throughput/4/processor", "processor time of the server for a delivery"),
        ("members/subscribed/deleted", "a group of all deleted, all its events recorded after"),
        ("backlog/recorded", "events of a large import recorded"),
    ];
    let mut notes = Vec::new();
    for engine in ["sqlite", "postgres"] {
        let judge = Judge { figures, engine };
        notes.extend(told.iter().filter_map(|(bench, words)| {
            let (value, unit) = (judge.best(bench)?, judge.unit(bench)?);
            Some(format!("{}: {words}: {}", judge.title(), shown(value, unit)))
        }));
    }
    notes
}

struct Judge<'f> {
    figures: &'f [Figure],
    engine: &'f str,
}

impl Judge<'_> {
    fn all(&self) -> Vec<Target> {
        [self.delay(), self.throughput(), self.members(), self.backlog()].concat()
    }

    /// T30. It is promised for SQLite, and measured on both.
    fn delay(&self) -> Vec<Target> {
        let promises = [
            ("alone, p50", "delay/alone/p50", 20.0),
            ("alone, p99", "delay/alone/p99", 1000.0),
            ("beside a load, p50", "delay/sync/p50", 20.0),
            ("beside a load, p99", "delay/sync/p99", 1000.0),
        ];
        promises
            .into_iter()
            .filter_map(|(row, bench, most)| self.at_most(&format!("T30 {row}"), bench, most))
            .collect()
    }

    /// T31.
    fn throughput(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        for concurrency in [4, 32] {
            let bench = format!("throughput/{concurrency}");
            let row = format!("T31 delivered, {concurrency} at once");
            let (ours, floor) = (format!("{bench}/ours"), format!("{bench}/floor"));
            targets.extend(self.compared(&row, &ours, &floor, Ratio::AtLeast(0.5)));
            targets.extend(self.at_least(&row, &ours, 3000.0));
        }
        targets
    }

    /// T32. The floor is the same without an endpoint.
    fn members(&self) -> Vec<Target> {
        let (ours, floor) = ("members/subscribed/patch", "members/alone/patch");
        let patch = self.compared("T32 PATCH of many members", ours, floor, Ratio::AtMost(2.0));
        let recorded = self.at_most("T32 all events recorded", "members/subscribed/recorded", 2000.0);
        patch.into_iter().chain(recorded).collect()
    }

    /// T33. The floor is the same without the dead endpoint.
    fn backlog(&self) -> Vec<Target> {
        let peak = self.at_most("T33 most memory", "backlog/peak", 100.0);
        let beside = [
            ("throughput", Ratio::AtLeast(0.8)),
            ("delay/p50", Ratio::AtMost(1.2)),
            ("delay/p99", Ratio::AtMost(1.2)),
        ];
        let beside = beside.into_iter().filter_map(|(what, ratio)| {
            let (with, without) = (format!("backlog/with/{what}"), format!("backlog/without/{what}"));
            self.compared(&format!("T33 beside a dead endpoint, {what}"), &with, &without, ratio)
        });
        let drained = self.at_least("T33 drained after the repair, D4", "backlog/drained", 500.0);
        peak.into_iter().chain(beside).chain(drained).collect()
    }

    fn at_least(&self, row: &str, bench: &str, least: f64) -> Option<Target> {
        self.limited(row, bench, ">=", least, |ours| ours >= least)
    }

    fn at_most(&self, row: &str, bench: &str, most: f64) -> Option<Target> {
        self.limited(row, bench, "<=", most, |ours| ours <= most)
    }

    fn limited(
        &self,
        row: &str,
        bench: &str,
        sign: &str,
        limit: f64,
        holds: impl FnOnce(f64) -> bool,
    ) -> Option<Target> {
        let (ours, unit) = (self.best(bench)?, self.unit(bench)?);
        Some(Target {
            row: self.row(row),
            ours: shown(ours, unit),
            floor: String::new(),
            ratio: None,
            promise: format!("{sign} {limit} {unit}"),
            holds: holds(ours),
        })
    }

    fn compared(&self, row: &str, ours: &str, floor: &str, limit: Ratio) -> Option<Target> {
        let unit = self.unit(ours)?;
        let (ours, floor) = (self.best(ours)?, self.best(floor)?);
        let ratio = ours / floor;
        let (promise, holds) = match limit {
            Ratio::AtLeast(least) => (format!(">= {least:.2}"), ratio >= least),
            Ratio::AtMost(most) => (format!("<= {most:.2}"), ratio <= most),
        };
        Some(Target {
            row: self.row(row),
            ours: shown(ours, unit),
            floor: shown(floor, unit),
            ratio: Some(ratio),
            promise,
            holds,
        })
    }

    /// Of all rounds the highest rate, the shortest time, the most memory.
    fn best(&self, bench: &str) -> Option<f64> {
        let unit = self.unit(bench)?;
        let values = self.of(bench).map(|figure| figure.value);
        if matches!(unit, "/s" | "MiB") {
            values.max_by(f64::total_cmp)
        } else {
            values.min_by(f64::total_cmp)
        }
    }

    fn unit(&self, bench: &str) -> Option<&str> {
        self.of(bench).map(|figure| figure.unit.as_str()).next()
    }

    fn of(&self, bench: &str) -> impl Iterator<Item = &Figure> {
        self.figures.iter().filter(move |figure| figure.engine == self.engine && figure.bench == bench)
    }

    fn row(&self, row: &str) -> String {
        format!("{row}, {}", self.title())
    }

    fn title(&self) -> &'static str {
        if self.engine == "sqlite" { "SQLite" } else { "PostgreSQL" }
    }
}

#[derive(Clone, Copy, Debug)]
enum Ratio {
    AtLeast(f64),
    AtMost(f64),
}

fn shown(value: f64, unit: &str) -> String {
    if value < 100.0 { format!("{value:.1} {unit}") } else { format!("{value:.0} {unit}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(all: &[(&str, f64, &str)]) -> Vec<Figure> {
        let figure = |(bench, value, unit): &(&str, f64, &str)| Figure {
            bench: (*bench).to_owned(),
            engine: "sqlite".to_owned(),
            value: *value,
            unit: (*unit).to_owned(),
        };
        all.iter().map(figure).collect()
    }

    /// The rows that hold, and those that do not.
    fn judged(all: &[(&str, f64, &str)]) -> (Vec<String>, Vec<String>) {
        let (held, missed): (Vec<Target>, Vec<Target>) =
            judge(&figures(all)).into_iter().partition(|target| target.holds);
        let rows = |targets: Vec<Target>| targets.into_iter().map(|target| target.row).collect();
        (rows(held), rows(missed))
    }

    #[test]
    fn the_best_round_counts_and_the_most_memory() {
        let (held, missed) = judged(&[
            ("delay/sync/p99", 1200.0, "ms"),
            ("delay/sync/p99", 900.0, "ms"),
            ("delay/alone/p50", 21.0, "ms"),
            ("backlog/peak", 60.0, "MiB"),
            ("backlog/peak", 101.0, "MiB"),
        ]);
        assert_eq!(held, ["T30 beside a load, p99, SQLite"]);
        assert_eq!(missed, ["T30 alone, p50, SQLite", "T33 most memory, SQLite"]);
    }

    #[test]
    fn deliveries_are_compared_with_a_bare_client_and_with_a_rate() {
        let (held, missed) = judged(&[
            ("throughput/4/ours", 3100.0, "/s"),
            ("throughput/4/floor", 6300.0, "/s"),
            ("throughput/32/ours", 2900.0, "/s"),
            ("throughput/32/floor", 5800.0, "/s"),
        ]);
        let once = ["T31 delivered, 4 at once, SQLite", "T31 delivered, 32 at once, SQLite"];
        assert_eq!(held, once);
        assert_eq!(missed, once);
    }

    #[test]
    fn members_and_dead_endpoints_are_compared_with_the_same_without() {
        let (held, missed) = judged(&[
            ("members/subscribed/patch", 200.0, "ms"),
            ("members/alone/patch", 100.0, "ms"),
            ("members/subscribed/recorded", 2001.0, "ms"),
            ("backlog/with/throughput", 79.0, "/s"),
            ("backlog/without/throughput", 100.0, "/s"),
            ("backlog/with/delay/p50", 12.0, "ms"),
            ("backlog/without/delay/p50", 10.0, "ms"),
            ("backlog/drained", 501.0, "/s"),
        ]);
        let expected = [
            "T32 PATCH of many members, SQLite",
            "T33 beside a dead endpoint, delay/p50, SQLite",
            "T33 drained after the repair, D4, SQLite",
        ];
        assert_eq!(held, expected);
        let expected = ["T32 all events recorded, SQLite", "T33 beside a dead endpoint, throughput, SQLite"];
        assert_eq!(missed, expected);
        assert!(notes(&figures(&[("backlog/recorded", 5000.0, "/s")]))[0].ends_with("recorded: 5000 /s"));
    }
}
