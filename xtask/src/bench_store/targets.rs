//! What is promised of stores, and whether it holds.

use super::Figure;
use crate::bench::table::nanoseconds;

/// From here on the rounds say that the machine did something else as well.
const RESTLESS: f64 = 1.5;

/// One promise.
#[derive(Debug)]
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
    let judge = Judge { figures };
    let mut targets = judge.inserts();
    for engine in ["sqlite", "postgres"] {
        targets.extend(judge.members(engine));
        targets.extend(judge.pages(engine));
        targets.extend(judge.look_ups(engine));
        targets.extend(judge.import(engine));
    }
    targets.extend(judge.memory());
    targets
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

/// What a reader should know who takes the figures for good.
pub(super) fn notes(figures: &[Figure]) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(figure) = find(figures, "memory", "ours").zip(find(figures, "memory", "floor")) {
        let (Some(ours), Some(json)) = (figure.0.bytes_each, figure.1.bytes_each) else { return notes };
        notes.push(format!("memory store: a user is {json:.0} B of JSON and takes {ours:.0} B"));
    }
    for engine in ["sqlite", "postgres"] {
        if let Some(cold) = find(figures, &format!("page/{engine}/index/cold"), "ours").and_then(|f| f.p50_ns)
        {
            notes.push(format!(
                "{}: the first page deep in the directory after a start takes {}, once",
                title(engine),
                nanoseconds(cold)
            ));
        }
        if find(figures, &format!("import/{engine}"), "ours").is_some_and(|figure| figure.earlier) {
            notes.push(format!("{}: loaded in a run before this; --reload loads it again", title(engine)));
        }
    }
    let spread = |figure: &&Figure| figure.spread.is_some_and(|spread| spread >= RESTLESS);
    let restless: Vec<&Figure> = figures.iter().filter(spread).collect();
    let worst = restless
        .iter()
        .filter_map(|figure| Some((figure.spread?, figure)))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    if let Some((spread, figure)) = worst {
        notes.push(format!(
            "the machine was busy: {} of {} figures differ between rounds by {RESTLESS}x or more, {} ({}) by {spread:.1}x",
            restless.len(),
            figures.len(),
            figure.bench,
            figure.implementation,
        ));
    }
    notes
}

struct Judge<'f> {
    figures: &'f [Figure],
}

impl Judge<'_> {
    /// T14 and T15.
    fn inserts(&self) -> Vec<Target> {
        let promises = [
            ("sqlite", 1, 0.7),
            ("sqlite", 16, 0.5),
            ("postgres", 1, 0.7),
            ("postgres", 4, 0.7),
            ("postgres", 16, 0.7),
        ];
        let judged = promises.into_iter().filter_map(|(engine, clients, least)| {
            let bench = format!("post/{engine}/{clients}");
            let (ours, floor) =
                (self.get(&bench, "ours")?.per_second?, self.get(&bench, "floor")?.per_second?);
            let id = if engine == "sqlite" { "T14" } else { "T15" };
            let s = if clients == 1 { "" } else { "s" };
            Some(Target {
                row: format!("{id} insert, {}, {clients} client{s}", title(engine)),
                ours: rate(ours),
                floor: rate(floor),
                ratio: Some(ours / floor),
                promise: format!(">= {least:.2}"),
                holds: ours / floor >= least,
            })
        });
        judged.collect()
    }

    /// T16.
    fn members(&self, engine: &str) -> Vec<Target> {
        let prefix = format!("member/{engine}/");
        let Some(floor) = self.get(&format!("{prefix}commit"), "floor").and_then(|figure| figure.p50_ns)
        else {
            return Vec::new();
        };
        let sizes = self.figures.iter().filter_map(|figure| {
            Some((figure.bench.strip_prefix(&prefix)?.parse::<u64>().ok()?, figure.p50_ns?))
        });
        let mut sizes: Vec<(u64, f64)> = sizes.collect();
        sizes.sort_by_key(|(size, _)| *size);
        let mut targets: Vec<Target> = sizes
            .iter()
            .map(|(size, ours)| {
                let row = format!("T16 one of {size} members, {}", title(engine));
                slower(row, *ours, floor, 1.5)
            })
            .collect();
        let slowest = sizes.iter().map(|(_, time)| *time).max_by(f64::total_cmp);
        let fastest = sizes.iter().map(|(_, time)| *time).min_by(f64::total_cmp);
        targets.extend(slowest.zip(fastest).map(|(slowest, fastest)| {
            slower(format!("T16 slowest size to fastest, {}", title(engine)), slowest, fastest, 2.0)
        }));
        targets
    }

    /// T17. The floor of a page deep in the directory is the first page.
    fn pages(&self, engine: &str) -> Vec<Target> {
        let mut targets = Vec::new();
        for way in ["index", "cursor"] {
            let at = |place: &str| self.get(&format!("page/{engine}/{way}/{place}"), "ours");
            let Some((first, deep)) = at("first").zip(at("deep")) else { continue };
            let row = |what: &str| format!("T17 page by {way}, {what}, {}", title(engine));
            let times = deep.p50_ns.zip(first.p50_ns);
            targets.extend(times.map(|(deep, first)| slower(row("deep to first"), deep, first, 1.5)));
            targets.extend(first.p99_ns.map(|time| ten_milliseconds(row("first, p99"), time)));
            targets.extend(deep.p99_ns.map(|time| ten_milliseconds(row("deep, p99"), time)));
        }
        targets
    }

    /// Beside T17, in the same directory.
    fn look_ups(&self, engine: &str) -> Vec<Target> {
        let judged = ["userName", "externalId", "emails.value"].into_iter().filter_map(|attribute| {
            let time = self.get(&format!("look-up/{engine}/{attribute}"), "ours")?.p99_ns?;
            Some(ten_milliseconds(format!("T17 {attribute} eq, p99, {}", title(engine)), time))
        });
        judged.collect()
    }

    /// T21.
    fn import(&self, engine: &str) -> Vec<Target> {
        let Some(import) = self.get(&format!("import/{engine}"), "ours") else { return Vec::new() };
        let least = if engine == "sqlite" { 20_000.0 } else { 5_000.0 };
        let row = |what: &str| format!("T21 import, {what}, {}", title(engine));
        let rate = import.per_second.map(|ours| Target {
            row: row("users"),
            ours: rate(ours),
            floor: String::new(),
            ratio: None,
            promise: format!(">= {}", rate(least)),
            holds: ours >= least,
        });
        let most = 256.0 * MIB;
        let peak = import.peak_bytes.map(|peak| Target {
            row: row("peak memory"),
            ours: format!("{:.0} MiB", peak / MIB),
            floor: String::new(),
            ratio: None,
            promise: "<= 256 MiB".to_owned(),
            holds: peak <= most,
        });
        rate.into_iter().chain(peak).collect()
    }

    /// T18.
    fn memory(&self) -> Option<Target> {
        let ours = self.get("memory", "ours")?.bytes_each?;
        let most = self.get("memory", "floor")?.bytes_each? * 2.0 + 500.0;
        Some(Target {
            row: "T18 memory store, a user".to_owned(),
            ours: format!("{ours:.0} B"),
            floor: format!("{most:.0} B"),
            ratio: Some(ours / most),
            promise: "<= 1.00 of 2x JSON + 500 B".to_owned(),
            holds: ours <= most,
        })
    }

    fn get(&self, bench: &str, implementation: &str) -> Option<&Figure> {
        find(self.figures, bench, implementation)
    }
}

const MIB: f64 = 1024.0 * 1024.0;

fn find<'f>(figures: &'f [Figure], bench: &str, implementation: &str) -> Option<&'f Figure> {
    figures.iter().find(|figure| figure.bench == bench && figure.implementation == implementation)
}

/// Half of ours take at most so many times as long as half of the floor.
fn slower(row: String, ours: f64, floor: f64, most: f64) -> Target {
    Target {
        row,
        ours: nanoseconds(ours),
        floor: nanoseconds(floor),
        ratio: Some(ours / floor),
        promise: format!("<= {most:.2}"),
        holds: ours / floor <= most,
    }
}

fn ten_milliseconds(row: String, time: f64) -> Target {
    Target {
        row,
        ours: nanoseconds(time),
        floor: String::new(),
        ratio: None,
        promise: "<= 10 ms".to_owned(),
        holds: time <= 10e6,
    }
}

fn rate(per_second: f64) -> String {
    format!("{per_second:.0}/s")
}

fn title(engine: &str) -> &'static str {
    if engine == "sqlite" { "SQLite" } else { "PostgreSQL" }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn figures(of: Value) -> Vec<Figure> {
        serde_json::from_value(of).unwrap()
    }

    /// The rows that hold, and those that do not.
    fn judged(of: Value) -> (Vec<String>, Vec<String>) {
        let (held, missed): (Vec<Target>, Vec<Target>) =
            judge(&figures(of)).into_iter().partition(|target| target.holds);
        let rows = |targets: Vec<Target>| targets.into_iter().map(|target| target.row).collect();
        (rows(held), rows(missed))
    }

    #[test]
    fn inserts_are_compared_with_their_floor() {
        let (held, missed) = judged(json!([
            {"bench": "post/sqlite/1", "impl": "ours", "per_second": 700},
            {"bench": "post/sqlite/1", "impl": "floor", "per_second": 1000},
            {"bench": "post/sqlite/16", "impl": "ours", "per_second": 4900},
            {"bench": "post/sqlite/16", "impl": "floor", "per_second": 10000},
            {"bench": "post/postgres/4", "impl": "ours", "per_second": 710},
            {"bench": "post/postgres/4", "impl": "floor", "per_second": 1000},
        ]));
        assert_eq!(held, ["T14 insert, SQLite, 1 client", "T15 insert, PostgreSQL, 4 clients"]);
        assert_eq!(missed, ["T14 insert, SQLite, 16 clients"]);
    }

    #[test]
    fn members_are_compared_with_a_commit_and_with_each_other() {
        let (held, missed) = judged(json!([
            {"bench": "member/sqlite/commit", "impl": "floor", "p50_ns": 1000},
            {"bench": "member/sqlite/10", "impl": "ours", "p50_ns": 700},
            {"bench": "member/sqlite/1000", "impl": "ours", "p50_ns": 1500},
            {"bench": "member/sqlite/100000", "impl": "ours", "p50_ns": 1600},
        ]));
        assert_eq!(held, ["T16 one of 10 members, SQLite", "T16 one of 1000 members, SQLite"]);
        assert_eq!(missed, ["T16 one of 100000 members, SQLite", "T16 slowest size to fastest, SQLite"]);
    }

    #[test]
    fn pages_are_flat_and_short() {
        let (held, missed) = judged(json!([
            {"bench": "page/postgres/index/first", "impl": "ours", "p50_ns": 2e6, "p99_ns": 9e6},
            {"bench": "page/postgres/index/deep", "impl": "ours", "p50_ns": 4e6, "p99_ns": 11e6},
            {"bench": "look-up/postgres/externalId", "impl": "ours", "p50_ns": 1e6, "p99_ns": 2e6},
        ]));
        assert_eq!(held, ["T17 page by index, first, p99, PostgreSQL", "T17 externalId eq, p99, PostgreSQL"]);
        let expected =
            ["T17 page by index, deep to first, PostgreSQL", "T17 page by index, deep, p99, PostgreSQL"];
        assert_eq!(missed, expected);
    }

    #[test]
    fn loads_and_memory_have_limits() {
        let (held, missed) = judged(json!([
            {"bench": "import/sqlite", "impl": "ours", "per_second": 20000, "peak_bytes": 300 << 20},
            {"bench": "import/postgres", "impl": "ours", "per_second": 4000, "peak_bytes": 100 << 20},
            {"bench": "memory", "impl": "ours", "bytes_each": 2501},
            {"bench": "memory", "impl": "floor", "bytes_each": 1000},
        ]));
        assert_eq!(held, ["T21 import, users, SQLite", "T21 import, peak memory, PostgreSQL"]);
        let expected =
            ["T21 import, peak memory, SQLite", "T21 import, users, PostgreSQL", "T18 memory store, a user"];
        assert_eq!(missed, expected);
    }

    #[test]
    fn rounds_that_differ_and_old_loads_are_said() {
        let notes = notes(&figures(json!([
            {"bench": "post/sqlite/1", "impl": "ours", "per_second": 700, "spread": 1.4},
            {"bench": "post/sqlite/1", "impl": "floor", "per_second": 1000, "spread": 2.5},
            {"bench": "import/sqlite", "impl": "ours", "per_second": 20000, "earlier": true},
        ])));
        assert!(
            notes.iter().any(|note| note.contains("1 of 3 figures") && note.ends_with("by 2.5x")),
            "{notes:?}"
        );
        assert!(notes.iter().any(|note| note.contains("--reload")), "{notes:?}");
    }
}
